//! Editing the list of an activity's jobs, and what its jobs wait for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::waiting::{WaitReason, Waiting, waiting};
use super::super::{Event, Launch, Refused, job_list};
use super::world::{World, name};
use crate::domain::job::AttemptOutcome;
use crate::domain::limit::Concurrency;
use crate::domain::operation::{Keep, Operation};
use crate::domain::version::Revision;

fn edit(world: &mut World, cancel: &[usize], launch: &[&str]) -> Result<(), Refused> {
    let cancel = cancel.iter().map(|number| world.id(*number)).collect();
    let launch = launch.iter().map(|operation| operation.parse().expect("a name"));
    let launch = launch.map(|operation| Launch { operation, input: json!({}) }).collect();
    world.happen(Event::JobsEdited { activity: name("processing"), cancel, launch, fingerprint: [1; 32] })
}

fn version(world: &World) -> Revision {
    let uid = world.state.desired.as_ref().expect("it is there").uid;
    job_list::version(uid, &name("processing"), world.state.status(&name("processing")))
}

#[test]
fn an_edit_cancels_and_launches_at_once() {
    let mut world = World::with(&json!({}));
    edit(&mut world, &[], &["a", "b"]).expect("it may");
    assert_eq!(world.story(), "queued*, queued");
    world.claim(0).expect("it is ready");
    edit(&mut world, &[0, 1], &["a"]).expect("it may");
    assert_eq!(world.story(), "canceling (requested), canceled (requested), queued*");
    // Who is told once need not be told twice.
    edit(&mut world, &[0], &[]).expect("it may");
    assert_eq!(world.story(), "canceling (requested), canceled (requested), queued*");
}

#[test]
fn an_edit_of_which_a_part_is_refused_does_nothing() {
    let mut world = World::with(&json!({"processing": {"operation": "a", "overlap": "queue"}}));
    world.claim(0).expect("it is ready");
    // The first would wait for the job that runs, and the second for the first.
    assert!(matches!(edit(&mut world, &[], &["a", "b"]), Err(Refused::Overlap(_))));
    assert_eq!(world.story(), "starting");
    world.put(&json!({"processing": {"operation": "a", "suspend": true}}));
    assert!(matches!(edit(&mut world, &[0], &["a"]), Err(Refused::NotAccepting(_))));
    assert_eq!(world.story(), "starting");
    edit(&mut world, &[0], &[]).expect("a job can always be cancelled");
    assert_eq!(world.story(), "canceling (requested)");
}

#[test]
fn a_list_has_another_version_when_a_job_comes_or_goes_and_not_while_one_works() {
    let mut world = World::with(&json!({"processing": {"operation": "flaky"}}));
    let mut versions = vec![version(&world)];
    world.claim(0).expect("it is ready");
    let token = world.token(0);
    world.happen(Event::Started { job: world.id(0), token }).expect("it was claimed");
    let (fraction, message) = (Some(0.5), None);
    world.happen(Event::Progressed { job: world.id(0), token, fraction, message }).expect("it runs");
    world.end(0, AttemptOutcome::Failed).expect("it runs");
    world.pass(Duration::from_secs(3600));
    world.look();
    world.claim(0).expect("it is tried again");
    assert_eq!(version(&world), versions[0], "it waited, ran, reported and was tried again");
    edit(&mut world, &[], &["a"]).expect("it may");
    versions.push(version(&world));
    edit(&mut world, &[0], &[]).expect("it may");
    versions.push(version(&world));
    world.end(0, AttemptOutcome::Canceled).expect("it runs");
    versions.push(version(&world));
    world.work(1);
    versions.push(version(&world));
    world.happen(Event::DeleteAsked).expect("it is there");
    world.put(&json!({}));
    versions.push(version(&world));
    let all = versions.len();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), all, "each is another one");
}

#[test]
fn an_edit_is_known_until_a_client_changes_the_list_in_another_way() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    let known = |world: &World| world.status().edited.is_some();
    assert!(!known(&world));
    edit(&mut world, &[], &["a", "a"]).expect("it may");
    world.work(0);
    assert!(known(&world), "a job has done its work, which is no change of a client");
    assert_eq!(world.status().edited.as_deref(), Some("01".repeat(32).as_str()));
    world.happen(Event::CancelAsked { job: world.id(1) }).expect("it waits");
    assert!(!known(&world));
    edit(&mut world, &[2], &[]).expect("it may");
    assert!(known(&world));
    let (activity, operation) = (name("processing"), "a".parse().expect("a name"));
    world.happen(Event::Launched { activity, operation, input: json!({}), keep: Keep::Record }).expect("it may");
    assert!(!known(&world));
}

fn wait(world: &World, number: usize) -> Option<Waiting> {
    waiting(&world.state, world.id(number), &world.catalog, world.now)
}

/// The state as it is loaded: with every unfinished job.
fn reason(world: &World, number: usize) -> Option<WaitReason> {
    wait(world, number).map(|waiting| waiting.reason)
}

#[test]
fn a_job_waits_for_what_its_condition_says() {
    let mut world = World::with(&json!({"processing": {"operation": "flaky"}}));
    assert_eq!(reason(&world, 0), Some(WaitReason::Queued));
    world.put(&json!({"processing": {"operation": "flaky", "suspend": true}}));
    assert_eq!(reason(&world, 0), Some(WaitReason::Suspended));
    world.put(&json!({"processing": {"operation": "flaky"}}));
    world.withdraw("flaky");
    world.look();
    assert_eq!(reason(&world, 0), Some(WaitReason::UnknownOperation));
    world.catalog = super::world::catalog();
    world.look();
    world.claim(0).expect("it is ready");
    assert_eq!(reason(&world, 0), None, "it is tried");
    world.pass(Duration::from_secs(10));
    world.end(0, AttemptOutcome::Failed).expect("it runs");
    let backoff = wait(&world, 0).expect("it waits");
    assert_eq!((backoff.reason, backoff.since), (WaitReason::Backoff, world.now));
    world.put(&json!({"processing": {"operation": "a", "overlap": "queue"}}));
    assert_eq!(world.story(), "queued, queued");
    assert_eq!(reason(&world, 1), Some(WaitReason::Overlap));
}

#[test]
fn of_the_jobs_of_an_activity_one_waits_for_its_turn_and_the_others_for_that_one() {
    let mut world = World::with(&json!({}));
    edit(&mut world, &[], &["a", "b"]).expect("it may");
    assert_eq!(world.story(), "queued*, queued");
    assert_eq!(reason(&world, 0), Some(WaitReason::Queued));
    assert_eq!(reason(&world, 1), Some(WaitReason::Order));
    world.claim(0).expect("it is ready");
    assert_eq!(reason(&world, 1), Some(WaitReason::Queued));
}

#[test]
fn who_may_be_claimed_waits_for_a_slot_if_none_is_left() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    let among = |world: &World, running| wait(world, 0).expect("it waits").among(running);
    assert_eq!(among(&world, 1000), WaitReason::Queued, "its operation has no limit");
    let limited = Operation { concurrency: Some(Concurrency::of(2)), ..super::world::operation("a") };
    world.catalog.operations.insert(limited.name.clone(), Arc::new(limited));
    assert_eq!(wait(&world, 0).expect("it waits").limit, Some(2));
    assert_eq!(among(&world, 1), WaitReason::Queued);
    assert_eq!(among(&world, 2), WaitReason::Concurrency);
    world.put(&json!({"processing": {"operation": "a", "suspend": true}}));
    assert_eq!(among(&world, 2), WaitReason::Suspended, "it may not be claimed at all");
}
