//! The JSON Schemas: of our own types, and of what the operator declared.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::api::{LEASES_MAX, describe_shown};
use crate::domain::activity::vocabulary;
use crate::domain::catalog::{ActivitySpec, Catalog, Collection, OperationChoice};
use crate::domain::document::{ID, LINKS};
use crate::domain::id::{ActivityName, CollectionName};
use crate::domain::operation::Operation;
use crate::domain::schema::{Free, embedded, widened};
use crate::http::trial;

/// The dialect of all of them.
pub(super) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A reference to a component.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What a resource of a collection looks like.
pub(super) fn of_collection(name: &CollectionName) -> Value {
    reference(&component(name))
}

/// The component of a collection. Our own types have no dot in their names.
fn component(name: &CollectionName) -> String {
    format!("collections.{name}")
}

/// The component of the input of an operation.
fn input_component(operation: &Operation) -> String {
    format!("operations.{}.input", operation.name)
}

/// A page of a list.
pub(super) fn list(item: &Value) -> Value {
    json!({
        "type": "object",
        "properties": { "items": { "type": "array", "items": item }, "_links": { "type": "object" } },
        "required": ["items", "_links"],
    })
}

/// A list that can be watched from where it was read.
pub(super) fn watchable_list(item: &Value) -> Value {
    let mut list = list(item);
    list["properties"]["revision"] = json!({ "type": "integer", "minimum": 0 });
    list["required"] = json!(["items", "revision", "_links"]);
    list
}

/// The body of a POST to an activity.
pub(super) fn launch(collection: &CollectionName, activity: &ActivityName, catalog: &Catalog) -> Value {
    let spec = catalog.collections.get(collection).and_then(|collection| collection.activity(activity.as_str()));
    json!({
        "type": "object",
        "properties": { "operation": operations(spec, catalog), "input": { "type": "object" } },
        "additionalProperties": false,
    })
}

/// The operations that an activity may run.
fn operations(spec: Option<&ActivitySpec>, catalog: &Catalog) -> Value {
    let choice = spec.map_or(&OperationChoice::Any, |spec| &spec.operations);
    let names: Vec<&str> =
        catalog.operations.keys().filter(|name| choice.allows(name)).map(|name| name.as_str()).collect();
    if names.is_empty() { json!({ "type": "string" }) } else { json!({ "enum": names }) }
}

/// What a text around the schema of a collection refers to.
struct Around<'a> {
    status: Value,
    links: Value,
    input: &'a dyn Fn(&Operation) -> Value,
}

/// What the resources of a collection look like, the service's members
/// included, where `at` leads to it from everywhere in the text around it.
fn shown(collection: &Collection, catalog: &Catalog, around: &Around<'_>, at: &str) -> Value {
    let mut members = Map::new();
    members.insert(ID.to_owned(), json!({ "type": "string", "readOnly": true }));
    let read_only = |schema: &Value| {
        let mut schema = schema.clone();
        schema["readOnly"] = true.into();
        schema
    };
    members.insert(collection.observed_as.clone(), read_only(&around.status));
    members.insert(LINKS.to_owned(), read_only(&around.links));
    for spec in collection.activities.iter().filter(|spec| spec.mapping.is_none()) {
        members.insert(spec.name.to_string(), vocabulary(spec, catalog, around.input));
    }
    let mut free = Free::default();
    for member in members.keys() {
        free.add(&[member]);
    }
    for place in collection.shown_places() {
        free.add(place.tokens());
    }
    let ours = json!({ "type": "object", "properties": members });
    let Some(schema) = &collection.schema else { return ours };
    let within = |at: &str| embedded(schema.source(), at).map(|schema| widened(&schema, at, &free));
    match within(at) {
        Some(Value::Object(keywords)) if are_apart(&keywords, &members) => with_members(keywords, members),
        Some(_) => {
            let whole = within(&format!("{at}/allOf/0")).unwrap_or_else(|| json!({}));
            json!({ "allOf": [whole, ours] })
        }
        // It can stand only by itself: what the operator wrote is not said here.
        None => ours,
    }
}

/// Whether a schema says nothing of these members.
fn are_apart(keywords: &Map<String, Value>, members: &Map<String, Value>) -> bool {
    match keywords.get("properties") {
        None => true,
        Some(Value::Object(properties)) => !members.keys().any(|member| properties.contains_key(member)),
        Some(_) => false,
    }
}

