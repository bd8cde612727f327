//! A transition is shown exactly while it is possible.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{ActivityStatus, UNFINISHED_MAX, show, transitions};
use super::world::{World, name};
use crate::domain::catalog::{ActivitySpec, OperationChoice};
use crate::domain::job::AttemptOutcome;

/// The links of the resource.
fn links(world: &World) -> Value {
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
    serde_json::from_slice::<Value>(&json).expect("it is JSON")["_links"].clone()
}

/// Whether a link of this relation names the activity `processing`.
fn offers(world: &World, relation: &str) -> bool {
    let links = links(world);
    links[relation].as_array().into_iter().flatten().any(|link| link["name"] == "processing")
}

#[test]
fn a_job_can_be_run_now_while_a_post_would_be_taken() {
    for (case, document, can) in [
        ("an operation", json!({"processing": {"operation": "a"}}), true),
        ("nothing is named", json!({}), false),
        ("suspended", json!({"processing": {"operation": "a", "suspend": true}}), false),
        ("canceled", json!({"processing": {"operation": "a", "canceled": true}}), false),
        ("not declared", json!({"processing": {"operation": "gone"}}), false),
        ("not taken", json!({"processing": {"operation": "strict", "input": {"n": "one"}}}), false),
        ("nothing in the way", json!({"processing": {"operation": "a", "overlap": "allow"}}), true),
        ("to be replaced", json!({"processing": {"operation": "a", "overlap": "replace"}}), true),
        ("in the way", json!({"processing": {"operation": "a", "overlap": "forbid"}}), false),
        ("one waits", json!({"processing": {"operation": "a", "overlap": "queue"}}), false),
    ] {
        assert_eq!(offers(&World::with(&document), "run-now"), can, "{case}");
    }
    let mut world = World::with(&json!({"processing": {"operation": "a", "overlap": "forbid"}}));
    world.work(0);
    assert!(offers(&world, "run-now"), "nothing is in the way any more");
}

#[test]
fn a_fixed_operation_can_be_run_without_being_named_if_it_takes_no_input() {
    for (operation, can) in [("a", true), ("strict", true), ("gone", false)] {
        let spec = ActivitySpec {
            operations: OperationChoice::Fixed(operation.parse().expect("a name")),
            ..ActivitySpec::new(name("processing"))
        };
        let status = ActivityStatus::default();
        assert_eq!(transitions::may_run(&spec, None, &status, &World::new().catalog), can, "{operation}");
    }
}

#[test]
fn the_job_to_be_cancelled_is_one_that_is_not_being_stopped() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    let cancel = |world: &World| links(world)["cancel"][0]["href"].as_str().map(str::to_owned);
    let href = |world: &World, number| Some(format!("/v1/jobs/{}", world.id(number)));
    assert_eq!(cancel(&world), href(&world, 0), "one that waits");
    world.post("b", json!({})).expect("there is room");
    world.claim(0).expect("it is ready");
    assert_eq!(cancel(&world), href(&world, 0), "one that runs");
    world.cancel(0).expect("it runs");
    assert_eq!(cancel(&world), href(&world, 1), "the other one");
    world.cancel(1).expect("it waits");
    assert_eq!(cancel(&world), None, "the last one is being stopped");
    world.end(0, AttemptOutcome::Canceled).expect("it is being stopped");
    assert_eq!(links(&world).get("cancel"), None);
}

#[test]
fn nothing_can_be_started_while_the_resource_is_being_deleted() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.claim(0).expect("it is ready");
    assert!(offers(&world, "run-now") && offers(&world, "cancel"));
    world.happen(super::super::Event::DeleteAsked).expect("it is there");
    assert!(!offers(&world, "run-now") && !offers(&world, "cancel"));
    assert!(offers(&world, "form"), "how to ask can still be read");
}

#[test]
fn with_one_activity_a_link_is_one_and_with_several_a_list() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    assert_eq!(links(&world)["form"].as_array().map(Vec::len), Some(2));
    let only = world.catalog.collections.values().next().expect("there is one").as_ref().clone();
    let only = crate::domain::catalog::Collection { activities: only.activities[..1].to_vec(), ..only };
    world.catalog.collections.insert(only.name.clone(), std::sync::Arc::new(only));
    let links = links(&world);
    assert_eq!(
        links["run-now"],
        json!({ "href": "/v1/videos/42/processing", "method": "POST", "type": "application/json", "name": "processing" })
    );
    assert_eq!(links["form"], json!({ "href": "/v1/videos/42/processing/form", "name": "processing" }));
    let job = format!("/v1/jobs/{}", world.id(0));
    assert_eq!(links["cancel"], json!({ "href": job, "method": "DELETE", "name": "processing" }));
    assert_eq!(links["describedby"], json!({ "href": "/schemas/videos", "type": "application/schema+json" }));
}

proptest! {
    /// What is offered is taken, and what is not offered is refused.
    #[test]
    fn a_run_is_offered_if_and_only_if_it_is_possible(
        overlap in prop::sample::select(vec!["forbid", "queue", "replace", "allow"]),
        posts in 0usize..4,
        claims in 0usize..4,
        cancels in 0usize..3,
        suspend in any::<bool>(),
    ) {
        let mut world = World::with(&json!({"processing": {"operation": "a"}}));
        for _ in 0..posts {
            world.post("a", json!({})).expect("there is room");
        }
        for number in 0..claims.min(world.jobs.len()) {
            drop(world.claim(number));
        }
        for number in 0..cancels.min(world.jobs.len()) {
            drop(world.cancel(number));
        }
        world.put(&json!({"processing": {"operation": "a", "overlap": overlap, "suspend": suspend}}));
        let offered = offers(&world, "run-now");
        prop_assert_eq!(world.post("a", json!({})).is_ok(), offered);
    }
}

#[test]
fn an_activity_that_is_full_offers_nothing() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    for _ in 1..UNFINISHED_MAX {
        world.post("a", json!({})).expect("there is room");
    }
    assert!(!offers(&world, "run-now"));
}
