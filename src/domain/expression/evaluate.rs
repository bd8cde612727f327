//! JSON becomes CEL, and what comes of it becomes JSON again.

use std::sync::{Arc, LazyLock};

use cel::objects::Key;
use cel::{Context, Env, ExecutionError, IdedExpr};
use serde_json::{Map, Number, Value};

use super::EvaluationError;
use crate::domain::time::{Timestamp, friendly};

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A variable and its value.
pub(super) enum Given<'v> {
    /// As it is.
    Json(&'v Value),
    /// An instant, written as in documents.
    Instant(&'v Value),
}

/// The value of a tree.
pub(super) fn evaluate(root: &IdedExpr, given: &[(&str, Given<'_>)]) -> Result<Value, EvaluationError> {
    let mut context = Context::with_env(Arc::clone(&ENV));
    for (name, value) in given {
        let value = match value {
            Given::Json(value) => to_cel(value),
            Given::Instant(value) => instant(value)?,
        };
        context.add_variable_from_value(*name, value);
    }
    let result = cel::Value::resolve(root, &context).map_err(explain)?;
    from_cel(&result)
}

fn failed(detail: impl Into<String>) -> EvaluationError {
    EvaluationError::Failed { detail: detail.into() }
}

fn explain(error: ExecutionError) -> EvaluationError {
    if let ExecutionError::NoSuchKey(name) = &error {
        return EvaluationError::Missing { name: name.to_string() };
    }
    failed(error.to_string())
}

fn instant(value: &Value) -> Result<cel::Value, EvaluationError> {
    static READ: LazyLock<Option<cel::Program>> = LazyLock::new(|| ENV.compile("timestamp(text)").ok());
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.add_variable_from_value("text", to_cel(value));
    let read = READ.as_ref().ok_or_else(|| failed("instants cannot be read"))?;
    read.execute(&context).map_err(explain)
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
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (Key::from(name.as_str()), to_cel(value)));
            cel::Value::Map(cel::objects::Map { map: Arc::new(members.collect()) })
        }
    }
}

fn from_cel(value: &cel::Value) -> Result<Value, EvaluationError> {
    Ok(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(value) => Value::Bool(*value),
        cel::Value::Int(int) => Value::from(*int),
        cel::Value::UInt(uint) => Value::from(*uint),
        cel::Value::Float(float) => Number::from_f64(*float)
            .map(Value::Number)
            .ok_or_else(|| failed(format!("{float} is no number of JSON")))?,
        cel::Value::String(text) => Value::String(text.to_string()),
        cel::Value::List(items) => Value::Array(items.iter().map(from_cel).collect::<Result<_, _>>()?),
        cel::Value::Map(members) => {
            let mut members: Vec<_> = members.map.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            let members = members.into_iter().map(|(name, value)| match name {
                Key::String(name) => Ok((name.to_string(), from_cel(value)?)),
                Key::Int(_) | Key::Uint(_) | Key::Bool(_) => {
                    Err(failed(format!("`{name}` is no name of a member: expected a string")))
                }
            });
            Value::Object(members.collect::<Result<Map<_, _>, _>>()?)
        }
        cel::Value::Timestamp(instant) => Value::String(Timestamp::from_millis(instant.timestamp_millis()).to_string()),
        cel::Value::Duration(duration) => {
            let duration = duration.to_std().map_err(|_| failed("a negative duration is no length of time"))?;
            Value::String(friendly(duration))
        }
        cel::Value::Bytes(_) => return Err(failed("the result is bytes: expected a value of JSON")),
        cel::Value::Function(..) | cel::Value::Opaque(_) | cel::Value::Struct(_) => {
            return Err(failed("the result is no value of JSON"));
        }
    })
}
