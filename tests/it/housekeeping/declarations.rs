//! What is stored is looked at when its collection is declared otherwise, and
//! only then.

use std::sync::Arc;

use heeler::domain::catalog::{Availability, Collection};
use heeler::domain::outlook;
use heeler::domain::schema::Schema;
use heeler::state::{DeclaredRecord, Seen};
use serde_json::{Value, json};

use super::world::{World, dog};

const DOGS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn with_schema(dogs: Collection, schema: Value) -> Collection {
    Collection { schema: Some(Arc::new(Schema::compile(schema).expect("a schema"))), ..dogs }
}

async fn looked_at(world: &World) -> u64 {
    world.steps.heed_declarations().await.expect("it can be done").looked_at
}

/// The dogs whose documents are not what the schema takes.
async fn violations(world: &World) -> Vec<&'static str> {
    let mut found = Vec::new();
    for id in DOGS {
        let stored = world.state.resource(&dog(id)).await.expect("it reads").expect("it is there");
        if stored.observed.is_some_and(|observed| observed.violation.is_some()) {
            found.push(id);
        }
    }
    found
}

#[tokio::test]
async fn every_resource_is_looked_at_once_under_each_declaration() {
    let world = World::new();
    for id in DOGS {
        world.put(id).await;
    }
    assert_eq!(looked_at(&world).await, 5, "nobody knows under which declaration they were written");
    assert_eq!(looked_at(&world).await, 0);
    let world = world.restarted();
    assert_eq!(looked_at(&world).await, 0);
    let before = world.state.newest_change();
    let world = world.declaring(|dogs| with_schema(dogs, json!({ "required": ["name"] })));
    assert_eq!((looked_at(&world).await, violations(&world).await), (5, DOGS.to_vec()));
    assert!(world.state.newest_change() > before);
    assert_eq!(looked_at(&world).await, 0);
    let world = world.declaring(|dogs| Collection { availability: Availability::Retired, ..dogs });
    assert_eq!(looked_at(&world).await, 5);
    let world = world.declaring(|dogs| Collection { path: "/dogs".to_owned(), ..dogs });
    assert_eq!((looked_at(&world).await, violations(&world).await), (5, Vec::new()));
    let world = world.declaring(|dogs| dogs);
    assert_eq!(looked_at(&world).await, 0, "where it is mounted is nothing to a document");
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was_unless_the_declaration_is_another_one_by_then() {
    let world = World::new();
    for id in DOGS {
        world.put(id).await;
    }
    let name = &dog("a").collection;
    let world = world.declaring(|dogs| with_schema(dogs, json!({ "required": ["name"] })));
    let digest = outlook::digest(&world.state.catalog().collections[name]);
    let until_c = DeclaredRecord { digest, seen: Seen::Until(dog("c").id) };
    world.state.keep_declared(name, &until_c).await.expect("it can be kept");
    assert_eq!((looked_at(&world).await, violations(&world).await), (2, vec!["d", "e"]));
    assert_eq!(looked_at(&world).await, 0);

    world.state.keep_declared(name, &until_c).await.expect("it can be kept");
    let world = world.declaring(|dogs| with_schema(dogs, json!({ "required": ["age"] })));
    assert_eq!((looked_at(&world).await, violations(&world).await), (5, DOGS.to_vec()));
}

#[tokio::test]
async fn what_is_at_rest_is_looked_at_and_not_written() {
    let world = World::new();
    world.put("a").await;
    let before = world.state.resource(&dog("a")).await.expect("it reads").expect("it is there").etag;
    let world = world.declaring(|dogs| with_schema(dogs, json!({ "type": "object" })));
    assert_eq!(looked_at(&world).await, 1);
    assert_eq!(world.state.resource(&dog("a")).await.expect("it reads").expect("it is there").etag, before);
}
