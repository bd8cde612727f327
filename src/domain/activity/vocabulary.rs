//! The standard vocabulary of activities, as a schema.

use serde_json::{Map, Value, json};

use super::{Overlap, TRIGGER_BYTES_MAX, judge_input};
use crate::domain::catalog::{ActivitySpec, Catalog};
use crate::domain::operation::Operation;
use crate::domain::retry::ATTEMPTS_MAX;
use crate::domain::schedule;

/// What a member must look like that is this activity; `input` is the schema of
/// the input of an operation, as it is referred to.
///
/// What is taken is never refused by it. It refuses what the operation's limit
/// of time, or the spelling of a length of time, forbids only in part.
#[must_use]
pub fn vocabulary(spec: &ActivitySpec, catalog: &Catalog, input: &dyn Fn(&Operation) -> Value) -> Value {
    let operations: Vec<&Operation> = operations(spec, catalog).collect();
    let mut properties = Map::new();
    properties.insert("operation".to_owned(), named(&operations, spec));
    let mut schema = json!({
        "type": "object",
        "description": "Asks for work: a change of `operation`, `input` or `trigger` asks once.",
    });
    match operations.as_slice() {
        [only] => {
            properties.insert("input".to_owned(), only.input.as_ref().map_or(json!({}), |_| input(only)));
            if needs_input(only) {
                schema["required"] = json!(["input"]);
            }
        }
        several => {
            properties.insert("input".to_owned(), json!({ "description": "What the operation is run with." }));
            let taken: Vec<Value> = several.iter().filter_map(|operation| if_named(operation, input)).collect();
            if !taken.is_empty() {
                schema["allOf"] = taken.into();
            }
        }
    }
    properties.extend(others());
    schema["properties"] = Value::Object(properties);
    if spec.operations.fixed().is_none() {
        let rest = schema["required"].as_array().cloned().unwrap_or_default();
        schema["required"] = [json!("operation")].into_iter().chain(rest).collect();
    }
    schema["additionalProperties"] = false.into();
    schema
}

/// The operations that an activity may run, of those that are declared.
pub fn operations<'a>(spec: &'a ActivitySpec, catalog: &'a Catalog) -> impl Iterator<Item = &'a Operation> {
    catalog.operations.values().map(AsRef::as_ref).filter(|operation| spec.operations.allows(&operation.name))
}

/// The name of one of these operations.
#[must_use]
pub fn named(operations: &[&Operation], spec: &ActivitySpec) -> Value {
    if operations.is_empty() {
        return false.into();
    }
    let names: Vec<&str> = operations.iter().map(|operation| operation.name.as_str()).collect();
    let mut schema = json!({ "enum": names });
    if let Some(fixed) = spec.operations.fixed() {
        schema["default"] = fixed.as_str().into();
    }
    schema
}

/// What holds where this operation is named.
fn if_named(operation: &Operation, input: &dyn Fn(&Operation) -> Value) -> Option<Value> {
    operation.input.as_ref()?;
    let mut then = json!({ "properties": { "input": input(operation) } });
    if needs_input(operation) {
        then["required"] = json!(["input"]);
    }
    let named = json!({ "properties": { "operation": { "const": operation.name } }, "required": ["operation"] });
    Some(json!({ "if": named, "then": then }))
}

/// Whether the operation does not do without an input.
fn needs_input(operation: &Operation) -> bool {
    !judge_input("", operation, &json!({})).is_empty()
}

/// What is the same of every activity.
fn others() -> Map<String, Value> {
    let overlaps = Overlap::ALL.map(Overlap::as_str);
    let retry = json!({
        "type": "object",
        "properties": {
            "attempts": { "type": "integer", "minimum": 1, "maximum": ATTEMPTS_MAX },
            "backoff": duration("The wait after the first attempt."),
            "factor": { "type": "number", "minimum": 1 },
            "max": duration("The longest wait."),
        },
        "additionalProperties": false,
        "description": "Where the document overrides the operation.",
    });
    let flag = |says: &str| json!({ "type": "boolean", "default": false, "description": says });
    let trigger = json!({
        "anyOf": [{ "type": "string", "maxLength": TRIGGER_BYTES_MAX }, { "type": "number" }],
        "description": "A new value asks again.",
    });
    [
        (
            "overlap",
            json!({ "enum": overlaps, "description": "What happens when something asks while a job is active." }),
        ),
        ("trigger", trigger),
        ("schedule", schedule::json_schema()),
        ("suspend", flag("No job starts; what runs goes on.")),
        ("canceled", flag("No job starts, and what runs is cancelled.")),
        ("retry", retry),
        ("timeout", duration("The longest attempt, where the document overrides the operation.")),
    ]
    .map(|(name, schema)| (name.to_owned(), schema))
    .into_iter()
    .collect()
}

