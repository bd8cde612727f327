//! What a configuration can say, and what is said about one that is wrong.

use std::io;
use std::path::Path;
use std::sync::Arc;

use heeler::config::{Config, ConfigErrors, Declared, Outside, parse_with};
use heeler::domain::operation::{Operation, RunnerSpec};

mod effects;
mod errors;
mod housekeeping;
mod mounts;
mod outward;
mod programs;
mod reading;
mod replies;
mod workers;

/// The judge of cron expressions that the service has.
pub(crate) fn cron(text: &str) -> Result<(), String> {
    heeler::engine::judge_cron(text).map_err(|why| why.to_string())
}

/// Reads a configuration that stands in `/etc/heeler`, with these schema files beside it.
fn read(text: &str) -> Result<Config, ConfigErrors> {
    read_beside(text, &Declared::default())
}

/// The same for a program that has a function for this operation.
fn read_by_a_program(text: &str, function: &str) -> Result<Config, ConfigErrors> {
    let native = format!("[operations.{function}]\nexec = {{ command = [\"true\"] }}");
    let catalog = read(&native).expect("it is right").catalog;
    let as_native = |(name, operation): (_, Arc<Operation>)| {
        (name, Arc::new(Operation { runner: RunnerSpec::Native, ..Operation::clone(&operation) }))
    };
    let operations = catalog.operations.into_iter().map(as_native).collect();
    read_beside(text, &Declared { operations, ..Declared::default() })
}

fn read_beside(text: &str, declared: &Declared) -> Result<Config, ConfigErrors> {
    let schemas = |path: &Path| match path.to_str() {
        Some("/etc/heeler/schemas/transcode.json") => {
            Ok(r#"{"title": "Transcode", "type": "object", "required": ["source"]}"#.to_owned())
        }
        Some("/etc/heeler/schemas/video.json" | "/srv/video.json") => Ok(r#"{"title": "Video"}"#.to_owned()),
        Some("/etc/heeler/schemas/remote.json") => {
            Ok(r#"{"properties": {"a": {"$ref": "https://example.com/a.json"}}}"#.to_owned())
        }
        Some("/etc/heeler/schemas/wrong.json") => Ok(r#"{"properties": {"a": {"type": "strng"}}}"#.to_owned()),
        Some("/etc/heeler/hook.token") => Ok("canary of a file\r\n".to_owned()),
        Some("/etc/heeler/empty.token") => Ok("\n".to_owned()),
        Some("/etc/heeler/nul.token") => Ok("can\0ary".to_owned()),
        Some("/etc/heeler/long.token") => Ok("canary".repeat(20_000)),
        Some("/etc/heeler/schemas/torn.json") => Ok("{\n  \"type\": ".to_owned()),
        Some(_) | None => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let env =
        [("HOOK_TOKEN".to_owned(), "canary".to_owned()), ("EMPTY".to_owned(), String::new())].into_iter().collect();
    let outside = Outside { read: &schemas, env: &env, cron: &cron };
    parse_with(text, Path::new("heeler.toml"), Path::new("/etc/heeler"), outside, declared)
}

/// What is said about a configuration that is wrong.
fn refusal(text: &str) -> String {
    match read(text) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(errors) => errors.to_string(),
    }
}