/// A schema that says these members, too.
fn with_members(mut keywords: Map<String, Value>, members: Map<String, Value>) -> Value {
    keywords.entry("type").or_insert_with(|| "object".into());
    if let Value::Object(properties) = keywords.entry("properties").or_insert_with(|| json!({})) {
        properties.extend(members);
    }
    Value::Object(keywords)
}

/// The schemas that are served by name: of collections, of inputs, and of our own types.
pub(super) fn published(catalog: &Catalog) -> BTreeMap<String, Value> {
    let mut found = types();
    let status = found.get("heeler.Status").cloned().unwrap_or_else(|| json!({}));
    let (mut status, definitions) = (status.clone(), status.get("$defs").cloned());
    if let Value::Object(keywords) = &mut status {
        keywords.retain(|keyword, _| !keyword.starts_with('$'));
    }
    let input = |_: &Operation| json!({});
    let around = Around { status, links: json!({ "type": "object" }), input: &input };
    for (name, collection) in &catalog.collections {
        let mut schema = shown(collection, catalog, &around, "#");
        if let Some(definitions) = &definitions {
            merge_definitions(&mut schema, definitions);
        }
        found.insert(name.to_string(), with_dialect(schema));
    }
    for (name, operation) in &catalog.operations {
        let input =
            operation.input.as_ref().map_or_else(|| json!({ "type": "object" }), |input| input.source().clone());
        found.insert(format!("{name}.input"), input);
    }
    found
}

/// Gives a schema the definitions that parts of it refer to.
fn merge_definitions(schema: &mut Value, definitions: &Value) {
    let (Value::Object(schema), Value::Object(ours)) = (schema, definitions) else { return };
    let place = schema.entry("$defs").or_insert_with(|| json!({}));
    if let Value::Object(place) = place {
        for (name, definition) in ours {
            place.entry(name.as_str()).or_insert_with(|| definition.clone());
        }
    }
}

fn with_dialect(mut schema: Value) -> Value {
    if let Value::Object(keywords) = &mut schema
        && !keywords.contains_key("$schema")
    {
        keywords.insert("$schema".to_owned(), DIALECT.into());
    }
    schema
}

/// Our own types, each by itself.
pub(super) fn types() -> BTreeMap<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut named = describe(&mut generator);
    let definitions: Map<String, Value> = generator.take_definitions(true);
    named.extend(ours().into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    // A type that is referred to is a definition, and one that is named here is whole.
    let whole = |(name, schema): (String, Value)| {
        let schema = definitions.get(&name).cloned().unwrap_or(schema);
        let mut schema = with_dialect(schema);
        if schema.to_string().contains("#/$defs/") {
            merge_definitions(&mut schema, &Value::Object(definitions.clone()));
        }
        (format!("heeler.{name}"), schema)
    };
    named.into_iter().map(whole).collect()
}

/// Everything that the document refers to.
pub(super) fn components(catalog: &Catalog) -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let named = describe(&mut generator);
    let mut components: Map<String, Value> = generator.take_definitions(true);
    for (name, schema) in named {
        components.entry(name).or_insert(schema);
    }
    for (name, schema) in ours() {
        components.insert(name.to_owned(), schema);
    }
    for operation in catalog.operations.values() {
        let name = input_component(operation);
        let source = operation.input.as_ref().map(|input| input.source());
        let embedded = source.and_then(|source| embedded(source, &format!("#/components/schemas/{name}")));
        components.insert(name, embedded.unwrap_or_else(|| json!({})));
    }
    let input = |operation: &Operation| reference(&input_component(operation));
    let around = Around { status: reference("Status"), links: reference("ResourceLinks"), input: &input };
    for (name, collection) in &catalog.collections {
        let name = component(name);
        let at = format!("#/components/schemas/{name}");
        components.insert(name, shown(collection, catalog, &around, &at));
    }
    Value::Object(components)
}

/// Describes the types of what is shown, by name.
fn describe(generator: &mut SchemaGenerator) -> BTreeMap<String, Value> {
    let mut named: BTreeMap<String, Value> =
        describe_shown(generator).into_iter().map(|(name, schema)| (name.to_owned(), schema.to_value())).collect();
    named.insert("Trial".to_owned(), trial::describe(generator).to_value());
    named
}

