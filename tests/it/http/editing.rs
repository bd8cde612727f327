//! An edit of a list of jobs that meets a change which is not yet committed.

use std::sync::Arc;

use async_trait::async_trait;
use heeler::api::{Api, ApiError, ChangeRequest, Intent, ListView};
use heeler::domain::id::{ActivityName, JobId, ResourceKey};
use heeler::domain::job_list::Edit;
use heeler::domain::patch::{PatchBody, PatchError};
use heeler::domain::precondition::{Preconditions, Strictness, TagList};
use heeler::store::memory::MemoryStore;
use heeler::store::{
    Cause, Changes, CommitError, Entry, Key, KeyRange, Limits, Order, Page, Position, ReadError, Rev, Snapshot, Store,
    Txn, WatchError,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::world;

/// A store that commits only while its gate lets it.
#[derive(Debug)]
struct Gated {
    store: MemoryStore,
    gate: Semaphore,
}

#[async_trait]
impl Store for Gated {
    async fn get(&self, keys: &[Key]) -> Result<(Rev, Vec<Option<Entry>>), ReadError> {
        self.store.get(keys).await
    }

    async fn scan(&self, range: KeyRange, order: Order, limit: usize) -> Result<Page, ReadError> {
        self.store.scan(range, order, limit).await
    }

    async fn commit(&self, txn: Txn) -> Result<Rev, CommitError> {
        let _open = self.gate.acquire().await.expect("it is never closed for good");
        self.store.commit(txn).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Changes, WatchError> {
        self.store.changes(after, limit).await
    }

    fn committed(&self) -> watch::Receiver<Rev> {
        self.store.committed()
    }

    async fn compact(&self, before: Rev) -> Result<(), CommitError> {
        self.store.compact(before).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        self.store.snapshot().await
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn failed(&self) -> Cause {
        self.store.failed().await
    }
}

fn request(preconditions: Preconditions) -> ChangeRequest {
    let strictness = Strictness::DesiredState;
    ChangeRequest { preconditions, strictness, fingerprint: [0; 32], intent: Intent::Make, once: None }
}

fn key() -> ResourceKey {
    ResourceKey { collection: "tasks".parse().expect("a name"), id: "main".parse().expect("an id") }
}

fn processing() -> ActivityName {
    "processing".parse().expect("a name")
}

/// Edits a list that has one waiting job, while that job is being cancelled:
/// the list is read before the cancel is committed, and edited after it.
async fn edit_behind_a_cancel(edit: Edit) -> (JobId, Result<ListView, ApiError>) {
    let store = Arc::new(Gated { store: MemoryStore::new(), gate: Semaphore::new(1) });
    let api: Api = world::api(world::state_over(Arc::clone(&store) as Arc<dyn Store>, world::shapes()));
    api.put(&key(), json!({}), &request(Preconditions::NONE)).await.expect("it can be created");
    let body = json!({ "operation": "transcode" });
    let launched = api.launch(&key(), &processing(), &world::asking(Some(body)), &request(Preconditions::NONE)).await;
    let job = launched.expect("it can be launched").id;
    let shut = store.gate.acquire().await.expect("it is never closed for good");
    let unconditional = request(Preconditions::NONE);
    let any = request(Preconditions { if_match: Some(TagList::Any), ..Preconditions::NONE });
    let (key, activity) = (key(), processing());
    let mut cancel = Box::pin(api.cancel_job(job, &unconditional));
    assert!(futures_util::poll!(&mut cancel).is_pending(), "it waits at the gate");
    let mut edited = Box::pin(api.edit_jobs(&key, &activity, &edit, &any));
    assert!(futures_util::poll!(&mut edited).is_pending(), "it waits for its turn");
    drop(shut);
    let (cancelled, edited) = tokio::join!(cancel, edited);
    cancelled.expect("it can be cancelled");
    (job, edited)
}

#[tokio::test]
async fn it_is_made_to_the_list_as_it_is_by_then() {
    let (job, edited) = edit_behind_a_cancel(Edit::Whole(json!({ "items": [] }))).await;
    let items = edited.expect("nothing is left to be cancelled").items;
    let shown: Vec<Value> = items.iter().map(|item| serde_json::from_slice(item).expect("JSON")).collect();
    assert_eq!(shown.len(), 1);
    assert_eq!((&shown[0]["id"], &shown[0]["phase"]), (&json!(job), &json!("canceled")));
}

#[tokio::test]
async fn it_tests_the_list_as_it_is_by_then() {
    for (phase, passes) in [("queued", false), ("canceled", true)] {
        let test = json!([{ "op": "test", "path": "/items/0/phase", "value": phase }]);
        let (_, edited) = edit_behind_a_cancel(Edit::Patch(PatchBody::json(test).expect("a patch"))).await;
        let failed = matches!(edited, Err(ApiError::Patch(PatchError::TestFailed { .. })));
        assert_eq!((edited.is_ok(), failed), (passes, !passes), "{phase}: {edited:?}");
    }
}
