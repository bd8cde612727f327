//! Applies a JSON Patch operation by operation, counting what it costs.
//!
//! The length of the document is counted along exactly, so that it is known
//! after each operation without measuring more than the operation touched.

use serde_json::Value;

use super::{Operation, PatchError, PatchLimits, WORK_FACTOR};
use crate::domain::json::{self, Pointer};

pub(super) fn apply(document: &Value, operations: &[Operation], limits: &PatchLimits) -> Result<Value, PatchError> {
    if operations.len() > limits.operations_max {
        return Err(PatchError::TooManyOperations { limit: limits.operations_max });
    }
    let mut applier = Applier {
        document: document.clone(),
        bytes: json::encoded_len(document),
        work_left: limits.bytes_max.saturating_mul(WORK_FACTOR),
        limits,
    };
    for (index, operation) in operations.iter().enumerate() {
        applier.step(operation).map_err(|fault| fault.at(index, limits))?;
    }
    Ok(applier.document)
}

/// Why one operation was not applied.
enum Fault {
    TestFailed { pointer: String, found: String },
    Missing { pointer: String },
    NotApplicable { pointer: String, detail: String },
    NotAnObject,
    TooLarge,
    TooDeep,
    TooCostly,
}

impl Fault {
    fn not_applicable(tokens: &[String], detail: impl Into<String>) -> Self {
        Self::NotApplicable { pointer: json::pointer(tokens), detail: detail.into() }
    }

    fn at(self, index: usize, limits: &PatchLimits) -> PatchError {
        match self {
            Self::TestFailed { pointer, found } => PatchError::TestFailed { index, pointer, found },
            Self::Missing { pointer } => PatchError::Missing { index, pointer },
            Self::NotApplicable { pointer, detail } => PatchError::NotApplicable { index, pointer, detail },
            Self::NotAnObject => PatchError::NotAnObject { index },
            Self::TooLarge => PatchError::TooLarge { limit: limits.bytes_max },
            Self::TooDeep => PatchError::TooDeep { limit: limits.depth_max },
            Self::TooCostly => PatchError::TooCostly { index, limit: limits.bytes_max.saturating_mul(WORK_FACTOR) },
        }
    }
}

struct Applier<'l> {
    document: Value,
    /// What `json::encoded_len` would say of the document.
    bytes: usize,
    /// How many bytes may still be copied or shifted.
    work_left: usize,
    limits: &'l PatchLimits,
}

impl Applier<'_> {
    fn step(&mut self, operation: &Operation) -> Result<(), Fault> {
        match operation {
            Operation::Add { path, value } => {
                self.check_depth(path, value)?;
                self.add(path, value.clone(), json::encoded_len(value))?;
            }
            Operation::Remove { path } => {
                let removed = self.remove(path)?;
                self.bytes -= json::encoded_len(&removed);
            }
            Operation::Replace { path, value } => self.replace(path, value)?,
            Operation::Move { from, path } => self.shift(from, path)?,
            Operation::Copy { from, path } => self.copy(from, path)?,
            Operation::Test { path, value } => self.test(path, value)?,
        }
        if self.bytes > self.limits.bytes_max { Err(Fault::TooLarge) } else { Ok(()) }
    }

    /// Refuses a value that is too deep for its place.
    fn check_depth(&self, path: &Pointer, value: &Value) -> Result<(), Fault> {
        if path.tokens().len() + json::depth(value) > self.limits.depth_max { Err(Fault::TooDeep) } else { Ok(()) }
    }

    fn work(&mut self, bytes: usize) -> Result<(), Fault> {
        self.work_left = self.work_left.checked_sub(bytes).ok_or(Fault::TooCostly)?;
        Ok(())
    }

    /// RFC 6902, 4.1. `bytes` is the length of the value.
    fn add(&mut self, path: &Pointer, value: Value, bytes: usize) -> Result<(), Fault> {
        let Some((last, parent)) = path.tokens().split_last() else {
            return self.replace_root(value, bytes);
        };
        match find_mut(&mut self.document, parent)? {
            Value::Object(members) => {
                self.bytes += bytes;
                match members.get_mut(last) {
                    Some(place) => self.bytes -= json::encoded_len(&std::mem::replace(place, value)),
                    None => {
                        self.bytes += json::string_len(last) + 1 + usize::from(!members.is_empty());
                        members.insert(last.clone(), value);
                    }
                }
            }
            Value::Array(items) => {
                let at = match last.as_str() {
                    "-" => items.len(),
                    _ => index(last, items.len() + 1, path.tokens())?,
                };
                let shifted = items.len() - at;
                self.bytes += bytes + usize::from(!items.is_empty());
                items.insert(at, value);
                self.work(shifted / PLACES_PER_BYTE)?;
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                return Err(no_parent(scalar, parent));
            }
        }
        Ok(())
    }

    fn replace_root(&mut self, value: Value, bytes: usize) -> Result<(), Fault> {
        if !value.is_object() {
            return Err(Fault::NotAnObject);
        }
        self.document = value;
        self.bytes = bytes;
        Ok(())
    }

    /// RFC 6902, 4.2. What remains of the length to subtract is that of the
    /// removed value.
    fn remove(&mut self, path: &Pointer) -> Result<Value, Fault> {
        let Some((last, parent)) = path.tokens().split_last() else {
            return Err(Fault::NotAnObject);
        };
        match find_mut(&mut self.document, parent)? {
            Value::Object(members) => {
                let behind = members.len();
                let removed = members.shift_remove(last).ok_or_else(|| missing(path.tokens()))?;
                self.bytes -= json::string_len(last) + 1 + usize::from(!members.is_empty());
                self.work(behind / PLACES_PER_BYTE)?;
                Ok(removed)
            }
            Value::Array(items) => {
                let at = index(last, items.len(), path.tokens())?;
                let removed = items.remove(at);
                let behind = items.len() - at;
                self.bytes -= usize::from(!items.is_empty());
                self.work(behind / PLACES_PER_BYTE)?;
                Ok(removed)
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                Err(no_parent(scalar, parent))
            }
        }
    }

    /// RFC 6902, 4.3.
    fn replace(&mut self, path: &Pointer, value: &Value) -> Result<(), Fault> {
        self.check_depth(path, value)?;
        let bytes = json::encoded_len(value);
        if path.tokens().is_empty() {
            return self.replace_root(value.clone(), bytes);
        }
        let place = find_mut(&mut self.document, path.tokens())?;
        let replaced = std::mem::replace(place, value.clone());
        self.bytes = self.bytes + bytes - json::encoded_len(&replaced);
        Ok(())
    }

    /// RFC 6902, 4.4.
    fn shift(&mut self, from: &Pointer, path: &Pointer) -> Result<(), Fault> {
        let moved = find(&self.document, from.tokens())?;
        if from == path {
            return Ok(());
        }
        if path.tokens().starts_with(from.tokens()) {
            return Err(Fault::not_applicable(path.tokens(), "a value cannot be moved into itself"));
        }
        // Where it goes no deeper than it was, it is as deep as it may be.
        if path.tokens().len() > from.tokens().len() {
            let bytes = json::encoded_len(moved);
            self.check_depth(path, moved)?;
            self.work(bytes)?;
        }
        let moved = self.remove(from)?;
        if path.tokens().is_empty() {
            let bytes = json::encoded_len(&moved);
            return self.replace_root(moved, bytes);
        }
        self.add(path, moved, 0)
    }

    /// RFC 6902, 4.5. Measured before it is copied: copies of copies double.
    fn copy(&mut self, from: &Pointer, path: &Pointer) -> Result<(), Fault> {
        let source = find(&self.document, from.tokens())?;
        let bytes = json::encoded_len(source);
        if bytes > self.limits.bytes_max {
            return Err(Fault::TooLarge);
        }
        self.check_depth(path, source)?;
        let copy = source.clone();
        self.work(bytes)?;
        self.add(path, copy, bytes)
    }

    /// RFC 6902, 4.6.
    fn test(&self, path: &Pointer, value: &Value) -> Result<(), Fault> {
        let actual = find(&self.document, path.tokens())?;
        if json::equal(actual, value) {
            Ok(())
        } else {
            Err(Fault::TestFailed { pointer: path.to_string(), found: brief(actual) })
        }
    }
}

