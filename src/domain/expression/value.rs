//! What expressions work on: values of JSON where they lie, and what is made of them.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::EvaluationError;
use crate::domain::time::Timestamp;

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

    /// Whether it can be looked for among the keys of a map.
    pub(super) const fn is_key(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Bool(_) | Self::Int(_) | Self::Uint(_) | Self::Double(_))
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
}
