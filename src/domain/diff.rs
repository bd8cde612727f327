//! What differs between two documents, as the smallest changes that make one
//! of the other.
//!
//! # Guarantees
//! The changes, applied in their order as a JSON Patch, make the later document
//! of the earlier one. None of them could be named more closely: a change names
//! a member that is new, gone, or of another value as a whole.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;

use super::json::{self, Pointer};
use super::patch::Operation;

/// One change of one place.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Something is there that was not.
    Add {
        /// The place.
        pointer: Pointer,
        /// What is there now.
        to: Value,
    },
    /// Something is gone.
    Remove {
        /// The place.
        pointer: Pointer,
        /// What was there.
        from: Value,
    },
    /// Something else is there.
    Replace {
        /// The place.
        pointer: Pointer,
        /// What was there.
        from: Value,
        /// What is there now.
        to: Value,
    },
}

impl Change {
    /// The operation of a JSON Patch that makes it.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self.clone() {
            Self::Add { pointer: path, to: value } => Operation::Add { path, value },
            Self::Remove { pointer: path, .. } => Operation::Remove { path },
            Self::Replace { pointer: path, to: value, .. } => Operation::Replace { path, value },
        }
    }
}

impl JsonSchema for Change {
    fn schema_name() -> Cow<'static, str> {
        "Change".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "op": { "enum": ["add", "remove", "replace"] },
                "pointer": { "type": "string", "format": "json-pointer" },
                "from": true,
                "to": true,
            },
            "required": ["op", "pointer"],
        })
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (op, pointer, from, to) = match self {
            Self::Add { pointer, to } => ("add", pointer, None, Some(to)),
            Self::Remove { pointer, from } => ("remove", pointer, Some(from), None),
            Self::Replace { pointer, from, to } => ("replace", pointer, Some(from), Some(to)),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("op", op)?;
        map.serialize_entry("pointer", &pointer.to_string())?;
        if let Some(from) = from {
            map.serialize_entry("from", from)?;
        }
        if let Some(to) = to {
            map.serialize_entry("to", to)?;
        }
        map.end()
    }
}

/// The most changes that are told apart. Each names its whole place, so that
/// without an end a deep document could lead to an answer many times its size.
pub const CHANGES_MAX: usize = 10_000;

