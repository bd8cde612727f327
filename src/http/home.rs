//! What there is: the home page, the operations, and whether we are well.

use serde_json::{Map, Value, json};
use warp::reply::Response;

use super::dispatch::Site;
use super::problem::{Kind, Problem};
use super::reply;
use crate::api::{ApiError, Load, links};
use crate::domain::id::OperationName;
use crate::domain::operation::Operation;

/// `/`
pub(super) fn home(http: Site<'_>) -> Response {
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
pub(super) async fn operations(http: Site<'_>) -> Result<Response, Problem> {
    let loads = http.api.loads().await?;
    let load = |name| loads.get(name).copied().unwrap_or_default();
    let operations = http.api.catalog().operations.values();
    let items: Vec<_> = operations.map(|operation| represent(operation, load(&operation.name))).collect();
    Ok(reply::momentary(&json!({ "items": items, "_links": { "self": { "href": "/v1/operations" } } })))
}

/// `/v1/operations/{name}`
pub(super) async fn operation(http: Site<'_>, name: &OperationName) -> Result<Response, Problem> {
    let operation = http
        .api
        .catalog()
        .operations
        .get(name)
        .ok_or_else(|| ApiError::NotFound { what: format!("the operation `{name}`") })?;
    let load = http.api.loads().await?.remove(name).unwrap_or_default();
    Ok(reply::momentary(&represent(operation, load)))
}

fn represent(operation: &Operation, load: Load) -> Value {
    let mut shown = Map::new();
    shown.insert("name".to_owned(), operation.name.as_str().into());
    if let Some(description) = &operation.description {
        shown.insert("description".to_owned(), description.as_str().into());
    }
    if let Some(schema) = &operation.input {
        shown.insert("input".to_owned(), schema.source().clone());
    }
    shown.insert("running".to_owned(), load.running.into());
    shown.insert("waiting".to_owned(), load.waiting.into());
    shown.insert("_links".to_owned(), json!({ "self": { "href": operation_href(&operation.name) } }));
    Value::Object(shown)
}

/// `/healthz`: the process answers.
pub(super) fn health() -> Response {
    reply::momentary(&json!({ "status": "ok" }))
}

/// `/readyz`: it is worth sending requests here.
pub(super) fn ready(http: Site<'_>) -> Result<Response, Problem> {
    if http.stopping.is_cancelled() {
        return Err(ApiError::Stopping.into());
    }
    Ok(reply::momentary(&json!({ "status": "ready" })))
}

/// `/problems/{name}`
pub(super) fn problem(kind: Kind) -> Response {
    reply::json(kind.page().to_string())
}
