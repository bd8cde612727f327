//! What the end of a job does: to observed members, and the jobs that follow.
//!
//! First what the work itself wants written, whatever became of it: it says
//! how the world is. Then what the operator declared, the operation's before
//! the activity's, and last what follows, which sees all of that.
//!
//! # Guarantees
//! What is refused leaves the outcome of the job as it is, is not tried again,
//! and is said by the condition `EffectRefused`. Each effect stands for itself:
//! one that is refused keeps no other from being applied.
//!
//! A follow-up counts no generation and answers nothing that the document
//! asked; `overlap`, which is about what clients and schedules trigger, does
//! not see it. A job that was told to stop is followed by none, however it
//! ended: who stops work does not want more of it. Nor does anything follow in a
//! collection that is out of service.

use serde_json::{Value, json};

use super::Stepper;
use crate::domain::activity::judge_input;
use crate::domain::effect::{FOLLOW_UP_INPUT_BYTES_MAX, FOLLOW_UP_INPUT_DEPTH_MAX, FOLLOW_UPS_MAX, FollowUp};
use crate::domain::id::JobId;
use crate::domain::job::{CancelReason, Follows, Job, StartRule, TriggerKind, WorkPatch};
use crate::domain::json as values;
use crate::domain::schema::Violation;
use crate::reconcile::effect;
use crate::reconcile::plan::LaunchAction;
use crate::reconcile::state::EffectRefused;

impl Stepper<'_> {
    /// Lets the end of a job have its effects, if it has just ended. The patch
    /// of an attempt that is followed by another is lost with it.
    pub(super) fn take_effect(&mut self, id: JobId, patch: Option<&WorkPatch>) {
        let catalog = self.catalog;
        let Some(job) = self.state.jobs.get(&id).filter(|job| job.phase.is_final()).cloned() else { return };
        let effects: Vec<_> = effect::declared(&job, catalog).collect();
        if (effects.is_empty() && patch.is_none()) || !effect::concerns(self.state, &job, catalog) {
            return;
        }
        let now = self.now();
        let (mut refused, mut written) = (Vec::new(), false);
        let mut write = |stepper: &mut Self, members: Result<_, String>| match members {
            Ok(members) => {
                written |= stepper.observed().members != members;
                stepper.observed().members = members;
            }
            Err(detail) => refused.push(detail),
        };
        if let Some(patch) = patch {
            let members = effect::patched(patch, self.state, catalog);
            write(self, members);
        }
        for merge in effects.iter().filter_map(|effect| effect.merge.as_ref()) {
            let members = effect::merged(merge, (self.state, &job), catalog, now);
            write(self, members);
        }
        if written {
            self.judge();
        }
        for follow_up in effects.iter().filter_map(|effect| effect.launch.as_ref()) {
            if let Err(detail) = self.follow(&job, follow_up) {
                refused.push(format!("no `{}` follows: {detail}", follow_up.operation));
            }
        }
        let detail = refused.join("; ");
        let refused = (!detail.is_empty()).then_some(EffectRefused { job: id, detail, since: now });
        self.status(&job.activity).refused = refused;
    }

    /// Queues the job that follows another one, unless that was told to stop.
    fn follow(&mut self, job: &Job, follow_up: &FollowUp) -> Result<(), String> {
        // A deadline is nobody's wish: that it passed is a failure as any other.
        let stopped = job.cancel.as_ref().is_some_and(|cancel| cancel.reason != CancelReason::Deadline);
        if stopped || self.state.is_deleting() || self.is_retired() {
            return Ok(());
        }
        let depth = job.trigger.follows.map_or(0, |follows| follows.depth) + 1;
        if depth > FOLLOW_UPS_MAX {
            return Err(format!("it would be the {depth}th in a row, and {FOLLOW_UPS_MAX} are the most"));
        }
        let input = self.input_of(job, follow_up)?;
        let active = self.state.status(&job.activity).map(|status| status.active.as_slice()).unwrap_or_default();
        if !self.state.has_room(active) {
            return Err("the activity has as many unfinished jobs as it may have".to_owned());
        }
        let id = self.queue(LaunchAction {
            activity: job.activity.clone(),
            operation: follow_up.operation.clone(),
            input,
            trigger: TriggerKind::Follow,
            scheduled_for: None,
            start: StartRule::AtOnce,
            retry: None,
            timeout_ms: None,
        });
        if let Some(next) = self.state.jobs.get_mut(&id) {
            next.trigger.follows = Some(Follows { job: job.id, depth });
        }
        Ok(())
    }

    /// What a follow-up is run with, judged as what clients send is.
    fn input_of(&self, job: &Job, follow_up: &FollowUp) -> Result<Value, String> {
        let operation = self.catalog.operations.get(&follow_up.operation).ok_or("the operation is not declared")?;
        let input = match &follow_up.input {
            None => json!({}),
            Some(expression) => {
                Value::Object(effect::evaluated("its input", expression, (self.state, job), self.catalog, self.now())?)
            }
        };
        if values::encoded_len(&input) > FOLLOW_UP_INPUT_BYTES_MAX {
            return Err(format!("its input is larger than {} KiB", FOLLOW_UP_INPUT_BYTES_MAX / 1024));
        }
        if values::depth(&input) > FOLLOW_UP_INPUT_DEPTH_MAX {
            return Err(format!("its input is nested deeper than {FOLLOW_UP_INPUT_DEPTH_MAX} levels"));
        }
        match judge_input("", operation, &input).first() {
            None => Ok(input),
            Some(Violation { pointer, detail }) if pointer.is_empty() => {
                Err(format!("its input is not what the operation takes: {detail}"))
            }
            Some(Violation { pointer, detail }) => {
                Err(format!("its input is not what the operation takes: `{pointer}`: {detail}"))
            }
        }
    }
}
