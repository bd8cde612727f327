//! The one way through: an event, then planning, until nothing is left to do now.

mod follow;
mod judged;
mod outside;
mod recurring;

use std::time::Duration;

use serde_json::{Map, Value};

use super::event::{Event, Launch, Refused};
use super::keep;
use super::plan::{Action, LaunchAction, Look, plan, retry_of, timeout_ms_of};
use super::scheduled::Scheduled;
use super::state::{
    ActiveJob, ActivityStatus, Asked, Fate, LAST_RESULT_BYTES_MAX, LastJob, LastResult, Observed, Ready, ResourceState,
};
use crate::domain::activity::{Activity, Overlap, Standing};
use crate::domain::catalog::Catalog;
use crate::domain::condition::{Reason, Settlement};
use crate::domain::document::{Desired, Document};
use crate::domain::id::{ActivityName, JobId, OperationName, Token};
use crate::domain::job::{
    AfterAttempt, CancelReason, Ending, Grant, Job, JobEvent, JobPhase, Trigger, TriggerKind, transition,
};
use crate::domain::json;
use crate::domain::moment::Moment;
use crate::domain::operation::{Keep, OnUnknown, Operation};
use crate::domain::retry::RetryPolicy;
use crate::domain::time::Timestamp;
use crate::domain::version::Generation;

/// How often planning is repeated at most. Each round answers what the one
/// before it did, and no chain of answers is longer.
const ROUNDS_MAX: usize = 12;

/// The state after an event, planned.
///
/// # Errors
/// [`Refused`]: the event changes nothing.
pub fn step(
    mut state: ResourceState,
    event: Event,
    catalog: &Catalog,
    moment: Moment,
) -> Result<ResourceState, Refused> {
    let moment = moment.not_before(latest(&state));
    let before = state.observed.clone();
    state.ledger.clear();
    let mut stepper = Stepper { state: &mut state, catalog, moment };
    stepper.let_time_pass(&event);
    stepper.happen(event)?;
    let reason = stepper.pursue(false);
    stepper.note(reason, before.as_ref());
    Ok(state)
}

/// Behind this, time does not go back for the resource.
fn latest(state: &ResourceState) -> Timestamp {
    let observed = state.observed.as_ref().map_or(Timestamp::EPOCH, |observed| observed.latest);
    state.desired.as_ref().map_or(observed, |desired| observed.max(desired.updated))
}

struct Stepper<'a> {
    state: &'a mut ResourceState,
    catalog: &'a Catalog,
    moment: Moment,
}

