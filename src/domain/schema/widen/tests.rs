//! That nothing is refused which was taken, and little taken that was refused.

use proptest::prelude::*;
use serde_json::json;

use super::super::embedded;
use super::*;
use crate::domain::json::Pointer;

const AT: &str = "#/parts/it";

fn free(places: &[&str]) -> Free {
    let mut free = Free::default();
    for place in places {
        free.add(place.parse::<Pointer>().expect("a pointer").tokens());
    }
    free
}

/// The widened schema within a text, as a client would compile it.
fn wide(source: &Value, free: &Free) -> Schema {
    let schema = widened(&embedded(source, AT).expect("it can be embedded"), AT, free);
    Schema::compile(json!({ "$ref": AT, "parts": { "it": schema } })).expect("a schema")
}

#[test]
fn members_of_the_service_pass_wherever_a_schema_forbids_others() {
    let ours = free(&["/id", "/status"]);
    let closed =
        json!({ "properties": { "a": { "type": "integer" } }, "required": ["a"], "additionalProperties": false });
    for source in [
        closed.clone(),
        json!({ "allOf": [closed] }),
        json!({ "anyOf": [false, closed] }),
        json!({ "oneOf": [{ "required": ["c"] }, closed] }),
        json!({ "$ref": "#/$defs/it", "$defs": { "it": closed } }),
        json!({ "$ref": "#/$defs/it", "$defs": { "it": { "$ref": "#/$defs/it+" }, "it+": closed } }),
        json!({ "allOf": [{ "properties": { "a": { "type": "integer" } } }], "required": ["a"], "unevaluatedProperties": false }),
        json!({ "if": { "required": ["a"] }, "then": closed, "else": false }),
        json!({ "not": { "not": closed } }),
        json!({ "patternProperties": { "^a$": { "type": "integer" } }, "required": ["a"], "additionalProperties": false }),
        json!({ "propertyNames": { "const": "a" }, "properties": { "a": { "type": "integer" } }, "required": ["a"] }),
        json!({ "properties": { "a": { "type": "integer" }, "id": false, "status": { "type": "null" } }, "required": ["a"], "additionalProperties": false }),
        json!({ "$schema": "http://json-schema.org/draft-07/schema#", "definitions": { "it": closed }, "$ref": "#/definitions/it" }),
    ] {
        let (narrow, wide) = (Schema::compile(source.clone()).expect("a schema"), wide(&source, &ours));
        for (value, taken) in [
            (json!({ "a": 1 }), true),
            (json!({ "a": "x" }), false),
            (json!({ "a": 1, "b": 1 }), false),
            (json!({}), false),
        ] {
            assert_eq!(narrow.validate(&value).is_empty(), taken, "{value} in {source}");
            let mut shown = value.clone();
            shown["id"] = json!("7");
            shown["status"] = json!({ "settled": true });
            assert_eq!(wide.validate(&shown).is_empty(), taken, "{shown} in {}", wide.source());
            assert_eq!(wide.validate(&value).is_empty(), taken, "{value} in {}", wide.source());
        }
    }
}

#[test]
fn what_cannot_be_told_apart_is_taken() {
    let ours = free(&["/id"]);
    for source in [
        json!({ "maxProperties": 1 }),
        json!({ "const": { "a": 1 } }),
        json!({ "enum": [{ "a": 1 }] }),
        json!({ "patternProperties": { "": { "type": "integer" } } }),
        json!({ "not": { "minProperties": 2 } }),
        json!({ "oneOf": [{ "maxProperties": 1 }, { "maxProperties": 0 }] }),
        json!({ "if": { "maxProperties": 1 }, "then": { "required": ["a"] } }),
        json!({ "oneOf": [{ "const": { "a": 1 } }, { "required": ["b"] }] }),
    ] {
        assert!(Schema::compile(source.clone()).expect("a schema").validate(&json!({ "a": 1 })).is_empty(), "{source}");
        let wide = wide(&source, &ours);
        assert!(wide.validate(&json!({ "a": 1, "id": "7" })).is_empty(), "{}", wide.source());
    }
}

