//! What the wire's page says of activities and jobs, sentence by sentence.

use std::time::Duration;

use serde_json::Map;
use serde_json::json;

use super::super::state::LastResult;
use super::super::{Event, Fate, Refused, UNFINISHED_MAX};
use super::world::{World, document, name, operation};
use crate::domain::condition::Reason;
use crate::domain::job::Grant;
use crate::domain::job::{AttemptOutcome, Ending, Refusal};
use crate::domain::time::Timestamp;
use crate::domain::version::Generation;

/// A world in which operation `a` was asked for and done.
fn done() -> World {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.work(0);
    world
}

#[test]
fn each_change_of_operation_input_or_trigger_asks_once_and_nothing_else_does() {
    let asks = [
        json!({"operation": "b"}),
        json!({"operation": "a", "input": {"n": 1}}),
        json!({"operation": "a", "trigger": "again"}),
        json!({"operation": "a", "trigger": 1}),
    ];
    for activity in asks {
        let mut world = done();
        world.put(&json!({ "processing": activity }));
        assert_eq!(world.story(), "succeeded, queued*", "{activity}");
        world.work(1);
        world.put(&json!({"processing": {"operation": "a"}}));
        assert_eq!(world.story(), "succeeded, succeeded, queued*", "back from {activity}");
    }
    let others = [
        json!({"operation": "a", "input": {}}),
        json!({"operation": "a", "overlap": "allow"}),
        json!({"operation": "a", "suspend": true}),
        json!({"operation": "a", "suspend": false, "canceled": false}),
        json!({"operation": "a", "canceled": true}),
        json!({"operation": "a", "retry": {"attempts": 3}}),
        json!({"operation": "a", "timeout": "1m"}),
    ];
    for activity in others {
        let mut world = done();
        world.put(&json!({"processing": activity, "title": "Holiday"}));
        world.put(&json!({"title": "Holiday", "processing": {"operation": "a"}}));
        assert_eq!((world.story(), world.reason()), ("succeeded".to_owned(), Reason::Settled), "{activity}");
    }
}

#[test]
fn a_change_that_asks_for_nothing_leaves_the_observed_state_as_it_is() {
    let mut world = done();
    let before = world.state.observed.clone();
    world.pass(Duration::from_secs(60));
    world.put(&json!({"processing": {"operation": "a", "timeout": "1m"}, "title": "Holiday"}));
    assert_eq!(world.state.observed, before);
    let mut untouched = World::with(&json!({"title": "Holiday"}));
    untouched.put(&json!({"title": "Work"}));
    assert_eq!(untouched.state.observed, None);
}

#[test]
fn a_job_pins_operation_and_input_and_says_which_generation_asked() {
    let mut world = World::with(&json!({"title": "Holiday"}));
    world.put(&json!({"processing": {"operation": "a", "input": {"n": 1}, "timeout": "1s", "retry": {"attempts": 7}}}));
    let job = world.job(0);
    assert_eq!((job.operation.as_str(), &job.input), ("a", &json!({"n": 1})));
    assert_eq!(job.trigger.generation, Generation::from_number(2));
    assert_eq!((job.timeout_ms, job.retry.as_ref().map(|retry| retry.attempts)), (Some(1000), Some(7)));
    assert_eq!(Some(job.uid), world.state.desired.as_ref().map(|desired| desired.uid));
}

#[test]
fn a_job_that_failed_or_was_cancelled_by_itself_is_not_tried_again_until_something_asks() {
    for (fate, phase) in [(Fate::Failed, "failed"), (Fate::Failed, "lost"), (Fate::Canceled, "canceled (requested)")] {
        let mut world = World::with(&json!({"processing": {"operation": "a"}}));
        match phase {
            "failed" => world.claim(0).and_then(|()| world.end(0, AttemptOutcome::Failed)).expect("it fails"),
            "lost" => world.claim(0).and_then(|()| world.end(0, AttemptOutcome::Lost)).expect("it is lost"),
            _ => world.cancel(0).expect("it is cancelled"),
        }
        world.put(&json!({"processing": {"operation": "a", "suspend": true}, "title": "Holiday"}));
        world.put(&json!({"processing": {"operation": "a"}}));
        world.look();
        assert_eq!((world.story().as_str(), world.fate(), world.reason()), (phase, Some(fate), Reason::Settled));
        world.put(&json!({"processing": {"operation": "a", "trigger": 1}}));
        assert_eq!(world.story(), format!("{phase}, queued*"));
    }
}

