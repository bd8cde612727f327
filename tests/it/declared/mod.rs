//! What is stored under a configuration that is another one by now: the real
//! binary, started again and again.

mod mappings;
mod retired;
mod violations;

use std::time::Instant;

use serde_json::{Value, json};

use crate::service::client::{Answer, JSON, MERGE, request};
use crate::service::{Service, World, until};

/// The service of this world is stopped in order, and started with another configuration.
fn restarted(world: &World, service: Service, configuration: &str) -> Service {
    assert!(service.terminate().success());
    world.write("heeler.toml", &format!("[server]\nlisten = \"127.0.0.1:0\"\n{configuration}"));
    world.start()
}

/// What a worker is given of an operation.
fn leased(service: &Service, operation: &str, max: usize) -> Vec<Value> {
    let wanted = json!({ "worker": "w", "max": max, "wait": "20s" });
    let answer = service.ask(&request("POST", &format!("/v1/operations/{operation}/leases")).json(JSON, &wanted));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["items"].as_array().expect("items").clone()
}

/// What a worker says of what it was given.
fn report(service: &Service, item: &Value, mut said: Value) -> Answer {
    said["token"] = item["token"].clone();
    let href = item["job"]["_links"]["self"]["href"].as_str().expect("a link");
    service.ask(&request("PATCH", href).json(MERGE, &said))
}

/// Waits until this many seconds of a schedule have gone by.
fn seconds_go_by(seconds: u64) {
    let start = Instant::now();
    until("time goes by", || start.elapsed().as_secs() >= seconds);
}
