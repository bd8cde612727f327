//! What fields stand for, and that what the schema of a request allows is what can be sent.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::json::strategies::any_value;
use crate::domain::operation::{ExecSpec, Keep, OnUnknown, Operation, Reply, RunnerSpec};
use crate::domain::patch::{PatchBody, PatchLimits, apply_patch};
use crate::domain::retry::RetryPolicy;
use crate::domain::schema::Schema;

fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').expect("a pair")).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

fn schema() -> Value {
    json!({
        "$ref": "#/$defs/bark",
        "$defs": {
            "bark": {
                "type": "object",
                "required": ["name", "volume"],
                "properties": {
                    "name": { "type": "string" },
                    "volume": { "$ref": "#/$defs/volume" },
                    "pitch": { "type": ["number", "null"] },
                    "loud": { "type": "boolean" },
                    "tone": { "enum": ["happy", 3, null] },
                    "words": { "type": "array", "items": { "type": "string" } },
                    "counts": { "type": "array", "items": { "type": "integer" } },
                    "nested": { "type": "array", "items": { "type": "object" } },
                    "at": { "type": "object" },
                    "either": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
                    "neither": { "oneOf": [{ "type": "integer" }, { "type": "object" }] },
                    "any": {},
                    "version": { "const": 2 },
                },
            },
            "volume": { "type": "integer", "title": "Volume", "minimum": 1 },
        },
    })
}

#[test]
fn the_text_of_a_field_stands_for_what_the_schema_says() {
    for (sent, input) in [
        ("name=Rex", json!({ "name": "Rex" })),
        ("name=", json!({ "name": "" })),
        ("name=a\r\nb\rc", json!({ "name": "a\nb\rc" })),
        ("volume=11", json!({ "volume": 11 })),
        ("volume= 18446744073709551615 ", json!({ "volume": u64::MAX })),
        ("pitch=440", json!({ "pitch": 440 })),
        ("pitch=-.5e1", json!({ "pitch": -5.0 })),
        ("loud=on", json!({ "loud": true })),
        ("loud=false&loud=true", json!({ "loud": true })),
        ("loud=false", json!({ "loud": false })),
        ("tone=3", json!({ "tone": 3 })),
        ("tone=happy", json!({ "tone": "happy" })),
        ("tone=null", json!({ "tone": null })),
        ("tone=else", json!({ "tone": "else" })),
        ("words=a&words=b&words=", json!({ "words": ["a", "b"] })),
        ("words=a", json!({ "words": ["a"] })),
        ("words=[\"a\",\"b\"]", json!({ "words": ["a", "b"] })),
        ("counts=1&counts=2", json!({ "counts": [1, 2] })),
        ("nested=[{}]", json!({ "nested": [{}] })),
        ("at={\"person\":\"Ann\"}", json!({ "at": { "person": "Ann" } })),
        ("either=7", json!({ "either": "7" })),
        ("neither=7", json!({ "neither": 7 })),
        ("any=7", json!({ "any": "7" })),
        ("version=2", json!({ "version": 2 })),
        ("unknown=7", json!({ "unknown": "7" })),
        // What is empty and need not be there is not there.
        ("pitch=&loud=&tone=&words=&at=&any=&unknown=&volume=", json!({})),
        ("_operation=bark&name=Rex", json!({ "name": "Rex" })),
    ] {
        assert_eq!(read(&pairs(sent), Some(&schema())).map(Value::Object), Ok(input), "{sent}");
    }
}

#[test]
fn without_a_schema_everything_is_text() {
    let sent = pairs("a=1&b=&c=true");
    assert_eq!(read(&sent, None).map(Value::Object), Ok(json!({ "a": "1", "c": "true" })));
    let counts = json!({ "type": "object", "additionalProperties": { "type": "integer" } });
    assert_eq!(read(&sent[..1], Some(&counts)).map(Value::Object), Ok(json!({ "a": 1 })));
}

#[test]
fn text_that_cannot_be_what_the_schema_says_is_named_with_its_field() {
    for (sent, pointer, detail) in [
        ("volume=loud", "/input/volume", "expected a whole number, found `loud`"),
        ("volume=1.5", "/input/volume", "expected a whole number, found `1.5`"),
        ("volume=18446744073709551616", "/input/volume", "expected a whole number, found `18446744073709551616`"),
        ("pitch=inf", "/input/pitch", "expected a number, found `inf`"),
        ("pitch=1e999", "/input/pitch", "expected a number, found `1e999`"),
        ("loud=maybe", "/input/loud", "expected true or false, found `maybe`"),
        ("counts=1&counts=x", "/input/counts", "expected a whole number, found `x`"),
        ("name=a&name=b", "/input/name", "the field `name` occurs more than once"),
        ("a/b=1&a/b=2", "/input/a~1b", "the field `a/b` occurs more than once"),
    ] {
        let wrong = Violation { pointer: pointer.to_owned(), detail: detail.to_owned() };
        assert_eq!(read(&pairs(sent), Some(&schema())), Err(vec![wrong]), "{sent}");
    }
    let wrong = read(&pairs("at={\"a\":1,\"a\":2}&volume=x"), Some(&schema())).expect_err("two fields");
    assert_eq!(wrong.len(), 2);
    assert!(wrong[0].detail.starts_with("expected JSON: "), "{}", wrong[0].detail);
}

