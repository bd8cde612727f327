//! Representations.

use serde_json::{Value, json};

use super::{asked, hold, script, world};
use crate::service::client::{JSON, request};

#[test]
fn what_a_client_wrote_comes_back_as_it_wrote_it() {
    let world = world();
    let service = world.start();
    let body = r#"{"z":1,"a":[0,-0.5,1.0,1e2,18446744073709551615,-9223372036854775808,9007199254740993],"ü\u0000":{"":null,"b":"\ud83d\ude00"},"0":true}"#;
    let put = service.ask(&asked("PUT /v1/notes/42", &[], body));
    assert_eq!(put.status, 201, "{}", put.text());
    for answer in [put, service.get("/v1/notes/42")] {
        let text = String::from_utf8(answer.body.clone()).expect("UTF-8");
        for part in ["18446744073709551615", "-9223372036854775808", "9007199254740993"] {
            assert!(text.contains(part), "integers digit for digit: {text}");
        }
        let shown = answer.json();
        let names: Vec<_> = shown.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names, ["id", "z", "a", "ü\0", "0", "status", "_links"]);
        let numbers: Vec<_> = shown["a"].as_array().expect("an array").iter().take(4).map(Value::as_f64).collect();
        assert_eq!(numbers, [Some(0.0), Some(-0.5), Some(1.0), Some(100.0)]);
        assert_eq!(shown["ü\0"], json!({ "": null, "b": "😀" }));
    }
}