#[test]
fn suspend_stops_new_launches_and_leaves_what_runs_alone() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.claim(0).expect("it is ready");
    world.put(&json!({"processing": {"operation": "a", "suspend": true}}));
    assert_eq!((world.story().as_str(), world.reason()), ("starting", Reason::JobRunning));
    world.put(&json!({"processing": {"operation": "a", "input": {"n": 2}, "suspend": true}}));
    assert_eq!(world.story(), "starting");
    world.end(0, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!((world.story().as_str(), world.reason()), ("succeeded", Reason::Suspended));
    assert!(matches!(world.post("a", json!({})), Err(Refused::NotAccepting(_))));
    world.put(&json!({"processing": {"operation": "a", "input": {"n": 2}}}));
    assert_eq!((world.story().as_str(), world.reason()), ("succeeded, queued*", Reason::Queued));
}

#[test]
fn suspend_holds_back_a_job_that_waits_and_its_timer_goes_off_once() {
    let mut world = World::with(&json!({"processing": {"operation": "flaky"}}));
    world.put(&json!({"processing": {"operation": "flaky", "suspend": true}}));
    assert_eq!((world.story().as_str(), world.reason()), ("queued", Reason::Suspended));
    assert_eq!(world.claim(0), Err(Refused::NotReady));
    world.put(&json!({"processing": {"operation": "flaky"}}));
    world.claim(0).expect("it is ready");
    world.end(0, AttemptOutcome::Failed).expect("it runs");
    world.put(&json!({"processing": {"operation": "flaky", "suspend": true}}));
    world.pass(Duration::from_secs(20));
    world.look();
    let observed = world.state.observed.as_ref().expect("something was decided");
    assert_eq!((observed.wake_at(), world.story().as_str()), (None, "queued"));
    world.put(&json!({"processing": {"operation": "flaky"}}));
    assert_eq!(world.story(), "queued*");
}

#[test]
fn canceled_cancels_what_runs_and_launches_nothing_and_taken_back_asks_for_what_did_not_succeed() {
    let taken_back = json!({"processing": {"operation": "a"}});
    let canceled = json!({"processing": {"operation": "a", "canceled": true}});
    let mut world = World::with(&taken_back);
    world.claim(0).expect("it is ready");
    world.put(&canceled);
    assert_eq!((world.story().as_str(), world.reason()), ("canceling (canceled)", Reason::JobCanceling));
    world.end(0, AttemptOutcome::Canceled).expect("it runs");
    assert_eq!((world.story().as_str(), world.reason()), ("canceled (canceled)", Reason::Settled));
    assert!(matches!(world.post("a", json!({})), Err(Refused::NotAccepting(_))));
    world.put(&taken_back);
    assert_eq!(world.story(), "canceled (canceled), queued*");
    world.work(1);
    world.put(&canceled);
    world.put(&taken_back);
    assert_eq!(world.story(), "canceled (canceled), succeeded");
}

#[test]
fn canceled_taken_back_also_asks_again_for_work_that_failed_before() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.claim(0).expect("it is ready");
    world.end(0, AttemptOutcome::Failed).expect("it runs");
    world.put(&json!({"processing": {"operation": "a", "canceled": true}}));
    world.put(&json!({"processing": {"operation": "a"}}));
    assert_eq!(world.story(), "failed, queued*");
}

#[test]
fn an_ask_that_is_pending_again_stays_so_when_its_old_job_is_gone_at_last() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.claim(0).expect("it is ready");
    world.put(&json!({"processing": {"operation": "a", "canceled": true}}));
    world.put(&json!({"processing": {"operation": "a", "suspend": true}}));
    world.end(0, AttemptOutcome::Canceled).expect("it runs");
    assert_eq!((world.story().as_str(), world.fate()), ("canceled (canceled)", Some(Fate::Pending)));
    world.put(&json!({"processing": {"operation": "a"}}));
    assert_eq!(world.story(), "canceled (canceled), queued*");
}

