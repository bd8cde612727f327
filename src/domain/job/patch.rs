//! What the work itself wants to be written into observed members.
//!
//! # Guarantees
//! Whatever is collected, memory is bounded. What cannot be kept whole is
//! refused whole.
//! # Not here
//! Which members are observed: [`crate::reconcile`].

use serde_json::Value;

use crate::domain::json;
use crate::domain::patch::{Operation, PatchBody};

/// The most operations of all patches of one attempt: they are for a few
/// members that say how the world is, and each is applied within the commit
/// that ends the job.
pub const PATCH_OPERATIONS_MAX: usize = 100;

/// The most bytes of all patches of one attempt: as many as observed members
/// may have.
pub const PATCH_BYTES_MAX: usize = 64 * 1024;

/// The patches of one attempt, one after another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkPatch(Box<Collected>);

#[derive(Debug, Clone, PartialEq, Default)]
struct Collected {
    operations: Vec<Operation>,
    bytes: usize,
    refused: Option<String>,
}

impl WorkPatch {
    /// Takes another JSON Patch (RFC 6902). One that is none, or too much,
    /// spoils all of them: they are applied whole or not at all.
    pub fn collect(&mut self, patch: Value) {
        self.0.bytes = self.0.bytes.saturating_add(json::encoded_len(&patch));
        match PatchBody::json(patch) {
            _ if self.0.bytes > PATCH_BYTES_MAX => {
                self.refuse(format!("its patches are larger than {} KiB", PATCH_BYTES_MAX / 1024));
            }
            Err(error) => self.refuse(format!("its patch is malformed: {error}")),
            Ok(PatchBody::Json(more)) if self.0.operations.len() + more.len() > PATCH_OPERATIONS_MAX => {
                self.refuse(format!("its patches have more than {PATCH_OPERATIONS_MAX} operations"));
            }
            Ok(PatchBody::Json(more)) if self.0.refused.is_none() => self.0.operations.extend(more),
            Ok(PatchBody::Json(_) | PatchBody::Merge(_)) => {}
        }
    }

    /// Notes why nothing of it can be applied; the first reason counts.
    pub fn refuse(&mut self, why: String) {
        self.0.refused.get_or_insert(why);
        self.0.operations = Vec::new();
    }

    /// The operations, in their order.
    ///
    /// # Errors
    /// Why there is nothing to be applied, for people.
    pub fn operations(&self) -> Result<&[Operation], &str> {
        self.0.refused.as_deref().map_or(Ok(&self.0.operations), Err)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn collected(patches: impl IntoIterator<Item = Value>) -> WorkPatch {
        let mut all = WorkPatch::default();
        patches.into_iter().for_each(|patch| all.collect(patch));
        all
    }

    #[test]
    fn patches_are_collected_in_their_order() {
        let all = collected([
            json!([{"op": "add", "path": "/a", "value": 1}]),
            json!([]),
            json!([{"op": "remove", "path": "/a"}]),
        ]);
        assert_eq!(all.operations().map(<[Operation]>::len), Ok(2));
    }

    #[test]
    fn what_is_no_patch_or_too_much_spoils_all_of_it() {
        let one = || json!([{"op": "add", "path": "/a", "value": 1}]);
        let large = json!([{"op": "add", "path": "/a", "value": "x".repeat(PATCH_BYTES_MAX)}]);
        for (bad, why) in [
            (json!({"a": 1}), "its patch is malformed: a JSON Patch must be an array"),
            (json!([{"op": "add"}]), "its patch is malformed: operation /0"),
            (large, "its patches are larger than 64 KiB"),
            (Value::Array(vec![one()[0].clone(); PATCH_OPERATIONS_MAX]), "its patches have more than 100 operations"),
        ] {
            let refused = collected([one(), bad, one()]);
            assert!(refused.operations().is_err_and(|error| error.starts_with(why)), "{why}: {refused:?}");
        }
        let many = collected((0..PATCH_OPERATIONS_MAX).map(|_| one()));
        assert_eq!(many.operations().map(<[Operation]>::len), Ok(PATCH_OPERATIONS_MAX));
    }
}
