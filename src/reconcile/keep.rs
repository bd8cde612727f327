//! Jobs that leave no record: forgotten once they are told of, kept after all
//! where somebody was told only where they are.

use super::event::Refused;
use super::state::ResourceState;
use crate::domain::id::JobId;
use crate::domain::job::Refusal;
use crate::domain::operation::Keep;

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
