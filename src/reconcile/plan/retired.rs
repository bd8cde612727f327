//! What is done about the resources of a collection that is out of service.
//!
//! # Guarantees
//! Nothing here depends on the document, nor on what is declared of its
//! activities: an operator who takes a collection out of service need not say
//! of it what he said before.

use super::{Action, ActivityView};
use crate::domain::activity::Overlap;
use crate::domain::job::CancelReason;
use crate::domain::schedule::Schedule;
use crate::reconcile::state::Fate;
use crate::reconcile::ticks::{Gate, Ticks};

impl ActivityView<'_> {
    pub(super) fn is_retired(&self) -> bool {
        self.catalog.is_retired(&self.state.key.collection)
    }

    /// Stops what runs and lets ticks pass. What was asked for and did not
    /// succeed is wanted again once the collection is back, as after
    /// `canceled: true`; what was never looked at is asked for then.
    pub(super) fn retire(&self, actions: &mut Vec<Action>) {
        self.cancel_all(CancelReason::Retired, actions);
        let fate = self.status.asked.as_ref().map(|asked| asked.fate);
        if matches!(fate, Some(Fate::Launched | Fate::Failed | Fate::Canceled)) {
            actions.push(Action::Reopen { activity: self.name.clone() });
        }
        self.let_ticks_pass(actions);
    }

    /// Skips the ticks of the schedule that is known of the document.
    fn let_ticks_pass(&self, actions: &mut Vec<Action>) {
        let (Some(desired), Some(status)) = (&self.state.desired, &self.status.schedule) else { return };
        let known = status.schedule.as_ref().and_then(|schedule| Schedule::parse(schedule).ok());
        let Some(schedule) = &known else { return };
        let ticks = Ticks {
            schedule,
            status,
            active: &[],
            room: 0,
            overlap: Overlap::FOR_TICKS,
            gate: Gate::Retired,
            now: self.look.now,
            past: self.look.past,
            closing: self.look.closing,
            uid: desired.uid.as_bytes(),
            activity: self.name.as_str(),
        };
        let tick = |verdict| Action::Tick { activity: self.name.clone(), verdict, job: None };
        actions.extend(ticks.verdict().map(tick));
    }
}
