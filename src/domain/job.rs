//! A job and its attempts.

mod error;
mod patch;
mod transition;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalog::Catalog;
use super::id::{ActivityName, JobId, OperationName, ResourceKey, Token, Uid};
use super::limit::LimitKey;
use super::operation::{Keep, Operation, RunnerKind};
use super::retry::RetryPolicy;
use super::time::Timestamp;
use super::version::Generation;
pub use error::{DETAILS_BYTES_MAX, FAILED, JobError, MESSAGE_BYTES_MAX, REASON_BYTES_MAX};
pub use patch::{PATCH_BYTES_MAX, PATCH_OPERATIONS_MAX, WorkPatch};
pub use transition::{AfterAttempt, JobEvent, Refusal, clip, transition};

/// One run of an operation for one activity of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The resource that it belongs to.
    pub resource: ResourceKey,
    /// The incarnation of that resource.
    pub uid: Uid,
    /// The activity that asked for it.
    pub activity: ActivityName,
    /// What is run.
    pub operation: OperationName,
    /// What it is run with.
    pub input: Value,
    /// Why it exists.
    pub trigger: Trigger,
    /// How its start waits for other jobs of the activity.
    pub start: StartRule,
    /// Retries, where the document overrides the operation.
    pub retry: Option<RetryPolicy>,
    /// The longest attempt in milliseconds, where the document overrides the operation.
    pub timeout_ms: Option<u64>,
    /// When it fails if no attempt has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_by: Option<Timestamp>,
    /// When it fails if it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_by: Option<Timestamp>,
    /// Where it stands.
    pub phase: JobPhase,
    /// That it was asked to stop, and why.
    pub cancel: Option<Cancel>,
    /// Every attempt, the newest last.
    pub attempts: Vec<Attempt>,
    /// The earliest start of the next attempt, while it waits after a failed one.
    pub not_before: Option<Timestamp>,
    /// How far the newest attempt got.
    pub progress: Option<Progress>,
    /// What it gave, at most [`RESULT_BYTES_MAX`].
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<JobError>,
    /// When it was made.
    pub created: Timestamp,
    /// When its first attempt started.
    pub started: Option<Timestamp>,
    /// When it became final.
    pub finished: Option<Timestamp>,
    /// What is left of it once it is final and was told of.
    #[serde(default, skip_serializing_if = "Keep::is_record")]
    pub keep: Keep,
}

/// The largest result of a job, in bytes of JSON: a result is shown whole, and
/// what is larger belongs into a file that it names.
pub const RESULT_BYTES_MAX: usize = 64 * 1024;

/// The largest progress message, in bytes: it is for one line on a screen.
pub const PROGRESS_MESSAGE_BYTES_MAX: usize = 1024;

/// Where a job stands. `Succeeded`, `Failed`, `Canceled` and `Lost` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobPhase {
    /// It waits for its start.
    Queued,
    /// An attempt is recorded, and may exist in the world.
    Starting,
    /// An attempt exists in the world.
    Running,
    /// It was told to stop and is not gone yet.
    Canceling,
    /// It did its work.
    Succeeded,
    /// It did not, and is not tried again.
    Failed,
    /// It was stopped before it was done.
    Canceled,
    /// Nobody can know what became of it.
    Lost,
}

impl TriggerKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Change, Self::Schedule, Self::Manual, Self::Follow];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Schedule => "schedule",
            Self::Manual => "manual",
            Self::Follow => "follow",
        }
    }
}

impl AttemptOutcome {
    /// All outcomes.
    pub const ALL: [Self; 5] = [Self::Succeeded, Self::Failed, Self::TimedOut, Self::Canceled, Self::Lost];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Canceled => "canceled",
            Self::Lost => "lost",
        }
    }
}

impl JobPhase {
    /// All phases.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
        Self::Lost,
    ];

    /// Whether the job never changes again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled | Self::Lost)
    }

    /// Whether an attempt may exist in the world.
    #[must_use]
    pub const fn is_attempting(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Canceling)
    }

    /// Whether an attempt is to be gone.
    #[must_use]
    pub const fn is_stopping(self) -> bool {
        matches!(self, Self::Canceling)
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Lost => "lost",
        }
    }

    /// The phase with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }
}

