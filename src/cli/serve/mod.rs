//! `heeler serve`, and the composition root: the one place that knows every
//! part of the service and puts them together.
//!
//! # Guarantees
//! Once [`Service::open`] has answered, connections are taken. A service ends
//! in order: no more connections, what is under way answered, the engine
//! stopped, the store closed. Programs that run go on under their supervisors.
//! A store that failed ends the service, and so does an engine that ended by
//! itself: neither is ever dead without the process being so.
//! # Not here
//! What flags and environment change: [`super::settings`].

pub(super) mod describe;
mod keeping;
mod undeclared;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::exit::Failure;
use super::output::say;
use super::signals::Signals;
use crate::api::{Api, AttemptLogs};
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{self, Config, Limits};
use crate::domain::id::JobId;
use crate::domain::patch::PatchLimits;
use crate::engine::{self, Engine, EngineConfig, Housekeeping, StepError};
use crate::http::{self, Http, HttpConfig};
use crate::metrics::Metrics;
use crate::runner::exec::{self, ExecConfig, ExecRunner};
use crate::state::State;
use crate::store::Cause;
use keeping::Keeping;

/// How long requests under way have to be answered once the store has failed:
/// they need nothing of it any more but to hear so.
const DRAIN_FAILED: Duration = Duration::from_secs(2);

/// How long to wait for the store to say that it failed, after the engine said so.
const STORE_SPEAKS: Duration = Duration::from_millis(500);

/// How long threads that still wait for the disk or the system hold up the end.
const THREADS_END: Duration = Duration::from_secs(1);

/// Serves until a signal.
pub(super) fn run(config: &Config) -> Result<(), Failure> {
    block_on(async {
        let service = Service::open(config).await?;
        let mut signals = Signals::listen().map_err(|error| Failure::Broken(error.into()))?;
        say(&format!("listening on http://{}", service.address()));
        let stop = CancellationToken::new();
        let mut running = pin!(service.run(stop.cancelled()));
        tokio::select! {
            ended = &mut running => return ended,
            signal = signals.next() => info!(signal = signal.name(), "stopping; a second signal ends the service at once"),
        }
        stop.cancel();
        tokio::select! {
            ended = &mut running => ended,
            signal = signals.next() => signal.end_process(),
        }
    })
}

/// Does something that needs the runtime.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Broken(error.into()))?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(THREADS_END);
    done
}

/// A service that is ready to be run.
#[derive(Debug)]
pub(super) struct Service {
    keeping: Keeping,
    listener: TcpListener,
    address: SocketAddr,
    http: Http,
    engine: Engine,
}

/// Why a service ends.
enum Reason {
    Asked,
    StoreFailed(Cause),
    EngineEnded(Result<Result<(), StepError>, JoinError>),
}

