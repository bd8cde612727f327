//! Documents that were written under another schema.

use serde_json::{Value, json};

use super::restarted;
use crate::service::World;
use crate::service::client::{MERGE, request};

const CONFIGURATION: &str = r#"
[operations.script]
exec = { command = ["true"] }
[collections.videos]
schema = "video.json"
"#;

fn violation(video: &Value) -> Option<Value> {
    let conditions = video["status"]["conditions"].as_array().expect("conditions");
    conditions.iter().find(|condition| condition["type"] == "SchemaViolation").cloned()
}

#[test]
fn a_document_that_a_newer_schema_refuses_is_served_with_a_condition_until_it_fits() {
    let world = World::new(CONFIGURATION);
    world.write("video.json", "{}");
    let service = world.start();
    for (id, title) in [("right", json!("Holiday")), ("wrong", json!(7)), ("left", json!(8))] {
        let document = json!({ "title": title, "processing": { "operation": "script" } });
        assert_eq!(service.put(&format!("/v1/videos/{id}"), &document).status, 201);
        service.until("its job is done", &format!("/v1/videos/{id}"), |video| {
            video["status"]["processing"]["phase"] == "succeeded"
        });
    }
    let (before, right) = (service.get("/v1/videos/wrong"), service.get("/v1/videos/right"));

    world.write("video.json", r#"{ "properties": { "title": { "type": "string" } } }"#);
    let service = restarted(&world, service, CONFIGURATION);
    let shown = service.until("it is judged", "/v1/videos/wrong", |video| violation(video).is_some());
    let condition = violation(&shown).expect("it was seen");
    assert_eq!(
        (&condition["status"], &condition["reason"], &condition["message"]),
        (
            &json!("True"),
            &json!("SchemaViolation"),
            &json!("the document is not what the schema takes: `/title`: expected string, found number")
        )
    );
    assert_eq!((&shown["title"], &shown["status"]["settled"]), (&json!(7), &json!(true)), "it is served as it is");
    assert_eq!(shown["status"]["generation"], 1);
    assert_ne!(service.get("/v1/videos/wrong").etag(), before.etag(), "caches learn of it");
    assert_eq!(service.get("/v1/videos/right").etag(), right.etag(), "nothing is said of the others");

    // Its jobs go on.
    let job = service.launch("/v1/videos/wrong/processing", &json!({}));
    assert_eq!(service.finished(&job)["phase"], "succeeded");

    // A client that has seen it before can mend it, and nothing less.
    let patch = |body: &Value| {
        let patch = request("PATCH", "/v1/videos/wrong").field("If-Match", before.etag());
        service.ask(&patch.json(MERGE, body))
    };
    let refused = patch(&json!({ "note": "x" }));
    assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/title")));
    let mended = patch(&json!({ "title": "Seven" }));
    assert_eq!((mended.status, violation(&mended.json())), (200, None), "{}", mended.text());

    // What the operator takes back is no violation any more.
    assert!(violation(&service.get("/v1/videos/left").json()).is_some());
    world.write("video.json", "{}");
    let service = restarted(&world, service, CONFIGURATION);
    service.until("it is judged again", "/v1/videos/left", |video| violation(video).is_none());
}
