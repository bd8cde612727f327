//! What can be done with resources and jobs, without HTTP.
//!
//! # Guarantees
//! Whatever is answered with `Ok` is durable; whatever is answered with an
//! error but [`ApiError::OutcomeUnknown`] has changed nothing.
//! # Assumptions
//! Names, ids and bodies were parsed by the caller, and are within its limits.
//! # Not here
//! Headers and status codes ([`crate::http`]), what follows from a change
//! ([`crate::reconcile`]).

mod enact;
pub mod error;
mod job_lists;
pub mod jobs;
mod leases;
mod ledger;
mod members;
mod once;
mod posts;
mod queue;
mod reports;
mod resources;
mod trial;
mod watching;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::domain::catalog::Catalog;
use crate::domain::id::JobId;
use crate::domain::patch::PatchLimits;
use crate::domain::precondition::{Preconditions, Strictness};
use crate::domain::time::Timestamp;
use crate::domain::version::{ETag, Revision};
use crate::state::State;

pub use crate::domain::links;
pub use crate::state::backup::Backup;
pub use crate::state::{Load, LocalTime, LogPlace, Stage, Stages, Subject, Subscription, describe_shown};
pub use error::{AlreadyApplied, ApiError};
pub use jobs::{AttemptLog, LogState};
pub use leases::{LEASE_WAIT_MAX, LEASES_MAX, Lease, LeaseRequest, lease_request, leases_body};
pub use members::{Found, member_of};
use once::Flights;
pub use once::{Answered, Held, Known, Once, OnceKey, Statuses};
pub use posts::{AnswerWhen, JobView, LaunchBody, LaunchRequest, Launched, Place, PostedTo};
pub use queue::QueueView;
pub use reports::{TOKEN, WorkReport, work_report};
pub use trial::{Launching, Trial};
pub use watching::{Told, WatchFrom, Watched, Watching};

/// The use cases, over one store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    state: State,
    catalog: Arc<Catalog>,
    logs: Arc<dyn AttemptLogs>,
    limits: PatchLimits,
    running: Option<usize>,
    flights: Arc<Flights>,
    /// Held by who creates a resource and believes something of its collection.
    creating: Arc<Mutex<()>>,
    handing: Arc<leases::Handing>,
}

impl Api {
    /// The use cases over this state, with logs from there.
    #[must_use]
    pub fn new(state: State, logs: Arc<dyn AttemptLogs>, limits: PatchLimits) -> Self {
        let catalog = Arc::clone(state.catalog());
        let (flights, creating, handing) = (Arc::default(), Arc::default(), Arc::default());
        Self { state, catalog, logs, limits, running: None, flights, creating, handing }
    }

    /// The same use cases over this state, which may be under other
    /// declarations, and within these limits.
    #[must_use]
    pub fn over(&self, state: State, limits: PatchLimits) -> Self {
        let catalog = Arc::clone(state.catalog());
        Self { state, catalog, limits, ..self.clone() }
    }

    /// The same under the newest declarations.
    fn under_newest(&self) -> Self {
        self.over(self.state.newest(), self.limits)
    }

    /// The same where no more than so many attempts run at once, whatever they are of.
    #[must_use]
    pub fn running_at_most(self, running: usize) -> Self {
        Self { running: Some(running), ..self }
    }

    /// The same, and how long what is asked here takes is noted there.
    #[must_use]
    pub fn noting(&self, stages: &Arc<Stages>) -> Self {
        Self { state: self.state.noting(stages), ..self.clone() }
    }

    /// What is declared.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Begins a backup of everything that is stored, once those before it are done.
    ///
    /// # Errors
    /// [`ApiError::Store`].
    pub async fn begin_backup(&self) -> Result<Backup, ApiError> {
        Ok(self.state.begin_backup().await?)
    }
}

/// Where the logs of attempts are kept.
pub trait AttemptLogs: Send + Sync + fmt::Debug {
    /// The log of an attempt: its length in bytes now, and the file that holds
    /// it. `None` if the attempt wrote none or it is no longer kept.
    fn open(&self, job: JobId, number: u32) -> Option<(u64, std::fs::File)>;

    /// What of it came from where, and when ([`crate::domain::log`]): its
    /// length in bytes now, and the file that holds it. `None` if there is none.
    fn index(&self, _job: JobId, _number: u32) -> Option<(u64, std::fs::File)> {
        None
    }

    /// Removes the logs of a job, and whatever else is kept of its attempts,
    /// which are over. Doing so twice is doing so once.
    ///
    /// # Errors
    /// Something is left, and can be removed later.
    fn forget(&self, job: JobId) -> std::io::Result<()>;
}

/// What a client says about a change beside the change itself.
#[derive(Debug, Clone)]
pub struct ChangeRequest {
    /// What it believes about the resource.
    pub preconditions: Preconditions,
    /// How literally it wants to be taken.
    pub strictness: Strictness,
    /// What tells this very request from every other: a digest of principal,
    /// method, media type, body and preconditions.
    pub fingerprint: [u8; 32],
    /// Whether the change is to be made.
    pub intent: Intent,
    /// How it stands to other requests with its idempotency key, if it has one.
    pub once: Option<Once>,
}

/// Whether a change is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Intent {
    /// It is.
    #[default]
    Make,
    /// It is only to be said what it would do (`?dryRun=true`).
    Try,
}

/// A representation and its validators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The representation, as JSON.
    pub body: Bytes,
    /// Its entity tag.
    pub etag: ETag,
    /// When the desired state last changed; for a job, when it last changed.
    pub changed_at: Timestamp,
}

/// Some items, in their stable order, each a whole representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListView {
    /// The items, as JSON.
    pub items: Vec<Bytes>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
    /// Its tag: the revision of the last change in the collection, of a list of
    /// jobs with that of the list in front.
    pub etag: Option<ETag>,
    /// The revision that it was read at, or a later one that changed nothing of
    /// it: from there on it can be watched without a gap, if it can be watched.
    pub revision: Option<Revision>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The most items, 1 to [`PAGE_ITEMS_MAX`].
    pub limit: usize,
    /// Where to go on, as the page before said.
    pub cursor: Option<String>,
}

/// Items of a page when the client does not say.
pub const PAGE_ITEMS_DEFAULT: usize = 100;
/// The most items of a page: a page is built in memory.
pub const PAGE_ITEMS_MAX: usize = 1000;
/// A page ends once it holds this many bytes, for the same reason.
pub const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What became of a PUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// There was nothing before.
    Created(View),
    /// There was something, and it is replaced (or was equal).
    Updated(View),
}

/// What became of a DELETE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// It goes once its jobs are gone.
    Deleting(View),
}

/// What became of the wish to cancel a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// It is final: stopped, or finished before.
    Final(View),
    /// It was told to stop.
    Stopping(View),
}