/// Why a job exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// What kind of reason.
    pub kind: TriggerKind,
    /// The nominal instant of the tick, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<Timestamp>,
    /// The generation of the resource at that time.
    pub generation: Generation,
    /// The job that it follows, where it is a follow-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Follows>,
}

/// Whose end launched a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// The job that ended.
    pub job: JobId,
    /// How many follow-ups there were in a row, with this one; from 1.
    pub depth: u32,
}

/// The kinds of reason for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TriggerKind {
    /// The document asked for it.
    Change,
    /// A tick of its schedule.
    Schedule,
    /// Somebody posted to the activity.
    Manual,
    /// Another job has ended, and the operator declared what follows.
    Follow,
}

/// How the start of a job waits for other jobs of its activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartRule {
    /// It does not.
    AtOnce,
    /// Every older job of the activity must be gone.
    WhenAlone,
}

/// That a job was asked to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: CancelReason,
}

/// Why a job is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CancelReason {
    /// Somebody cancelled this very job.
    Requested,
    /// A newer change took its place before it started.
    Superseded,
    /// A newer change took its place while it ran.
    Replaced,
    /// The document says `canceled: true`.
    Canceled,
    /// The activity is no longer in the document.
    Removed,
    /// The resource is being deleted.
    Deleted,
    /// It took longer than it may: it ends as failed.
    Deadline,
    /// The collection is out of service.
    Retired,
}

impl CancelReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Superseded => "superseded",
            Self::Replaced => "replaced",
            Self::Canceled => "canceled",
            Self::Removed => "removed",
            Self::Deleted => "deleted",
            Self::Deadline => "deadline",
            Self::Retired => "retired",
        }
    }
}

/// One try of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which try, from 1.
    pub number: u32,
    /// What its reports must name.
    pub token: Token,
    /// What does the work.
    #[serde(default, skip_serializing_if = "RunnerKind::is_exec")]
    pub runner: RunnerKind,
    /// Whose it is, where somebody outside of this process does the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// The slot of the operation's `concurrency` that it holds, while it is not ended.
    pub slot: Option<u32>,
    /// What the slot is counted by, where the limit is one for each of something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_key: Option<LimitKey>,
    /// When it was recorded.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<AttemptOutcome>,
    /// The exit code, where there is one.
    pub exit_code: Option<i32>,
    /// One line on how it ended.
    pub detail: Option<String>,
    /// What tells the report that ended it from every other one, in hex, where
    /// somebody outside made it: who hears no answer makes it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// That somebody outside of this process does the work of an attempt, and
/// reports over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Who, as they call themselves.
    pub worker: Option<String>,
    /// How long a sign of life holds, in milliseconds; `None` where none is needed.
    pub lease_ms: Option<u64>,
    /// When it is given up, unless there is a sign of life before.
    pub until: Option<Timestamp>,
    /// Where it is asked to stop.
    pub location: Option<String>,
}

/// What an attempt takes of the limits of its operation, and who does its work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// The slot of the operation's `concurrency`, where that is limited.
    pub slot: Option<u32>,
    /// The place in the operation's `rate`, where that is limited.
    pub place: Option<u32>,
    /// Whose it is, where that is somebody outside of this process.
    pub remote: Option<Remote>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    /// It did its work.
    Succeeded,
    /// It ended by itself without doing it, or could not be started.
    Failed,
    /// It took longer than it may, and was stopped.
    TimedOut,
    /// It was stopped because its job was cancelled.
    Canceled,
    /// Nobody can know.
    Lost,
}

/// How far an attempt got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// From 0 to 1, where it is known.
    pub fraction: Option<f64>,
    /// For people, at most [`PROGRESS_MESSAGE_BYTES_MAX`].
    pub message: Option<String>,
    /// When it was reported.
    pub updated: Timestamp,
}

/// The reason of a job whose last attempt took longer than it may.
pub const TIMED_OUT: &str = "TimedOut";

/// The reason of a job that was not done in time.
pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";

