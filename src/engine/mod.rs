//! The loops: they find what is to be done in the store's indexes, do it, and
//! record what came of it.
//!
//! # Guarantees
//! Nothing is done that is not recorded first. Every loop can be killed between
//! any two lines, and loses nothing by it: what it acts on is in the store, and
//! a wake-up that gets lost costs at most [`SWEEP`].
//! # Not here
//! Rules. A branch on what a document or a job means belongs into
//! [`crate::reconcile`].

mod attempts;
mod chores;
mod declarations;
mod dials;
mod dispatcher;
mod housekeeping;
mod run;
mod timers;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use attempts::Next;
pub use chores::Part;
pub use dials::Dials;
pub use housekeeping::{BackupPlan, Housekeeping, NotCron, judge_cron};
pub use run::{Engine, EngineConfig};

use crate::domain::id::JobId;
use crate::domain::retention::Retention;
use crate::runner::Runner;
use crate::state::{ApplyError, State, StateError};

/// How often everything is looked at again, whether or not anybody was woken.
pub const SWEEP: Duration = Duration::from_secs(30);

/// How often the wall clock is looked at, at least: who waits for an instant
/// sleeps by a clock that nobody sets.
pub const CLOCK_LOOK: Duration = Duration::from_secs(1);

/// How often progress of one job is committed at most: people cannot follow
/// more, and the store has better things to do.
pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// How long to wait before recording is tried again, when the disk was full or
/// the resource too busy.
pub const RECORD_AGAIN: Duration = Duration::from_secs(1);

/// How long a finished job that leaves no record waits for whoever asked for
/// it to hear how it ended, before it is forgotten anyway.
pub const UNHEARD: Duration = Duration::from_secs(60);

/// How many of the newest revisions the change log keeps: enough for whoever
/// comes back after a while, and not a second copy of all that ever happened.
pub const LOG_KEPT: u64 = 100_000;

/// How many attempts are in hand, for others to be claimed while a storm of
/// ticks is recorded.
const IN_STORM: usize = 4;

/// The most rows of an index that one pass reads.
const ROWS_MAX: usize = 10_000;

/// What the loops have in common: each step of the engine as a function of its own.
#[derive(Debug, Clone)]
pub struct Steps {
    /// Its store, clock and bells; each step begins with the [newest](Self::state) declarations.
    base: State,
    runner: Arc<dyn Runner>,
    dials: Dials,
    in_hand: Arc<Mutex<BTreeSet<JobId>>>,
    /// That more ticks are due than are decided at once.
    storm: Arc<AtomicBool>,
    /// Up to where the change log was trimmed by this process.
    trimmed: Arc<AtomicU64>,
}

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Not now: the disk is full, or the resource changes too fast.
    #[error("it cannot be recorded now: {0}")]
    Later(String),
    /// The store does not take or give anything any more.
    #[error("the store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no new backup.
    #[error("there is no new backup")]
    Backup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing wakes the housekeeping.
    #[error("the housekeeping cannot be started")]
    Housekeeping(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Steps {
    /// The steps over this state, with that runner. At most `running` attempts
    /// are in hand at once, beside those that are found at a start.
    #[must_use]
    pub fn new(state: State, runner: Arc<dyn Runner>, running: usize) -> Self {
        Self::with(state, runner, Dials::new(running, Retention::default()))
    }

    fn with(base: State, runner: Arc<dyn Runner>, dials: Dials) -> Self {
        Self { base, runner, dials, in_hand: Arc::default(), storm: Arc::default(), trimmed: Arc::default() }
    }

    /// The state under the newest declarations: taken once for each step, so
    /// that no step goes by half of each.
    fn state(&self) -> State {
        self.base.newest()
    }

    /// Takes a job in hand, unless it is in hand already. It is given back
    /// when the returned guard is dropped.
    #[must_use]
    pub fn take(&self, job: JobId) -> Option<InHand> {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        in_hand.insert(job).then(|| InHand { job, steps: self.clone() })
    }

    fn is_in_hand(&self, job: JobId) -> bool {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).contains(&job)
    }

    /// How many more attempts may be taken in hand. While a storm of ticks is
    /// recorded, few are: a job can wait, and a tick is late.
    fn room(&self) -> usize {
        let storm = self.storm.load(Ordering::Relaxed);
        let running = self.dials.running();
        let running = if storm { running.min(IN_STORM) } else { running };
        running.saturating_sub(self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).len())
    }
}

/// That somebody looks after a job, until it is dropped.
#[derive(Debug)]
pub struct InHand {
    job: JobId,
    steps: Steps,
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.steps.in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job);
        // There is room for another one.
        self.steps.base.hints().queue.notify_one();
    }
}

impl From<StateError> for StepError {
    fn from(error: StateError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// `None` where the core refuses the event: it is too late for it, or it happened already.
fn unless_refused<T>(result: Result<T, ApplyError<std::convert::Infallible>>) -> Result<Option<T>, StepError> {
    match result {
        Ok(applied) => Ok(Some(applied)),
        Err(ApplyError::Refused(_) | ApplyError::Remembered | ApplyError::Undeclared) => Ok(None),
        Err(ApplyError::Decided(never)) => match never {},
        Err(error @ (ApplyError::Busy | ApplyError::Full)) => Err(StepError::Later(error.to_string())),
        Err(error @ (ApplyError::Stopped | ApplyError::Unknown | ApplyError::State(_))) => {
            Err(StepError::Store(Box::new(error)))
        }
    }
}
