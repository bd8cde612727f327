//! The operations of a JSON Patch, read one by one.

use std::fmt;

use json_patch::PatchOperation;
use json_patch::jsonptr;
use serde_json::Value;

use crate::domain::json;

/// A JSON Pointer (RFC 6901), taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    tokens: Vec<String>,
}

impl Pointer {
    /// The names and indices that lead from the root to the place.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }
}

impl From<&jsonptr::Pointer> for Pointer {
    fn from(pointer: &jsonptr::Pointer) -> Self {
        Self { tokens: pointer.tokens().map(|token| token.decoded().into_owned()).collect() }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&json::pointer(&self.tokens))
    }
}

/// One operation of a JSON Patch (RFC 6902, 4).
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Puts a value where there may be none yet.
    Add {
        /// The place.
        path: Pointer,
        /// The value.
        value: Value,
    },
    /// Removes what is there.
    Remove {
        /// The place.
        path: Pointer,
    },
    /// Puts a value in the place of another.
    Replace {
        /// The place.
        path: Pointer,
        /// The value.
        value: Value,
    },
    /// Removes a value and adds it elsewhere.
    Move {
        /// Where it is.
        from: Pointer,
        /// Where it goes.
        path: Pointer,
    },
    /// Adds a value that stands elsewhere.
    Copy {
        /// Where it is.
        from: Pointer,
        /// Where it goes, too.
        path: Pointer,
    },
    /// Demands that a value is there.
    Test {
        /// The place.
        path: Pointer,
        /// The value, compared by [`json::equal`].
        value: Value,
    },
}

impl Operation {
    /// Reads one operation, or says what is wrong with it.
    pub(super) fn parse(mut operation: Value) -> Result<Self, String> {
        let Value::Object(members) = &mut operation else {
            return Err(format!("an operation must be an object, and this is {}", json::kind(&operation)));
        };
        // The value is taken out before the rest is read, so that reading cannot
        // change it and need not copy it.
        let value = members.get_mut("value").map(Value::take);
        let read = serde_json::from_value::<PatchOperation>(operation).map_err(|error| error.to_string())?;
        Ok(Self::new(read, value.unwrap_or(Value::Null)))
    }

    fn new(read: PatchOperation, value: Value) -> Self {
        match read {
            PatchOperation::Add(add) => Self::Add { path: add.path.as_ptr().into(), value },
            PatchOperation::Remove(remove) => Self::Remove { path: remove.path.as_ptr().into() },
            PatchOperation::Replace(replace) => Self::Replace { path: replace.path.as_ptr().into(), value },
            PatchOperation::Move(mov) => Self::Move { from: mov.from.as_ptr().into(), path: mov.path.as_ptr().into() },
            PatchOperation::Copy(copy) => {
                Self::Copy { from: copy.from.as_ptr().into(), path: copy.path.as_ptr().into() }
            }
            PatchOperation::Test(test) => Self::Test { path: test.path.as_ptr().into(), value },
        }
    }
}
