//! Why a job waits for its start.

use super::plan::ActivityView;
use super::state::{ActiveJob, Ready, ResourceState};
use crate::domain::catalog::Catalog;
use crate::domain::condition::Reason;
use crate::domain::id::JobId;
use crate::domain::job::StartRule;
use crate::domain::time::Timestamp;

/// What a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// Its turn.
    Queued,
    /// The end of another job of its operation, of which no more may run at once.
    Concurrency,
    /// Time to pass: no more attempts of its operation may start within one.
    Rate,
    /// The end of any job: no more may run at once, whatever they are of.
    Capacity,
    /// The start of another job of its activity, which is before it.
    Order,
    /// The end of an older job of its activity.
    Overlap,
    /// The time of its next attempt.
    Backoff,
    /// Its activity to be resumed.
    Suspended,
    /// Its operation to be declared again.
    UnknownOperation,
}

impl WaitReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Concurrency => "Concurrency",
            Self::Rate => "Rate",
            Self::Capacity => "Capacity",
            Self::Order => "Order",
            Self::Overlap => "Overlap",
            Self::Backoff => "Backoff",
            Self::Suspended => "Suspended",
            Self::UnknownOperation => "UnknownOperation",
        }
    }
}

/// That a job waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What for, as far as its resource alone can say.
    pub reason: WaitReason,
    /// Since when: since it was made, or since its last attempt ended.
    pub since: Timestamp,
    /// Its place among those that may be claimed, if it is one of them.
    pub ready: Option<Ready>,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
    /// How many jobs of its operation may run at once, where that is limited.
    pub limit: Option<u32>,
}

impl Waiting {
    /// What it waits for, given how many jobs of its operation run. Who may
    /// be claimed and finds all slots taken waits for one of them.
    #[must_use]
    pub fn among(&self, running: usize) -> WaitReason {
        let full = self.limit.is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| limit <= running));
        if self.ready.is_some() && full { WaitReason::Concurrency } else { self.reason }
    }
}

/// What one job of a resource waits for; `None` if it does not wait.
#[must_use]
pub fn waiting(state: &ResourceState, id: JobId, catalog: &Catalog, now: Timestamp) -> Option<Waiting> {
    let job = state.jobs.get(&id)?;
    let status = state.status(&job.activity)?;
    let older = status.active.iter().position(|active| active.id == id)?;
    let active = &status.active[older];
    let rivals = |older: usize| !status.active[..older].iter().all(ActiveJob::is_follow_up);
    let before = |other: &ActiveJob| other.ready.is_some() && other.is_follow_up() == active.is_follow_up();
    let reason = match ActivityView::new(state, catalog, &job.activity, now.into()).reason_of(active).1 {
        Reason::UnknownOperation => WaitReason::UnknownOperation,
        Reason::Suspended => WaitReason::Suspended,
        Reason::Backoff => WaitReason::Backoff,
        Reason::Queued if job.start == StartRule::WhenAlone && rivals(older) => WaitReason::Overlap,
        // One job of an activity is claimed at a time.
        Reason::Queued if active.ready.is_none() && status.active.iter().any(before) => WaitReason::Order,
        Reason::Queued => WaitReason::Queued,
        Reason::Settled
        | Reason::Deleting
        | Reason::JobRunning
        | Reason::JobCanceling
        | Reason::InvalidInput
        | Reason::InvalidActivity
        | Reason::ExpressionFailed
        | Reason::TooManyJobs => return None,
    };
    let limit = catalog
        .operations
        .get(&job.operation)
        .and_then(|operation| operation.concurrency.as_ref())
        .map(|concurrency| concurrency.limit);
    let until = job.not_before.filter(|_| reason == WaitReason::Backoff);
    let tried = job.attempts.last().and_then(|attempt| attempt.finished);
    Some(Waiting { reason, since: tried.unwrap_or(job.created), ready: active.ready.clone(), until, limit })
}
