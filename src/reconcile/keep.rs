//! For how long jobs are kept.
//!
//! Those that leave no record are forgotten once they are told of, and kept
//! after all where somebody was told only where they are. Every other one is
//! forgotten when it is old enough, or when its activity has many newer ones.
//!
//! # Guarantees
//! An unfinished job is never forgotten, nor is one that the status of its
//! resource names, nor the newest finished one of an activity whose resource is there.

use super::event::Refused;
use super::state::{ActivityStatus, ResourceState};
use crate::domain::id::JobId;
use crate::domain::job::{Job, Refusal};
use crate::domain::operation::Keep;
use crate::domain::retention::Retention;
use crate::domain::time::Timestamp;

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
        let Some(job) = state.jobs.get(id).filter(|job| job.phase.is_final()) else { continue };
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

/// Which of these jobs of an activity have been kept for as long as they are to be.
///
/// `ids` are all jobs of the activity, the newest first. `status` is what is
/// observed of it while its resource is there: then the newest finished job
/// stays, and so does whatever the status names.
#[must_use]
pub fn expired(
    looked_at: &[&Job],
    ids: &[JobId],
    status: Option<&ActivityStatus>,
    retention: &Retention,
    now: Timestamp,
) -> Vec<JobId> {
    let active = status.map_or(&[][..], |status| &status.active);
    let expired = looked_at.iter().filter(|job| {
        let (Some(age), Some(at)) = (retention.age(job.phase), job.finished) else { return false };
        // How many finished jobs of the activity are newer than this one.
        let newer = ids.partition_point(|id| *id > job.id);
        let rank = newer.saturating_sub(active.iter().filter(|active| active.id > job.id).count());
        let kept = status.is_some_and(|status| rank == 0 || names(status, job.id));
        !kept && (rank >= retention.per_activity || at.after(age) <= now)
    });
    expired.map(|job| job.id).collect()
}

/// Whether a status says anything of a job.
fn names(status: &ActivityStatus, id: JobId) -> bool {
    status.active.iter().any(|active| active.id == id)
        || status.last.as_ref().is_some_and(|last| last.id == id)
        || status.asked.as_ref().is_some_and(|asked| asked.job == Some(id))
        || status.refused.as_ref().is_some_and(|refused| refused.job == id)
}
