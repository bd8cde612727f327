//! The operations of a JSON Patch, read one by one.

use json_patch::PatchOperation;
use json_patch::jsonptr;
use serde_json::Value;

use crate::domain::json::{self, Pointer};

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

    /// The places that it reads or writes.
    pub fn places(&self) -> impl Iterator<Item = &Pointer> {
        let (path, from) = match self {
            Self::Add { path, .. } | Self::Remove { path } | Self::Replace { path, .. } | Self::Test { path, .. } => {
                (path, None)
            }
            Self::Move { from, path } | Self::Copy { from, path } => (path, Some(from)),
        };
        from.into_iter().chain([path])
    }

    fn new(read: PatchOperation, value: Value) -> Self {
        match read {
            PatchOperation::Add(add) => Self::Add { path: pointer(add.path.as_ptr()), value },
            PatchOperation::Remove(remove) => Self::Remove { path: pointer(remove.path.as_ptr()) },
            PatchOperation::Replace(replace) => Self::Replace { path: pointer(replace.path.as_ptr()), value },
            PatchOperation::Move(mov) => {
                Self::Move { from: pointer(mov.from.as_ptr()), path: pointer(mov.path.as_ptr()) }
            }
            PatchOperation::Copy(copy) => {
                Self::Copy { from: pointer(copy.from.as_ptr()), path: pointer(copy.path.as_ptr()) }
            }
            PatchOperation::Test(test) => Self::Test { path: pointer(test.path.as_ptr()), value },
        }
    }
}

fn pointer(read: &jsonptr::Pointer) -> Pointer {
    Pointer::new(read.tokens().map(|token| token.decoded().into_owned()).collect())
}
