//! The design of the wire, sentence by sentence, asked of the real binary:
//! each row quotes what is promised, and says what is sent and what must come.

mod activities;
mod asking;
mod changes;
mod discovery;
mod effects;
mod forms;
mod jobs;
mod lists;
mod metrics;
mod once;
mod preconditions;
mod replies;
mod representations;
mod shapes;
mod urls;

use serde_json::{Value, json};

use crate::service::client::{Answer, JSON, MERGE, Request, request};
use crate::service::{Service, World};

const CONFIGURATION: &str = r#"
[limits]
running = 4

[operations.script]
description = "Run a script"
input = "script.json"
exec  = { command = ["sh", "-c", "${input.script}"] }
grace = "200ms"

[collections.videos]
schema = "video.json"

[collections.notes]
preconditions = "optional"
"#;

const SCRIPT_SCHEMA: &str =
    r#"{"type":"object","properties":{"script":{"type":"string"}},"required":["script"],"additionalProperties":true}"#;
const VIDEO_SCHEMA: &str =
    r#"{"type":"object","properties":{"title":{"type":"string"}},"required":["title"],"additionalProperties":true}"#;

fn world() -> World {
    let world = World::new(CONFIGURATION);
    world.write("script.json", SCRIPT_SCHEMA);
    world.write("video.json", VIDEO_SCHEMA);
    world
}

/// An activity that runs a script.
fn script(script: &str) -> Value {
    json!({ "operation": "script", "input": { "script": script } })
}

/// Work that goes on until the world has a file `go`.
const UNTIL_GO: &str = "until [ -e go ]; do sleep 0.02; done";

/// A request as a table has it: `METHOD target`, lines of header fields, and a
/// body, which is JSON (a merge patch for PATCH) unless a field says otherwise.
fn asked(line: &str, fields: &[&str], body: &str) -> Request {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    let mut asked = request(method, target);
    let mut has_type = false;
    for field in fields {
        let (name, value) = field.split_once(": ").expect("a name and a value");
        has_type |= name.eq_ignore_ascii_case("content-type");
        asked = asked.field(name, value);
    }
    match (body, has_type) {
        ("", _) => asked,
        (_, true) => asked.bytes_as_they_are(body),
        (_, false) => asked.body(if method == "PATCH" { MERGE } else { JSON }, body),
    }
}

/// What the design says, what is asked, and what must be answered: a status
/// and, if it is a problem, its type.
type Row<'a> = (&'a str, &'a str, &'a [&'a str], &'a str, u16, &'a str);

/// Asks row after row, and tells of all that are answered otherwise.
fn hold(service: &Service, rows: &[Row<'_>]) {
    let mut wrong = Vec::new();
    for (says, line, fields, body, status, problem) in rows {
        let answer = service.ask(&asked(line, fields, body));
        if let Some(fault) = fault(&answer, *status, problem) {
            let shown: String = answer.text().chars().take(300).collect();
            wrong.push(format!("{says}\n  {line} {fields:?} {:.100}\n  {fault}: {shown}", body));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What is wrong with an answer, beside what only its own row can know.
fn fault(answer: &Answer, status: u16, problem: &str) -> Option<String> {
    if answer.status != status {
        return Some(format!("expected {status}"));
    }
    if answer.problem() != problem && !(problem.is_empty() || answer.body.is_empty()) {
        return Some(format!("expected the problem {problem}"));
    }
    if status < 400 || answer.body.is_empty() {
        return None;
    }
    if answer.header("content-type") != Some("application/problem+json") {
        return Some("always application/problem+json".to_owned());
    }
    let body = answer.json();
    (body["status"] != status || !body["title"].is_string()).then(|| "RFC 9457: status and title".to_owned())
}