/// A length of time. It has more spellings than a pattern could tell.
fn duration(says: &str) -> Value {
    json!({ "type": "string", "minLength": 2, "description": says, "examples": ["10s", "1h 30m", "PT10M"] })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::activity::Activity;
    use crate::domain::catalog::OperationChoice;
    use crate::domain::operation::{ExecSpec, Keep, OnUnknown, Reply, RunnerSpec};
    use crate::domain::retry::RetryPolicy;
    use crate::domain::schema::Schema;

    fn operation(name: &str, input: Option<Value>) -> Operation {
        Operation {
            name: name.parse().expect("a name"),
            description: None,
            input: input.map(|schema| Arc::new(Schema::compile(schema).expect("a schema"))),
            runner: RunnerSpec::Exec(ExecSpec::default()),
            timeout: None,
            grace: Operation::GRACE_DEFAULT,
            retry: RetryPolicy::default(),
            concurrency: None,
            attempts_max: 100,
            rate: None,
            deadline: None,
            start_deadline: None,
            priority: 0,
            on_unknown: OnUnknown::Fail,
            reply: Reply::default(),
            keep: Keep::default(),
            effects: crate::domain::effect::Effects::default(),
        }
    }

    fn catalog() -> Catalog {
        let volume = json!({ "required": ["volume"], "properties": { "volume": { "type": "integer" } } });
        let operations = [operation("bark", Some(volume)), operation("nap", Some(json!({ "type": "object" })))];
        let operations = operations.into_iter().chain([operation("play", None)]);
        Catalog { operations: operations.map(|it| (it.name.clone(), Arc::new(it))).collect(), ..Catalog::default() }
    }

    fn spec(operations: OperationChoice) -> ActivitySpec {
        ActivitySpec { operations, ..ActivitySpec::new("processing".parse().expect("a name")) }
    }

    fn schema(spec: &ActivitySpec) -> Schema {
        let input = |operation: &Operation| operation.input.as_ref().expect("one that has some").source().clone();
        Schema::compile(vocabulary(spec, &catalog(), &input)).expect("a schema")
    }

    fn any_member() -> impl Strategy<Value = Value> {
        let value = prop_oneof![
            Just(json!("bark")),
            Just(json!("nap")),
            Just(json!("play")),
            Just(json!("woof")),
            Just(json!({})),
            Just(json!({ "volume": 11 })),
            Just(json!({ "volume": "11" })),
            Just(json!({ "attempts": 3, "factor": 1.5 })),
            Just(json!({ "attempts": 0 })),
            Just(json!({ "factor": 0.5 })),
            Just(json!({ "backoff": "10s", "max": "1h 30m" })),
            Just(json!({ "attemps": 3 })),
            Just(json!("replace")),
            Just(json!("10s")),
            Just(json!("PT10M")),
            Just(json!(true)),
            Just(json!(3)),
            Just(json!(null)),
            Just(json!("t".repeat(1025))),
        ];
        let names = vec!["operation", "input", "overlap", "trigger", "suspend", "canceled", "retry", "timeout", "more"];
        let name = prop::sample::select(names);
        let wild = prop::collection::btree_map(name, value, 0..5);
        // Most of them, so that not all fail for want of an operation.
        (wild, prop::sample::select(vec![None, Some("bark"), Some("nap"), Some("play")])).prop_map(|(members, name)| {
            let mut members: Map<String, Value> =
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            members.extend(name.map(|name| ("operation".to_owned(), name.into())));
            Value::Object(members)
        })
    }

    proptest! {
        #[test]
        fn the_schema_takes_what_the_reader_takes(
            member in any_member(),
            choice in prop::sample::select(vec![
                OperationChoice::Any,
                OperationChoice::Fixed("bark".parse().expect("a name")),
                OperationChoice::OneOf(vec!["nap".parse().expect("a name"), "bark".parse().expect("a name")]),
                OperationChoice::Fixed("gone".parse().expect("a name")),
            ]),
        ) {
            let (spec, catalog) = (spec(choice), catalog());
            let read = Activity::parse(&spec, &member)
                .map_err(|violations| violations.len())
                .and_then(|activity| match activity.judge(&spec.name, &catalog).len() {
                    0 => Ok(()),
                    found => Err(found),
                });
            let violations = schema(&spec).validate(&member);
            // Words that are no length of time are texts to a schema.
            let odd = ["timeout"].iter().any(|name| member.get(name).is_some_and(Value::is_string));
            match read {
                Ok(()) => prop_assert!(violations.is_empty(), "{member}: {violations:?}"),
                Err(_) => prop_assert!(odd || !violations.is_empty() || spec.operations.fixed().is_some(), "{member}"),
            }
        }
    }
}