/// What is so small that it is written down here.
fn ours() -> Vec<(&'static str, Value)> {
    let text = json!({ "type": "string" });
    let links = json!({ "type": "object" });
    let named = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required });
    vec![
        (
            "Problem",
            named(
                json!({
                    "type": text, "title": text, "status": { "type": "integer" }, "detail": text,
                    "pointer": text, "etag": text, "alreadyApplied": { "type": "boolean" },
                    "errors": {
                        "type": "array",
                        "items": named(json!({ "pointer": text, "detail": text }), &["pointer", "detail"]),
                    },
                }),
                &["type", "title", "status", "detail"],
            ),
        ),
        (
            "ProblemType",
            named(
                json!({ "type": text, "status": { "type": "integer" }, "title": text, "explanation": text }),
                &["type", "status", "title", "explanation"],
            ),
        ),
        ("Health", named(json!({ "status": text }), &["status"])),
        (
            "Home",
            named(
                json!({
                    "collections": { "type": "array", "items": { "type": "object" } },
                    "operations": { "type": "array", "items": { "type": "object" } },
                    "_links": links,
                }),
                &["collections", "operations", "_links"],
            ),
        ),
        (
            "Operation",
            named(
                json!({
                    "name": text, "description": text, "input": { "type": ["object", "boolean"] },
                    "lease": text,
                    "running": { "type": "integer", "minimum": 0 }, "waiting": { "type": "integer", "minimum": 0 },
                    "_links": links,
                }),
                &["name", "running", "waiting", "_links"],
            ),
        ),
        (
            "Form",
            named(
                json!({ "method": { "const": "POST" }, "target": text, "mediaType": text, "schema": { "type": "object" } }),
                &["method", "target", "mediaType", "schema"],
            ),
        ),
        (
            "Queue",
            named(
                json!({
                    "reason": text, "position": { "type": ["integer", "null"], "minimum": 1 },
                    "since": { "type": "string", "format": "date-time" }, "limit": { "type": ["integer", "null"] },
                    "until": { "type": "string", "format": "date-time" },
                }),
                &["reason", "position", "since", "limit"],
            ),
        ),
        (
            "JsonPatch",
            json!({
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "op": { "enum": ["add", "remove", "replace", "move", "copy", "test"] },
                        "path": text, "from": text, "value": {},
                    },
                    "required": ["op", "path"],
                },
            }),
        ),
        ("JobChange", json!({ "anyOf": [named(json!({ "canceled": { "const": true } }), &["canceled"]), report()] })),
        (
            "LeaseRequest",
            json!({
                "type": "object",
                "properties": {
                    "worker": { "type": "string", "minLength": 1, "maxLength": 128 },
                    "max": { "type": "integer", "minimum": 1, "maximum": LEASES_MAX, "default": 1 },
                    "wait": { "type": "string", "examples": ["30s"] },
                },
                "required": ["worker"],
                "additionalProperties": false,
            }),
        ),
        (
            "Leases",
            named(
                json!({
                    "items": {
                        "type": "array",
                        "items": named(
                            json!({
                                "job": { "type": "object" }, "token": text,
                                "expires": { "type": "string", "format": "date-time" },
                            }),
                            &["job", "token", "expires"],
                        ),
                    },
                }),
                &["items"],
            ),
        ),
        (
            "JobListEdit",
            named(json!({ "items": { "type": "array", "items": { "type": "object" } }, "_links": links }), &["items"]),
        ),
    ]
}

/// What a worker says of its attempt.
fn report() -> Value {
    let text = json!({ "type": ["string", "null"] });
    json!({
        "type": "object",
        "properties": {
            "token": { "type": "string" },
            "progress": {
                "type": ["object", "null"],
                "properties": { "fraction": { "type": ["number", "null"], "minimum": 0, "maximum": 1 }, "message": text },
                "additionalProperties": false,
            },
            "phase": { "enum": ["succeeded", "failed", "canceled"] },
            "result": {},
            "error": {
                "type": ["object", "string", "null"],
                "properties": { "reason": text, "message": text, "details": {} },
                "additionalProperties": false,
            },
            "retryAfter": { "type": ["string", "null"], "examples": ["30s"] },
            "patch": { "type": ["array", "null"], "items": { "type": "object" } },
        },
        "required": ["token"],
        "additionalProperties": false,
    })
}
