//! Golden representations: the members that the wire's page lists, in its order.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Event, show};
use super::world::World;
use crate::domain::job::{AttemptOutcome, Ending};

/// The representation as text, each member on its line.
pub(super) fn shown(world: &World) -> String {
    let desired = world.state.desired.as_ref().expect("it is there");
    let shown = show::Shown {
        key: &world.state.key,
        document: desired.document.bytes(),
        uid: desired.uid,
        generation: desired.generation,
        created: desired.created,
        updated: desired.updated,
        observed: world.state.observed.as_ref(),
    };
    let json = show::resource(&shown, &world.catalog);
    let value: Value = serde_json::from_slice(&json).expect("it is JSON");
    pretty(&value)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("it can be written")
}

fn running() -> World {
    let mut world = World::with(&json!({
        "title": "Holiday",
        "processing": {"operation": "flaky", "input": {"preset": "1080p"}, "trigger": "again", "timeout": "30m"},
    }));
    world.pass(Duration::from_secs(1));
    world.claim(0).expect("it is ready");
    world.pass(Duration::from_secs(1));
    let (job, token) = (world.id(0), world.token(0));
    world.happen(Event::Started { job, token }).expect("it starts");
    let message = Some("frame 300 of 700".to_owned());
    world.happen(Event::Progressed { job, token, fraction: Some(0.42), message }).expect("it runs");
    world
}

#[test]
fn a_resource_about_which_nothing_was_decided() {
    insta::assert_snapshot!(shown(&World::with(&json!({}))));
}

#[test]
fn a_resource_whose_job_runs() {
    insta::assert_snapshot!(shown(&running()));
}

#[test]
fn a_job_that_runs() {
    insta::assert_snapshot!(pretty(&json!(show::job(running().job(0), &super::world::catalog()))));
}

#[test]
fn a_resource_whose_job_succeeded_and_whose_activity_is_suspended() {
    let mut world = running();
    let result = Some(json!({"frames": 700}));
    let ending = Ending { exit_code: Some(0), result, ..Ending::new(AttemptOutcome::Succeeded) };
    world.end_with(0, ending).expect("it runs");
    world.put(&json!({"processing": {"operation": "a", "suspend": true, "overlap": "forbid"}}));
    insta::assert_snapshot!(shown(&world));
}

#[test]
fn a_resource_that_is_being_deleted() {
    let mut world = running();
    world.happen(Event::DeleteAsked).expect("it is there");
    insta::assert_snapshot!(shown(&world));
}

#[test]
fn a_job_that_failed_twice_and_was_cancelled() {
    let mut world = running();
    let detail = Some("exited with code 3".to_owned());
    let ending = Ending { exit_code: Some(3), detail, ..Ending::new(AttemptOutcome::Failed) };
    world.end_with(0, ending.clone()).expect("it runs");
    world.pass(Duration::from_secs(60));
    world.look();
    world.claim(0).expect("it is ready");
    world.end_with(0, ending).expect("it runs");
    world.cancel(0).expect("it waits");
    insta::assert_snapshot!(pretty(&json!(show::job(world.job(0), &super::world::catalog()))));
}

#[test]
fn a_large_result_is_a_link_in_the_document_and_more_than_twenty_jobs_are_counted() {
    let mut world = World::with(&json!({}));
    for _ in 0..22 {
        world.post("a", json!({})).expect("there is room");
    }
    world.claim(0).expect("it is ready");
    let result = Some(json!("x".repeat(5000)));
    let ending = Ending { result, ..Ending::new(AttemptOutcome::Succeeded) };
    world.end_with(0, ending).expect("it runs");
    let value: Value = serde_json::from_str(&shown(&world)).expect("it is JSON");
    let processing = &value["status"]["processing"];
    assert_eq!(processing["active"].as_array().map(Vec::len), Some(20));
    assert_eq!(processing["activeCount"], 21);
    assert_eq!(processing["active"][0]["id"], json!(world.id(1)));
    assert_eq!(processing["last"]["result"], json!({"href": format!("/v1/jobs/{}", world.id(0))}));
}
