//! Why a use case was refused.

use std::error::Error;
use std::sync::Arc;

use super::trial::Trial;
use crate::domain::id::{JobId, OperationName};
use crate::domain::patch::PatchError;
use crate::domain::precondition::Failed;
use crate::domain::schema::Violation;
use crate::domain::version::ETag;

/// Why a use case was not carried out. But for `OutcomeUnknown`, nothing has changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// There is no such collection, resource, activity, job or log.
    #[error("{what} does not exist")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// A client may not choose this id in this collection.
    #[error("an id of this collection matches `{pattern}`")]
    InvalidId {
        /// What the operator demands of ids.
        pattern: String,
    },
    /// The job waits for nothing.
    #[error("the job {id} is {phase}, and only a queued one waits for something")]
    NotWaiting {
        /// The job.
        id: JobId,
        /// Where it stands.
        phase: &'static str,
    },
    /// The client's belief about the resource is wrong.
    #[error("{}", why.map_or("this very request was made already".to_owned(), |why| why.to_string()))]
    PreconditionFailed {
        /// Which belief is wrong; `None` where the request is known to be made already.
        why: Option<Failed>,
        /// The tag that holds now; absent where there is no resource.
        etag: Option<ETag>,
        /// Whether the last change is this very request.
        already_applied: AlreadyApplied,
    },
    /// The collection wants a belief, and the client named none.
    #[error("this collection takes no change without a precondition")]
    PreconditionRequired {
        /// The tag that holds now.
        etag: ETag,
    },
    /// The resource is on its way out.
    #[error("the resource is being deleted")]
    Deleting {
        /// The tag that holds now.
        etag: ETag,
    },
    /// The patch does not apply to this document.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// A member cannot be put where nothing can hold it.
    #[error("{detail}")]
    NoPlace {
        /// What is missing or in the way.
        pointer: String,
        /// The same in words.
        detail: String,
    },
    /// Members that only the service writes would change.
    #[error("`{pointer}` is read-only: {detail}")]
    ReadOnly {
        /// The first of them.
        pointer: String,
        /// What to do instead.
        detail: String,
    },
    /// The result breaks a rule of the collection or of the vocabulary.
    #[error("the document would not be valid")]
    Invalid {
        /// What is wrong, and where.
        errors: Vec<Violation>,
    },
    /// A rule of the operator forbids it.
    #[error("{message}")]
    Forbidden {
        /// The status that the operator chose.
        status: u16,
        /// Why, in the operator's words.
        message: String,
    },
    /// The activity's overlap policy forbids another job now.
    #[error("{detail}")]
    Overlap {
        /// Which job is in the way.
        detail: String,
    },
    /// The activity is suspended or canceled in the document.
    #[error("{detail}")]
    NotAccepting {
        /// Which member says so.
        detail: String,
    },
    /// The activity has as many unfinished jobs as it may have.
    #[error("the activity has as many unfinished jobs as it may have: at most {limit}, and not too much input in all")]
    TooManyJobs {
        /// How many it may have.
        limit: usize,
    },
    /// The attempt that a report names is over, or there never was one.
    #[error("the token is not that of an attempt that is under way")]
    StaleToken,
    /// The jobs of an operation are not pulled by workers.
    #[error("the jobs of `{operation}` are not for workers: it has another runner")]
    NotOfWorkers {
        /// The operation.
        operation: OperationName,
    },
    /// A request with the same key is not answered yet.
    #[error("a request with this idempotency key is not answered yet")]
    KeyInFlight,
    /// The key was used for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The change was only to be tried, and would be taken.
    #[error("the change was only tried")]
    Tried(Box<Trial>),
    /// A cursor that no list gave out.
    #[error("the cursor is not one that this list gave out")]
    BadCursor,
    /// Too many writers changed the resource at once. Try again.
    #[error("the resource is changing too fast")]
    Busy,
    /// The change may or may not be found made.
    #[error("the outcome of the change is unknown")]
    OutcomeUnknown,
    /// The disk has no room.
    #[error("the disk is full")]
    DiskFull,
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
    /// The store failed, or holds what it should not.
    #[error("the store failed")]
    Store(#[source] Arc<dyn Error + Send + Sync>),
}

/// Whether a failed request is the very change that was made last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlreadyApplied {
    /// It is: its answer was lost, and the change is made.
    Yes,
    /// Somebody else changed the resource.
    No,
}
