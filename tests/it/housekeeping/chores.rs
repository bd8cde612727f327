//! The chores, on a store in a file, at instants that a test chooses.

use std::time::Duration;

use heeler::domain::job::AttemptOutcome::{Canceled, Failed, Succeeded};
use heeler::domain::retention::Retention;
use heeler::engine::LOG_KEPT;

use super::world::{DAY, World, barks, dog};

const MANY: usize = 1_000;

#[tokio::test]
async fn a_job_goes_when_it_is_as_old_as_its_end_allows_and_the_newest_one_stays() {
    let world = World::new();
    world.put("rex").await;
    let mut jobs = Vec::new();
    for outcome in [Succeeded, Failed, Canceled, Succeeded] {
        jobs.push(world.bark("rex", outcome).await.to_string());
    }
    let kept = Retention::default();
    let before = world.list("rex").await.etag;
    world.pass(DAY * 6);
    assert_eq!(world.retain(&kept, MANY).await, (0, 1));
    assert_eq!(world.list("rex").await.etag, before, "nothing has changed");

    world.pass(DAY);
    assert_eq!(world.retain(&kept, MANY).await.0, 1);
    jobs.reverse();
    assert_eq!(world.ids("rex").await, jobs[..3], "the newest one has done its work as long ago");
    assert_ne!(world.list("rex").await.etag, before, "the list is another one");
    let first = jobs[3].parse().expect("an id");
    assert_eq!(world.forgotten(), [first].into(), "what its attempts left is gone, too");
    assert!(world.api.job(first).await.is_err());

    world.pass(DAY * 23);
    assert_eq!(world.retain(&kept, MANY).await.0, 2);
    assert_eq!(world.ids("rex").await, jobs[..1]);
    let last = world.state.resource(&dog("rex")).await.expect("it reads").expect("it is there").status(&barks()).last;
    assert_eq!(last.map(|last| last.id.to_string()), Some(jobs[0].clone()));
}

#[tokio::test]
async fn an_activity_keeps_as_many_finished_jobs_as_it_may_and_every_one_that_is_not() {
    let kept = Retention { per_activity: 3, ..Retention::default() };
    // As many rows at a time as an activity has, fewer, and all of both.
    for rows in [1, 2, 5, 7, MANY] {
        let world = World::new();
        let mut expected = Vec::new();
        for id in ["ada", "rex"] {
            world.put(id).await;
            let mut jobs = Vec::new();
            for _ in 0..7 {
                jobs.push(world.bark(id, Succeeded).await.to_string());
            }
            jobs.push(world.post(id).await.to_string());
            jobs.reverse();
            jobs.truncate(4);
            expected.push(jobs);
        }
        assert_eq!(world.retain(&kept, rows).await.0, 8, "{rows} rows at a time");
        assert_eq!([world.ids("ada").await, world.ids("rex").await], expected[..]);
        assert_eq!(world.retain(&kept, rows).await.0, 0, "{rows} rows at a time");
    }
}

#[tokio::test]
async fn what_is_left_of_a_resource_that_is_gone_goes_in_its_time_the_newest_job_too() {
    let world = World::new();
    world.put("rex").await;
    for _ in 0..3 {
        world.bark("rex", Succeeded).await;
    }
    let newest = world.bark("rex", Failed).await;
    world.delete("rex").await;
    world.put("rex").await;
    let kept = Retention::default();
    assert_eq!(world.retain(&kept, MANY).await.0, 0);
    world.pass(DAY * 7);
    assert_eq!(world.retain(&kept, MANY).await.0, 3);
    assert!(world.api.job(newest).await.is_ok());
    world.delete("rex").await;
    world.pass(DAY * 23);
    assert_eq!(world.retain(&kept, MANY).await.0, 1);
    assert!(world.api.job(newest).await.is_err());
}

#[tokio::test]
async fn a_chore_goes_on_after_a_restart_where_it_was() {
    let mut world = World::new();
    for id in ["a", "b", "c", "d", "e"] {
        world.put(id).await;
        world.bark(id, Succeeded).await;
        world.bark(id, Succeeded).await;
    }
    world.pass(Duration::from_secs(10));
    let kept = Retention { per_activity: 1, ..Retention::default() };
    let (mut swept, mut forgotten, mut parts) = (0, 0, 0);
    loop {
        let sweep = world.steps.sweep_some(2).await.expect("it can be done");
        let retention = world.steps.retain_some(&kept, 5).await.expect("it can be done");
        swept += sweep.done;
        forgotten += retention.done;
        parts += 1;
        assert_eq!(world.steps.is_half_swept().await.expect("it reads"), sweep.more);
        assert_eq!(sweep.more, retention.more, "two resources with four jobs at a time");
        if !sweep.more {
            break;
        }
        world = world.restarted();
    }
    assert_eq!((swept, forgotten, parts), (5, 5, 3));
}

#[tokio::test]
async fn a_sweep_of_what_is_at_rest_changes_nothing() {
    let world = World::new();
    for id in ["a", "b", "c"] {
        world.put(id).await;
        world.bark(id, Succeeded).await;
    }
    let before = world.state.newest_change();
    let part = world.steps.sweep_some(MANY).await.expect("it can be done");
    assert_eq!((part.looked_at, part.done, part.more), (3, 3, false));
    assert_eq!(world.state.newest_change(), before);
}

#[tokio::test]
async fn a_log_that_is_short_is_left_alone() {
    let world = World::new();
    world.put("a").await;
    world.steps.bound_log(&Retention::default()).await.expect("it can be done");
    assert_eq!(world.steps.trim_log(&Retention::default()).await.expect("it can be done").done, 0);
    assert!(world.state.newest_change().number() < LOG_KEPT);
    let changes = world.state.store().changes(Default::default(), 10).await.expect("nothing is forgotten");
    assert_eq!(changes.entries.len(), 1);
}

#[tokio::test]
async fn a_log_is_trimmed_by_age_as_well_across_restarts_and_without_a_commit_for_nothing() {
    let kept = Retention { log: DAY, ..Retention::default() };
    let mut world = World::new();
    world.put("a").await;
    world.steps.trim_log(&kept).await.expect("it can be done");
    world.put("b").await;
    world.pass(DAY / 2);
    world.steps.trim_log(&kept).await.expect("it can be done");
    world = world.restarted();
    world.pass(DAY / 2);
    world.put("c").await;
    world.steps.trim_log(&kept).await.expect("it can be done");
    let before_b = world.state.store().changes(Default::default(), 10).await;
    assert!(before_b.is_err(), "what is a day old is gone: {before_b:?}");
    // Nothing happens any more: after a while all is old, and no run writes anything.
    world.pass(DAY * 3);
    world.steps.trim_log(&kept).await.expect("it can be done");
    world.pass(DAY * 3);
    world.steps.trim_log(&kept).await.expect("it can be done");
    let newest = world.state.newest_change();
    for _ in 0..5 {
        world.pass(DAY);
        world.steps.trim_log(&kept).await.expect("it can be done");
    }
    assert_eq!(world.state.newest_change(), newest);
}
