//! Collections that are out of service, and back again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Event, Fate, Refused};
use super::schedules::scheduled;
use super::world::{World, name, operation};
use crate::domain::catalog::{Availability, Collection};
use crate::domain::condition::Reason;
use crate::domain::effect::{Effect, Effects, FollowUp};
use crate::domain::job::{AttemptOutcome, Ending, Grant, JobPhase, Remote};
use crate::domain::operation::{Keep, Operation, RunnerSpec, WorkerSpec};

impl World {
    /// The operator takes the collection out of service, or in again.
    fn make(&mut self, availability: Availability) {
        self.declare(Collection { availability, ..self.declared() });
    }

    fn retire(&mut self) {
        self.make(Availability::Retired);
        self.heed();
    }

    fn restore(&mut self) {
        self.make(Availability::Served);
        self.heed();
    }
}

fn asking(operation: &str) -> Value {
    json!({ "processing": { "operation": operation } })
}

/// A world in which the document asks, and whose job got so far.
fn world(stage: &str) -> World {
    let mut world = World::with(&asking(if stage == "waits for another attempt" { "flaky" } else { "a" }));
    if stage != "waits" {
        world.claim(0).expect("it is ready");
    }
    match stage {
        "succeeded" => world.end(0, AttemptOutcome::Succeeded).expect("it runs"),
        "failed" | "waits for another attempt" => world.end(0, AttemptOutcome::Failed).expect("it runs"),
        "was cancelled" => {
            world.cancel(0).expect("it runs");
            world.end(0, AttemptOutcome::Canceled).expect("it runs");
        }
        _ => {}
    }
    world
}

#[test]
fn what_runs_is_cancelled_and_what_did_not_succeed_is_asked_for_again_once_it_is_back() {
    for (stage, out, back) in [
        ("waits", "canceled (retired)", "canceled (retired), queued*"),
        ("runs", "canceling (retired)", "canceled (retired), queued*"),
        ("waits for another attempt", "canceled (retired)", "canceled (retired), queued*"),
        ("failed", "failed", "failed, queued*"),
        ("was cancelled", "canceled (requested)", "canceled (requested), queued*"),
        ("succeeded", "succeeded", "succeeded"),
    ] {
        let mut world = world(stage);
        world.retire();
        assert_eq!(world.story(), out, "{stage}");
        if stage == "runs" {
            assert_eq!(world.reason(), Reason::JobCanceling);
            world.end(0, AttemptOutcome::Canceled).expect("it was told to stop");
        }
        assert_eq!(world.reason(), Reason::Settled, "{stage}");
        let at_rest = world.state.observed.clone();
        world.pass(Duration::from_secs(3600));
        world.look();
        assert_eq!(world.state.observed, at_rest, "{stage}: there is nothing more to do");
        world.restore();
        assert_eq!(world.story(), back, "{stage}");
    }
}

#[test]
fn a_job_that_does_its_work_before_it_is_stopped_has_done_it() {
    let mut world = world("runs");
    world.retire();
    world.end(0, AttemptOutcome::Succeeded).expect("it runs");
    world.restore();
    assert_eq!((world.story().as_str(), world.fate()), ("succeeded (retired)", Some(Fate::Succeeded)));
}

#[test]
fn jobs_that_were_posted_are_cancelled_whatever_the_document_has() {
    for document in [json!({}), asking("a"), json!({"processing": 7})] {
        let mut world = World::new();
        world.put(&document);
        world.post("b", json!({})).expect("it is accepted");
        world.post("b", json!({})).expect("it is accepted");
        world.retire();
        let story = world.story();
        assert!(story.split(", ").all(|job| job == "canceled (retired)"), "{document}: {story}");
        assert_eq!(world.reason(), Reason::Settled, "{document}");
        world.restore();
        let pending = world.jobs.values().filter(|job| job.phase == JobPhase::Queued).count();
        let asked = usize::from(document == asking("a"));
        assert_eq!(pending, asked, "{document}: what was posted was asked for once");
    }
}

#[test]
fn nothing_begins_while_it_is_out_of_service() {
    let mut world = world("waits");
    world.make(Availability::Retired);
    // Nobody has looked since: the job is still in the queue.
    assert_eq!(world.story(), "queued*");
    world.claim(0).expect("it is heard");
    assert_eq!((world.story().as_str(), world.job(0).attempts.len()), ("canceled (retired)", 0));
    let refused = world.post("a", json!({}));
    assert_eq!(refused, Err(Refused::Absent));
    let silent = Event::Launched {
        activity: name("review"),
        operation: "a".parse().expect("a name"),
        input: json!({}),
        keep: Keep::Nothing,
    };
    assert_eq!(world.happen(silent), Err(Refused::Absent));
}

