//! Schedules stored and kept by the engine of this service.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use heeler::clock::{Clock as _, Entropy as _, SystemClock, SystemEntropy};
use heeler::config;
use heeler::domain::catalog::{ActivitySpec, Catalog, Collection};
use heeler::domain::document::Document;
use heeler::domain::id::{JobId, ResourceKey};
use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::domain::moment::Moment;
use heeler::domain::operation::{ExecSpec, Keep, OnUnknown, Operation, Reply, RunnerSpec};
use heeler::domain::retention::Retention;
use heeler::domain::retry::RetryPolicy;
use heeler::domain::time::Timestamp;
use heeler::engine::{Engine, EngineConfig, Housekeeping};
use heeler::metrics::Metrics;
use heeler::reconcile::{ResourceState, step};
use heeler::runner::{AttemptRef, Launch, Probe, Report, Runner, StartError};
use heeler::state::{Event, State, record, rows_of};
use heeler::store::redb::{Options, RedbStore};
use heeler::store::{Op, Position, Store, Txn};
use serde_json::{Map, Value, json};

use crate::storm::Storm;

/// How many resources one transaction of the filling writes.
const BATCH: usize = 2000;

/// How many attempts run at once, as by default.
const RUNNING: usize = 64;

/// A whole second that far in the future.
pub(crate) fn in_a_while(wait: Duration) -> Timestamp {
    Timestamp::from_millis((SystemClock.now().after(wait).second() + 1) * 1000)
}

/// The one second of each day that an instant is.
pub(crate) fn cron_of(at: Timestamp) -> String {
    let second = at.second().rem_euclid(86_400);
    format!("{} {} {} * * *", second % 60, second / 60 % 60, second / 3600)
}

/// Work that is done as soon as it is begun.
#[derive(Debug)]
struct Nothing;

#[async_trait]
impl Runner for Nothing {
    async fn start(&self, _: Launch) -> Result<(), StartError> {
        Ok(())
    }

    async fn probe(&self, _: AttemptRef) -> Probe {
        Probe::Running
    }

    async fn next_report(&self, _: AttemptRef) -> Report {
        let outcome = AttemptOutcome::Succeeded;
        Report::Ended(Ending::new(outcome))
    }

    async fn stop(&self, _: AttemptRef) {}

    async fn forget(&self, _: JobId) -> std::io::Result<()> {
        Ok(())
    }
}

fn catalog() -> Catalog {
    let operation = Operation {
        name: "nothing".parse().unwrap(),
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
    let collection = Collection {
        activities: vec![ActivitySpec::new("processing".parse().unwrap())],
        ..Collection::new("things".parse().unwrap())
    };
    Catalog {
        collections: [(collection.name.clone(), Arc::new(collection))].into(),
        operations: [(operation.name.clone(), Arc::new(operation))].into(),
        ..Catalog::default()
    }
}

/// As by default; the house is kept beside what is measured.
fn engine_config() -> EngineConfig {
    let config::Housekeeping { retention, log, sweep, .. } = config::Housekeeping::default();
    let (kept, metrics) = (Retention::default(), Metrics::default());
    EngineConfig { running: RUNNING, housekeeping: Housekeeping { retention, log, sweep, backup: None, kept, metrics } }
}

/// Stores so many resources with a schedule each.
async fn store_schedules(store: &dyn Store, count: usize, schedule: impl Fn(usize) -> Value) {
    let catalog = catalog();
    for first in (0..count).step_by(BATCH) {
        let mut ops = Vec::new();
        for index in first..count.min(first + BATCH) {
            let key = ResourceKey { collection: "things".parse().unwrap(), id: format!("{index:08}").parse().unwrap() };
            let document = json!({"processing": {"operation": "nothing", "schedule": schedule(index)}});
            let event = Event::Changed {
                document: Document::new(document.as_object().unwrap().clone()),
                observed: Map::new(),
                fingerprint: [0; 32],
                restarts: Vec::new(),
            };
            let moment = Moment::new(SystemClock.now(), SystemEntropy.seed());
            let state = step(ResourceState::absent(key), event, &catalog, moment).unwrap();
            ops.extend(rows_of(&state).into_iter().map(|(row, value)| Op::Put(row, value)));
        }
        store.commit(Txn { ops, ..Txn::default() }).await.unwrap();
    }
}

/// Lets so many ticks fall due in one second, and notes when each is recorded.
pub(crate) fn storm(ticks: usize) -> Storm {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> =
            Arc::new(RedbStore::open(&folder.path().join("heeler.redb"), Options::default()).unwrap());
        let at = in_a_while(Duration::from_secs(5 + ticks as u64 / 5000));
        store_schedules(&*store, ticks, |_| json!({"cron": cron_of(at)})).await;
        assert!(SystemClock.now() < at, "the schedules were not stored in time");
        let state = State::new(Arc::clone(&store), Arc::new(SystemClock), Arc::new(SystemEntropy), Arc::new(catalog()));
        let engine = Engine::new(state, Arc::new(Nothing), engine_config());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(engine.run(async move { drop(stopped.await) }));
        let (times, late) = recorded(&*store, ticks, at).await;
        drop(stop);
        running.await.unwrap().unwrap();
        let mut times: Vec<usize> = times.into_values().collect();
        times.resize(ticks, 0);
        Storm::new(&times, late)
    })
}

/// Reads the change log as it grows: how often each resource had a new job, and how late it was durable.
async fn recorded(store: &dyn Store, ticks: usize, at: Timestamp) -> (HashMap<ResourceKey, usize>, Vec<Duration>) {
    let mut committed = store.committed();
    let (mut position, mut jobs, mut times, mut late) =
        (Position::default(), HashMap::new(), HashMap::new(), Vec::new());
    let give_up = Instant::now() + at.since(SystemClock.now()) + Duration::from_secs(120);
    let mut quiet = 0;
    while Instant::now() < give_up && quiet < 4 {
        let page = store.changes(position, 1000).await.unwrap();
        let now = SystemClock.now();
        for (place, entry) in &page.entries {
            position = *place;
            let entry = record::decode_log(entry).unwrap();
            let Some((job, _)) = entry.job else { continue };
            if jobs.insert(job, ()).is_none() {
                *times.entry(entry.key).or_insert(0) += 1;
                late.push(now.since(at));
            }
        }
        if page.entries.is_empty() {
            let waited = tokio::time::timeout(Duration::from_secs(1), committed.changed()).await;
            // A second tick of the same second would come at once.
            quiet += usize::from(waited.is_err() && times.len() >= ticks);
        }
    }
    (times, late)
}

/// Stores schedules that are due once a year.
pub(crate) fn fill(path: &Path, count: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = RedbStore::open(path, Options::default()).unwrap();
    let cron = |index: usize| json!({"cron": format!("{} {} 3 1 1 *", index % 60, index / 60 % 60), "timezone": "Europe/Berlin"});
    runtime.block_on(store_schedules(&store, count, cron));
}

/// Keeps what is stored, until it is killed.
pub(crate) fn hold(path: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let begin = Instant::now();
        let store: Arc<dyn Store> = Arc::new(RedbStore::open(path, Options::default()).unwrap());
        let state = State::new(store, Arc::new(SystemClock), Arc::new(SystemEntropy), Arc::new(catalog()));
        // The engine looks for the next tick first of all.
        let first = state.timers(1).await.unwrap();
        assert_eq!(first.len(), 1, "there is a next tick");
        println!("ready {}", begin.elapsed().as_secs_f64());
        let engine = Engine::new(state, Arc::new(Nothing), engine_config());
        engine.run(std::future::pending()).await.unwrap();
    });
}
