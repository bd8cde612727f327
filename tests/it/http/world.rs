//! The one place where the tests of the wire get a service from: the real one,
//! on a store in memory, with a clock and ids that are the same in every run,
//! and with jobs that start and end when a test says so.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use heeler::api::{AnswerWhen, Api, AttemptLogs, LaunchBody, LaunchRequest, PostedTo};
use heeler::clock::{Clock, Entropy};
use heeler::domain::catalog::{ActivitySpec, Catalog, Collection};
use heeler::domain::id::{JobId, ResourceKey};
use heeler::domain::job::Ending;
use heeler::domain::limit::Concurrency;
use heeler::domain::log::{Entry, Stream};
use heeler::domain::operation::{OnUnknown, Operation, RunnerSpec, WorkerSpec};
use heeler::domain::patch::PatchLimits;
use heeler::domain::retry::{Never, RetryPolicy};
use heeler::domain::time::Timestamp;
use heeler::engine::Steps;
use heeler::http::{Http, HttpConfig, serve};
use heeler::runner::{AttemptRef, Launch, Probe, Report, Runner, StartError};
use heeler::state::{Event, State};
use heeler::store::memory::MemoryStore;
use heeler::store::{Rev, Store};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::dogs;

/// A clock that is a second further on whenever it is read, and that a test
/// can turn on, which is as if so much time had gone by.
#[derive(Debug, Default)]
struct Ticking {
    seconds: AtomicI64,
    turned: AtomicU64,
}

impl Ticking {
    /// When the tests begin: 2026-11-21T10:00:00Z.
    const BEGINNING: i64 = 1_795_255_200;

    /// The next reading shows this.
    fn turn_to(&self, at: Timestamp) {
        let seconds = at.second() - Self::BEGINNING;
        let before = self.seconds.swap(seconds, Ordering::Relaxed);
        let more = u64::try_from(seconds - before).unwrap_or_else(|_| panic!("the clock is past {at} already"));
        self.turned.fetch_add(more, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1000 * (Self::BEGINNING + self.seconds.fetch_add(1, Ordering::Relaxed)))
    }

    fn instant(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.turned.load(Ordering::Relaxed))
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
struct Patient(Mutex<Option<Ending>>);

#[async_trait]
impl Runner for Patient {
    async fn start(&self, _launch: Launch) -> Result<(), StartError> {
        Ok(())
    }

    async fn probe(&self, _attempt: AttemptRef) -> Probe {
        let ending = self.0.lock().expect("no holder of this lock panics").clone();
        ending.map_or(Probe::Running, Probe::Ended)
    }

    async fn next_report(&self, _attempt: AttemptRef) -> Report {
        std::future::pending().await
    }

    async fn stop(&self, _attempt: AttemptRef) {}

    async fn forget(&self, _job: JobId) -> std::io::Result<()> {
        Ok(())
    }
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

    fn index(&self, _job: JobId, number: u32) -> Option<(u64, std::fs::File)> {
        let streams = [Stream::Stdout, Stream::Stderr, Stream::Stdout];
        let line = |stream| Entry { at: Some(Timestamp::from_millis(1_795_255_200_123)), stream, length: 8 }.encode();
        let index: Vec<u8> = streams.into_iter().flat_map(line).collect();
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&index).expect("room for an index");
        (number == 1).then_some((index.len() as u64, file))
    }

    fn forget(&self, _job: JobId) -> std::io::Result<()> {
        Ok(())
    }
}

/// `videos`, with one activity and one operation, and the dogs.
pub(super) fn catalog() -> Catalog {
    let videos = Collection {
        activities: vec![ActivitySpec::new("processing".parse().expect("a name"))],
        ..Collection::new("videos".parse().expect("a name"))
    };
    let transcode = Operation { description: Some("Transcode a video".to_owned()), ..dogs::operation("transcode") };
    let operations = dogs::operations().into_iter().chain([transcode]);
    Catalog {
        collections: [videos, dogs::collection()].map(|it| (it.name.clone(), Arc::new(it))).into(),
        operations: operations.map(|it| (it.name.clone(), Arc::new(it))).collect(),
        ..Catalog::default()
    }
}

/// `videos`, whose work workers do: `render`, which is tried twice, and one after the other.
pub(super) fn workers() -> Catalog {
    let mut catalog = catalog();
    let render = Operation {
        runner: RunnerSpec::Worker(WorkerSpec { lease: Duration::from_secs(3600) }),
        retry: RetryPolicy { attempts: 2, never: vec![Never::Reason("Corrupt".to_owned())], ..RetryPolicy::default() },
        on_unknown: OnUnknown::Retry,
        concurrency: Some(Concurrency::of(2)),
        ..dogs::operation("render")
    };
    catalog.operations.insert(render.name.clone(), Arc::new(render));
    let videos = Collection {
        activities: vec![ActivitySpec::new("processing".parse().expect("a name"))],
        observed: vec!["/frames".parse().expect("a pointer")],
        ..Collection::new("videos".parse().expect("a name"))
    };
    catalog.collections.insert(videos.name.clone(), Arc::new(videos));
    catalog
}

