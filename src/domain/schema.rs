//! JSON Schema, compiled once and bounded in what it can cost.
//!
//! The dialect is 2020-12 unless `$schema` names an older one. `format` is an
//! assertion. Patterns are matched in linear time, so look-around and
//! back-references are refused.
//!
//! # Guarantees
//! A schema that compiled needs nothing else: no reference leaves its own text,
//! and nothing is ever fetched.
//! # Assumptions
//! Schemas come from the operator: the bounds here are against accidents.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// The most bytes that a schema can have, written as JSON without spaces.
///
/// Compiling takes time and memory in proportion; ten times the largest schema
/// that people write by hand.
pub const SCHEMA_BYTES_MAX: usize = 1024 * 1024;

/// The most references that a schema can have.
///
/// Definitions that refer to each other twice double the work of a validation
/// with every level, so their number is kept small.
pub const SCHEMA_REFS_MAX: usize = 1_000;

/// How large a compiled pattern can be, in bytes, so that nested repetitions
/// such as `((a{99}){99}){99}` are refused instead of filling the memory.
pub const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// The most violations that a validation reports.
///
/// Nobody reads more at once, and an answer must stay small.
pub const VIOLATIONS_MAX: usize = 20;

/// The longest detail of a violation and the longest pointer to it, in characters.
///
/// What a client sent must not come back at full length in an answer.
pub const DETAIL_CHARS_MAX: usize = 300;

/// A JSON Schema that values can be checked against.
pub struct Schema {
    source: Value,
    validator: Validator,
}

/// One way in which a value is not what a schema asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where in the value (RFC 6901); the place of a missing or unexpected
    /// member, rather than the object around it.
    pub pointer: String,
    /// What is wrong there and what was expected.
    pub detail: String,
}

/// A value that cannot serve as a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is larger than [`SCHEMA_BYTES_MAX`].
    #[error("the schema has {bytes} bytes, more than the {SCHEMA_BYTES_MAX} that are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It has more references than [`SCHEMA_REFS_MAX`].
    #[error("the schema has {refs} references, more than the {SCHEMA_REFS_MAX} that are allowed")]
    TooManyRefs {
        /// Their number.
        refs: usize,
    },
    /// A reference leads out of the schema.
    #[error("`{pointer}` refers to `{target}`: a schema can refer only to itself, such as `#/$defs/name`")]
    Remote {
        /// Where the reference is.
        pointer: String,
        /// Where it leads.
        target: String,
    },
    /// It is not a schema.
    #[error("`{pointer}`: {detail}")]
    Invalid {
        /// Where in the schema (RFC 6901).
        pointer: String,
        /// What is wrong there.
        detail: String,
    },
}

impl Schema {
    /// Compiles a schema, after checking it against its meta-schema.
    ///
    /// # Errors
    /// The value is not a schema, refers to something outside itself, or is
    /// beyond the bounds of this module.
    pub fn compile(source: Value) -> Result<Self, SchemaError> {
        let bytes = source.to_string().len();
        if bytes > SCHEMA_BYTES_MAX {
            return Err(SchemaError::TooLarge { bytes });
        }
        let refs = references(&source);
        if refs.len() > SCHEMA_REFS_MAX {
            return Err(SchemaError::TooManyRefs { refs: refs.len() });
        }
        let validator = jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
            .build(&source)
            .map_err(|error| refusal(&error, &refs))?;
        Ok(Self { source, validator })
    }

    /// How a value breaks the schema, the first [`VIOLATIONS_MAX`] ways; empty if it does not.
    #[must_use]
    pub fn validate(&self, value: &Value) -> Vec<Violation> {
        self.validator.iter_errors(value).flat_map(|error| violations(&error)).take(VIOLATIONS_MAX).collect()
    }

    /// The schema as it was given.
    #[must_use]
    pub const fn source(&self) -> &Value {
        &self.source
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.source.get("title").and_then(Value::as_str).unwrap_or("untitled");
        write!(f, "Schema({})", clip(title))
    }
}

/// A reference: where it is and where it leads.
struct Reference {
    pointer: String,
    target: String,
}

/// Every reference in a schema. What only looks like one, in an example say, counts too.
fn references(source: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), source)];
    while let Some((pointer, value)) = open.pop() {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let pointer = join(&pointer, name);
                    match member {
                        Value::String(target) if name == "$ref" || name == "$dynamicRef" => {
                            found.push(Reference { pointer, target: target.clone() });
                        }
                        other => open.push((pointer, other)),
                    }
                }
            }
            Value::Array(elements) => {
                open.extend(elements.iter().enumerate().map(|(at, element)| (format!("{pointer}/{at}"), element)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

/// Why a schema did not compile.
fn refusal(error: &ValidationError<'_>, refs: &[Reference]) -> SchemaError {
    if let ValidationErrorKind::Referencing(_) = error.kind() {
        // The library says what could not be found, not where that was asked for.
        if let Some(remote) = refs.iter().find(|reference| !reference.target.starts_with('#')) {
            return SchemaError::Remote { pointer: remote.pointer.clone(), target: clip(&remote.target) };
        }
    }
    SchemaError::Invalid { pointer: error.instance_path().as_str().to_owned(), detail: clip(&error.to_string()) }
}

/// What one error of the library says, as one violation for each place that is wrong.
#[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are the library's, and all others read alike")]
fn violations(error: &ValidationError<'_>) -> Vec<Violation> {
    let at = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![violation(join(at, name), "is required")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .take(VIOLATIONS_MAX)
            .map(|name| violation(join(at, name), "is not expected here"))
            .collect(),
        ValidationErrorKind::FalseSchema => vec![violation(at.to_owned(), "is not expected here")],
        ValidationErrorKind::Type { kind } => vec![violation(at.to_owned(), &expected_type(kind, error.instance()))],
        // Without the value itself: the client has it, and it can be large.
        _ => vec![violation(at.to_owned(), &error.masked().to_string())],
    }
}

fn expected_type(kind: &TypeKind, found: &Value) -> String {
    let expected = match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(many) => many.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or "),
    };
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("expected {expected}, found {found}")
}

fn violation(pointer: String, detail: &str) -> Violation {
    Violation { pointer: clip(&pointer), detail: clip(detail) }
}

/// A pointer and one member more (RFC 6901, 3).
fn join(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A text, cut with `…` if it is longer than [`DETAIL_CHARS_MAX`].
fn clip(text: &str) -> String {
    match text.char_indices().nth(DETAIL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cycle_of_references_without_progress_does_not_bring_the_process_down() {
        for source in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            json!({"$dynamicAnchor": "x", "$dynamicRef": "#x"}),
            json!({"$dynamicAnchor": "x", "anyOf": [{"$dynamicRef": "#x"}, {"not": {"$ref": "#"}}]}),
            json!({"if": {"$ref": "#"}, "then": {"$ref": "#"}, "unevaluatedProperties": false}),
            json!({"dependentSchemas": {"a": {"$ref": "#"}}}),
        ] {
            eprintln!("{source}");
            match Schema::compile(source) { Ok(s) => eprintln!("  {:?}", s.validate(&json!({"a": 1}))), Err(e) => eprintln!("  {e}") }
        }
    }
}
