//! What describes the service: `schemas/` is what the types and the example
//! say, and the OpenAPI document holds together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use heeler::config;
use heeler::domain::schema::Schema;
use heeler::http::openapi::{document, type_schemas};
use serde_json::Value;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn described(name: &str) -> Value {
    let config = config::load(&example(name), &crate::config::cron).expect("the example is right");
    document(&config.catalog, &config.access)
}

#[test]
fn the_schemas_of_the_repository_are_what_is_generated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let mut generated = vec![("openapi.json".to_owned(), described("heeler.toml"))];
    generated.extend(type_schemas().into_iter().map(|(name, schema)| (format!("{name}.json"), schema)));
    let mut names = BTreeSet::new();
    for (name, value) in generated {
        let written = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        let written: Value = serde_json::from_str(&written).unwrap_or_default();
        assert!(written == value, "schemas/{name} is stale: run `just schemas`");
        names.insert(name);
    }
    let entries = std::fs::read_dir(&folder).expect("the folder");
    let there: BTreeSet<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(there, names, "nothing else is in schemas/");
}

/// Every reference within a value.
fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere_and_no_operation_is_named_twice() {
    for name in ["heeler.toml", "seeds/heeler.toml"] {
        let document = described(name);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{name}: {reference} leads elsewhere"));
            assert!(document.pointer(pointer).is_some(), "{name}: {reference} leads nowhere");
        }
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("an item").iter().filter(|(key, _)| *key != "parameters")
            {
                let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no name"));
                assert!(ids.insert(id.to_owned()), "{id} is named twice");
                let responses = operation["responses"].as_object().expect("responses");
                assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path} never succeeds");
            }
        }
    }
}

#[test]
fn every_published_schema_compiles() {
    for (name, schema) in type_schemas() {
        Schema::compile(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
