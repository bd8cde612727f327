//! What the schedule of an activity asks for.

use super::{Action, ActivityView, LaunchAction, retry_of, timeout_ms_of};
use crate::domain::activity::{Activity, Overlap, Standing};
use crate::domain::condition::Reason;
use crate::domain::job::TriggerKind;
use crate::domain::json;
use crate::domain::schedule::Schedule;
use crate::domain::tick::SkipReason;
use crate::domain::wanted::Wanted;
use crate::reconcile::scheduled::Scheduled;
use crate::reconcile::ticks::{Gate, Ticks, Verdict};

impl ActivityView<'_> {
    /// Keeps the schedule of the activity, or forgets the one that it had.
    pub(super) fn keep_schedule(&self, activity: &Activity, actions: &mut Vec<Action>) {
        let Some(schedule) = &activity.schedule else { return self.unschedule(actions) };
        match self.status.schedule.as_ref() {
            Some(scheduled) if scheduled.schedule.as_ref() == Some(&schedule.canonical()) => {
                self.tick(activity, schedule, scheduled, actions);
            }
            Some(_) | None => {
                actions.push(Action::Schedule { activity: self.name.clone(), schedule: schedule.clone() });
            }
        }
    }

    /// Forgets the schedule, if there is one.
    pub(super) fn unschedule(&self, actions: &mut Vec<Action>) {
        if self.status.schedule.as_ref().is_some_and(|scheduled| scheduled.schedule.is_some()) {
            actions.push(Action::Unschedule { activity: self.name.clone() });
        }
    }

    /// Lets ticks wait while nobody can say what they are to launch.
    pub(super) fn hold_ticks(&self, actions: &mut Vec<Action>) {
        let Some(scheduled) = self.status.schedule.as_ref().filter(|scheduled| scheduled.due.is_some()) else { return };
        if matches!(self.wanted, Wanted::Nothing) {
            return self.unschedule(actions);
        }
        let verdict = Verdict { due: None, ..Verdict::unchanged(scheduled) };
        actions.push(Action::Tick { activity: self.name.clone(), verdict, job: None });
    }

    fn tick(&self, activity: &Activity, schedule: &Schedule, status: &Scheduled, actions: &mut Vec<Action>) {
        let Some(desired) = self.state.desired.as_ref() else { return };
        let rivals: Vec<_> = self.rivals().cloned().collect();
        let ticks = Ticks {
            schedule,
            status,
            active: &rivals,
            room: self.room(activity),
            overlap: activity.overlap.unwrap_or(Overlap::FOR_TICKS),
            gate: self.gate(activity),
            now: self.look.now,
            past: self.look.past,
            closing: self.look.closing,
            uid: desired.uid.as_bytes(),
            activity: self.name.as_str(),
        };
        if let Some(verdict) = ticks.verdict() {
            let overlap = activity.overlap.unwrap_or(Overlap::FOR_TICKS);
            let job = LaunchAction {
                activity: self.name.clone(),
                operation: activity.operation.clone(),
                input: activity.input.clone(),
                trigger: TriggerKind::Schedule,
                scheduled_for: None,
                start: overlap.start_rule(),
                retry: retry_of(activity, self.catalog),
                timeout_ms: timeout_ms_of(activity),
            };
            actions.push(Action::Tick { activity: self.name.clone(), verdict, job: Some(Box::new(job)) });
        }
    }

    fn gate(&self, activity: &Activity) -> Gate {
        match activity.standing {
            Standing::Suspended => Gate::Shut(SkipReason::Suspended),
            Standing::Canceled => Gate::Shut(SkipReason::Canceled),
            Standing::Active if self.obstacle_of_ticks(activity).is_some() => Gate::Held,
            Standing::Active => Gate::Open,
        }
    }

    /// Why a tick whose time has come cannot be decided.
    pub(super) fn obstacle_of_ticks(&self, activity: &Activity) -> Option<Reason> {
        let obstacle = self.obstacle(activity)?;
        [Reason::UnknownOperation, Reason::InvalidInput].contains(&obstacle).then_some(obstacle)
    }

    /// Whether the time of a tick has come that has no outcome.
    pub(super) fn has_due_tick(&self) -> bool {
        let next = self.status.schedule.as_ref().and_then(|scheduled| scheduled.next);
        next.is_some_and(|next| next <= self.now)
    }

    /// For how many jobs like this one there is room.
    fn room(&self, activity: &Activity) -> usize {
        if !self.state.has_room(&self.status.active) {
            return 0;
        }
        let jobs = crate::reconcile::UNFINISHED_MAX.saturating_sub(self.status.active.len());
        // One always fits; more only as far as all of them can be cancelled at once.
        let each = json::encoded_len(&activity.input).max(1);
        jobs.min((crate::reconcile::state::UNFINISHED_INPUT_BYTES_MAX / 4 / each).max(1))
    }
}
