//! What describes a service: its OpenAPI document and the schemas of its own types.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::Config;
use crate::http::openapi;

/// The OpenAPI document of a service with this configuration.
#[must_use]
pub fn openapi_document(config: &Config) -> Value {
    openapi::document(&config.catalog, &config.access)
}

/// The JSON Schemas of the service's own types, by name.
#[must_use]
pub fn type_schemas() -> BTreeMap<String, Value> {
    openapi::type_schemas()
}
