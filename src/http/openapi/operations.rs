//! One method on one path: what it takes and what comes back.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schemas::{self, reference};
use super::statuses::{Carries, problems, successes};
use super::{Described, VariableKind};
use crate::domain::catalog::{Catalog, PreconditionPolicy};
use crate::domain::principal::Access;
use crate::http::backup::BYTES;
use crate::http::events::EVENTS;
use crate::http::media::HTML;
use crate::http::routes::{Route, Verb};
use crate::http::watching::has_stream;

/// What the id of a resource looks like.
const ID: &str = "^[A-Za-z0-9][A-Za-z0-9._~:@-]{0,127}$";
/// What a name of the operator's looks like.
const NAME: &str = "^[A-Za-z_][A-Za-z0-9_-]{0,127}$";

/// The variables of a path.
pub(super) fn path_parameters(described: &Described) -> Value {
    let parameters = described.variables.iter().map(|variable| {
        let schema = match &variable.kind {
            VariableKind::Id => json!({ "type": "string", "pattern": ID }),
            VariableKind::Job => json!({ "type": "string", "format": "uuid" }),
            VariableKind::Name(names) => json!({ "enum": names }),
            VariableKind::Member => json!({ "type": "string", "minLength": 1 }),
        };
        json!({ "name": variable.name, "in": "path", "required": true, "schema": schema })
    });
    parameters.collect()
}

/// One operation.
pub(super) fn operation(described: &Described, verb: Verb, catalog: &Catalog, access: &Access) -> Value {
    let route = &described.route;
    let mut operation = json!({
        "operationId": format!("{}.{}", described.id.trim_matches('.'), super::method(verb)),
        "summary": summary(described, verb),
        "tags": [tag(route)],
        "parameters": parameters(route, verb, catalog),
        "responses": responses(route, verb, catalog, access),
    });
    if let Some(body) = request_body(route, verb, catalog) {
        operation["requestBody"] = body;
    }
    if matches!(route, Route::Health | Route::Ready) {
        operation["security"] = json!([]);
    }
    operation
}

fn summary(described: &Described, verb: Verb) -> String {
    let what = &described.what;
    match (&described.route, verb) {
        (_, Verb::Get) => format!("Read {what}"),
        (Route::Collection(_), Verb::Post) => format!("Create one of {what}"),
        (Route::Activity(..) | Route::EditableActivity(..) | Route::LastJob(..), Verb::Post) => {
            format!("Launch one of {what}")
        }
        (Route::Job(_) | Route::ActivityJob(..), Verb::Patch) => format!("Cancel {what}, or report of its attempt"),
        (Route::Job(_) | Route::ActivityJob(..), Verb::Delete) => format!("Cancel {what}"),
        (Route::Leases(_), Verb::Post) => "Ask for jobs, as a worker".to_owned(),
        (_, Verb::Post | Verb::Put) => format!("Replace {what}"),
        (_, Verb::Patch) => format!("Change {what}"),
        (_, Verb::Delete) => format!("Delete {what}"),
        (_, Verb::Options) => format!("What can be done with {what}"),
    }
}

fn tag(route: &Route) -> String {
    match route {
        Route::Collection(name) => name.to_string(),
        Route::Resource(key)
        | Route::Member(key, _)
        | Route::Activity(key, _)
        | Route::EditableActivity(key, _)
        | Route::Form(key, _)
        | Route::Ticks(key, _)
        | Route::LastJob(key, _)
        | Route::ActivityJob(key, _, _) => key.collection.to_string(),
        Route::Jobs | Route::Job(_) | Route::JobLog(_) | Route::JobQueue(_) => "jobs".to_owned(),
        Route::Operations | Route::Operation(_) | Route::Leases(_) => "operations".to_owned(),
        Route::Home
        | Route::Server
        | Route::Health
        | Route::Ready
        | Route::Metrics
        | Route::OpenApi
        | Route::Schema(_)
        | Route::Problems
        | Route::Problem(_)
        | Route::Backup => "service".to_owned(),
    }
}

