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

use references::{Reference, join, references, too_branching};

mod embed;
mod references;
mod upgrade;
mod walk;
mod widen;

pub use embed::embedded;
pub use widen::{Free, widened};

/// The most bytes that a schema can have, written as JSON without spaces.
///
/// Compiling takes time and memory in proportion; ten times the largest schema
/// that people write by hand.
pub const SCHEMA_BYTES_MAX: usize = 1024 * 1024;

/// The most references that a schema can have.
///
/// Several times what people write by hand; each is resolved when it is compiled.
pub const SCHEMA_REFS_MAX: usize = 1_000;

/// The most schemas that one definition can stand for, once every reference
/// in it is replaced by what it leads to.
///
/// Definitions that each refer twice to the next double the work of a
/// validation with every level; a million of them take some 10 ms.
pub const SCHEMA_EXPANSION_MAX: u64 = 1_000_000;

/// How large a compiled pattern can be, in bytes, so that nested repetitions
/// such as `((a{99}){99}){99}` are refused instead of filling the memory.
pub const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// The most violations that a validation reports.
///
/// Nobody reads more at once, and an answer must stay small.
pub const VIOLATIONS_MAX: usize = 20;

/// The longest detail of a violation, in characters.
///
/// What a client sent must not come back at full length in an answer.
pub const DETAIL_CHARS_MAX: usize = 300;

/// The longest pointer of a violation, in bytes; below that it points to the
/// nearest member around. For the same reason.
pub const POINTER_BYTES_MAX: usize = 1024;

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
    /// A definition in it stands for more than [`SCHEMA_EXPANSION_MAX`] schemas.
    #[error("`{target}` stands for more than {SCHEMA_EXPANSION_MAX} schemas, once its references are replaced")]
    TooBranching {
        /// The definition, as references name it.
        target: String,
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
        if let Some(target) = too_branching(&refs, SCHEMA_EXPANSION_MAX) {
            return Err(SchemaError::TooBranching { target: clip(target) });
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
        self.validator.iter_errors(value).flat_map(|error| violations(&error, value)).take(VIOLATIONS_MAX).collect()
    }

    /// The schema as it was given.
    #[must_use]
    pub const fn source(&self) -> &Value {
        &self.source
    }
}

/// The same schema takes the same values.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.source.get("title").and_then(Value::as_str).unwrap_or("untitled");
        write!(f, "Schema({})", clip(title))
    }
}

/// Why a schema did not compile.
fn refusal(error: &ValidationError<'_>, refs: &[Reference]) -> SchemaError {
    if let ValidationErrorKind::Referencing(_) = error.kind() {
        // The library says what could not be found, not where that was asked for.
        if let Some(remote) = refs.iter().find(|reference| !reference.target.starts_with('#')) {
            return SchemaError::Remote { pointer: remote.pointer.clone(), target: clip(&remote.target) };
        }
    }
    let error = meant_alternative(error).and_then(|errors| errors.first()).unwrap_or(error);
    SchemaError::Invalid { pointer: error.instance_path().as_str().to_owned(), detail: clip(&error.to_string()) }
}

/// What one error of the library says, as one violation for each place that is wrong.
#[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are the library's, and all others read alike")]
fn violations(error: &ValidationError<'_>, value: &Value) -> Vec<Violation> {
    const UNEXPECTED: &str = "is not expected here";
    let at = error.instance_path().as_str();
    if let Some(errors) = meant_alternative(error) {
        return errors.iter().flat_map(|error| violations(error, value)).collect();
    }
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![violation(join(at, name), "is required")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().take(VIOLATIONS_MAX).map(|name| violation(join(at, name), UNEXPECTED)).collect()
        }
        ValidationErrorKind::FalseSchema => match value.pointer(at) {
            // Where no member at all is allowed the library names the object alone.
            Some(Value::Object(members)) if forbids_members(error.schema_path().as_str()) => {
                members.keys().take(VIOLATIONS_MAX).map(|name| violation(join(at, name), UNEXPECTED)).collect()
            }
            Some(_) | None => vec![violation(at.to_owned(), UNEXPECTED)],
        },
        ValidationErrorKind::Type { kind } => vec![violation(at.to_owned(), &expected_type(kind, error.instance()))],
        // Without the value itself: the client has it, and it can be large.
        _ => vec![violation(at.to_owned(), &error.masked().to_string())],
    }
}

