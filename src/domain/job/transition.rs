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
    Attempt, AttemptOutcome, Cancel, CancelReason, Ending, Job, JobError, JobPhase, PROGRESS_MESSAGE_BYTES_MAX,
    Progress, TIMED_OUT,
};
use crate::domain::id::Token;
use crate::domain::retry::{RetryPolicy, retry_at};
use crate::domain::time::Timestamp;

/// What can happen to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// An attempt is recorded, with its token and its slot.
    Claimed {
        /// The token of the new attempt.
        token: Token,
        /// The slot that it holds.
        slot: Option<u32>,
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
    /// The job is to stop.
    Canceled {
        /// Why.
        reason: CancelReason,
    },
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
        JobEvent::Claimed { token, slot } => {
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
                slot,
                started: now,
                finished: None,
                outcome: None,
                exit_code: None,
                detail: None,
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

fn end(next: &mut Job, ending: Ending, after: &AfterAttempt, now: Timestamp) {
    let canceling = next.phase == JobPhase::Canceling;
    let mut number = 0;
    let mut finished = now;
    if let Some(attempt) = next.attempts.last_mut() {
        // The end of an attempt that nobody heard of at once, the service being down.
        finished = ending.finished.map_or(now, |at| at.max(attempt.started).min(now));
        attempt.finished = Some(finished);
        attempt.outcome = Some(ending.outcome);
        attempt.exit_code = ending.exit_code;
        attempt.detail.clone_from(&ending.detail);
        attempt.slot = None;
        number = attempt.number;
    }
    let again = match ending.outcome {
        AttemptOutcome::Failed | AttemptOutcome::TimedOut => true,
        AttemptOutcome::Lost => after.retry_unknown,
        AttemptOutcome::Succeeded | AttemptOutcome::Canceled => false,
    };
    let policy = next.retry.as_ref().unwrap_or(&after.retry);
    let retry =
        if again && !canceling { retry_at(policy, number, ending.exit_code, after.fraction, now) } else { None };
    if let Some(at) = retry {
        next.phase = JobPhase::Queued;
        next.not_before = Some(at);
        return;
    }
    let phase = match ending.outcome {
        AttemptOutcome::Succeeded => JobPhase::Succeeded,
        AttemptOutcome::Failed | AttemptOutcome::TimedOut => JobPhase::Failed,
        AttemptOutcome::Canceled => JobPhase::Canceled,
        AttemptOutcome::Lost => JobPhase::Lost,
    };
    next.result = ending.result;
    next.error = error(&ending.outcome, ending.detail);
    finish(next, phase, finished);
}

fn error(outcome: &AttemptOutcome, detail: Option<String>) -> Option<JobError> {
    let (reason, otherwise) = match outcome {
        AttemptOutcome::Succeeded | AttemptOutcome::Canceled => return None,
        AttemptOutcome::Failed => ("Failed", "the attempt failed"),
        AttemptOutcome::TimedOut => (TIMED_OUT, "the attempt took longer than it may"),
        AttemptOutcome::Lost => ("Lost", "what became of the attempt cannot be known"),
    };
    Some(JobError { reason: reason.to_owned(), message: detail.unwrap_or_else(|| otherwise.to_owned()) })
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
