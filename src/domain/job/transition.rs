//! The only ways in which a job can change.
//!
//! ```text
//!            claim           started
//!  queued ─────────▶ starting ──────▶ running
//!    ▲ │                │  │             │ │
//!    │ │ cancel         │  └─ cancel ─┐  │ │
//!    │ ▼                │             ▼  ▼ │
//!    │ canceled ◀───────┼───────── canceling
//!    │                  ▼                │ │
//!    └── retry ── (attempt ended) ◀──────┘ │
//!                       └▶ succeeded · failed · lost
//! ```

use super::{
    Attempt, AttemptOutcome, Cancel, CancelReason, DEADLINE_EXCEEDED, Ending, FAILED, Grant, Job, JobError, JobPhase,
    PROGRESS_MESSAGE_BYTES_MAX, Progress, Remote, START_DEADLINE_EXCEEDED, TIMED_OUT, WorkPatch,
};
use crate::domain::id::Token;
use crate::domain::limit::LimitKey;
use crate::domain::operation::RunnerKind;
use crate::domain::retry::{Failure, RetryPolicy, retry_at};
use crate::domain::time::Timestamp;

/// What can happen to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// An attempt is recorded, with its token and its slot.
    Claimed {
        /// The token of the new attempt.
        token: Token,
        /// What does the work.
        runner: RunnerKind,
        /// What it takes of the limits, and whose it is.
        grant: Grant,
        /// What its slot is counted by.
        limit_key: Option<LimitKey>,
    },
    /// The attempt with this token exists in the world.
    Started {
        /// The attempt.
        token: Token,
    },
    /// The attempt with this token got further.
    Progressed {
        /// The attempt.
        token: Token,
        /// How far.
        fraction: Option<f64>,
        /// In words.
        message: Option<String>,
    },
    /// The attempt with this token is over.
    Ended {
        /// The attempt.
        token: Token,
        /// How it ended.
        ending: Ending,
        /// What the operation says of further attempts.
        after: AfterAttempt,
    },
    /// Somebody outside of this process goes on with the attempt.
    Accepted {
        /// The attempt.
        token: Token,
        /// Who, and until when.
        remote: Remote,
    },
    /// Whoever does the work outside gave a sign of life.
    Renewed {
        /// The attempt.
        token: Token,
        /// What the wall clock shows.
        wall: Timestamp,
    },
    /// The time is over in which the job was to start, or to be done.
    Overdue,
    /// The job is to stop.
    Canceled {
        /// Why.
        reason: CancelReason,
    },
}

impl JobEvent {
    /// What the work wants to be written into observed members.
    #[must_use]
    pub fn patch(&self) -> Option<&WorkPatch> {
        if let Self::Ended { ending, .. } = self { ending.patch.as_ref() } else { None }
    }
}

/// What the operation says of further attempts, at the time an attempt ends.
#[derive(Debug, Clone, PartialEq)]
pub struct AfterAttempt {
    /// When a failed attempt is followed by another.
    pub retry: RetryPolicy,
    /// Whether a lost one is.
    pub retry_unknown: bool,
    /// Draws the jitter, in `0.0..1.0`.
    pub fraction: f64,
}

/// Why an event does not change a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The attempt is not the current one.
    #[error("the report names an attempt that is no longer the current one")]
    StaleToken,
    /// It has happened already; nothing is left to do.
    #[error("this has happened already")]
    Already,
    /// The job is not where this can happen.
    #[error("the job is not in a phase in which this can happen")]
    WrongPhase,
}

