//! What must hold of every state that was ever committed: the oracle of the tests.

use std::collections::BTreeSet;

use super::scheduled::{PREVIOUS_MAX, Scheduled};
use super::state::{ActivityStatus, Fate, ResourceState, UNFINISHED_MAX};
use crate::domain::effect::FOLLOW_UPS_MAX;
use crate::domain::id::ActivityName;
use crate::domain::job::{Job, JobPhase, StartRule, TriggerKind};
use crate::domain::schedule::Schedule;

/// Everything that is wrong with a state, as sentences. Empty when nothing is.
#[must_use]
pub fn violations(state: &ResourceState) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |text: String| found.push(format!("{}: {text}", state.key));
    for job in state.jobs.values() {
        of_job(job, &mut say);
        if !job.phase.is_final() && !listed(state, job) {
            say(format!("the unfinished job {} is not in its activity's status", job.id));
        }
    }
    let mut slots = BTreeSet::new();
    for job in state.jobs.values() {
        if let Some(attempt) = job.current()
            && let Some(slot) = attempt.slot
            && !slots.insert((&job.operation, &attempt.limit_key, slot))
        {
            say(format!("two jobs hold slot {slot} of `{}`", job.operation));
        }
    }
    let Some(observed) = &state.observed else { return found };
    if state.desired.is_none() {
        say("there is observed state without a resource".to_owned());
    }
    let mut unfinished = 0;
    for (name, status) in &observed.activities {
        unfinished += status.active.len();
        of_status(state, name, status, &mut say);
    }
    if observed.settlement.reason.is_settled() && unfinished > 0 {
        say(format!("it is settled with {unfinished} unfinished jobs"));
    }
    if observed.deleting_since.is_some() && unfinished == 0 {
        say("it is being deleted and nothing is left to wait for".to_owned());
    }
    found
}

fn listed(state: &ResourceState, job: &Job) -> bool {
    state.status(&job.activity).is_some_and(|status| status.active.iter().any(|active| active.id == job.id))
}

fn of_job(job: &Job, say: &mut impl FnMut(String)) {
    let id = job.id;
    if !job.keep.is_record() && job.trigger.kind != TriggerKind::Manual {
        say(format!("job {id} leaves no record, and nobody waits for it"));
    }
    let depth = job.trigger.follows.map(|follows| follows.depth);
    if (job.trigger.kind == TriggerKind::Follow) != depth.is_some()
        || depth.is_some_and(|depth| !(1..=FOLLOW_UPS_MAX).contains(&depth))
    {
        say(format!("job {id} follows another one against its kind, or as number {depth:?} in a row"));
    }
    for (index, attempt) in job.attempts.iter().enumerate() {
        if usize::try_from(attempt.number).ok() != Some(index + 1) {
            say(format!("attempt {} of job {id} is out of order", attempt.number));
        }
        let current = index + 1 == job.attempts.len() && job.phase.is_attempting();
        if attempt.outcome.is_none() != current {
            say(format!("attempt {} of job {id} is open or closed against its phase", attempt.number));
        }
        if attempt.slot.is_some() && !current {
            say(format!("attempt {} of job {id} holds a slot after its end", attempt.number));
        }
        if job.attempts[..index].iter().any(|earlier| earlier.token == attempt.token) {
            say(format!("two attempts of job {id} share a token"));
        }
    }
    if job.phase.is_attempting() && job.attempts.is_empty() {
        say(format!("job {id} is {} without an attempt", job.phase.as_str()));
    }
    if job.phase.is_final() != job.finished.is_some() {
        say(format!("job {id} is {} and its end says otherwise", job.phase.as_str()));
    }
    if matches!(job.phase, JobPhase::Canceling) && job.cancel.is_none() {
        say(format!("job {id} is being stopped for no reason"));
    }
}