#[test]
fn what_is_not_json_to_the_letter_is_refused() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({}));
    let put = "PUT /v1/notes/42";
    let deep = |depth: usize| format!("{{\"a\":{}0{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let patch: &[&str] = &["Content-Type: application/json-patch+json"];
    let add = |value: &str| format!(r#"[{{"op":"add","path":"/a","value":{value}}}]"#);
    hold(
        &service,
        &[
            ("duplicate member names", put, &[], r#"{"a":1,"a":1}"#, 400, "malformed"),
            ("however deep", put, &[], r#"{"a":[{"b":1,"\u0062":2}]}"#, 400, "malformed"),
            ("in a merge patch", "PATCH /v1/notes/42", &[], r#"{"a":1,"a":2}"#, 400, "malformed"),
            ("in a JSON Patch", "PATCH /v1/notes/42", patch, &add(r#"{"a":1,"a":2}"#), 400, "malformed"),
            ("in a launch", "POST /v1/notes/42/processing", &[], r#"{"input":{},"input":{}}"#, 400, "malformed"),
            ("beyond 2^64-1", put, &[], r#"{"a":18446744073709551616}"#, 400, "malformed"),
            ("below -2^63", put, &[], r#"{"a":-9223372036854775809}"#, 400, "malformed"),
            ("beyond a double", put, &[], r#"{"a":1e400}"#, 400, "malformed"),
            ("not JSON", put, &[], "{", 400, "malformed"),
            ("not JSON", put, &[], "{} {}", 400, "malformed"),
            ("not JSON", put, &[], r#"{"a":NaN}"#, 400, "malformed"),
            ("not JSON", put, &["Content-Type: application/json", "Content-Length: 0"], "", 400, "malformed"),
            ("the document is an object", put, &[], "[]", 422, "invalid"),
            ("the document is an object", put, &[], "null", 422, "invalid"),
            ("the document is an object", "POST /v1/notes", &[], "7", 422, "invalid"),
            ("depth 64", put, &[], &deep(64), 200, ""),
            ("of the body too", put, &[], &deep(65), 422, "too-complex"),
            ("of the body too", "PATCH /v1/notes/42", &[], &deep(65), 422, "too-complex"),
            ("much deeper", put, &[], &deep(100_000), 422, "too-complex"),
        ],
    );
}

#[test]
fn a_representation_has_the_members_that_the_design_shows() {
    let world = world();
    let service = world.start();
    let document = json!({ "title": "Holiday", "processing": script("exit 0") });
    let created = service.put("/v1/videos/42", &document);
    assert_eq!((created.status, created.header("location")), (201, Some("/v1/videos/42")));
    let shown = service.until("it settles", "/v1/videos/42", |shown| shown["status"]["settled"] == true);
    let status = &shown["status"];
    assert_eq!(
        (&shown["id"], &shown["title"], &shown["processing"]),
        (&json!("42"), &document["title"], &document["processing"])
    );
    assert_eq!(status["generation"], 1, "{shown}");
    for member in ["created", "updated"] {
        let time = status[member].as_str().expect("a time");
        assert!(
            time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.',
            "RFC 3339, UTC, Z, milliseconds: {time}"
        );
    }
    let processing = &status["processing"];
    assert_eq!(processing["phase"], "succeeded", "{shown}");
    assert_eq!(processing["effective"]["overlap"], json!({ "change": "replace", "tick": "forbid", "post": "allow" }));
    assert_eq!((&processing["active"], &processing["activeCount"]), (&json!([]), &json!(0)));
    assert_eq!(processing["last"]["phase"], "succeeded");
    for (link, href) in [
        ("self", "/v1/videos/42"),
        ("collection", "/v1/videos"),
        ("processing", "/v1/videos/42/processing"),
        ("describedby", "/schemas/videos"),
        ("form", "/v1/videos/42/processing/form"),
    ] {
        assert_eq!(shown["_links"][link]["href"], href, "{link}");
    }
    assert_eq!(service.get(processing["last"]["href"].as_str().expect("a link")).status, 200);
    let get = service.get("/v1/videos/42");
    let vary = get.header("vary").unwrap_or_default();
    assert!(vary.contains("Accept") && vary.contains("Prefer"), "{vary}");
    assert!(get.header("last-modified").is_some_and(|date| date.ends_with(" GMT")));
}

#[test]
fn whenever_it_is_not_settled_a_condition_says_why_and_since_when() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({ "processing": script(super::UNTIL_GO) }));
    let running = |note: &Value| note["status"]["processing"]["active"][0]["phase"] == "running";
    let note = service.until("it runs", "/v1/notes/42", running);
    let condition = &note["status"]["conditions"][0];
    assert_eq!(
        (&note["status"]["settled"], &condition["type"], &condition["status"], &condition["reason"]),
        (&json!(false), &json!("Settled"), &json!("False"), &json!("JobRunning")),
        "{note}"
    );
    assert!(condition["since"].is_string() && condition["message"].is_string(), "{note}");
    let active = &note["status"]["processing"]["active"][0];
    assert_eq!((&active["phase"], &active["attempt"]), (&json!("running"), &json!(1)), "{note}");
    assert_eq!(active["href"], json!(format!("/v1/jobs/{}", active["id"].as_str().expect("an id"))), "{note}");
}

#[test]
fn a_resource_that_is_created_again_inherits_nothing() {
    let world = world();
    let service = world.start();
    let put = |text: &str| service.put("/v1/notes/42", &json!({ "text": text, "processing": script("true") }));
    let first = put("a").json();
    service.until("it settles", "/v1/notes/42", |note| note["status"]["settled"] == true);
    let job = service.get("/v1/notes/42/processing/last").json();
    let tag = service.get("/v1/notes/42").etag().to_owned();
    assert_eq!(service.ask(&request("DELETE", "/v1/notes/42")).status, 204);
    assert_eq!(service.get("/v1/notes/42").status, 404);
    let again = service.put("/v1/notes/42", &json!({ "text": "a" }));
    assert_eq!(again.status, 201);
    assert_ne!(again.etag(), tag, "it never repeats, also not after delete and re-create");
    assert_ne!(again.json()["status"]["uid"], first["status"]["uid"], "new with each creation");
    assert_eq!(again.json()["status"]["generation"], 1);
    assert_eq!(service.get("/v1/notes/42/processing/last").status, 404, "jobs belong to the uid");
    assert_eq!(service.get("/v1/notes/42/processing").json()["items"], json!([]));
    let id = job["id"].as_str().expect("an id");
    assert_eq!(service.get(&format!("/v1/jobs/{id}")).status, 200, "finished jobs stay readable");
    assert_eq!(service.get(&format!("/v1/notes/42/processing/{id}")).status, 404);
    let old = request("PUT", "/v1/notes/42").field("If-Match", &tag).json(JSON, &json!({}));
    assert_eq!(service.ask(&old).status, 412);
}

#[test]
fn an_answer_depends_on_the_same_fields_whichever_face_it_has() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({}));
    for (line, fields, status) in [
        ("GET /v1/none", vec![], 404),
        ("GET /v1/notes/none", vec![], 404),
        ("POST /v1/notes/42", vec![], 405),
        ("BREW /v1/notes/42", vec![], 501),
        ("GET /v1/notes?x=1", vec![], 400),
        ("GET /", vec!["Host: evil.example"], 421),
        ("PATCH /v1/videos/none", vec!["Content-Type: text/x"], 415),
        ("GET /v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057/log", vec![], 404),
    ] {
        let vary = |accept: &str| {
            let answer = service.ask(&asked(line, &[&[accept], &fields[..]].concat(), ""));
            assert_eq!(answer.status, status, "{line}: {}", answer.text());
            answer.values("vary")
        };
        let json = vary("Accept: application/json, text/plain");
        assert_eq!(json, "Accept, Accept-Encoding", "{line}");
        assert_eq!(vary("Accept: text/html, text/plain;q=0.1"), json, "{line}");
    }
    let none = service.ask(&asked("GET /v1/notes/42", &["Accept: image/png"], ""));
    assert_eq!((none.status, none.values("vary").as_str()), (406, "Accept, Accept-Encoding"));
}

#[test]
fn what_has_no_version_is_not_sent_again_in_any_face_and_coding() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({}));
    for target in ["/", "/problems", "/problems/not-found", "/v1/notes/42/processing/form"] {
        let mut tags = std::collections::BTreeSet::new();
        for accept in ["Accept: application/json", "Accept: text/html"] {
            for coding in ["Accept-Encoding: identity", "Accept-Encoding: gzip, identity;q=0"] {
                let get = |more: &[&str]| service.ask(&asked(&format!("GET {target}"), more, ""));
                let whole = get(&[accept, coding]);
                let tag = format!("If-None-Match: {}", whole.etag());
                let kept = get(&[accept, coding, &tag]);
                assert_eq!((kept.status, kept.etag()), (304, whole.etag()), "{target} {accept} {coding}");
                for field in ["vary", "cache-control"] {
                    assert_eq!(kept.header(field), whole.header(field), "{target} {accept} {coding}: {field}");
                }
                tags.insert(whole.etag().to_owned());
            }
        }
        // What does not get smaller is sent as it is, whatever a client likes.
        assert!(tags.len() >= 3, "{target}: another face or coding, another tag: {tags:?}");
        let stale = service.ask(&asked(&format!("GET {target}"), &["If-None-Match: \"0\""], ""));
        assert_eq!(stale.status, 200, "{target}");
    }
}
