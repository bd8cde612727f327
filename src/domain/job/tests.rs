//! The diagram of the module as a table, and what holds for every sequence of events.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::job::Grant;
use crate::domain::operation::RunnerKind;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn token(number: u8) -> Token {
    Token::from_bytes([number; 16])
}

fn job() -> Job {
    Job {
        id: JobId::from_bytes([1; 16]),
        resource: ResourceKey { collection: "c".parse().expect("a name"), id: "x".parse().expect("an id") },
        uid: Uid::from_bytes([2; 16]),
        activity: "processing".parse().expect("a name"),
        operation: "transcode".parse().expect("a name"),
        input: json!({}),
        trigger: Trigger {
            kind: TriggerKind::Change,
            scheduled_for: None,
            generation: Generation::FIRST,
            follows: None,
        },
        start: StartRule::WhenAlone,
        retry: None,
        timeout_ms: None,
        start_by: None,
        done_by: None,
        phase: JobPhase::Queued,
        cancel: None,
        attempts: Vec::new(),
        not_before: None,
        progress: None,
        result: None,
        error: None,
        created: Timestamp::EPOCH,
        started: None,
        finished: None,
        keep: Keep::Record,
    }
}

fn claimed(number: u8) -> JobEvent {
    let grant = Grant { slot: Some(0), ..Grant::default() };
    JobEvent::Claimed { token: token(number), runner: RunnerKind::Exec, grant, limit_key: None }
}

fn started(number: u8) -> JobEvent {
    JobEvent::Started { token: token(number) }
}

fn progressed(number: u8) -> JobEvent {
    JobEvent::Progressed { token: token(number), fraction: Some(0.5), message: None }
}

/// The attempt is over; `attempts` in all are allowed, and a lost one counts as failed.
fn ended(number: u8, outcome: AttemptOutcome, attempts: u32) -> JobEvent {
    let ending = Ending::new(outcome);
    let retry = RetryPolicy { attempts, ..RetryPolicy::default() };
    let after = AfterAttempt { retry, retry_unknown: attempts > 1, fraction: 0.0 };
    JobEvent::Ended { token: token(number), ending, after }
}

const CANCEL: JobEvent = JobEvent::Canceled { reason: CancelReason::Requested };

fn after(job: &Job, event: JobEvent) -> Job {
    transition(job, event, NOW).expect("it can happen")
}

/// A job in each phase, whose only attempt, if it has one, has token 1.
fn in_phase(phase: JobPhase) -> Job {
    let end = |outcome| after(&in_phase(JobPhase::Running), ended(1, outcome, 1));
    match phase {
        JobPhase::Queued => job(),
        JobPhase::Starting => after(&job(), claimed(1)),
        JobPhase::Running => after(&in_phase(JobPhase::Starting), started(1)),
        JobPhase::Canceling => after(&in_phase(JobPhase::Running), CANCEL),
        JobPhase::Succeeded => end(AttemptOutcome::Succeeded),
        JobPhase::Failed => end(AttemptOutcome::Failed),
        JobPhase::Lost => end(AttemptOutcome::Lost),
        JobPhase::Canceled => after(&in_phase(JobPhase::Canceling), ended(1, AttemptOutcome::Canceled, 1)),
    }
}

/// A job that waits for its second attempt; the first had token 1.
fn waiting() -> Job {
    after(&in_phase(JobPhase::Running), ended(1, AttemptOutcome::Failed, 2))
}

fn word(result: Result<Job, Refusal>) -> &'static str {
    match result {
        Ok(job) => job.phase.as_str(),
        Err(Refusal::StaleToken) => "stale",
        Err(Refusal::Already) => "already",
        Err(Refusal::WrongPhase) => "wrong",
    }
}