/// What is wrong under the one alternative that allows the type of the value, if there is just one.
///
/// That alternative was meant most likely, and its errors say more than that
/// none of the alternatives holds.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds of the library have no alternatives")]
fn meant_alternative<'e>(error: &'e ValidationError<'_>) -> Option<&'e [ValidationError<'static>]> {
    let alternatives = match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => context,
        _ => return None,
    };
    let of_another_type = |inner: &ValidationError<'_>| {
        matches!(inner.kind(), ValidationErrorKind::Type { .. }) && inner.instance_path() == error.instance_path()
    };
    let mut possible = alternatives.iter().filter(|errors| !errors.iter().any(of_another_type));
    let only = possible.next().filter(|errors| !errors.is_empty())?;
    possible.next().is_none().then_some(only.as_slice())
}

/// Whether the `false` at this place of a schema is about the members of the object, not the object.
fn forbids_members(schema_path: &str) -> bool {
    let named_so = schema_path.ends_with("/properties/additionalProperties");
    !named_so && (schema_path.ends_with("/additionalProperties") || schema_path.ends_with("/propertyNames"))
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
    Violation { pointer: shorten(pointer), detail: clip(detail) }
}

/// A pointer, or the longest part of it that is no longer than [`POINTER_BYTES_MAX`] and still a pointer.
fn shorten(mut pointer: String) -> String {
    while pointer.len() > POINTER_BYTES_MAX {
        pointer.truncate(pointer.rfind('/').unwrap_or(0));
    }
    pointer
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
    use proptest::prelude::*;
    use serde_json::json;

    fn compile(source: Value) -> Schema {
        Schema::compile(source).expect("a schema")
    }

    fn first(source: Value, value: &Value) -> (String, String) {
        let violation = compile(source).validate(value).into_iter().next().expect("a violation");
        (violation.pointer, violation.detail)
    }

    #[test]
    fn a_violation_points_to_what_is_wrong_and_says_what_was_expected() {
        for (source, value, pointer, detail) in [
            (json!({"required": ["a/b"]}), json!({}), "/a~1b", "is required"),
            (json!({"additionalProperties": false}), json!({"x~y": 1}), "/x~0y", "is not expected here"),
            (json!({"unevaluatedProperties": false}), json!({"x": 1}), "/x", "is not expected here"),
            (json!({"properties": {"a": false}}), json!({"a": 1}), "/a", "is not expected here"),
            (json!({"type": ["string", "null"]}), json!(1), "", "expected null or string, found number"),
            (json!({"items": {"type": "integer"}}), json!([1, "x"]), "/1", "expected integer, found string"),
            (json!({"pattern": "^a"}), json!("b"), "", "value does not match \"^a\""),
            (json!({"format": "date-time"}), json!("now"), "", "value is not a \"date-time\""),
            (
                json!({"properties": {"a": {"oneOf": [{"type": "null"}, {"type": "object", "required": ["b"]}]}}}),
                json!({"a": {}}),
                "/a/b",
                "is required",
            ),
            (
                json!({"anyOf": [{"minimum": 1}, {"multipleOf": 2}]}),
                json!(-1),
                "",
                "value is not valid under any of the schemas listed in the 'anyOf' keyword",
            ),
            (json!({"maximum": 3}), json!(4), "", "value is greater than the maximum of 3"),
        ] {
            assert_eq!(first(source, &value), (pointer.to_owned(), detail.to_owned()));
        }
    }

    #[test]
    fn a_value_that_fits_breaks_nothing() {
        let schema = compile(
            json!({"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}),
        );
        assert_eq!(schema.validate(&json!({"n": 1})), []);
    }

    #[test]
    fn what_a_client_sent_does_not_come_back_at_full_length() {
        let long = "x".repeat(100_000);
        for source in [
            json!({"maxLength": 1}),
            json!({"enum": [1]}),
            json!({"type": "object"}),
            json!({"not": {}}),
            json!({"anyOf": [{"type": "null"}]}),
            json!({"const": {"a": long}}),
            json!({"pattern": "^a"}),
        ] {
            let (_, detail) = first(source, &json!(long));
            assert!(detail.chars().count() <= DETAIL_CHARS_MAX + 1, "{detail}");
        }
        let members = json!({long.clone(): 1});
        for source in [json!({"additionalProperties": false}), json!({"propertyNames": {"maxLength": 3}})] {
            let (pointer, detail) = first(source, &members);
            assert!(pointer.is_empty() && detail.chars().count() <= DETAIL_CHARS_MAX + 1, "{pointer} {detail}");
        }
    }

    #[test]
    fn only_the_first_violations_are_reported() {
        let many = json!((0..1_000).map(|at| (format!("m{at}"), json!(1))).collect::<serde_json::Map<_, _>>());
        for source in [json!({"additionalProperties": {"type": "string"}}), json!({"additionalProperties": false})] {
            assert_eq!(compile(source).validate(&many).len(), VIOLATIONS_MAX);
        }
    }

    #[test]
    fn a_schema_refers_to_nothing_outside_itself() {
        for target in ["https://example.com/a.json", "file:///etc/passwd", "other.json", "//example.com/x#/y"] {
            let source = json!({"properties": {"a/b": {"$ref": target}}});
            let Err(SchemaError::Remote { pointer, target: named }) = Schema::compile(source) else {
                panic!("{target} was accepted");
            };
            assert_eq!((pointer.as_str(), named.as_str()), ("/properties/a~1b/$ref", target));
        }
        // A schema that it carries itself is not outside.
        let own =
            json!({"$ref": "https://example.com/n", "$defs": {"n": {"$id": "https://example.com/n", "type": "null"}}});
        assert_eq!(compile(own).validate(&json!(1)).len(), 1);
    }

    #[test]
    fn what_is_not_a_schema_is_refused_with_the_place() {
        for (source, message) in [
            (json!({"properties": {"a": {"type": "strng"}}}), "`/properties/a/type`: \"strng\" is not one of "),
            (json!([]), "``: "),
            (json!({"$ref": "#/$defs/none"}), "``: "),
            (json!({"pattern": "(?=x)"}), "`/pattern`: "),
            (json!({"pattern": "((a{99}){99}){99}"}), "`/pattern`: "),
            (json!({"$schema": "https://example.com/own-dialect"}), "``: "),
        ] {
            let refusal = Schema::compile(source).expect_err(message).to_string();
            assert!(refusal.starts_with(message), "{refusal}");
        }
    }

    #[test]
    fn a_schema_beyond_its_bounds_is_refused() {
        let large = json!({"description": "x".repeat(SCHEMA_BYTES_MAX)});
        assert!(matches!(Schema::compile(large), Err(SchemaError::TooLarge { .. })));
        let branching = json!({"allOf": vec![json!({"$ref": "#/$defs/a"}); SCHEMA_REFS_MAX + 1], "$defs": {"a": {}}});
        assert!(matches!(Schema::compile(branching), Err(SchemaError::TooManyRefs { refs: 1_001 })));
        let link = |at: u32| json!({"$ref": format!("#/$defs/d{}", at + 1)});
        let doubling = (0..40).map(|at| (format!("d{at}"), json!({"allOf": [link(at), link(at)]})));
        let mut defs: serde_json::Map<_, _> = doubling.collect();
        defs.insert("d40".to_owned(), json!({}));
        let doubling = json!({"$defs": defs, "$ref": "#/$defs/d0"});
        assert!(matches!(Schema::compile(doubling), Err(SchemaError::TooBranching { .. })));
    }

    #[test]
    fn a_cycle_of_references_without_progress_does_not_bring_the_process_down() {
        for source in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            json!({"$dynamicAnchor": "x", "$dynamicRef": "#x"}),
            json!({"$dynamicAnchor": "x", "anyOf": [{"$dynamicRef": "#x"}, {"not": {"$ref": "#"}}]}),
            json!({"if": {"$ref": "#"}, "then": {"$ref": "#"}, "unevaluatedItems": false}),
            json!({"dependentSchemas": {"a": {"$ref": "#"}}}),
        ] {
            assert_eq!(compile(source.clone()).validate(&json!({"a": 1})), [], "{source}");
        }
    }

    #[test]
    fn a_schema_shows_only_its_title_when_printed() {
        assert_eq!(format!("{:?}", compile(json!({"title": "Video", "type": "object"}))), "Schema(Video)");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[ab/~]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[ab/~]{0,2}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_violation_points_into_the_value_or_to_a_member_that_is_missing(value in any_json()) {
            let schema = compile(json!({
                "type": "object", "required": ["a"], "propertyNames": {"maxLength": 1},
                "additionalProperties": {"anyOf": [{"$ref": "#"}, {"type": "integer"}, {"items": {"$ref": "#"}, "uniqueItems": true}]},
                "properties": {"b": {"multipleOf": 0.1, "format": "date", "minItems": 1, "contains": {"const": 1}}},
            }));
            for violation in schema.validate(&value) {
                let around = violation.pointer.rsplit_once('/').map_or("", |(around, _)| around);
                prop_assert!(value.pointer(around).is_some(), "{violation:?} in {value}");
            }
        }
    }

    const _: () = {
        const fn shared_between_threads<T: Send + Sync>() {}
        shared_between_threads::<Schema>();
    };
}