#[test]
fn the_operation_is_named_once_or_not_at_all() {
    assert_eq!(operation(&pairs("name=Rex")), Ok(None));
    assert_eq!(operation(&pairs("_operation=")), Ok(None));
    assert_eq!(operation(&pairs("_operation=bark&operation=x")), Ok(Some("bark")));
    assert_eq!(operation(&pairs("_operation=bark&_operation=bark")).expect_err("two").pointer, "/operation");
}

#[test]
fn the_fields_are_those_of_the_schema_in_its_order() {
    let fields = fields(&schema());
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names[..4], ["name", "volume", "pitch", "loud"]);
    assert_eq!((fields[0].need, fields[2].need), (Need::Required, Need::Optional));
    assert_eq!(fields[1].title.as_deref(), Some("Volume"));
    assert_eq!(fields[1].bounds, (Some(json!(1)), None));
    let round = json!({ "properties": { "a": { "$ref": "#/properties/a" } } });
    assert_eq!(super::fields(&round)[0].kind, Kind::Text, "a reference to itself ends");
}

fn operation_of(name: &str, input: Option<Value>) -> Arc<Operation> {
    Arc::new(Operation {
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
    })
}

fn ask(operations: &[Arc<Operation>], meant: Option<&str>, input: Value) -> Ask {
    Ask { operations: operations.to_vec(), meant: meant.map(|name| name.parse().expect("a name")), input }
}

/// Whether a request is taken: the operation is known, and its input, merged, is valid.
fn is_taken(ask: &Ask, body: &Value) -> bool {
    let named = body.get("operation").map_or(ask.meant.as_ref().map(|name| name.as_str()), Value::as_str);
    let Some(operation) = ask.operations.iter().find(|known| Some(known.name.as_str()) == named) else { return false };
    let over = body.get("input").cloned().unwrap_or_else(|| json!({}));
    let Ok(patch) = PatchBody::merge(over) else { return false };
    let input = apply_patch(&ask.input, &patch, &PatchLimits::default()).expect("it is small");
    operation.input.as_ref().is_none_or(|schema| schema.validate(&input).is_empty())
}

#[test]
fn the_schema_of_a_request_says_what_is_taken() {
    let bark = operation_of("bark", Some(schema()));
    let old = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "required": ["n"], "properties": { "n": { "$ref": "#/definitions/n" } }, "definitions": { "n": { "type": "integer" } } });
    let count = operation_of("count", Some(old));
    let plain = operation_of("plain", Some(json!({ "required": ["name", "volume"] })));
    let any = operation_of("any", None);
    let (barks, plains) = ([bark.clone()], [plain]);
    let all = [any, bark, count];
    let rex = json!({ "name": "Rex", "volume": 3 });
    for (ask, body, taken) in [
        (ask(&[], None, json!({})), json!({}), false),
        (ask(&barks, Some("bark"), json!({})), json!({ "input": rex }), true),
        (ask(&barks, Some("bark"), json!({})), json!({ "operation": "bark", "input": rex }), true),
        (ask(&barks, Some("bark"), json!({})), json!({}), false),
        (ask(&barks, Some("bark"), rex.clone()), json!({}), true),
        (ask(&barks, Some("bark"), rex.clone()), json!({ "input": { "volume": 0 } }), false),
        (ask(&plains, Some("plain"), json!({ "name": "Rex" })), json!({ "input": { "volume": 1 } }), true),
        (ask(&plains, Some("plain"), json!({ "name": "Rex" })), json!({ "input": {} }), false),
        (ask(&barks, None, json!({})), json!({ "input": rex }), false),
        (ask(&all, None, json!({})), json!({ "operation": "any", "input": { "x": 1 } }), true),
        (ask(&all, None, json!({})), json!({ "operation": "other" }), false),
        (ask(&all, None, json!({})), json!({ "operation": "count", "input": { "n": "x" } }), false),
        (ask(&all, None, json!({})), json!({ "operation": "count", "input": { "n": 1 } }), true),
        (ask(&all, Some("count"), json!({})), json!({ "input": { "n": 1 } }), true),
        (ask(&all, Some("count"), json!({})), json!({}), false),
        (ask(&all, Some("count"), json!({ "n": 1 })), json!({}), true),
        (ask(&all, Some("count"), json!({ "n": 1 })), json!({ "operation": "any" }), true),
        (ask(&all, Some("count"), json!({ "n": 1 })), json!({ "inptu": {} }), false),
    ] {
        let schema = Schema::compile(ask.schema()).expect("a schema");
        let valid = schema.validate(&body);
        assert_eq!(valid.is_empty(), taken, "{body} in {}: {valid:?}", ask.schema());
        assert!(!taken || is_taken(&ask, &body), "{body} is allowed and not taken");
    }
}

proptest! {
    #[test]
    fn no_form_makes_it_panic(sent in prop::collection::vec(("[a-z_]{0,6}", ".{0,12}"), 0..8), schema in any_value()) {
        let _ = read(&sent, Some(&schema));
        let _ = fields(&schema);
    }

    /// What was shown in a field comes back as it was.
    #[test]
    fn a_value_that_is_shown_in_a_field_is_read_back(n in any::<i64>(), text in "[ -~]{1,12}", flag in any::<bool>()) {
        let schema = json!({ "required": ["t"], "properties": {
            "n": { "type": "integer" }, "t": { "type": "string" }, "b": { "type": "boolean" } } });
        let values = json!({ "n": n, "t": text, "b": flag });
        let sent: Vec<_> = values.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), spelled(v))).collect();
        prop_assert_eq!(read(&sent, Some(&schema)).map(Value::Object), Ok(json!({ "b": flag, "n": n, "t": text })));
    }
}