impl Stepper<'_> {
    const fn now(&self) -> Timestamp {
        self.moment.now
    }

    /// Plans, and does what is planned, until nothing is left to do now.
    fn pursue(&mut self, closing: bool) -> Reason {
        let look = Look { now: self.now(), past: self.moment.past, closing };
        let mut planned = plan(self.state, self.catalog, look);
        for _ in 0..ROUNDS_MAX {
            if planned.actions.is_empty() {
                break;
            }
            for action in planned.actions {
                self.perform(action);
            }
            planned = plan(self.state, self.catalog, look);
        }
        planned.reason
    }

    /// Lets what had its time before the event come before it: an edit is never
    /// retroactive, and neither is anything else.
    fn let_time_pass(&mut self, event: &Event) {
        if matches!(event, Event::Looked | Event::Redeclared) {
            return;
        }
        let closing = matches!(event, Event::Changed { .. } | Event::DeleteAsked);
        let now = self.now();
        let comes = |scheduled: &Scheduled| {
            let due = if closing { scheduled.next } else { scheduled.due };
            due.is_some_and(|due| due <= now)
        };
        let ticks = self.state.observed.iter().flat_map(Observed::schedules).any(|(_, scheduled)| comes(scheduled));
        if ticks || self.is_over_outside() {
            self.pursue(closing);
        }
    }

    /// Makes the event true, without regard to what follows from it.
    fn happen(&mut self, event: Event) -> Result<(), Refused> {
        match event {
            Event::Changed { document, observed, fingerprint, restarts } => {
                self.changed(document, observed, fingerprint)?;
                restarts.iter().for_each(|activity| self.unschedule(activity));
                Ok(())
            }
            Event::DeleteAsked => self.delete_asked(),
            Event::Launched { activity, operation, input, keep } => {
                self.launched(&activity, operation, input, keep)?;
                self.edited(&activity, None);
                Ok(())
            }
            Event::JobsEdited { activity, cancel, launch, fingerprint } => {
                self.jobs_edited(&activity, &cancel, launch)?;
                self.edited(&activity, Some(fingerprint));
                Ok(())
            }
            Event::Kept { job } => keep::keep(self.state, job),
            Event::Forgotten { job } => keep::forget(self.state, job),
            Event::Expired { jobs } => {
                keep::expire(self.state, &jobs);
                Ok(())
            }
            Event::CancelAsked { job } => {
                self.job_event(job, JobEvent::Canceled { reason: CancelReason::Requested })?;
                let activity = self.state.jobs.get(&job).map(|job| job.activity.clone()).ok_or(Refused::Absent)?;
                self.edited(&activity, None);
                Ok(())
            }
            Event::Claimed { job, grant } => self.claimed(job, grant),
            Event::Started { job, token } => self.job_event(job, JobEvent::Started { token }),
            Event::Accepted { job, token, remote } => self.job_event(job, JobEvent::Accepted { token, remote }),
            Event::Reported { job, token, progress, ending } => self.reported(job, token, progress, ending),
            Event::Progressed { job, token, fraction, message } => {
                self.job_event(job, JobEvent::Progressed { token, fraction, message })
            }
            Event::Ended { job, token, ending } => self.ended(job, token, *ending),
            Event::Looked => Ok(()),
            Event::Redeclared => {
                self.judge();
                Ok(())
            }
        }
    }

    fn changed(
        &mut self,
        document: Document,
        observed: Map<String, Value>,
        fingerprint: [u8; 32],
    ) -> Result<(), Refused> {
        if self.state.is_deleting() {
            return Err(Refused::Deleting);
        }
        let begins = self.state.desired.is_none();
        self.state.desired = Some(match self.state.desired.take() {
            None => Desired {
                document,
                uid: self.moment.mint_uid(),
                generation: Generation::FIRST,
                created: self.now(),
                updated: self.now(),
                fingerprint,
            },
            Some(before) => Desired {
                document,
                uid: before.uid,
                generation: before.generation.next(),
                created: before.created,
                // Two changes never share an instant, so that a date can tell them apart.
                updated: self.now().max(before.updated.next()),
                fingerprint,
            },
        });
        if begins && !observed.is_empty() {
            self.observed().members = observed;
        }
        self.judge_again();
        Ok(())
    }

    fn delete_asked(&mut self) -> Result<(), Refused> {
        if self.state.desired.is_none() {
            return Err(Refused::Absent);
        }
        let now = self.now();
        let observed = self.observed();
        observed.deleting_since = observed.deleting_since.or(Some(now));
        Ok(())
    }

    /// A POST, judged by the activity's overlap policy.
    fn launched(
        &mut self,
        name: &ActivityName,
        operation: OperationName,
        input: Value,
        keep: Keep,
    ) -> Result<(), Refused> {
        if self.state.desired.is_none() {
            return Err(Refused::Absent);
        }
        if self.state.is_deleting() {
            return Err(Refused::Deleting);
        }
        if self.is_retired() {
            return Err(Refused::Absent);
        }
        let wanted = self.state.wanted(name, self.catalog).activity();
        match wanted.as_ref().map(|activity| activity.standing) {
            Some(Standing::Suspended) => return Err(not_accepting(name, "suspend")),
            Some(Standing::Canceled) => return Err(not_accepting(name, "canceled")),
            Some(Standing::Active) | None => {}
        }
        let active = self.state.status(name).map(|status| status.active.clone()).unwrap_or_default();
        if !self.state.has_room(&active) {
            return Err(Refused::TooManyJobs);
        }
        let overlap = wanted.as_ref().and_then(|activity| activity.overlap).unwrap_or(Overlap::FOR_POSTS);
        let mut rivals = active.iter().filter(|job| !job.is_follow_up());
        match overlap {
            Overlap::Allow => {}
            Overlap::Forbid => refuse_if(rivals.next(), "is not finished")?,
            Overlap::Queue => refuse_if(rivals.find(|job| job.phase == JobPhase::Queued), "waits already")?,
            Overlap::Replace => rivals.for_each(|job| self.cancel(job.id, CancelReason::Replaced)),
        }
        let same = wanted.as_ref().filter(|activity| activity.operation == operation);
        let (retry, timeout_ms) = overrides(same, self.catalog);
        let start = overlap.start_rule();
        let trigger = TriggerKind::Manual;
        let id = self.queue(LaunchAction {
            activity: name.clone(),
            operation,
            input,
            trigger,
            scheduled_for: None,
            start,
            retry,
            timeout_ms,
        });
        if let Some(job) = self.state.jobs.get_mut(&id) {
            job.keep = keep;
        }
        Ok(())
    }

    /// First what is to go, so that there is room for what is to come.
    fn jobs_edited(&mut self, name: &ActivityName, cancel: &[JobId], launch: Vec<Launch>) -> Result<(), Refused> {
        for id in cancel {
            let job = self.state.jobs.get(id).ok_or(Refused::Absent)?;
            if !job.phase.is_final() && !job.phase.is_stopping() {
                self.job_event(*id, JobEvent::Canceled { reason: CancelReason::Requested })?;
            }
        }
        launch
            .into_iter()
            .try_for_each(|Launch { operation, input }| self.launched(name, operation, input, Keep::Record))
    }

    /// Notes which edit of the list of jobs was the last change that a client made of it.
    fn edited(&mut self, name: &ActivityName, fingerprint: Option<[u8; 32]>) {
        let observed = self.state.observed.as_mut();
        // Where there is no status there were no jobs, and nothing was edited.
        if let Some(status) = observed.and_then(|observed| observed.activities.get_mut(name)) {
            status.edited = fingerprint.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        }
    }

    fn claimed(&mut self, id: JobId, grant: Grant) -> Result<(), Refused> {
        if self.is_retired() {
            // Nobody looked at it since: planning takes it out of the queue.
            return Ok(());
        }
        let job = self.state.jobs.get(&id).ok_or(Refused::Absent)?;
        let listed = self.state.status(&job.activity).and_then(|status| status.active.iter().find(|a| a.id == id));
        let operation = self.catalog.operations.get(&job.operation).ok_or(Refused::NotReady)?;
        let Some(ready) = listed.and_then(|listed| listed.ready.clone()) else { return Err(Refused::NotReady) };
        // Where another resource holds the slot, its row refuses the commit;
        // within one resource the two jobs would share the row.
        let held = |other: &Job| {
            other.current().is_some_and(|attempt| (attempt.slot, &attempt.limit_key) == (grant.slot, &ready.limit_key))
        };
        if grant.slot.is_some() && self.state.jobs.values().any(|other| other.operation == job.operation && held(other))
        {
            return Err(Refused::NotReady);
        }
        let runner = operation.runner.kind();
        let token = self.moment.mint_token();
        let grant = self.beginning(grant);
        let is_remote = grant.remote.is_some();
        self.job_event(id, JobEvent::Claimed { token, runner, grant, limit_key: ready.limit_key })?;
        // Whoever asked for it outside has it as soon as it is recorded.
        if is_remote { self.job_event(id, JobEvent::Started { token }) } else { Ok(()) }
    }

    fn ended(&mut self, id: JobId, token: Token, ending: Ending) -> Result<(), Refused> {
        let after = self.after_attempt(id)?;
        self.job_event(id, JobEvent::Ended { token, ending, after })
    }

    /// What the operation says now of further attempts of a job.
    fn after_attempt(&mut self, id: JobId) -> Result<AfterAttempt, Refused> {
        let job = self.state.jobs.get(&id).ok_or(Refused::Absent)?;
        let operation = self.catalog.operations.get(&job.operation);
        Ok(AfterAttempt {
            retry: operation.map_or_else(RetryPolicy::default, |operation| operation.retry.clone()),
            retry_unknown: operation.is_some_and(|operation| operation.on_unknown == OnUnknown::Retry),
            fraction: self.moment.fraction(),
        })
    }

    /// Lets a job change, and shows the change in the status of its activity.
    fn job_event(&mut self, id: JobId, event: JobEvent) -> Result<(), Refused> {
        let now = self.now();
        let patch = event.patch().cloned();
        let job = transition(self.state.jobs.get(&id).ok_or(Refused::Absent)?, event, now)?;
        let activity = job.activity.clone();
        show(self.status(&activity), &job, now);
        self.state.jobs.insert(id, job);
        self.show_progress(&activity);
        self.take_effect(id, patch.as_ref());
        Ok(())
    }

    /// Shows the newest progress of the jobs that are under way.
    fn show_progress(&mut self, activity: &ActivityName) {
        let active = self.state.status(activity).into_iter().flat_map(|status| &status.active);
        let reports = active.filter_map(|active| {
            self.state.jobs.get(&active.id).filter(|job| job.phase.is_attempting())?.progress.as_ref()
        });
        let progress = reports.max_by_key(|progress| progress.updated).cloned();
        self.status(activity).progress = progress;
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Ask { activity, asked } => self.status(&activity).asked = Some(Asked::new(asked)),
            Action::Note { activity, asked } => {
                let status = self.status(&activity);
                status.asked = Some(Asked::noted(asked, status.asked.as_ref()));
            }
            Action::Schedule { activity, schedule } => {
                self.unschedule(&activity);
                self.schedule(&activity, &schedule);
            }
            Action::Unschedule { activity } => self.unschedule(&activity),
            Action::Tick { activity, verdict, job } => self.tick(&activity, verdict, job.as_deref()),
            Action::Reopen { activity } => {
                if let Some(asked) = self.status(&activity).asked.as_mut() {
                    asked.fate = Fate::Pending;
                }
            }
            Action::Forget { activity } => self.status(&activity).asked = None,
            Action::Launch(launch) => {
                let activity = launch.activity.clone();
                let id = self.queue(launch);
                if let Some(asked) = self.status(&activity).asked.as_mut() {
                    asked.fate = Fate::Launched;
                    asked.job = Some(id);
                }
            }
            Action::Cancel { job, reason } => self.cancel(job, reason),
            Action::GiveUp { job, outcome, detail } => self.give_up(job, outcome, detail),
            Action::Watch { job, until, held } => self.watch(job, until, held),
            Action::EndWait { job } => self.active(job, |active| active.not_before = None),
            Action::MakeReady { job, priority, limit_key } => {
                let at = self.now();
                self.active(job, |active| active.ready = Some(Ready { priority, at, limit_key }));
            }
            Action::Reorder { job, priority } => self.active(job, |active| {
                if let Some(ready) = active.ready.as_mut() {
                    ready.priority = priority;
                }
            }),
            Action::Overdue { job } => {
                // One that is final or being stopped already refuses, and that is as good.
                let _ = self.job_event(job, JobEvent::Overdue);
            }
            Action::Hold { job } => self.active(job, |active| active.ready = None),
            Action::Remove => {
                self.state.desired = None;
                self.state.observed = None;
            }
        }
    }

    /// Queues a job and names it in the status.
    fn queue(&mut self, launch: LaunchAction) -> JobId {
        let now = self.now();
        // Job ids sort as their jobs were made, so no two of one resource share an instant.
        let newest = self.state.observed.as_ref().map_or(now, |observed| now.max(observed.latest.next()));
        let created = newest.max(self.newest_job().map_or(newest, Timestamp::next));
        let id = self.moment.mint_job_id(created);
        let desired = self.state.desired.as_ref().expect("a job is queued for a resource that exists");
        let operation = self.catalog.operations.get(&launch.operation);
        let within =
            |time: fn(&Operation) -> Option<Duration>| operation.and_then(|it| time(it)).map(|by| now.after(by));
        let (start_by, done_by) = (within(|it| it.start_deadline), within(|it| it.deadline));
        let job = Job {
            id,
            resource: self.state.key.clone(),
            uid: desired.uid,
            activity: launch.activity,
            operation: launch.operation,
            input: launch.input,
            trigger: Trigger {
                kind: launch.trigger,
                scheduled_for: launch.scheduled_for,
                generation: desired.generation,
                follows: None,
            },
            start: launch.start,
            retry: launch.retry,
            timeout_ms: launch.timeout_ms,
            start_by,
            done_by,
            phase: JobPhase::Queued,
            cancel: None,
            attempts: Vec::new(),
            not_before: None,
            progress: None,
            result: None,
            error: None,
            created,
            started: None,
            finished: None,
            keep: Keep::Record,
        };
        let status = self.status(&job.activity);
        status.active.push(ActiveJob {
            id,
            phase: JobPhase::Queued,
            attempt: 0,
            started: None,
            trigger: launch.trigger,
            start: job.start,
            not_before: None,
            start_by,
            done_by,
            ready: None,
            held: None,
        });
        self.state.jobs.insert(id, job);
        id
    }

    fn newest_job(&self) -> Option<Timestamp> {
        self.state.jobs.values().map(|job| job.created).max()
    }

    fn cancel(&mut self, job: JobId, reason: CancelReason) {
        // A job that is final or being stopped already refuses, and that is as good.
        let _ = self.job_event(job, JobEvent::Canceled { reason });
    }

    /// Changes how the status shows an unfinished job.
    fn active(&mut self, id: JobId, change: impl FnOnce(&mut ActiveJob)) {
        let mut active = self.observed().activities.values_mut().flat_map(|status| &mut status.active);
        if let Some(job) = active.find(|job| job.id == id) {
            change(job);
        }
    }

    fn status(&mut self, activity: &ActivityName) -> &mut ActivityStatus {
        self.observed().activities.entry(activity.clone()).or_default()
    }

    fn observed(&mut self) -> &mut Observed {
        let since = self.state.desired.as_ref().map_or(self.moment.now, |desired| desired.created);
        self.state.observed.get_or_insert_with(|| Observed {
            latest: since,
            deleting_since: None,
            settlement: Settlement { reason: Reason::Settled, since },
            activities: std::collections::BTreeMap::new(),
            members: Map::new(),
            violation: None,
        })
    }

    /// Notes how things stand. A resource about which nothing was ever decided
    /// has no observed state, and stays without; and where nothing is decided
    /// now, nothing is written.
    fn note(&mut self, reason: Reason, before: Option<&Observed>) {
        let now = self.now();
        let unwritten = reason.is_settled() && self.state.observed.is_none();
        if self.state.desired.is_none() || unwritten {
            return;
        }
        let newest = self.newest_job();
        let observed = self.observed();
        if observed.settlement.reason != reason {
            observed.settlement = Settlement { reason, since: now };
        }
        observed.activities.retain(|_, status| *status != ActivityStatus::default());
        if Some(&*observed) != before {
            observed.latest = newest.map_or(now, |newest| now.max(newest));
        }
    }
}

