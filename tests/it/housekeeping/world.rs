//! A store in a file, a clock that a test turns, and work that is done at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use heeler::api::{Api, AttemptLogs, ListView, PageRequest};
use heeler::clock::{Clock, Entropy};
use heeler::domain::catalog::{ActivitySpec, Catalog, Collection};
use heeler::domain::document::Document;
use heeler::domain::id::{ActivityName, JobId, ResourceKey};
use heeler::domain::job::Grant;
use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::domain::operation::{ExecSpec, Keep, OnUnknown, Operation, Reply, RunnerSpec};
use heeler::domain::patch::PatchLimits;
use heeler::domain::retention::Retention;
use heeler::domain::retry::RetryPolicy;
use heeler::domain::time::Timestamp;
use heeler::engine::Steps;
use heeler::runner::{AttemptRef, Launch, Probe, Report, Runner, StartError};
use heeler::state::{Event, State};
use heeler::store::redb::{Options, RedbStore};
use serde_json::{Map, json};
use tempfile::TempDir;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A clock that a test turns, and seeds that count.
#[derive(Debug)]
struct Time(AtomicI64, AtomicU64);

#[async_trait]
impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

impl Entropy for Time {
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.1.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        seed
    }
}

/// Work that is over when it is looked for, as its operation is called, and
/// of which is known what was forgotten.
#[derive(Debug, Default)]
struct Work(Mutex<BTreeSet<JobId>>);

#[async_trait]
impl Runner for Work {
    async fn start(&self, _: Launch) -> Result<(), StartError> {
        Ok(())
    }

    async fn probe(&self, _: AttemptRef) -> Probe {
        Probe::Running
    }

    async fn next_report(&self, _: AttemptRef) -> Report {
        std::future::pending().await
    }

    async fn stop(&self, _: AttemptRef) {}

    async fn forget(&self, job: JobId) -> std::io::Result<()> {
        self.0.lock().expect("no holder of this lock panics").insert(job);
        Ok(())
    }
}

#[derive(Debug)]
struct NoLogs;

impl AttemptLogs for NoLogs {
    fn open(&self, _: JobId, _: u32) -> Option<(u64, std::fs::File)> {
        None
    }

    fn forget(&self, _: JobId) -> std::io::Result<()> {
        Ok(())
    }
}

/// A service without its loops.
pub(super) struct World {
    folder: TempDir,
    store: Arc<RedbStore>,
    time: Arc<Time>,
    work: Arc<Work>,
    pub(super) state: State,
    pub(super) steps: Steps,
    pub(super) api: Api,
}

fn catalog() -> Catalog {
    let operation = Operation {
        name: "bark".parse().expect("a name"),
        description: None,
        input: None,
        runner: RunnerSpec::Exec(ExecSpec::default()),
        timeout: None,
        grace: Operation::GRACE_DEFAULT,
        retry: RetryPolicy::default(),
        concurrency: None,
        attempts_max: 100,
        rate: None,
        deadline: None,
        start_deadline: None,
        priority: 0,
        on_unknown: OnUnknown::Fail,
        reply: Reply::default(),
        keep: Keep::default(),
        effects: heeler::domain::effect::Effects::default(),
    };
    let dogs =
        Collection { activities: vec![ActivitySpec::new(barks())], ..Collection::new("dogs".parse().expect("a name")) };
    Catalog {
        collections: [(dogs.name.clone(), Arc::new(dogs))].into(),
        operations: [(operation.name.clone(), Arc::new(operation))].into(),
        ..Catalog::default()
    }
}

pub(super) fn barks() -> ActivityName {
    "barks".parse().expect("a name")
}

