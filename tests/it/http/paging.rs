//! Walks over lists while others write, in every order that a seed can make.

use std::collections::BTreeSet;
use std::sync::Arc;

use heeler::api::jobs::JobFilter;
use heeler::api::{Api, ChangeRequest, Intent, ListView, PageRequest};
use heeler::domain::id::{ActivityName, CollectionName, ResourceKey};
use heeler::domain::patch::PatchBody;
use heeler::domain::precondition::{Preconditions, Strictness, TagList};
use heeler::engine::Steps;
use heeler::store::memory::MemoryStore;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world;

/// What somebody does between two pages. Numbers choose among the resources.
#[derive(Debug, Clone)]
enum Write {
    Put(u8),
    Patch(u8),
    Delete(u8),
    Launch(u8),
    /// Whatever may run does, and is done.
    Work,
}

fn any_write() -> impl Strategy<Value = Write> {
    prop_oneof![
        3 => (0u8..40).prop_map(Write::Put),
        3 => (0u8..40).prop_map(Write::Patch),
        2 => (0u8..40).prop_map(Write::Delete),
        2 => (0u8..40).prop_map(Write::Launch),
        1 => Just(Write::Work),
    ]
}

struct Service {
    api: Api,
    steps: Steps,
}

fn request() -> ChangeRequest {
    ChangeRequest {
        preconditions: Preconditions { if_match: Some(TagList::Any), ..Preconditions::NONE },
        strictness: Strictness::DesiredState,
        fingerprint: [0; 32],
        intent: Intent::Make,
        once: None,
    }
}

fn unconditional() -> ChangeRequest {
    ChangeRequest { preconditions: Preconditions::NONE, ..request() }
}

fn key(number: u8) -> ResourceKey {
    ResourceKey { collection: videos(), id: format!("{number:02}").parse().expect("an id") }
}

fn videos() -> CollectionName {
    "videos".parse().expect("a name")
}

fn processing() -> ActivityName {
    "processing".parse().expect("a name")
}

impl Service {
    /// Those with an even number are there, and stay.
    async fn new() -> Self {
        let state = world::state_over(Arc::new(MemoryStore::new()), world::catalog());
        let steps = Steps::new(state.clone(), world::patient(), 100);
        let service = Self { api: world::api(state), steps };
        for number in (0..40).step_by(2) {
            let put = service.api.put(&key(number), json!({ "n": 0 }), &unconditional()).await;
            put.expect("it can be created");
        }
        service
    }

    async fn write(&self, write: &Write) {
        // Refusals are as good: a walk must not mind what others may not do.
        match write {
            Write::Put(n) => {
                let _ = self.api.put(&key(*n), json!({ "n": 1 }), &request()).await;
                let _ = self.api.put(&key(*n), json!({ "n": 2 }), &unconditional()).await;
            }
            Write::Patch(n) => {
                let patch = PatchBody::merge(json!({ "processing": { "operation": "transcode", "trigger": *n } }));
                let _ = self.api.patch(&key(*n), &patch.expect("a patch"), &request()).await;
            }
            Write::Delete(n) => drop(self.api.delete(&key(n | 1), &request()).await),
            Write::Launch(n) => {
                let body = json!({ "operation": "transcode" });
                let _ = self.api.launch(&key(*n), &processing(), &world::asking(Some(body)), &unconditional()).await;
            }
            Write::Work => {
                for claim in self.steps.claimable().await.expect("a store that can be read").claims {
                    if let Some(launch) = self.steps.claim(&claim).await.expect("a store that can be written") {
                        self.steps.start(launch).await.expect("a store that can be written");
                    }
                }
            }
        }
    }

    /// The ids of a walk, with so many items a page, and writes between the pages.
    async fn walk(&self, list: List, limit: usize, writes: &mut std::slice::Iter<'_, Vec<Write>>) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), None);
        loop {
            let page = PageRequest { limit, cursor };
            let view = list.page(&self.api, &page).await;
            ids.extend(view.items.iter().map(|item| {
                let item: Value = serde_json::from_slice(item).expect("JSON");
                // What was deleted and created again in between is another one.
                format!("{} {}", item["id"].as_str().expect("an id"), item["status"]["uid"])
            }));
            match view.next {
                None => return ids,
                next => cursor = next,
            }
            for write in writes.next().into_iter().flatten() {
                self.write(write).await;
            }
        }
    }
}

/// What is walked over.
#[derive(Debug, Clone, Copy)]
enum List {
    Resources,
    Jobs,
    JobsOfOne,
}

impl List {
    async fn page(self, api: &Api, page: &PageRequest) -> ListView {
        match self {
            Self::Resources => api.list(&videos(), page).await,
            Self::Jobs => api.jobs(&JobFilter::default(), page).await,
            Self::JobsOfOne => api.activity_jobs(&key(0), &processing(), page).await,
        }
        .expect("a page")
    }
}

fn twice(ids: &[String]) -> Option<&String> {
    let mut seen = BTreeSet::new();
    ids.iter().find(|id| !seen.insert(*id))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_walk_sees_nothing_twice_and_misses_nothing_that_was_there_throughout(
        before in prop::collection::vec(any_write(), 0..30),
        writes in prop::collection::vec(prop::collection::vec(any_write(), 0..6), 0..20),
        limit in 1usize..8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let service = Service::new().await;
            for write in &before {
                service.write(write).await;
            }
            for list in [List::Resources, List::Jobs, List::JobsOfOne] {
                // Nobody writes during these two: what both have stayed.
                let first = service.walk(list, 1000, &mut [].iter()).await;
                let seen = service.walk(list, limit, &mut writes.iter()).await;
                let last: BTreeSet<String> = service.walk(list, 1000, &mut [].iter()).await.into_iter().collect();
                prop_assert_eq!(twice(&seen), None, "{:?}", list);
                let lost = first.iter().find(|id| last.contains(*id) && !seen.contains(id));
                prop_assert_eq!(lost, None, "{:?}", list);
                let mut stable = seen.clone();
                stable.retain(|id| first.contains(id));
                prop_assert!(first.iter().filter(|id| stable.contains(id)).eq(stable.iter()), "{:?}: one order", list);
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_walk_over_many_pages_has_every_item_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let service = Service::new().await;
        let turns: Vec<Vec<Write>> =
            (0..60).map(|n| vec![Write::Put(n % 40), Write::Delete(n % 40), Write::Launch(0)]).collect();
        let seen = service.walk(List::Resources, 1, &mut turns.iter()).await;
        let stayed = seen.iter().filter(|id| id[..2].parse::<u8>().is_ok_and(|number| number % 2 == 0));
        assert_eq!(stayed.count(), 20, "{seen:?}");
        // More jobs than are read at once.
        for _ in 0..250 {
            let body = Some(json!({ "operation": "transcode" }));
            let launched = service.api.launch(&key(0), &processing(), &world::asking(body), &unconditional()).await;
            let job = launched.expect("there is room").id;
            service.api.cancel_job(job, &unconditional()).await.expect("it waits");
        }
        for limit in [1, 7, 200, 1000] {
            let seen = service.walk(List::JobsOfOne, limit, &mut turns.iter()).await;
            assert_eq!(twice(&seen), None, "{limit}");
            assert!(seen.len() >= 250, "{limit}: {}", seen.len());
        }
    });
}
