//! Jobs that leave no record.

use serde_json::json;

use super::super::{Event, Refused};
use super::world::{World, name};
use crate::domain::job::{AttemptOutcome, Refusal};
use crate::domain::operation::Keep;

/// A world in which a job was asked for and done, and one that leaves no record was posted.
fn posted() -> World {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.work(0);
    world.post_to_be(Keep::Nothing, "b", json!({})).expect("there is room");
    world
}

fn forget(world: &mut World, number: usize) -> Result<(), Refused> {
    let job = world.id(number);
    world.happen(Event::Forgotten { job })
}

fn keep(world: &mut World, number: usize) -> Result<(), Refused> {
    let job = world.id(number);
    world.happen(Event::Kept { job })
}

const TOO_EARLY_OR_LATE: Result<(), Refused> = Err(Refused::Job(Refusal::WrongPhase));

#[test]
fn a_job_that_leaves_no_record_is_seen_while_it_runs_and_never_is_the_last_one() {
    let mut world = posted();
    let last = world.status().last.clone();
    assert_eq!(world.status().active.len(), 1);
    world.claim(1).expect("it is ready");
    world.end(1, AttemptOutcome::Failed).expect("it runs");
    assert_eq!(world.status().active.len(), 0);
    assert_eq!(world.status().last, last, "the status names a job that will not be there");
    assert!(world.reason().is_settled());
    forget(&mut world, 1).expect("it is over");
    assert_eq!(world.story(), "succeeded");
    assert_eq!(world.status().last, last);
}

#[test]
fn only_a_finished_job_that_was_to_leave_no_record_is_forgotten() {
    let mut world = posted();
    assert_eq!(forget(&mut world, 0), TOO_EARLY_OR_LATE, "one that is kept");
    assert_eq!(forget(&mut world, 1), TOO_EARLY_OR_LATE, "one that waits");
    world.claim(1).expect("it is ready");
    assert_eq!(forget(&mut world, 1), TOO_EARLY_OR_LATE, "one that runs");
    world.end(1, AttemptOutcome::Succeeded).expect("it runs");
    let job = world.id(1);
    assert_eq!(forget(&mut world, 1), Ok(()));
    assert_eq!(world.happen(Event::Forgotten { job }), Err(Refused::Absent), "one that is forgotten");
}

#[test]
fn a_job_that_is_kept_after_all_ends_as_every_job_does() {
    let mut world = posted();
    keep(&mut world, 1).expect("it waits");
    world.work(1);
    assert_eq!(world.status().last.as_ref().map(|last| last.id), Some(world.id(1)));
    assert_eq!(forget(&mut world, 1), TOO_EARLY_OR_LATE);
    assert_eq!(keep(&mut world, 1), TOO_EARLY_OR_LATE, "final is final");
}

#[test]
fn a_job_that_leaves_no_record_is_forgotten_after_its_resource_is_gone() {
    let mut world = posted();
    world.claim(1).expect("it is ready");
    world.happen(Event::DeleteAsked).expect("it is there");
    world.end(1, AttemptOutcome::Canceled).expect("it runs");
    assert!(world.state.desired.is_none());
    forget(&mut world, 1).expect("it is over");
    assert_eq!(world.story(), "succeeded");
    assert_eq!(world.state.status(&name("processing")), None);
}
