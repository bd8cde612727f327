//! What holds for all expressions and all values.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::super::budget::Budget;
use super::super::value::Val;
use super::{Variable, parse};
use crate::domain::json::{canonical, equal, strategies::any_value};

/// Expressions over a few names, most of which can be evaluated.
fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("self".to_owned()),
        Just("self.a".to_owned()),
        Just("self.b.c".to_owned()),
        Just("old".to_owned()),
        Just("x".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        (-3i64..4).prop_map(|int| int.to_string()),
        (0u64..3).prop_map(|uint| format!("{uint}u")),
        Just("1.5".to_owned()),
        Just("'a'".to_owned()),
        Just("'ab'".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in",
        ]);
        let quantifier = prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter"]);
        let function =
            prop::sample::select(vec!["size", "string", "int", "uint", "double", "bool", "dyn"]);
        prop_oneof![
            3 => (inner.clone(), operator, inner.clone()).prop_map(|(one, op, other)| format!("({one} {op} {other})")),
            2 => (inner.clone(), quantifier, inner.clone()).prop_map(|(over, name, body)| format!("{over}.{name}(x, {body})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(c, one, other)| format!("({c} ? {one} : {other})")),
            1 => (function, inner.clone()).prop_map(|(name, argument)| format!("{name}({argument})")),
            1 => inner.clone().prop_map(|value| format!("!{value}")),
            1 => inner.clone().prop_map(|value| format!("-({value})")),
            1 => inner.clone().prop_map(|value| format!("({value}).a")),
            1 => inner.clone().prop_map(|value| format!("has(({value}).a)")),
            1 => (inner.clone(), inner.clone()).prop_map(|(value, index)| format!("({value})[{index}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("[{one}, {other}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(key, value)| format!("{{{key}: {value}, 'b': 1}}")),
            1 => (inner.clone(), inner).prop_map(|(text, part)| format!("{text}.contains({part})")),
        ]
    })
}

/// Pieces of CEL in any order.
fn any_text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "self", "old", "now", ".", "a", "[", "]", "(", ")", "{", "}", "'", "\"", "'''", "\\", ",", ":", "?", "+", "-",
        "*", "/", "%", "!", "&&", "||", "==", "<", "in", "has", "map", "x", "matches", "1", "1u", "1.5", "0x", "e",
        "null", "true", "ä", "🐶", " ", "\n", "\r", "\0", "//", "`", "@", "$", "r'", "b'", "size(", ".map(x,", "if",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_brings_the_parser_down_and_an_error_points_into_the_text(text in any_text()) {
        match parse(&text) {
            Ok(expression) => {
                let _ = expression.evaluate(&[(Variable::Document, &json!({"a": [1]}))]);
                let _ = expression.reads(Variable::Document);
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.offset), "{error:?}"),
        }
    }

    #[test]
    fn nor_does_any_other_text(text in ".{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset), "{error:?}");
        }
    }

    #[test]
    fn a_value_comes_back_as_it_was(value in any_value()) {
        let back = Val::of(&value).to_json(&Budget::new()).expect("a value");
        prop_assert!(equal(&back, &value));
        prop_assert_eq!(back.to_string(), value.to_string());
    }

    #[test]
    fn values_are_equal_as_json_has_it(one in any_value(), other in any_value()) {
        let budget = Budget::new();
        prop_assert_eq!(Val::of(&one).equals(&Val::of(&other), &budget), Ok(equal(&one, &other)));
        prop_assert_eq!(Val::of(&one).equals(&Val::of(&one), &budget), Ok(true));
    }

    #[test]
    fn an_evaluation_ends_and_is_the_same_each_time(text in any_expression(), value in any_value()) {
        let Ok(expression) = parse(&text) else { return Ok(()) };
        let document = json!({"a": value, "b": {"c": [1, "a"]}});
        let given = [(Variable::Document, &document), (Variable::Old, &Value::Null)];
        let once = expression.evaluate(&given);
        prop_assert_eq!(format!("{:?}", expression.evaluate(&given)), format!("{once:?}"));
    }
}

/// The crate's own evaluator, as an oracle: slow, unbounded and without order,
/// but not ours.
mod oracle {
    use cel::objects::Key;
    use serde_json::{Map, Number, Value};

    pub(super) fn evaluate(text: &str, document: &Value) -> Option<Result<Value, ()>> {
        let program = cel::Program::compile(text).ok()?;
        let mut context = cel::Context::default();
        context.add_variable_from_value("self", to_cel(document));
        context.add_variable_from_value("old", cel::Value::Null);
        Some(program.execute(&context).map_err(|_| ()).and_then(|value| from_cel(&value).ok_or(())))
    }

    fn to_cel(value: &Value) -> cel::Value {
        match value {
            Value::Null => cel::Value::Null,
            Value::Bool(value) => cel::Value::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => cel::Value::Int(int),
                (None, Some(uint)) => cel::Value::UInt(uint),
                (None, None) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => cel::Value::from(text.as_str()),
            Value::Array(items) => cel::Value::List(items.iter().map(to_cel).collect::<Vec<_>>().into()),
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| (Key::from(name.as_str()), to_cel(value)));
                cel::Value::Map(cel::objects::Map { map: members.collect::<std::collections::HashMap<_, _>>().into() })
            }
        }
    }

    fn from_cel(value: &cel::Value) -> Option<Value> {
        Some(match value {
            cel::Value::Null => Value::Null,
            cel::Value::Bool(value) => Value::Bool(*value),
            cel::Value::Int(int) => Value::from(*int),
            cel::Value::UInt(uint) => Value::from(*uint),
            cel::Value::Float(float) => Value::Number(Number::from_f64(*float)?),
            cel::Value::String(text) => Value::String(text.to_string()),
            cel::Value::List(items) => Value::Array(items.iter().map(from_cel).collect::<Option<_>>()?),
            cel::Value::Map(members) => {
                let members = members.map.iter().map(|(name, value)| match name {
                    Key::String(name) => Some((name.to_string(), from_cel(value)?)),
                    Key::Int(_) | Key::Uint(_) | Key::Bool(_) => None,
                });
                Value::Object(members.collect::<Option<Map<_, _>>>()?)
            }
            cel::Value::Bytes(_) | cel::Value::Function(..) | cel::Value::Opaque(_) | cel::Value::Struct(_) => {
                return None;
            }
        })
    }
}

#[test]
fn the_walk_agrees_with_the_evaluator_of_the_crate() {
    let mut runner = TestRunner::deterministic();
    let mut compared = 0;
    while compared < 2000 {
        let text = any_expression().new_tree(&mut runner).expect("a text").current();
        let value = any_value().new_tree(&mut runner).expect("a value").current();
        let document = json!({"a": value, "b": {"c": [1, "a"]}});
        let Ok(expression) = parse(&text) else { continue };
        let Some(theirs) = oracle::evaluate(&text, &document) else { continue };
        let ours = expression.evaluate(&[(Variable::Document, &document), (Variable::Old, &Value::Null)]);
        compared += 1;
        match (ours, theirs) {
            // Theirs goes over the members of a map in any order.
            (Ok(ours), Ok(theirs)) => assert!(equal(&sorted(ours), &sorted(theirs)), "{text} over {document}"),
            (Err(_), Err(())) => {}
            // Theirs adds the keys and values of a map to a list.
            (Err(error), Ok(_)) => {
                assert!(error.to_string().contains("a list and a map"), "{text} over {document}: {error}");
            }
            (Ok(value), Err(())) => panic!("{text} over {document}: {value}"),
        }
    }
}

/// The same value with each list in one order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(canonical);
            Value::Array(items)
        }
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