fn not_accepting(name: &ActivityName, member: &str) -> Refused {
    Refused::NotAccepting(format!("the document says `{member}: true` in `{name}`, so no job can start"))
}

fn refuse_if(job: Option<&ActiveJob>, because: &str) -> Result<(), Refused> {
    job.map_or(Ok(()), |job| Err(Refused::Overlap(format!("job {} {because}", job.id))))
}

fn overrides(activity: Option<&Activity>, catalog: &Catalog) -> (Option<RetryPolicy>, Option<u64>) {
    activity.map_or((None, None), |activity| (retry_of(activity, catalog), timeout_ms_of(activity)))
}

/// Shows a job as it is now in the status of its activity.
fn show(status: &mut ActivityStatus, job: &Job, now: Timestamp) {
    if job.phase.is_final() {
        finished(status, job, now);
        return;
    }
    let attempting = job.phase.is_attempting();
    if let Some(active) = status.active.iter_mut().find(|active| active.id == job.id) {
        active.phase = job.phase;
        active.attempt = job.attempts.last().map_or(0, |attempt| attempt.number);
        active.started = job.started;
        active.not_before = job.not_before;
        active.start_by = job.start_by.filter(|_| job.attempts.is_empty());
        active.done_by = job.done_by.filter(|_| !job.phase.is_stopping());
        active.ready = active.ready.take().filter(|_| !attempting);
        active.held = active.held.take().filter(|_| attempting);
    }
}