/// Collections under paths of their own, and aliases.
pub(super) fn shapes() -> Catalog {
    let (text, file) = (include_str!("shapes.toml"), Path::new("shapes.toml"));
    let no_file = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let env = heeler::domain::secret::Secrets::none();
    let outside = heeler::config::Outside { read: &no_file, env: &env, cron: &crate::config::cron };
    heeler::config::parse(text, file, Path::new("/"), outside).unwrap_or_else(|errors| panic!("{errors}")).catalog
}

/// The state that a store holds, under these declarations.
pub(super) fn state_over(store: Arc<dyn Store>, catalog: Catalog) -> State {
    state_at(store, Arc::new(Ticking::default()), catalog)
}

fn state_at(store: Arc<dyn Store>, clock: Arc<Ticking>, catalog: Catalog) -> State {
    State::new(store, clock, Arc::new(Counting::default()), Arc::new(catalog))
}

/// Work that goes on until the end.
pub(super) fn patient() -> Arc<dyn Runner> {
    Arc::new(Patient::default())
}

/// The use cases over it.
pub(super) fn api(state: State) -> Api {
    Api::new(state, Arc::new(Logs), PatchLimits::default())
}

/// A body for a job, from a client that hears of it when the operation says.
pub(super) fn asking(body: Option<Value>) -> LaunchRequest {
    LaunchRequest {
        body: body.map_or(LaunchBody::Empty, LaunchBody::Json),
        when: AnswerWhen::AsDeclared,
        at: PostedTo::List,
    }
}

/// A service that listens on an ephemeral loopback port.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    state: State,
    clock: Arc<Ticking>,
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
    let clock = Arc::new(Ticking::default());
    let state = state_at(Arc::new(MemoryStore::new()), Arc::clone(&clock), catalog);
    let work = Arc::new(Patient::default());
    let steps = Steps::new(state.clone(), Arc::clone(&work) as Arc<dyn Runner>, 100);
    let api = api(state.clone());
    let http = Http::new(api, HttpConfig { addresses: vec![address], ..config });
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(serve(vec![listener], http, async {
        stopped.await.unwrap_or_default();
    }));
    Served { address, state, clock, steps, work, stop, serving }
}

impl Served {
    /// Lets every waiting job start.
    pub(super) async fn start_jobs(&self) {
        for claim in self.steps.claimable().await.expect("a store that can be read").claims {
            if let Some(launch) = self.steps.claim(&claim).await.expect("a store that can be written") {
                self.steps.start(launch).await.expect("a store that can be written");
            }
        }
    }

    /// Lets every job that has started end.
    pub(super) async fn end_jobs(&self, ending: Ending) {
        *self.work.0.lock().expect("no holder of this lock panics") = Some(ending);
        for row in self.steps.attempts().await.expect("a store that can be read") {
            self.steps.adopt(row.job).await.expect("a store that can be written");
        }
    }

    /// Turns the clock on, and looks at a resource then.
    pub(super) async fn look(&self, at: Timestamp, key: &ResourceKey) {
        self.clock.turn_to(at);
        self.state.happen(key, Event::Looked).await.expect("a store that can be written");
    }

    /// Forgets what became of ticks before an instant.
    pub(super) async fn forget_ticks(&self, before: Timestamp) -> usize {
        let forgotten = self.state.forget_ticks(None, before, usize::MAX).await;
        forgotten.expect("a store that can be written").0
    }

    /// What the runner is told of the jobs that may start: they do.
    pub(super) async fn launches(&self) -> Vec<Launch> {
        let mut launches = Vec::new();
        for claim in self.steps.claimable().await.expect("a store that can be read").claims {
            launches.extend(self.steps.claim(&claim).await.expect("a store that can be written"));
        }
        launches
    }

    /// Forgets the jobs that leave no record and whose end nobody heard.
    pub(super) async fn forget_unheard(&self) {
        self.steps.forget_unheard().await.expect("a store that can be written");
    }

    /// That something was committed.
    pub(super) fn commits(&self) -> watch::Receiver<Rev> {
        self.state.store().committed()
    }

    /// Lets every job start as soon as it may, and end so, for as long as this is awaited.
    pub(super) async fn go(&self, ending: Ending) -> Infallible {
        let mut commits = self.commits();
        loop {
            self.start_jobs().await;
            self.end_jobs(ending.clone()).await;
            commits.changed().await.expect("the store is there");
        }
    }

    /// Ends it and waits until it has ended.
    pub(super) async fn stop(self) {
        self.stop.send(()).expect("it serves until it is told to stop");
        self.serving.await.expect("serving does not panic");
    }
}
