//! How a POST for a job is answered (`seeds.md` B3 to B9), by operations that
//! answer in every way there is.

use std::thread;

use serde_json::{Value, json};

use super::{asked, hold};
use crate::service::client::{Answer, request};
use crate::service::{Service, World, until};

const DOG: &str = "/v1/dogs/1";
const BARKS: &str = "/v1/dogs/1/barks";

/// Operations that run the script of their input, each named after how it answers.
fn world() -> World {
    let operation = |name: &str, rest: &str| {
        format!(
            "[operations.{name}]\nexec = {{ command = [\"sh\", \"-c\", \"${{input.script}}\"] }}\ngrace = \"200ms\"\n{rest}\n"
        )
    };
    let configuration = [
        operation("later", ""),
        operation("answer", "reply = { mode = \"sync\" }"),
        operation("whisper", "reply = { mode = \"sync\" }\nkeep = false"),
        operation("hurry", "reply = { mode = \"sync\" }\nkeep = false\ntimeout = \"300ms\""),
        operation("record", "reply = { mode = \"sync\", status = 201 }"),
        operation("hush", "reply = { mode = \"sync\", status = 204 }\nkeep = false"),
        operation("count", "reply = { mode = \"sync\", status = 303 }"),
        operation("fetch", "reply = { complete = 303 }"),
        "[collections.dogs]\npreconditions = \"optional\"\nreply = { patch = 205 }\n[collections.dogs.activities.barks]\n".to_owned(),
    ];
    World::new(&configuration.join("\n"))
}

fn service(world: &World) -> Service {
    let service = world.start();
    service.put(DOG, &json!({ "name": "Rex" }));
    service
}

/// Posts for a job of this operation.
fn post(service: &Service, operation: &str, script: &str, fields: &[&str]) -> Answer {
    let body = json!({ "operation": operation, "input": { "script": script } });
    service.ask(&asked(&format!("POST {BARKS}"), fields, &body.to_string()))
}

const WOOF: &str = r#"echo '{"result":{"bark":"woof"}}' >>"$HEELER_EVENTS""#;
const UNTIL_GO: &str = "until [ -e go ]; do sleep 0.02; done";

fn jobs(service: &Service) -> Vec<Value> {
    service.get("/v1/jobs?limit=1000").json()["items"].as_array().expect("items").clone()
}

/// How many folders of jobs there are.
fn folders(world: &World) -> usize {
    std::fs::read_dir(world.file("heeler.redb.attempts")).map_or(0, Iterator::count)
}

#[test]
fn b3_a_synchronous_bark_answers_with_its_result_and_records_nothing() {
    let world = world();
    let service = service(&world);
    let answer = post(&service, "whisper", WOOF, &[]);
    assert_eq!((answer.status, answer.json()), (200, json!({ "bark": "woof" })), "{}", answer.text());
    assert_eq!(answer.header("location"), None);
    let failed = post(&service, "whisper", "exit 3", &[]);
    assert_eq!((failed.status, failed.problem().as_str()), (502, "job-failed"), "{}", failed.text());
    assert_eq!(failed.json()["error"]["message"], "exited with code 3");
    assert_eq!(failed.json().get("job"), None, "there is no record to be linked to");
    assert_eq!(post(&service, "hush", WOOF, &[]).status, 204);
    assert_eq!(jobs(&service), Vec::<Value>::new(), "it leaves no record");
    assert_eq!(service.get(BARKS).json()["items"], json!([]));
    assert_eq!(service.get(&format!("{BARKS}/last")).status, 404);
    let dog = service.get(DOG).json();
    assert_eq!((&dog["status"]["barks"]["last"], &dog["status"]["settled"]), (&Value::Null, &json!(true)), "{dog}");
    assert_eq!(folders(&world), 0, "nothing is left of its attempts");
}