/// The query parameters and the header fields.
fn parameters(route: &Route, verb: Verb, catalog: &Catalog) -> Vec<Value> {
    let query = route.parameters(verb).iter().map(|name| {
        let (schema, says) = query(name);
        json!({ "name": name, "in": "query", "schema": schema, "description": says })
    });
    let mut fields: Vec<&str> = Vec::new();
    let probe = matches!(
        route,
        Route::Health
            | Route::Ready
            | Route::Metrics
            | Route::Backup
            | Route::JobQueue(_)
            | Route::Operations
            | Route::Operation(_)
    );
    if is_remembered(route, verb) {
        fields.extend(["If-Match", "If-None-Match", "If-Unmodified-Since", "Prefer", "Idempotency-Key"]);
    } else if verb == Verb::Get && !probe {
        fields.extend(["If-None-Match", "If-Modified-Since"]);
    }
    if let Route::JobLog(_) = route {
        fields.push("Range");
    }
    if verb == Verb::Get && has_stream(route) {
        fields.extend(["Prefer", "Last-Event-ID"]);
    }
    let required = |name: &str| name == "If-Match" && needs_belief(route, verb, catalog);
    let header = fields.into_iter().map(|name| {
        let mut says = field(name).to_owned();
        if required(name) {
            says.push_str(" One precondition is required where the resource exists (428).");
        }
        json!({ "name": name, "in": "header", "schema": value_of(name), "description": says })
    });
    query.chain(header).collect()
}

/// Whether an `Idempotency-Key` is heeded.
fn is_remembered(route: &Route, verb: Verb) -> bool {
    match verb {
        Verb::Get | Verb::Options => false,
        // It is not remembered what a worker was given: who hears no answer asks again.
        Verb::Post if matches!(route, Route::Leases(_)) => false,
        Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => true,
    }
}

/// Whether a change of what exists must name a precondition.
fn needs_belief(route: &Route, verb: Verb, catalog: &Catalog) -> bool {
    let required = |name| {
        let declared = catalog.collections.get(name);
        declared.is_some_and(|collection| collection.preconditions == PreconditionPolicy::Required)
    };
    match route {
        Route::Resource(key) | Route::Member(key, _) => required(&key.collection),
        Route::EditableActivity(..) => matches!(verb, Verb::Put | Verb::Patch),
        Route::Home
        | Route::Server
        | Route::Health
        | Route::Ready
        | Route::Metrics
        | Route::OpenApi
        | Route::Schema(_)
        | Route::Problems
        | Route::Problem(_)
        | Route::Backup
        | Route::Collection(_)
        | Route::Activity(..)
        | Route::Form(..)
        | Route::Ticks(..)
        | Route::LastJob(..)
        | Route::ActivityJob(..)
        | Route::Jobs
        | Route::Job(_)
        | Route::JobLog(_)
        | Route::JobQueue(_)
        | Route::Operations
        | Route::Operation(_)
        | Route::Leases(_) => false,
    }
}

fn query(name: &str) -> (Value, &'static str) {
    match name {
        "limit" => {
            (json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }), "The most items of a page.")
        }
        "cursor" => (
            json!({ "type": "string", "pattern": "^[0-9a-f-]{2,256}$" }),
            "Where to go on, as the link to the next page says.",
        ),
        "fields" => (
            json!({ "type": "string", "pattern": "^[A-Za-z_/][A-Za-z0-9_/-]{0,40}(,[A-Za-z_/][A-Za-z0-9_/-]{0,40}){0,8}$" }),
            "Names of members or JSON Pointers, with commas between: only these are shown.",
        ),
        "phase" => (reference("JobPhase"), "Jobs in this phase."),
        "operation" => (json!({ "type": "string", "pattern": NAME }), "Jobs of this operation."),
        "collection" => (json!({ "type": "string", "pattern": NAME }), "Jobs of resources of this collection."),
        "resource" => (json!({ "type": "string", "pattern": ID }), "Jobs of resources with this id."),
        "attempt" => (json!({ "type": "integer", "minimum": 1 }), "Which attempt, the newest one unless named."),
        "stream" => (json!({ "type": "string", "enum": ["stdout", "stderr"] }), "What came from there alone."),
        "timestamps" => (json!({ "type": "boolean" }), "Before each line when it was written, and where."),
        "follow" => (json!({ "type": "boolean" }), "Go on until the attempt is over."),
        "after" => (
            json!({ "type": "string", "pattern": "^[0-9]{1,15}(-[0-9]{1,6})?$" }),
            "From where on a stream of events tells what changed: the id of an event, or the revision of a list.",
        ),
        _ => (json!({ "type": "boolean" }), "Only say what the change would do, and do nothing."),
    }
}

