//! Workers outside: the lease protocol against the real binary, with workers
//! that wait, freeze, die and come back.

mod protocol;
mod restart;
mod scripts;
mod zombies;

use serde_json::{Value, json};

use crate::service::client::{Answer, JSON, MERGE, request};
use crate::service::{Service, World};

/// Leases that outlast every test, and leases that end in it.
const CONFIGURATION: &str = r#"
[operations.render]
worker = { lease = "1h" }
[operations.single]
worker = { lease = "1h" }
concurrency = 1
[operations.brief]
worker = { lease = "1s" }
on_unknown = "retry"
retry = { attempts = 3, backoff = "0s" }
[operations.once]
worker = { lease = "1s" }
[operations.strict]
worker = { lease = "1h" }
timeout = "1s"
[collections.things]
preconditions = "optional"
"#;

fn world() -> World {
    World::new(CONFIGURATION)
}

/// A thing whose job waits for a worker; the URL of the job.
fn thing(service: &Service, id: &str, operation: &str) -> String {
    let path = format!("/v1/things/{id}");
    let answer = service.put(&path, &json!({ "processing": { "operation": operation } }));
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()["status"]["processing"]["active"][0]["href"].as_str().expect("a job").to_owned()
}

/// What a worker is given.
fn lease(service: &Service, operation: &str, max: usize, wait: &str) -> Vec<Value> {
    let wanted = json!({ "worker": "w", "max": max, "wait": wait });
    let answer = service.ask(&request("POST", &format!("/v1/operations/{operation}/leases")).json(JSON, &wanted));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["items"].as_array().expect("items").clone()
}

fn one(service: &Service, operation: &str) -> Value {
    lease(service, operation, 1, "20s").pop().expect("a job")
}

fn href(item: &Value) -> &str {
    item["job"]["_links"]["self"]["href"].as_str().expect("a link")
}

/// What a worker says of what it was given.
fn report(service: &Service, item: &Value, mut said: Value) -> Answer {
    said["token"] = item["token"].clone();
    service.ask(&request("PATCH", href(item)).json(MERGE, &said))
}

fn succeeded(result: &Value) -> Value {
    json!({ "phase": "succeeded", "result": result })
}

/// How often something is tried that takes its time: `variable` says more.
fn rounds(variable: &str, few: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}
