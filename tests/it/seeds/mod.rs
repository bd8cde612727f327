//! The exchanges that the project began from, each sent as it stands there to
//! the real binary with the example of `examples/seeds/`. Tests are named
//! after the rows of the design: `a1_…` to `b26_…`.

mod a;
mod b;
mod schedule;
mod walkthrough;

use std::path::Path;

use serde_json::{Value, json};

use crate::service::client::{Answer, JSON, Request, request};
use crate::service::{Service, World};

/// A folder with a copy of the example.
fn world() -> World {
    let world = World::new("");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/seeds"), world.path());
    world
}

/// Puts all that is in one folder into another one.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a file");
        }
    }
}

/// The example, served at any free port.
fn serve(world: &World) -> Service {
    let mut command = world.command();
    command.env("HEELER_LISTEN", "127.0.0.1:0");
    world.start_by(command)
}

/// What is sent, and what must come: the status.
fn ask(service: &Service, request: &Request, status: u16) -> Answer {
    let answer = service.ask(request);
    assert_eq!(answer.status, status, "{request:?}: {}", answer.text());
    answer
}

fn get(service: &Service, target: &str) -> Answer {
    ask(service, &request("GET", target), 200)
}

/// A dog that is there.
fn rex(service: &Service) -> Answer {
    let dog = json!({ "name": "Rex", "email": "rex@example.com" });
    ask(service, &request("PUT", "/v1/dogs/1").json(JSON, &dog), 201)
}

/// A user that is there.
fn ada(service: &Service) -> Answer {
    ask(service, &request("PUT", "/api/v1/users/ada").json(JSON, &json!({ "name": "Ada" })), 201)
}

/// The list of tasks that there is.
fn tasks(service: &Service) {
    ask(service, &request("PUT", "/v1/tasks/main").json(JSON, &json!({})), 201);
}

/// What every representation of a document is sent with.
fn is_document(answer: &Answer) {
    for name in ["etag", "last-modified", "allow", "accept-patch", "vary"] {
        assert!(answer.header(name).is_some(), "{name}: {answer:?}");
    }
    let vary = answer.header("vary").unwrap_or_default();
    assert!(vary.contains("Accept") && vary.contains("Prefer"), "{vary}");
    assert!(answer.etag().starts_with('"'), "a strong tag: {}", answer.etag());
}

/// A problem, as RFC 9457 has it.
fn is_problem(answer: &Answer, name: &str) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.problem(), name, "{}", answer.text());
    answer.json()
}
