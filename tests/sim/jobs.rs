//! What must hold of jobs and their attempts, in the store and in the world.

use heeler::domain::activity::Standing;
use heeler::domain::id::{JobId, Token};
use heeler::domain::job::{AttemptOutcome, DEADLINE_EXCEEDED, Job, JobPhase, START_DEADLINE_EXCEEDED, TriggerKind};
use heeler::domain::operation::OnUnknown;
use heeler::domain::time::Timestamp;
use heeler::reconcile::ResourceState;
use heeler::runner::Launch;
use serde_json::Value;

use crate::oracle::Oracle;
use crate::runner::Attempts;
use crate::world::wanted;

impl Oracle {
    /// I5: a job belongs to what asked for it.
    pub(crate) fn check_new_job(&mut self, job: &Job, before: &ResourceState, after: &ResourceState, has_key: bool) {
        self.count("jobs");
        // What had its time before an edit belongs to the document that was there.
        let made_before = |state: &ResourceState| {
            state.desired.as_ref().is_some_and(|desired| desired.generation == job.trigger.generation)
        };
        let of_schedule = job.trigger.kind == TriggerKind::Schedule;
        let state = if of_schedule && made_before(before) { before } else { after };
        let Some(desired) = &state.desired else {
            self.say(format!("job {} was made for a resource that is gone", job.id));
            return;
        };
        if job.uid != desired.uid || job.trigger.generation != desired.generation {
            self.say(format!("job {} belongs to another incarnation or generation", job.id));
        }
        if job.trigger.kind == TriggerKind::Manual {
            // A key has one effect, however often it is sent.
            self.history.manual_jobs += usize::from(!has_key);
            return;
        }
        let wanted = wanted(state, &job.activity);
        let asked = wanted
            .is_some_and(|a| a.operation == job.operation && a.input == job.input && a.standing == Standing::Active);
        if !asked {
            self.say(format!("nobody asked for job {}", job.id));
        }
    }

    /// I10, I11, P15, P18: a job changes as drawn, its past never.
    pub(crate) fn check_job(&mut self, was: &Job, is: &Job, before: &ResourceState, attempts: &Attempts) {
        let id = is.id;
        if was.phase.is_final() {
            self.say(format!("job {id} changed after it was {}", was.phase.as_str()));
        }
        if !may_follow(was.phase, is.phase) {
            self.say(format!("job {id} went from {} to {}", was.phase.as_str(), is.phase.as_str()));
        }
        let fixed = |job: &Job| {
            let Job { resource, uid, activity, operation, input, trigger, created, .. } = job.clone();
            (resource, uid, activity, operation, input, trigger, created)
        };
        if fixed(was) != fixed(is) {
            self.say(format!("job {id} is another one than before"));
        }
        let ended = was.attempts.iter().filter(|attempt| attempt.outcome.is_some()).count();
        if is.attempts.get(..ended) != Some(&was.attempts[..ended]) {
            self.say(format!("the past of job {id} changed"));
        }
        match is.error.as_ref().map(|error| error.reason.as_str()) {
            Some(START_DEADLINE_EXCEEDED) => self.check_overdue(is, is.start_by.filter(|_| is.attempts.is_empty())),
            Some(DEADLINE_EXCEEDED) => self.check_overdue(is, is.done_by),
            Some(_) | None => {}
        }
        if (was.phase, is.phase) == (JobPhase::Queued, JobPhase::Canceling) {
            self.count("claims that were cancelled with them");
            self.replaced.insert(id);
        }
        if is.attempts.len() > was.attempts.len() {
            self.check_claim(is, before);
        }
        if let Some(closed) = is.attempts.get(ended).filter(|attempt| attempt.outcome.is_some()) {
            match &closed.remote {
                Some(_) => self.check_remote_end(is, closed),
                None => self.check_end(id, closed.number, closed.outcome, attempts),
            }
        }
    }

    /// What failed because its time was over had one, and it was.
    fn check_overdue(&mut self, job: &Job, by: Option<Timestamp>) {
        self.count(if job.attempts.is_empty() {
            "jobs that did not start in time"
        } else {
            "jobs that were not done in time"
        });
        if by.is_none_or(|by| job.finished.is_none_or(|at| at < by)) || job.phase != JobPhase::Failed {
            self.say(format!("job {} ended as overdue at {:?}, and had until {by:?}", job.id, job.finished));
        }
    }

    /// I8, I9, I12: only what may start is claimed, within its limits.
    fn check_claim(&mut self, job: &Job, before: &ResourceState) {
        self.count("claims");
        let id = job.id;
        let Some(attempt) = job.current() else {
            self.say(format!("an attempt of job {id} was recorded as over"));
            return;
        };
        if !self.tokens.insert(attempt.token.reveal()) {
            self.say(format!("the token of job {id} was used before"));
        }
        let limit = self.catalog.operations.get(&job.operation).and_then(|operation| operation.concurrency.clone());
        let held = match limit {
            None => attempt.slot.is_none(),
            Some(ref limit) => attempt.slot.is_some_and(|slot| slot < limit.limit),
        };
        let by = limit.as_ref().is_some_and(|limit| limit.per.is_some());
        if by != attempt.limit_key.is_some() {
            self.say(format!("job {id} is counted by {:?}", attempt.limit_key));
        }
        if !held {
            self.say(format!("job {id} holds slot {:?} of {limit:?}", attempt.slot));
        }
        let standing = wanted(before, &job.activity).map(|activity| activity.standing);
        let deleting = before.observed.as_ref().is_some_and(|observed| observed.deleting_since.is_some());
        if deleting || standing.is_some_and(|standing| standing != Standing::Active) {
            self.say(format!("job {id} started in an activity that is {standing:?}, deleting: {deleting}"));
        }
        let operation = self.catalog.operations.get(&job.operation);
        let lost = job.attempts.iter().any(|attempt| attempt.outcome == Some(AttemptOutcome::Lost));
        if lost && operation.is_some_and(|operation| operation.on_unknown == OnUnknown::Fail) {
            self.say(format!("job {id} is tried again after it was lost"));
        }
    }

