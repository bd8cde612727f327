//! Which members of a representation a client wants to see.

use serde_json::{Map, Value};

use super::document::ID;
use super::json::Pointer;

/// The most fields that one view can name. Who wants more wants everything.
pub const FIELDS_MAX: usize = 100;

/// A choice of members, each with all that is below it; `id` is always among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    chosen: Chosen,
}

/// A text that is no choice of members.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// There is nothing before, after or between two commas.
    #[error("a name or pointer is empty")]
    Empty,
    /// It starts as a JSON Pointer and is none.
    #[error("`{0}` is not a JSON Pointer")]
    NotAPointer(String),
    /// They are more than [`FIELDS_MAX`].
    #[error("there are more than {FIELDS_MAX}")]
    TooMany,
}

/// What is wanted of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Chosen {
    /// All of it.
    Whole,
    /// These members, each as far as it says.
    Members(Vec<(String, Chosen)>),
}

impl Fields {
    /// Reads names of members and JSON Pointers with commas in between.
    ///
    /// A comma is never a part of a name here: a member whose name holds one
    /// is seen only in the whole representation.
    ///
    /// # Errors
    /// The text is something else.
    pub fn parse(text: &str) -> Result<Self, FieldsError> {
        let mut chosen = Chosen::Members(vec![(ID.to_owned(), Chosen::Whole)]);
        for (count, field) in text.split(',').enumerate() {
            if count == FIELDS_MAX {
                return Err(FieldsError::TooMany);
            }
            if field.is_empty() {
                return Err(FieldsError::Empty);
            }
            if field.starts_with('/') {
                let pointer: Pointer = field.parse().map_err(|_| FieldsError::NotAPointer(field.to_owned()))?;
                chosen.add(pointer.tokens());
            } else {
                chosen.add(&[field.to_owned()]);
            }
        }
        Ok(Self { chosen })
    }

    /// What was chosen of a representation, in its order. What it does not
    /// have is left out, and an array is seen whole or not at all.
    #[must_use]
    pub fn of(&self, shown: &Value) -> Value {
        self.chosen.of(shown).unwrap_or_else(|| Value::Object(Map::new()))
    }
}

impl Chosen {
    fn add(&mut self, tokens: &[String]) {
        let Self::Members(members) = self else { return };
        let Some((first, rest)) = tokens.split_first() else {
            *self = Self::Whole;
            return;
        };
        match members.iter_mut().find(|(name, _)| name == first) {
            Some((_, below)) => below.add(rest),
            None => {
                let mut below = Self::Members(Vec::new());
                below.add(rest);
                members.push((first.clone(), below));
            }
        }
    }

    fn of(&self, value: &Value) -> Option<Value> {
        let Self::Members(members) = self else { return Some(value.clone()) };
        match value {
            Value::Object(all) => {
                let seen = all.iter().filter_map(|(name, value)| {
                    let (_, below) = members.iter().find(|(chosen, _)| chosen == name)?;
                    Some((name.clone(), below.of(value)?))
                });
                let seen: Map<_, _> = seen.collect();
                (!seen.is_empty()).then_some(Value::Object(seen))
            }
            Value::Array(items) => {
                let names_an_item = members.iter().any(|(token, below)| {
                    token.parse().ok().and_then(|at: usize| items.get(at)).is_some_and(|item| below.of(item).is_some())
                });
                names_an_item.then(|| value.clone())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    use crate::domain::json::strategies::any_object;

    fn of(fields: &str) -> Value {
        let shown = json!({
            "id": "1", "title": "x", "tags": ["a", {"b": 1}], "a/b": 2,
            "status": {"settled": true, "processing": {"phase": "idle", "last": null}},
        });
        Fields::parse(fields).expect("fields").of(&shown)
    }

    #[test]
    fn a_view_has_what_was_chosen_and_the_id() {
        for (fields, seen) in [
            ("title", json!({"id": "1", "title": "x"})),
            ("id", json!({"id": "1"})),
            ("none", json!({"id": "1"})),
            (
                "status,title",
                json!({"id": "1", "title": "x", "status": {"settled": true, "processing": {"phase": "idle", "last": null}}}),
            ),
            ("/status/processing/phase", json!({"id": "1", "status": {"processing": {"phase": "idle"}}})),
            ("/status/settled,/status/none", json!({"id": "1", "status": {"settled": true}})),
            ("/status/settled,status", of("status")),
            ("status,/status/settled", of("status")),
            ("/a~1b", json!({"id": "1", "a/b": 2})),
            ("a/b", json!({"id": "1", "a/b": 2})),
            ("/tags/0", json!({"id": "1", "tags": ["a", {"b": 1}]})),
            ("/tags/1/b", json!({"id": "1", "tags": ["a", {"b": 1}]})),
            ("/tags/7", json!({"id": "1"})),
            ("/status/none", json!({"id": "1"})),
            ("/title/x", json!({"id": "1"})),
        ] {
            assert_eq!(of(fields), seen, "{fields}");
        }
    }

    #[test]
    fn what_is_no_choice_is_refused() {
        for (text, error) in [
            ("", FieldsError::Empty),
            ("a,", FieldsError::Empty),
            (",a", FieldsError::Empty),
            ("/a~2", FieldsError::NotAPointer("/a~2".to_owned())),
        ] {
            assert_eq!(Fields::parse(text), Err(error), "{text}");
        }
        let many = |count: usize| vec!["a"; count].join(",");
        assert!(Fields::parse(&many(FIELDS_MAX)).is_ok());
        assert_eq!(Fields::parse(&many(FIELDS_MAX + 1)), Err(FieldsError::TooMany));
    }

    proptest! {
        #[test]
        fn every_member_can_be_chosen_and_is_seen_as_it_is(shown in any_object()) {
            for (name, value) in shown.as_object().expect("an object") {
                let pointer = Pointer::new(vec![name.clone()]).to_string();
                let view = Fields::parse(&pointer).expect("fields").of(&shown);
                prop_assert_eq!(view.get(name), Some(value));
            }
        }
    }
}
