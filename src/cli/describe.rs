//! `heeler openapi`: prints or writes down what describes the service.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::exit::Failure;
use super::output::say;
use crate::config::Config;
use crate::service::{openapi_document, type_schemas};

/// Prints the OpenAPI document.
pub(super) fn print(config: &Config) {
    say(&pretty(&openapi_document(config)));
}

/// Writes the OpenAPI document and the schemas of our own types into a folder.
pub(super) fn write(config: &Config, folder: &Path) -> Result<(), Failure> {
    let into = |name: &str, value: &Value| {
        let path = folder.join(name);
        let written = fs::write(&path, format!("{}\n", pretty(value)));
        written.map_err(|error| Failure::Usage(format!("{} cannot be written: {error}", path.display())))
    };
    into("openapi.json", &openapi_document(config))?;
    type_schemas().iter().try_for_each(|(name, schema)| into(&format!("{name}.json"), schema))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON can always be written")
}