    /// Only what is over and not named any more is forgotten, and of what is
    /// there never the newest one that is over.
    pub(crate) fn check_forgotten(&mut self, job: &Job, before: &ResourceState) {
        self.count("jobs forgotten");
        let id = job.id;
        self.forgotten.insert(id);
        if !job.phase.is_final() {
            self.say(format!("job {id} was forgotten while it was {}", job.phase.as_str()));
        }
        if before.desired.as_ref().is_none_or(|desired| desired.uid != job.uid) {
            self.count("jobs forgotten of what is gone");
            return;
        }
        let status = before.status(&job.activity);
        let asked = status.and_then(|status| status.asked.as_ref()).and_then(|asked| asked.job);
        let last = status.and_then(|status| status.last.as_ref()).map(|last| last.id);
        if asked == Some(id) || last == Some(id) {
            self.say(format!("job {id} was forgotten, and the status names it"));
        }
        let of_activity = |other: &&Job| other.uid == job.uid && other.activity == job.activity;
        let newest = before.jobs.values().filter(of_activity).filter(|other| other.phase.is_final());
        if newest.map(|other| other.id).max() == Some(id) {
            self.say(format!("job {id} was forgotten, and is the newest one of its activity that is over"));
        }
    }

    /// What is recorded as over is over, and as the attempt itself said.
    fn check_end(&mut self, job: JobId, number: u32, outcome: Option<AttemptOutcome>, attempts: &Attempts) {
        self.count("ends");
        let known = attempts.all.contains_key(&(job, number));
        let ending = attempts.ending((job, number)).map(|ending| ending.outcome);
        let good = match ending {
            Some(ending) => outcome == Some(ending),
            None => !known && matches!(outcome, Some(AttemptOutcome::Failed | AttemptOutcome::Canceled)),
        };
        if !good {
            self.say(format!(
                "attempt {number} of job {job} is recorded as {outcome:?}, and is {ending:?} in the world"
            ));
        }
    }

    /// An attempt began to exist in the world.
    pub(crate) fn started(&mut self, launch: &Launch, attempts: &Attempts) {
        self.count("starts");
        let attempt = launch.attempt;
        if attempt.number > 1 {
            self.count("starts of a second attempt");
        }
        let at = (attempt.job, attempt.number);
        self.notes.push((self.step, format!("attempt {} of job {} starts", at.1, at.0)));
        *self.starts.entry(at).or_default() += 1;
        if self.starts[&at] > 1 {
            self.say(format!("attempt {} of job {} was started twice", at.1, at.0));
        }
        let recorded: Option<Token> = self.job(attempt.job).and_then(|job| job.current()).map(|current| current.token);
        if recorded != Some(attempt.token) {
            self.say(format!("attempt {} of job {} was started and is not recorded", at.1, at.0));
        }
        if launch.job.get("id").and_then(Value::as_str) != Some(attempt.job.to_string().as_str()) {
            self.say(format!("job {} was handed to its work as another one", at.0));
        }
        if self.replaced.contains(&attempt.job) {
            self.say(format!("job {} was started, and was cancelled with its claim", at.0));
        }
        let limit = launch.operation.concurrency.as_ref().and_then(|limit| usize::try_from(limit.limit).ok());
        let key = self.job(attempt.job).and_then(|job| job.current()).and_then(|current| current.limit_key.clone());
        let live = attempts.live_of(&launch.operation.name, key.as_ref());
        if key.is_some() {
            self.count("starts that are counted by something");
        }
        if limit.is_some_and(|limit| live > limit) {
            self.say(format!("{live} attempts of `{}` at once", launch.operation.name));
        }
        let live = attempts.live().len();
        if live > self.running {
            self.say(format!("{live} attempts at once in a process that may run {}", self.running));
        }
    }
}

/// The drawn edges, and those that one commit may take at once.
fn may_follow(was: JobPhase, is: JobPhase) -> bool {
    use JobPhase::{Canceled, Canceling, Failed, Lost, Queued, Running, Starting, Succeeded};
    match was {
        // What a worker is given runs at once.
        Queued => matches!(is, Queued | Starting | Running | Canceling | Canceled | Failed),
        Starting => matches!(is, Starting | Running | Canceling | Queued | Succeeded | Failed | Canceled | Lost),
        Running => matches!(is, Running | Canceling | Queued | Succeeded | Failed | Canceled | Lost),
        Canceling => matches!(is, Canceling | Succeeded | Failed | Canceled | Lost),
        Succeeded | Failed | Canceled | Lost => false,
    }
}