/// What the value of a header field looks like.
fn value_of(name: &str) -> Value {
    const TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#;
    match name {
        "If-Match" | "If-None-Match" => json!({ "type": "string", "pattern": TAGS }),
        "Idempotency-Key" => json!({ "type": "string", "pattern": "^\"[!#-\\[\\]-~]{1,200}\"$" }),
        "Last-Event-ID" => json!({ "type": "string", "pattern": "^[0-9]{1,15}(-[0-9]{1,6})?$" }),
        "Prefer" => json!({
            "type": "string",
            "examples": ["return=representation", "wait=5", "respond-async", "handling=strict"],
        }),
        _ => json!({ "type": "string" }),
    }
}

const fn field(name: &str) -> &'static str {
    match name.as_bytes() {
        b"If-Match" => "Entity tags; one of them must be current as far as desired state goes, or `*`.",
        b"If-None-Match" => "Entity tags that must not be current, or `*`: it must not exist.",
        b"If-Unmodified-Since" => "An HTTP date, heeded where there is no If-Match.",
        b"If-Modified-Since" => "An HTTP date, heeded where there is no If-None-Match.",
        b"Prefer" => {
            "`return=representation`, `return=minimal` (then 201 and 202 have no body), `wait=SECONDS`, `respond-async`, `handling=strict`."
        }
        b"Idempotency-Key" => {
            "A key of your own: the change is made once, and a retry gets the first answer, for 24 hours."
        }
        b"Range" => "`bytes=…`",
        b"Last-Event-ID" => "Where a stream of events was lost: it goes on strictly after that.",
        _ => "",
    }
}

/// What a method takes.
fn request_body(route: &Route, verb: Verb, catalog: &Catalog) -> Option<Value> {
    let json_patch = json!({ "schema": reference("JsonPatch") });
    let (required, content) = match (route, verb) {
        (Route::Collection(name), Verb::Post) => {
            (true, json!({ "application/json": { "schema": schemas::of_collection(name) } }))
        }
        (Route::Resource(key), Verb::Put) => {
            (true, json!({ "application/json": { "schema": schemas::of_collection(&key.collection) } }))
        }
        (Route::Resource(_), Verb::Patch) => {
            let merge = json!({ "schema": { "type": "object" } });
            (
                true,
                json!({
                    "application/merge-patch+json": merge,
                    "application/json-patch+json": json_patch,
                    "application/json": merge,
                }),
            )
        }
        (Route::Member(..), Verb::Put | Verb::Post) => (true, json!({ "application/json": { "schema": {} } })),
        (Route::Activity(key, name) | Route::EditableActivity(key, name) | Route::LastJob(key, name), Verb::Post) => {
            let launch = schemas::launch(&key.collection, name, catalog);
            (
                false,
                json!({
                    "application/json": { "schema": launch },
                    "application/x-www-form-urlencoded": { "schema": { "type": "object" } },
                }),
            )
        }
        (Route::EditableActivity(..), Verb::Put) => {
            (true, json!({ "application/json": { "schema": reference("JobListEdit") } }))
        }
        (Route::EditableActivity(..), Verb::Patch) => (true, json!({ "application/json-patch+json": json_patch })),
        (Route::Job(_) | Route::ActivityJob(..), Verb::Patch) => {
            let cancel = json!({ "schema": reference("JobChange") });
            (true, json!({ "application/merge-patch+json": cancel, "application/json": cancel }))
        }
        (Route::Leases(_), Verb::Post) => {
            (true, json!({ "application/json": { "schema": reference("LeaseRequest") } }))
        }
        (_, _) => return None,
    };
    Some(json!({ "required": required, "content": content }))
}

/// What comes back.
fn responses(route: &Route, verb: Verb, catalog: &Catalog, access: &Access) -> Value {
    let mut found: BTreeMap<u16, Vec<Carries>> = BTreeMap::new();
    for (status, carries) in successes(route, verb, catalog) {
        found.entry(status).or_default().push(carries);
    }
    let mut responses = Map::new();
    for (status, carries) in found {
        responses.insert(status.to_string(), success(route, verb, status, &carries));
    }
    for status in problems(route, verb, catalog, access) {
        responses.insert(status.to_string(), problem(status, route));
    }
    Value::Object(responses)
}

