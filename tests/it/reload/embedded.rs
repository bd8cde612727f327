//! A program that embeds the service lets it reload.

use std::path::Path;
use std::sync::Arc;

use heeler::clock::{SystemClock, SystemEntropy};
use heeler::config::{Declared, read_text};
use heeler::domain::catalog::Catalog;
use heeler::domain::document::Document;
use heeler::domain::id::ResourceKey;
use heeler::engine::Steps;
use heeler::runner::Runners;
use heeler::state::{Event, State};
use heeler::store::memory::MemoryStore;
use heeler::{CollectionOptions, Error, Heeler, NativeResult, StoreUrl};
use serde_json::{Value, json};

async fn asked(service: &Heeler, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let request = http::Request::builder().method(method).uri(target).header("content-type", "application/json");
    let answer = service.client().send(request.body(body.to_string()).expect("a request")).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

#[tokio::test]
async fn what_the_program_declares_stays_and_what_the_file_says_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("heeler.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("a file");
    write("[collections.cats]\n");
    let dogs = CollectionOptions::default().optional_preconditions().activity("barks", ["bark"]);
    let builder = Heeler::builder().config_file(&file).collection("dogs", dogs);
    let builder = builder.operation("bark", |_| async { NativeResult::Ok("Woof!") });
    let service = builder.store(StoreUrl::Memory).without_listener().build().await.expect("it is right");
    let reloader = service.reloader();
    assert!(reloader.reload().await.expect("it is right").is_empty());

    write("[operations.bark]\nnative = {}\ndescription = \"Bark\"\n[collections.mice]\n");
    let changes = reloader.reload().await.expect("it is right");
    assert_eq!(changes.to_string(), "added collections.mice; changed operations.bark; removed collections.cats");
    let (status, bark) = asked(&service, "GET", "/v1/operations/bark", &Value::Null).await;
    assert_eq!((status, &bark["description"]), (200, &json!("Bark")));
    assert_eq!(asked(&service, "PUT", "/v1/dogs/rex", &json!({ "barks": {} })).await.0, 201);
    assert_eq!(asked(&service, "PUT", "/v1/mice/a", &json!({})).await.0, 201);

    write("[operations.meow]\nnative = {}\n[collections.mice]\n");
    let refused = reloader.reload().await;
    assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    write("");
    let refused = reloader.reload().await;
    assert!(matches!(refused, Err(Error::Undeclared(ref held)) if held.len() == 1), "{refused:?}");
    assert_eq!(asked(&service, "GET", "/v1/mice/a", &Value::Null).await.0, 200);
}

fn catalog(concurrency: u32) -> Arc<Catalog> {
    let text = format!(
        "[operations.bark]\nexec = {{ command = [\"true\"] }}\nconcurrency = {concurrency}\n[collections.dogs]\n"
    );
    let config = read_text(&text, Path::new("/"), &crate::config::cron, &Declared::default()).expect("it is right");
    Arc::new(config.catalog)
}

#[tokio::test]
async fn a_claim_that_was_found_under_other_limits_is_found_again_first() {
    let state = State::new(Arc::new(MemoryStore::new()), Arc::new(SystemClock), Arc::new(SystemEntropy), catalog(4));
    let steps = Steps::new(state.clone(), Arc::new(Runners::default()), 10);
    let document = json!({ "processing": { "operation": "bark" } });
    for id in ["a", "b"] {
        let key = ResourceKey { collection: "dogs".parse().expect("a name"), id: id.parse().expect("an id") };
        let Value::Object(members) = document.clone() else { panic!("it is an object") };
        let document = Document::new(members);
        let event =
            Event::Changed { document, observed: Default::default(), fingerprint: [7; 32], restarts: Vec::new() };
        state.happen(&key, event).await.expect("it is put");
    }
    let found = steps.claimable().await.expect("it reads").claims;
    assert_eq!(found.len(), 2);
    let held = state.hold_creations().await.expect("the store is there");
    state.declare(catalog(1), &held).await.expect("the store is there");
    for claim in &found {
        assert!(steps.claim(claim).await.expect("it is judged").is_none());
    }
    let found = steps.claimable().await.expect("it reads").claims;
    assert_eq!(found.len(), 1);
    assert!(steps.claim(&found[0]).await.expect("it is recorded").is_some());
    assert!(steps.claimable().await.expect("it reads").claims.is_empty());
}