#[test]
fn a_job_changes_along_the_drawn_edges_and_no_others() {
    use AttemptOutcome::{Canceled, Failed, Lost, Succeeded, TimedOut};
    let events = || {
        [
            claimed(9),
            started(1),
            progressed(1),
            ended(1, Succeeded, 1),
            ended(1, Failed, 1),
            ended(1, Failed, 2),
            ended(1, TimedOut, 1),
            ended(1, TimedOut, 2),
            ended(1, Lost, 1),
            ended(1, Lost, 2),
            ended(1, Canceled, 2),
            CANCEL,
        ]
    };
    let table = [
        //            claimed   started   progress  succeeded  failed  +retry   timed out +retry  lost   +retry  canceled   cancel
        ("queued", "starting stale stale stale stale stale stale stale stale stale stale canceled"),
        ("starting", "wrong running starting succeeded failed queued failed queued lost queued canceled canceling"),
        ("running", "wrong already running succeeded failed queued failed queued lost queued canceled canceling"),
        ("canceling", "wrong already canceling succeeded failed failed failed failed lost lost canceled already"),
        ("succeeded", "wrong wrong wrong already already already already already already already already already"),
        ("failed", "wrong wrong wrong already already already already already already already already already"),
        ("canceled", "wrong wrong wrong already already already already already already already already already"),
        ("lost", "wrong wrong wrong already already already already already already already already already"),
    ];
    for (phase, (name, row)) in JobPhase::ALL.into_iter().zip(table) {
        assert_eq!(phase.as_str(), name);
        let job = in_phase(phase);
        assert_eq!(job.phase, phase);
        let words: Vec<_> = events().map(|event| word(transition(&job, event, NOW))).into();
        assert_eq!(words.join(" "), row, "{name}");
    }
}

#[test]
fn a_report_of_an_earlier_or_a_foreign_attempt_is_refused_in_every_phase() {
    let second = |job: &Job| after(job, claimed(2));
    let again = |mut job: Job| {
        job.not_before = None;
        job
    };
    let jobs = [
        again(waiting()),
        second(&again(waiting())),
        after(&second(&again(waiting())), started(2)),
        after(&second(&again(waiting())), CANCEL),
        after(&second(&again(waiting())), ended(2, AttemptOutcome::Succeeded, 2)),
    ];
    for job in jobs {
        let stale = if job.attempts.len() == 2 { 1 } else { 7 };
        for event in [started(stale), progressed(stale), ended(stale, AttemptOutcome::Succeeded, 1)] {
            assert_eq!(transition(&job, event, NOW), Err(Refusal::StaleToken), "{:?}", job.phase);
        }
    }
}

#[test]
fn a_job_that_waits_for_its_next_attempt_starts_no_earlier_and_says_again_what_was_said() {
    let waiting = waiting();
    let due = waiting.not_before.expect("it waits");
    assert_eq!(due, NOW.after(Duration::from_secs(10)));
    let early = Timestamp::from_millis(due.as_millis() - 1);
    assert_eq!(transition(&waiting, claimed(2), early), Err(Refusal::WrongPhase));
    assert_eq!(transition(&waiting, ended(1, AttemptOutcome::Failed, 2), NOW), Err(Refusal::Already));
    let second = transition(&waiting, claimed(2), due).expect("it is time");
    assert_eq!((second.attempts.len(), second.not_before, &second.progress), (2, None, &None));
    assert_eq!(transition(&second, claimed(3), due), Err(Refusal::WrongPhase));
    assert_eq!(after(&waiting, CANCEL).phase, JobPhase::Canceled);
}

#[test]
fn the_document_outweighs_the_operation_in_how_often_a_job_is_tried() {
    let mut job = in_phase(JobPhase::Running);
    job.retry = Some(RetryPolicy { attempts: 2, ..RetryPolicy::default() });
    assert_eq!(after(&job, ended(1, AttemptOutcome::Failed, 1)).phase, JobPhase::Queued);
    job.retry = Some(RetryPolicy { attempts: 1, ..RetryPolicy::default() });
    assert_eq!(after(&job, ended(1, AttemptOutcome::Failed, 5)).phase, JobPhase::Failed);
}

#[test]
fn a_final_job_says_how_it_ended_and_an_unfinished_one_does_not() {
    for (outcome, reason) in [
        (AttemptOutcome::Succeeded, None),
        (AttemptOutcome::Canceled, None),
        (AttemptOutcome::Failed, Some("Failed")),
        (AttemptOutcome::TimedOut, Some("TimedOut")),
        (AttemptOutcome::Lost, Some("Lost")),
    ] {
        let job = after(&in_phase(JobPhase::Running), ended(1, outcome, 1));
        assert_eq!(job.error.as_ref().map(|error| error.reason.as_str()), reason);
        assert_eq!(job.finished, Some(NOW));
        assert_eq!(job.attempts[0].outcome, Some(outcome));
        assert_eq!(job.attempts[0].slot, None);
    }
    assert_eq!((waiting().finished, waiting().error), (None, None));
}