/// The job after an event, or why nothing changes.
///
/// # Errors
/// [`Refusal`]: the job stays as it is.
pub fn transition(job: &Job, event: JobEvent, now: Timestamp) -> Result<Job, Refusal> {
    let mut next = job.clone();
    match event {
        JobEvent::Claimed { token, runner, grant, limit_key } => {
            if job.phase != JobPhase::Queued || job.not_before.is_some_and(|at| now < at) {
                return Err(Refusal::WrongPhase);
            }
            next.phase = JobPhase::Starting;
            next.not_before = None;
            next.progress = None;
            next.started = job.started.or(Some(now));
            next.attempts.push(Attempt {
                number: u32::try_from(job.attempts.len()).unwrap_or(u32::MAX).saturating_add(1),
                token,
                runner,
                remote: grant.remote,
                slot: grant.slot,
                limit_key: limit_key.filter(|_| grant.slot.is_some()),
                started: now,
                finished: None,
                outcome: None,
                exit_code: None,
                detail: None,
                report: None,
            });
        }
        JobEvent::Started { token } => {
            judge_token(job, token)?;
            match job.phase {
                JobPhase::Starting => next.phase = JobPhase::Running,
                JobPhase::Running | JobPhase::Canceling => return Err(Refusal::Already),
                JobPhase::Queued | JobPhase::Succeeded | JobPhase::Failed | JobPhase::Canceled | JobPhase::Lost => {
                    return Err(Refusal::WrongPhase);
                }
            }
        }
        JobEvent::Progressed { token, fraction, message } => {
            judge_token(job, token)?;
            if !job.phase.is_attempting() {
                return Err(Refusal::WrongPhase);
            }
            next.progress = Some(Progress {
                fraction: fraction.filter(|f| (0.0..=1.0).contains(f)),
                message: message.map(|text| clip(&text, PROGRESS_MESSAGE_BYTES_MAX)),
                updated: now,
            });
        }
        JobEvent::Ended { token, ending, after } => {
            judge_token(job, token)?;
            if !job.phase.is_attempting() {
                return Err(Refusal::Already);
            }
            end(&mut next, ending, &after, now);
        }
        JobEvent::Accepted { token, remote } => {
            judge_token(job, token)?;
            if !job.phase.is_attempting() {
                return Err(Refusal::Already);
            }
            if next.phase == JobPhase::Starting {
                next.phase = JobPhase::Running;
            }
            if let Some(attempt) = next.attempts.last_mut() {
                attempt.remote = Some(remote);
            }
        }
        JobEvent::Renewed { token, wall } => {
            judge_token(job, token)?;
            if !job.phase.is_attempting() {
                return Err(Refusal::Already);
            }
            if let Some(remote) = next.attempts.last_mut().and_then(|attempt| attempt.remote.as_mut()) {
                remote.renew(wall);
            }
        }
        JobEvent::Overdue => overdue(&mut next, now)?,
        JobEvent::Canceled { reason } => match job.phase {
            JobPhase::Queued => {
                next.cancel = Some(Cancel { at: now, reason });
                finish(&mut next, JobPhase::Canceled, now);
            }
            JobPhase::Starting | JobPhase::Running => {
                next.cancel = Some(Cancel { at: now, reason });
                next.phase = JobPhase::Canceling;
            }
            JobPhase::Canceling | JobPhase::Succeeded | JobPhase::Failed | JobPhase::Canceled | JobPhase::Lost => {
                return Err(Refusal::Already);
            }
        },
    }
    Ok(next)
}

/// Only the newest attempt may report.
fn judge_token(job: &Job, token: Token) -> Result<(), Refusal> {
    match job.attempts.last() {
        Some(attempt) if attempt.token == token => Ok(()),
        Some(_) | None => Err(Refusal::StaleToken),
    }
}

/// Ends what did not start or was not done in time; what is under way is told to stop.
fn overdue(next: &mut Job, now: Timestamp) -> Result<(), Refusal> {
    let late = |by: Option<Timestamp>| by.is_some_and(|by| by <= now);
    let unstarted = next.attempts.is_empty() && late(next.start_by);
    match next.phase {
        JobPhase::Queued if late(next.done_by) => fail(next, DEADLINE_EXCEEDED, "it was not done in time", now),
        JobPhase::Queued if unstarted => {
            fail(next, START_DEADLINE_EXCEEDED, "no attempt began in time; it waited for the whole time", now);
        }
        JobPhase::Starting | JobPhase::Running if late(next.done_by) => {
            next.cancel = Some(Cancel { at: now, reason: CancelReason::Deadline });
            next.phase = JobPhase::Canceling;
        }
        JobPhase::Queued
        | JobPhase::Starting
        | JobPhase::Running
        | JobPhase::Canceling
        | JobPhase::Succeeded
        | JobPhase::Failed
        | JobPhase::Canceled
        | JobPhase::Lost => return Err(Refusal::WrongPhase),
    }
    Ok(())
}

fn fail(next: &mut Job, reason: &str, message: &str, now: Timestamp) {
    next.error = Some(JobError::new(reason, message));
    finish(next, JobPhase::Failed, now);
}

