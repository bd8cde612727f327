//! For how long jobs are kept.
//!
//! Those that leave no record are forgotten once they are told of, and kept
//! after all where somebody was told only where they are. Every other one is
//! forgotten when it is old enough, or when its activity has many newer ones.
//!
//! # Guarantees
//! An unfinished job is never forgotten, nor is one that the status of its
//! resource names, nor the newest finished one of an activity whose resource is there.

use std::time::Duration;

use super::event::Refused;
use super::state::{ActivityStatus, ResourceState};
use crate::domain::catalog::Catalog;
use crate::domain::id::JobId;
use crate::domain::job::{Job, Refusal};
use crate::domain::operation::Keep;
use crate::domain::retention::Retention;
use crate::domain::time::Timestamp;

/// How long a finished job is there at least, so that whoever waits for its end
/// can read how it ended.
const HEARD: Duration = Duration::from_secs(2);

/// Keeps the record of an unfinished job. One that is final stays as it finished.
pub(super) fn keep(state: &mut ResourceState, id: JobId) -> Result<(), Refused> {
    let job = state.jobs.get_mut(&id).ok_or(Refused::Absent)?;
    if job.phase.is_final() {
        return Err(Refusal::WrongPhase.into());
    }
    job.keep = Keep::Record;
    Ok(())
}

/// Forgets a job that is final and was to leave no record.
pub(super) fn forget(state: &mut ResourceState, id: JobId) -> Result<(), Refused> {
    let job = state.jobs.get(&id).ok_or(Refused::Absent)?;
    if !job.is_to_be_forgotten() {
        return Err(Refusal::WrongPhase.into());
    }
    state.jobs.remove(&id);
    Ok(())
}

/// Forgets finished jobs that have been kept for as long as they are to be.
/// What the status names is kept all the same, and what is gone already is no error.
pub(super) fn expire(state: &mut ResourceState, ids: &[JobId]) {
    for id in ids {
        let ended = |job: &&Job| job.phase.is_final() && job.keep.is_record();
        let Some(job) = state.jobs.get(id).filter(ended) else { continue };
        let named = state.desired.as_ref().is_some_and(|desired| desired.uid == job.uid)
            && state.status(&job.activity).is_some_and(|status| names(status, *id));
        if !named {
            state.jobs.remove(id);
        }
    }
}

/// Which jobs of an activity are worth a look, the oldest first: those that are
/// many, and those that were made long ago. `ids` are all of its jobs, the newest first.
#[must_use]
pub fn suspects(ids: &[JobId], retention: &Retention, now: Timestamp) -> Vec<JobId> {
    let old = |id: &JobId| id.made().after(retention.shortest()) <= now;
    let ranked = ids.iter().enumerate();
    let found = ranked.filter(|(rank, id)| *rank >= retention.per_activity || old(id)).map(|(_, id)| *id);
    let mut found: Vec<JobId> = found.collect();
    found.reverse();
    found
}

/// The jobs of an activity, as retention sees them.
#[derive(Debug, Clone, Copy)]
pub struct Shelf<'s> {
    /// All of them, the newest first.
    pub jobs: &'s [JobId],
    /// What is observed of the activity, while its resource is there.
    pub status: Option<&'s ActivityStatus>,
    /// What is declared.
    pub catalog: &'s Catalog,
}

impl Shelf<'_> {
    /// Which of these jobs have been kept for as long as they are to be.
    #[must_use]
    pub fn expired(&self, looked_at: &[Job], retention: &Retention, now: Timestamp) -> Vec<JobId> {
        looked_at.iter().filter(|job| self.has_expired(job, retention, now)).map(|job| job.id).collect()
    }

    fn has_expired(&self, job: &Job, retention: &Retention, now: Timestamp) -> bool {
        let (Some(age), Some(finished)) = (retention.age(job.phase), job.finished) else { return false };
        // One that leaves no record goes when it was told of, and not before.
        // A clock that was set back since makes no end one of just now.
        if !job.keep.is_record() || now.since(finished).max(finished.since(now)) < HEARD {
            return false;
        }
        let active = self.status.map_or(&[][..], |status| &status.active);
        // How many finished jobs of the activity are newer than this one.
        let newer = self.jobs.partition_point(|id| *id > job.id);
        let rank = newer.saturating_sub(active.iter().filter(|active| active.id > job.id).count());
        if self.status.is_some_and(|status| rank == 0 || names(status, job.id)) {
            return false;
        }
        // Who edits a list by places, under a tag that holds while jobs are
        // forgotten, must not meet another unfinished job at a place.
        if self.is_editable(job) && active.iter().any(|active| active.id < job.id) {
            return false;
        }
        rank >= retention.per_activity || finished.after(age) <= now
    }

    fn is_editable(&self, job: &Job) -> bool {
        let collection = self.catalog.declared(&job.resource.collection);
        collection.and_then(|collection| collection.activity(job.activity.as_str())).is_some_and(|spec| spec.editable)
    }
}

/// Whether a status says anything of a job.
fn names(status: &ActivityStatus, id: JobId) -> bool {
    status.active.iter().any(|active| active.id == id)
        || status.last.as_ref().is_some_and(|last| last.id == id)
        || status.asked.as_ref().is_some_and(|asked| asked.job == Some(id))
        || status.refused.as_ref().is_some_and(|refused| refused.job == id)
}
