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
mod client;
mod declaring;
mod describe;
mod error;
mod keeping;
mod logs;
mod open_files;
mod options;
mod outward;
mod reach;
mod reload;
#[cfg(feature = "cli")]
mod secure;
pub mod stock;
mod supervise;
mod undeclared;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

pub use builder::Builder;
use builder::Built;
pub use client::Client;
pub use describe::{openapi_document, type_schemas};
pub use error::{Cause, Error};
use logs::Logs;
pub use options::{CollectionOptions, OperationOptions};
pub use reload::Reloader;
#[cfg(feature = "cli")]
pub(crate) use secure::secure;
pub use supervise::supervise_if_asked;

use crate::api::Api;
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{self, Config, Limits};
use crate::domain::operation::RunnerKind;
use crate::domain::patch::PatchLimits;
use crate::engine::{self, BackupPlan, Engine, EngineConfig, Housekeeping, StepError};
use crate::http::{self, Http, HttpConfig, ServerConfig};
use crate::metrics::Metrics;
use crate::runner::exec::{self, ExecConfig, ExecRunner};
use crate::runner::native::{NativeConfig, NativeRunner};
use crate::runner::{Runner, Trust};
use crate::state::State;
use crate::state::backup::BackupShelf;
use crate::store;
use keeping::Keeping;
use open_files::OpenFiles;
use reload::Parts;

/// How long requests under way have to be answered once the store has failed:
/// they need nothing of it any more but to hear so.
const DRAIN_FAILED: Duration = Duration::from_secs(2);

/// How many connections can wait to be accepted, as far as the system lets:
/// after a restart all who watch come back within a second or three, and one
/// that finds no room tries again only a second later.
const BACKLOG: u32 = 4096;

/// How long to wait for the store to say that it failed, after the engine said so.
const STORE_SPEAKS: Duration = Duration::from_millis(500);

/// A service that is ready to serve.
///
/// ```
/// use heeler::{Heeler, NativeResult, StoreUrl};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), heeler::Error> {
/// let service = Heeler::builder()
///     .operation("bark", |_| async { NativeResult::Ok("Woof!") })
///     .store(StoreUrl::Memory)
///     .listen(([127, 0, 0, 1], 0).into())
///     .build()
///     .await?;
/// println!("listening on {:?}", service.address());
/// # let stop = async {};
/// service.serve(stop).await
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a service does nothing until it is told to `serve`"]
pub struct Heeler {
    keeping: Keeping,
    listener: Option<(TcpListener, SocketAddr)>,
    http: Http,
    engine: Engine,
    natives: Arc<NativeRunner>,
    reloader: Reloader,
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
    async fn open(built: Built) -> Result<Self, Error> {
        let Built { builder, config, functions, drain, listen: place } = built;
        let metrics = Metrics::default();
        let keeping = Keeping::open(&config.store, &metrics)?;
        let state = |catalog| State::new(keeping.store(), Arc::new(SystemClock), Arc::new(SystemEntropy), catalog);
        declaring::judge(&state(Arc::default()), &config.catalog).await?;
        if place.is_some() {
            reach::warn_if_open(&config);
        }
        let connections = config.limits.connections;
        let files = OpenFiles::for_connections(connections);
        let listener = match place {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let reached = listener.as_ref().map_or(config.server.listen, |(_, address)| *address);
        let state = state(declaring::catalog(&config, reached)).counted(&metrics);
        state.count_running().await.map_err(|error| Error::Store(Box::new(error)))?;
        let runtime = config.surroundings.env.get("XDG_RUNTIME_DIR").map(PathBuf::from);
        let open_files = files.of_others();
        let exec =
            ExecConfig { runtime, open_files, cgroups: exec::delegated(), ..ExecConfig::new(keeping.attempts()) };
        let exec = Arc::new(ExecRunner::new(exec).map_err(|error| Error::Store(error.into()))?);
        let natives = NativeConfig { drain, ..NativeConfig::new(keeping.attempts(), functions) };
        let natives = Arc::new(NativeRunner::new(natives));
        let trust = Trust::of_the_machine();
        let runners = outward::runners(&keeping, &trust)
            .with(RunnerKind::Exec, Arc::clone(&exec) as Arc<dyn Runner>)
            .with(RunnerKind::Native, Arc::clone(&natives) as Arc<dyn Runner>);
        let logs = Logs { exec, native: Arc::clone(&natives) };
        let api = Api::new(state.clone(), Arc::new(logs), patch_limits(&config.limits))
            .running_at_most(config.limits.running);
        let addresses: Vec<_> = listener.iter().map(|(_, address)| *address).collect();
        let site = http_config(&config, addresses.clone());
        let server = ServerConfig { connections_max: files.connections(connections), ..ServerConfig::default() };
        let http = Http::new(api.clone(), HttpConfig { metrics: metrics.clone(), server, ..site });
        let housekeeping = housekeeping(&config, metrics.clone());
        let allowed = EngineConfig { running: config.limits.running, housekeeping };
        let engine = Engine::new(state.clone(), Arc::new(runners), allowed);
        declaring::follow(&state);
        let dials = engine.dials();
        let parts = Parts { state, api, http: http.clone(), dials, trust, metrics, addresses, reached };
        let reloader = Reloader::new(builder, parts, config);
        Ok(Self { keeping, listener, http, engine, natives, reloader })
    }

    /// Where it is reached; `None` if it listens nowhere.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(|(_, address)| *address)
    }