/// What makes one object of another. Values that are [`json::equal`] do not
/// differ, and neither does the order of members.
///
/// Arrays of one length are compared item by item; where the lengths differ,
/// nobody can tell which item became which, and the whole array is named. So is
/// the whole object where there are more changes than [`CHANGES_MAX`].
#[must_use]
pub fn diff(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Change> {
    let mut differ = Differ::default();
    let mut changes = Vec::new();
    differ.members(None, before, after);
    while let Some((place, pair)) = differ.rest.pop() {
        match pair {
            Pair::Gone(from) => changes.push(Change::Remove { pointer: differ.pointer(place), from: from.clone() }),
            Pair::New(to) => changes.push(Change::Add { pointer: differ.pointer(place), to: to.clone() }),
            Pair::Both(Value::Object(before), Value::Object(after)) => differ.members(Some(place), before, after),
            Pair::Both(Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
                for (at, (before, after)) in before.iter().zip(after).enumerate().rev() {
                    differ.compare(Some(place), Token::Item(at), Pair::Both(before, after));
                }
            }
            Pair::Both(from, to) if json::equal(from, to) => {}
            Pair::Both(from, to) => {
                let pointer = differ.pointer(place);
                changes.push(Change::Replace { pointer, from: from.clone(), to: to.clone() });
            }
        }
        if changes.len() > CHANGES_MAX {
            let pointer = Pointer::new(Vec::new());
            let (from, to) = (Value::Object(before.clone()), Value::Object(after.clone()));
            return vec![Change::Replace { pointer, from, to }];
        }
    }
    changes
}

/// What stands at one place before and after.
enum Pair<'v> {
    Gone(&'v Value),
    New(&'v Value),
    Both(&'v Value, &'v Value),
}

/// One step of the way to a place.
#[derive(Clone, Copy)]
enum Token<'v> {
    Member(&'v str),
    Item(usize),
}

/// What is still to be compared, the next pair last.
#[derive(Default)]
struct Differ<'v> {
    /// Each place as the place above it and the step from there, so that no
    /// pointer is made for what did not change.
    places: Vec<(Option<usize>, Token<'v>)>,
    rest: Vec<(usize, Pair<'v>)>,
}

impl<'v> Differ<'v> {
    fn compare(&mut self, above: Option<usize>, token: Token<'v>, pair: Pair<'v>) {
        self.rest.push((self.places.len(), pair));
        self.places.push((above, token));
    }

    /// Pushed from the last member to the first, what is new before what was
    /// there, so that changes come in the order of the document.
    fn members(&mut self, above: Option<usize>, before: &'v Map<String, Value>, after: &'v Map<String, Value>) {
        for (name, value) in after.iter().rev().filter(|(name, _)| !before.contains_key(*name)) {
            self.compare(above, Token::Member(name), Pair::New(value));
        }
        for (name, value) in before.iter().rev() {
            let pair = after.get(name).map_or(Pair::Gone(value), |now| Pair::Both(value, now));
            self.compare(above, Token::Member(name), pair);
        }
    }

    fn pointer(&self, place: usize) -> Pointer {
        let mut tokens = Vec::new();
        let mut next = Some(place);
        while let Some((above, token)) = next.and_then(|at| self.places.get(at)) {
            tokens.push(match token {
                Token::Member(name) => (*name).to_owned(),
                Token::Item(at) => at.to_string(),
            });
            next = *above;
        }
        tokens.reverse();
        Pointer::new(tokens)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::json::strategies::any_object;
    use super::super::patch::{PatchBody, PatchLimits, apply_patch};
    use super::*;

    fn members_of(value: &Value) -> &Map<String, Value> {
        value.as_object().expect("an object")
    }

    fn changes(before: &Value, after: &Value) -> Vec<Change> {
        diff(members_of(before), members_of(after))
    }

    fn applied(before: &Value, changes: &[Change]) -> Value {
        let patch = PatchBody::Json(changes.iter().map(Change::operation).collect());
        apply_patch(before, &patch, &PatchLimits::default()).expect("it applies")
    }

    #[test]
    fn changes_name_the_smallest_members_that_changed() {
        for (name, before, after, want) in [
            ("nothing", json!({"a": 1, "b": [1]}), json!({"b": [1.0], "a": 1.0}), json!([])),
            ("a new member", json!({}), json!({"a": null}), json!([{"op": "add", "pointer": "/a", "to": null}])),
            (
                "a member that is gone",
                json!({"a": {"b": 1}}),
                json!({}),
                json!([{"op": "remove", "pointer": "/a", "from": {"b": 1}}]),
            ),
            (
                "a member of a member",
                json!({"a": {"b": 1, "c": 2}, "d": 3}),
                json!({"a": {"b": 1, "c": "x", "e/~": 4}, "d": 3}),
                json!([
                    {"op": "replace", "pointer": "/a/c", "from": 2, "to": "x"},
                    {"op": "add", "pointer": "/a/e~1~0", "to": 4},
                ]),
            ),
            (
                "an item",
                json!({"a": [1, {"b": 2}, 3]}),
                json!({"a": [1, {"b": 4}, 3]}),
                json!([{"op": "replace", "pointer": "/a/1/b", "from": 2, "to": 4}]),
            ),
            (
                "an array of another length",
                json!({"a": [1, 2]}),
                json!({"a": [2]}),
                json!([{"op": "replace", "pointer": "/a", "from": [1, 2], "to": [2]}]),
            ),
            (
                "another kind",
                json!({"a": {"0": 1}}),
                json!({"a": [1]}),
                json!([{"op": "replace", "pointer": "/a", "from": {"0": 1}, "to": [1]}]),
            ),
            (
                "in the order of the document, what is new last",
                json!({"z": 1, "y": 2, "a": 3}),
                json!({"b": 1, "c": 2, "z": 2, "a": 4}),
                json!([
                    {"op": "replace", "pointer": "/z", "from": 1, "to": 2},
                    {"op": "remove", "pointer": "/y", "from": 2},
                    {"op": "replace", "pointer": "/a", "from": 3, "to": 4},
                    {"op": "add", "pointer": "/b", "to": 1},
                    {"op": "add", "pointer": "/c", "to": 2},
                ]),
            ),
        ] {
            let found = serde_json::to_value(changes(&before, &after)).expect("it can be written");
            assert_eq!(found, want, "{name}");
        }
    }

    #[test]
    fn more_changes_than_anybody_reads_are_one() {
        let many = |n: usize, value: u8| json!({ "a": vec![value; n] });
        assert_eq!(changes(&many(CHANGES_MAX, 1), &many(CHANGES_MAX, 2)).len(), CHANGES_MAX);
        let (before, after) = (many(CHANGES_MAX + 1, 1), many(CHANGES_MAX + 1, 2));
        let found = changes(&before, &after);
        assert_eq!(found.len(), 1);
        assert_eq!(applied(&before, &found), after);
    }

    proptest! {
        #[test]
        fn the_changes_make_the_later_document_of_the_earlier_one(before in any_object(), after in any_object()) {
            let made = applied(&before, &changes(&before, &after));
            prop_assert!(json::equal(&made, &after), "{} is not {}", made, after);
        }

        #[test]
        fn no_change_is_too_many_and_none_could_be_smaller(before in any_object(), after in any_object()) {
            let all = changes(&before, &after);
            for (left_out, change) in all.iter().enumerate() {
                let others: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, c)| c.clone()).collect();
                prop_assert!(!json::equal(&applied(&before, &others), &after), "{:?} changes nothing", change);
                match change {
                    Change::Replace { from, to, .. } => {
                        let deeper = match (from, to) {
                            (Value::Object(_), Value::Object(_)) => true,
                            (Value::Array(from), Value::Array(to)) => from.len() == to.len(),
                            _ => false,
                        };
                        prop_assert!(!deeper && !json::equal(from, to), "{:?} could be smaller", change);
                    }
                    Change::Add { .. } | Change::Remove { .. } => {}
                }
            }
        }

        #[test]
        fn equal_documents_do_not_differ(document in any_object()) {
            prop_assert_eq!(changes(&document, &document), vec![]);
        }
    }
}
