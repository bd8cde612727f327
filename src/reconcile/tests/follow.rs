//! Jobs that follow the ends of others.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Event, Fate, Phase, show};
use super::world::{World, name};
use crate::domain::catalog::{ActivitySpec, Collection};
use crate::domain::condition::Reason;
use crate::domain::effect::{Effect, Effects, FOLLOW_UPS_MAX, FollowUp};
use crate::domain::expression::{Expression, Variable};
use crate::domain::job::{AttemptOutcome, Ending, TriggerKind, WorkPatch};
use crate::domain::operation::Operation;
use crate::domain::version::Generation;

fn expression(text: &str) -> Expression {
    let variables = [Variable::Document, Variable::Status, Variable::Resource, Variable::Now, Variable::Job];
    Expression::parse(text, &variables).expect("an expression")
}

fn launch(operation: &str, input: &str) -> Effect {
    let input = (!input.is_empty()).then(|| expression(input));
    Effect { merge: None, launch: Some(FollowUp { operation: operation.parse().expect("a name"), input }) }
}

fn success(success: Effect) -> Effects {
    Effects { success, failure: Effect::default() }
}

/// A world whose activity `processing` has these effects.
fn world(effects: Effects) -> World {
    let mut world = World::new();
    let collection = Collection {
        observed: vec!["/count".parse().expect("a pointer")],
        activities: vec![ActivitySpec { effects, ..ActivitySpec::new(name("processing")) }],
        ..Collection::new("videos".parse().expect("a name"))
    };
    world.catalog.collections.insert(collection.name.clone(), Arc::new(collection));
    world
}

/// Lets an operation have effects.
fn declare(world: &mut World, operation: &str, effects: Effects) {
    let operation = operation.parse().expect("a name");
    let known = world.catalog.operations.get_mut(&operation).expect("it is declared");
    *known = Arc::new(Operation { effects, ..Operation::clone(known) });
}

fn asking(operation: &str) -> Value {
    json!({"email": "a@example.com", "processing": {"operation": operation}})
}

/// Why the effects of the last job were refused.
fn refused(world: &World) -> Option<&str> {
    world.status().refused.as_ref().map(|refused| refused.detail.as_str())
}

fn phase(world: &World) -> Phase {
    world.status().phase(world.state.wanted(&name("processing"), &world.catalog).activity().as_ref())
}

#[test]
fn the_end_of_a_job_launches_what_follows_in_the_same_step() {
    let mut world = world(success(launch("b", "{'to': self.email, 'of': job.id, 'n': job.result.n}")));
    world.put(&asking("a"));
    world.claim(0).expect("it is ready");
    let ending = Ending { result: Some(json!({"n": 7})), ..Ending::new(AttemptOutcome::Succeeded) };
    world.end_with(0, ending).expect("it runs");
    assert_eq!((world.story().as_str(), world.reason()), ("succeeded, queued*", Reason::Queued));
    let (first, next) = (world.job(0).clone(), world.job(1).clone());
    assert_eq!(next.input, json!({"to": "a@example.com", "of": first.id, "n": 7}));
    assert_eq!((next.operation.as_str(), next.activity.as_str()), ("b", "processing"));
    assert_eq!(
        json!(show::job(&next, &world.catalog))["trigger"],
        json!({"kind": "follow", "generation": 1, "job": first.id, "depth": 1})
    );
    // What the document asked is answered by its own job, and by nothing else.
    assert_eq!(world.fate(), Some(Fate::Succeeded));
    assert_eq!(world.status().asked.as_ref().and_then(|asked| asked.job), Some(first.id));
    world.claim(1).expect("it is ready");
    assert_eq!(world.reason(), Reason::JobRunning);
    world.end(1, AttemptOutcome::Failed).expect("it runs");
    assert_eq!((world.story().as_str(), world.fate()), ("succeeded, failed", Some(Fate::Succeeded)));
    assert_eq!(world.state.desired.as_ref().map(|desired| desired.generation), Some(Generation::FIRST));
    assert_eq!((world.reason(), refused(&world)), (Reason::Settled, None));
}

