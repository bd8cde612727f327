//! What a POST to an activity may say, as a schema.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::domain::id::OperationName;
use crate::domain::operation::Operation;

/// What can be asked of an activity, as its resource is now.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The operations that may be named.
    pub operations: Vec<Arc<Operation>>,
    /// The one that is meant where none is named.
    pub meant: Option<OperationName>,
    /// The input that what is sent is merged over.
    pub input: Value,
}

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

impl Ask {
    /// The schema of the body of a POST.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut properties = Map::new();
        let names: Vec<&str> = self.operations.iter().map(|operation| operation.name.as_str()).collect();
        let mut operation = json!({ "title": "Operation", "enum": names });
        if let Some(meant) = &self.meant {
            operation["default"] = meant.as_str().into();
        }
        properties.insert("operation".to_owned(), operation);
        let mut schema = json!({ "$schema": DIALECT, "type": "object" });
        match self.operations.as_slice() {
            [only] => {
                properties.insert("input".to_owned(), self.input_of(only));
                if self.needs_input(only) {
                    schema["required"] = json!(["input"]);
                }
            }
            [] => {}
            operations => {
                properties.insert("input".to_owned(), json!({ "type": "object" }));
                schema["allOf"] = operations.iter().map(|operation| self.if_named(operation)).collect();
            }
        }
        schema["properties"] = Value::Object(properties);
        schema["additionalProperties"] = false.into();
        if self.meant.is_none() {
            let mut required = vec![json!("operation")];
            required.extend(schema["required"].as_array().into_iter().flatten().cloned());
            schema["required"] = required.into();
        }
        schema
    }

    /// What holds where this operation is named, or meant without being named.
    fn if_named(&self, operation: &Operation) -> Value {
        let named = json!({ "properties": { "operation": { "const": operation.name } } });
        let condition = if self.meant.as_ref() == Some(&operation.name) {
            named
        } else {
            json!({ "properties": named["properties"], "required": ["operation"] })
        };
        let mut then = json!({ "properties": { "input": self.input_of(operation) } });
        if self.needs_input(operation) {
            then["required"] = json!(["input"]);
        }
        json!({ "if": condition, "then": then })
    }

    /// The schema of what is merged over the input there is: what that has need not be sent.
    #[must_use]
    pub fn input_of(&self, operation: &Operation) -> Value {
        let Some(declared) = &operation.input else { return json!({ "type": "object" }) };
        let mut schema = declared.source().clone();
        let Value::Object(keywords) = &mut schema else { return schema };
        // Its references lead through itself, wherever it stands.
        if keywords.keys().any(|keyword| keyword == "$schema") || refers(&Value::Object(keywords.clone())) {
            let id = || format!("urn:heeler:operation:{}:input", operation.name);
            keywords.entry("$id").or_insert_with(|| id().into());
        }
        if let Some(Value::Array(required)) = keywords.get_mut("required") {
            required.retain(|name| name.as_str().is_none_or(|name| self.input.get(name).is_none()));
        }
        if self.input.as_object().is_some_and(|members| !members.is_empty()) {
            keywords.insert("default".to_owned(), self.input.clone());
        }
        schema
    }

    /// Whether the operation does not take the input that there is as it is.
    fn needs_input(&self, operation: &Operation) -> bool {
        operation.input.as_ref().is_some_and(|schema| !schema.validate(&self.input).is_empty())
    }
}

/// Whether there is a reference anywhere in a schema.
fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.iter().any(|(name, member)| matches!(name.as_str(), "$ref" | "$dynamicRef") || refers(member))
        }
        Value::Array(elements) => elements.iter().any(refers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
