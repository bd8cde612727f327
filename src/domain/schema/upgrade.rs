//! Schemas of older drafts, in the words of 2020-12, which OpenAPI 3.1 speaks.

use serde_json::{Map, Value};

use super::walk::each;

/// Which words a schema is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Era {
    /// 2020-12, also where nothing is said.
    Now,
    /// 2019-09: lists of `items`.
    Lists,
    /// Draft 6 and 7: nothing beside a `$ref` counts.
    Lonely,
    /// Draft 4: exclusive bounds are switches.
    Switches,
}

impl Era {
    fn of(schema: &Value) -> Self {
        let dialect = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
        if dialect.contains("draft-04") {
            Self::Switches
        } else if dialect.contains("draft-06") || dialect.contains("draft-07") {
            Self::Lonely
        } else if dialect.contains("2019-09") {
            Self::Lists
        } else {
            Self::Now
        }
    }
}

/// A schema that means in 2020-12 what this one means in its own dialect.
pub(super) fn upgraded(mut schema: Value) -> Value {
    let era = Era::of(&schema);
    if era != Era::Now {
        each(&mut schema, &mut |schema| {
            if let Value::Object(keywords) = schema {
                upgrade(keywords, era);
            }
        });
    }
    schema
}

/// What stays beside a lonely `$ref`: it leads through these, or says nothing.
const KEPT: [&str; 7] = ["$ref", "$schema", "$id", "id", "definitions", "$defs", "title"];

fn upgrade(keywords: &mut Map<String, Value>, era: Era) {
    if matches!(era, Era::Lonely | Era::Switches) && keywords.contains_key("$ref") {
        keywords.retain(|keyword, _| KEPT.contains(&keyword.as_str()));
    }
    if era == Era::Switches {
        exclusive(keywords, "exclusiveMinimum", "minimum");
        exclusive(keywords, "exclusiveMaximum", "maximum");
        if let Some(id @ Value::String(_)) = keywords.shift_remove("id") {
            keywords.insert("$id".to_owned(), id);
        }
    }
    let anchor = keywords.get("$id").and_then(Value::as_str).and_then(|id| id.strip_prefix('#')).map(str::to_owned);
    if let Some(anchor) = anchor {
        keywords.shift_remove("$id");
        keywords.insert("$anchor".to_owned(), anchor.into());
    }
    if keywords.get("items").is_some_and(Value::is_array) {
        let items = keywords.shift_remove("items").unwrap_or_default();
        keywords.insert("prefixItems".to_owned(), items);
        if let Some(others) = keywords.shift_remove("additionalItems") {
            keywords.insert("items".to_owned(), others);
        }
    } else {
        keywords.shift_remove("additionalItems");
    }
    if let Some(Value::Object(dependencies)) = keywords.shift_remove("dependencies") {
        let (required, schemas): (Map<_, _>, Map<_, _>) =
            dependencies.into_iter().partition(|(_, dependency)| dependency.is_array());
        for (keyword, dependencies) in [("dependentRequired", required), ("dependentSchemas", schemas)] {
            if !dependencies.is_empty() {
                keywords.insert(keyword.to_owned(), Value::Object(dependencies));
            }
        }
    }
}

fn exclusive(keywords: &mut Map<String, Value>, switch: &str, bound: &str) {
    match keywords.shift_remove(switch) {
        Some(Value::Bool(true)) => {
            if let Some(limit) = keywords.shift_remove(bound) {
                keywords.insert(switch.to_owned(), limit);
            }
        }
        Some(Value::Bool(false)) | None => {}
        Some(other) => drop(keywords.insert(switch.to_owned(), other)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::schema::Schema;

    #[test]
    fn a_schema_of_an_older_draft_means_in_newer_words_what_it_meant() {
        let values = [
            json!({}),
            json!({ "n": 1 }),
            json!({ "n": 2 }),
            json!({ "n": 10 }),
            json!({ "pair": ["a", 1] }),
            json!({ "pair": [1, "a"] }),
            json!({ "pair": ["a", 1, 2] }),
            json!({ "a": 1 }),
            json!({ "a": 1, "b": 2 }),
            json!({ "c": 1 }),
            json!({ "c": 1, "d": "x" }),
            json!({ "ref": "long enough" }),
            json!({ "ref": 7 }),
        ];
        let pair = json!({ "items": [{ "type": "string" }, { "type": "integer" }], "additionalItems": false });
        let dependencies = json!({ "a": ["b"], "c": { "required": ["d"] } });
        for (dialect, n) in [
            ("http://json-schema.org/draft-04/schema#", json!({ "minimum": 1, "exclusiveMinimum": true })),
            ("http://json-schema.org/draft-06/schema#", json!({ "exclusiveMinimum": 1 })),
            ("http://json-schema.org/draft-07/schema#", json!({ "exclusiveMinimum": 1 })),
            ("https://json-schema.org/draft/2019-09/schema", json!({ "exclusiveMinimum": 1 })),
        ] {
            let source = json!({
                "$schema": dialect,
                "properties": {
                    "n": n,
                    "pair": pair,
                    "ref": { "$ref": "#/definitions/text", "maxLength": 5 },
                },
                "dependencies": dependencies,
                "definitions": { "text": { "type": "string" } },
            });
            let mut newer = upgraded(source.clone());
            newer["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
            let (older, newer) = (Schema::compile(source), Schema::compile(newer));
            let (older, newer) = (older.expect("a schema"), newer.expect("a schema"));
            for value in &values {
                assert_eq!(
                    older.validate(value).is_empty(),
                    newer.validate(value).is_empty(),
                    "{value} in {dialect}: {}",
                    newer.source()
                );
            }
        }
    }

    #[test]
    fn a_schema_of_today_is_left_as_it_is() {
        let source = json!({ "properties": { "items": { "items": { "$ref": "#/$defs/a", "title": "x" } } } });
        assert_eq!(upgraded(source.clone()), source);
    }
}
