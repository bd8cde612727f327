//! Activities without a schedule.

use serde_json::{Value, json};

use super::{UNTIL_GO, hold, script, world};
use crate::service::client::{MERGE, request};
use crate::service::{Service, until};

const NOTE: &str = "/v1/notes/42";

/// Changes the note, waits until it is settled, and counts the jobs there ever were.
fn jobs_after(service: &Service, patch: &Value) -> usize {
    let answer = service.ask(&request("PATCH", NOTE).field("Prefer", "wait=30").json(MERGE, patch));
    assert_eq!((answer.status, &answer.json()["status"]["settled"]), (200, &json!(true)), "{}", answer.text());
    jobs(service).len()
}

fn jobs(service: &Service) -> Vec<Value> {
    service.get("/v1/notes/42/processing?limit=1000").json()["items"].as_array().expect("items").clone()
}

#[test]
fn each_change_of_what_is_asked_asks_once_and_nothing_else_does() {
    let world = world();
    let service = world.start();
    service.put(NOTE, &json!({}));
    let input = |script: &str| json!({ "processing": { "input": { "script": script } } });
    for (name, patch, count) in [
        ("nothing is asked", json!({ "title": "a" }), 0),
        ("an activity asks", json!({ "processing": script("true") }), 1),
        ("another member asks for nothing", json!({ "title": "b" }), 1),
        ("another input asks", input("exit 0"), 2),
        ("back to an earlier value asks", input("true"), 3),
        ("a trigger asks", json!({ "processing": { "trigger": "again" } }), 4),
        ("the same trigger does not", json!({ "processing": { "trigger": "again" } }), 4),
        ("a new one asks", json!({ "processing": { "trigger": 2 } }), 5),
        ("a timeout asks for nothing", json!({ "processing": { "timeout": "1m" } }), 5),
        ("overlap asks for nothing", json!({ "processing": { "overlap": "queue" } }), 5),
        ("retries ask for nothing", json!({ "processing": { "retry": { "attempts": 2, "backoff": "10ms" } } }), 5),
        ("to fail asks", input("exit 3"), 6),
        ("and is not tried again by itself", json!({ "title": "c" }), 6),
        ("removing it forgets", json!({ "processing": null }), 6),
        ("and adding it asks", json!({ "processing": script("exit 0") }), 7),
        ("suspend asks for nothing", json!({ "processing": { "suspend": true } }), 7),
    ] {
        assert_eq!(jobs_after(&service, &patch), count, "{name}: {patch}");
    }
    let failed = &jobs(&service)[1];
    assert_eq!(failed["attempts"].as_array().map(Vec::len), Some(2), "`retry` of the document: {failed}");
    let generation = service.get(NOTE).json()["status"]["generation"].as_u64();
    assert_eq!(generation, Some(16));
}

#[test]
fn suspend_holds_back_and_canceled_stops_until_taken_back() {
    let world = world();
    let service = world.start();
    let suspended = json!({ "processing": { "operation": "script", "input": { "script": "true" }, "suspend": true } });
    let note = service.put(NOTE, &suspended).json();
    assert_eq!(
        (&note["status"]["processing"]["phase"], &note["status"]["settled"]),
        (&json!("suspended"), &json!(false)),
        "{note}"
    );
    assert_eq!(note["status"]["conditions"][0]["reason"], "Suspended", "{note}");
    assert_eq!(jobs_after(&service, &json!({ "processing": { "suspend": false } })), 1);
    service.ask(&request("PATCH", NOTE).json(MERGE, &json!({ "processing": script(UNTIL_GO) })));
    service.until("it runs", NOTE, |note| note["status"]["processing"]["phase"] == "running");
    // It leaves running jobs alone.
    let held = service.ask(&request("PATCH", NOTE).json(MERGE, &json!({ "processing": { "suspend": true } }))).json();
    assert_eq!(held["status"]["processing"]["activeCount"], 1, "{held}");
    assert_eq!(jobs_after(&service, &json!({ "processing": { "suspend": null, "canceled": true } })), 2);
    let job = &jobs(&service)[0];
    assert_eq!((&job["phase"], &job["canceled"]), (&json!("canceled"), &json!(true)), "{job}");
    assert_eq!(service.get(NOTE).json()["status"]["processing"]["phase"], "canceled");
    world.write("go", "");
    assert_eq!(jobs_after(&service, &json!({ "processing": { "canceled": false } })), 3, "asked work is pending again");
}

