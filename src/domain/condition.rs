//! Whether a resource is settled, and if not, why not.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// Whether anything is in flight or due now, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Nothing is in flight or due now.
    Settled,
    /// The resource waits for its jobs to be gone.
    Deleting,
    /// A job runs.
    JobRunning,
    /// A job was told to stop and is not gone yet.
    JobCanceling,
    /// A job waits for its next attempt.
    Backoff,
    /// A job waits for its start.
    Queued,
    /// Work is asked for, and the activity is suspended.
    Suspended,
    /// The operation that is asked for is not declared.
    UnknownOperation,
    /// The input is not what the operation takes.
    InvalidInput,
    /// The activity is not written in the vocabulary of this version.
    InvalidActivity,
    /// An expression of the operator has no value for this document.
    ExpressionFailed,
    /// The activity has as many unfinished jobs as it may have.
    TooManyJobs,
}

impl Reason {
    /// Whether it says that nothing is left to do now.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Settled)
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "Settled",
            Self::Deleting => "Deleting",
            Self::JobRunning => "JobRunning",
            Self::JobCanceling => "JobCanceling",
            Self::Backoff => "Backoff",
            Self::Queued => "Queued",
            Self::Suspended => "Suspended",
            Self::UnknownOperation => "UnknownOperation",
            Self::InvalidInput => "InvalidInput",
            Self::InvalidActivity => "InvalidActivity",
            Self::ExpressionFailed => "ExpressionFailed",
            Self::TooManyJobs => "TooManyJobs",
        }
    }

    /// The same for people.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Settled => "nothing is in flight or due now",
            Self::Deleting => "the resource goes once its jobs are gone",
            Self::JobRunning => "a job runs",
            Self::JobCanceling => "a job was told to stop and is not gone yet",
            Self::Backoff => "a job waits for its next attempt",
            Self::Queued => "a job waits for its start",
            Self::Suspended => "work is asked for, and the activity is suspended",
            Self::UnknownOperation => "the operation that is asked for is not declared",
            Self::InvalidInput => "the input is not what the operation takes",
            Self::InvalidActivity => "the activity is not written in the vocabulary of this version",
            Self::ExpressionFailed => "an expression of the operator has no value for this document",
            Self::TooManyJobs => "the activity has as many unfinished jobs as it may have",
        }
    }
}

/// A reason and since when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Why the resource is settled or is not.
    pub reason: Reason,
    /// Since when.
    pub since: Timestamp,
}