/// How many places of an array or object are shifted at the price of one copied
/// byte.
///
/// A place is shifted within a large move of memory; a byte is copied as a part
/// of a value that is made anew.
const PLACES_PER_BYTE: usize = 8;

/// The longest value that a failed `test` shows, in bytes.
const SHOWN_BYTES_MAX: usize = 64;

/// A value as a client can be told of it: a short scalar itself, else its kind.
fn brief(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => json::kind(value).to_owned(),
        Value::String(text) if text.len() > SHOWN_BYTES_MAX => "another string".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// The value at a place.
fn find<'d>(document: &'d Value, tokens: &[String]) -> Result<&'d Value, Fault> {
    let mut value = document;
    for (level, token) in tokens.iter().enumerate() {
        let here = &tokens[..=level];
        value = match value {
            Value::Object(members) => members.get(token).ok_or_else(|| missing(here))?,
            Value::Array(items) => &items[index(token, items.len(), here)?],
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                return Err(no_parent(scalar, &tokens[..level]));
            }
        };
    }
    Ok(value)
}

/// The value at a place, to be changed.
fn find_mut<'d>(document: &'d mut Value, tokens: &[String]) -> Result<&'d mut Value, Fault> {
    let mut value = document;
    for (level, token) in tokens.iter().enumerate() {
        let here = &tokens[..=level];
        value = match value {
            Value::Object(members) => members.get_mut(token).ok_or_else(|| missing(here))?,
            Value::Array(items) => {
                let at = index(token, items.len(), here)?;
                &mut items[at]
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                return Err(no_parent(scalar, &tokens[..level]));
            }
        };
    }
    Ok(value)
}

fn missing(tokens: &[String]) -> Fault {
    Fault::Missing { pointer: json::pointer(tokens) }
}

fn no_parent(scalar: &Value, tokens: &[String]) -> Fault {
    Fault::not_applicable(tokens, format!("{} has no members", json::kind(scalar)))
}

/// Reads an array index below `end` in its one spelling (RFC 6901, 4).
fn index(token: &str, end: usize, tokens: &[String]) -> Result<usize, Fault> {
    let canonical = token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if token == "-" {
        return Err(Fault::not_applicable(tokens, "`-` is the place after the last item, where nothing is"));
    }
    if !canonical || token.is_empty() {
        return Err(Fault::not_applicable(tokens, "not an index of an array"));
    }
    // A number too long to be read is out of range as well.
    token
        .parse()
        .ok()
        .filter(|&at: &usize| at < end)
        .ok_or_else(|| Fault::not_applicable(tokens, format!("the index is out of range, it must be below {end}")))
}