fn finished(status: &mut ActivityStatus, job: &Job, now: Timestamp) {
    status.active.retain(|active| active.id != job.id);
    if !job.keep.is_record() {
        return;
    }
    let followed = status.before_follow_ups.take().or_else(|| status.last.as_ref().map(|last| last.phase));
    status.before_follow_ups = followed.filter(|_| job.trigger.kind == TriggerKind::Follow);
    status.last = Some(LastJob {
        id: job.id,
        phase: job.phase,
        finished: job.finished.unwrap_or(now),
        result: match &job.result {
            None => LastResult::None,
            Some(result) if json::encoded_len(result) <= LAST_RESULT_BYTES_MAX => LastResult::Value(result.clone()),
            Some(_) => LastResult::Large,
        },
        error: job.error.clone(),
    });
    let Some(asked) = status.asked.as_mut().filter(|asked| asked.job == Some(job.id)) else { return };
    asked.fate = match (job.phase, asked.fate) {
        (JobPhase::Succeeded, _) => Fate::Succeeded,
        // It was reopened while the job was being stopped.
        (_, Fate::Pending) => Fate::Pending,
        (JobPhase::Canceled, _) => Fate::Canceled,
        (
            JobPhase::Failed
            | JobPhase::Lost
            | JobPhase::Queued
            | JobPhase::Starting
            | JobPhase::Running
            | JobPhase::Canceling,
            _,
        ) => Fate::Failed,
    };
}
