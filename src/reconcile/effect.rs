//! What the end of a job does to the observed members of its resource.
//!
//! # Guarantees
//! An effect writes below the places that the operator declared as observed,
//! and nowhere else. It is applied whole or not at all.

use serde_json::{Map, Value, json};

use super::show;
use super::state::ResourceState;
use crate::domain::catalog::Catalog;
use crate::domain::document::overlaid;
use crate::domain::effect::Effect;
use crate::domain::expression::{Expression, Variable};
use crate::domain::job::{Job, TriggerKind, WorkPatch};
use crate::domain::json::{self as values, Pointer};
use crate::domain::patch::{Operation, PatchBody, PatchLimits, apply_patch};
use crate::domain::time::Timestamp;

/// The most bytes of all observed members of a resource: they are written with
/// each of its transitions.
pub(super) const OBSERVED_BYTES_MAX: usize = 64 * 1024;

/// The deepest observed member: what is shown must be readable by everyone.
const OBSERVED_DEPTH_MAX: usize = 32;

/// What is declared of the end of a job: by its operation, and then by its
/// activity, which has nothing to say of follow-ups. It did not ask for them,
/// and what it launches would follow itself.
pub(super) fn declared<'a>(job: &Job, catalog: &'a Catalog) -> impl Iterator<Item = &'a Effect> {
    let operation = catalog.operations.get(&job.operation).map(|operation| &operation.effects);
    let asked_for = job.trigger.kind != TriggerKind::Follow;
    let collection = catalog.declared(&job.resource.collection).filter(|_| asked_for);
    let activity = collection.and_then(|collection| collection.activity(job.activity.as_str()));
    let declared = operation.into_iter().chain(activity.map(|spec| &spec.effects));
    let phase = job.phase;
    declared.filter_map(move |effects| effects.of(phase)).filter(|effect| effect.is_declared())
}

/// Whether there is a resource of which the end of a job can say something: a
/// job of an earlier incarnation says nothing of this one.
pub(super) fn concerns(state: &ResourceState, job: &Job, catalog: &Catalog) -> bool {
    let collection = catalog.declared(&state.key.collection);
    state.desired.as_ref().is_some_and(|desired| desired.uid == job.uid)
        && collection.is_some_and(|collection| collection.activity(job.activity.as_str()).is_some())
}

/// The object that an expression makes of the end of a job; `what` it is called.
pub(super) fn evaluated(
    what: &str,
    expression: &Expression,
    (state, job): (&ResourceState, &Job),
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Map<String, Value>, String> {
    let subject = state.subject(catalog).ok_or_else(|| "the collection is no longer declared".to_owned())?;
    let spec = subject.collection.activity(job.activity.as_str());
    let status = spec.map_or(Value::Null, |spec| show::activity_status(state, spec, catalog));
    let (document, resource, now) = (subject.document(), subject.resource(), json!(now));
    let job = json!(show::job(job, catalog));
    let given = [
        (Variable::Document, &document),
        (Variable::Status, &status),
        (Variable::Resource, &resource),
        (Variable::Now, &now),
        (Variable::Job, &job),
    ];
    match expression.evaluate(&given) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(other) => Err(format!("{what} is {}: expected an object", values::kind(&other))),
        Err(error) => Err(format!("{what} has no value: {error}")),
    }
}

