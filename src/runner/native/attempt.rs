//! One attempt: it begins when it is first listened to, and is over when
//! nothing of its function is left.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::warn;

use super::error::NativeError;
use super::function::{Function, Gift};
use super::job::NativeJob;
use super::said::Said;
use crate::domain::job::{AttemptOutcome, Ending, JobError, clip};
use crate::runner::Report;

/// The reason of an attempt whose function panicked.
const PANICKED: &str = "Panicked";

/// The reason of an attempt that was dropped because the service ended.
const INTERRUPTED: &str = "Interrupted";

/// What is kept of the words of a panic, in bytes.
const PANIC_BYTES_MAX: usize = 512;

/// An attempt of this process.
#[derive(Debug)]
pub(super) struct Attempt {
    /// What has not begun yet.
    fresh: Mutex<Option<Fresh>>,
    stop: CancellationToken,
    pub(super) said: Arc<Said>,
}

/// All that an attempt needs to begin.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) function: Function,
    pub(super) job: NativeJob,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Duration,
    /// The end of the time that the service has to end.
    pub(super) over: CancellationToken,
    /// Held until it is over.
    pub(super) counted: TaskTrackerToken,
}

/// Why an attempt was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Canceled,
    TimedOut(Duration),
    Interrupted,
}

/// How a function ended.
type Ended = Result<Result<Gift, NativeError>, JoinError>;

impl Attempt {
    pub(super) fn new(said: Arc<Said>, fresh: Fresh) -> Self {
        Self { fresh: Mutex::new(Some(fresh)), stop: CancellationToken::new(), said }
    }

    /// The next thing that it says. It begins when this is first asked: whoever
    /// asks has recorded that it exists, so that one of which that is not
    /// recorded never began, whatever became of the process.
    #[expect(clippy::disallowed_methods, reason = "whoever listens waits for its end")]
    pub(super) async fn next_report(&self) -> Report {
        if let Some(fresh) = self.take_fresh() {
            let (stop, said) = (self.stop.clone(), Arc::clone(&self.said));
            tokio::spawn(async move { attend(fresh, stop, &said).await });
        }
        self.said.next().await
    }

    /// Tells it to stop. One that has not begun never does.
    pub(super) fn stop(&self) {
        self.stop.cancel();
        if self.take_fresh().is_some() {
            let detail = Some("it was stopped before it started".to_owned());
            self.said.end(Ending { detail, ..Ending::new(AttemptOutcome::Canceled) });
        }
    }

    fn take_fresh(&self) -> Option<Fresh> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Lets the function work, and sees to it that it ends.
async fn attend(fresh: Fresh, stop: CancellationToken, said: &Said) {
    let Fresh { function, job, timeout, grace, over, counted } = fresh;
    let mut work = spawn(function, job.clone());
    let why = tokio::select! {
        biased;
        ended = &mut work => {
            said.end(by_itself(ended, &job));
            return drop(counted);
        }
        () = stop.cancelled() => Why::Canceled,
        () = after(timeout) => Why::TimedOut(timeout.unwrap_or_default()),
        () = over.cancelled() => Why::Interrupted,
    };
    job.cancel();
    let returned = match why {
        Why::Interrupted => None,
        Why::Canceled | Why::TimedOut(_) => tokio::select! {
            biased;
            ended = &mut work => Some(ended),
            () = tokio::time::sleep(grace) => None,
            () = over.cancelled() => None,
        },
    };
    let ending = match returned {
        Some(ended) => stopped(why, ended, None),
        None => {
            work.abort();
            stopped(why, work.await, Some(grace))
        }
    };
    said.end(ending);
    drop(counted);
}

/// A task of its own, so that a panic of it is an answer.
#[expect(clippy::disallowed_methods, reason = "who spawns it waits for its end")]
fn spawn(function: Function, job: NativeJob) -> JoinHandle<Result<Gift, NativeError>> {
    tokio::spawn(function.work(job))
}

async fn after(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// The ending of a function that nobody told to stop.
fn by_itself(ended: Ended, job: &NativeJob) -> Ending {
    match ended {
        Ok(Ok(gift)) => with_gift(Ending::new(AttemptOutcome::Succeeded), gift),
        Ok(Err(error)) => {
            if let Some(causes) = error.causes() {
                warn!(job = %job.id(), attempt = job.attempt(), %error, causes, "a function failed");
            }
            error.ending()
        }
        Err(died) => match died.try_into_panic() {
            Ok(panic) => panicked(panic.as_ref()),
            // The runtime is going down, and nobody will hear this.
            Err(_) => failed(INTERRUPTED, "the service ended before it was done".to_owned()),
        },
    }
}

/// The ending of a function that was told to stop: what it gave is kept, and
/// how it ended does not count. `dropped` is the grace that it did not keep to.
fn stopped(why: Why, ended: Ended, dropped: Option<Duration>) -> Ending {
    let (outcome, mut detail) = match why {
        Why::Canceled => (AttemptOutcome::Canceled, "was stopped".to_owned()),
        Why::TimedOut(timeout) => (AttemptOutcome::TimedOut, format!("took longer than {timeout:?} and was stopped")),
        Why::Interrupted => {
            return match ended {
                // It ended in the very last moment.
                Ok(Ok(gift)) => with_gift(Ending::new(AttemptOutcome::Succeeded), gift),
                Ok(Err(error)) => error.ending(),
                Err(_) => failed(INTERRUPTED, "the service ended before it was done".to_owned()),
            };
        }
    };
    if let Some(grace) = dropped.filter(|_| ended.is_err()) {
        detail.push_str(&format!("; it did not return within {grace:?} and was dropped"));
    }
    let ending = Ending { detail: Some(detail), ..Ending::new(outcome) };
    match ended {
        Ok(Ok(gift)) => with_gift(ending, gift),
        Ok(Err(_)) | Err(_) => ending,
    }
}

fn with_gift(ending: Ending, gift: Gift) -> Ending {
    match gift {
        Gift::None => ending,
        Gift::Value(result) => Ending { result: Some(result), ..ending },
        Gift::Refused(why) => {
            let detail = [ending.detail, Some(why)].into_iter().flatten().collect::<Vec<_>>().join("; ");
            Ending { detail: Some(detail), ..Ending::new(ending.outcome) }
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Ending {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let words = words.map(|words| clip(words, PANIC_BYTES_MAX)).unwrap_or_else(|| "without words".to_owned());
    failed(PANICKED, format!("the function panicked: {words}"))
}

fn failed(reason: &str, message: String) -> Ending {
    let error = JobError::new(reason, message.clone());
    Ending { detail: Some(message), error: Some(error), ..Ending::new(AttemptOutcome::Failed) }
}
