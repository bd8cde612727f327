//! What happens to attempts whose work is done outside.

use super::{Refused, Stepper};
use crate::domain::id::{JobId, Token};
use crate::domain::job::{AttemptOutcome, Ending, Grant, JobEvent};
use crate::domain::time::Timestamp;
use crate::reconcile::state::{Held, Observed};

impl Stepper<'_> {
    /// Whether an attempt is to be looked at before anything else happens:
    /// what its worker says now may come too late.
    pub(super) fn is_over_outside(&self) -> bool {
        let status = self.state.observed.iter().flat_map(|observed: &Observed| observed.activities.values());
        let mut held = status.flat_map(|status| &status.active).filter_map(|active| active.held.as_ref());
        held.any(|held| held.look_at <= self.moment.past.wall)
    }

    /// What a claim takes, its lease running from now on.
    pub(super) fn beginning(&self, mut grant: Grant) -> Grant {
        if let Some(remote) = grant.remote.as_mut() {
            remote.renew(self.moment.past.wall);
        }
        grant
    }

    /// Whatever somebody outside says of an attempt is a sign of life.
    pub(super) fn reported(
        &mut self,
        job: JobId,
        token: Token,
        progress: Option<(Option<f64>, Option<String>)>,
        ending: Option<Box<Ending>>,
    ) -> Result<(), Refused> {
        self.job_event(job, JobEvent::Renewed { token, wall: self.moment.past.wall })?;
        if let Some((fraction, message)) = progress {
            self.job_event(job, JobEvent::Progressed { token, fraction, message })?;
        }
        ending.map_or(Ok(()), |ending| self.ended(job, token, *ending))
    }

    pub(super) fn give_up(&mut self, job: JobId, outcome: AttemptOutcome, detail: String) {
        let token = self.state.jobs.get(&job).and_then(|job| job.current()).map(|attempt| attempt.token);
        let ending = Ending { detail: Some(detail), ..Ending::new(outcome) };
        if let Some(token) = token {
            // One that is over already refuses, and that is as good.
            let _ = self.ended(job, token, ending);
        }
    }

    pub(super) fn watch(&mut self, id: JobId, until: Option<Timestamp>, held: Option<Held>) {
        let job = self.state.jobs.get_mut(&id).and_then(|job| job.attempts.last_mut());
        if let (Some(until), Some(remote)) = (until, job.and_then(|attempt| attempt.remote.as_mut())) {
            remote.until = Some(until);
        }
        self.active(id, |active| active.held = held);
    }
}