#[test]
fn a_change_meets_an_active_job_as_overlap_says_and_is_never_skipped() {
    for (overlap, first, count) in
        [("replace", "canceled", 2), ("forbid", "succeeded", 2), ("queue", "succeeded", 2), ("allow", "succeeded", 2)]
    {
        let world = world();
        let service = world.start();
        let asked = |input: &str| json!({ "processing": { "operation": "script", "input": { "script": input }, "overlap": overlap } });
        service.put(NOTE, &asked(UNTIL_GO));
        service.until("it runs", NOTE, |note| note["status"]["processing"]["phase"] == "running");
        service.put(NOTE, &asked("echo 2 >>done"));
        match overlap {
            "allow" => until("both run", || !world.text("done").is_empty()),
            "replace" => until("the new one runs", || !world.text("done").is_empty()),
            _ => assert_eq!(service.get(NOTE).json()["status"]["processing"]["activeCount"], 2, "{overlap}: it waits"),
        }
        world.write("go", "");
        service.until("it settles", NOTE, |note| note["status"]["settled"] == true);
        let jobs = jobs(&service);
        assert_eq!(jobs.len(), count, "{overlap}");
        assert_eq!((&jobs[0]["phase"], &jobs[1]["phase"]), (&json!("succeeded"), &json!(first)), "{overlap}: {jobs:?}");
        assert_eq!(world.text("done"), "2\n", "{overlap}");
    }
}

#[test]
fn a_newer_change_supersedes_one_that_still_waits() {
    let world = world();
    let service = world.start();
    let asked = |input: &str| json!({ "processing": { "operation": "script", "input": { "script": input }, "overlap": "forbid" } });
    service.put(NOTE, &asked(UNTIL_GO));
    service.until("it runs", NOTE, |note| note["status"]["processing"]["phase"] == "running");
    service.put(NOTE, &asked("echo 2 >>done"));
    service.put(NOTE, &asked("echo 3 >>done"));
    world.write("go", "");
    service.until("it settles", NOTE, |note| note["status"]["settled"] == true);
    let jobs = jobs(&service);
    assert_eq!((&jobs[1]["phase"], &jobs[1]["reason"]), (&json!("canceled"), &json!("superseded")), "{jobs:?}");
    assert_eq!(world.text("done"), "3\n");
}

#[test]
fn a_post_meets_an_active_job_as_overlap_says() {
    let world = world();
    let service = world.start();
    let document = |overlap: Value| json!({ "processing": { "operation": "script", "input": { "script": UNTIL_GO }, "overlap": overlap } });
    service.put(NOTE, &document(json!("forbid")));
    service.until("it runs", NOTE, |note| note["status"]["processing"]["phase"] == "running");
    let post = "POST /v1/notes/42/processing";
    hold(&service, &[("forbid is 409", post, &[], "", 409, "overlap")]);
    service.put(NOTE, &document(json!("queue")));
    hold(
        &service,
        &[
            ("one can wait", post, &[], "", 202, ""),
            ("and so is queue when one waits already", post, &[], "", 409, "overlap"),
            (
                "a document that says otherwise",
                "PATCH /v1/notes/42",
                &[],
                r#"{"processing":{"suspend":true}}"#,
                200,
                "",
            ),
            ("nothing new starts", post, &[], "", 409, "not-accepting"),
        ],
    );
    world.write("go", "");
}

#[test]
fn an_activity_is_judged_strictly() {
    let world = world();
    let service = world.start();
    let put = "PUT /v1/notes/42";
    let rows: Vec<String> = [
        r#""inptu":{}"#,
        r#""overlap":"sometimes""#,
        r#""suspend":"yes""#,
        r#""timeout":"soon""#,
        r#""retry":{"attempts":0}"#,
        r#""trigger":{}"#,
        r#""input":[]"#,
    ]
    .map(|member| format!(r#"{{"processing":{{"operation":"script","input":{{"script":"true"}},{member}}}}}"#))
    .to_vec();
    for body in &rows[..rows.len() - 1] {
        hold(&service, &[("these Heeler judges itself, strictly", put, &[], body, 422, "invalid")]);
    }
    assert_eq!(
        service.put(NOTE, &json!({ "processing": { "operation": "script" } })).status,
        422,
        "`input` defaults to {{}}"
    );
    let near = service.put(NOTE, &json!({ "processing": { "operation": "script", "inptu": {} } }));
    assert!(near.text().contains("did you mean `input`"), "suggests the near one: {}", near.text());
}
