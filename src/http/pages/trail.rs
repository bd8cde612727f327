//! The way to a page, from the home page on.

use crate::api::links;
use crate::domain::catalog::Catalog;
use crate::domain::id::{ActivityName, ResourceKey};
use crate::http::percent;
use crate::http::routes::Route;

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What it is called.
    pub(super) name: String,
    /// Where it is.
    pub(super) href: String,
}

fn step(name: impl Into<String>, href: impl Into<String>) -> Step {
    Step { name: name.into(), href: href.into() }
}

/// The way to what a route names, itself included; the home page is left out.
pub(super) fn trail(route: &Route, catalog: &Catalog) -> Vec<Step> {
    let jobs = || step("Jobs", "/v1/jobs");
    let operations = || step("Operations", "/v1/operations");
    let problems = || step("Problems", "/problems");
    match route {
        Route::Home | Route::Server => Vec::new(),
        Route::Health => vec![step("Health", "/healthz")],
        Route::Ready => vec![step("Readiness", "/readyz")],
        Route::Metrics => vec![step("Metrics", "/metrics")],
        Route::OpenApi => vec![step("OpenAPI", "/openapi.json")],
        Route::Schema(name) => vec![step(name.as_str(), format!("/schemas/{}", percent::encode(name)))],
        Route::Backup => vec![step("Backup", "/v1/admin/backup")],
        Route::Problems => vec![problems()],
        Route::Problem(kind) => vec![problems(), step(kind.name(), kind.path())],
        Route::Collection(name) => vec![step(name.as_str(), links::collection(catalog, name))],
        Route::Resource(key) => of_resource(key, catalog),
        Route::Activity(key, activity) | Route::EditableActivity(key, activity) => of_activity(key, activity, catalog),
        Route::LastJob(key, activity) => {
            let mut steps = of_activity(key, activity, catalog);
            steps.push(step("last", format!("{}/last", links::activity(catalog, key, activity))));
            steps
        }
        Route::Form(key, activity) => {
            let mut steps = of_activity(key, activity, catalog);
            steps.push(step("form", links::form(catalog, key, activity)));
            steps
        }
        Route::Ticks(key, activity) => {
            let mut steps = of_activity(key, activity, catalog);
            steps.push(step("ticks", links::ticks(catalog, key, activity)));
            steps
        }
        Route::ActivityJob(key, activity, job) => {
            let mut steps = of_activity(key, activity, catalog);
            steps.push(step(job.to_string(), links::activity_job(catalog, key, activity, *job)));
            steps
        }
        Route::Member(key, pointer) => {
            let mut steps = of_resource(key, catalog);
            let mut at = links::resource(catalog, key);
            for token in pointer.tokens() {
                at = format!("{at}/{}", percent::encode(token));
                steps.push(step(token.as_str(), at.as_str()));
            }
            steps
        }
        Route::Jobs => vec![jobs()],
        Route::Job(job) => vec![jobs(), step(job.to_string(), links::job(*job))],
        Route::JobLog(job) => vec![jobs(), step(job.to_string(), links::job(*job)), step("log", links::job_log(*job))],
        Route::JobQueue(job) => {
            vec![jobs(), step(job.to_string(), links::job(*job)), step("queue", format!("{}/queue", links::job(*job)))]
        }
        Route::Operations => vec![operations()],
        Route::Operation(name) => vec![operations(), step(name.as_str(), format!("/v1/operations/{name}"))],
        Route::Leases(name) => vec![
            operations(),
            step(name.as_str(), format!("/v1/operations/{name}")),
            step("leases", links::leases(name)),
        ],
    }
}

fn of_resource(key: &ResourceKey, catalog: &Catalog) -> Vec<Step> {
    vec![
        step(key.collection.as_str(), links::collection(catalog, &key.collection)),
        step(key.id.as_str(), links::resource(catalog, key)),
    ]
}

fn of_activity(key: &ResourceKey, activity: &ActivityName, catalog: &Catalog) -> Vec<Step> {
    let mut steps = of_resource(key, catalog);
    steps.push(step(activity.as_str(), links::activity(catalog, key, activity)));
    steps
}
