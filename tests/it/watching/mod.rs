//! Watching over HTTP, as programs and browsers do it, by the real program.

mod events;
mod load;
mod polls;
mod restart;
mod streams;

use serde_json::json;

use self::events::Events;
use crate::service::{Service, World};

const CONFIGURATION: &str = r#"
[operations.work]
exec = { command = ["sh", "-c", "${input.script}"] }
grace = "100ms"

[collections.notes]
preconditions = "optional"

[server.cors]
origins = ["https://app.example.com"]
"#;

/// A world with a service in it.
fn world() -> (World, Service) {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    (world, service)
}

fn note(service: &Service, id: &str, text: &str) {
    let answer = service.put(&format!("/v1/notes/{id}"), &json!({ "text": text }));
    assert_eq!(answer.status / 100, 2, "{}", answer.text());
}

/// A stream of that, from its beginning.
fn watch(service: &Service, target: &str) -> Events {
    Events::open(service.address, target, "")
}
