//! What jobs are counted by, and what becomes of those whose time is over.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Event, Ready, Refused};
use super::world::{BEGINNING, World, operation};
use crate::domain::condition::Reason;
use crate::domain::expression::Template;
use crate::domain::job::{AttemptOutcome, Ending, Grant, JobError, JobPhase};
use crate::domain::limit::{Concurrency, LimitKey};
use crate::domain::operation::Operation;
use crate::domain::retry::{Never, RetryPolicy};
use crate::domain::time::Timestamp;

/// A world with `a` as it is made here.
fn world(members: &Value, change: impl FnOnce(&mut Operation)) -> World {
    let mut world = World::new();
    let mut changed = operation("a");
    change(&mut changed);
    world.catalog.operations.insert(changed.name.clone(), Arc::new(changed));
    world.put(members);
    world
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(after: u64) -> Timestamp {
    BEGINNING.after(seconds(after))
}

fn wake_at(world: &World) -> Option<Timestamp> {
    world.state.observed.as_ref()?.wake_at()
}

fn error(world: &World, number: usize) -> Option<&str> {
    world.job(number).error.as_ref().map(|error| error.reason.as_str())
}

const ASKED: &str = "processing";

fn asked(more: Value) -> Value {
    let mut document = json!({ ASKED: {"operation": "a", "input": {}} });
    for (member, value) in more.as_object().expect("an object") {
        document[member] = value.clone();
    }
    document
}

fn per(expression: &str, limit: u32) -> impl FnOnce(&mut Operation) {
    let per = Template::expression(expression).expect("an expression");
    move |operation| operation.concurrency = Some(Concurrency { limit, per: Some(per) })
}

fn counted_by(world: &World) -> Option<LimitKey> {
    world.status().active[0].ready.as_ref().expect("it may be claimed").limit_key.clone()
}

#[test]
fn a_job_is_counted_by_what_the_document_says_now_until_it_starts() {
    let mut world = world(&asked(json!({"owner": "ann"})), per("resource.owner", 1));
    assert_eq!(counted_by(&world), Some(LimitKey::of(Some("ann"))));
    world.put(&asked(json!({"owner": "bob"})));
    assert_eq!(counted_by(&world), Some(LimitKey::of(Some("bob"))));
    world.claim(0).expect("it is ready");
    world.put(&asked(json!({"owner": "ann"})));
    let grant = Grant { slot: Some(0), ..Grant::default() };
    let token = world.token(0);
    assert_eq!(world.job(0).attempts[0].limit_key, None, "it took no slot");
    let ending = Ending::new(AttemptOutcome::Succeeded);
    world.happen(Event::Ended { job: world.id(0), token, ending: Box::new(ending) }).expect("it runs");
    world.post("a", json!({})).expect("it may");
    world.happen(Event::Claimed { job: world.id(1), grant }).expect("it is ready");
    assert_eq!(world.job(1).attempts[0].limit_key, Some(LimitKey::of(Some("ann"))));
    world.end(1, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!((world.job(1).attempts[0].slot, &world.job(1).attempts[0].limit_key), (None, &None));
}

#[test]
fn jobs_can_be_counted_by_their_input_and_those_without_a_text_are_counted_together() {
    for (expression, input, text) in [
        ("input.customer", json!({"customer": 7}), Some("7")),
        ("input.customer + '/' + job.operation", json!({"customer": "x"}), Some("x/a")),
        ("input.customer", json!({}), None),
        ("input.customer", json!({"customer": null}), None),
        ("input.customer", json!({"customer": ["x"]}), None),
    ] {
        let mut world = world(&json!({}), per(expression, 1));
        world.post("a", input.clone()).expect("it may");
        assert_eq!(counted_by(&world), Some(LimitKey::of(text)), "{expression} of {input}");
    }
    assert_ne!(LimitKey::of(Some("")), LimitKey::of(None));
    assert_eq!(LimitKey::from_text(LimitKey::of(None).as_str()), Some(LimitKey::of(None)));
}

#[test]
fn two_jobs_of_a_resource_take_the_same_slot_only_where_they_are_counted_by_different_things() {
    let mut world = world(&json!({}), per("input.customer", 1));
    for customer in ["x", "x", "y"] {
        world.post("a", json!({"customer": customer})).expect("it may");
    }
    let grant = Grant { slot: Some(0), ..Grant::default() };
    let claim =
        |world: &mut World, number: usize| world.happen(Event::Claimed { job: world.id(number), grant: grant.clone() });
    claim(&mut world, 0).expect("it is free");
    assert_eq!(claim(&mut world, 1), Err(Refused::NotReady));
    world.cancel(1).expect("it waits");
    claim(&mut world, 2).expect("it is another one's");
}

#[test]
fn a_job_of_which_no_attempt_begins_in_time_fails() {
    let mut world = world(&asked(json!({})), |a| a.start_deadline = Some(seconds(30)));
    assert_eq!((world.job(0).start_by, wake_at(&world)), (Some(at(30)), Some(at(30))));
    world.pass(seconds(29));
    world.look();
    assert_eq!(world.story(), "queued*");
    world.pass(seconds(1));
    world.look();
    assert_eq!((world.story().as_str(), error(&world, 0)), ("failed", Some("StartDeadlineExceeded")));
    assert_eq!((world.reason(), wake_at(&world)), (Reason::Settled, None));
    assert!(world.status().last.as_ref().is_some_and(|last| last.phase == JobPhase::Failed));
}

#[test]
fn the_time_to_start_is_over_with_the_first_attempt() {
    let mut world = world(&asked(json!({})), |a| {
        a.start_deadline = Some(seconds(30));
        a.retry = RetryPolicy { attempts: 2, ..RetryPolicy::default() };
    });
    world.claim(0).expect("it is ready");
    assert_eq!(wake_at(&world), None);
    world.pass(seconds(60));
    world.end(0, AttemptOutcome::Failed).expect("it runs");
    world.look();
    assert_eq!(world.job(0).phase, JobPhase::Queued, "it waits for its second attempt");
}

#[test]
fn a_job_that_is_not_done_in_time_is_stopped_and_has_failed() {
    let mut world = world(&asked(json!({})), |a| a.deadline = Some(seconds(60)));
    world.claim(0).expect("it is ready");
    assert_eq!(wake_at(&world), Some(at(60)));
    world.pass(seconds(60));
    world.look();
    assert_eq!((world.story().as_str(), wake_at(&world)), ("canceling (deadline)", None));
    world.end(0, AttemptOutcome::Canceled).expect("it stops");
    assert_eq!((world.job(0).phase, error(&world, 0)), (JobPhase::Failed, Some("DeadlineExceeded")));
}

#[test]
fn a_job_that_did_its_work_while_it_was_stopped_for_being_late_did_its_work() {
    let mut world = world(&asked(json!({})), |a| a.deadline = Some(seconds(60)));
    world.claim(0).expect("it is ready");
    world.pass(seconds(60));
    world.look();
    world.end(0, AttemptOutcome::Succeeded).expect("it ends");
    assert_eq!((world.job(0).phase, error(&world, 0)), (JobPhase::Succeeded, None));
}

#[test]
fn a_job_that_waits_when_its_time_is_over_fails() {
    let mut world = world(&asked(json!({"processing": {"operation": "a", "suspend": true}})), |_| {});
    world.put(&asked(json!({})));
    let mut late = world.clone();
    late.withdraw("a");
    late.pass(seconds(1000));
    late.look();
    assert_eq!(late.story(), "queued", "it has no end");
    let mut world = self::world(&asked(json!({})), |a| a.deadline = Some(seconds(60)));
    world.pass(seconds(60));
    world.look();
    assert_eq!((world.story().as_str(), error(&world, 0)), ("failed", Some("DeadlineExceeded")));
}

#[test]
fn no_attempt_is_waited_for_that_would_begin_when_the_time_is_over() {
    let mut world = world(&asked(json!({})), |a| {
        a.deadline = Some(seconds(60));
        a.retry = RetryPolicy { attempts: 9, backoff: seconds(40), ..RetryPolicy::default() };
    });
    world.claim(0).expect("it is ready");
    world.pass(seconds(10));
    world.end(0, AttemptOutcome::Failed).expect("it runs");
    assert_eq!(world.job(0).phase, JobPhase::Queued);
    let not_before = world.job(0).not_before.expect("it waits");
    assert!(not_before < at(60));
    world.now = not_before;
    world.look();
    world.claim(0).expect("it is ready");
    world.end(0, AttemptOutcome::Failed).expect("it runs");
    assert_eq!((world.job(0).phase, error(&world, 0)), (JobPhase::Failed, Some("Failed")));
}

#[test]
fn an_attempt_says_when_another_one_is_welcome_and_whether_it_is() {
    let policy =
        || RetryPolicy { attempts: 5, never: vec![Never::Reason("Gone".to_owned())], ..RetryPolicy::default() };
    let ended = |ending: Ending| {
        let mut world = world(&asked(json!({})), |a| a.retry = policy());
        world.pass(seconds(1));
        world.claim(0).expect("it is ready");
        world.end_with(0, ending).expect("it runs");
        world
    };
    let failed = || Ending::new(AttemptOutcome::Failed);
    let world = ended(Ending { retry_after: Some(seconds(100)), ..failed() });
    assert_eq!((world.job(0).not_before, world.reason()), (Some(at(101)), Reason::Backoff));
    assert_eq!(wake_at(&world), Some(at(101)));
    let world = ended(Ending { fatal: true, ..failed() });
    assert_eq!((world.story().as_str(), error(&world, 0)), ("failed", Some("Failed")));
    let because = |reason: &str| JobError::new(reason, "why");
    let world = ended(Ending { error: Some(because("Gone")), ..failed() });
    assert_eq!((world.story().as_str(), error(&world, 0)), ("failed", Some("Gone")));
    let world = ended(Ending { error: Some(because("Busy")), ..failed() });
    assert_eq!(world.story(), "queued");
}

#[test]
fn a_document_asks_for_more_attempts_and_more_time_only_as_far_as_the_operator_lets_it() {
    let wish = json!({"processing": {"operation": "a", "retry": {"attempts": 50}, "timeout": "1h"}});
    for (most, timeout, attempts, longest) in
        [(100, None, 50, 3600), (4, None, 4, 3600), (100, Some(60), 50, 60), (100, Some(7200), 50, 3600)]
    {
        let world = world(&wish, |a| {
            a.attempts_max = most;
            a.timeout = timeout.map(seconds);
        });
        let job = world.job(0);
        assert_eq!(job.retry.as_ref().map(|retry| retry.attempts), Some(attempts));
        let operation = &world.catalog.operations[&job.operation];
        assert_eq!(job.timeout(operation), Some(seconds(longest)), "{most} {timeout:?}");
    }
}

#[test]
fn the_condition_says_until_when_a_job_waits() {
    let mut world = world(&asked(json!({})), |a| a.retry = RetryPolicy { attempts: 2, ..RetryPolicy::default() });
    world.pass(seconds(1));
    world.claim(0).expect("it is ready");
    world
        .end_with(0, Ending { retry_after: Some(seconds(90)), ..Ending::new(AttemptOutcome::Failed) })
        .expect("it runs");
    let shown: Value = serde_json::from_str(&super::shown::shown(&world)).expect("it is JSON");
    let condition = &shown["status"]["conditions"][0];
    assert_eq!(condition["reason"], "Backoff");
    assert_eq!(condition["message"], json!(format!("a job waits for its next attempt, until {}", at(91))));
    assert_eq!(shown["status"]["processing"]["active"][0]["notBefore"], json!(at(91)));
}

#[test]
fn a_job_that_waits_is_of_the_priority_of_its_operation_and_keeps_its_turn() {
    let mut world = world(&asked(json!({})), |_| {});
    let ready = |world: &World| world.status().active[0].ready.clone().expect("it may be claimed");
    let before = ready(&world);
    world.pass(seconds(60));
    let declared = operation("a");
    world.catalog.operations.insert(declared.name.clone(), Arc::new(Operation { priority: 7, ..declared }));
    world.look();
    assert_eq!(ready(&world), Ready { priority: 7, ..before });
}
