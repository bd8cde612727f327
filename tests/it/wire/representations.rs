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
    for (relation, href) in
        [("self", "/v1/videos/42"), ("collection", "/v1/videos"), ("processing", "/v1/videos/42/processing")]
    {
        assert_eq!(shown["_links"][relation], json!({ "href": href }), "{relation}");
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