#[test]
fn work_that_succeeds_while_it_is_being_cancelled_stays_done() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.claim(0).expect("it is ready");
    world.put(&json!({"processing": {"operation": "a", "canceled": true}}));
    world.end(0, AttemptOutcome::Succeeded).expect("it runs");
    world.put(&json!({"processing": {"operation": "a"}}));
    assert_eq!((world.story().as_str(), world.fate()), ("succeeded (canceled)", Some(Fate::Succeeded)));
}

#[test]
fn removing_the_activity_cancels_what_runs_and_adding_it_again_asks_again() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.claim(0).expect("it is ready");
    world.put(&json!({}));
    assert_eq!((world.story().as_str(), world.fate()), ("canceling (removed)", None));
    world.put(&json!({"processing": {"operation": "a"}}));
    assert_eq!(world.story(), "canceling (removed), queued");
    world.end(0, AttemptOutcome::Canceled).expect("it runs");
    assert_eq!(world.story(), "canceled (removed), queued*");
    world.work(1);
    world.put(&json!({}));
    world.put(&json!({"processing": {"operation": "a"}}));
    assert_eq!(world.story(), "canceled (removed), succeeded, queued*");
}

#[test]
fn a_resource_is_deleted_once_its_jobs_are_gone_and_takes_nothing_on_meanwhile() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}, "review": {"operation": "b"}}));
    world.claim(0).expect("it is ready");
    world.happen(Event::DeleteAsked).expect("it is there");
    assert_eq!((world.story().as_str(), world.reason()), ("canceling (deleted), canceled (deleted)", Reason::Deleting));
    world.happen(Event::DeleteAsked).expect("once more is as good");
    let put = Event::Changed {
        document: document(&json!({})),
        observed: Map::new(),
        fingerprint: [0; 32],
        restarts: Vec::new(),
    };
    assert_eq!(world.happen(put), Err(Refused::Deleting));
    assert_eq!(world.post("a", json!({})), Err(Refused::Deleting));
    world.end(0, AttemptOutcome::Failed).expect("it runs");
    assert_eq!((&world.state.desired, &world.state.observed), (&None, &None));
    assert_eq!(world.happen(Event::DeleteAsked), Err(Refused::Absent));
    assert_eq!(world.cancel(0), Err(Refused::Job(Refusal::Already)));
}

#[test]
fn a_resource_without_jobs_is_gone_at_once_and_a_new_one_under_its_id_inherits_nothing() {
    let mut world = done();
    let uid = world.state.desired.as_ref().map(|desired| desired.uid);
    world.happen(Event::DeleteAsked).expect("it is there");
    assert_eq!(world.state.desired, None);
    world.pass(Duration::from_millis(1));
    world.put(&json!({"processing": {"operation": "a"}}));
    assert_eq!(world.story(), "succeeded, queued*");
    assert_ne!(world.state.desired.as_ref().map(|desired| desired.uid), uid);
    assert_eq!(world.state.desired.as_ref().map(|desired| desired.generation), Some(Generation::FIRST));
    assert_eq!(world.status().last, None);
}

#[test]
fn a_failed_attempt_is_followed_by_another_after_its_wait_as_often_as_the_operation_says() {
    let mut world = World::with(&json!({"processing": {"operation": "flaky"}}));
    for (outcome, least) in [(AttemptOutcome::Failed, 10), (AttemptOutcome::Lost, 20)] {
        world.claim(0).expect("it is ready");
        world.end(0, outcome).expect("it runs");
        assert_eq!((world.story().as_str(), world.reason()), ("queued", Reason::Backoff));
        let wake = world.state.observed.as_ref().and_then(super::super::Observed::wake_at).expect("it waits");
        let wait = wake.since(world.now);
        assert!(wait >= Duration::from_secs(least) && wait <= Duration::from_secs(least + least / 10), "{wait:?}");
        world.now = Timestamp::from_millis(wake.as_millis() - 1);
        world.look();
        assert_eq!((world.story().as_str(), world.claim(0)), ("queued", Err(Refused::NotReady)));
        world.now = wake;
        world.look();
        assert_eq!((world.story().as_str(), world.reason()), ("queued*", Reason::Queued));
    }
    world.claim(0).expect("it is ready");
    world.end(0, AttemptOutcome::TimedOut).expect("it runs");
    assert_eq!((world.story().as_str(), world.fate()), ("failed", Some(Fate::Failed)));
    assert_eq!(world.job(0).attempts.len(), 3);
}

