//! Documents of their own shape: what they ask for, and what the ends of jobs
//! do to them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::{Event, show};
use super::world::{World, document, name};
use crate::domain::catalog::{ActivitySpec, Collection, Mapping, OperationChoice, ShownMember};
use crate::domain::condition::Reason;
use crate::domain::effect::{Effect, Effects};
use crate::domain::expression::{Expression, Variable};
use crate::domain::job::{AttemptOutcome, Ending, TriggerKind};
use crate::domain::version::Generation;

fn expression(text: &str) -> Expression {
    let variables = [Variable::Document, Variable::Status, Variable::Resource, Variable::Now];
    Expression::parse(text, &variables).expect("an expression")
}

fn merge(text: &str) -> Effect {
    Effect { merge: Some(expression(text)), launch: None }
}

fn on_success(success: Effect) -> Effects {
    Effects { success, failure: Effect::default() }
}

/// A world whose documents map to `processing`, as `spec` says.
fn world(spec: impl FnOnce(ActivitySpec) -> ActivitySpec) -> World {
    let mut world = World::new();
    let mapping = Mapping { input: Some(expression("self.stop ? null : {'to': self.email}")), schedule: None };
    let operations = OperationChoice::Fixed("a".parse().expect("a name"));
    let plain = ActivitySpec { operations, mapping: Some(mapping), ..ActivitySpec::new(name("processing")) };
    let collection = Collection {
        observed: vec!["/count".parse().expect("a pointer")],
        activities: vec![spec(plain)],
        ..Collection::new("videos".parse().expect("a name"))
    };
    world.catalog.collections.insert(collection.name.clone(), Arc::new(collection));
    world
}

fn counting(spec: ActivitySpec) -> ActivitySpec {
    ActivitySpec {
        effects: Effects {
            success: merge("{'count': (has(self.count) ? self.count : 0) + 1}"),
            failure: merge("{'count': null}"),
        },
        ..spec
    }
}

fn shown(world: &World) -> Value {
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
    serde_json::from_slice(&show::resource(&shown, &world.catalog)).expect("JSON")
}

fn count(world: &World) -> Value {
    shown(world).get("count").cloned().unwrap_or_default()
}

#[test]
fn a_mapped_document_asks_whenever_its_input_is_another_and_stops_where_it_is_null() {
    let mut world = world(|spec| spec);
    world.put(&json!({"stop": false, "email": "a@example.com"}));
    assert_eq!(world.job(0).input, json!({"to": "a@example.com"}));
    world.work(0);
    world.put(&json!({"stop": false, "email": "a@example.com", "name": "Rex"}));
    assert_eq!(world.story(), "succeeded");
    world.put(&json!({"stop": false, "email": "b@example.com"}));
    world.claim(1).expect("it is ready");
    world.put(&json!({"stop": true, "email": "b@example.com"}));
    assert_eq!(world.story(), "succeeded, canceling (removed)");
}

#[test]
fn an_expression_over_a_member_that_is_not_there_asks_for_nothing_and_any_other_failure_says_so() {
    let mut world = world(|spec| spec);
    world.put(&json!({"stop": false}));
    assert_eq!((world.story(), world.reason()), (String::new(), Reason::Settled));
    world.put(&json!({"stop": 7, "email": "a@example.com"}));
    assert_eq!((world.story(), world.reason()), (String::new(), Reason::ExpressionFailed));
    world.put(&json!({"stop": false, "email": "a@example.com"}));
    assert_eq!((world.story(), world.reason()), ("queued*".to_owned(), Reason::Queued));
}

#[test]
fn with_a_schedule_changes_ask_for_nothing() {
    let mut world = world(|spec| {
        let mapping = Mapping { input: None, schedule: Some(expression("{'every': self.every}")) };
        ActivitySpec { mapping: Some(mapping), ..spec }
    });
    world.put(&json!({"every": "10m"}));
    world.put(&json!({"every": "20m"}));
    assert_eq!((world.story(), world.reason()), (String::new(), Reason::Settled));
    world.post("a", json!({})).expect("a POST is always possible");
    assert_eq!(world.story(), "queued*");
}