pub(super) fn dog(id: &str) -> ResourceKey {
    ResourceKey { collection: "dogs".parse().expect("a name"), id: id.parse().expect("an id") }
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::over(folder, Arc::new(Time(1_795_255_200_000.into(), 0.into())), Arc::default(), catalog())
    }

    fn over(folder: TempDir, time: Arc<Time>, work: Arc<Work>, catalog: Catalog) -> Self {
        let store = RedbStore::open(&folder.path().join("heeler.redb"), Options::default()).expect("a store");
        let store = Arc::new(store);
        let state = State::new(store.clone(), time.clone(), time.clone(), Arc::new(catalog));
        let steps = Steps::new(state.clone(), work.clone(), 10);
        let api = Api::new(state.clone(), Arc::new(NoLogs), PatchLimits::default());
        Self { folder, store, time, work, state, steps, api }
    }

    /// The service stops, and is started again.
    pub(super) fn restarted(self) -> Self {
        self.declaring(|dogs| dogs)
    }

    /// The same, and the dogs are declared otherwise from then on.
    pub(super) fn declaring(self, otherwise: impl FnOnce(Collection) -> Collection) -> Self {
        let mut catalog = catalog();
        let dogs = catalog.collections.get_mut(&dog("any").collection).expect("they are declared");
        *dogs = Arc::new(otherwise(Collection::clone(dogs)));
        catalog.retire();
        let Self { folder, store, time, work, state, steps, api } = self;
        drop((state, steps, api));
        store.close().expect("it closes");
        drop(store);
        Self::over(folder, time, work, catalog)
    }

    pub(super) fn pass(&self, duration: Duration) {
        self.time.0.fetch_add(i64::try_from(duration.as_millis()).expect("not that long"), Ordering::Relaxed);
    }

    async fn happen(&self, key: &ResourceKey, event: Event) {
        self.state.happen(key, event).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Creates a dog that asks for nothing.
    pub(super) async fn put(&self, id: &str) {
        let document = Document::new(Map::new());
        self.happen(
            &dog(id),
            Event::Changed { document, observed: Map::new(), fingerprint: [0; 32], restarts: Vec::new() },
        )
        .await;
    }

    pub(super) async fn delete(&self, id: &str) {
        self.happen(&dog(id), Event::DeleteAsked).await;
    }

    /// A job that waits.
    pub(super) async fn post(&self, id: &str) -> JobId {
        let (activity, operation) = (barks(), "bark".parse().expect("a name"));
        self.happen(&dog(id), Event::Launched { activity, operation, input: json!({}), keep: Keep::Record }).await;
        let status = self.state.resource(&dog(id)).await.expect("it reads").expect("it is there").status(&barks());
        status.active.last().expect("it waits").id
    }

    /// A job that waits no longer, as it ended.
    pub(super) async fn bark(&self, id: &str, outcome: AttemptOutcome) -> JobId {
        let job = self.post(id).await;
        self.happen(&dog(id), Event::Claimed { job, grant: Grant::default() }).await;
        let claimed = self.state.job(job).await.expect("it reads").expect("it is there").0;
        let token = claimed.current().expect("it was claimed").token;
        let ending = Ending::new(outcome);
        self.happen(&dog(id), Event::Ended { job, token, ending: Box::new(ending) }).await;
        // A resource counts on by milliseconds where the clock stands still.
        self.pass(Duration::from_secs(1));
        job
    }

    /// A whole run of the retention, `rows` at a time: how many jobs it forgot, in how many parts.
    pub(super) async fn retain(&self, retention: &Retention, rows: usize) -> (u64, usize) {
        let (mut forgotten, mut parts) = (0, 0);
        loop {
            let part = self.steps.retain_some(retention, rows).await.expect("it can be done");
            forgotten += part.done;
            parts += 1;
            if !part.more {
                return (forgotten, parts);
            }
        }
    }

    /// The list of a dog's jobs.
    pub(super) async fn list(&self, id: &str) -> ListView {
        let page = PageRequest { limit: 100, cursor: None };
        self.api.activity_jobs(&dog(id), &barks(), &page).await.expect("a list")
    }

    /// The ids in it, the newest first.
    pub(super) async fn ids(&self, id: &str) -> Vec<String> {
        let items = self.list(id).await.items;
        let ids =
            items.iter().map(|item| serde_json::from_slice::<serde_json::Value>(item).expect("JSON")["id"].clone());
        ids.map(|id| id.as_str().expect("an id").to_owned()).collect()
    }

    /// The jobs whose attempts the runner was told to forget.
    pub(super) fn forgotten(&self) -> BTreeSet<JobId> {
        self.work.0.lock().expect("no holder of this lock panics").clone()
    }
}
