//! Changing a resource.

use serde_json::{Value, json};

use super::{UNTIL_GO, asked, hold, script, world};
use crate::service::client::{JSON, JSON_PATCH, MERGE, request};
use crate::service::{Service, until};

const NOTE: &str = "/v1/notes/42";
const OPERATIONS: &[&str] = &["Content-Type: application/json-patch+json"];

#[test]
fn media_types_and_sizes_are_judged_as_the_design_says() {
    let world = world();
    let service = world.start();
    service.put(NOTE, &json!({ "a": 1 }));
    let (put, patch) = ("PUT /v1/notes/42", "PATCH /v1/notes/42");
    let of = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - r#"{"a":""}"#.len()));
    let (fits, too_large) = (of(1024 * 1024), of(1024 * 1024 + 1));
    let many = |count: usize| format!("[{}]", vec![r#"{"op":"test","path":"/a","value":1}"#; count].join(","));
    let (thousand, more) = (many(1000), many(1001));
    hold(
        &service,
        &[
            ("application/json is a merge patch", patch, &["Content-Type: application/json"], r#"{"b":2}"#, 200, ""),
            ("an array is 415", patch, &["Content-Type: application/json"], "[]", 415, "unsupported-media-type"),
            ("anything else 415", patch, &["Content-Type: text/plain"], "{}", 415, "unsupported-media-type"),
            (
                "anything else 415",
                put,
                &["Content-Type: application/merge-patch+json"],
                "{}",
                415,
                "unsupported-media-type",
            ),
            ("no type at all", put, &["X: "], "", 415, "unsupported-media-type"),
            (
                "a charset that is JSON's",
                put,
                &["Content-Type: application/json; charset=utf-8"],
                r#"{"a":1}"#,
                200,
                "",
            ),
            ("a JSON Patch is an array", patch, OPERATIONS, "{}", 400, "malformed"),
            ("a malformed patch", patch, OPERATIONS, r#"[{"op":"test"}]"#, 400, "malformed"),
            ("a malformed patch", patch, OPERATIONS, r#"[{"op":"none","path":"/a"}]"#, 400, "malformed"),
            ("a malformed pointer", patch, OPERATIONS, r#"[{"op":"remove","path":"a"}]"#, 400, "malformed"),
            ("1,000 patch operations", patch, OPERATIONS, &thousand, 200, ""),
            ("422", patch, OPERATIONS, &more, 422, "too-complex"),
            ("a body of 1 MiB and a byte", put, &[], &too_large, 413, "too-large"),
            ("a body of 1 MiB", put, &[], &fits, 200, ""),
            ("a document that grows", patch, &[], r#"{"b":1}"#, 413, "too-large"),
            ("a document that grows", patch, OPERATIONS, r#"[{"op":"add","path":"/b","value":1}]"#, 413, "too-large"),
            (
                "after each operation",
                patch,
                OPERATIONS,
                r#"[{"op":"copy","from":"/a","path":"/b"},{"op":"remove","path":"/b"}]"#,
                413,
                "too-large",
            ),
            ("the document stays an object", patch, OPERATIONS, r#"[{"op":"replace","path":"","value":[]}]"#, 422, ""),
            ("the document stays an object", patch, &[], "[]", 422, "invalid"),
        ],
    );
    let chunked = asked(put, &[], &too_large).chunked();
    assert_eq!(service.ask(&chunked).status, 413, "in chunks as well");
    assert_eq!(service.ask(&asked(put, &[], &fits).chunked()).status, 200);
}

#[test]
fn depth_is_judged_after_each_operation() {
    let world = world();
    let service = world.start();
    let nest = |depth: usize| format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
    // The object itself is one level.
    let put = service.ask(&asked(&format!("PUT {NOTE}"), &[], &format!("{{\"a\":{}}}", nest(63))));
    assert_eq!(put.status, 201, "{}", put.text());
    let wrap =
        r#"[{"op":"add","path":"/b","value":[]},{"op":"copy","from":"/a","path":"/b/0"},{"op":"remove","path":"/b"}]"#;
    let patched = service.ask(&asked(&format!("PATCH {NOTE}"), OPERATIONS, wrap));
    assert_eq!((patched.status, patched.problem().as_str()), (422, "too-complex"), "{}", patched.text());
    assert_eq!(service.get(NOTE).etag(), put.etag(), "nothing is stored unless the answer is 2xx");
}

#[test]
fn a_json_patch_sees_the_whole_representation_and_writes_only_the_client_s() {
    let world = world();
    let service = world.start();
    service.put(NOTE, &json!({ "a": { "b": 1 }, "list": [1, 2], "n": 1 }));
    let patch = "PATCH /v1/notes/42";
    let test_idle = r#"[{"op":"test","path":"/status/settled","value":true},{"op":"add","path":"/x","value":1}]"#;
    hold(
        &service,
        &[
            ("a test of observed state", patch, OPERATIONS, test_idle, 200, ""),
            ("a test of the id", patch, OPERATIONS, r#"[{"op":"test","path":"/id","value":"42"}]"#, 200, ""),
            (
                "a test of a link",
                patch,
                OPERATIONS,
                r#"[{"op":"test","path":"/_links/self/href","value":"/v1/notes/42"}]"#,
                200,
                "",
            ),
            ("numbers by value", patch, OPERATIONS, r#"[{"op":"test","path":"/n","value":1.0}]"#, 200, ""),
            ("a failed test", patch, OPERATIONS, r#"[{"op":"test","path":"/n","value":2}]"#, 409, "patch-conflict"),
            (
                "a missing path",
                patch,
                OPERATIONS,
                r#"[{"op":"replace","path":"/none/x","value":2}]"#,
                409,
                "patch-conflict",
            ),
            (
                "add beyond the end",
                patch,
                OPERATIONS,
                r#"[{"op":"add","path":"/list/3","value":2}]"#,
                409,
                "patch-conflict",
            ),
            (
                "a leading zero",
                patch,
                OPERATIONS,
                r#"[{"op":"add","path":"/list/01","value":2}]"#,
                409,
                "patch-conflict",
            ),
            (
                "writing below /status",
                patch,
                OPERATIONS,
                r#"[{"op":"add","path":"/status/x","value":1}]"#,
                422,
                "read-only",
            ),
            ("writing /_links", patch, OPERATIONS, r#"[{"op":"remove","path":"/_links"}]"#, 422, "read-only"),
            ("writing to /id", patch, OPERATIONS, r#"[{"op":"replace","path":"/id","value":"43"}]"#, 422, "read-only"),
            ("escaped", patch, OPERATIONS, r#"[{"op":"move","from":"/status","path":"/a~1b"}]"#, 422, "read-only"),
            (
                "copying out of it is reading",
                patch,
                OPERATIONS,
                r#"[{"op":"copy","from":"/status/generation","path":"/g"}]"#,
                200,
                "",
            ),
        ],
    );
    let missing = service.ask(&asked(patch, OPERATIONS, r#"[{"op":"remove","path":"/none/deeper"}]"#));
    assert_eq!(missing.json()["pointer"], "/none", "the first missing pointer is named: {}", missing.text());
    let half = r#"[{"op":"add","path":"/half","value":1},{"op":"test","path":"/n","value":9}]"#;
    service.ask(&asked(patch, OPERATIONS, half));
    assert!(service.get(NOTE).json().get("half").is_none(), "all or nothing");
}

#[test]
fn start_only_if_idle_is_atomic() {
    let world = world();
    let service = world.start();
    service.put(NOTE, &json!({ "processing": script("true") }));
    service.until("it ends", NOTE, |note| note["status"]["processing"]["phase"] == "succeeded");
    let start = |trigger: u64| {
        let patch = json!([
            { "op": "test", "path": "/status/processing/phase", "value": "succeeded" },
            { "op": "add", "path": "/processing/input", "value": { "script": UNTIL_GO } },
            { "op": "add", "path": "/processing/trigger", "value": trigger },
        ]);
        request("PATCH", NOTE).json(JSON_PATCH, &patch)
    };
    let address = service.address;
    let racers: Vec<_> =
        (0..6).map(|n| std::thread::spawn(move || start(n).send(address).expect("an answer").status)).collect();
    let statuses: Vec<u16> = racers.into_iter().map(|racer| racer.join().expect("a status")).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
    world.write("go", "");
}

#[test]
fn what_was_read_can_be_sent_back_and_nothing_of_the_service_s_can_be_written() {
    let world = world();
    let service = world.start();
    let read = service.put(NOTE, &json!({ "a": 1, "processing": script(UNTIL_GO) })).json();
    service.until("it runs", NOTE, |note| note["status"]["processing"]["phase"] == "running");
    let mut edited = read.clone();
    edited["a"] = json!(2);
    let put = service.put(NOTE, &edited);
    assert_eq!((put.status, &put.json()["a"]), (200, &json!(2)), "front ends send back what they got: {}", put.text());
    let (put, patch) = ("PUT /v1/notes/42", "PATCH /v1/notes/42");
    let strict: &[&str] = &["Prefer: handling=strict"];
    hold(
        &service,
        &[
            ("ours are ignored", patch, &[], r#"{"a":3,"status":{"generation":99,"settled":true}}"#, 200, ""),
            ("no member that ours do not have", put, &[], r#"{"status":{"mine":1}}"#, 422, "read-only"),
            ("no member that ours do not have", patch, &[], r#"{"_links":{"mine":1}}"#, 422, "read-only"),
            ("when they are objects", put, &[], r#"{"status":"done"}"#, 422, "read-only"),
            ("when they are objects", patch, &[], r#"{"status":null}"#, 422, "read-only"),
            ("an id other than the URL's", put, &[], r#"{"id":"43"}"#, 422, ""),
            ("an id other than the URL's", patch, &[], r#"{"id":null}"#, 422, ""),
            ("the URL's", patch, &[], r#"{"id":"42"}"#, 200, ""),
            ("strict: a differing status", patch, strict, r#"{"status":{"generation":99}}"#, 422, "read-only"),
        ],
    );
    let now = service.get(NOTE).json();
    assert_eq!((&now["a"], now["status"]["generation"].as_u64()), (&json!(3), Some(3)), "{now}");
    world.write("go", "");
}

#[test]
fn answers_are_as_the_client_prefers() {
    let world = world();
    let service = world.start();
    let ask = |method: &str, prefer: &str, body: Value| {
        service
            .ask(&request(method, NOTE).field("Prefer", prefer).json(if method == "PUT" { JSON } else { MERGE }, &body))
    };
    let minimal = ask("PUT", "return=minimal", json!({}));
    assert_eq!((minimal.status, minimal.header("preference-applied")), (201, Some("return=minimal")));
    let minimal = ask("PATCH", "return=minimal", json!({ "a": 1 }));
    assert_eq!(
        (minimal.status, minimal.body.len(), minimal.header("preference-applied")),
        (204, 0, Some("return=minimal"))
    );
    assert_eq!(minimal.etag(), service.get(NOTE).etag());
    let waited = ask("PATCH", "wait=20", json!({ "processing": script("sleep 0.1") }));
    assert_eq!((waited.status, &waited.json()["status"]["settled"]), (200, &json!(true)), "{}", waited.text());
    assert_eq!(waited.header("preference-applied"), Some("wait=20"));
    let waited = ask("PATCH", "wait=0", json!({ "processing": script(UNTIL_GO) }));
    assert_eq!((waited.status, &waited.json()["status"]["settled"]), (200, &json!(false)));
    world.write("go", "");
}

#[test]
fn the_result_is_judged_and_every_error_is_located() {
    let world = world();
    let service = world.start();
    let errors = |body: Value| {
        let answer = service.put("/v1/videos/42", &body);
        assert_eq!(answer.status, 422, "{}", answer.text());
        let errors = answer.json()["errors"].as_array().expect("errors").clone();
        errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect::<Vec<_>>()
    };
    let with = |activity: Value| json!({ "title": "x", "processing": activity });
    assert_eq!(errors(json!({ "title": 7 })), ["/title"]);
    assert_eq!(errors(with(json!({ "operation": "none" }))), ["/processing/operation"]);
    assert_eq!(errors(with(json!({ "operation": "script", "input": { "script": 7 } }))), ["/processing/input/script"]);
    assert_eq!(errors(with(json!({ "operation": "script", "inptu": {} }))), ["/processing/inptu"]);
    assert_eq!(errors(with(json!("script"))), ["/processing"]);
    let near = service.put("/v1/videos/42", &with(json!({ "operation": "scirpt", "input": { "script": "" } })));
    assert!(near.text().contains("`script`"), "suggests the near one: {}", near.text());
    assert_eq!(service.get("/v1/videos/42").status, 404);
}

fn deletion(service: &Service) -> Value {
    service.get(NOTE).json()["status"]["deletion"].clone()
}

#[test]
fn delete_is_204_when_nothing_runs_and_202_while_jobs_are_cancelled() {
    let world = world();
    let service = world.start();
    service.put(NOTE, &json!({}));
    assert_eq!(service.ask(&request("DELETE", NOTE)).status, 204);
    assert_eq!(service.ask(&request("DELETE", NOTE)).status, 404);
    // It ends only when it is let, whatever it is told.
    let stubborn = "trap '' TERM; touch up; until [ -e go ]; do sleep 0.02; done";
    let world = super::World::new(&super::CONFIGURATION.replace("200ms", "60s"));
    world.write("script.json", super::SCRIPT_SCHEMA);
    world.write("video.json", super::VIDEO_SCHEMA);
    let service = world.start();
    service.put(NOTE, &json!({ "processing": script(stubborn) }));
    until("it is up", || world.file("up").exists());
    let job = service.get("/v1/notes/42/processing/last").json()["id"].as_str().expect("an id").to_owned();
    let deleted = service.ask(&request("DELETE", NOTE));
    assert_eq!(deleted.status, 202, "{}", deleted.text());
    assert!(!deletion(&service).is_null());
    hold(
        &service,
        &[
            ("meanwhile PUT is 409", "PUT /v1/notes/42", &[], "{}", 409, "deleting"),
            ("meanwhile PATCH is 409", "PATCH /v1/notes/42", &[], "{}", 409, "deleting"),
            ("meanwhile POST is 409", "POST /v1/notes/42/processing", &[], "", 409, "deleting"),
            ("DELETE again 202", "DELETE /v1/notes/42", &[], "", 202, ""),
            ("under any tag", "DELETE /v1/notes/42", &["If-Match: \"999.999\""], "", 202, ""),
        ],
    );
    service.kill();
    let service = world.start();
    assert!(!deletion(&service).is_null(), "it survives a kill");
    world.write("go", "");
    until("it is gone", || service.get(NOTE).status == 404);
    let job = service.get(&format!("/v1/jobs/{job}"));
    assert_eq!((job.status, &job.json()["phase"]), (200, &json!("canceled")), "its jobs stay readable");
}