#[test]
fn nothing_follows_a_job_that_ends_while_it_is_out_of_service() {
    let mut world = world("runs");
    let known = world.catalog.operations.get_mut(&world.job(0).operation.clone()).expect("it is declared");
    let launch = Some(FollowUp { operation: "b".parse().expect("a name"), input: None });
    let effects = Effects { success: Effect { merge: None, launch }, failure: Effect::default() };
    *known = Arc::new(Operation { effects, ..Operation::clone(known) });
    // The end is heard of before anybody has looked.
    world.make(Availability::Retired);
    world.end(0, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!(world.story(), "succeeded");
    world.restore();
    assert_eq!(world.story(), "succeeded");
}

#[test]
fn a_failed_attempt_is_followed_by_none_while_it_is_out_of_service() {
    let mut world = World::with(&asking("flaky"));
    world.claim(0).expect("it is ready");
    world.make(Availability::Retired);
    world.end(0, AttemptOutcome::Failed).expect("it runs");
    assert_eq!((world.story().as_str(), world.wake_at()), ("canceled (retired)", None));
}

#[test]
fn a_worker_learns_of_it_with_its_next_sign_of_life() {
    let mut world = World::new();
    let lease = Duration::from_secs(30);
    let render = Operation { runner: RunnerSpec::Worker(WorkerSpec { lease }), ..operation("render") };
    world.catalog.operations.insert(render.name.clone(), Arc::new(render));
    world.put(&asking("render"));
    let remote = Remote { worker: Some("w1".to_owned()), lease_ms: Some(30_000), until: None, location: None };
    let grant = Grant { remote: Some(remote), ..Grant::default() };
    world.happen(Event::Claimed { job: world.id(0), grant }).expect("it waits");
    world.make(Availability::Retired);
    let (job, token) = (world.id(0), world.token(0));
    world.happen(Event::Reported { job, token, progress: None, ending: None }).expect("it is leased");
    assert_eq!(world.story(), "canceling (retired)");
    let ending = Some(Box::new(Ending::new(AttemptOutcome::Canceled)));
    world.happen(Event::Reported { job, token, progress: None, ending }).expect("it is leased");
    assert_eq!((world.story().as_str(), world.reason()), ("canceled (retired)", Reason::Settled));
}

#[test]
fn ticks_pass_as_one_run_and_the_schedule_goes_on_with_the_next_one() {
    for missed in ["latest", "skip", "all"] {
        let mut world = World::with(&scheduled(json!({"every": "10s", "missed": missed}), json!({})));
        world.run(10);
        world.work(0);
        world.seconds(5);
        world.retire();
        assert_eq!(world.wake_at(), None, "{missed}: nobody waits for ticks");
        // It is looked at now and then, or not at all.
        world.seconds(20);
        world.look();
        world.seconds(10);
        assert_eq!(world.ledger(), "10 launched, 20-30 suspended x2", "{missed}");
        world.restore();
        assert_eq!(world.ledger(), "10 launched, 20-40 suspended x3", "{missed}");
        assert_eq!(world.scheduled().off, None, "{missed}: nothing was missed");
        world.run(5);
        assert_eq!(world.ledger(), "10 launched, 20-40 suspended x3, 50 launched", "{missed}");
        assert_eq!(world.story(), "succeeded, queued*", "{missed}");
    }
}

#[test]
fn what_happens_first_once_it_is_back_comes_after_the_ticks_of_the_time_before() {
    for (name, first) in [("a change", true), ("a job that is asked for", false)] {
        let mut world = World::with(&scheduled(json!({"every": "10s"}), json!({"overlap": "allow"})));
        world.retire();
        world.seconds(35);
        world.make(Availability::Served);
        if first {
            world.put(&scheduled(json!({"every": "1m"}), json!({})));
        } else {
            world.post("a", json!({})).expect("it is in service");
        }
        assert_eq!(world.ledger(), "10-30 suspended x3", "{name}");
        assert!(!world.scheduled().retired, "{name}");
    }
}

#[test]
fn an_operator_need_not_repeat_what_was_declared() {
    let mut world = World::with(&scheduled(json!({"every": "10s"}), json!({})));
    world.put(&json!({
        "processing": {"operation": "a", "schedule": {"every": "10s"}},
        "review": {"operation": "a"},
    }));
    world.work(0);
    let whole = world.catalog.clone();
    world.declare(Collection { activities: Vec::new(), ..world.declared() });
    world.catalog.operations.clear();
    world.retire();
    world.seconds(25);
    world.catalog = whole;
    world.restore();
    assert_eq!(world.story(), "succeeded", "what was done is not done again");
    assert_eq!(world.ledger(), "10-20 suspended x2");
    world.run(5);
    assert_eq!(world.ledger(), "10-20 suspended x2, 30 launched");
}

#[test]
fn a_schedule_that_is_another_one_once_it_is_back_ends_the_one_before_as_suspended() {
    let mut world = World::with(&scheduled(json!({"every": "10s"}), json!({})));
    world.retire();
    world.seconds(25);
    // The document no longer means anything by it.
    world.declare(Collection { activities: Vec::new(), ..world.declared() });
    world.restore();
    assert_eq!((world.ledger().as_str(), world.wake_at()), ("10-20 suspended x2", None));
}

#[test]
fn a_resource_that_is_being_deleted_goes_all_the_same() {
    let mut world = world("runs");
    world.happen(Event::DeleteAsked).expect("it is there");
    world.retire();
    assert_eq!((world.story().as_str(), world.reason()), ("canceling (deleted)", Reason::Deleting));
    world.end(0, AttemptOutcome::Canceled).expect("it was told to stop");
    assert_eq!(world.state.desired, None);
}