#[test]
fn b3_an_empty_body_without_a_media_type_is_what_the_document_says() {
    let world = world();
    let service = service(&world);
    let asks = json!({ "barks": { "operation": "whisper", "input": { "script": WOOF } } });
    service.put(DOG, &asks);
    service.until("the document's own job is done", DOG, |dog| dog["status"]["settled"] == true);
    assert_eq!(jobs(&service).len(), 1, "what a document asks for is kept, whatever its operation says");
    let answer = service.ask(&request("POST", BARKS));
    assert_eq!((answer.status, answer.json()), (200, json!({ "bark": "woof" })), "{}", answer.text());
    assert_eq!(jobs(&service).len(), 1);
}

#[test]
fn b3_longer_than_the_operation_may_take_is_504_and_respond_async_is_202() {
    let world = world();
    let service = service(&world);
    let late = post(&service, "hurry", UNTIL_GO, &[]);
    assert_eq!((late.status, late.problem().as_str()), (504, "job-timeout"), "{}", late.text());
    let job = late.json()["job"]["href"].as_str().expect("where it is").to_owned();
    assert_eq!(late.header("location"), Some(job.as_str()));
    let ended = service.finished(&job);
    assert_eq!(ended["error"]["reason"], "TimedOut", "whoever is told of it finds how it ended: {ended}");
    assert_eq!(service.get(DOG).json()["status"]["barks"]["last"]["id"], ended["id"], "as of every job");
    let answer = post(&service, "whisper", UNTIL_GO, &["Prefer: respond-async"]);
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    world.write("go", "");
    let job = answer.header("location").expect("where it is").to_owned();
    assert_eq!(service.finished(&job)["phase"], "succeeded");
    let waited = post(&service, "answer", "sleep 5", &["Prefer: wait=0"]);
    assert_eq!((waited.status, waited.header("preference-applied")), (202, Some("wait=0")), "{}", waited.text());
}

#[test]
fn b4_an_asynchronous_bark_is_accepted_and_can_be_looked_at_and_cancelled() {
    let world = world();
    let service = service(&world);
    let answer = post(&service, "later", UNTIL_GO, &[]);
    let location = answer.header("location").expect("where it is").to_owned();
    assert_eq!(answer.status, 202);
    assert!(location.starts_with(&format!("{BARKS}/")), "{location}");
    assert_eq!(answer.json()["_links"]["alternate"]["href"], location.as_str(), "the same link in the body");
    assert!(answer.json()["_links"]["cancel"].is_object());
    service.until("it runs", &location, |job| job["phase"] == "running");
    assert_eq!(service.ask(&request("DELETE", &location)).status, 202, "202 while stopping");
    let job = service.finished(&location);
    assert_eq!((&job["phase"], job["_links"].get("cancel")), (&json!("canceled"), None), "{job}");
    assert_eq!(service.ask(&request("DELETE", &location)).status, 204, "204 when it is final");
    assert_eq!(service.get(&location).status, 200, "and it can still be read");
}

#[test]
fn b5_and_b6_the_end_leads_to_the_dog() {
    let world = world();
    let service = service(&world);
    let counted = post(&service, "count", "true", &[]);
    assert_eq!((counted.status, counted.header("location")), (303, Some(DOG)), "{}", counted.text());
    let answer = post(&service, "fetch", UNTIL_GO, &[]);
    let location = answer.header("location").expect("where it is").to_owned();
    assert_eq!((answer.status, service.get(&location).status), (202, 200), "while it runs");
    world.write("go", "");
    let id = location.rsplit('/').next().expect("an id");
    let job = service.finished(&format!("/v1/jobs/{id}"));
    assert_eq!(job["phase"], "succeeded", "among all jobs it still shows itself");
    for target in [location.as_str(), "/v1/dogs/1/barks/last"] {
        let complete = service.get(target);
        assert_eq!((complete.status, complete.header("location")), (303, Some(DOG)), "{target}: {}", complete.text());
        assert_eq!(service.ask(&request("HEAD", target)).status, 303);
    }
}