#[test]
fn a_failed_and_a_lost_job_are_followed_too_and_what_follows_does_not_change_how_they_ended() {
    for outcome in [AttemptOutcome::Failed, AttemptOutcome::TimedOut, AttemptOutcome::Lost] {
        let effects = Effects { success: launch("a", ""), failure: launch("b", "{'why': job.error.reason}") };
        let mut world = world(effects);
        world.put(&asking("a"));
        world.claim(0).expect("it is ready");
        world.end(0, outcome).expect("it runs");
        let reason = &world.job(0).error.as_ref().expect("it failed").reason;
        assert_eq!(world.job(1).input, json!({"why": reason}), "{outcome:?}");
        world.work(1);
        assert_eq!((phase(&world), world.jobs.len()), (Phase::Failed, 2), "{outcome:?}");
        assert_eq!(world.status().last.as_ref().map(|last| last.id), Some(world.id(1)), "the newest is the last one");
        world.post("a", json!({})).expect("accepted");
        world.work(2);
        world.work(3);
        assert_eq!((phase(&world), world.jobs.len()), (Phase::Succeeded, 4), "{outcome:?}");
    }
}

#[test]
fn only_the_end_of_a_job_counts_and_not_that_of_an_attempt() {
    let mut world = world(Effects { success: Effect::default(), failure: launch("b", "") });
    world.put(&asking("flaky"));
    for _ in 0..3 {
        assert_eq!(world.jobs.len(), 1);
        world.claim(0).expect("it is ready");
        world.end(0, AttemptOutcome::Failed).expect("it runs");
        world.pass(Duration::from_secs(3600));
        world.look();
    }
    assert_eq!(world.story(), "failed, queued*");
}

#[test]
fn a_chain_of_follow_ups_has_an_end_and_says_so() {
    let mut world = world(Effects::default());
    declare(&mut world, "a", success(launch("a", "{'n': has(job.input.n) ? job.input.n + 1 : 1}")));
    world.put(&asking("a"));
    let mut number = 0;
    while number < world.jobs.len() {
        assert_eq!(refused(&world), None, "job {number}");
        world.work(number);
        number += 1;
    }
    assert_eq!(world.jobs.len(), 1 + FOLLOW_UPS_MAX as usize);
    let last = world.job(number - 1);
    assert_eq!(last.trigger.follows.map(|follows| follows.depth), Some(FOLLOW_UPS_MAX));
    assert_eq!(last.input, json!({"n": FOLLOW_UPS_MAX}));
    assert_eq!((world.reason(), phase(&world)), (Reason::Settled, Phase::Succeeded));
    assert_eq!(refused(&world), Some("no `a` follows: it would be the 9th in a row, and 8 are the most"));
    // Whoever asks again begins a chain of its own.
    world.post("a", json!({})).expect("accepted");
    world.work(number);
    assert_eq!((refused(&world), world.jobs.len()), (None, number + 2));
}

#[test]
fn operation_and_activity_have_their_effects_in_this_order_and_the_activity_none_of_follow_ups() {
    let counting = "{'count': (has(self.count) ? self.count : 0) + 1}";
    let mut world = world(success(Effect { merge: Some(expression(counting)), ..launch("b", "{'n': self.count}") }));
    let of_operation = Effect { merge: Some(expression("{'count': 10}")), ..launch("strict", "") };
    declare(&mut world, "a", success(of_operation));
    world.put(&asking("a"));
    world.work(0);
    assert_eq!(world.story(), "succeeded, queued*, queued");
    assert_eq!([1, 2].map(|number| world.job(number).operation.as_str()), ["strict", "b"]);
    assert_eq!(world.job(2).input, json!({"n": 11}), "an input sees what was merged");
    world.work(1);
    world.work(2);
    assert_eq!(world.story(), "succeeded, succeeded, succeeded");
    assert_eq!(members(&world), json!({"count": 11}));
}

#[test]
fn what_cannot_follow_leaves_the_outcome_alone_and_is_said() {
    for (name, operation, input, why) in [
        ("not declared", "gone", "", "no `gone` follows: the operation is not declared"),
        (
            "no value",
            "b",
            "{'to': self.nobody}",
            "no `b` follows: its input has no value: there is no member `self.nobody`",
        ),
        ("no object", "b", "job.id", "no `b` follows: its input is a string: expected an object"),
        ("not taken", "strict", "{'n': 'x'}", "no `strict` follows: its input is not what the operation takes: `/n`: "),
    ] {
        let merge = Some(expression("{'count': 1}"));
        let mut world = world(success(Effect { merge, ..launch(operation, input) }));
        world.put(&asking("a"));
        world.work(0);
        assert_eq!((world.story().as_str(), world.reason()), ("succeeded", Reason::Settled), "{name}");
        let refused = refused(&world).expect("it is said");
        assert!(refused.starts_with(why), "{name}: {refused}");
        assert_eq!(members(&world), json!({"count": 1}), "{name}: each effect stands for itself");
    }
}