impl Service {
    /// Opens the store, sees to it that nothing in it is left out by the
    /// configuration, takes the address and puts everything together.
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        let keeping = Keeping::open(&config.store)?;
        let catalog = Arc::new(config.catalog.clone());
        let metrics = Metrics::default();
        let state = State::new(keeping.store(), Arc::new(SystemClock), Arc::new(SystemEntropy), catalog);
        let state = state.counted(&metrics);
        undeclared::refuse(&state).await?;
        let surroundings = Arc::new(config.surroundings.clone());
        let cgroups = exec::delegated();
        let log_bytes_max = config.limits.log_bytes as u64;
        let exec = ExecConfig { surroundings, cgroups, log_bytes_max, ..ExecConfig::new(keeping.attempts()) };
        let runner = Arc::new(ExecRunner::new(exec).map_err(|error| Failure::Store(error.into()))?);
        let (listener, address) = listen(config.server.listen).await?;
        let api = Api::new(state.clone(), Arc::new(Logs(Arc::clone(&runner))), patch_limits(&config.limits))
            .running_at_most(config.limits.running);
        let http = Http::new(api, HttpConfig { metrics: metrics.clone(), ..http_config(config, address) });
        let housekeeping = housekeeping(config, metrics);
        let engine = Engine::new(state, runner, EngineConfig { running: config.limits.running, housekeeping });
        Ok(Self { keeping, listener, address, http, engine })
    }

    /// Where it is reached.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves, and runs jobs, until `stop` or until that is no longer possible.
    pub(super) async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let Self { keeping, listener, http, engine, address } = self;
        let store = keeping.store();
        let (stop_http, stop_engine) = (CancellationToken::new(), CancellationToken::new());
        let mut engine = spawn(engine, stop_engine.clone());
        let mut serving = pin!(http::serve(vec![listener], http, stop_http.cancelled()));
        info!(%address, "ready");
        let reason = tokio::select! {
            biased;
            () = stop => Reason::Asked,
            cause = store.failed() => Reason::StoreFailed(cause),
            ended = &mut engine => Reason::EngineEnded(ended),
            () = &mut serving => unreachable!("it serves until it is told to stop"),
        };
        stop_http.cancel();
        if matches!(reason, Reason::Asked) {
            serving.await;
            stop_engine.cancel();
            let ended = engine.await;
            keeping.close();
            info!("stopped");
            return if is_well(&ended) { Ok(()) } else { Err(broken(ended)) };
        }
        let failure = match reason {
            Reason::EngineEnded(ended) => match timeout(STORE_SPEAKS, store.failed()).await {
                Ok(cause) => Failure::OutcomeUnknown(cause.into()),
                Err(_) => broken(ended),
            },
            Reason::StoreFailed(cause) => Failure::OutcomeUnknown(cause.into()),
            Reason::Asked => return Ok(()),
        };
        error!("{}", failure.words());
        let _ = timeout(DRAIN_FAILED, serving).await;
        Err(failure)
    }
}

/// Runs the engine beside everything else, so that its panic is an answer.
#[expect(clippy::disallowed_methods, reason = "the engine itself is what is spawned here")]
fn spawn(engine: Engine, stop: CancellationToken) -> JoinHandle<Result<(), StepError>> {
    tokio::spawn(async move { engine.run(stop.cancelled()).await })
}

const fn is_well(ended: &Result<Result<(), StepError>, JoinError>) -> bool {
    matches!(ended, Ok(Ok(())))
}

fn broken(ended: Result<Result<(), StepError>, JoinError>) -> Failure {
    match ended {
        Ok(Ok(())) => Failure::Broken("the engine ended by itself".into()),
        Ok(Err(error)) => Failure::Broken(error.into()),
        Err(error) => Failure::Broken(error.into()),
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let bind = async {
        let listener = TcpListener::bind(address).await?;
        let real = listener.local_addr()?;
        Ok((listener, real))
    };
    bind.await.map_err(|source| Failure::Address { address, source })
}

const fn patch_limits(limits: &Limits) -> PatchLimits {
    PatchLimits { operations_max: limits.patch_operations, bytes_max: limits.document_bytes, depth_max: limits.depth }
}

/// Judges a cron expression of the configuration by the parser that will run it.
pub(super) fn judge_cron(text: &str) -> Result<(), String> {
    engine::judge_cron(text).map_err(|why| why.to_string())
}

fn housekeeping(config: &Config, metrics: Metrics) -> Housekeeping {
    let config::Housekeeping { retention, log, sweep } = config.housekeeping.clone();
    Housekeeping { retention, log, sweep, kept: config.retention, metrics }
}

fn http_config(config: &Config, address: SocketAddr) -> HttpConfig {
    HttpConfig {
        addresses: vec![address],
        hosts: config.server.hosts.clone(),
        access: config.access.clone(),
        origins: config.server.origins.clone(),
        body_bytes_max: config.limits.body_bytes,
        depth_max: config.limits.depth,
        patch_operations_max: config.limits.patch_operations,
        ..HttpConfig::default()
    }
}

/// The logs that the runner keeps, for the use cases, which know no runner.
#[derive(Debug)]
struct Logs(Arc<ExecRunner>);

impl AttemptLogs for Logs {
    fn open(&self, job: JobId, number: u32) -> Option<(u64, std::fs::File)> {
        self.0.log(job, number)
    }

    fn index(&self, job: JobId, number: u32) -> Option<(u64, std::fs::File)> {
        self.0.log_index(job, number)
    }

    fn forget(&self, job: JobId) -> std::io::Result<()> {
        self.0.forget(job)
    }
}
