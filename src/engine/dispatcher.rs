//! Takes up jobs that may be claimed, within the limits.

use super::attempts::launch_of;
use super::{StepError, Steps, unless_refused};
use crate::domain::operation::RunnerKind;
use crate::runner::Launch;
use crate::state::{Claim, Claims, Event};

impl Steps {
    /// The jobs to be claimed now, as far as there is room: of all operations
    /// whose work is done here, by priority, then by the time at which they
    /// became ready. Workers claim theirs themselves.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn claimable(&self) -> Result<Claims, StepError> {
        let room = self.room();
        let mut all = Claims::default();
        if room == 0 {
            return Ok(all);
        }
        let state = self.state();
        for operation in
            state.catalog().operations.values().filter(|operation| operation.runner.kind() != RunnerKind::Worker)
        {
            let found = state.claims(operation, room, &|job| self.is_in_hand(job)).await?;
            all.claims.extend(found.claims);
            all.again = [all.again, found.again].into_iter().flatten().min();
        }
        all.claims.sort_by(|a, b| a.order.cmp(&b.order));
        all.claims.truncate(room);
        Ok(all)
    }

    /// Records an attempt. `None` if somebody was faster, or the job is no longer to be run.
    ///
    /// # Errors
    /// It cannot be recorded.
    pub async fn claim(&self, claim: &Claim) -> Result<Option<Launch>, StepError> {
        let state = self.state();
        // What it takes was judged by limits that may be others by now: the next look finds it again.
        if state.edition() != claim.edition {
            return Ok(None);
        }
        let event = Event::Claimed { job: claim.job, grant: claim.grant.clone() };
        let Some(applied) = unless_refused(state.happen(&claim.resource, event).await)? else { return Ok(None) };
        if applied.state.jobs.get(&claim.job).is_some_and(|job| job.phase.is_stopping()) {
            // A tick that came with the claim replaced the job: it ends before it begins.
            self.adopt(claim.job).await?;
            return Ok(None);
        }
        Ok(launch_of(&applied.state, claim.job, state.catalog()))
    }
}
