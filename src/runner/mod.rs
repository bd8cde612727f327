//! What does the work: starts attempts, says what became of them, stops them.
//!
//! # Guarantees
//! An attempt is started at most once, however often [`Runner::start`] is
//! called for it, across restarts of the service too.
//! # Assumptions
//! An attempt is recorded in the store before it is started.
//! # Not here
//! Why a job exists and what follows from its ending: [`crate::reconcile`].

pub mod exec;
pub mod http;
pub mod mail;
pub mod native;
mod outward;
mod runners;
mod trust;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::id::{JobId, Token};
use crate::domain::job::{AttemptOutcome, Ending, Remote};
use crate::domain::means::Means;
use crate::domain::operation::{Operation, RunnerKind};
use crate::domain::time::Timestamp;
pub use runners::Runners;
pub use trust::Trust;

/// One attempt of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptRef {
    /// The job.
    pub job: JobId,
    /// Which try, from 1.
    pub number: u32,
    /// What its reports must name.
    pub token: Token,
    /// What does its work.
    pub runner: RunnerKind,
}

/// All that is needed to start an attempt.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Which attempt.
    pub attempt: AttemptRef,
    /// How the operation runs, as it is declared now.
    pub operation: Arc<Operation>,
    /// What it is given beside that, as it is declared at the same time.
    pub means: Arc<Means>,
    /// The longest that the attempt may take.
    pub timeout: Option<std::time::Duration>,
    /// The job as clients see it; handed to the work.
    pub job: Value,
    /// The document of the resource; `${resource.…}` reads it.
    pub resource: Value,
}

/// Why an attempt was not started. It does not exist in the world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct StartError {
    /// What went wrong and what can be done, for people.
    pub detail: String,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// It goes on.
    Running,
    /// It is over.
    Ended(Ending),
    /// It was never started, and never will be unless it is started again.
    NeverStarted,
}

/// What an attempt says.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// It got further.
    Progress {
        /// From 0 to 1, where it is known.
        fraction: Option<f64>,
        /// In words.
        message: Option<String>,
    },
    /// Somebody outside goes on with it, and says himself how it ends: nothing
    /// more is heard of it here.
    Accepted(Remote),
    /// It is over, and nothing of it is left in the world.
    ///
    /// Where its fate cannot be known the outcome is
    /// [`Lost`](crate::domain::job::AttemptOutcome::Lost).
    Ended(Ending),
}

/// An attempt whose work is done outside and that is to be stopped.
#[derive(Debug, Clone)]
pub struct Recall {
    /// Which attempt.
    pub attempt: AttemptRef,
    /// Where it is asked to stop.
    pub location: Option<String>,
    /// Since when it is to stop.
    pub asked: Timestamp,
    /// All that was needed to start it; `None` if its operation is no longer declared.
    pub launch: Option<Launch>,
}

/// Something that does the work of operations.
#[async_trait]
pub trait Runner: Send + Sync + fmt::Debug {
    /// Starts an attempt, unless it was started before.
    ///
    /// # Errors
    /// The attempt does not exist and cannot: its job has failed.
    async fn start(&self, launch: Launch) -> Result<(), StartError>;

    /// What became of an attempt; asked after a restart, before anything else.
    ///
    /// A fate that cannot be known is an [`Ending`] with the outcome `Lost`.
    async fn probe(&self, attempt: AttemptRef) -> Probe;

    /// What became of an attempt whose start is not recorded: it is asked in the
    /// place of [`Self::probe`], for runners that begin nothing before that is.
    async fn probe_unrecorded(&self, attempt: AttemptRef) -> Probe {
        self.probe(attempt).await
    }

    /// Waits for the next thing that a started attempt says.
    ///
    /// After the end it says the same end again. Dropping the future loses
    /// nothing.
    async fn next_report(&self, attempt: AttemptRef) -> Report;

    /// Tells an attempt to stop, and what is left of it after the grace to be
    /// gone. Its end is reported as every end. Stopping twice is stopping once.
    async fn stop(&self, attempt: AttemptRef);

    /// Asks those outside who do the work of an attempt to stop, for as long as
    /// it has to do so, and says how it ended as far as that can be known.
    async fn recall(&self, recall: Recall) -> Ending {
        let detail = format!("nobody here can tell what is `{}` to stop", recall.attempt.runner.as_str());
        Ending { detail: Some(detail), ..Ending::new(AttemptOutcome::Lost) }
    }

    /// Removes everything that is kept of the attempts of a job, which are
    /// over and never started again. Doing so twice is doing so once.
    ///
    /// # Errors
    /// Something is left, and can be removed later.
    async fn forget(&self, job: JobId) -> std::io::Result<()>;

    /// Whether an attempt goes on when this process ends. One that does not is
    /// listened to until it is over, see [`Self::close`].
    fn outlives(&self, _attempt: AttemptRef) -> bool {
        true
    }

    /// The process is about to end: what cannot outlive it ends within a
    /// bounded time, and reports that as every end. Nothing is started any more.
    async fn close(&self) {}
}
