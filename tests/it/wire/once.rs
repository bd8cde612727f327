//! Once only: `Idempotency-Key`, and `?dryRun=true`, which does nothing at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{UNTIL_GO, asked, hold, script, world};
use crate::service::client::{Answer, JSON, Request, request};
use crate::service::{Service, until};

const VIDEO: &str = "/v1/videos/42";
const NOTES: &str = "/v1/notes";

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

/// Status and place, which are the same for ever.
fn said(answer: &Answer) -> (u16, Option<String>) {
    (answer.status, answer.header("location").map(str::to_owned))
}

/// Everything of the client's that is there: documents, and how many jobs.
fn contents(service: &Service) -> (Vec<Value>, usize) {
    let items = |list: &str| service.get(list).json()["items"].as_array().expect("a list").clone();
    let documents = [items("/v1/videos?limit=1000"), items("/v1/notes?limit=1000")].concat();
    let told = documents
        .into_iter()
        .map(|document| json!([document["id"], document["title"], document["status"]["generation"]]));
    (told.collect(), items("/v1/jobs?limit=1000").len())
}

#[test]
fn the_same_key_gets_the_same_answer_whatever_happened_since() {
    let world = world();
    let mut service = world.start();
    service.put("/v1/videos/1", &json!({ "title": "a", "processing": script(UNTIL_GO) }));
    service.until("it runs", "/v1/videos/1", |video| video["status"]["processing"]["phase"] == "running");
    let job = service.get("/v1/videos/1/processing/last").json()["id"].as_str().expect("an id").to_owned();
    let patch_job = format!("PATCH /v1/jobs/{job}");
    let launch = r#"{"operation":"script","input":{"script":"true"}}"#;
    let strictly = "Content-Type: application/json-patch+json";
    let changes: [(&str, &str, &[&str], &str, u16); 12] = [
        ("POST on a collection", "POST /v1/videos", &[], r#"{"title":"b"}"#, 201),
        ("PUT that creates", "PUT /v1/videos/2", &["If-None-Match: *"], r#"{"title":"b"}"#, 201),
        ("PUT that replaces", "PUT /v1/videos/2", &["If-Match: *"], r#"{"title":"c"}"#, 200),
        ("PATCH", "PATCH /v1/videos/2", &["If-Match: *"], r#"{"title":"d"}"#, 200),
        ("PATCH, in short", "PATCH /v1/videos/2", &["If-Match: *", "Prefer: return=minimal"], r#"{"title":"e"}"#, 204),
        (
            "a JSON Patch that would do it again",
            "PATCH /v1/videos/2",
            &["If-Match: *", strictly],
            r#"[{"op":"copy","from":"/title","path":"/old"},{"op":"add","path":"/title","value":"f"}]"#,
            200,
        ),
        ("by a date", "PATCH /v1/videos/2", &["If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT"], r#"{"n":1}"#, 200),
        ("a change of nothing", "PATCH /v1/videos/2", &["If-Match: *"], "{}", 200),
        ("POST on an activity", "POST /v1/videos/2/processing", &[], launch, 202),
        ("a cancel", &patch_job, &[], r#"{"canceled":true}"#, 202),
        ("DELETE", "DELETE /v1/videos/2", &["If-Match: *"], "", 204),
        ("DELETE of what has to stop first", "DELETE /v1/videos/1", &["If-Match: *"], "", 202),
    ];
    let mut sent: Vec<(&str, Request, Answer)> = Vec::new();
    for (number, (name, line, fields, body, status)) in changes.into_iter().enumerate() {
        if name == "DELETE" {
            // What the activity does has to be done.
            service.until("it settles", "/v1/videos/2", |video| video["status"]["settled"] == true);
        }
        if name == "DELETE of what has to stop first" {
            service.launch("/v1/videos/1/processing", &script("trap '' TERM; sleep 60"));
            service.until("it runs", "/v1/videos/1", |video| {
                video["status"]["processing"]["active"][0]["phase"] == "running"
            });
        }
        let request = asked(line, fields, body).field("Idempotency-Key", &format!("\"key-{number}\""));
        let first = service.ask(&request);
        assert_eq!((first.status, is_replayed(&first)), (status, false), "{name}: {}", first.text());
        let before = contents(&service);
        let again = service.ask(&request);
        assert_eq!((said(&again), is_replayed(&again)), (said(&first), true), "{name}: {}", again.text());
        assert_eq!(contents(&service), before, "{name} was made twice");
        sent.push((name, request, first));
    }
    until("it is gone", || service.get("/v1/videos/1").status == 404);
    for round in ["after a kill", "after another"] {
        service.kill();
        service = world.start();
        let before = contents(&service);
        for (name, request, first) in &sent {
            let again = service.ask(request);
            assert_eq!((said(&again), is_replayed(&again)), (said(first), true), "{round}: {name}: {}", again.text());
        }
        assert_eq!(contents(&service), before, "{round}");
    }
}

#[test]
fn a3_a_creation_with_a_key_is_made_once() {
    let world = world();
    let service = world.start();
    let create =
        |title: &str| asked("POST /v1/videos", &["Idempotency-Key: \"a3\""], &json!({ "title": title }).to_string());
    let first = service.ask(&create("a"));
    assert_eq!((first.status, first.header("location").is_some(), first.etag().is_empty()), (201, true, false));
    let again = service.ask(&create("a"));
    assert_eq!((said(&again), is_replayed(&again), again.etag()), (said(&first), true, first.etag()));
    assert_eq!(service.ask(&create("b")).status, 422);
    assert_eq!(contents(&service).0.len(), 1);
}

#[test]
fn b15_two_posts_make_two_jobs_and_with_one_key_one() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/dog", &json!({}));
    let bark =
        |fields: &[&str]| service.ask(&asked("POST /v1/notes/dog/processing", fields, &script("true").to_string()));
    let (one, two) = (bark(&[]), bark(&[]));
    assert_eq!((one.status, two.status), (202, 202));
    assert_ne!(said(&one), said(&two));
    let (three, again) = (bark(&["Idempotency-Key: b15"]), bark(&["Idempotency-Key: b15"]));
    assert_eq!((three.status, said(&again), is_replayed(&again)), (202, said(&three), true));
    assert_eq!(contents(&service).1, 3);
}

#[test]
fn b23_the_same_put_twice_has_one_effect() {
    let world = world();
    let service = world.start();
    let document = json!({ "processing": script("true") }).to_string();
    let put = |fields: &[&str]| service.ask(&asked("PUT /v1/notes/dog", fields, &document));
    let first = put(&["If-None-Match: *"]);
    let again = put(&["If-None-Match: *"]);
    assert_eq!((first.status, again.status, &again.json()["alreadyApplied"]), (201, 412, &json!(true)));
    let settled = service.until("it settles", "/v1/notes/dog", |dog| dog["status"]["settled"] == true);
    let (second, third) = (put(&[]), put(&[]));
    assert_eq!((second.status, third.status), (200, 200));
    assert_eq!((second.etag(), third.json()), (third.etag(), settled));
    assert_eq!(contents(&service).1, 1);
}

#[test]
fn a_replay_shows_what_is_there_now() {
    let world = world();
    let service = world.start();
    let create = request("POST", "/v1/videos").field("Idempotency-Key", "a").json(JSON, &json!({ "title": "a" }));
    let first = service.ask(&create);
    let at = first.header("location").expect("a place").to_owned();
    let edited = service.ask(&asked(&format!("PATCH {at}"), &["If-Match: *"], r#"{"title":"b"}"#));
    let again = service.ask(&create);
    assert_eq!((again.status, again.etag(), &again.json()["title"]), (201, edited.etag(), &json!("b")));
    // A tag from a replay is a tag to go on with.
    let tag = format!("If-Match: {}", again.etag());
    assert_eq!(service.ask(&asked(&format!("PATCH {at}"), &[&tag], r#"{"title":"c"}"#)).status, 200);
    service.ask(&asked(&format!("DELETE {at}"), &["If-Match: *"], ""));
    let again = service.ask(&create);
    assert_eq!((said(&again), is_replayed(&again), again.json()), (said(&first), true, Value::Null));
}

#[test]
fn a_key_stands_for_one_request_and_is_judged_in_its_turn() {
    let world = world();
    let service = world.start();
    let (used, fresh) = ("Idempotency-Key: used", "Idempotency-Key: fresh");
    let (put, patch, title) = ("PUT /v1/videos/42", "PATCH /v1/videos/42", r#"{"title":"a"}"#);
    assert_eq!(service.ask(&asked(put, &[used], title)).status, 201);
    let reused = "idempotency-key-reused";
    hold(
        &service,
        &[
            ("another body", put, &[used], r#"{"title":"b"}"#, 422, reused),
            ("another media type", put, &[used, "Content-Type: text/plain"], title, 415, "unsupported-media-type"),
            ("another method", patch, &[used], title, 422, reused),
            ("another target", "PUT /v1/videos/43", &[used], title, 422, reused),
            ("no body", "DELETE /v1/videos/42", &[used], "", 422, reused),
            ("before preconditions", put, &[used, "If-Match: \"999.999\""], r#"{"title":"b"}"#, 422, reused),
            ("the preconditions are not a part of it", put, &[used, "If-Match: \"999.999\""], title, 201, ""),
            ("before 428", "DELETE /v1/videos/42", &[used], "", 422, reused),
            ("before the schema", put, &[used], r#"{"title":7}"#, 422, reused),
            ("after the route", "PUT /v1/films/42", &[used], "{}", 404, "not-found"),
            ("after the method", "POST /v1/videos/42", &[used], "{}", 405, "method-not-allowed"),
            ("after the query", "PUT /v1/videos/42?do=it", &[used], "{}", 400, "bad-request"),
            ("after syntax", put, &[used], "{", 400, "malformed"),
            ("after existence", "PATCH /v1/videos/none", &[used], title, 404, "not-found"),
            ("after existence", "POST /v1/videos/none/processing", &[used], "{}", 404, "not-found"),
            ("sent twice", put, &[used, fresh], title, 400, "bad-request"),
            ("empty", put, &["Idempotency-Key: \"\""], title, 400, "bad-request"),
            ("a space", put, &["Idempotency-Key: a b"], title, 400, "bad-request"),
            ("a failure is not stored", put, &[fresh, "If-Match: \"999.999\""], title, 412, "precondition-failed"),
            ("a failure is not stored", put, &[fresh, "If-Match: *"], r#"{"title":7}"#, 422, "invalid"),
            ("a failure is not stored", put, &[fresh], title, 428, "precondition-required"),
            ("so it stays free", put, &[fresh, "If-Match: *"], r#"{"title":"c"}"#, 200, ""),
            ("and is taken now", put, &[fresh, "If-Match: *"], r#"{"title":"d"}"#, 422, reused),
            ("reading has no key", "GET /v1/videos/42", &[used, fresh], "", 200, ""),
        ],
    );
    assert_eq!(service.get(VIDEO).json()["title"], "c");
}

#[test]
fn a_request_that_is_not_answered_yet_is_in_flight() {
    let world = world();
    let service = world.start();
    service.put(VIDEO, &json!({ "title": "a" }));
    let launch = |wait: &str| {
        let fields: &[&str] = if wait.is_empty() { &["Idempotency-Key: a"] } else { &["Idempotency-Key: a", wait] };
        asked("POST /v1/videos/42/processing", fields, &script(UNTIL_GO).to_string())
    };
    let first = launch("Prefer: wait=50");
    let address = service.address;
    let first = thread::spawn(move || first.send(address).expect("an answer"));
    service.until("it runs", VIDEO, |video| video["status"]["processing"]["phase"] == "running");
    let meanwhile = service.ask(&launch(""));
    assert_eq!((meanwhile.status, meanwhile.problem().as_str()), (409, "idempotency-key-in-flight"));
    assert!(meanwhile.header("retry-after").is_some(), "{meanwhile:?}");
    world.write("go", "");
    let first = first.join().expect("it does not panic");
    let again = service.ask(&launch(""));
    assert_eq!((first.status, said(&again), is_replayed(&again)), (200, said(&first), true), "{}", again.text());
    assert_eq!(service.get("/v1/jobs").json()["items"].as_array().map(Vec::len), Some(1));
}

/// Sends requests with keys of its own until the service is gone; the answers that came.
fn burst(address: std::net::SocketAddr, sender: usize, answered: &AtomicUsize) -> Vec<(Request, Option<Answer>)> {
    let mut sent = Vec::new();
    for number in 0.. {
        let line = if number % 2 == 0 { "POST /v1/notes" } else { "POST /v1/notes/main/processing" };
        let body = if number % 2 == 0 { json!({ "n": number }) } else { script("true") };
        let key = format!("Idempotency-Key: {sender}-{number}");
        let request = asked(line, &[&key], &body.to_string());
        let answer = request.send(address).ok().filter(|answer| answer.status < 300);
        let lost = answer.is_none();
        sent.push((request, answer));
        if lost {
            break;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    sent
}

#[test]
fn whatever_a_kill_cuts_off_is_found_made_once_by_its_retry() {
    const SENDERS: usize = 4;
    for round in 1..=5 {
        let world = world();
        let service = world.start();
        service.put("/v1/notes/main", &json!({}));
        let (address, answered) = (service.address, AtomicUsize::new(0));
        let sent = thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    scope.spawn({
                        let answered = &answered;
                        move || burst(address, sender, answered)
                    })
                })
                .collect();
            until("some are answered", || answered.load(Ordering::Relaxed) > 10 * round);
            service.kill();
            senders.into_iter().flat_map(|sender| sender.join().expect("it does not panic")).collect::<Vec<_>>()
        });
        let service = world.start();
        let mut replayed = 0;
        for (request, first) in &sent {
            let again = service.ask(request);
            assert!(matches!(again.status, 201 | 202), "{}", again.text());
            if let Some(first) = first {
                assert_eq!((said(&again), is_replayed(&again)), (said(first), true), "{}", again.text());
            }
            replayed += usize::from(is_replayed(&again));
        }
        assert!(replayed >= answered.load(Ordering::Relaxed));
        let count = |list: &str| service.get(list).json()["items"].as_array().map(Vec::len).expect("a list");
        let launches = sent.iter().filter(|(request, _)| format!("{request:?}").contains("processing")).count();
        assert_eq!(count(&format!("{NOTES}?limit=1000")), sent.len() - launches + 1, "round {round}");
        assert_eq!(count("/v1/jobs?limit=1000"), launches, "round {round}");
    }
}

#[test]
fn a_dry_run_says_what_the_request_then_does_and_does_nothing() {
    let world = world();
    let service = world.start();
    for overlap in ["replace", "forbid", "queue", "allow"] {
        let url = format!("/v1/notes/{overlap}");
        let mut work = script(UNTIL_GO);
        work["overlap"] = overlap.into();
        service.put(&url, &json!({ "title": "a", "work": 1, "processing": work }));
        service.until("it runs", &url, |note| note["status"]["processing"]["phase"] == "running");
        for (method, below, body) in [
            ("PATCH", "", json!({ "title": "b", "work": null })),
            ("PATCH", "", json!({ "processing": { "trigger": 1 } })),
            ("POST", "/processing", json!({ "input": { "n": 1 } })),
            ("PATCH", "", json!({ "processing": { "canceled": true } })),
            ("PUT", "", json!({ "title": ["b"] })),
            ("DELETE", "", Value::Null),
        ] {
            foreseen(&service, &url, (method, below), &body);
        }
    }
    world.write("go", "");
    until("all are gone", || service.get(NOTES).json()["items"] == json!([]));
    assert_eq!(service.ask(&asked("POST /v1/notes?dryRun=true", &[], "{}")).status, 200);
    assert_eq!(service.get(NOTES).json()["items"], json!([]));
}

/// Tries a change, makes it, and compares.
fn foreseen(service: &Service, url: &str, (method, below): (&str, &str), body: &Value) {
    let name = format!("{method} {url}{below} {body}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (before, old) = (service.get(url), jobs(service, url));
    let tried = service.ask(&asked(&format!("{method} {url}{below}?dryRun=true"), &[], &body));
    let generation = |answer: &Answer| answer.json()["status"]["generation"].clone();
    let ids = |jobs: &[Value]| jobs.iter().map(|job| job["id"].clone()).collect::<Vec<_>>();
    assert_eq!(generation(&service.get(url)), generation(&before), "{name}");
    assert_eq!(ids(&jobs(service, url)), ids(&old), "{name}");

    let named = if tried.status == 200 { tried.json()["ifMatch"].clone() } else { before.etag().into() };
    let tag = format!("If-Match: {}", named.as_str().expect("a tag"));
    let made = service.ask(&asked(&format!("{method} {url}{below}"), &[&tag], &body));
    if made.status >= 400 {
        assert_eq!((tried.status, tried.problem()), (made.status, made.problem()), "{name}");
        return;
    }
    assert_eq!((tried.status, tried.header("cache-control")), (200, Some("no-store")), "{name}: {}", tried.text());
    let tried = tried.json();
    let new = jobs(service, url);
    let launched = new.iter().filter(|job| !ids(&old).contains(&job["id"])).map(|job| {
        json!({ "activity": "processing", "operation": job["operation"], "input": job["input"], "trigger": job["trigger"]["kind"] })
    });
    assert_eq!(tried["plan"]["launch"], launched.collect::<Value>(), "{name}");
    let was_going_on = |job: &&Value| old.iter().any(|other| other["id"] == job["id"] && other["canceled"] == false);
    let canceled = new.iter().filter(was_going_on).filter(|job| job["canceled"] == true);
    let canceled = canceled.map(|job| json!({ "activity": "processing", "job": job["id"] }));
    assert_eq!(tried["plan"]["cancel"], canceled.collect::<Value>(), "{name}");
    let document = match method {
        "DELETE" => Value::Null,
        _ => {
            let mut shown = service.get(url).json();
            shown.as_object_mut().expect("an object").retain(|name, _| name != "status" && name != "_links");
            shown
        }
    };
    assert_eq!(tried["document"], document, "{name}");
}

/// The jobs of a resource, the oldest first, also of one that is gone.
fn jobs(service: &Service, url: &str) -> Vec<Value> {
    let id = url.rsplit('/').next().expect("a split gives something");
    let list = service.get(&format!("/v1/jobs?collection=notes&resource={id}")).json();
    list["items"].as_array().expect("a list").iter().rev().cloned().collect()
}
