//! Every path that there is, of the service itself and of what is declared.

use super::{Described, Variable, VariableKind};
use crate::api::links;
use crate::domain::catalog::{ActivitySpec, AliasSegment, Catalog, Collection};
use crate::domain::id::{JobId, OperationName, ResourceKey};
use crate::domain::operation::{Operation, RunnerKind};
use crate::http::problem::Kind;
use crate::http::routes::{self, Route};

/// An id that a resource can have, where any would do.
const ANY_ID: &str = "x";

fn any_job() -> JobId {
    JobId::from_bytes([0; 16])
}

/// All of them: the service's own, those of each collection, and the aliases.
pub(super) fn every(catalog: &Catalog) -> Vec<Described> {
    let mut every = own(catalog);
    every.extend(catalog.collections.values().flat_map(|collection| of_collection(collection, catalog)));
    every.extend(aliases(catalog));
    every
}

fn described(template: &str, route: Route, id: &str, what: &str) -> Described {
    let variables = template.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let variables = variables.map(|name| Variable { name: name.to_owned(), kind: kind_of(name) }).collect();
    Described { template: template.to_owned(), route, id: id.to_owned(), what: what.to_owned(), variables }
}

fn kind_of(variable: &str) -> VariableKind {
    match variable {
        "job" => VariableKind::Job,
        "member" => VariableKind::Member,
        _ => VariableKind::Id,
    }
}

/// With a variable that is one of these names.
fn named(described: Described, names: Vec<String>) -> Described {
    let kind = VariableKind::Name(names);
    let variables = described.variables.into_iter().map(|variable| Variable { kind: kind.clone(), ..variable });
    Described { variables: variables.collect(), ..described }
}

fn own(catalog: &Catalog) -> Vec<Described> {
    let job = any_job();
    let schemas = super::schemas::published(catalog).into_keys().collect();
    let problems = Kind::ALL.into_iter().map(|kind| kind.name().to_owned()).collect();
    let mut own = vec![
        described("/", Route::Home, "home", "the way to everything"),
        described("/healthz", Route::Health, "health", "whether the process answers"),
        described("/readyz", Route::Ready, "readiness", "whether it takes requests"),
        described("/metrics", Route::Metrics, "metrics", "what is counted, in the text format of Prometheus"),
        described("/openapi.json", Route::OpenApi, "openapi", "this document"),
        named(described("/schemas/{name}", Route::Schema(String::new()), "schema", "a JSON Schema"), schemas),
        described("/problems", Route::Problems, "problems", "the types of problems"),
        named(described("/problems/{name}", Route::Problem(Kind::NotFound), "problem", "a type of problem"), problems),
        described("/v1/admin/backup", Route::Backup, "backup", "everything that is stored, as a backup"),
        described("/v1/jobs", Route::Jobs, "jobs", "all jobs, the newest first"),
        described("/v1/jobs/{job}", Route::Job(job), "job", "a job"),
        described("/v1/jobs/{job}/log", Route::JobLog(job), "jobLog", "what a job wrote"),
        described("/v1/jobs/{job}/queue", Route::JobQueue(job), "jobQueue", "why a job waits"),
        described("/v1/operations", Route::Operations, "operations", "what can be asked for"),
    ];
    if let Some(name) = catalog.operations.keys().next() {
        let route = Route::Operation(name.clone());
        let names = catalog.operations.keys().map(ToString::to_string).collect();
        own.push(named(
            described("/v1/operations/{name}", route, "operation", "something that can be asked for"),
            names,
        ));
    }
    let of_workers = |operation: &&Operation| operation.runner.kind() == RunnerKind::Worker;
    let names: Vec<&OperationName> =
        catalog.operations.values().map(AsRef::as_ref).filter(of_workers).map(|operation| &operation.name).collect();
    if let Some(name) = names.first() {
        let route = Route::Leases((*name).clone());
        let names = names.iter().map(ToString::to_string).collect();
        own.push(named(
            described("/v1/operations/{name}/leases", route, "leases", "the jobs that workers have"),
            names,
        ));
    }
    own
}

fn of_collection(collection: &Collection, catalog: &Catalog) -> Vec<Described> {
    let name = &collection.name;
    let path = links::collection(catalog, name);
    let Ok(id) = ANY_ID.parse() else { return Vec::new() };
    let key = ResourceKey { collection: name.clone(), id };
    let at = |rest: &str| format!("{path}{rest}");
    let mut found = vec![
        described(&path, Route::Collection(name.clone()), name.as_str(), &format!("the resources of `{name}`")),
        described(
            &at("/{id}"),
            Route::Resource(key.clone()),
            &format!("{name}.resource"),
            &format!("a resource of `{name}`"),
        ),
        described(
            &at("/{id}/{member}"),
            Route::Member(key.clone(), crate::domain::json::Pointer::new(vec![ANY_ID.to_owned()])),
            &format!("{name}.member"),
            &format!("a member of a resource of `{name}`; what is in it has longer paths"),
        ),
    ];
    for spec in &collection.activities {
        found.extend(of_activity(collection, spec, &key, &at(&format!("/{{id}}/{}", spec.name))));
    }
    found
}

fn of_activity(collection: &Collection, spec: &ActivitySpec, key: &ResourceKey, path: &str) -> Vec<Described> {
    let activity = &spec.name;
    let id = |rest: &str| format!("{}.{activity}{rest}", collection.name);
    let what = |what: &str| format!("{what} `{activity}` of a resource of `{}`", collection.name);
    let list = if spec.editable { Route::EditableActivity } else { Route::Activity };
    let at = |rest: &str| format!("{path}{rest}");
    vec![
        described(path, list(key.clone(), activity.clone()), &id(""), &what("the jobs of")),
        described(
            &at("/last"),
            Route::LastJob(key.clone(), activity.clone()),
            &id(".last"),
            &what("the newest job of"),
        ),
        described(&at("/form"), Route::Form(key.clone(), activity.clone()), &id(".form"), &what("how to ask for")),
        described(
            &at("/ticks"),
            Route::Ticks(key.clone(), activity.clone()),
            &id(".ticks"),
            &what("what became of the ticks of"),
        ),
        described(
            &at("/{job}"),
            Route::ActivityJob(key.clone(), activity.clone(), any_job()),
            &id(".job"),
            &what("a job of"),
        ),
    ]
}

/// Each alias, as what it stands for.
fn aliases(catalog: &Catalog) -> Vec<Described> {
    let template = |segments: &[AliasSegment]| {
        segments.iter().fold(String::new(), |path, segment| match segment {
            AliasSegment::Literal(text) => format!("{path}/{text}"),
            AliasSegment::Variable(name) => format!("{path}/{{{name}}}"),
        })
    };
    let example = |segments: &[AliasSegment]| {
        segments.iter().fold(String::new(), |path, segment| match segment {
            AliasSegment::Literal(text) => format!("{path}/{text}"),
            AliasSegment::Variable(name) if name == "job" => format!("{path}/{}", any_job()),
            AliasSegment::Variable(_) => format!("{path}/{ANY_ID}"),
        })
    };
    let described = |alias: &crate::domain::catalog::Alias| {
        let path = template(&alias.path);
        let route = routes::parse(&example(&alias.target), catalog).ok()?;
        let what = format!("the same as `{}`", template(&alias.target));
        Some(described(&path, route, &path.replace(['/', '{', '}'], "."), &what))
    };
    catalog.aliases.iter().filter_map(described).collect()
}
