//! Requests that wait for a change.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{note, world};
use crate::service::Service;
use crate::service::client::{Answer, request};

/// Asks for what is not this any more, and waits for it.
fn poll(service: &Service, target: &str, tag: &str, seconds: u32) -> Answer {
    let poll = request("GET", target).field("If-None-Match", tag).field("Prefer", &format!("wait={seconds}"));
    service.ask(&poll)
}

#[test]
fn a_poll_is_answered_at_the_change_on_resources_lists_jobs_and_lists_of_jobs() {
    let (world, service) = world();
    note(&service, "a", "one");
    let body = json!({ "operation": "work", "input": { "script": "until [ -e go ]; do sleep 0.02; done" } });
    let job = service.launch("/v1/notes/a/processing", &body);
    service.until("it runs", &job, |job| job["phase"] == "running");
    let changes: [(&str, &dyn Fn()); 6] = [
        ("/v1/notes/a", &|| note(&service, "a", "two")),
        ("/v1/notes/a/text", &|| note(&service, "a", "three")),
        ("/v1/notes", &|| note(&service, "b", "four")),
        (&job, &|| world.write("go", "")),
        ("/v1/jobs", &|| drop(service.launch("/v1/notes/b/processing", &body))),
        ("/v1/notes/b/processing", &|| drop(service.launch("/v1/notes/b/processing", &body))),
    ];
    for (target, change) in changes {
        let before = service.get(target);
        let tag = before.etag().to_owned();
        let answer = thread::scope(|scope| {
            let polling = scope.spawn(|| poll(&service, target, &tag, 30));
            change();
            polling.join().expect("an answer")
        });
        assert_eq!((answer.status, answer.header("preference-applied")), (200, Some("wait=30")), "{target}");
        assert_ne!(answer.etag(), tag, "{target}");
    }
}

#[test]
fn a_poll_ends_with_304_when_its_time_is_up_and_at_once_with_the_service() {
    let (_world, service) = world();
    note(&service, "a", "one");
    let tag = service.get("/v1/notes/a").etag().to_owned();
    note(&service, "b", "of no concern");
    let asked = Instant::now();
    let answer = poll(&service, "/v1/notes/a", &tag, 1);
    assert_eq!((answer.status, answer.header("preference-applied")), (304, Some("wait=1")));
    assert!(asked.elapsed() >= Duration::from_secs(1));
    // What is another one already, or gone, is answered at once; so is who has nothing.
    assert_eq!(poll(&service, "/v1/notes/a", "\"1.0\"", 30).status, 200);
    assert_eq!(poll(&service, "/v1/notes/none", &tag, 30).status, 404);
    let all = service.ask(&request("GET", "/v1/notes/a").field("Prefer", "wait=30"));
    assert_eq!(all.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(20));
    let address = service.address;
    let polling = thread::spawn(move || {
        let poll = request("GET", "/v1/notes/a").field("If-None-Match", &tag).field("Prefer", "wait=60");
        poll.send(address).expect("an answer").status
    });
    // It waits: there is a connection beside ours.
    service.until_metric("heeler_http_connections", |open| open >= 2.0);
    assert_eq!(service.terminate().code(), Some(0));
    assert_eq!(polling.join().expect("it ends"), 304);
}
