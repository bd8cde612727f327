//! How to ask for a job: the schema of what is sent, and, for who can send no
//! JSON, the fields of a form.
//!
//! Each field stands for one member of the input, and the schema of the
//! operation says what its text is. What that schema does not tell is text.
//!
//! # Guarantees
//! Text that cannot be what the schema says is named, field by field. Whether
//! the input is valid is left to the schema.

mod ask;
mod field;

pub use ask::Ask;
pub use field::{Field, Kind, Need, fields};

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::json::{self, JsonLimits};
use super::near::did_you_mean;
use super::schema::Violation;
use field::kind_of;

/// The field that names the operation, where the activity leaves a choice.
pub const OPERATION: &str = "_operation";

/// The operation that a form names, if it names one.
///
/// # Errors
/// It names several.
pub fn operation(sent: &[(String, String)]) -> Result<Option<&str>, Violation> {
    let mut named = sent.iter().filter(|(name, _)| name == OPERATION).map(|(_, value)| value.as_str());
    match (named.next(), named.next()) {
        (Some(_), Some(_)) => Err(Violation { pointer: "/operation".to_owned(), detail: several(OPERATION) }),
        (Some(""), None) | (None, _) => Ok(None),
        (Some(name), None) => Ok(Some(name)),
    }
}

/// The members of the input that the fields of a form stand for. A field that
/// is empty and not required is left out.
///
/// # Errors
/// Each field whose text is not what the schema says.
pub fn read(sent: &[(String, String)], schema: Option<&Value>) -> Result<Map<String, Value>, Vec<Violation>> {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in sent.iter().filter(|(name, _)| name != OPERATION) {
        values.entry(name).or_default().push(value);
    }
    let known = schema.map(fields).unwrap_or_default();
    let (mut input, mut violations) = (Map::new(), Vec::new());
    for (name, values) in values {
        let field = known.iter().find(|field| field.name == name);
        let need = field.map_or(Need::Optional, |field| field.need);
        // Members that no property describes may still be described as all others are.
        let kind = field.map_or_else(|| kind_of_others(schema), |field| field.kind.clone());
        if values == [""] && !(need == Need::Required && kind == Kind::Text) {
            continue;
        }
        match of_kind(&kind, name, &values) {
            Ok(value) => drop(input.insert(name.to_owned(), value)),
            Err(detail) => violations.push(Violation { pointer: json::pointer(&["input", name]), detail }),
        }
    }
    if violations.is_empty() { Ok(input) } else { Err(violations) }
}

fn kind_of_others(schema: Option<&Value>) -> Kind {
    let others = schema.and_then(|schema| schema.get("additionalProperties"));
    schema.zip(others).map_or(Kind::Text, |(root, others)| kind_of(root, others))
}

fn of_kind(kind: &Kind, name: &str, values: &[&str]) -> Result<Value, String> {
    match (kind, values) {
        (Kind::List(_), [one]) if one.trim_start().starts_with('[') => as_json(one),
        (Kind::List(item), values) => {
            let filled = values.iter().filter(|value| !value.is_empty());
            filled.map(|value| of_kind(item, name, &[value])).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        // A box that is not ticked sends nothing, so a hidden field before it says what that means.
        (Kind::Boolean, [.., last]) => as_boolean(last),
        (kind, [one]) => as_one(kind, one),
        (_, _) => Err(several(name)),
    }
}

fn as_one(kind: &Kind, text: &str) -> Result<Value, String> {
    match kind {
        // Browsers send each line break as two characters.
        Kind::Text => Ok(Value::from(text.replace("\r\n", "\n"))),
        Kind::Boolean => as_boolean(text),
        Kind::Integer => {
            let text = text.trim();
            let number = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
            number.map(Value::Number).map_err(|_| expected("a whole number", text))
        }
        Kind::Number => as_number(text.trim()).ok_or_else(|| expected("a number", text)),
        // What is none of them is the schema's to refuse.
        Kind::Choice(values) => {
            let meant = values.iter().find(|value| spelled(value) == text);
            Ok(meant.cloned().unwrap_or_else(|| Value::from(text)))
        }
        Kind::List(_) | Kind::Json => as_json(text),
    }
}

/// A value of a choice, as the text of its field.
#[must_use]
pub fn spelled(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn as_boolean(text: &str) -> Result<Value, String> {
    match text {
        "true" | "on" | "1" => Ok(Value::Bool(true)),
        "false" | "off" | "0" => Ok(Value::Bool(false)),
        _ => Err(expected("true or false", text)),
    }
}

fn as_number(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(Value::from(number));
    }
    // What Rust reads beyond digits, such as `inf`, is no number to anybody else.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    let number = text.parse::<f64>().ok().filter(|_| plain)?;
    Number::from_f64(number).map(Value::Number)
}

fn as_json(text: &str) -> Result<Value, String> {
    json::parse(text.as_bytes(), &JsonLimits::default()).map_err(|error| format!("expected JSON: {error}"))
}

fn expected(what: &str, found: &str) -> String {
    format!("expected {what}, found `{}`", super::job::clip(found, FOUND_BYTES_MAX))
}

/// How much of what was sent is shown in an error.
const FOUND_BYTES_MAX: usize = 64;

fn several(name: &str) -> String {
    format!("the field `{}` occurs more than once", super::job::clip(name, FOUND_BYTES_MAX))
}

/// That no operation is named, in words for who sent a form.
#[must_use]
pub fn unnamed(sent: &[(String, String)]) -> String {
    let near = sent.iter().map(|(name, _)| name.as_str()).find(|name| !did_you_mean(name, [OPERATION]).is_empty());
    let meant = near.map(|name| format!("; `{name}` is not its name")).unwrap_or_default();
    format!("in a form, the field `{OPERATION}` names it{meant}")
}

#[cfg(test)]
mod tests;
