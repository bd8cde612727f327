//! What there is: the home page, the operations, the problems, and whether we are well.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::{Map, Value, json};
use tracing::warn;
use warp::reply::Response;

use super::discovery::{OPENAPI, OPENAPI_MEDIA};
use super::dispatch::{Call, Site};
use super::fixed::fixed;
use super::problem::{Kind, Problem};
use super::reply;
use super::routes::Route;
use crate::api::{ApiError, Load, links};
use crate::domain::catalog::{Catalog, Collection};
use crate::domain::id::OperationName;
use crate::domain::operation::{Operation, RunnerSpec};
use crate::domain::time::friendly;
use crate::metrics;

/// `/`
pub(super) fn home(call: &Call<'_>) -> Result<Response, Problem> {
    let catalog = call.http.api.catalog();
    let collections: Vec<_> =
        catalog.collections.values().map(|collection| represent_collection(collection, catalog)).collect();
    let operations: Vec<_> = catalog.operations.values().map(|operation| named(operation)).collect();
    let body = json!({
        "collections": collections,
        "operations": operations,
        "_links": {
            "self": { "href": "/" },
            "service-desc": { "href": OPENAPI, "type": OPENAPI_MEDIA },
            "operations": { "href": "/v1/operations" },
            "operation": { "href": "/v1/operations/{name}", "templated": true },
            "jobs": { "href": "/v1/jobs" },
            "job": { "href": "/v1/jobs/{job}", "templated": true },
            "log": { "href": "/v1/jobs/{job}/log", "templated": true },
            "schema": { "href": "/schemas/{name}", "templated": true },
            "problems": { "href": "/problems" },
            "problem": { "href": "/problems/{name}", "templated": true },
            "health": { "href": "/healthz" },
            "ready": { "href": "/readyz" },
            "metrics": { "href": "/metrics" },
        },
    });
    fixed(call, body.to_string())
}

/// A collection, and where everything in it is (RFC 6570).
fn represent_collection(collection: &Collection, catalog: &Catalog) -> Value {
    let href = links::collection(catalog, &collection.name);
    let activities: Vec<_> = collection.activities.iter().map(|activity| activity.name.as_str()).collect();
    let mut below = json!({
        "self": { "href": href },
        "describedby": { "href": links::schema(&collection.name), "type": "application/schema+json" },
        "item": { "href": format!("{href}/{{id}}"), "templated": true },
    });
    if !activities.is_empty() {
        let templates =
            [("activity", ""), ("form", "/form"), ("ticks", "/ticks"), ("last", "/last"), ("job", "/{job}")];
        for (relation, rest) in templates {
            below[relation] = json!({ "href": format!("{href}/{{id}}/{{activity}}{rest}"), "templated": true });
        }
    }
    json!({ "name": collection.name, "href": href, "activities": activities, "_links": below })
}

/// An operation, by name.
fn named(operation: &Operation) -> Value {
    let mut shown = json!({ "name": operation.name, "href": operation_href(&operation.name) });
    if let Some(description) = &operation.description {
        shown["description"] = description.as_str().into();
    }
    shown
}

/// 405 with the way to what was probably meant.
pub(super) fn signposted(problem: Problem, route: &Route, method: &Method, catalog: &Catalog) -> Problem {
    let (Route::Resource(key), &Method::POST) = (route, method) else { return problem };
    let activities = catalog.collections.get(&key.collection).map_or(&[][..], |collection| &collection.activities);
    let mut links = json!({ "self": { "href": links::resource(catalog, key), "method": "PATCH" } });
    for spec in activities {
        let href = links::activity(catalog, key, &spec.name);
        links[spec.name.as_str()] = json!({ "href": href, "method": "POST", "type": "application/json" });
    }
    problem.with("_links", links)
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
    let mut links = json!({ "self": { "href": operation_href(&operation.name) } });
    if let RunnerSpec::Worker(spec) = &operation.runner {
        shown.insert("lease".to_owned(), friendly(spec.lease).into());
        links["leases"] =
            json!({ "href": links::leases(&operation.name), "method": "POST", "type": "application/json" });
    }
    shown.insert("_links".to_owned(), links);
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

/// `/metrics`: what is counted, for scrapers.
pub(super) async fn metrics(http: Site<'_>) -> Response {
    if let Err(error) = http.api.count_waiting().await {
        warn!(error = &error as &dyn std::error::Error, "what waits could not be counted");
    }
    let mut response = reply::at_this_moment(http.config.metrics.text());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::MEDIA_TYPE));
    response
}

/// `/problems`
pub(super) fn problems(call: &Call<'_>) -> Result<Response, Problem> {
    let items: Vec<_> = Kind::ALL.into_iter().map(Kind::page).collect();
    fixed(call, json!({ "items": items, "_links": { "self": { "href": "/problems" } } }).to_string())
}

/// `/problems/{name}`
pub(super) fn problem(call: &Call<'_>, kind: Kind) -> Result<Response, Problem> {
    fixed(call, kind.page().to_string())
}
