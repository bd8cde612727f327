//! The OpenAPI 3.1 document and the JSON Schemas, made of the route table, the
//! types of what is shown, and what the operator declared.
//!
//! # Guarantees
//! Whatever takes a method is in the document, under every path that it has.
//! The same declarations give the same text.
//! # Not here
//! Aliases are in the document as the paths that they are; what they stand for
//! is said of each.

mod operations;
mod paths;
mod schemas;
mod statuses;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use warp::reply::Response;

use super::dispatch::Call;
use super::fixed::fixed;
use super::problem::Problem;
use super::routes::{Route, Verb};
use crate::api::ApiError;
use crate::domain::catalog::Catalog;
use crate::domain::principal::Access;

/// What describes the service, as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Descriptions {
    document: Bytes,
    schemas: BTreeMap<String, Bytes>,
}

impl Descriptions {
    /// Those of what is declared.
    pub(super) fn new(catalog: &Catalog, access: &Access) -> Self {
        let written = |value: &Value| Bytes::from(value.to_string());
        Self {
            document: written(&document(catalog, access)),
            schemas: schemas::published(catalog).iter().map(|(name, schema)| (name.clone(), written(schema))).collect(),
        }
    }
}

/// `/openapi.json`
pub(super) fn openapi(call: &Call<'_>, descriptions: &Descriptions) -> Result<Response, Problem> {
    fixed(call, descriptions.document.clone())
}

/// `/schemas/{name}`
pub(super) fn schema(call: &Call<'_>, descriptions: &Descriptions, name: &str) -> Result<Response, Problem> {
    let schema = descriptions.schemas.get(name);
    let schema = schema.ok_or_else(|| ApiError::NotFound { what: format!("the schema `{name}`") })?;
    fixed(call, schema.clone())
}

/// The schemas of our own types, by the names under which they are served.
#[must_use]
pub fn type_schemas() -> BTreeMap<String, Value> {
    schemas::types()
}

/// The OpenAPI document of what is declared.
#[must_use]
pub fn document(catalog: &Catalog, access: &Access) -> Value {
    let mut items: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for described in paths::every(catalog) {
        let item = items.entry(described.template.clone()).or_default();
        item.insert("parameters".to_owned(), operations::path_parameters(&described));
        for verb in described.route.verbs() {
            item.insert(method(*verb).to_owned(), operations::operation(&described, *verb, catalog, access));
        }
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Heeler",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Brings resources to heel",
            "description": "Clients write the state that they want into JSON documents; jobs follow, once, and the same \
                documents show how far they got. HEAD works wherever GET does, OPTIONS everywhere; a slash at the end of a \
                path names the same thing.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "jsonSchemaDialect": schemas::DIALECT,
        "servers": [{ "url": "/" }],
        "paths": items,
        "components": { "schemas": schemas::components(catalog) },
    });
    match access {
        Access::Anyone => {}
        Access::Holders(_) => {
            document["components"]["securitySchemes"] = json!({
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic", "description": "any name, and the token as the password" },
            });
            document["security"] = json!([{ "bearer": [] }, { "basic": [] }]);
        }
    }
    document
}

const fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::Post => "post",
        Verb::Put => "put",
        Verb::Patch => "patch",
        Verb::Delete => "delete",
        Verb::Options => "options",
    }
}

/// A path, and what it names.
#[derive(Debug, Clone)]
struct Described {
    /// The path, with `{variables}`.
    template: String,
    /// What is there, with an example of everything that varies.
    route: Route,
    /// What tells its operations from those of other paths.
    id: String,
    /// What it is, for people.
    what: String,
    /// Its variables, as they are in the template.
    variables: Vec<Variable>,
}

/// A variable of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    name: String,
    kind: VariableKind,
}

/// What a variable of a path can be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum VariableKind {
    /// The id of a resource.
    Id,
    /// The id of a job.
    Job,
    /// One of these names.
    Name(Vec<String>),
    /// A member of a document.
    Member,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::domain::catalog::{ActivitySpec, Alias, AliasSegment, Collection};

    fn catalog() -> Catalog {
        let videos = Collection {
            activities: vec![
                ActivitySpec::new("processing".parse().expect("a name")),
                ActivitySpec { editable: true, ..ActivitySpec::new("tasks".parse().expect("a name")) },
            ],
            ..Collection::new("videos".parse().expect("a name"))
        };
        let literal = |text: &str| AliasSegment::Literal(text.to_owned());
        let alias = Alias {
            path: vec![literal("clips"), AliasSegment::Variable("id".to_owned())],
            target: vec![literal("v1"), literal("videos"), AliasSegment::Variable("id".to_owned())],
        };
        Catalog {
            collections: [(videos.name.clone(), Arc::new(videos))].into(),
            aliases: vec![alias],
            ..Catalog::default()
        }
    }

    #[test]
    fn every_route_is_described_with_every_method_that_it_takes() {
        let catalog = catalog();
        let document = document(&catalog, &Access::Anyone);
        let mut labels = BTreeSet::new();
        for described in paths::every(&catalog) {
            labels.insert(described.route.label());
            for verb in described.route.verbs() {
                let operation = &document["paths"][&described.template][method(*verb)];
                assert!(operation.is_object(), "{} {}", method(*verb), described.template);
                for variable in &described.variables {
                    let parameters = document["paths"][&described.template]["parameters"].as_array();
                    let named =
                        parameters.is_some_and(|all| all.iter().any(|one| one["name"] == variable.name.as_str()));
                    assert!(named, "`{}` of {}", variable.name, described.template);
                }
            }
        }
        for label in crate::domain::paths::OWN {
            let found = labels.iter().any(|known| known.split('{').next() == label.split('{').next());
            // Without an operation there is none to be described.
            assert!(found || label.starts_with("/v1/operations"), "{label}");
        }
        assert!(labels.contains("/v1/{collection}/{id}/{member}"), "{labels:?}");
        assert!(document["paths"]["/clips/{id}"]["get"].is_object());
    }

    #[test]
    fn what_a_route_can_fail_with_is_a_problem_and_only_who_must_show_a_token_is_told_of_it() {
        let anyone = document(&catalog(), &Access::Anyone);
        let held = document(&catalog(), &Access::Holders(Vec::new()));
        let responses = |document: &Value| document["paths"]["/v1/videos/{id}"]["get"]["responses"].clone();
        assert!(responses(&anyone)["401"].is_null() && responses(&held)["401"].is_object());
        assert!(responses(&anyone)["404"]["content"]["application/problem+json"].is_object());
        assert!(held["components"]["securitySchemes"]["bearer"].is_object());
    }
}