fn end(next: &mut Job, ending: Ending, after: &AfterAttempt, now: Timestamp) {
    let canceling = next.phase == JobPhase::Canceling;
    let mut number = 0;
    let mut finished = now;
    // What the wait for another attempt counts from.
    let mut heard = now;
    let mut is_remote = false;
    if let Some(attempt) = next.attempts.last_mut() {
        // The end of an attempt that nobody heard of at once, the service being down.
        finished = ending.finished.map_or(now, |at| at.max(attempt.started).min(now));
        attempt.finished = Some(finished);
        attempt.outcome = Some(ending.outcome);
        attempt.exit_code = ending.exit_code;
        attempt.detail.clone_from(&ending.detail);
        attempt.report.clone_from(&ending.report);
        let lease = attempt.remote.as_ref().and_then(|remote| remote.lease(attempt));
        if ending.outcome == AttemptOutcome::Lost {
            // Who went away was left alone since the last sign of life.
            heard = lease.map_or(now, |lease| lease.from.min(now));
        }
        is_remote = attempt.remote.is_some();
        (attempt.slot, attempt.limit_key) = (None, None);
        number = attempt.number;
    }
    let again = match ending.outcome {
        AttemptOutcome::Failed | AttemptOutcome::TimedOut => !ending.fatal,
        AttemptOutcome::Lost => after.retry_unknown,
        AttemptOutcome::Succeeded | AttemptOutcome::Canceled => false,
    };
    let policy = next.retry.as_ref().unwrap_or(&after.retry);
    let reason = ending.error.as_ref().map(|error| error.reason.as_str());
    let failure = Failure { attempt: number, code: ending.exit_code, reason, retry_after: ending.retry_after };
    let retry = if again && !canceling { retry_at(policy, failure, after.fraction, heard) } else { None };
    match retry {
        Some(at) if next.done_by.is_none_or(|by| at < by) => {
            next.phase = JobPhase::Queued;
            next.not_before = Some(at);
            return;
        }
        // There is no time left for another one.
        Some(_) | None => {}
    }
    // Whoever was told to stop outside is gone, or nobody believes him any more.
    let gone = canceling && is_remote;
    let overdue = canceling && next.cancel.as_ref().is_some_and(|cancel| cancel.reason == CancelReason::Deadline);
    let phase = match ending.outcome {
        AttemptOutcome::Succeeded => JobPhase::Succeeded,
        AttemptOutcome::Lost | AttemptOutcome::TimedOut if gone && !overdue => JobPhase::Canceled,
        AttemptOutcome::Lost if gone => JobPhase::Failed,
        AttemptOutcome::Failed | AttemptOutcome::TimedOut => JobPhase::Failed,
        AttemptOutcome::Canceled if overdue => JobPhase::Failed,
        AttemptOutcome::Canceled => JobPhase::Canceled,
        AttemptOutcome::Lost => JobPhase::Lost,
    };
    if overdue && phase == JobPhase::Failed {
        return fail(next, DEADLINE_EXCEEDED, "it was not done in time, and was stopped", finished);
    }
    next.result = ending.result;
    next.error = match ending.outcome {
        AttemptOutcome::Lost | AttemptOutcome::TimedOut if phase == JobPhase::Canceled => None,
        AttemptOutcome::Failed => ending.error.or_else(|| error(&ending.outcome, ending.detail)),
        AttemptOutcome::Succeeded | AttemptOutcome::TimedOut | AttemptOutcome::Canceled | AttemptOutcome::Lost => {
            error(&ending.outcome, ending.detail)
        }
    };
    finish(next, phase, finished);
}

fn error(outcome: &AttemptOutcome, detail: Option<String>) -> Option<JobError> {
    let (reason, otherwise) = match outcome {
        AttemptOutcome::Succeeded | AttemptOutcome::Canceled => return None,
        AttemptOutcome::Failed => (FAILED, "the attempt failed"),
        AttemptOutcome::TimedOut => (TIMED_OUT, "the attempt took longer than it may"),
        AttemptOutcome::Lost => ("Lost", "what became of the attempt cannot be known"),
    };
    Some(JobError::new(reason, detail.unwrap_or_else(|| otherwise.to_owned())))
}

fn finish(next: &mut Job, phase: JobPhase, now: Timestamp) {
    next.phase = phase;
    next.not_before = None;
    next.finished = Some(now);
}

/// At most `bytes_max` bytes of a text, cut between characters.
#[must_use]
pub fn clip(text: &str, bytes_max: usize) -> String {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
