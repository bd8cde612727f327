//! The service put together: the one place that knows every part of it, and
//! what a program that embeds it, the command among them, is built on.
//!
//! # Guarantees
//! Once [`Builder::build`] has answered, connections are taken. A service ends
//! in order: no more connections, what is under way answered, the engine
//! stopped, the store closed. Programs that run go on under their supervisors.
//! A store that failed ends the service, and so does an engine that ended by
//! itself: neither is ever dead while the service seems to be there.
//! # Not here
//! Flags, environment and signals, which are the command's.

mod builder;
mod describe;
mod error;
mod keeping;
mod reach;
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
use tracing::{error, info, warn};

pub use builder::Builder;
pub use describe::{openapi_document, type_schemas};
pub use error::{Cause, Error};

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
use crate::store;
use keeping::Keeping;

/// How long requests under way have to be answered once the store has failed:
/// they need nothing of it any more but to hear so.
const DRAIN_FAILED: Duration = Duration::from_secs(2);

/// How long to wait for the store to say that it failed, after the engine said so.
const STORE_SPEAKS: Duration = Duration::from_millis(500);

/// A service that is ready to serve.
#[derive(Debug)]
#[must_use = "a service does nothing until it is told to `serve`"]
pub struct Heeler {
    keeping: Keeping,
    listener: TcpListener,
    address: SocketAddr,
    http: Http,
    engine: Engine,
}

/// Why a service ends.
enum Reason {
    Asked,
    StoreFailed(store::Cause),
    EngineEnded(Result<Result<(), StepError>, JoinError>),
}

impl Heeler {
    /// Says what a service is to be.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Opens the store, sees to it that nothing in it is left out by the
    /// configuration, takes the address and puts everything together.
    async fn open(config: &Config) -> Result<Self, Error> {
        let metrics = Metrics::default();
        let keeping = Keeping::open(&config.store, &metrics)?;
        let catalog = Arc::new(config.catalog.clone());
        let state = State::new(keeping.store(), Arc::new(SystemClock), Arc::new(SystemEntropy), catalog);
        let state = state.counted(&metrics);
        state.count_running().await.map_err(|error| Error::Store(Box::new(error)))?;
        undeclared::refuse(&state).await?;
        if reach::is_open(config) {
            warn!(address = %config.server.listen, "everybody who reaches this address can change everything");
        }
        let surroundings = Arc::new(config.surroundings.clone());
        let cgroups = exec::delegated();
        let exec = ExecConfig { surroundings, cgroups, ..ExecConfig::new(keeping.attempts()) };
        let runner = Arc::new(ExecRunner::new(exec).map_err(|error| Error::Store(error.into()))?);
        let (listener, address) = listen(config.server.listen).await?;
        let api = Api::new(state.clone(), Arc::new(Logs(Arc::clone(&runner))), patch_limits(&config.limits))
            .running_at_most(config.limits.running);
        let http = Http::new(api, HttpConfig { metrics: metrics.clone(), ..http_config(config, address) });
        let housekeeping = housekeeping(config, metrics);
        let engine = Engine::new(state, runner, EngineConfig { running: config.limits.running, housekeeping });
        Ok(Self { keeping, listener, address, http, engine })
    }

    /// Where it is reached.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    /// Serves, and runs jobs, until `stop` or until that is no longer possible.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`], [`Error::Broken`].
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
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
                Ok(cause) => Error::OutcomeUnknown(cause.into()),
                Err(_) => broken(ended),
            },
            Reason::StoreFailed(cause) => Error::OutcomeUnknown(cause.into()),
            Reason::Asked => return Ok(()),
        };
        error!(error = &failure as &dyn std::error::Error, "the service ends");
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

fn broken(ended: Result<Result<(), StepError>, JoinError>) -> Error {
    match ended {
        Ok(Ok(())) => Error::Broken("the engine ended by itself".into()),
        Ok(Err(error)) => Error::Broken(error.into()),
        Err(error) => Error::Broken(error.into()),
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let bind = async {
        let listener = TcpListener::bind(address).await?;
        let real = listener.local_addr()?;
        Ok((listener, real))
    };
    bind.await.map_err(|source| Error::Address { address, source })
}

const fn patch_limits(limits: &Limits) -> PatchLimits {
    PatchLimits { operations_max: limits.patch_operations, bytes_max: limits.document_bytes, depth_max: limits.depth }
}

/// Judges a cron expression of the configuration by the parser that will run it.
fn judge_cron(text: &str) -> Result<(), String> {
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

    fn forget(&self, job: JobId) -> std::io::Result<()> {
        self.0.forget(job)
    }
}
