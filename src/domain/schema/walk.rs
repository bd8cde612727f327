//! The schemas within a schema, told from names and data that only look like them.

use serde_json::Value;

/// Keywords whose value is a schema.
const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keywords whose value is a list of schemas; `items` was one before 2020-12.
const LISTS: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];

/// Keywords whose value has a schema under each name.
const MAPS: [&str; 6] = ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// The schemas directly within a schema, each with the tokens that lead to it.
pub(super) fn within(schema: &Value) -> Vec<(Vec<String>, &Value)> {
    let Value::Object(keywords) = schema else { return Vec::new() };
    let mut found = Vec::new();
    for (keyword, value) in keywords {
        let below = |token: String| vec![keyword.clone(), token];
        match value {
            Value::Array(schemas) if LISTS.contains(&keyword.as_str()) => {
                found.extend(schemas.iter().enumerate().map(|(at, schema)| (below(at.to_string()), schema)));
            }
            Value::Object(schemas) if MAPS.contains(&keyword.as_str()) => {
                found.extend(schemas.iter().map(|(name, schema)| (below(name.clone()), schema)));
            }
            Value::Object(_) | Value::Bool(_) if ONE.contains(&keyword.as_str()) => {
                found.push((vec![keyword.clone()], value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            }
        }
    }
    found
}

/// The same, to be changed.
fn children(schema: &mut Value) -> Vec<&mut Value> {
    let Value::Object(keywords) = schema else { return Vec::new() };
    let mut found = Vec::new();
    for (keyword, value) in keywords {
        let keyword = keyword.as_str();
        if value.is_array() && LISTS.contains(&keyword) {
            found.extend(value.as_array_mut().into_iter().flatten());
        } else if value.is_object() && MAPS.contains(&keyword) {
            found.extend(value.as_object_mut().into_iter().flat_map(|schemas| schemas.values_mut()));
        } else if (value.is_object() || value.is_boolean()) && ONE.contains(&keyword) {
            found.push(value);
        }
    }
    found
}

/// Does something to a schema and to all within it, the outer ones first.
pub(super) fn each(schema: &mut Value, act: &mut impl FnMut(&mut Value)) {
    let mut open = vec![schema];
    while let Some(schema) = open.pop() {
        act(schema);
        open.extend(children(schema));
    }
}
