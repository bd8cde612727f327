//! The one place where the tests of the wire get a service from: the real one,
//! on a store in memory, with a clock and ids that are the same in every run,
//! and with jobs that start and end when a test says so.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use heeler::api::{Api, AttemptLogs};
use heeler::clock::{Clock, Entropy};
use heeler::domain::catalog::{ActivitySpec, Catalog, Collection};
use heeler::domain::id::JobId;
use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::domain::operation::{ExecSpec, Keep, OnUnknown, Operation, Reply, RunnerSpec};
use heeler::domain::patch::PatchLimits;
use heeler::domain::retry::RetryPolicy;
use heeler::domain::time::Timestamp;
use heeler::engine::Steps;
use heeler::http::{Http, HttpConfig, serve};
use heeler::runner::{AttemptRef, Launch, Probe, Report, Runner, StartError};
use heeler::state::State;
use heeler::store::Store;
use heeler::store::memory::MemoryStore;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A clock that is a second further on whenever it is read.
#[derive(Debug, Default)]
struct Ticking(AtomicI64);

#[async_trait]
impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        // 2026-11-21T10:00:00Z
        Timestamp::from_millis(1_795_255_200_000 + 1000 * self.0.fetch_add(1, Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Seeds that count.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        seed
    }
}

/// Work that ends when a test says so, and how.
#[derive(Debug, Default)]
struct Patient(Mutex<Option<AttemptOutcome>>);

#[async_trait]
impl Runner for Patient {
    async fn start(&self, _launch: Launch) -> Result<(), StartError> {
        Ok(())
    }

    async fn probe(&self, _attempt: AttemptRef) -> Probe {
        let outcome = *self.0.lock().expect("no holder of this lock panics");
        outcome.map_or(Probe::Running, |outcome| {
            Probe::Ended(Ending { finished: None, outcome, exit_code: None, result: None, detail: None })
        })
    }

    async fn next_report(&self, _attempt: AttemptRef) -> Report {
        std::future::pending().await
    }

    async fn stop(&self, _attempt: AttemptRef) {}
}

/// What every first attempt writes.
const LOG: &[u8] = b"frame 1\nframe 2\nframe 3\n";

#[derive(Debug)]
struct Logs;

impl AttemptLogs for Logs {
    fn open(&self, _job: JobId, number: u32) -> Option<(u64, std::fs::File)> {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(LOG).expect("room for a log");
        (number == 1).then_some((LOG.len() as u64, file))
    }
}

/// One collection, `videos`, with one activity, `processing`, and one operation.
pub(super) fn catalog() -> Catalog {
    let videos = Collection {
        activities: vec![ActivitySpec::new("processing".parse().expect("a name"))],
        ..Collection::new("videos".parse().expect("a name"))
    };
    let transcode = Operation {
        name: "transcode".parse().expect("a name"),
        description: Some("Transcode a video".to_owned()),
        input: None,
        runner: RunnerSpec::Exec(ExecSpec { command: Vec::new(), cwd: "/".into(), env: BTreeMap::new() }),
        timeout: None,
        grace: Operation::GRACE_DEFAULT,
        retry: RetryPolicy::default(),
        concurrency: None,
        priority: 0,
        on_unknown: OnUnknown::Fail,
        reply: Reply::default(),
        keep: Keep::default(),
    };
    Catalog {
        collections: [(videos.name.clone(), Arc::new(videos))].into(),
        operations: [(transcode.name.clone(), Arc::new(transcode))].into(),
        aliases: Vec::new(),
    }
}

/// Collections under paths of their own, and aliases.
pub(super) fn shapes() -> Catalog {
    let (text, file) = (include_str!("shapes.toml"), Path::new("shapes.toml"));
    let no_file = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    heeler::config::parse(text, file, Path::new("/"), &no_file).unwrap_or_else(|errors| panic!("{errors}")).catalog
}

/// The state that a store holds, under these declarations.
pub(super) fn state_over(store: Arc<dyn Store>, catalog: Catalog) -> State {
    State::new(store, Arc::new(Ticking::default()), Arc::new(Counting::default()), Arc::new(catalog))
}

/// Work that goes on until the end.
pub(super) fn patient() -> Arc<dyn Runner> {
    Arc::new(Patient::default())
}

/// The use cases over it.
pub(super) fn api(state: State) -> Api {
    Api::new(state, Arc::new(Logs), PatchLimits::default())
}

/// A service that listens on an ephemeral loopback port.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    steps: Steps,
    work: Arc<Patient>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// Serves a fresh service under this configuration.
pub(super) async fn serve_with(config: HttpConfig) -> Served {
    serve_these(catalog(), config).await
}

/// Serves a fresh service with these declarations.
pub(super) async fn serve_these(catalog: Catalog, config: HttpConfig) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    let state = state_over(Arc::new(MemoryStore::new()), catalog);
    let work = Arc::new(Patient::default());
    let steps = Steps::new(state.clone(), Arc::clone(&work) as Arc<dyn Runner>, 100);
    let api = api(state);
    let http = Http::new(api, HttpConfig { addresses: vec![address], ..config });
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(serve(vec![listener], http, async {
        stopped.await.unwrap_or_default();
    }));
    Served { address, steps, work, stop, serving }
}

impl Served {
    /// Lets every waiting job start.
    pub(super) async fn start_jobs(&self) {
        for claim in self.steps.claimable().await.expect("a store that can be read") {
            if let Some(launch) = self.steps.claim(&claim).await.expect("a store that can be written") {
                self.steps.start(launch).await.expect("a store that can be written");
            }
        }
    }

    /// Lets every job that has started end.
    pub(super) async fn end_jobs(&self, outcome: AttemptOutcome) {
        *self.work.0.lock().expect("no holder of this lock panics") = Some(outcome);
        for row in self.steps.attempts().await.expect("a store that can be read") {
            self.steps.adopt(row.job).await.expect("a store that can be written");
        }
    }

    /// Ends it and waits until it has ended.
    pub(super) async fn stop(self) {
        self.stop.send(()).expect("it serves until it is told to stop");
        self.serving.await.expect("serving does not panic");
    }
}