#[test]
fn a_lost_attempt_is_the_end_of_a_job_whose_operation_is_launched_at_most_once() {
    let mut world = World::with(&json!({"processing": {"operation": "a", "retry": {"attempts": 5}}}));
    world.claim(0).expect("it is ready");
    world.end(0, AttemptOutcome::Lost).expect("it runs");
    assert_eq!((world.story().as_str(), world.fate()), ("lost", Some(Fate::Failed)));
}

#[test]
fn jobs_wait_while_their_operation_is_not_declared_and_asks_while_their_input_is_not_taken() {
    let full = World::new().catalog;
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    assert!(world.withdraw("a"));
    assert_eq!(world.claim(0), Err(Refused::NotReady));
    world.look();
    assert_eq!((world.story().as_str(), world.reason()), ("queued", Reason::UnknownOperation));
    world.put(&json!({"processing": {"operation": "a", "trigger": 1}}));
    assert_eq!((world.story().as_str(), world.reason()), ("canceled (superseded)", Reason::UnknownOperation));
    world.catalog = full;
    world.look();
    assert_eq!((world.story().as_str(), world.reason()), ("canceled (superseded), queued*", Reason::Queued));

    let mut world = World::with(&json!({"processing": {"operation": "strict", "input": {"n": "one"}}}));
    assert_eq!((world.story().as_str(), world.reason()), ("", Reason::InvalidInput));
    let lenient = operation("strict");
    world.catalog.operations.insert(lenient.name.clone(), lenient.into());
    world.look();
    assert_eq!(world.story(), "queued*");
}

#[test]
fn an_activity_that_this_version_cannot_read_is_left_alone_and_says_so() {
    let mut world = done();
    world.put(&json!({"processing": {"operation": "a", "of a later version": true}}));
    assert_eq!((world.story().as_str(), world.reason()), ("succeeded", Reason::InvalidActivity));
    world.put(&json!({"processing": {"operation": "a"}}));
    assert_eq!((world.story().as_str(), world.reason()), ("succeeded", Reason::Settled));
}

#[test]
fn an_activity_has_a_hundred_unfinished_jobs_at_most_and_a_change_waits_for_room() {
    let mut world = World::with(&json!({"processing": {"operation": "a", "overlap": "allow"}}));
    for number in 1..UNFINISHED_MAX {
        world.post("a", json!({})).unwrap_or_else(|refused| panic!("{number}: {refused}"));
    }
    assert_eq!(world.post("a", json!({})), Err(Refused::TooManyJobs));
    world.put(&json!({"processing": {"operation": "b", "overlap": "allow"}}));
    assert_eq!((world.jobs.len(), world.fate()), (UNFINISHED_MAX, Some(Fate::Pending)));
    world.cancel(7).expect("it waits");
    assert_eq!((world.jobs.len(), world.fate()), (UNFINISHED_MAX + 1, Some(Fate::Launched)));
}

#[test]
fn the_inputs_of_unfinished_jobs_fit_into_the_transaction_that_cancels_them() {
    let mut world = World::with(&json!({"processing": {"operation": "a", "overlap": "allow"}}));
    let large = json!({"data": "x".repeat(1024 * 1024)});
    for _ in 0..4 {
        world.post("a", large.clone()).expect("there is room");
    }
    assert_eq!(world.post("a", json!({})), Err(Refused::TooManyJobs));
    world.cancel(1).expect("it waits");
    world.post("a", large).expect("there is room again");
}

#[test]
fn a_change_that_replaces_makes_its_own_room() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    for _ in 1..UNFINISHED_MAX {
        world.post("a", json!({})).expect("there is room");
    }
    for number in 0..3 {
        world.claim(number).expect("it is ready");
    }
    world.put(&json!({"processing": {"operation": "b"}}));
    assert_eq!((world.status().active.len(), world.fate()), (4, Some(Fate::Launched)));
}

