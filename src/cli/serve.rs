//! `heeler serve`: a service until a signal.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::info;

use super::exit::Failure;
use super::output::say;
use super::signals::Signals;
use crate::service::Builder;

/// How long threads that still wait for the disk or the system hold up the end.
const THREADS_END: Duration = Duration::from_secs(1);

/// Serves until a signal.
pub(super) fn run(builder: Builder) -> Result<(), Failure> {
    block_on(async {
        let service = builder.build().await?;
        let mut signals = Signals::listen().map_err(|error| Failure::System(error.into()))?;
        if let Some(address) = service.address() {
            say(&format!("listening on http://{address}"));
        }
        let stop = CancellationToken::new();
        let mut running = pin!(service.serve(stop.cancelled()));
        tokio::select! {
            ended = &mut running => return Ok(ended?),
            signal = signals.next() => info!(signal = signal.name(), "stopping; a second signal ends the service at once"),
        }
        stop.cancel();
        tokio::select! {
            ended = &mut running => Ok(ended?),
            signal = signals.next() => signal.end_process(),
        }
    })
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
