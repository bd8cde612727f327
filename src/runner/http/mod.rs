//! Requests to other services.
//!
//! The request names the job and the attempt; `Idempotency-Key` and
//! `webhook-id` are the job's, the same for each of its attempts, so that a
//! service which did the work does not do it again. Who answers 202 goes on by
//! himself, and reports as a worker does.
//!
//! # Guarantees
//! A connection is made to an address that was judged, to no other, and never
//! through a proxy; redirects are not followed. An answer is bounded in size
//! and in time, and counts only when it is whole. What clients hear of a
//! failure names neither the URL nor the host, and no secret.
//! # Not here
//! What follows from an end, and reports of those that go on.

mod answer;
mod connect;
mod exchange;
mod recall;
mod request;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use tracing::info;

pub use self::connect::{Resolve, SystemResolver};
use self::exchange::Broken;
use self::request::Order;
use super::outward::{Desk, Errands, Said};
use super::{AttemptRef, Launch, Probe, Recall, Report, Runner, StartError, Trust};
use crate::clock::Clock;
use crate::domain::id::JobId;
use crate::domain::job::{AttemptOutcome, Ending, JobError, Remote};
use crate::domain::time::{Timestamp, friendly};

/// How long an answer is waited for, unless the operation has a `timeout`.
pub const ANSWER_DEFAULT: Duration = Duration::from_secs(30);

/// How long a service may go on that answered 202, unless the operation has a
/// `timeout`: one that forgets to report must not hold its slot for ever.
pub const GOES_ON_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);

/// With what requests are made.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The folder in which is noted what was sent. It must be there.
    pub root: PathBuf,
    /// Whom to believe.
    pub trust: Trust,
    /// Where names lead.
    pub resolver: Arc<dyn Resolve>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Runs operations as requests to other services.
#[derive(Debug)]
pub struct HttpRunner {
    config: Arc<HttpConfig>,
    errands: Errands,
}

impl HttpRunner {
    /// A runner for the attempts that are noted below the root, and new ones.
    #[must_use]
    pub fn new(config: HttpConfig) -> Self {
        let errands = Errands::new(config.root.clone(), Arc::clone(&config.clock));
        Self { config: Arc::new(config), errands }
    }
}

#[async_trait]
impl Runner for HttpRunner {
    async fn start(&self, launch: Launch) -> Result<(), StartError> {
        let now = self.config.clock.now();
        let order = request::order(&launch, now).map_err(|detail| StartError { detail })?;
        let config = Arc::clone(&self.config);
        self.errands.start(launch.attempt, |desk| work(config, order, desk)).await;
        Ok(())
    }

    async fn probe(&self, attempt: AttemptRef) -> Probe {
        self.errands.probe(attempt).await
    }

    async fn next_report(&self, attempt: AttemptRef) -> Report {
        self.errands.next_report(attempt).await
    }

    async fn stop(&self, attempt: AttemptRef) {
        self.errands.stop(attempt);
    }

    async fn recall(&self, recall: Recall) -> Ending {
        recall::recall(&self.config, recall).await
    }

    async fn forget(&self, job: JobId) -> io::Result<()> {
        self.errands.forget(job).await
    }

    fn outlives(&self, attempt: AttemptRef) -> bool {
        self.errands.outlives(attempt)
    }

    async fn close(&self) {
        self.errands.close().await;
    }
}

/// Makes one request, and says what came of it.
async fn work(config: Arc<HttpConfig>, order: Order, desk: Desk) -> Said {
    let (stop, job) = (desk.stop.clone(), order.job);
    let said = match timeout(order.patience, talk(&config, order, desk)).await {
        Ok(said) => said,
        Err(_) => Said::Ended(late(job)),
    };
    match said {
        // It did not do the work, and was to stop anyway.
        Said::Ended(ref ending) if stop.is_cancelled() && is_failure(ending) => {
            let stopped =
                Ending { outcome: AttemptOutcome::Canceled, fatal: false, retry_after: None, ..ending.clone() };
            Said::Ended(stopped)
        }
        Said::Ended(_) | Said::Accepted(_) => said,
    }
}

fn is_failure(ending: &Ending) -> bool {
    match ending.outcome {
        AttemptOutcome::Failed => true,
        AttemptOutcome::Succeeded | AttemptOutcome::TimedOut | AttemptOutcome::Canceled | AttemptOutcome::Lost => false,
    }
}

fn late(job: JobId) -> Ending {
    info!(%job, "no answer in time");
    let detail = "the service did not answer in time; whether it acted on the request is unknown";
    Ending { detail: Some(detail.to_owned()), ..Ending::new(AttemptOutcome::TimedOut) }
}

async fn talk(config: &HttpConfig, order: Order, desk: Desk) -> Said {
    let stream = tokio::select! {
        biased;
        () = desk.stop.cancelled() => return Said::Ended(unsent()),
        stream = connect::connect(config, &order.target, order.host_from, &order.allow) => stream,
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(refusal) => return Said::Ended(refusal.ending()),
    };
    if let Err(ending) = desk.sending().await {
        return Said::Ended(ending);
    }
    if desk.stop.is_cancelled() {
        return Said::Ended(unsent());
    }
    let answer = tokio::select! {
        biased;
        answer = exchange::exchange(stream, order.request, order.answer_bytes_max) => answer,
        () = given_up(&desk, order.grace) => return Said::Ended(dropped(order.grace)),
    };
    match answer {
        Ok(answer) => {
            let until = order.started.after(order.goes_on);
            answer::judge(&answer, &order.target, &order.means.surroundings.secrets, config.clock.now(), until)
        }
        Err(broken) => Said::Ended(broken_off(&broken)),
    }
}

/// Until an attempt that is to stop has been waited for long enough.
async fn given_up(desk: &Desk, grace: Duration) {
    desk.stop.cancelled().await;
    tokio::time::sleep(grace).await;
}

fn unsent() -> Ending {
    let detail = "it was stopped before the request was sent";
    Ending { detail: Some(detail.to_owned()), ..Ending::new(AttemptOutcome::Canceled) }
}

fn dropped(grace: Duration) -> Ending {
    let detail = format!(
        "it was stopped after the request was sent, and no answer came within {}: the service may have acted on it",
        friendly(grace)
    );
    Ending { detail: Some(detail), ..Ending::new(AttemptOutcome::Lost) }
}

/// The end of an attempt whose answer did not come, or not whole.
fn broken_off(broken: &Broken) -> Ending {
    failed("NoAnswer", format!("{broken}; whether the service acted on the request is unknown"))
}

fn failed(reason: &str, message: String) -> Ending {
    let error = JobError { reason: reason.to_owned(), message: message.clone(), details: None };
    Ending { detail: Some(message), error: Some(error), ..Ending::new(AttemptOutcome::Failed) }
}

/// Who goes on by himself, until then.
const fn going_on(location: Option<String>, until: Timestamp) -> Remote {
    Remote { worker: None, lease_ms: None, until: Some(until), location }
}