#[test]
fn the_end_of_a_job_writes_observed_members_and_counts_no_generation() {
    let mut world = world(counting);
    world.put(&json!({"stop": false, "email": "a@example.com"}));
    let updated = world.state.desired.clone();
    world.work(0);
    assert_eq!(count(&world), json!(1));
    world.post("a", json!({})).expect("accepted");
    world.work(1);
    assert_eq!(count(&world), json!(2));
    assert_eq!(world.state.desired, updated);
    assert_eq!(world.state.desired.as_ref().map(|desired| desired.generation), Some(Generation::FIRST));
    world.post("a", json!({})).expect("accepted");
    world.claim(2).expect("it is ready");
    world.end(2, AttemptOutcome::Failed).expect("it runs");
    assert_eq!(count(&world), Value::Null);
}

#[test]
fn a_job_that_is_cancelled_has_no_effect() {
    let mut world = world(counting);
    world.put(&json!({"stop": true}));
    world.post("a", json!({})).expect("accepted");
    world.cancel(0).expect("it waits");
    assert_eq!((world.story(), count(&world)), ("canceled (requested)".to_owned(), Value::Null));
}

#[test]
fn an_effect_sees_how_the_job_ended() {
    let mut world = world(|spec| ActivitySpec {
        effects: on_success(merge("{'count': status.last.result.n + status.activeCount}")),
        ..spec
    });
    world.put(&json!({"stop": true}));
    world.post("a", json!({})).expect("accepted");
    world.claim(0).expect("it is ready");
    let result = Some(json!({"n": 41}));
    let ending = Ending { result, ..Ending::new(AttemptOutcome::Succeeded) };
    world.end_with(0, ending).expect("it runs");
    assert_eq!(count(&world), json!(41));
}

#[test]
fn an_effect_that_is_refused_leaves_the_outcome_alone_and_is_a_condition_until_one_is_applied() {
    let mut world = world(|spec| ActivitySpec {
        effects: on_success(merge("self.email == 'bad' ? {'name': 'x'} : {'count': 1}")),
        ..spec
    });
    world.put(&json!({"stop": false, "email": "bad"}));
    world.work(0);
    assert_eq!((world.story(), world.reason()), ("succeeded".to_owned(), Reason::Settled));
    let condition = &shown(&world)["status"]["conditions"][1];
    assert_eq!((&condition["type"], &condition["status"]), (&json!("EffectRefused"), &json!("True")));
    assert!(condition["message"].as_str().is_some_and(|text| text.contains("`/name`")), "{condition}");
    world.put(&json!({"stop": false, "email": "good"}));
    world.work(1);
    assert_eq!((count(&world), shown(&world)["status"]["conditions"].as_array().map(Vec::len)), (json!(1), Some(1)));
}

#[test]
fn a_resource_begins_with_the_observed_members_that_its_client_gave() {
    let mut world = world(counting);
    let observed = json!({"count": 7}).as_object().expect("an object").clone();
    let document = document(&json!({"stop": false, "email": "a@example.com"}));
    world
        .happen(Event::Changed { document, observed, fingerprint: [0; 32], restarts: Vec::new() })
        .expect("it can be created");
    assert_eq!(count(&world), json!(7));
    world.work(0);
    assert_eq!(count(&world), json!(8));
}

#[test]
fn members_are_shown_where_the_document_has_its_place_for_them() {
    let member =
        |pointer: &str, value| ShownMember { pointer: pointer.parse().expect("a pointer"), value: expression(value) };
    let mut world = world(|spec| ActivitySpec {
        show: vec![
            member("/barking", "status.activeCount > 0"),
            member("/barks/last", "status.last.finished"),
            member("/barks/to", "resource.id + ' ' + self.email"),
        ],
        ..spec
    });
    world.put(&json!({"stop": false, "email": "a@example.com", "barks": {"frequency": 10}}));
    let now = shown(&world);
    assert_eq!(now["barking"], json!(true));
    assert_eq!(now["barks"], json!({"frequency": 10, "to": "42 a@example.com"}));
    world.work(0);
    let now = shown(&world);
    assert_eq!(now["barking"], json!(false));
    assert_eq!(now["barks"]["last"], now["status"]["processing"]["last"]["finished"]);
}

#[test]
fn a_fixed_operation_need_not_be_named() {
    let mut world = world(|spec| ActivitySpec { mapping: None, ..spec });
    world.put(&json!({"processing": {}}));
    assert_eq!((world.story(), world.job(0).trigger.kind), ("queued*".to_owned(), TriggerKind::Change));
    assert_eq!(json!(show::job(world.job(0), &world.catalog))["operation"], json!("a"));
    assert_eq!(world.job(0).input, Value::Object(Map::new()));
}