/// The observed members once an expression is merged into them.
pub(super) fn merged(
    expression: &Expression,
    (state, job): (&ResourceState, &Job),
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Map<String, Value>, String> {
    let patch = evaluated("the effect", expression, (state, job), catalog, now)?;
    let subject = state.subject(catalog).ok_or_else(|| "the collection is no longer declared".to_owned())?;
    merge(subject.observed, &subject.collection.observed, patch)
}

/// The observed members once the work's own patch is applied to them.
pub(super) fn patched(
    patch: &WorkPatch,
    state: &ResourceState,
    catalog: &Catalog,
) -> Result<Map<String, Value>, String> {
    let subject = state.subject(catalog).ok_or_else(|| "the collection is no longer declared".to_owned())?;
    apply(subject.observed, &subject.collection.observed, patch)
}

/// Applies a JSON Patch to the observed members (RFC 6902).
fn apply(observed: &Map<String, Value>, places: &[Pointer], patch: &WorkPatch) -> Result<Map<String, Value>, String> {
    let operations = patch.operations().map_err(|why| format!("the patch of the job is refused: {why}"))?;
    for at in operations.iter().flat_map(Operation::places) {
        if !places.iter().any(|place| at.is_within(place)) {
            return Err(format!("the patch of the job is refused: {}", undeclared(at)));
        }
    }
    // A place may be deeper than its parents are: for a patch they are there.
    let mut members = observed.clone();
    let above =
        |place: &Pointer| Pointer::new(place.tokens().split_last().map_or(&[][..], |(_, above)| above).to_vec());
    for parent in places.iter().map(above).filter(|parent| !parent.tokens().is_empty()) {
        if parent.get(&members).is_none() {
            parent.put(&mut members, Value::Object(Map::new()));
        }
    }
    let limits = PatchLimits { bytes_max: OBSERVED_BYTES_MAX, depth_max: OBSERVED_DEPTH_MAX, ..PatchLimits::default() };
    match apply_patch(&Value::Object(members), &PatchBody::Json(operations.to_vec()), &limits) {
        Ok(patched) => {
            let mut kept = observed.clone();
            places.iter().for_each(|place| drop(place.take(&mut kept)));
            Ok(overlaid(kept, places, patched.as_object().unwrap_or(&Map::new())))
        }
        Err(error) => Err(format!("the patch of the job cannot be applied: {error}")),
    }
}

fn undeclared(at: &Pointer) -> String {
    format!("`{at}` is not among the members that the collection declares as observed")
}

/// Merges a patch into the observed members (RFC 7396).
fn merge(
    observed: &Map<String, Value>,
    places: &[Pointer],
    patch: Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let above_all = Pointer::new(Vec::new());
    patch.iter().try_for_each(|(name, value)| stays_within(places, &below(&above_all, name), value))?;
    let limits = PatchLimits { bytes_max: OBSERVED_BYTES_MAX, depth_max: OBSERVED_DEPTH_MAX, ..PatchLimits::default() };
    match apply_patch(&Value::Object(observed.clone()), &PatchBody::Merge(patch), &limits) {
        Ok(Value::Object(merged)) => Ok(merged),
        Ok(other) => Err(format!("the observed members would be {}", values::kind(&other))),
        Err(error) => Err(format!("the observed members would not hold: {error}")),
    }
}

fn below(place: &Pointer, name: &str) -> Pointer {
    Pointer::new(place.tokens().iter().cloned().chain([name.to_owned()]).collect())
}

/// Whether a patch writes at places that are declared, and at those alone.
fn stays_within(places: &[Pointer], at: &Pointer, value: &Value) -> Result<(), String> {
    if places.iter().any(|place| at.is_within(place)) {
        return Ok(());
    }
    match value {
        Value::Object(members) if places.iter().any(|place| place.is_within(at)) => {
            members.iter().try_for_each(|(name, value)| stays_within(places, &below(at, name), value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(undeclared(at))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::PATCH_BYTES_MAX;

    fn merged(observed: Value, patch: Value) -> Result<Value, String> {
        let places = ["/count", "/stats/seen"].map(|place| place.parse().expect("a pointer"));
        let object = |value: Value| value.as_object().expect("an object").clone();
        merge(&object(observed), &places, object(patch)).map(Value::Object)
    }

    #[test]
    fn an_effect_is_merged_below_the_declared_places_and_nowhere_else() {
        for (name, observed, patch, want) in [
            ("a new member", json!({}), json!({"count": 1}), json!({"count": 1})),
            ("another value", json!({"count": 1}), json!({"count": 2}), json!({"count": 2})),
            ("null removes", json!({"count": 1}), json!({"count": null}), json!({})),
            (
                "what is below",
                json!({"count": {"a": 1}}),
                json!({"count": {"b": 2}}),
                json!({"count": {"a": 1, "b": 2}}),
            ),
            (
                "a place deeper down",
                json!({"count": 1}),
                json!({"stats": {"seen": [1]}}),
                json!({"count": 1, "stats": {"seen": [1]}}),
            ),
            ("an object for a number", json!({"count": 1}), json!({"count": {"a": 1}}), json!({"count": {"a": 1}})),
            ("nothing", json!({"count": 1}), json!({}), json!({"count": 1})),
        ] {
            assert_eq!(merged(observed, patch), Ok(want), "{name}");
        }
        for (patch, place) in [
            (json!({"name": "x"}), "/name"),
            (json!({"count": 1, "name": "x"}), "/name"),
            (json!({"stats": 1}), "/stats"),
            (json!({"stats": {"other": 1}}), "/stats/other"),
        ] {
            let refused = merged(json!({"count": 7}), patch).expect_err("refused");
            assert!(refused.contains(&format!("`{place}`")), "{refused}");
        }
    }

    fn patched(observed: Value, patches: &[Value]) -> Result<Value, String> {
        let places = ["/count", "/stats/seen"].map(|place| place.parse().expect("a pointer"));
        let mut all = WorkPatch::default();
        patches.iter().for_each(|patch| all.collect(patch.clone()));
        apply(observed.as_object().expect("an object"), &places, &all).map(Value::Object)
    }

    #[test]
    fn a_patch_of_the_work_is_applied_below_the_declared_places_and_nowhere_else() {
        let set = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
        for (name, observed, patch, want) in [
            ("a new member", json!({}), json!([set("/count", json!(1))]), json!({"count": 1})),
            (
                "a place deeper down",
                json!({}),
                json!([set("/stats/seen", json!([1]))]),
                json!({"stats": {"seen": [1]}}),
            ),
            (
                "what is below",
                json!({"stats": {"seen": [1]}}),
                json!([set("/stats/seen/-", json!(2)), {"op": "copy", "from": "/stats/seen/0", "path": "/count"}]),
                json!({"count": 1, "stats": {"seen": [1, 2]}}),
            ),
            ("what is gone", json!({"count": 1}), json!([{"op": "remove", "path": "/count"}]), json!({})),
            ("nothing", json!({"count": 1}), json!([]), json!({"count": 1})),
        ] {
            assert_eq!(patched(observed, &[patch]), Ok(want), "{name}");
        }
        let first = json!([set("/count", json!(1))]);
        for (patch, why) in [
            (json!([set("/name", json!(1))]), "`/name` is not among the members"),
            (json!([set("/stats", json!({}))]), "`/stats` is not among the members"),
            (json!([{"op": "move", "from": "/name", "path": "/count"}]), "`/name` is not among the members"),
            (json!([{"op": "test", "path": "", "value": {}}]), "`` is not among the members"),
            (json!([{"op": "remove", "path": "/stats/seen"}]), "cannot be applied: operation /1: there is no"),
            (json!([set("/stats/seen", json!("x".repeat(PATCH_BYTES_MAX)))]), "larger than 64 KiB"),
            (json!({}), "a JSON Patch must be an array"),
        ] {
            let refused = patched(json!({}), &[first.clone(), patch]).expect_err("all or nothing");
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn observed_members_stay_small() {
        assert!(merged(json!({}), json!({"count": "x".repeat(OBSERVED_BYTES_MAX)})).is_err());
    }
}