fn of_status(state: &ResourceState, name: &ActivityName, status: &ActivityStatus, say: &mut impl FnMut(String)) {
    if status.active.len() > UNFINISHED_MAX {
        say(format!("`{name}` has {} unfinished jobs", status.active.len()));
    }
    if !status.active.is_sorted_by(|a, b| a.id < b.id) {
        say(format!("the jobs of `{name}` are out of order"));
    }
    let (follow_ups, others): (Vec<_>, Vec<_>) =
        status.active.iter().filter(|job| job.ready.is_some()).partition(|job| job.is_follow_up());
    if follow_ups.len() > 1 || others.len() > 1 {
        say(format!("`{name}` has two jobs that may be claimed"));
    }
    for (older, active) in status.active.iter().enumerate() {
        let Some(job) = state.jobs.get(&active.id) else {
            say(format!("the unfinished job {} of `{name}` is not there", active.id));
            continue;
        };
        if job.phase != active.phase || job.phase.is_final() {
            say(format!("the status shows job {} as {}", job.id, active.phase.as_str()));
        }
        if active.ready.is_some() && active.phase != JobPhase::Queued {
            say(format!("job {} may be claimed and is {}", job.id, active.phase.as_str()));
        }
        let older = status.active[..older].iter().filter(|older| !older.is_follow_up()).count();
        if job.phase.is_attempting() && job.start == StartRule::WhenAlone && older > 0 {
            say(format!("job {} started before {older} older ones were gone", job.id));
        }
    }
    if let Some(job) = status.last.as_ref().and_then(|last| state.jobs.get(&last.id))
        && job.is_to_be_forgotten()
    {
        say(format!("the status shows job {} as the last one, and it leaves no record", job.id));
    }
    if let Some(scheduled) = &status.schedule {
        let mut say = |text: String| say(format!("the schedule of `{name}`: {text}"));
        of_schedule(state, scheduled, &mut say);
    }
    if let Some(asked) = status.asked.as_ref().filter(|asked| asked.fate == Fate::Launched)
        && !status.active.iter().any(|active| Some(active.id) == asked.job)
    {
        say(format!("`{name}` waits for a job that is not there"));
    }
}

fn of_schedule(state: &ResourceState, scheduled: &Scheduled, say: &mut impl FnMut(String)) {
    let Scheduled { cursor, next, due, previous, .. } = scheduled;
    let schedule = scheduled.schedule.as_ref().map(Schedule::parse);
    if matches!(schedule, Some(Err(_))) {
        say("it does not read".to_owned());
    }
    if schedule.is_none() && (next.is_some() || scheduled.backlog_until.is_some() || scheduled.run.is_some()) {
        say("there is none, and something is known of its ticks".to_owned());
    }
    if next.is_some_and(|next| next <= *cursor) {
        say(format!("{next:?} is next, and everything until {cursor} is decided"));
    }
    if due.is_some_and(|due| next.is_none_or(|next| due < next)) {
        say(format!("it is due at {due:?}, and {next:?} is next"));
    }
    if due.is_some() && scheduled.retired {
        say("it is due, and its collection is out of service".to_owned());
    }
    if due.is_some() && (schedule.is_none() || state.is_deleting()) {
        say("it is due, and nobody wants it any more".to_owned());
    }
    if scheduled.backlog_until.is_some_and(|until| until <= *cursor) {
        say("a backlog is left that is decided".to_owned());
    }
    if !previous.is_sorted_by(|a, b| a < b) || previous.last().is_some_and(|newest| newest > cursor) {
        say(format!("{previous:?} were launched, and everything until {cursor} is decided"));
    }
    if u64::try_from(previous.len()).ok() != Some(scheduled.launched.min(PREVIOUS_MAX as u64)) {
        say(format!("{} ticks are named of {} that were launched", previous.len(), scheduled.launched));
    }
    if scheduled.launches > scheduled.launched {
        say(format!("{} launches of {}", scheduled.launches, scheduled.launched));
    }
    if let Some(Ok(schedule)) = &schedule
        && schedule
            .limit
            .is_some_and(|limit| scheduled.launches > limit || (scheduled.launches == limit && next.is_some()))
    {
        say(format!("it had {} launches of at most {:?}", scheduled.launches, schedule.limit));
    }
    if let Some((first, run)) = scheduled.run
        && (run.until > *cursor || first > run.until || run.count == 0 || (run.count == 1) != (first == run.until))
    {
        say(format!("the run from {first} is {run:?}, and everything until {cursor} is decided"));
    }
}