#[test]
fn time_and_job_ids_go_on_where_the_clock_steps_back() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    let mut seen = vec![world.state.desired.as_ref().map(|desired| desired.updated)];
    for trigger in 0..5 {
        world.work(trigger);
        world.now = Timestamp::from_millis(world.now.as_millis() - 3_600_000);
        world.put(&json!({"processing": {"operation": "a", "trigger": trigger}}));
        seen.push(world.state.desired.as_ref().map(|desired| desired.updated));
    }
    assert!(seen.is_sorted_by(|earlier, later| earlier < later), "{seen:?}");
    let created: Vec<_> = world.jobs.values().map(|job| job.created).collect();
    assert!(created.is_sorted_by(|earlier, later| earlier < later), "{created:?}");
    assert_eq!(world.story(), "succeeded, succeeded, succeeded, succeeded, succeeded, queued*");
    assert_eq!(world.state.desired.map(|desired| desired.generation), Some(Generation::from_number(6)));
}

#[test]
fn since_when_a_reason_holds_changes_with_the_reason_only() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    let since = |world: &World| world.state.observed.as_ref().map(|observed| observed.settlement.since);
    let queued = since(&world);
    world.pass(Duration::from_secs(1));
    world.put(&json!({"processing": {"operation": "b"}}));
    assert_eq!((world.reason(), since(&world)), (Reason::Queued, queued));
    world.pass(Duration::from_secs(1));
    world.claim(1).expect("it is ready");
    assert_eq!((world.reason(), since(&world)), (Reason::JobRunning, Some(world.now)));
}

#[test]
fn the_progress_of_an_activity_is_the_newest_of_what_is_under_way() {
    let mut world = World::with(&json!({"processing": {"operation": "a", "overlap": "allow"}}));
    world.post("a", json!({})).expect("it is allowed");
    for number in 0..2 {
        world.claim(number).expect("it is ready");
        world.pass(Duration::from_secs(1));
        let fraction = Some(if number == 0 { 0.25 } else { 0.75 });
        let report = Event::Progressed { job: world.id(number), token: world.token(number), fraction, message: None };
        world.happen(report).expect("it runs");
    }
    let fraction = |world: &World| world.status().progress.as_ref().and_then(|progress| progress.fraction);
    assert_eq!(fraction(&world), Some(0.75));
    world.end(1, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!(fraction(&world), Some(0.25));
    world.end(0, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!(fraction(&world), None);
}

#[test]
fn a_document_shows_a_result_of_up_to_4_kib_and_says_where_a_larger_one_is() {
    for (bytes, large) in [(4096, false), (4097, true)] {
        let mut world = World::with(&json!({"processing": {"operation": "a"}}));
        world.claim(0).expect("it is ready");
        let result = json!("x".repeat(bytes - 2));
        let ending = Ending { exit_code: Some(0), result: Some(result), ..Ending::new(AttemptOutcome::Succeeded) };
        world.end_with(0, ending).expect("it runs");
        let last = world.status().last.as_ref().expect("a job is done");
        assert_eq!(last.result == LastResult::Large, large);
        assert_eq!(world.status().phase(None).as_str(), "succeeded");
    }
    assert!(World::new().state.status(&name("processing")).is_none());
}

#[test]
fn two_jobs_of_one_resource_never_hold_the_same_slot() {
    let mut world = World::with(&json!({"processing": {"operation": "a", "overlap": "allow"}}));
    world.post("a", json!({})).expect("others are allowed beside it");
    let (one, other) = (world.id(0), world.id(1));
    world
        .happen(Event::Claimed { job: one, grant: Grant { slot: Some(0), ..Grant::default() } })
        .expect("the slot is free");
    assert_eq!(
        world.happen(Event::Claimed { job: other, grant: Grant { slot: Some(0), ..Grant::default() } }),
        Err(Refused::NotReady)
    );
    world
        .happen(Event::Claimed { job: other, grant: Grant { slot: Some(1), ..Grant::default() } })
        .expect("this one is free");
}
