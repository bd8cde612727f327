//! What comes of an expression becomes JSON again.

use serde_json::{Map, Number, Value};

use super::EvaluationError;
use super::budget::Budget;
use super::value::{ELEMENT_BYTES, Members, Val, failed};
use crate::domain::json::NESTING_MAX;
use crate::domain::time::friendly;

impl Val<'_> {
    /// The value of JSON that it is.
    pub(super) fn to_json(&self, budget: &Budget) -> Result<Value, EvaluationError> {
        self.to_json_at(0, budget)
    }

    fn to_json_at(&self, depth: usize, budget: &Budget) -> Result<Value, EvaluationError> {
        budget.work(1)?;
        budget.make(ELEMENT_BYTES)?;
        if depth > NESTING_MAX {
            return Err(failed(format!("the result is nested more than {NESTING_MAX} levels deep")));
        }
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(int) => Value::from(*int),
            Self::Uint(uint) => Value::from(*uint),
            Self::Double(double) => {
                let number = Number::from_f64(*double);
                number
                    .map(Value::Number)
                    .ok_or_else(|| failed(format!("the result is {double}, which is no number of JSON")))?
            }
            Self::Text(text) => {
                budget.make(text.as_str().len())?;
                Value::from(text.as_str())
            }
            Self::List(items) => {
                let mut made = Vec::new();
                for index in 0..items.len() {
                    made.extend(items.get(index).map(|item| item.to_json_at(depth + 1, budget)).transpose()?);
                }
                Value::Array(made)
            }
            Self::Map(members) => members.to_json_at(depth, budget)?,
            Self::Instant(instant) => Value::String(instant.to_string()),
            Self::Length(millis) => {
                let length = u64::try_from(*millis).map_err(|_| failed("the result is a negative duration"))?;
                Value::String(friendly(std::time::Duration::from_millis(length)))
            }
            Self::Bytes(_) | Self::Type(_) => {
                return Err(failed(format!("the result is {}: expected a value of JSON", self.kind())));
            }
        })
    }
}

impl Members<'_> {
    fn to_json_at(&self, depth: usize, budget: &Budget) -> Result<Value, EvaluationError> {
        let mut made = Map::new();
        let mut put = |name: &str, value: &Val<'_>| {
            budget.make(name.len())?;
            made.insert(name.to_owned(), value.to_json_at(depth + 1, budget)?);
            Ok(())
        };
        match self {
            Self::Lent(members) => members.iter().try_for_each(|(name, value)| put(name, &Val::of(value)))?,
            Self::Made(entries) => entries.iter().try_for_each(|(key, value)| {
                let Val::Text(name) = key else {
                    return Err(failed(format!("the name of a member is {}: expected a string", key.kind())));
                };
                put(name.as_str(), value)
            })?,
        }
        Ok(Value::Object(made))
    }
}
