//! A schema as a part of a larger text: its references lead through that text.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use super::references::join;
use super::upgrade::upgraded;
use super::walk;

/// The schema as it reads in 2020-12 where `at` leads to it from everywhere in
/// the text around it, such as `#/components/schemas/video`.
///
/// `None` where its references depend on how they were come by, or on names
/// that only its parts have: such a schema can stand only by itself.
#[must_use]
pub fn embedded(source: &Value, at: &str) -> Option<Value> {
    let mut schema = upgraded(source.clone());
    let own = schema.get("$id").and_then(Value::as_str).unwrap_or_default().trim_end_matches('#').to_owned();
    if let Value::Object(keywords) = &mut schema {
        keywords.shift_remove("$schema");
        keywords.shift_remove("$id");
    }
    let mut places = Places::default();
    places.note(&schema);
    if places.stands_alone {
        return None;
    }
    let mut lost = false;
    walk::each(&mut schema, &mut |schema| {
        let Value::Object(keywords) = schema else { return };
        keywords.shift_remove("$anchor");
        let Some(target) = keywords.get("$ref").and_then(Value::as_str) else { return };
        match places.find(target, &own) {
            Some(pointer) => drop(keywords.insert("$ref".to_owned(), format!("{at}{pointer}").into())),
            None => lost = true,
        }
    });
    (!lost).then_some(schema)
}

/// Where the schemas within a schema are.
#[derive(Debug, Default)]
struct Places {
    pointers: BTreeSet<String>,
    anchors: BTreeMap<String, String>,
    /// Whether there is something that only whole schemas have.
    stands_alone: bool,
}

impl Places {
    fn note(&mut self, schema: &Value) {
        let mut open = vec![(String::new(), schema)];
        while let Some((pointer, schema)) = open.pop() {
            if let Some(anchor) = schema.get("$anchor").and_then(Value::as_str) {
                self.anchors.insert(anchor.to_owned(), pointer.clone());
            }
            let alone = ["$id", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"];
            self.stands_alone |= alone.iter().any(|keyword| schema.get(keyword).is_some());
            open.extend(walk::within(schema).into_iter().map(|(tokens, schema)| {
                let pointer = tokens.iter().fold(pointer.clone(), |pointer, token| join(&pointer, token));
                (pointer, schema)
            }));
            self.pointers.insert(pointer);
        }
    }

    /// The pointer to what a reference leads to, as it stands in a fragment,
    /// if that is a schema of the text.
    fn find(&self, target: &str, own: &str) -> Option<String> {
        let fragment = match target.split_once('#') {
            Some((text, fragment)) if text.is_empty() || text == own => fragment,
            None if target == own => "",
            Some(_) | None => return None,
        };
        let fragment = percent_decode_str(fragment).decode_utf8().ok()?;
        let pointer = match &*fragment {
            "" => "",
            pointer if pointer.starts_with('/') => pointer,
            anchor => self.anchors.get(anchor)?,
        };
        self.pointers.contains(pointer).then(|| in_fragment(pointer))
    }
}

/// A pointer as it stands in the fragment of a URI (RFC 6901, 6).
pub(super) fn in_fragment(pointer: &str) -> String {
    utf8_percent_encode(pointer, ENCODED).to_string()
}

/// What cannot stand in a fragment (RFC 3986, 3.5).
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::schema::Schema;

    /// A text around a schema, as a client would compile it.
    fn within(schema: Value) -> Schema {
        let text = json!({ "$ref": "#/parts/it", "parts": { "it": schema, "other": false } });
        Schema::compile(text).expect("a schema")
    }

    #[test]
    fn a_schema_means_within_a_text_what_it_meant_by_itself() {
        let values = [json!(null), json!({}), json!({ "a": 1 }), json!({ "a": "x" }), json!({ "a": { "a": 1 } })];
        for source in [
            json!(true),
            json!(false),
            json!({ "properties": { "a": { "$ref": "#/$defs/n" } }, "$defs": { "n": { "type": "integer" } } }),
            json!({ "properties": { "a": { "$ref": "#/$defs/a%20%25b~1c" } }, "$defs": { "a %b/c": { "type": "string" } } }),
            json!({ "properties": { "a": { "$ref": "#n" } }, "$defs": { "x y": { "$anchor": "n", "type": "integer" } } }),
            json!({ "$id": "https://example.com/v", "properties": { "a": { "$ref": "https://example.com/v#/$defs/n" } }, "$defs": { "n": { "type": "integer" } } }),
            json!({ "type": "object", "properties": { "a": { "anyOf": [{ "type": "integer" }, { "$ref": "#" }] } } }),
            json!({ "type": "object", "properties": { "a": { "$ref": "#/properties/b/items" }, "b": { "items": { "type": "integer" } } } }),
            json!({ "$schema": "http://json-schema.org/draft-07/schema#", "properties": { "a": { "$ref": "#/definitions/n" } }, "definitions": { "n": { "type": "integer" } } }),
            json!({ "$schema": "http://json-schema.org/draft-07/schema#", "properties": { "a": { "$ref": "#n" } }, "definitions": { "m": { "$id": "#n", "type": "integer" } } }),
            // What only looks like a reference, or like a keyword.
            json!({ "properties": { "a": { "const": { "$ref": "#/nowhere" } }, "$ref": { "type": "string" } } }),
            json!({ "properties": { "default": { "$ref": "#/$defs/n" } }, "$defs": { "n": { "type": "integer" } } }),
        ] {
            let alone = Schema::compile(source.clone()).expect("a schema");
            let within = within(embedded(&source, "#/parts/it").expect("it can be embedded"));
            for value in &values {
                assert_eq!(alone.validate(value), within.validate(value), "{value} in {source}");
            }
        }
    }

    #[test]
    fn what_can_only_stand_by_itself_is_said_to() {
        for source in [
            json!({ "$dynamicRef": "#n", "$defs": { "n": { "$dynamicAnchor": "n" } } }),
            json!({ "$ref": "https://example.com/n", "$defs": { "n": { "$id": "https://example.com/n" } } }),
            json!({ "$ref": "#/x-parts/n", "x-parts": { "n": { "$ref": "#/x-parts/m" }, "m": true } }),
        ] {
            assert_eq!(embedded(&source, "#/parts/it"), None, "{source}");
        }
    }
}
