//! `heeler serve`: a service until a signal, by another configuration whenever SIGHUP says so.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::exit::Failure;
use super::output::say;
use super::signals::{Hangups, Signals};
use crate::service::{Builder, Error, Reloader};

/// How long threads that still wait for the disk or the system hold up the end.
const THREADS_END: Duration = Duration::from_secs(1);

/// Serves until a signal.
pub(super) fn run(builder: Builder) -> Result<(), Failure> {
    block_on(async {
        // First of all: one that comes while the service starts is for afterwards.
        let hangups = Hangups::listen().map_err(|error| Failure::System(error.into()))?;
        let service = builder.build().await?;
        let reloads = reloads(service.reloader(), hangups);
        let mut signals = Signals::listen().map_err(|error| Failure::System(error.into()))?;
        if let Some(address) = service.address() {
            say(&format!("listening on http://{address}"));
        }
        let stop = CancellationToken::new();
        let mut running = pin!(service.serve(stop.cancelled()));
        tokio::select! {
            ended = &mut running => return Ok(ended?),
            never = reloads => match never {},
            signal = signals.next() => info!(signal = signal.name(), "stopping; a second signal ends the service at once"),
        }
        stop.cancel();
        tokio::select! {
            ended = &mut running => Ok(ended?),
            signal = signals.next() => signal.end_process(),
        }
    })
}

/// Reloads whenever SIGHUP comes. Dropped, it leaves the configuration as it is.
async fn reloads(reloader: Reloader, mut hangups: Hangups) -> Infallible {
    loop {
        hangups.next().await;
        match reloader.reload().await {
            Ok(changes) => {
                let names = |names: &[String]| names.join(" ");
                let (added, changed, removed) =
                    (names(&changes.added), names(&changes.changed), names(&changes.removed));
                info!(added, changed, removed, "reloaded: {changes}");
            }
            Err(Error::Configuration(errors)) => errors.as_slice().iter().for_each(|error| {
                let (file, line, column) = (error.file.display(), error.line, error.column);
                error!(
                    config.file = %file,
                    config.line = line,
                    config.column = column,
                    "the old configuration stays: {error}"
                );
            }),
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, "the old configuration stays");
            }
        }
    }
}

/// Does something that needs the runtime.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::System(error.into()))?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(THREADS_END);
    done
}
