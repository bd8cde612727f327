//! One key over one store, asked for by two processes.

use std::sync::Arc;

use heeler::api::{Answered, Api, ApiError, ChangeRequest, Intent, Known, Once, OnceKey, Statuses};
use heeler::store::Store;
use heeler::store::memory::MemoryStore;
use serde_json::json;

use super::{api_over, change, collection, key, launch};
use crate::state::workload::{state_of_process, state_over};

const STATUSES: Statuses = Statuses { made: 201, done: 200, accepted: 202 };

fn once_key(key: &str) -> OnceKey {
    OnceKey { principal: "p".to_owned(), key: key.to_owned(), target: "/v1/c".to_owned(), digest: [3; 32] }
}

/// What became of a request.
#[derive(Debug)]
enum Became {
    Made,
    Replayed(Answered),
    InFlight,
}

async fn create(api: Api, key: OnceKey) -> Became {
    let once = match api.known(key, STATUSES).await.expect("it reads") {
        Known::New(once) => once,
        Known::Answered(answered) => return Became::Replayed(answered),
    };
    let request = ChangeRequest { once: Some(once), ..change(Intent::Make) };
    match api.create(&collection(), json!({}), &request).await {
        Ok(_) => Became::Made,
        Err(ApiError::KeyInFlight) => Became::InFlight,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn between_two_processes_the_commit_decides_who_makes_the_change() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    // Neither knows what the other has under way.
    let apis = [0, 1].map(|process| api_over(&state_of_process(&store, process)));
    for round in 0..50 {
        let racers = (0..16).map(|racer| tokio::spawn(create(apis[racer % 2].clone(), once_key(&round.to_string()))));
        let mut made = 0;
        for racer in futures_util::future::join_all(racers).await {
            match racer.expect("it does not panic") {
                Became::Made => made += 1,
                Became::Replayed(answered) => assert_eq!(answered.status, 201),
                Became::InFlight => {}
            }
        }
        assert_eq!(made, 1, "round {round}");
    }
    let page = heeler::api::PageRequest { limit: 1000, cursor: None };
    assert_eq!(apis[0].list(&collection(), &page).await.expect("it reads").items.len(), 50);
}

#[tokio::test]
async fn a_key_is_judged_after_existence_and_before_what_the_client_believes() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let api = api_over(&state_over(&store));
    assert!(matches!(create(api.clone(), once_key("a")).await, Became::Made));
    let another = OnceKey { digest: [4; 32], ..once_key("a") };
    let held = api.known(once_key("b"), STATUSES).await.expect("it reads");
    api.put(&key("x"), json!({}), &change(Intent::Make)).await.expect("it can be put");
    for (name, known, refusal) in [
        ("reused", api.known(another, STATUSES).await, ApiError::KeyReused),
        ("in flight", api.known(once_key("b"), STATUSES).await, ApiError::KeyInFlight),
    ] {
        let Ok(Known::New(once)) = known else { panic!("{name}: {known:?}") };
        assert!(!matches!(once, Once::First(_)), "{name}: {once:?}");
        let mut request = ChangeRequest { once: Some(once), ..change(Intent::Make) };
        request.preconditions.if_match = Some(heeler::domain::precondition::TagList::Tags(Vec::new()));
        let same = |error: ApiError| error.to_string() == refusal.to_string();
        let absent = api.delete(&key("none"), &request).await.expect_err(name);
        assert!(matches!(absent, ApiError::NotFound { .. }), "{name}: {absent:?}");
        assert!(same(api.delete(&key("x"), &request).await.expect_err(name)), "{name}");
        assert!(same(api.put(&key("x"), json!({"n": 1}), &request).await.expect_err(name)), "{name}");
        let launched = api.launch(&key("x"), &"work".parse().expect("a name"), &launch(None), &request).await;
        assert!(same(launched.expect_err(name)), "{name}");
        assert!(same(api.create(&collection(), json!({}), &request).await.expect_err(name)), "{name}");
    }
    drop(held);
    assert!(matches!(create(api, once_key("b")).await, Became::Made), "nobody holds it any more");
}
