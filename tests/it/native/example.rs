//! `examples/embed`, run and asked over HTTP.

use std::net::{Ipv4Addr, SocketAddr};

use heeler::StoreUrl;
use serde_json::json;

use super::world::{folder, start_other};
use crate::service::client::{JSON, MERGE, request};

#[path = "../../../examples/embed/main.rs"]
#[expect(dead_code, reason = "its `main` is for `cargo run`")]
mod embed;

#[test]
#[ignore = "the example, for another test to ask"]
fn serves_dogs() {
    let store = StoreUrl::Redb(folder().expect("another process asked for it").join("dogs.redb"));
    let serving = embed::serve(store, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), std::future::pending());
    tokio::runtime::Runtime::new().expect("a runtime").block_on(serving).expect("it serves");
}

#[test]
fn the_example_barks_is_told_to_stop_and_comes_back_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = || start_other("native::example::serves_dogs", folder.path());
    let example = start();
    let rex = json!({ "name": "Rex", "barks": { "input": { "times": 3, "breath": 1 } } });
    let put = request("PUT", "/v1/dogs/rex").field("Prefer", "wait=20").json(JSON, &rex);
    let made = example.ask(&put);
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["status"]["barks"]["last"]["result"], json!({ "barked": 3 }), "{}", made.text());
    let last = example.ask(&request("GET", "/v1/dogs/rex/barks/last")).json();
    let log = example.ask(&request("GET", last["_links"]["log"]["href"].as_str().expect("a link")));
    assert_eq!(String::from_utf8_lossy(&log.body), "Rex: Woof!\n".repeat(3));

    let patch = |body| request("PATCH", "/v1/dogs/rex").field("If-Match", "*").json(MERGE, &body);
    let refused = example.ask(&patch(json!({ "barks": { "input": { "times": 0 } } })));
    assert_eq!(refused.status, 422, "the input schema of the code holds: {}", refused.text());
    let patched = example.ask(&patch(json!({ "barks": { "input": { "times": 1000, "breath": 10_000 } } })));
    assert!(matches!(patched.status, 200 | 204), "{}", patched.text());
    example.until("it barks", "/v1/dogs/rex", |dog| dog["status"]["barks"]["progress"]["message"] == "Rex barks");
    let canceled = example.ask(&patch(json!({ "barks": { "canceled": true } })));
    assert!(matches!(canceled.status, 200 | 204), "{}", canceled.text());
    let dog = example.until("it is told to stop", "/v1/dogs/rex", |dog| dog["status"]["settled"] == true);
    assert_eq!(dog["status"]["barks"]["last"]["phase"], "canceled", "{dog}");

    example.kill();
    let example = start();
    let dog = example.ask(&request("GET", "/v1/dogs/rex")).json();
    assert_eq!(dog["name"], "Rex", "{dog}");
    let bark = example.ask(&request("GET", "/v1/operations/bark")).json();
    assert_eq!(bark["description"], "Let a dog bark", "{bark}");
}
