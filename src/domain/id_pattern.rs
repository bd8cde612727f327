//! What the operator says of the ids of a collection.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::id::ResourceId;
use super::schema::Schema;

/// A pattern that a whole id must match, beside what every id does.
///
/// It narrows what an id can be, and never widens it: an id is a segment of a
/// path, a part of keys and of links, and stands in each of them as it is.
///
/// It binds clients that choose an id, when they choose it: ids that the service
/// makes, and ids that are older than the pattern, stay what they are.
#[derive(Clone)]
pub struct IdPattern {
    pattern: Arc<str>,
    schema: Arc<Schema>,
}

impl IdPattern {
    /// Compiles a pattern, in the dialect of `pattern` in JSON Schema. It need
    /// not be anchored: it always is.
    ///
    /// # Errors
    /// It is no pattern, with the reason.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        // By itself too, so that no bracket of it closes one of ours.
        Schema::compile(json!({ "pattern": pattern })).map_err(|error| error.to_string())?;
        let schema = Schema::compile(json!({ "pattern": format!("^(?:{pattern})$") }));
        Ok(Self { pattern: pattern.into(), schema: Arc::new(schema.map_err(|error| error.to_string())?) })
    }

    /// Whether the whole id matches.
    #[must_use]
    pub fn takes(&self, id: &ResourceId) -> bool {
        self.schema.validate(&Value::from(id.as_str())).is_empty()
    }

    /// The pattern, as the operator wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

impl PartialEq for IdPattern {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl fmt::Debug for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdPattern({})", self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_id_matches() {
        for (pattern, id, takes) in [
            ("[0-9]+", "42", true),
            ("[0-9]+", "a42", false),
            ("[0-9]+", "42b", false),
            ("a|b", "ab", false),
            ("a|b", "b", true),
            ("^[a-z]{3}$", "abc", true),
            ("", "a", false),
        ] {
            let pattern = IdPattern::compile(pattern).expect("a pattern");
            assert_eq!(pattern.takes(&id.parse().expect("an id")), takes, "{pattern:?} {id}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["(", "a)(?:b", "[", "(?<=a)b", "\\1"] {
            assert!(IdPattern::compile(pattern).is_err(), "{pattern}");
        }
    }
}