#[test]
fn b7_and_b8_a_bark_is_made_and_has_its_times() {
    let world = world();
    let service = service(&world);
    let answer = post(&service, "record", "true", &[]);
    let location = answer.header("location").expect("where it is").to_owned();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let job = service.get(&location).json();
    for member in ["created", "started", "finished"] {
        assert!(job[member].is_string(), "{member}: {job}");
    }
    assert_eq!(post(&service, "record", "true", &["Prefer: respond-async"]).status, 202, "the creation asynchronous");
    let minimal = post(&service, "record", "true", &["Prefer: return=minimal"]);
    assert_eq!((minimal.status, minimal.body.len()), (201, 0), "{}", minimal.text());
    let failed = post(&service, "record", "exit 3", &[]);
    let job = failed.json()["job"]["href"].as_str().expect("its record").to_owned();
    assert_eq!((failed.status, service.get(&job).json()["phase"].as_str()), (502, Some("failed")));
}

#[test]
fn a_job_that_is_cancelled_while_it_is_waited_for_is_502() {
    let world = world();
    let service = service(&world);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| post(&service, "whisper", UNTIL_GO, &[]));
        service.until("it runs", "/v1/jobs", |list| list["items"][0]["phase"] == "running");
        let job = jobs(&service)[0]["_links"]["self"]["href"].as_str().expect("a link").to_owned();
        service.ask(&request("DELETE", &job));
        let answer = waiting.join().expect("it is answered");
        assert_eq!((answer.status, &answer.json()["phase"]), (502, &json!("canceled")), "{}", answer.text());
    });
    assert_eq!(jobs(&service), Vec::<Value>::new());
}

#[test]
fn who_waits_while_the_service_is_stopped_is_told_where_the_job_is_and_it_is_kept() {
    let world = world();
    let running = service(&world);
    let address = running.address;
    thread::scope(|scope| {
        let body = json!({ "operation": "whisper", "input": { "script": UNTIL_GO } }).to_string();
        let waiting = scope.spawn(move || asked(&format!("POST {BARKS}"), &[], &body).send(address));
        running.until("it runs", "/v1/jobs", |list| list["items"][0]["phase"] == "running");
        assert!(running.terminate().success());
        let answer = waiting.join().expect("it does not panic").expect("it is answered");
        assert_eq!(answer.status, 202, "{}", answer.text());
        world.write("go", "");
        let again = world.start();
        let location = answer.header("location").expect("where it is");
        let job = again.finished(location);
        assert_eq!(job["phase"], "succeeded");
        assert_eq!(again.get(DOG).json()["status"]["barks"]["last"]["id"], job["id"], "as of every job");
    });
}

#[test]
fn a_job_that_nobody_waits_for_any_more_runs_and_ends() {
    let world = world();
    let running = service(&world);
    let address = running.address;
    thread::scope(|scope| {
        let body = json!({ "operation": "whisper", "input": { "script": UNTIL_GO } }).to_string();
        let waiting = scope.spawn(move || asked(&format!("POST {BARKS}"), &[], &body).send(address));
        running.until("it runs", "/v1/jobs", |list| list["items"][0]["phase"] == "running");
        running.kill();
        assert!(waiting.join().expect("it does not panic").is_err(), "the answer is lost");
    });
    world.write("go", "");
    let again = world.start();
    // It stays for a while, for whoever may still ask, and then it is swept away.
    until("it ends", || jobs(&again).iter().all(|job| job["phase"] == "succeeded"));
    assert_eq!(again.get(DOG).json()["status"]["barks"]["last"], Value::Null);
}

#[test]
fn a_patch_is_answered_as_the_collection_says() {
    let world = world();
    let service = service(&world);
    let patch = format!("PATCH {DOG}");
    hold(
        &service,
        &[
            ("a collection may ask for 205", &patch, &["Prefer: return=minimal"], r#"{"a":1}"#, 205, ""),
            ("200 with the representation", &patch, &[], r#"{"a":2}"#, 200, ""),
            ("PUT is not PATCH", "PUT /v1/dogs/1", &["Prefer: return=minimal"], "{}", 204, ""),
        ],
    );
    let answer = service.ask(&asked(&patch, &["Prefer: return=minimal"], r#"{"a":3}"#));
    assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (205, Some("0"), 0));
    assert!(answer.header("etag").is_some());
}
