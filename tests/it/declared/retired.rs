//! `retired = true`: a collection is out of service, and in service again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{leased, report, restarted, seconds_go_by};
use crate::service::client::{JSON, request};
use crate::service::{Service, World, until};

const AROUND: &str = r#"
[operations.script]
exec = { command = ["sh", "-c", "${input.script}"] }
grace = "200ms"
[operations.render]
worker = { lease = "1h" }
[collections.notes]
preconditions = "optional"
[aliases]
"/latest/{id}" = "/v1/videos/{id}/processing/last"
"#;

/// What is declared while it is in service, and what need not be repeated while it is not.
const SERVED: &str = "[collections.videos]\npreconditions = \"optional\"\nschema = \"video.json\"\n[collections.videos.activities.processing]\n";
const RETIRED: &str = "[collections.videos]\nretired = true\n";

fn served() -> String {
    format!("{AROUND}{SERVED}")
}

fn retired() -> String {
    format!("{AROUND}{RETIRED}")
}

fn world() -> World {
    let world = World::new(&served());
    world.write("video.json", r#"{ "title": "Video", "type": "object" }"#);
    world
}

fn put(service: &Service, id: &str, processing: &Value) -> Value {
    let answer = service.put(&format!("/v1/videos/{id}"), &json!({ "processing": processing }));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn script(script: &str) -> Value {
    json!({ "operation": "script", "input": { "script": script } })
}

/// The job that the document of a video asked for last.
fn job_of(service: &Service, id: &str) -> String {
    let jobs = service.get(&format!("/v1/videos/{id}/processing")).json();
    format!("/v1/jobs/{}", jobs["items"][0]["id"].as_str().expect("a job"))
}

/// How many jobs a video ever had.
fn jobs_of(service: &Service, id: &str) -> usize {
    service.get(&format!("/v1/videos/{id}/processing")).json()["items"].as_array().expect("items").len()
}

#[test]
fn a_collection_out_of_service_is_as_if_it_were_not_declared_and_its_jobs_are_cancelled() {
    let world = world();
    let service = world.start();
    put(&service, "runs", &script("until [ -e go ]; do sleep 0.02; done"));
    put(&service, "done", &script("true"));
    put(&service, "leased", &json!({ "operation": "render" }));
    let item = leased(&service, "render", 1).pop().expect("a job");
    put(&service, "waits", &json!({ "operation": "render" }));
    let [runs, done, held, waits] = ["runs", "done", "leased", "waits"].map(|id| job_of(&service, id));
    service.finished(&done);
    service.until("it runs", &runs, |job| job["phase"] == "running");

    let service = restarted(&world, service, &retired());
    let undeclared = service.get("/v1/nothing");
    for (method, path) in [
        ("GET", "/v1/videos"),
        ("POST", "/v1/videos"),
        ("GET", "/v1/videos/runs"),
        ("PUT", "/v1/videos/new"),
        ("PATCH", "/v1/videos/runs"),
        ("DELETE", "/v1/videos/runs"),
        ("OPTIONS", "/v1/videos/runs"),
        ("GET", "/v1/videos/runs/processing"),
        ("POST", "/v1/videos/runs/processing"),
        ("GET", "/v1/videos/runs/processing/ticks"),
        ("GET", "/v1/videos/runs/title"),
        ("GET", "/latest/runs"),
        ("GET", "/schemas/videos"),
    ] {
        let asked = request(method, path);
        let answer = service.ask(&if method == "GET" { asked } else { asked.json(JSON, &json!({})) });
        assert_eq!((answer.status, answer.problem()), (404, undeclared.problem()), "{method} {path}");
    }
    for path in ["/", "/openapi.json"] {
        let text = service.get(path).text();
        assert!(!text.contains("videos") && text.contains("notes"), "{path}: {text}");
    }

    for job in [&runs, &waits] {
        let job = service.finished(job);
        assert_eq!((&job["phase"], &job["reason"]), (&json!("canceled"), &json!("retired")), "{job}");
    }
    until("its processes are gone", || world.workers().is_empty());
    assert_eq!(service.get(&done).json()["phase"], "succeeded", "what is over stays as it is");
    let heard = report(&service, &item, json!({}));
    assert_eq!((heard.status, &heard.json()["canceled"]), (200, &json!(true)), "{}", heard.text());
    assert_eq!(report(&service, &item, json!({ "phase": "canceled" })).status, 200);
    assert_eq!(service.finished(&held)["phase"], "canceled");
    let all = service.get("/v1/jobs?collection=videos").json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(4), "all of them can still be read: {all}");

    world.write("go", "");
    let service = restarted(&world, service, &served());
    service.until("what was asked for is done", "/v1/videos/runs", |video| {
        video["status"]["processing"]["phase"] == "succeeded" && video["status"]["settled"] == json!(true)
    });
    service.until("both wait again", "/v1/jobs?operation=render&phase=queued", |jobs| {
        jobs["items"].as_array().is_some_and(|items| items.len() == 2)
    });
    let counts = ["runs", "done", "leased", "waits"].map(|id| jobs_of(&service, id));
    assert_eq!(counts, [2, 1, 2, 2], "what had succeeded is not done again");
}

#[test]
fn the_ticks_of_the_time_out_of_service_are_one_row_of_the_ledger() {
    let world = world();
    let service = world.start();
    let mut activity = script("true");
    activity["schedule"] = json!({ "every": "1s" });
    put(&service, "a", &activity);
    let ledger = "/v1/videos/a/processing/ticks";
    let launched = |ledger: &Value| ledger["items"].as_array().is_some_and(|rows| !rows.is_empty());
    service.until("a tick comes", ledger, launched);

    let service = restarted(&world, service, &retired());
    seconds_go_by(3);
    let jobs = service.get("/v1/jobs?operation=script").json()["items"].as_array().expect("items").len();
    let service = restarted(&world, service, &retired());
    seconds_go_by(1);
    let after = service.get("/v1/jobs?operation=script").json()["items"].as_array().expect("items").len();
    assert_eq!(after, jobs, "nothing is launched");

    let service = restarted(&world, service, &served());
    let rows = |ledger: &Value| ledger["items"].as_array().cloned().unwrap_or_default();
    let is_back = |ledger: &Value| rows(ledger).first().is_some_and(|newest| newest["outcome"] == "launched");
    let ledger = service.until("ticks launch again", ledger, |ledger| {
        is_back(ledger) && rows(ledger).iter().any(|row| row["reason"] == "suspended")
    });
    let skipped: Vec<Value> = rows(&ledger).into_iter().filter(|row| row["outcome"] == "skipped").collect();
    let [run] = skipped.as_slice() else { panic!("one row: {ledger}") };
    assert_eq!(run["reason"], "suspended");
    assert!(run["count"].as_u64().is_some_and(|count| count >= 4), "{run}");
}

/// More resources than are looked at in two parts.
const MANY: usize = 1_100;

#[test]
fn thousands_are_taken_out_and_in_again_whenever_the_service_is_killed() {
    let world = world();
    let service = world.start();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(id) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|id| *id < MANY) {
                    put(&service, &format!("v{id}"), &json!({ "operation": "render" }));
                }
            });
        }
    });
    assert_eq!(queued(&service), MANY);
    let mut service = restarted(&world, service, &retired());
    for share in [3, 2] {
        until("some are cancelled", || queued(&service) <= MANY - MANY / share);
        service.kill();
        service = world.start();
    }
    until("all are cancelled", || queued(&service) == 0);
    let mut service = restarted(&world, service, &served());
    for share in [3, 2] {
        until("some wait again", || queued(&service) >= MANY / share);
        service.kill();
        service = world.start();
    }
    until("all wait again", || queued(&service) == MANY);
    let canceled = service.get("/v1/jobs?phase=canceled&limit=1000").json();
    assert_eq!(canceled["items"].as_array().map(Vec::len), Some(1000));
}

/// How many jobs wait for a worker.
fn queued(service: &Service) -> usize {
    let count = service.get("/v1/operations/render").json()["waiting"].as_u64().expect("a number");
    usize::try_from(count).expect("it fits")
}
