//! For how long jobs are kept.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::keep::{Shelf, suspects};
use super::super::{Event, Refused};
use super::world::{World, name};
use crate::domain::catalog::Collection;
use crate::domain::id::JobId;
use crate::domain::job::{AttemptOutcome, Job, Refusal};
use crate::domain::operation::Keep;
use crate::domain::retention::Retention;

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

/// For how long jobs are kept in these tests.
const KEPT: Retention = Retention {
    succeeded: Duration::from_secs(100),
    failed: Duration::from_secs(300),
    per_activity: 3,
    ticks: Duration::from_secs(100),
    log: Duration::from_secs(100),
};

/// The numbers of the jobs that are to go now, as long as their resource is there or not.
fn going(world: &World, there: bool) -> Vec<usize> {
    let ids: Vec<JobId> = world.jobs.keys().rev().copied().collect();
    let suspects = suspects(&ids, &KEPT, world.now);
    let looked_at: Vec<Job> = suspects.iter().map(|id| world.jobs[id].clone()).collect();
    let shelf = Shelf { jobs: &ids, status: there.then(|| world.status()), catalog: &world.catalog };
    let gone = shelf.expired(&looked_at, &KEPT, world.now);
    gone.iter().map(|id| ids.len() - 1 - ids.iter().position(|other| other == id).expect("it is one of them")).collect()
}

/// A world in which these jobs were posted and ended, a second after each other.
fn history(outcomes: &[AttemptOutcome]) -> World {
    let mut world = World::with(&json!({}));
    for (number, outcome) in outcomes.iter().enumerate() {
        world.post("a", json!({})).expect("there is room");
        world.claim(number).expect("it is ready");
        world.pass(Duration::from_secs(1));
        if *outcome == AttemptOutcome::Canceled {
            world.cancel(number).expect("it runs");
        }
        world.end(number, *outcome).expect("it runs");
    }
    world
}

#[test]
fn jobs_go_by_how_they_ended_and_how_long_ago() {
    use AttemptOutcome::{Canceled, Failed, Lost, Succeeded};
    for (outcome, seconds) in
        [(Succeeded, 100), (Failed, 300), (Canceled, 300), (Lost, 300), (AttemptOutcome::TimedOut, 300)]
    {
        // The newest one stays; what is judged is the one before it.
        let mut world = history(&[outcome, Succeeded]);
        world.pass(Duration::from_secs(seconds - 2));
        assert_eq!(going(&world, true), [] as [usize; 0], "{outcome:?}");
        world.pass(Duration::from_secs(1));
        assert_eq!(going(&world, true), [0], "{outcome:?}");
        world.pass(Duration::from_secs(1_000_000));
        assert_eq!(going(&world, true), [0], "{outcome:?}");
        assert_eq!(going(&world, false), [0, 1], "nothing names a job of a resource that is gone: {outcome:?}");
    }
}

#[test]
fn of_many_finished_jobs_the_newest_stay_and_unfinished_ones_count_for_none() {
    let mut world = history(&[AttemptOutcome::Succeeded; 5]);
    assert_eq!(going(&world, true), [0, 1]);
    assert_eq!(going(&world, false), [0, 1]);
    world.post("a", json!({})).expect("there is room");
    world.post("a", json!({})).expect("there is room");
    assert_eq!(going(&world, true), [0, 1], "two more that wait push none out");
    world.claim(5).expect("it is ready");
    world.end(5, AttemptOutcome::Failed).expect("it runs");
    assert_eq!(going(&world, true), [0, 1, 2]);
}

#[test]
fn an_unfinished_job_stays_however_old_it_is() {
    let mut world = history(&[AttemptOutcome::Succeeded; 2]);
    world.post("a", json!({})).expect("there is room");
    world.pass(Duration::from_secs(1_000_000));
    assert_eq!(going(&world, true), [0]);
    world.claim(2).expect("it is ready");
    assert_eq!(going(&world, true), [0]);
    world.end(2, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!(going(&world, true), [0, 1], "its time runs from its end");
}

#[test]
fn what_the_status_names_stays_among_however_many() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.work(0);
    for number in 1..6 {
        world.post("b", json!({})).expect("there is room");
        world.work(number);
    }
    world.pass(Duration::from_secs(1_000_000));
    assert_eq!(going(&world, true), [1, 2, 3, 4], "the first is what the document asked for, the last one is the last");
}

#[test]
fn forgetting_takes_what_has_ended_and_is_not_named_and_nothing_else() {
    let mut world = history(&[AttemptOutcome::Succeeded; 3]);
    world.post("a", json!({})).expect("there is room");
    let jobs: Vec<JobId> = world.jobs.keys().copied().collect();
    let before = world.state.observed.clone();
    world.happen(Event::Expired { jobs: jobs.clone() }).expect("it is possible");
    assert_eq!(world.jobs.keys().copied().collect::<Vec<_>>(), jobs[2..]);
    assert_eq!(world.state.observed, before, "nobody sees anything of it in the document");
    world.happen(Event::Expired { jobs }).expect("what is gone is gone");
}

#[test]
fn a_job_that_has_just_ended_waits_for_who_waits_for_it() {
    let mut world = history(&[AttemptOutcome::Succeeded; 3]);
    for number in 3..6 {
        world.post("a", json!({})).expect("there is room");
        world.work(number);
    }
    world.post_to_be(Keep::Nothing, "a", json!({})).expect("there is room");
    world.work(6);
    assert_eq!(going(&world, true), [0], "two seconds ago, one, and now");
    world.pass(Duration::from_secs(3));
    assert_eq!(going(&world, true), [0, 1, 2, 3], "one that leaves no record goes when it was told of");
}

#[test]
fn of_a_list_that_clients_edit_nothing_goes_that_is_newer_than_an_unfinished_job() {
    let mut world = history(&[AttemptOutcome::Succeeded; 2]);
    world.put(&json!({"processing": {"overlap": "allow"}}));
    world.post("a", json!({})).expect("there is room");
    world.claim(2).expect("it is ready");
    for number in 3..7 {
        world.post("a", json!({})).expect("there is room");
        world.claim(number).unwrap_or_else(|refused| panic!("{number}: {refused}"));
        world.end(number, AttemptOutcome::Succeeded).expect("it runs");
    }
    world.pass(Duration::from_secs(1_000_000));
    assert_eq!(going(&world, true), [0, 1, 3, 4, 5]);
    let mut collection = Collection::clone(world.catalog.collections.values().next().expect("it is there"));
    collection.activities.iter_mut().for_each(|spec| spec.editable = true);
    world.catalog.collections.insert(collection.name.clone(), Arc::new(collection));
    assert_eq!(going(&world, true), [0, 1]);
    world.end(2, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!(going(&world, true), [0, 1, 3, 4, 5], "the last one to end is named, and the newest one stays");
}
