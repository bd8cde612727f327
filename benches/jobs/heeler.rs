//! Documents that ask for no-op jobs, over HTTP, with everything durable.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use heeler::api::{Api, AttemptLogs};
use heeler::clock::{SystemClock, SystemEntropy};
use heeler::config;
use heeler::domain::catalog::Catalog;
use heeler::domain::id::JobId;
use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::domain::patch::PatchLimits;
use heeler::domain::retention::Retention;
use heeler::engine::{Engine, EngineConfig, Housekeeping, judge_cron};
use heeler::http::{Http, HttpConfig, serve};
use heeler::metrics::{Counter, Metrics};
use heeler::runner::{AttemptRef, Launch, Probe, Report, Runner, StartError};
use heeler::state::State;
use heeler::store::Store;
use heeler::store::redb::{Options, RedbStore};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::client::Connection;
use crate::{Amount, CALLERS, Figures, PAUSE, RUNNING, quantile};

/// Its runner is never asked: [`Nothing`] stands for it. Another one can stand
/// here to be measured.
const CONFIGURATION: &str = r#"
[operations.nothing]
exec = { command = ["true"] }
[collections.things]
preconditions = "optional"
"#;

const ASKING: &str = r#"{"processing":{"operation":"nothing"}}"#;
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

/// How long everything may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// Work that is done as soon as it is begun, and tells when that was.
#[derive(Debug)]
struct Nothing(mpsc::UnboundedSender<Instant>);

#[async_trait]
impl Runner for Nothing {
    async fn start(&self, _: Launch) -> Result<(), StartError> {
        // Where nobody listens, nobody wants to know.
        let _ = self.0.send(Instant::now());
        Ok(())
    }

    async fn probe(&self, _: AttemptRef) -> Probe {
        Probe::Running
    }

    async fn next_report(&self, _: AttemptRef) -> Report {
        Report::Ended(Ending::new(AttemptOutcome::Succeeded))
    }

    async fn stop(&self, _: AttemptRef) {}

    async fn forget(&self, _: JobId) -> std::io::Result<()> {
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

/// A service over a store of its own.
struct Service {
    address: SocketAddr,
    engine: Engine,
    started: mpsc::UnboundedReceiver<Instant>,
    /// Jobs that did their work.
    done: Counter,
    stop: CancellationToken,
}

impl Service {
    async fn new(store: Arc<dyn Store>, catalog: Catalog) -> Self {
        let metrics = Metrics::default();
        let state = State::new(store, Arc::new(SystemClock), Arc::new(SystemEntropy), Arc::new(catalog));
        let state = state.counted(&metrics);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = Api::new(state.clone(), Arc::new(NoLogs), PatchLimits::default());
        let http = Http::new(api, HttpConfig { addresses: vec![address], ..HttpConfig::default() });
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move { serve(vec![listener], http, stopped).await });
        let labels = [("operation", "nothing"), ("outcome", "succeeded")];
        let done = metrics.counter("heeler_jobs_finished_total", "", &labels);
        let config::Housekeeping { retention, log, sweep, .. } = config::Housekeeping::default();
        let housekeeping = Housekeeping { retention, log, sweep, backup: None, kept: Retention::default(), metrics };
        let (tell, started) = mpsc::unbounded_channel();
        let engine = Engine::new(state, Arc::new(Nothing(tell)), EngineConfig { running: RUNNING, housekeeping });
        Self { address, engine, started, done, stop }
    }
}

pub(crate) fn measure(amount: Amount) -> Figures {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (start_p50, start_p99) = runtime.block_on(starts(amount.starts));
    let (enqueues, jobs) = runtime.block_on(throughput(amount.jobs));
    Figures { start_p50, start_p99, enqueues, jobs }
}

fn store(folder: &tempfile::TempDir) -> (Arc<dyn Store>, Catalog) {
    let file = folder.path().join("heeler.toml");
    std::fs::write(&file, CONFIGURATION).unwrap();
    let judge = |text: &str| judge_cron(text).map_err(|why| why.to_string());
    let catalog = config::load(&file, &judge).unwrap().catalog;
    let store = RedbStore::open(&folder.path().join("heeler.redb"), Options::default()).unwrap();
    (Arc::new(store), catalog)
}

/// From sending a PATCH to the start of its job, in milliseconds.
async fn starts(count: usize) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let (store, catalog) = store(&folder);
    let Service { address, engine, mut started, stop, .. } = Service::new(store, catalog).await;
    let running = tokio::spawn(engine.run(stop.clone().cancelled_owned()));
    let mut connection = Connection::open(address).await;
    for id in 0..count {
        connection.send("PUT", &format!("/v1/things/{id}"), JSON, "{}").await;
    }
    let mut times = Vec::with_capacity(count);
    for id in 0..count {
        tokio::time::sleep(PAUSE).await;
        let sent = Instant::now();
        connection.send("PATCH", &format!("/v1/things/{id}"), MERGE, ASKING).await;
        let start = tokio::time::timeout(PATIENCE, started.recv()).await.unwrap().unwrap();
        times.push(start.saturating_duration_since(sent).as_secs_f64() * 1000.0);
    }
    stop.cancel();
    running.await.unwrap().unwrap();
    (quantile(&mut times, 0.5), quantile(&mut times, 0.99))
}

/// Enqueues a second, one by one while nothing is worked off; then jobs worked off a second.
#[expect(clippy::cast_precision_loss, reason = "few jobs")]
async fn throughput(count: usize) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let (store, catalog) = store(&folder);
    let Service { address, engine, started, done, stop } = Service::new(store, catalog).await;
    drop(started);
    let begun = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(async move {
            let mut connection = Connection::open(address).await;
            for id in (caller..count).step_by(CALLERS) {
                connection.send("PUT", &format!("/v1/things/{id}"), JSON, ASKING).await;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let enqueues = count as f64 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let running = tokio::spawn(engine.run(stop.clone().cancelled_owned()));
    while done.value() < count as u64 {
        assert!(begun.elapsed() < PATIENCE, "{} of {count} jobs were done", done.value());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let jobs = count as f64 / begun.elapsed().as_secs_f64();
    stop.cancel();
    running.await.unwrap().unwrap();
    (enqueues, jobs)
}
