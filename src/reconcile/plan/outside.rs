//! When attempts are given up whose work is done outside.

use super::{Action, ActivityView};
use crate::domain::job::{AttemptOutcome, Job};
use crate::domain::lease::{Period, Verdict};
use crate::domain::moment::Past;
use crate::domain::time::{Timestamp, friendly};
use crate::reconcile::state::{ActiveJob, Held};

impl ActivityView<'_> {
    /// Gives up the attempts whose lease or time is over, and sees to it that
    /// the others are looked at in time.
    ///
    /// A sign of life changes the job alone, so the instant of the next look
    /// can lag behind what the job says by now, and is then set anew.
    pub(super) fn give_up(&self, actions: &mut Vec<Action>) {
        for active in self.status.active.iter().filter(|active| active.phase.is_attempting()) {
            if let Some(job) = self.state.jobs.get(&active.id) {
                actions.extend(self.judge_outside(active, job));
            }
        }
    }

    fn judge_outside(&self, active: &ActiveJob, job: &Job) -> Option<Action> {
        let attempt = job.current()?;
        let remote = attempt.remote.as_ref()?;
        let past = &self.look.past;
        let over = |outcome, detail| Some(Action::GiveUp { job: job.id, outcome, detail });
        let lease = remote.lease(attempt);
        let anew = match lease.map(|lease| (lease, lease.judge(past))) {
            Some((lease, Verdict::Over)) => {
                return over(AttemptOutcome::Lost, format!("nothing was heard of it for {}", length(lease)));
            }
            Some((_, Verdict::Anew(anew))) => Some(anew),
            Some((_, Verdict::Running)) | None => None,
        };
        let lease = anew.or(lease);
        let operation = self.catalog.operations.get(&job.operation).map(AsRef::as_ref);
        let declared = job.time_allowed(operation);
        let allowed = match active.held.as_ref().and_then(|held| held.allowed).or(declared) {
            None => None,
            Some(allowed) => match self.judge_time(allowed, lease) {
                Verdict::Running => Some(allowed),
                Verdict::Anew(anew) => Some(anew),
                Verdict::Over => {
                    let detail = format!("it took longer than {}", length(declared.unwrap_or(allowed)));
                    return over(AttemptOutcome::TimedOut, detail);
                }
            },
        };
        let until = anew.map(|anew| anew.until);
        let next = lease.into_iter().chain(allowed).map(|period| period.until).min();
        let noted = active.held.as_ref().map(|held| held.look_at);
        let held = next.map(|next| {
            let soon = noted.filter(|at| past.wall < *at && *at <= next);
            Held { look_at: soon.unwrap_or(next), allowed }
        });
        (until.is_some() || held != active.held).then_some(Action::Watch { job: job.id, until, held })
    }

    /// How it stands with the time that an attempt may take. It runs also while
    /// the service is down; but who was done by then is given the time to say so.
    fn judge_time(&self, allowed: Period, lease: Option<Period>) -> Verdict {
        let past = self.look.past;
        let verdict = allowed.judge(&Past { since: Timestamp::EPOCH, ..past });
        let missed = lease.filter(|_| verdict == Verdict::Over && allowed.from < past.since);
        let until = missed.map(|lease| past.since.after(lease.until.since(lease.from)));
        match until {
            Some(until) if past.wall < until => Verdict::Anew(Period { until, ..allowed }),
            Some(_) | None => verdict,
        }
    }
}

fn length(period: Period) -> String {
    friendly(period.until.since(period.from))
}
