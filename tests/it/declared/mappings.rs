//! Documents whose collection wants something else of them by now.

use serde_json::json;

use super::restarted;
use crate::service::World;

fn configuration(input: &str) -> String {
    format!(
        "[operations.bark]\nexec = {{ command = [\"true\"] }}\n[collections.dogs]\n[collections.dogs.activities.barks]\n\
         operation = \"bark\"\ninput = \"{input}\"\n"
    )
}

#[test]
fn a_changed_mapping_asks_without_anybody_touching_the_document() {
    let world = World::new(&configuration("{'to': self.email}"));
    let service = world.start();
    assert_eq!(service.put("/v1/dogs/rex", &json!({ "email": "a@example.com" })).status, 201);
    let jobs = "/v1/jobs?phase=succeeded";
    let done = |count: usize| {
        move |jobs: &serde_json::Value| jobs["items"].as_array().is_some_and(|items| items.len() == count)
    };
    service.until("it barks", jobs, done(1));
    let service = restarted(&world, service, &configuration("{'to': self.email, 'loud': true}"));
    let jobs = service.until("it barks otherwise", jobs, done(2));
    assert_eq!(jobs["items"][0]["input"], json!({ "to": "a@example.com", "loud": true }));
}
