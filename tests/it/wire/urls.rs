//! Resources and URLs.

use serde_json::json;

use super::{asked, hold, world};
use crate::service::client::request;

#[test]
fn each_url_and_method_is_what_the_table_says() {
    let world = world();
    let service = world.start();
    let id_128 = format!("PUT /v1/notes/{}", "x".repeat(128));
    let id_129 = format!("PUT /v1/notes/{}", "x".repeat(129));
    let unknown_job = "GET /v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057";
    hold(
        &service,
        &[
            ("home", "GET /", &[], "", 200, ""),
            ("alive", "GET /healthz", &[], "", 200, ""),
            ("ready to serve", "GET /readyz", &[], "", 200, ""),
            ("what is counted", "GET /metrics", &[], "", 200, ""),
            ("in text alone", "GET /metrics", &["Accept: application/json"], "", 406, "not-acceptable"),
            ("as scrapers ask", "GET /metrics", &["Accept: text/plain;version=0.0.4;q=0.3"], "", 200, ""),
            ("nothing to change", "POST /metrics", &[], "", 405, "method-not-allowed"),
            ("what can be asked for", "GET /v1/operations", &[], "", 200, ""),
            ("one of them", "GET /v1/operations/script", &[], "", 200, ""),
            ("none of them", "GET /v1/operations/none", &[], "", 404, "not-found"),
            ("a page for each problem type", "GET /problems/not-found", &[], "", 200, ""),
            ("an empty list", "GET /v1/notes", &[], "", 200, ""),
            ("all jobs", "GET /v1/jobs", &[], "", 200, ""),
            ("a job that is not there", unknown_job, &[], "", 404, "not-found"),
            ("a job that cannot be", "GET /v1/jobs/7", &[], "", 404, "not-found"),
            ("PUT creates", "PUT /v1/notes/42", &[], "{}", 201, ""),
            ("create with a server-made id", "POST /v1/notes", &[], "{}", 201, ""),
            ("an `id` in the body is 422", "POST /v1/notes", &[], r#"{"id":"7"}"#, 422, ""),
            ("404 if there is none", "GET /v1/notes/42/processing/last", &[], "", 404, "not-found"),
            ("its jobs", "GET /v1/notes/42/processing", &[], "", 200, ""),
            ("its jobs, of nothing", "GET /v1/notes/none/processing", &[], "", 404, "not-found"),
            ("a trailing slash names the same", "GET /v1/notes/42/", &[], "", 200, ""),
            ("never a redirect", "GET /v1/notes/", &[], "", 200, ""),
            ("also for a change", "PUT /v1/notes/42/", &[], "{}", 200, ""),
            ("also for a POST", "POST /v1/notes/", &[], "{}", 201, ""),
            ("but one slash", "GET /v1/notes/42//", &[], "", 404, "not-found"),
            ("segments are percent-decoded", "GET /v1/n%6ftes/%34%32", &[], "", 200, ""),
            ("once", "GET /v1/notes/%2534%2532", &[], "", 404, "not-found"),
            ("unknown path", "GET /v2", &[], "", 404, "not-found"),
            ("unknown path, whatever the method", "PATCH /v1/none/42", &[], "{}", 404, "not-found"),
            ("unknown path before an unknown parameter", "GET /v1/none?x=1", &[], "", 404, "not-found"),
            ("known path, wrong method", "POST /v1/notes/42", &[], "{}", 405, "method-not-allowed"),
            ("judged before the query", "DELETE /v1/notes?x=1", &[], "", 405, "method-not-allowed"),
            ("judged before the body", "PUT /v1/jobs", &["Content-Type: text/x"], "?", 405, "method-not-allowed"),
            ("not the operator's choice", "PUT /v1/notes/42/processing", &[], "{}", 405, "method-not-allowed"),
            ("TRACE is known", "TRACE /v1/notes", &[], "", 405, "method-not-allowed"),
            ("unknown method", "BREW /v1/notes/42", &[], "", 501, "not-implemented"),
            ("unknown query parameter", "GET /v1/notes/42?x=1", &[], "", 400, "bad-request"),
            ("unknown on a change too", "PUT /v1/notes/42?x=1", &[], "{}", 400, "bad-request"),
            ("of another path", "GET /v1/notes?phase=running", &[], "", 400, "bad-request"),
            ("406 with what there is", "GET /v1/notes/42", &["Accept: image/png"], "", 406, "not-acceptable"),
            ("a probe too", "GET /healthz", &["Accept: image/png"], "", 406, "not-acceptable"),
            ("a probe too", "GET /readyz", &["Accept: image/png"], "", 406, "not-acceptable"),
            ("anything", "GET /healthz", &["Accept: */*"], "", 200, ""),
            ("a part is not the whole", "PUT /v1/notes/42", &["Content-Range: bytes 0-1/2"], "{}", 400, "bad-request"),
            ("nor of a member", "PUT /v1/notes/42/x", &["Content-Range: bytes 0-1/2"], "{}", 400, "bad-request"),
            ("anything", "GET /v1/notes/42", &["Accept: */*"], "", 200, ""),
            ("the longest id", &id_128, &[], "{}", 201, ""),
            ("a longer one", &id_129, &[], "{}", 400, "invalid-id"),
            ("any of these", "PUT /v1/notes/Az09._~:@-", &[], "{}", 201, ""),
            ("not first", "PUT /v1/notes/.a", &[], "{}", 400, "invalid-id"),
            ("not first", "PUT /v1/notes/%20", &[], "{}", 400, "invalid-id"),
            ("a slash that is encoded", "PUT /v1/notes/a%2Fb", &[], "{}", 400, "invalid-id"),
            ("GET is 404", "GET /v1/notes/.a", &[], "", 404, "not-found"),
            ("names of paths are ids as well", "PUT /v1/notes/jobs", &[], "{}", 201, ""),
        ],
    );
}

#[test]
fn head_is_get_without_a_body_and_options_says_what_can_be_done() {
    let world = world();
    let service = world.start();
    assert_eq!(service.put("/v1/notes/42", &json!({ "text": "ä€" })).status, 201);
    for target in [
        "/",
        "/v1/notes",
        "/v1/notes/42",
        "/v1/notes/42/",
        "/v1/notes/42/processing",
        "/v1/jobs",
        "/v1/operations",
        "/healthz",
        "/v1/none",
    ] {
        let (get, head) = (service.get(target), service.ask(&request("HEAD", target)));
        assert_eq!(head.status, get.status, "{target}");
        for field in ["content-length", "content-type", "etag", "last-modified", "vary", "cache-control"] {
            assert_eq!(head.header(field), get.header(field), "{target}: {field}");
        }
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()), "{target}");
    }
    for (target, allow, patches) in [
        ("/v1/notes", "GET, HEAD, OPTIONS, POST", None),
        ("/v1/notes/42", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT", Some(3)),
        ("/v1/notes/none", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT", Some(3)),
        ("/v1/notes/42/processing", "GET, HEAD, OPTIONS, POST", None),
        ("/v1/jobs", "GET, HEAD, OPTIONS", None),
    ] {
        let options = service.ask(&request("OPTIONS", target));
        assert_eq!((options.status, options.header("allow")), (204, Some(allow)), "{target}");
        let types = options.header("accept-patch").map(|types| types.split(", ").count());
        assert_eq!(types, patches, "{target}");
    }
    let refused = service.ask(&request("POST", "/v1/notes/42"));
    assert_eq!(refused.header("allow"), Some("DELETE, GET, HEAD, OPTIONS, PATCH, PUT"));
    let refused = service.ask(&asked("PATCH /v1/notes/42", &["Content-Type: text/plain"], "x"));
    assert!(refused.header("accept-patch").is_some_and(|types| types.contains("application/json-patch+json")));
}

#[test]
fn reading_changes_nothing() {
    let world = world();
    let service = world.start();
    let put = service.put("/v1/notes/42", &json!({ "text": "x" }));
    for target in ["/", "/v1/notes", "/v1/notes/42", "/v1/notes/42/processing", "/v1/notes/none", "/v1/jobs"] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            service.ask(&request(method, target));
        }
    }
    let now = service.get("/v1/notes/42");
    assert_eq!((now.etag(), &now.body), (put.etag(), &put.body));
}
