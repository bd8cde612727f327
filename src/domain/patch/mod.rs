//! Patches of JSON documents: merge patches (RFC 7396) and JSON Patches
//! (RFC 6902), applied within limits.
//!
//! # Guarantees
//! A patch applies as a whole or not at all, and never changes its input. A
//! document stays an object. What a patch may cost is bounded: by
//! [`PatchLimits`], checked after every operation and before anything is
//! copied, and by [`WORK_FACTOR`]. Members keep their order.
//! # Not here
//! Which members a client may write, and whether the result obeys a schema. The
//! caller compares before and after.

mod apply;
mod operation;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::json;
pub use operation::Operation;

/// A patch that is well-formed, of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum PatchBody {
    /// A merge patch, which is an object.
    Merge(Map<String, Value>),
    /// A JSON Patch.
    Json(Vec<Operation>),
}

/// A patch that is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchSyntaxError {
    /// A merge patch that would replace the document (RFC 7396, 2).
    #[error("a merge patch must be an object, and this is {found}")]
    MergeNotAnObject {
        /// What it is instead, such as `an array`.
        found: &'static str,
    },
    /// A JSON Patch that is no list (RFC 6902, 3).
    #[error("a JSON Patch must be an array of operations, and this is {found}")]
    JsonNotAnArray {
        /// What it is instead, such as `an object`.
        found: &'static str,
    },
    /// One operation is malformed (RFC 6902, 4).
    #[error("operation /{index}: {detail}")]
    Operation {
        /// Its index, from 0.
        index: usize,
        /// What is wrong with it.
        detail: String,
    },
}

impl PatchBody {
    /// Takes a merge patch (RFC 7396).
    ///
    /// # Errors
    /// It is not an object: applied, it would replace the document.
    pub fn merge(body: Value) -> Result<Self, PatchSyntaxError> {
        match body {
            Value::Object(members) => Ok(Self::Merge(members)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(PatchSyntaxError::MergeNotAnObject { found: json::kind(&body) })
            }
        }
    }

    /// Takes a JSON Patch (RFC 6902).
    ///
    /// Members of an operation that its `op` does not define are ignored
    /// (RFC 6902, 4).
    ///
    /// # Errors
    /// It is not an array, or an operation is malformed: the first one is named.
    pub fn json(body: Value) -> Result<Self, PatchSyntaxError> {
        match body {
            Value::Array(operations) => operations
                .into_iter()
                .enumerate()
                .map(|(index, operation)| {
                    Operation::parse(operation).map_err(|detail| PatchSyntaxError::Operation { index, detail })
                })
                .collect::<Result<_, _>>()
                .map(Self::Json),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Err(PatchSyntaxError::JsonNotAnArray { found: json::kind(&body) })
            }
        }
    }
}

/// How far a patch may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchLimits {
    /// The most operations of one JSON Patch.
    pub operations_max: usize,
    /// The largest document, in bytes without white space.
    ///
    /// It is held against the document that is passed in, so a caller that
    /// shows the patch more than is stored adds the length of what it adds.
    pub bytes_max: usize,
    /// The deepest document, as [`json::depth`] counts; more than
    /// [`json::NESTING_MAX`] counts as that.
    pub depth_max: usize,
}

impl Default for PatchLimits {
    fn default() -> Self {
        Self { operations_max: 1000, bytes_max: 1 << 20, depth_max: 64 }
    }
}

/// How much one JSON Patch may copy and shift, in multiples of `bytes_max`.
///
/// Each copy may be as large as the document, and there may be as many as there
/// may be operations: within the other limits that would be a gigabyte.
pub const WORK_FACTOR: usize = 16;

/// Why a well-formed patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A `test` found another value (RFC 6902, 4.6).
    #[error("operation /{index} at `{pointer}`: `test` failed, the value is {found}")]
    TestFailed {
        /// The operation, from 0.
        index: usize,
        /// The place that was tested.
        pointer: String,
        /// What is there, in short.
        found: String,
    },
    /// A member does not exist.
    #[error("operation /{index}: there is no `{pointer}`")]
    Missing {
        /// The operation, from 0.
        index: usize,
        /// The first member on the way that does not exist.
        pointer: String,
    },
    /// The operation has no meaning for this document.
    #[error("operation /{index} at `{pointer}`: {detail}")]
    NotApplicable {
        /// The operation, from 0.
        index: usize,
        /// The place where it goes wrong.
        pointer: String,
        /// What is wrong there.
        detail: String,
    },
    /// The document would become something else than an object.
    #[error("operation /{index}: the document must stay an object")]
    NotAnObject {
        /// The operation, from 0.
        index: usize,
    },
    /// The document would become too large.
    #[error("the document would be larger than {limit} bytes")]
    TooLarge {
        /// The bytes that are allowed.
        limit: usize,
    },
    /// The document would become too deep.
    #[error("the document would be nested deeper than {limit} levels")]
    TooDeep {
        /// The levels that are allowed.
        limit: usize,
    },
    /// The patch has too many operations.
    #[error("the patch has more than {limit} operations")]
    TooManyOperations {
        /// The operations that are allowed.
        limit: usize,
    },
    /// The patch copies or shifts too much in all ([`WORK_FACTOR`]).
    #[error("operation /{index}: the patch moves and copies more than {limit} bytes in all")]
    TooCostly {
        /// The operation that went too far, from 0.
        index: usize,
        /// The bytes that are allowed.
        limit: usize,
    },
}

/// The document after the patch.
///
/// A document that is within the limits stays so. One that was too deep before
/// (the limit was lowered) can be patched elsewhere than where it is too deep.
///
/// # Errors
/// The first operation that cannot be applied, or the limit that was passed.
pub fn apply_patch(document: &Value, patch: &PatchBody, limits: &PatchLimits) -> Result<Value, PatchError> {
    let limits = PatchLimits { depth_max: limits.depth_max.min(json::NESTING_MAX), ..*limits };
    match patch {
        PatchBody::Merge(members) => apply_merge(document, members, &limits),
        PatchBody::Json(operations) => apply::apply(document, operations, &limits),
    }
}

fn apply_merge(document: &Value, patch: &Map<String, Value>, limits: &PatchLimits) -> Result<Value, PatchError> {
    // Each container of a merge patch is one of the result, so a patch that is
    // too deep need not be tried; and merging recurses no deeper than this.
    let too_deep = PatchError::TooDeep { limit: limits.depth_max };
    if patch.values().any(|value| json::depth(value) >= limits.depth_max) {
        return Err(too_deep);
    }
    let mut merged = document.clone();
    merge(&mut merged, patch);
    if json::encoded_len(&merged) > limits.bytes_max {
        return Err(PatchError::TooLarge { limit: limits.bytes_max });
    }
    Ok(merged)
}

/// `MergePatch` of RFC 7396, 2, for a patch that is an object.
fn merge(target: &mut Value, patch: &Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else {
        return;
    };
    for (name, value) in patch {
        match value {
            Value::Null => {
                members.shift_remove(name);
            }
            Value::Object(nested) => merge(members.entry(name.as_str()).or_insert(Value::Null), nested),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                members.insert(name.clone(), value.clone());
            }
        }
    }
}
