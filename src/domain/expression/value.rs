//! What expressions work on: values of JSON where they lie, and what is made of them.

use std::cmp::Ordering;
use std::rc::Rc;

use serde_json::{Map, Number, Value};

use super::EvaluationError;
use super::budget::Budget;
use crate::domain::json::NESTING_MAX;
use crate::domain::time::{Timestamp, friendly};

/// How deeply values are compared: a result may hold a document in a list in a
/// list, but not without end.
const COMPARED_MAX: usize = 2 * NESTING_MAX;

/// About what an element takes in memory, a member of an object included.
pub(super) const ELEMENT_BYTES: usize = 64;

/// A value of CEL. Cloning one copies nothing that grows.
#[derive(Debug, Clone)]
pub(super) enum Val<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'v>),
    Bytes(Rc<[u8]>),
    List(List<'v>),
    Map(Members<'v>),
    Instant(Timestamp),
    /// A duration in milliseconds, which may be negative.
    Length(i64),
    /// The name of a type.
    Type(&'static str),
}

#[derive(Debug, Clone)]
pub(super) enum Text<'v> {
    Lent(&'v str),
    Made(Rc<str>),
}

#[derive(Debug, Clone)]
pub(super) enum List<'v> {
    Lent(&'v [Value]),
    Made(Rc<[Val<'v>]>),
}

#[derive(Debug, Clone)]
pub(super) enum Members<'v> {
    Lent(&'v Map<String, Value>),
    /// In the order of the text. Only literals make such, so they are short.
    Made(Rc<[(Val<'v>, Val<'v>)]>),
}

pub(super) fn failed(detail: impl Into<String>) -> EvaluationError {
    EvaluationError::Failed { detail: detail.into() }
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'v> List<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lent(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Val<'v>> {
        match self {
            Self::Lent(items) => items.get(index).map(Val::of),
            Self::Made(items) => items.get(index).cloned(),
        }
    }
}

impl<'v> Members<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lent(members) => members.len(),
            Self::Made(entries) => entries.len(),
        }
    }

    pub(super) fn member(&self, name: &str) -> Option<Val<'v>> {
        match self {
            Self::Lent(members) => members.get(name).map(Val::of),
            Self::Made(entries) => {
                let found = entries.iter().find(|(key, _)| matches!(key, Val::Text(text) if text.as_str() == name));
                found.map(|(_, value)| value.clone())
            }
        }
    }

    /// The value under a key; a whole double is the key that an int is.
    pub(super) fn get(&self, key: &Val<'v>) -> Option<Val<'v>> {
        match (self, key) {
            (_, Val::Text(name)) => self.member(name.as_str()),
            (Self::Lent(_), _) => None,
            (Self::Made(entries), key) => {
                entries.iter().find(|(other, _)| key.equals_scalar(other)).map(|(_, value)| value.clone())
            }
        }
    }

    /// The keys, in their order.
    pub(super) fn keys(&self) -> List<'v> {
        List::Made(match self {
            Self::Lent(members) => members.keys().map(|name| Val::Text(Text::Lent(name))).collect(),
            Self::Made(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
        })
    }
}

impl<'v> Val<'v> {
    /// A value of JSON as it lies there: an integer is an int wherever an int
    /// can hold it.
    pub(super) fn of(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => Self::Int(int),
                (None, Some(uint)) => Self::Uint(uint),
                (None, None) => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Text(Text::Lent(text)),
            Value::Array(items) => Self::List(List::Lent(items)),
            Value::Object(members) => Self::Map(Members::Lent(members)),
        }
    }

    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    /// What it is, for a message.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an int",
            Self::Uint(_) => "a uint",
            Self::Double(_) => "a double",
            Self::Text(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Instant(_) => "a timestamp",
            Self::Length(_) => "a duration",
            Self::Type(_) => "a type",
        }
    }

    /// The name of its type in CEL.
    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Instant(_) => "google.protobuf.Timestamp",
            Self::Length(_) => "google.protobuf.Duration",
            Self::Type(_) => "type",
        }
    }

    /// Whether two values are equal: numbers by value, whatever their types.
    pub(super) fn equals(&self, other: &Self, budget: &Budget) -> Result<bool, EvaluationError> {
        self.equals_at(other, 0, budget)
    }

    fn equals_at(&self, other: &Self, depth: usize, budget: &Budget) -> Result<bool, EvaluationError> {
        budget.work(1)?;
        if depth > COMPARED_MAX {
            return Err(failed(format!("values nested more than {COMPARED_MAX} levels deep cannot be compared")));
        }
        match (self, other) {
            (Self::List(one), Self::List(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for index in 0..one.len() {
                    let (Some(one), Some(other)) = (one.get(index), other.get(index)) else { return Ok(false) };
                    if !one.equals_at(&other, depth + 1, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Self::Map(one), Self::Map(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                let keys = one.keys();
                for index in 0..keys.len() {
                    let Some(key) = keys.get(index) else { return Ok(false) };
                    budget.work(other.lookup_cost())?;
                    let (Some(one), Some(other)) = (one.get(&key), other.get(&key)) else { return Ok(false) };
                    if !one.equals_at(&other, depth + 1, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Self::Text(one), Self::Text(_)) => {
                budget.read(one.as_str().len())?;
                Ok(self.equals_scalar(other))
            }
            (one, other) => Ok(one.equals_scalar(other)),
        }
    }

    /// Equality of what is no list and no map.
    fn equals_scalar(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Type(one), Self::Type(other)) => one == other,
            (one, other) => one.compare(other) == Some(Ordering::Equal),
        }
    }

    /// The order of two values, where they have one; a NaN has none.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => Some(one.cmp(other)),
            (Self::Text(one), Self::Text(other)) => Some(one.as_str().cmp(other.as_str())),
            (Self::Bytes(one), Self::Bytes(other)) => Some(one.cmp(other)),
            (Self::Instant(one), Self::Instant(other)) => Some(one.cmp(other)),
            (Self::Length(one), Self::Length(other)) => Some(one.cmp(other)),
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(other),
            (Self::Double(one), other) => compare_whole(other.whole()?, *one).map(Ordering::reverse),
            (one, Self::Double(other)) => compare_whole(one.whole()?, *other),
            (one, other) => Some(one.whole()?.cmp(&other.whole()?)),
        }
    }

    /// Whether it can be in an order with another.
    pub(super) const fn is_ordered_with(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Bool(_), Self::Bool(_))
                | (Self::Text(_), Self::Text(_))
                | (Self::Bytes(_), Self::Bytes(_))
                | (Self::Instant(_), Self::Instant(_))
                | (Self::Length(_), Self::Length(_))
                | (Self::Int(_) | Self::Uint(_) | Self::Double(_), Self::Int(_) | Self::Uint(_) | Self::Double(_))
        )
    }

    fn whole(&self) -> Option<i128> {
        if let Self::Int(int) = self {
            Some(i128::from(*int))
        } else if let Self::Uint(uint) = self {
            Some(i128::from(*uint))
        } else {
            None
        }
    }

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
    /// About how many steps it takes to find a member.
    pub(super) fn lookup_cost(&self) -> usize {
        match self {
            Self::Lent(_) => 1,
            Self::Made(entries) => entries.len(),
        }
    }

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

/// The order of a whole number of 64 bits and a double, without rounding.
fn compare_whole(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // Beyond what an i128 can hold, the conversion stops at its ends: farther
    // out than any whole number here.
    let floor = double.floor();
    Some(whole.cmp(&(floor as i128)).then(if double > floor { Ordering::Less } else { Ordering::Equal }))
}