#[test]
fn a_follow_up_needs_room_among_the_unfinished_jobs() {
    let mut world = world(success(launch("b", "")));
    world.put(&asking("a"));
    world.claim(0).expect("it is ready");
    while world.post("a", json!({})).is_ok() {}
    world.post("a", json!({})).expect_err("there is no room");
    world.end(0, AttemptOutcome::Succeeded).expect("it runs");
    // Its own place is free by then.
    assert_eq!(refused(&world), None);
    let full = world.jobs.len();
    world.claim(1).expect("it is ready");
    declare(&mut world, "a", success(launch("b", "")));
    world.end(1, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!(world.jobs.len(), full + 1, "there is one place for two");
    assert_eq!(refused(&world), Some("no `b` follows: the activity has as many unfinished jobs as it may have"));
}

#[test]
fn a_job_that_was_told_to_stop_is_followed_by_none_even_if_it_did_its_work() {
    type Stop = fn(&mut World);
    let stops: [(&str, Stop); 4] = [
        ("cancelled", |world| world.cancel(0).expect("it runs")),
        ("canceled: true", |world| world.put(&json!({"processing": {"operation": "a", "canceled": true}}))),
        ("removed", |world| world.put(&json!({}))),
        ("deleted", |world| world.happen(Event::DeleteAsked).expect("it is there")),
    ];
    for (name, stop) in stops {
        let merge = Some(expression("{'count': 1}"));
        let mut world = world(success(Effect { merge, ..launch("b", "") }));
        world.put(&asking("a"));
        world.claim(0).expect("it is ready");
        stop(&mut world);
        world.end(0, AttemptOutcome::Succeeded).expect("it runs");
        assert_eq!((world.jobs.len(), world.job(0).phase.as_str()), (1, "succeeded"), "{name}");
    }
}

#[test]
fn a_follow_up_is_stopped_with_its_activity_and_waits_while_that_is_suspended() {
    let mut world = world(success(launch("b", "")));
    let suspended = |suspend| json!({"processing": {"operation": "a", "suspend": suspend}});
    world.put(&suspended(false));
    world.claim(0).expect("it is ready");
    world.put(&suspended(true));
    world.end(0, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!((world.story().as_str(), world.reason()), ("succeeded, queued", Reason::Suspended));
    world.put(&suspended(false));
    assert_eq!(world.story(), "succeeded, queued*");
    world.claim(1).expect("it is ready");
    world.put(&json!({"processing": {"operation": "a", "canceled": true}}));
    assert_eq!(world.story(), "succeeded, canceling (canceled)");
    world.end(1, AttemptOutcome::Canceled).expect("it runs");
    assert_eq!(world.fate(), Some(Fate::Succeeded));
    // The work that was asked succeeded: it is not wanted again.
    world.put(&suspended(false));
    assert_eq!(world.story(), "succeeded, canceled (canceled)");
}

#[test]
fn overlap_is_about_what_is_triggered_and_does_not_see_follow_ups() {
    for (overlap, story) in [
        ("allow", "succeeded, running, queued*"),
        ("forbid", "succeeded, running, queued*"),
        ("queue", "succeeded, running, queued*"),
        ("replace", "succeeded, running, queued*"),
    ] {
        let asking = |trigger: u32| json!({"processing": {"operation": "a", "overlap": overlap, "trigger": trigger}});
        let mut world = world(success(launch("b", "")));
        world.put(&asking(1));
        world.work(0);
        world.claim(1).expect("it is ready");
        world.happen(Event::Started { job: world.id(1), token: world.token(1) }).expect("it starts");
        let mut posted = world.clone();
        posted.post("a", json!({})).expect("nothing is in its way");
        assert_eq!(posted.story(), story, "POST, {overlap}");
        world.put(&asking(2));
        assert_eq!(world.story(), story, "change, {overlap}");
        assert_eq!(world.job(2).trigger.kind, TriggerKind::Change);
        world.work(2);
    }
}

/// An ending whose work sets `count` to this.
fn counting(outcome: AttemptOutcome, count: u64) -> Ending {
    let mut patch = WorkPatch::default();
    patch.collect(json!([{"op": "add", "path": "/count", "value": count}]));
    Ending { patch: Some(patch), ..Ending::new(outcome) }
}

fn members(world: &World) -> Value {
    json!(world.state.observed.as_ref().expect("something happened").members)
}

#[test]
fn the_patch_of_the_work_counts_however_its_job_ends_and_before_what_the_operator_declared() {
    use AttemptOutcome::{Canceled, Failed, Lost, Succeeded, TimedOut};
    for outcome in [Succeeded, Failed, TimedOut, Lost, Canceled] {
        let mut world = world(Effects::default());
        world.put(&asking("a"));
        world.claim(0).expect("it is ready");
        if outcome == Canceled {
            world.cancel(0).expect("it runs");
        }
        world.end_with(0, counting(outcome, 7)).expect("it runs");
        assert_eq!((members(&world), refused(&world)), (json!({"count": 7}), None), "{outcome:?}");
        assert_eq!(world.state.desired.as_ref().map(|desired| desired.generation), Some(Generation::FIRST));
    }
    let merge = Some(expression("{'count': self.count + 1}"));
    let mut world = world(success(Effect { merge, ..launch("b", "{'n': self.count}") }));
    world.put(&asking("a"));
    world.claim(0).expect("it is ready");
    world.end_with(0, counting(Succeeded, 7)).expect("it runs");
    assert_eq!((members(&world), &world.job(1).input), (json!({"count": 8}), &json!({"n": 8})));
}

#[test]
fn the_patch_of_an_attempt_that_is_followed_by_another_is_lost_with_it() {
    let mut world = world(Effects::default());
    world.put(&asking("flaky"));
    world.claim(0).expect("it is ready");
    world.end_with(0, counting(AttemptOutcome::Failed, 1)).expect("it runs");
    assert_eq!(members(&world), json!({}));
    world.pass(Duration::from_secs(3600));
    world.look();
    world.claim(0).expect("it is ready");
    world.end_with(0, counting(AttemptOutcome::Succeeded, 2)).expect("it runs");
    assert_eq!(members(&world), json!({"count": 2}));
}

#[test]
fn a_patch_that_is_refused_keeps_no_other_effect_from_being_applied() {
    let mut world = world(success(Effect { merge: Some(expression("{'count': 1}")), ..launch("b", "") }));
    world.put(&asking("a"));
    world.claim(0).expect("it is ready");
    let mut patch = WorkPatch::default();
    patch.collect(json!([{"op": "add", "path": "/name", "value": 1}]));
    let ending = Ending { patch: Some(patch), ..Ending::new(AttemptOutcome::Succeeded) };
    world.end_with(0, ending).expect("it runs");
    assert_eq!((world.story().as_str(), members(&world)), ("succeeded, queued*", json!({"count": 1})));
    assert!(refused(&world).is_some_and(|detail| detail.contains("`/name`")));
    world.work(1);
    assert!(refused(&world).is_some(), "what has no effect takes nothing back");
}

#[test]
fn a_tick_is_launched_beside_a_follow_up() {
    let mut world = world(success(launch("b", "")));
    world.put(&json!({"processing": {"operation": "a", "schedule": {"every": "10m"}}}));
    world.pass(Duration::from_secs(600));
    world.look();
    world.work(0);
    world.claim(1).expect("it is ready");
    world.pass(Duration::from_secs(600));
    world.look();
    assert_eq!(world.story(), "succeeded, starting, queued*");
    assert_eq!(world.job(2).trigger.kind, TriggerKind::Schedule);
}

#[test]
fn a_follow_up_is_not_held_up_by_a_backlog() {
    let mut world = world(success(launch("b", "")));
    world.put(&asking("a"));
    for _ in 0..3 {
        world.post("a", json!({})).expect("accepted");
    }
    world.work(0);
    assert_eq!(world.story(), "succeeded, queued*, queued, queued, queued*");
    assert_eq!(world.job(4).trigger.kind, TriggerKind::Follow);
}
