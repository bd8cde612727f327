//! Stored documents that the schema of their collection does not take by now.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::show;
use super::world::{World, name};
use crate::domain::catalog::{ActivitySpec, Availability, Collection};
use crate::domain::condition::Reason;
use crate::domain::effect::{Effect, Effects};
use crate::domain::expression::{Expression, Variable};
use crate::domain::job::AttemptOutcome;
use crate::domain::schema::Schema;
use crate::domain::version::Generation;

impl World {
    /// The operator declares another schema, and the sweep that follows looks.
    fn expect(&mut self, schema: Value) {
        let schema = Some(Arc::new(Schema::compile(schema).expect("a schema")));
        self.declare(Collection { schema, ..self.declared() });
        self.heed();
    }

    /// The condition, if there is one: its message, and since when it holds, in seconds.
    fn violation(&self) -> Option<(String, u64)> {
        let desired = self.state.desired.as_ref().expect("it is there");
        let shown = show::Shown {
            key: &self.state.key,
            document: desired.document.bytes(),
            uid: desired.uid,
            generation: desired.generation,
            created: desired.created,
            updated: desired.updated,
            observed: self.state.observed.as_ref(),
        };
        let shown: Value = serde_json::from_slice(&show::resource(&shown, &self.catalog)).expect("JSON");
        let conditions = shown["status"]["conditions"].as_array().expect("conditions").clone();
        let condition = conditions.into_iter().find(|condition| condition["type"] == "SchemaViolation")?;
        assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!("SchemaViolation")));
        let since = self.state.observed.as_ref()?.violation.as_ref()?.since;
        assert_eq!(condition["since"], json!(since));
        Some((condition["message"].as_str()?.to_owned(), since.since(super::world::BEGINNING).as_secs()))
    }

    fn message(&self) -> Option<String> {
        self.violation().map(|(message, _)| message)
    }
}

#[test]
fn a_document_that_a_newer_schema_refuses_says_where_and_why_until_it_fits() {
    let mut world = World::with(&json!({"title": 7, "processing": {"operation": "a"}}));
    world.expect(json!({}));
    assert_eq!(world.violation(), None);
    world.pass(Duration::from_secs(10));
    world.expect(json!({"properties": {"title": {"type": "string"}}}));
    let found = "the document is not what the schema takes: `/title`: expected string, found number".to_owned();
    assert_eq!(world.violation(), Some((found.clone(), 10)));
    // Nothing of it changes what the resource does, and what clients believe of it.
    assert_eq!((world.story().as_str(), world.reason()), ("queued*", Reason::Queued));
    assert_eq!(world.state.desired.as_ref().map(|desired| desired.generation), Some(Generation::FIRST));
    world.work(0);
    assert_eq!((world.story().as_str(), world.reason()), ("succeeded", Reason::Settled));
    assert_eq!(world.message(), Some(found));
    // Another thing that is wrong is another violation; the same one goes on.
    world.pass(Duration::from_secs(10));
    world.expect(json!({"properties": {"title": {"type": "string"}}, "maxProperties": 9}));
    assert_eq!(world.violation().map(|(_, since)| since), Some(10));
    world.expect(json!({"required": ["name"]}));
    let other = "the document is not what the schema takes: `/name`: is required".to_owned();
    assert_eq!(world.violation(), Some((other, 20)));
    world.expect(json!({"maxProperties": 0}));
    let whole = "the document is not what the schema takes: value has more than 0 properties".to_owned();
    assert_eq!(world.message(), Some(whole));
    world.expect(json!({"properties": {"title": {"type": "number"}}}));
    assert_eq!(world.violation(), None);
}

#[test]
fn a_write_that_fits_ends_it_at_once() {
    let mut world = World::with(&json!({"title": 7}));
    world.expect(json!({"properties": {"title": {"type": "string"}}}));
    assert!(world.violation().is_some());
    world.put(&json!({"title": "Holiday"}));
    assert_eq!(world.violation(), None);
    world.look();
    assert_eq!(world.violation(), None);
}

#[test]
fn a_resource_at_rest_that_fits_is_not_written() {
    let mut world = World::with(&json!({"title": "Holiday"}));
    world.expect(json!({"required": ["title"]}));
    assert_eq!(world.state.observed, None);
}

#[test]
fn a_look_by_itself_judges_nothing() {
    let mut world = World::with(&json!({"title": 7}));
    let before = world.declared();
    world.expect(json!({"properties": {"title": {"type": "string"}}}));
    world.declare(before);
    world.look();
    assert!(world.violation().is_some(), "who changed the declaration says so");
}

#[test]
fn activities_in_the_standard_vocabulary_are_not_the_schema_s_to_judge() {
    let mut world = World::with(&json!({"processing": {"operation": "a"}}));
    world.expect(json!({"additionalProperties": false}));
    assert_eq!(world.violation(), None);
    // Once it is no activity any more, it is a member like all others.
    world.declare(Collection { activities: Vec::new(), ..world.declared() });
    world.heed();
    let found = "the document is not what the schema takes: `/processing`: is not expected here";
    assert_eq!(world.message().as_deref(), Some(found));
}

#[test]
fn observed_members_are_judged_as_they_are_written() {
    let mut world = World::new();
    let merge = Expression::parse("{'count': job.input.n}", &[Variable::Job]).expect("an expression");
    let effects = Effects { success: Effect { merge: Some(merge), launch: None }, failure: Effect::default() };
    let schema = Schema::compile(json!({"properties": {"count": {"maximum": 3}}})).expect("a schema");
    let collection = Collection {
        schema: Some(Arc::new(schema)),
        observed: vec!["/count".parse().expect("a pointer")],
        activities: vec![ActivitySpec { effects, ..ActivitySpec::new(name("processing")) }],
        ..Collection::new("videos".parse().expect("a name"))
    };
    world.declare(collection);
    world.put(&json!({}));
    for (number, (n, message)) in [
        (3, None),
        (4, Some("the document is not what the schema takes: `/count`: value is greater than the maximum of 3")),
        (2, None),
    ]
    .into_iter()
    .enumerate()
    {
        world.post("a", json!({ "n": n })).expect("it is accepted");
        world.claim(number).expect("it is ready");
        world.end(number, AttemptOutcome::Succeeded).expect("it runs");
        assert_eq!(world.message().as_deref(), message, "{n}");
    }
}

#[test]
fn nothing_is_judged_while_the_collection_is_out_of_service() {
    let mut world = World::with(&json!({"title": 7}));
    world.expect(json!({"properties": {"title": {"type": "string"}}}));
    let before = world.state.clone();
    world.declare(Collection { schema: None, availability: Availability::Retired, ..world.declared() });
    world.heed();
    assert_eq!(world.state, before, "it is judged when it is back");
}
