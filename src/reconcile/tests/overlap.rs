//! What happens when a change or a POST meets jobs that are not done.

use serde_json::json;

use super::super::{Fate, Refused};
use super::world::World;
use crate::domain::condition::Reason;
use crate::domain::job::AttemptOutcome;

fn asking(overlap: Option<&str>, trigger: u32) -> serde_json::Value {
    let mut activity = json!({"operation": "a", "trigger": trigger});
    if let Some(overlap) = overlap {
        activity["overlap"] = json!(overlap);
    }
    json!({ "processing": activity })
}

/// A world in which job 0 runs.
fn running(overlap: Option<&str>) -> World {
    let mut world = World::with(&asking(overlap, 0));
    world.claim(0).expect("it is ready");
    world
}

#[test]
fn a_change_meets_a_running_job_as_the_document_says() {
    for (overlap, met, newer, gone) in [
        (None, "canceling (replaced), queued", "canceling (replaced), canceled (superseded), queued", "queued*"),
        (
            Some("replace"),
            "canceling (replaced), queued",
            "canceling (replaced), canceled (superseded), queued",
            "queued*",
        ),
        (Some("forbid"), "starting, queued", "starting, canceled (superseded), queued", "queued*"),
        (Some("queue"), "starting, queued", "starting, canceled (superseded), queued", "queued*"),
        (Some("allow"), "starting, queued*", "starting, queued*, queued", "queued"),
    ] {
        let mut world = running(overlap);
        world.put(&asking(overlap, 1));
        assert_eq!(world.story(), met, "{overlap:?}");
        world.put(&asking(overlap, 2));
        assert_eq!(world.story(), newer, "{overlap:?}");
        world.end(0, AttemptOutcome::Canceled).expect("it runs");
        assert!(world.story().ends_with(gone), "{overlap:?}: {}", world.story());
        assert_eq!(world.fate(), Some(Fate::Launched), "{overlap:?}");
    }
}

#[test]
fn nothing_of_an_allowed_overlap_is_skipped_and_one_at_a_time_may_be_claimed() {
    let mut world = running(Some("allow"));
    world.put(&asking(Some("allow"), 1));
    world.put(&asking(Some("allow"), 2));
    world.claim(1).expect("it is ready");
    assert_eq!(world.story(), "starting, starting, queued*");
    world.claim(2).expect("it is ready");
    for number in [1, 0, 2] {
        world.end(number, AttemptOutcome::Succeeded).expect("it runs");
    }
    assert_eq!((world.story().as_str(), world.reason()), ("succeeded, succeeded, succeeded", Reason::Settled));
}

#[test]
fn a_change_waits_for_a_job_that_waits_for_its_next_attempt_unless_it_replaces_it() {
    for (overlap, story) in [("forbid", "queued, queued"), ("replace", "canceled (replaced), queued*")] {
        let mut world = World::with(&json!({"processing": {"operation": "flaky", "overlap": overlap}}));
        world.claim(0).expect("it is ready");
        world.end(0, AttemptOutcome::Failed).expect("it runs");
        world.put(&asking(Some(overlap), 1));
        assert_eq!(world.story(), story, "{overlap}");
    }
}

#[test]
fn a_superseded_change_never_starts_not_even_where_the_newer_one_cannot() {
    let mut world = World::with(&asking(None, 0));
    let suspended = |trigger| {
        let mut document = asking(None, trigger);
        document["processing"]["suspend"] = json!(true);
        document
    };
    world.put(&suspended(0));
    world.put(&suspended(1));
    assert_eq!((world.story().as_str(), world.reason()), ("canceled (superseded)", Reason::Suspended));
    world.put(&asking(None, 1));
    assert_eq!(world.story(), "canceled (superseded), queued*");
}

#[test]
fn a_post_meets_unfinished_jobs_as_the_document_says() {
    for (overlap, met) in [
        (None, Ok("starting, queued*")),
        (Some("allow"), Ok("starting, queued*")),
        (Some("replace"), Ok("canceling (replaced), queued")),
        (Some("queue"), Ok("starting, queued")),
        (Some("forbid"), Err("starting")),
    ] {
        let mut world = running(overlap);
        let posted = world.post("b", json!({"n": 1}));
        assert_eq!(matches!(posted, Err(Refused::Overlap(_))), met.is_err(), "{overlap:?}");
        assert_eq!(world.story(), met.unwrap_or_else(|story| story), "{overlap:?}");
        if overlap == Some("queue") {
            assert!(matches!(world.post("b", json!({})), Err(Refused::Overlap(_))), "one waits already");
        }
        world.end(0, AttemptOutcome::Succeeded).expect("it runs");
        match overlap {
            Some("forbid") => world.post("b", json!({})).expect("nothing is in its way"),
            _ => assert!(world.story().ends_with("queued*"), "{overlap:?}: {}", world.story()),
        }
    }
}

#[test]
fn a_change_does_not_supersede_what_somebody_posted() {
    let mut world = running(Some("queue"));
    world.post("b", json!({})).expect("none waits yet");
    world.put(&asking(Some("queue"), 1));
    assert_eq!(world.story(), "starting, queued, queued");
    world.end(0, AttemptOutcome::Succeeded).expect("it runs");
    assert_eq!(world.story(), "succeeded, queued*, queued");
    world.work(1);
    assert_eq!(world.story(), "succeeded, succeeded, queued*");
}

#[test]
fn two_posts_make_two_jobs_and_a_job_of_no_activity_of_the_document_is_left_to_itself() {
    let mut world = World::with(&json!({}));
    world.post("a", json!({})).expect("it is allowed");
    world.post("a", json!({})).expect("it is allowed");
    assert_eq!((world.story().as_str(), world.fate()), ("queued*, queued", None));
    world.put(&json!({"title": "Holiday"}));
    world.work(0);
    world.work(1);
    assert_eq!((world.story().as_str(), world.reason()), ("succeeded, succeeded", Reason::Settled));
}

#[test]
fn the_outcome_of_a_post_is_not_the_outcome_of_the_ask() {
    let mut world = World::with(&asking(None, 0));
    world.work(0);
    world.post("a", json!({})).expect("it is allowed");
    world.claim(1).expect("it is ready");
    world.end(1, AttemptOutcome::Failed).expect("it runs");
    assert_eq!(world.fate(), Some(Fate::Succeeded));
    assert_eq!(world.status().last.as_ref().map(|last| last.id), Some(world.id(1)));
}
