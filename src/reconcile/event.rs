//! Everything that can happen to a resource.

use serde_json::{Map, Value};

use crate::domain::document::Document;
use crate::domain::id::{ActivityName, JobId, OperationName, Token};
use crate::domain::job::{self, Ending, Grant, Remote};
use crate::domain::operation::Keep;

/// Something that happened to a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A client changed what it wants, or created the resource.
    Changed {
        /// What it wants now; it was judged, and differs from what it wanted.
        document: Document,
        /// The observed members that a new resource begins with.
        observed: Map<String, Value>,
        /// A digest of the request.
        fingerprint: [u8; 32],
        /// The activities whose schedules begin anew, whether or not they differ.
        restarts: Vec<ActivityName>,
    },
    /// A client wants the resource gone.
    DeleteAsked,
    /// A client asked an activity for a job of its own.
    Launched {
        /// The activity.
        activity: ActivityName,
        /// What is to be run.
        operation: OperationName,
        /// What it is to be run with; it was judged.
        input: Value,
        /// What is to be left of it.
        keep: Keep,
    },
    /// Who asked for a job that was to leave no record is told where it is, and not how it ended.
    Kept {
        /// The job.
        job: JobId,
    },
    /// Who asked for a job that was to leave no record knows how it ended.
    Forgotten {
        /// The job.
        job: JobId,
    },
    /// Finished jobs have been kept for as long as they are to be.
    Expired {
        /// The jobs.
        jobs: Vec<JobId>,
    },
    /// A client edited the list of an activity's jobs: all of it happens, or nothing.
    JobsEdited {
        /// The activity.
        activity: ActivityName,
        /// The jobs that it wants stopped; those that are stopping or final are left as they are.
        cancel: Vec<JobId>,
        /// The jobs of its own that it asks for, in this order, once those are told to stop.
        launch: Vec<Launch>,
        /// What tells the request from every other one.
        fingerprint: [u8; 32],
    },
    /// A client wants a job stopped.
    CancelAsked {
        /// The job.
        job: JobId,
    },
    /// A dispatcher takes a job up.
    Claimed {
        /// The job.
        job: JobId,
        /// What the attempt takes of the limits of its operation, and whose it is.
        grant: Grant,
    },
    /// An attempt exists in the world.
    Started {
        /// The job.
        job: JobId,
        /// The attempt.
        token: Token,
    },
    /// Somebody outside of this process goes on with an attempt.
    Accepted {
        /// The job.
        job: JobId,
        /// The attempt.
        token: Token,
        /// Who, and until when.
        remote: Remote,
    },
    /// Whoever does the work of an attempt outside gave a sign of life, and maybe more.
    Reported {
        /// The job.
        job: JobId,
        /// The attempt.
        token: Token,
        /// How far it got: from 0 to 1, and in words.
        progress: Option<(Option<f64>, Option<String>)>,
        /// How it ended.
        ending: Option<Box<Ending>>,
    },
    /// An attempt got further.
    Progressed {
        /// The job.
        job: JobId,
        /// The attempt.
        token: Token,
        /// From 0 to 1, where it is known.
        fraction: Option<f64>,
        /// In words.
        message: Option<String>,
    },
    /// An attempt is over.
    Ended {
        /// The job.
        job: JobId,
        /// The attempt.
        token: Token,
        /// How it ended.
        ending: Box<Ending>,
    },
    /// Time has passed, or the configuration has changed: look again.
    Looked,
    /// Its collection is declared otherwise than before: judge the document
    /// anew, and look again.
    Redeclared,
}

impl Event {
    /// The finished jobs that it is about.
    #[must_use]
    pub fn expired(&self) -> &[JobId] {
        if let Self::Expired { jobs } = self { jobs } else { &[] }
    }

    /// The job that it is about.
    #[must_use]
    pub const fn job(&self) -> Option<JobId> {
        match self {
            Self::CancelAsked { job }
            | Self::Kept { job }
            | Self::Forgotten { job }
            | Self::Claimed { job, .. }
            | Self::Started { job, .. }
            | Self::Accepted { job, .. }
            | Self::Reported { job, .. }
            | Self::Progressed { job, .. }
            | Self::Ended { job, .. } => Some(*job),
            Self::Changed { .. }
            | Self::DeleteAsked
            | Self::Launched { .. }
            | Self::Expired { .. }
            | Self::JobsEdited { .. }
            | Self::Looked
            | Self::Redeclared => None,
        }
    }
}

/// What a client asks an activity to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// What is to be run.
    pub operation: OperationName,
    /// What it is to be run with; it was judged.
    pub input: Value,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such resource, or no such job of it.
    #[error("there is no such resource or job")]
    Absent,
    /// The resource is on its way out.
    #[error("the resource is being deleted")]
    Deleting,
    /// The overlap policy forbids another job now.
    #[error("{0}")]
    Overlap(String),
    /// The document keeps jobs of the activity from starting.
    #[error("{0}")]
    NotAccepting(String),
    /// The activity has as many unfinished jobs as it may have, or as much input in them.
    #[error("the activity has as many unfinished jobs as it may have")]
    TooManyJobs,
    /// The job refuses it.
    #[error(transparent)]
    Job(#[from] job::Refusal),
    /// The job is not ready to be claimed.
    #[error("the job is not ready")]
    NotReady,
}
