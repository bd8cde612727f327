//! `heeler openapi`: prints or writes down what describes the service.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::exit::Failure;
use crate::cli::output::say;
use crate::config::Config;
use crate::http::openapi;

/// Prints the OpenAPI document.
pub(in crate::cli) fn print(config: &Config) {
    say(&pretty(&openapi::document(&config.catalog, &config.access)));
}

/// Writes the OpenAPI document and the schemas of our own types into a folder.
pub(in crate::cli) fn write(config: &Config, folder: &Path) -> Result<(), Failure> {
    let into = |name: &str, value: &Value| {
        let path = folder.join(name);
        let written = fs::write(&path, format!("{}\n", pretty(value)));
        written.map_err(|error| Failure::Usage(format!("{} cannot be written: {error}", path.display())))
    };
    into("openapi.json", &openapi::document(&config.catalog, &config.access))?;
    openapi::type_schemas().iter().try_for_each(|(name, schema)| into(&format!("{name}.json"), schema))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON can always be written")
}
