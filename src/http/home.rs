//! What there is: the home page, the operations, and whether we are well.

use serde_json::{Map, Value, json};
use warp::reply::Response;

use super::Inner;
use super::problem::{Kind, Problem};
use super::reply;
use crate::api::{ApiError, links};
use crate::domain::id::OperationName;
use crate::domain::operation::Operation;

/// `/`
pub(super) fn home(http: &Inner) -> Response {
    let catalog = http.api.catalog();
    let collections: Vec<_> = catalog
        .collections
        .values()
        .map(|collection| {
            let activities: Vec<_> = collection.activities.iter().map(|activity| activity.name.as_str()).collect();
            json!({ "name": collection.name, "href": links::collection(catalog, &collection.name), "activities": activities })
        })
        .collect();
    let operations: Vec<_> = catalog
        .operations
        .values()
        .map(|operation| json!({ "name": operation.name, "href": operation_href(&operation.name) }))
        .collect();
    let body = json!({
        "collections": collections,
        "operations": operations,
        "_links": {
            "self": { "href": "/" },
            "operations": { "href": "/v1/operations" },
            "jobs": { "href": "/v1/jobs" },
            "health": { "href": "/healthz" },
            "ready": { "href": "/readyz" },
        },
    });
    reply::json(body.to_string())
}

fn operation_href(name: &OperationName) -> String {
    format!("/v1/operations/{name}")
}

/// `/v1/operations`: declared by the operator, and so few that there are no pages.
pub(super) fn operations(http: &Inner) -> Response {
    let items: Vec<_> = http.api.catalog().operations.values().map(|operation| represent(operation)).collect();
    reply::momentary(&json!({ "items": items, "_links": { "self": { "href": "/v1/operations" } } }))
}

/// `/v1/operations/{name}`
pub(super) fn operation(http: &Inner, name: &OperationName) -> Result<Response, Problem> {
    let operation = http
        .api
        .catalog()
        .operations
        .get(name)
        .ok_or_else(|| ApiError::NotFound { what: format!("the operation `{name}`") })?;
    Ok(reply::momentary(&represent(operation)))
}

fn represent(operation: &Operation) -> Value {
    let mut shown = Map::new();
    shown.insert("name".to_owned(), operation.name.as_str().into());
    if let Some(description) = &operation.description {
        shown.insert("description".to_owned(), description.as_str().into());
    }
    if let Some(schema) = &operation.input {
        shown.insert("input".to_owned(), schema.source().clone());
    }
    shown.insert("_links".to_owned(), json!({ "self": { "href": operation_href(&operation.name) } }));
    Value::Object(shown)
}

/// `/healthz`: the process answers.
pub(super) fn health() -> Response {
    reply::momentary(&json!({ "status": "ok" }))
}

/// `/readyz`: it is worth sending requests here.
pub(super) fn ready(http: &Inner) -> Result<Response, Problem> {
    if http.stopping.is_cancelled() {
        return Err(ApiError::Stopping.into());
    }
    Ok(reply::momentary(&json!({ "status": "ready" })))
}

/// `/problems`
pub(super) fn problems() -> Response {
    let items: Vec<_> = Kind::ALL.into_iter().map(Kind::page).collect();
    reply::json(json!({ "items": items, "_links": { "self": { "href": "/problems" } } }).to_string())
}

/// `/problems/{name}`
pub(super) fn problem(kind: Kind) -> Response {
    reply::json(kind.page().to_string())
}
