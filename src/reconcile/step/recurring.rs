//! What happens to the schedule of an activity.

use super::Stepper;
use crate::domain::id::ActivityName;
use crate::domain::job::CancelReason;
use crate::domain::schedule::{Schedule, Start};
use crate::domain::tick::{SkipReason, SkippedRun, TickOutcome};
use crate::domain::time::Timestamp;
use crate::reconcile::plan::LaunchAction;
use crate::reconcile::scheduled::Scheduled;
use crate::reconcile::ticks::{TickVerdict, Verdict};

impl Stepper<'_> {
    /// Lets a schedule count from now on. No tick at or before the cursor is
    /// one of it, and none before now.
    pub(super) fn schedule(&mut self, activity: &ActivityName, schedule: &Schedule) {
        let now = self.now();
        let known = self.status(activity).schedule.take();
        let decided = known.as_ref().map_or(now, |known| known.cursor);
        // The tick of a start now is now, and comes after everything decided.
        let (anchor, cursor) = if schedule.start == Some(Start::Now) {
            let anchor = now.max(if known.is_some() { decided.next() } else { now });
            (anchor, anchor.previous())
        } else {
            (now, now.max(decided))
        };
        let fresh = Scheduled::new(anchor, cursor);
        let before = known.unwrap_or_else(|| fresh.clone());
        self.status(activity).schedule = Some(Scheduled {
            schedule: Some(schedule.canonical()),
            launched: before.launched,
            skipped: before.skipped,
            previous: before.previous,
            ..fresh
        });
    }

    /// Forgets the schedule of an activity, but for how far its ticks are
    /// decided. Those whose time has come and that still wait are not lost.
    pub(super) fn unschedule(&mut self, activity: &ActivityName) {
        let now = self.now();
        let Some(known) = self.status(activity).schedule.as_mut() else { return };
        let Some(schedule) = known.schedule.take().and_then(|schedule| Schedule::parse(&schedule).ok()) else { return };
        let calendar = schedule.calendar(known.anchor);
        let over = schedule.limit.is_some_and(|limit| known.launches >= limit);
        let left = (calendar.next(known.cursor), calendar.last(known.cursor, now));
        let count = calendar.count(known.cursor, now);
        let row = match left {
            (Some(first), Some(last)) if !over && count > 0 => {
                let reason = if known.retired { SkipReason::Suspended } else { SkipReason::Missed };
                let run = SkippedRun { reason, until: last.at, count };
                Some(known.skip(first.at, run))
            }
            _ => None,
        };
        (known.next, known.due, known.backlog_until, known.run, known.off) = (None, None, None, None, None);
        known.retired = false;
        row.into_iter().for_each(|row| self.record(activity, row));
    }

    /// Lets ticks have their outcomes.
    pub(super) fn tick(&mut self, activity: &ActivityName, verdict: Verdict, job: Option<&LaunchAction>) {
        for outcome in verdict.outcomes {
            let row = match (outcome, job) {
                (TickVerdict::Launch { tick, start, replaces }, Some(job)) => {
                    if replaces {
                        self.make_room(activity);
                    }
                    let launch = LaunchAction { scheduled_for: Some(tick), start, ..job.clone() };
                    let id = self.queue(launch);
                    self.status(activity).schedule.as_mut().map(|known| known.launch(tick, id))
                }
                (TickVerdict::Skip { from, run }, _) => {
                    self.status(activity).schedule.as_mut().map(|known| known.skip(from, run))
                }
                (TickVerdict::Launch { .. }, None) => None,
            };
            row.into_iter().for_each(|row| self.record(activity, row));
        }
        if let Some(known) = self.status(activity).schedule.as_mut() {
            (known.next, known.due) = (verdict.next, verdict.due);
            (known.backlog_until, known.off) = (verdict.backlog_until, verdict.off);
            known.retired = verdict.retired;
        }
    }

    /// Cancels what is to be replaced.
    fn make_room(&mut self, activity: &ActivityName) {
        let rivals = self.status(activity).active.iter().filter(|job| !job.is_follow_up());
        let active: Vec<_> = rivals.map(|job| job.id).collect();
        active.into_iter().for_each(|job| self.cancel(job, CancelReason::Replaced));
    }

    fn record(&mut self, activity: &ActivityName, (tick, outcome): (Timestamp, TickOutcome)) {
        self.state.ledger.insert((activity.clone(), tick), outcome);
    }
}