#[test]
fn what_is_shown_within_a_member_passes_there_and_nowhere_else() {
    let source = json!({
        "properties": { "barks": { "$ref": "#/$defs/barks" }, "other": { "$ref": "#/$defs/barks" } },
        "additionalProperties": false,
        "$defs": { "barks": { "type": "object", "properties": { "every": { "type": "integer" } }, "required": ["every"], "additionalProperties": false } },
    });
    let wide = wide(&source, &free(&["/barks/next"]));
    for (shown, taken) in [
        (json!({ "barks": { "every": 1, "next": "…" } }), true),
        (json!({ "barks": { "next": "…" } }), true),
        (json!({ "barks": { "every": "x", "next": "…" } }), false),
        (json!({ "barks": { "every": 1, "last": "…" } }), false),
        (json!({ "other": { "every": 1, "next": "…" } }), false),
        (json!({ "other": { "every": 1 } }), true),
    ] {
        assert_eq!(wide.validate(&shown).is_empty(), taken, "{shown}");
    }
}

/// Schemas of objects with the members `a` to `d`, which may refer to these.
fn any_schema(targets: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(vec!["a", "b", "c", "d"]);
    let leaf = prop_oneof![
        3 => Just(json!(true)),
        1 => Just(json!(false)),
        3 => Just(json!({ "type": "integer" })),
        1 => Just(json!({ "type": "object" })),
        1 => (0u64..4).prop_map(|n| json!({ "minProperties": n })),
        1 => (0u64..4).prop_map(|n| json!({ "maxProperties": n })),
        1 => name().prop_map(|name| json!({ "required": [name] })),
        1 => name().prop_map(|name| json!({ "propertyNames": { "enum": [name, "a"] } })),
        1 => name().prop_map(|name| json!({ "const": { name: 1 } })),
        3 => prop::sample::select([&[""], targets].concat()).prop_map(|target| match target {
            "" => json!({ "required": ["a"] }),
            target => json!({ "$ref": target }),
        }),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let some = || prop::collection::vec(inner.clone(), 1..3);
        let one = inner.clone();
        prop_oneof![
            3 => (name(), inner.clone(), inner.clone()).prop_map(|(n, p, a)| json!({ "properties": { n: p }, "additionalProperties": a })),
            2 => (name(), inner.clone()).prop_map(|(n, p)| json!({ "properties": { n: p }, "unevaluatedProperties": false })),
            1 => (name(), inner.clone()).prop_map(|(n, p)| json!({ "patternProperties": { n: p }, "additionalProperties": false })),
            1 => (name(), inner.clone()).prop_map(|(n, p)| json!({ "dependentSchemas": { n: p } })),
            1 => some().prop_map(|all| json!({ "allOf": all })),
            1 => some().prop_map(|any| json!({ "anyOf": any, "unevaluatedProperties": false })),
            1 => some().prop_map(|one| json!({ "oneOf": one })),
            1 => one.prop_map(|not| json!({ "not": not })),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(i, t, e)| json!({ "if": i, "then": t, "else": e })),
        ]
    })
}

fn any_document() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!(1)),
        Just(json!("x")),
        Just(json!({})),
        Just(json!({ "a": 1 })),
        Just(json!({ "b": { "c": 1 } })),
    ];
    prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|members| Value::Object(members.into_iter().collect()))
}

proptest! {
    /// Two places of the service: one beside the members, one within one of them.
    #[test]
    fn whatever_was_taken_is_taken_with_members_of_the_service(
        mut source in any_schema(&["#/$defs/x", "#/$defs/y"]).prop_filter("an object", Value::is_object),
        // Definitions that go round in circles never end in any validator.
        (x, y) in (any_schema(&[]), any_schema(&["#/$defs/x"])),
        document in any_document(),
    ) {
        source["$defs"] = json!({ "x": x, "y": y });
        let narrow = Schema::compile(source.clone()).expect("a schema");
        prop_assume!(narrow.validate(&document).is_empty());
        let wide = wide(&source, &free(&["/own", "/b/own"]));
        let Value::Object(mut shown) = document else { unreachable!("it was made as one") };
        shown.insert("own".to_owned(), json!([]));
        prop_assert!(wide.validate(&json!(shown)).is_empty(), "{} in {}", json!(shown), wide.source());
        if shown.get("b").is_none_or(Value::is_object) {
            shown.entry("b").or_insert_with(|| json!({}))["own"] = json!([]);
            prop_assert!(wide.validate(&json!(shown)).is_empty(), "{} in {}", json!(shown), wide.source());
        }
    }
}