/// The reason of a job of which no attempt began in time.
pub const START_DEADLINE_EXCEEDED: &str = "StartDeadlineExceeded";

/// What a runner says of an attempt that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// When it ended, where that is known better than by when it was heard of.
    pub finished: Option<Timestamp>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The exit code, where there is one.
    pub exit_code: Option<i32>,
    /// What it gave, at most [`RESULT_BYTES_MAX`].
    pub result: Option<Value>,
    /// One line for people.
    pub detail: Option<String>,
    /// What the work itself says of why it failed.
    pub error: Option<JobError>,
    /// What it wants to be written into observed members. It counts if the job
    /// ends with this attempt, however it ends.
    ///
    /// Never part of a note on an end: who takes such notes is given no patches.
    #[serde(skip)]
    pub patch: Option<WorkPatch>,
    /// How long whoever does the work wants to be left alone before another attempt.
    pub retry_after: Option<Duration>,
    /// That another attempt would end in the same way: none is made.
    pub fatal: bool,
    /// What tells the report of it from every other one, in hex, where somebody outside made it.
    pub report: Option<String>,
}

impl Ending {
    /// An end of which nothing but its outcome is known.
    #[must_use]
    pub const fn new(outcome: AttemptOutcome) -> Self {
        Self {
            finished: None,
            outcome,
            exit_code: None,
            result: None,
            detail: None,
            error: None,
            patch: None,
            retry_after: None,
            fatal: false,
            report: None,
        }
    }

    /// The end of an attempt that could not be started.
    #[must_use]
    pub fn failed_to_start(detail: String) -> Self {
        Self { detail: Some(detail), ..Self::new(AttemptOutcome::Failed) }
    }
}

impl Job {
    /// The longest that an attempt may take.
    #[must_use]
    pub fn timeout(&self, operation: &Operation) -> Option<Duration> {
        operation.timeout_within(self.timeout_ms.map(Duration::from_millis))
    }

    /// Whether it is final and to leave no record: whoever asked for it hears
    /// how it ended, and then it is forgotten.
    #[must_use]
    pub fn is_to_be_forgotten(&self) -> bool {
        self.phase.is_final() && !self.keep.is_record()
    }

    /// What becomes of an attempt that was recorded and of which nothing is found;
    /// `None` if it is to be started now.
    ///
    /// One whose start was recorded had left something behind by then: where
    /// that is not found it began elsewhere, or its folder is gone, and nobody
    /// knows what became of it.
    #[must_use]
    pub fn ending_unstarted(&self, catalog: &Catalog) -> Option<Ending> {
        if self.phase.is_stopping() {
            let detail = Some("it was stopped before it started".to_owned());
            return Some(Ending { detail, ..Ending::new(AttemptOutcome::Canceled) });
        }
        if self.is_start_recorded() {
            let detail = Some("it has begun, and nothing of it is found here".to_owned());
            return Some(Ending { detail, ..Ending::new(AttemptOutcome::Lost) });
        }
        let undeclared = !catalog.operations.contains_key(&self.operation);
        undeclared.then(|| Ending::failed_to_start(format!("the operation `{}` is no longer declared", self.operation)))
    }

    /// Since when those outside who do the work of its attempt are to be asked
    /// to stop; `None` if they are not, or hear of it when they report.
    #[must_use]
    pub fn recalled_at(&self) -> Option<Timestamp> {
        let attempt = self.current().filter(|attempt| attempt.remote.is_some())?;
        let is_told = match attempt.runner {
            RunnerKind::Http => self.phase.is_stopping(),
            RunnerKind::Exec | RunnerKind::Mail | RunnerKind::Worker | RunnerKind::Native => false,
        };
        self.cancel.as_ref().filter(|_| is_told).map(|cancel| cancel.at)
    }

    /// Whether the newest attempt is known to exist in the world, or to have
    /// existed: while it is not, it may.
    #[must_use]
    pub fn is_start_recorded(&self) -> bool {
        self.phase != JobPhase::Starting
    }

    /// The attempt that is under way.
    #[must_use]
    pub fn current(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|attempt| attempt.outcome.is_none())
    }
}

#[cfg(test)]
mod tests;
