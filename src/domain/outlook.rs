//! What is declared of a collection as far as it decides about what is stored.
//!
//! # Guarantees
//! Two declarations with one digest ask the same of every document, and want
//! the same of every resource; only what is declared of operations is not in it.
//! # Not here
//! Who compares digests, and what is done where they differ: [`crate::engine`].

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::catalog::{ActivitySpec, Availability, Collection, OperationChoice};
use super::expression::Expression;
use super::json::canonical;
use super::schema::Schema;

/// What tells a declaration from every other one that could make more, less or
/// something else of a stored document.
///
/// Of a collection that is out of service nothing else counts: it is judged
/// when it is back.
#[must_use]
pub fn digest(collection: &Collection) -> String {
    let outlook = match collection.availability {
        Availability::Retired => json!("retired"),
        Availability::Served => json!({
            "schema": collection.schema.as_deref().map(Schema::source),
            "observed": collection.observed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "activities": collection.activities.iter().map(activity).collect::<Vec<_>>(),
        }),
    };
    let hash = Sha256::digest(canonical(&outlook));
    hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn activity(spec: &ActivitySpec) -> Value {
    let operations = match &spec.operations {
        OperationChoice::Any => Value::Null,
        OperationChoice::Fixed(fixed) => json!(fixed.as_str()),
        OperationChoice::OneOf(several) => several.iter().map(|name| name.as_str()).collect(),
    };
    let text = |expression: &Option<Expression>| expression.as_ref().map(|expression| expression.text().to_owned());
    let mapping = spec.mapping.as_ref().map(|mapping| json!([text(&mapping.input), text(&mapping.schedule)]));
    json!([spec.name.as_str(), operations, mapping])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::catalog::{Mapping, PatchedReply, PreconditionPolicy};
    use crate::domain::expression::Variable;

    fn dogs() -> Collection {
        Collection::new("dogs".parse().expect("a name"))
    }

    fn with_schema(schema: Value) -> Collection {
        Collection { schema: Some(Arc::new(Schema::compile(schema).expect("a schema"))), ..dogs() }
    }

    fn with_activity(change: impl FnOnce(&mut ActivitySpec)) -> Collection {
        let mut spec = ActivitySpec::new("barks".parse().expect("a name"));
        change(&mut spec);
        Collection { activities: vec![spec], ..dogs() }
    }

    fn mapping(input: &str) -> Option<Mapping> {
        let input = Expression::parse(input, &[Variable::Document]).expect("an expression");
        Some(Mapping { input: Some(input), schedule: None })
    }

    #[test]
    fn whatever_can_make_something_else_of_a_document_has_a_digest_of_its_own() {
        let bark = || "bark".parse().expect("a name");
        let all = [
            ("nothing is said", dogs()),
            ("out of service", Collection { availability: Availability::Retired, ..dogs() }),
            ("a schema", with_schema(json!({"required": ["name"]}))),
            ("another schema", with_schema(json!({"required": ["age"]}))),
            ("an observed member", Collection { observed: vec!["/n".parse().expect("a pointer")], ..dogs() }),
            ("an activity", with_activity(|_| {})),
            ("a fixed operation", with_activity(|spec| spec.operations = OperationChoice::Fixed(bark()))),
            ("one of one", with_activity(|spec| spec.operations = OperationChoice::OneOf(vec![bark()]))),
            ("a mapping", with_activity(|spec| spec.mapping = mapping("{'a': self.a}"))),
            ("another mapping", with_activity(|spec| spec.mapping = mapping("{'a': self.b}"))),
        ];
        for (at, (name, one)) in all.iter().enumerate() {
            for (other, two) in &all[..at] {
                assert_ne!(digest(one), digest(two), "{name}, {other}");
            }
        }
    }

    #[test]
    fn what_says_nothing_of_documents_that_are_there_makes_no_difference() {
        let plain = digest(&with_schema(json!({"required": ["name"], "type": "object"})));
        for (name, same) in [
            ("the order of members", with_schema(json!({"type": "object", "required": ["name"]}))),
            (
                "the path",
                Collection { path: "/dogs".to_owned(), ..with_schema(json!({"type": "object", "required": ["name"]})) },
            ),
            (
                "how changes are answered",
                Collection {
                    preconditions: PreconditionPolicy::Optional,
                    patched: PatchedReply::ResetContent,
                    ..with_schema(json!({"type": "object", "required": ["name"]}))
                },
            ),
        ] {
            assert_eq!(digest(&same), plain, "{name}");
        }
        let retired = |collection| digest(&Collection { availability: Availability::Retired, ..collection });
        assert_eq!(retired(dogs()), retired(with_schema(json!({}))), "it is judged when it is back");
    }
}