fn success(route: &Route, verb: Verb, status: u16, carries: &[Carries]) -> Value {
    let mut schemas: Vec<Value> = carries.iter().filter_map(|carries| carried(route, verb, *carries)).collect();
    if !schemas.is_empty() && is_remembered(route, verb) {
        schemas
            .push(json!({ "type": "null", "description": "It was answered before, and what it was about is gone." }));
    }
    let mut response = json!({ "description": reason(status), "headers": headers(route, verb, status) });
    let schema = match schemas.as_slice() {
        [] => return response,
        [only] => only.clone(),
        several => json!({ "anyOf": several }),
    };
    response["content"] = if let Route::JobLog(_) = route {
        json!({ "text/plain": { "schema": schema }, EVENTS: { "schema": { "type": "string" } } })
    } else if let Route::Metrics = route {
        json!({ "text/plain": { "schema": schema } })
    } else if let Route::Backup = route {
        json!({ BYTES: {} })
    } else if matches!(route, Route::Health | Route::Ready) {
        json!({ "application/json": { "schema": schema } })
    } else {
        json!({ "application/json": { "schema": schema }, HTML: { "schema": { "type": "string" } } })
    };
    if verb == Verb::Get && has_stream(route) {
        response["content"][EVENTS] = json!({ "schema": { "type": "string" } });
    }
    response
}

/// The schema of what a success carries; `None` where that is nothing.
fn carried(route: &Route, verb: Verb, carries: Carries) -> Option<Value> {
    let some_of = |whole: Value| match (verb, route.parameters(verb).contains(&"fields")) {
        // With `fields`, any of its members may be left out.
        (Verb::Get, true) => json!({ "anyOf": [whole, { "type": "object" }] }),
        _ => whole,
    };
    Some(match carries {
        Carries::Nothing => return None,
        Carries::Job => some_of(reference("Job")),
        Carries::Trial => reference("Trial"),
        Carries::Result => json!({}),
        Carries::Link => json!({ "type": "object" }),
        Carries::Representation => match route {
            Route::Home => reference("Home"),
            Route::Health | Route::Ready => reference("Health"),
            Route::OpenApi | Route::Schema(_) => json!({ "type": ["object", "boolean"] }),
            Route::Problems => schemas::list(&reference("ProblemType")),
            Route::Problem(_) => reference("ProblemType"),
            Route::Collection(name) if verb == Verb::Get => {
                schemas::watchable_list(&some_of(schemas::of_collection(name)))
            }
            Route::Collection(name) => schemas::of_collection(name),
            Route::Resource(key) => some_of(schemas::of_collection(&key.collection)),
            Route::Activity(..) | Route::EditableActivity(..) => schemas::list(&some_of(reference("Job"))),
            Route::Jobs => schemas::watchable_list(&some_of(reference("Job"))),
            Route::Form(..) => reference("Form"),
            Route::Ticks(..) => schemas::list(&some_of(reference("Tick"))),
            Route::LastJob(..) | Route::ActivityJob(..) | Route::Job(_) => some_of(reference("Job")),
            Route::Member(..) | Route::Server => json!({}),
            Route::JobLog(_) | Route::Metrics | Route::Backup => json!({ "type": "string" }),
            Route::JobQueue(_) => reference("Queue"),
            Route::Operations => schemas::list(&reference("Operation")),
            Route::Operation(_) => reference("Operation"),
            Route::Leases(_) => reference("Leases"),
        },
    })
}

fn problem(status: u16, route: &Route) -> Value {
    let mut response = json!({
        "description": reason(status),
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    });
    if !matches!(route, Route::Health | Route::Ready | Route::Metrics | Route::Backup | Route::JobLog(_)) {
        response["content"][HTML] = json!({ "schema": { "type": "string" } });
    }
    let named: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        409 | 412 | 428 => &["ETag", "Retry-After"],
        415 => &["Accept", "Accept-Patch"],
        429 | 503 => &["Retry-After"],
        504 => &["Location"],
        _ => &[],
    };
    response["headers"] = named.iter().map(|name| ((*name).to_owned(), text_header())).collect::<Map<_, _>>().into();
    response
}

fn text_header() -> Value {
    json!({ "schema": { "type": "string" } })
}

fn headers(route: &Route, verb: Verb, status: u16) -> Value {
    let mut names = vec!["Cache-Control", "Vary"];
    if !matches!(route, Route::Health | Route::Ready | Route::Metrics | Route::Backup) {
        names.extend(["ETag", "Last-Modified", "Link"]);
    }
    match verb {
        Verb::Get | Verb::Options => {}
        Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => {
            names.extend(["Preference-Applied", "Idempotent-Replayed", "Allow", "Accept-Patch"]);
        }
    }
    if matches!(status, 201 | 202 | 303) {
        names.push("Location");
    }
    names.into_iter().map(|name| (name.to_owned(), text_header())).collect::<Map<_, _>>().into()
}

fn reason(status: u16) -> &'static str {
    let code = http::StatusCode::from_u16(status).ok();
    code.and_then(|code| code.canonical_reason()).unwrap_or("As a rule of the operator says")
}