    /// Asks it from within this program.
    ///
    /// ```
    /// use heeler::{CollectionOptions, Heeler, StoreUrl};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = Heeler::builder().collection("dogs", CollectionOptions::default());
    /// let service = builder.store(StoreUrl::Memory).without_listener().build().await?;
    /// let request = http::Request::put("/v1/dogs/rex")
    ///     .header("content-type", "application/json")
    ///     .body(r#"{ "name": "Rex" }"#)?;
    /// let response = service.client().send(request).await;
    /// assert_eq!(response.status(), 201);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client(&self) -> Client {
        Client(self.http.clone())
    }

    /// Lets it go by its configuration anew, while it serves.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Serves, and runs jobs, until `stop` or until that is no longer possible.
    ///
    /// At the stop, requests under way are answered, functions may go on for as
    /// long as the service [drains](Builder::drain), programs go on under their
    /// supervisors, and the store is closed. To drop the future instead is to
    /// drop all functions where they are.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`], [`Error::Broken`].
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { keeping, listener, http, engine, natives, reloader: _ } = self;
        let store = keeping.store();
        let stop_http = CancellationToken::new();
        let left = Left { engine: CancellationToken::new(), natives };
        let mut engine = spawn(engine, left.engine.clone());
        let (listeners, addresses): (Vec<_>, Vec<_>) = listener.into_iter().unzip();
        let mut serving = pin!(http::serve(listeners, http, stop_http.cancelled()));
        info!(address = addresses.first().map(tracing::field::display), "ready");
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
            left.engine.cancel();
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

/// What must not go on without its service, however that ended.
#[derive(Debug)]
struct Left {
    engine: CancellationToken,
    natives: Arc<NativeRunner>,
}

impl Drop for Left {
    fn drop(&mut self) {
        self.engine.cancel();
        self.natives.abandon();
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
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // As every server does: what an earlier one left in the system is no other server.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
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
    let config::Housekeeping { retention, log, sweep, backup, backups } = config.housekeeping.clone();
    let config::Backups { folder, keep } = backups;
    let backup =
        backup.map(|at| BackupPlan { at, shelf: BackupShelf { folder, keep, name: keeping::name_of(&config.store) } });
    Housekeeping { retention, log, sweep, backup, kept: config.retention, metrics }
}

fn http_config(config: &Config, addresses: Vec<SocketAddr>) -> HttpConfig {
    HttpConfig {
        addresses,
        hosts: config.server.hosts.clone(),
        access: config.access.clone(),
        origins: config.server.origins.clone(),
        body_bytes_max: config.limits.body_bytes,
        depth_max: config.limits.depth,
        patch_operations_max: config.limits.patch_operations,
        ..HttpConfig::default()
    }
}