#[test]
fn what_a_report_says_is_cut_to_what_a_record_can_hold() {
    let text = "ä".repeat(PROGRESS_MESSAGE_BYTES_MAX);
    for (said, kept) in [(Some(0.25), Some(0.25)), (Some(-0.1), None), (Some(1.1), None), (Some(f64::NAN), None)] {
        let event = JobEvent::Progressed { token: token(1), fraction: said, message: Some(text.clone()) };
        let progress = after(&in_phase(JobPhase::Running), event).progress.expect("it was reported");
        assert_eq!(progress.fraction, kept);
        assert_eq!(progress.message.map(|message| message.len()), Some(PROGRESS_MESSAGE_BYTES_MAX));
    }
}

fn any_event() -> impl Strategy<Value = JobEvent> {
    let outcome = prop_oneof![
        Just(AttemptOutcome::Succeeded),
        Just(AttemptOutcome::Failed),
        Just(AttemptOutcome::TimedOut),
        Just(AttemptOutcome::Canceled),
        Just(AttemptOutcome::Lost),
    ];
    prop_oneof![
        Just(claimed(0)),
        (0u8..9).prop_map(started),
        (0u8..9).prop_map(progressed),
        (0u8..9, outcome, 0u32..4).prop_map(|(token, outcome, attempts)| ended(token, outcome, attempts)),
        Just(CANCEL),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_attempts_are_numbered_and_what_is_final_stays(
        events in prop::collection::vec((any_event(), 0i64..60_000), 0..40),
    ) {
        let (mut job, mut now, mut tokens) = (job(), NOW, 0);
        for (mut event, millis) in events {
            now = Timestamp::from_millis(now.as_millis() + millis);
            if let JobEvent::Claimed { token, .. } = &mut event {
                tokens += 1;
                *token = Token::from_bytes([tokens; 16]);
            }
            let before = job.clone();
            let Ok(after) = transition(&before, event, now) else { continue };
            prop_assert!(!before.phase.is_final());
            prop_assert!(after.attempts.iter().zip(1..).all(|(attempt, number)| attempt.number == number));
            let ended = before.attempts.iter().filter(|attempt| attempt.outcome.is_some()).count();
            prop_assert_eq!(&before.attempts[..ended], &after.attempts[..ended]);
            prop_assert_eq!(after.current().is_some(), after.phase.is_attempting());
            prop_assert_eq!(after.finished.is_some(), after.phase.is_final());
            prop_assert!(after.not_before.is_none() || after.phase == JobPhase::Queued);
            job = after;
        }
    }
}

#[test]
fn an_end_that_is_heard_of_late_bears_its_own_time_within_that_of_its_attempt() {
    let later = NOW.after(std::time::Duration::from_secs(3600));
    for (known, finished) in [
        (None, later),
        (Some(NOW.after(std::time::Duration::from_secs(2))), NOW.after(std::time::Duration::from_secs(2))),
        (Some(Timestamp::EPOCH), NOW),
        (Some(later.next()), later),
    ] {
        let ending = Ending { finished: known, exit_code: Some(0), ..Ending::new(AttemptOutcome::Succeeded) };
        let after = AfterAttempt { retry: RetryPolicy::default(), retry_unknown: false, fraction: 0.0 };
        let event = JobEvent::Ended { token: token(1), ending, after };
        let job = transition(&in_phase(JobPhase::Running), event, later).expect("it can happen");
        assert_eq!((job.finished, job.attempts[0].finished), (Some(finished), Some(finished)), "{known:?}");
    }
}

#[test]
fn an_attempt_of_which_nothing_is_found_starts_only_where_its_start_is_not_recorded() {
    let undeclared = Catalog::default();
    for (phase, outcome) in [
        // Where the operation is declared it would be started now.
        (JobPhase::Starting, AttemptOutcome::Failed),
        (JobPhase::Running, AttemptOutcome::Lost),
        (JobPhase::Canceling, AttemptOutcome::Canceled),
    ] {
        let ending = in_phase(phase).ending_unstarted(&undeclared).expect("it ends");
        assert_eq!(ending.outcome, outcome, "{phase:?}");
    }
}
