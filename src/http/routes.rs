//! The one table of what is where, and which methods it takes.
//!
//! A path such as `/v1/{collection}` stands here for wherever the operator
//! mounted a collection, and for every alias of what is there.
//!
//! # Guarantees
//! A trailing slash names the same thing. Each segment is percent-decoded
//! exactly once, after the path was split.
//! # Not here
//! What a method does ([`super::dispatch`]), how URLs are built
//! ([`crate::api::links`]).

mod path;

use std::str::FromStr;

use http::Method;

use super::problem::Kind;
use super::query::DRY_RUN;
use crate::api::links;
use crate::domain::catalog::{Catalog, Collection};
use crate::domain::id::{ActivityName, CollectionName, JobId, OperationName, ResourceId, ResourceKey};
use crate::domain::json::Pointer;

/// Something that has a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/`
    Home,
    /// `*`, the server itself (RFC 9110, 7.1).
    Server,
    /// `/healthz`
    Health,
    /// `/readyz`
    Ready,
    /// `/metrics`
    Metrics,
    /// `/openapi.json`
    OpenApi,
    /// `/schemas/{name}`
    Schema(String),
    /// `/problems`
    Problems,
    /// `/problems/{name}`
    Problem(Kind),
    /// `/v1/admin/backup`
    Backup,
    /// `/v1/{collection}`
    Collection(CollectionName),
    /// `/v1/{collection}/{id}`
    Resource(ResourceKey),
    /// `/v1/{collection}/{id}/{activity}`
    Activity(ResourceKey, ActivityName),
    /// The same where the operator lets clients edit the list of jobs.
    EditableActivity(ResourceKey, ActivityName),
    /// `/v1/{collection}/{id}/{activity}/form`
    Form(ResourceKey, ActivityName),
    /// `/v1/{collection}/{id}/{activity}/ticks`
    Ticks(ResourceKey, ActivityName),
    /// `/v1/{collection}/{id}/{activity}/last`
    LastJob(ResourceKey, ActivityName),
    /// `/v1/{collection}/{id}/{activity}/{job}`
    ActivityJob(ResourceKey, ActivityName, JobId),
    /// `/v1/{collection}/{id}/{member}…`
    Member(ResourceKey, Pointer),
    /// `/v1/jobs`
    Jobs,
    /// `/v1/jobs/{job}`
    Job(JobId),
    /// `/v1/jobs/{job}/log`
    JobLog(JobId),
    /// `/v1/jobs/{job}/queue`
    JobQueue(JobId),
    /// `/v1/operations`
    Operations,
    /// `/v1/operations/{name}`
    Operation(OperationName),
    /// `/v1/operations/{name}/leases`
    Leases(OperationName),
}

/// Why a path names nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// There is nothing here.
    Unknown,
    /// The path is not one: its percent-encoding is broken, or is not UTF-8.
    Malformed,
    /// A resource cannot have this id.
    InvalidId {
        /// What could be one.
        expected: &'static str,
    },
}

/// What a path names.
pub(super) fn parse(path: &str, catalog: &Catalog) -> Result<Route, NoRoute> {
    if path == "*" {
        return Ok(Route::Server);
    }
    path::segments(path, |names| match path::aliased(names, &catalog.aliases) {
        // An alias stands for a path, never for another alias.
        Some(meant) => named(&meant, catalog),
        None => named(names, catalog),
    })
}

/// What these segments name.
fn named(names: &[&str], catalog: &Catalog) -> Result<Route, NoRoute> {
    match names {
        [] => Ok(Route::Home),
        ["healthz"] => Ok(Route::Health),
        ["readyz"] => Ok(Route::Ready),
        ["metrics"] => Ok(Route::Metrics),
        ["openapi.json"] => Ok(Route::OpenApi),
        ["schemas", name] => Ok(Route::Schema((*name).to_owned())),
        ["problems"] => Ok(Route::Problems),
        ["problems", name] => Kind::from_name(name).map(Route::Problem).ok_or(NoRoute::Unknown),
        ["v1", "admin", "backup"] => Ok(Route::Backup),
        ["v1", "jobs", rest @ ..] => jobs(rest),
        ["v1", "operations"] => Ok(Route::Operations),
        ["v1", "operations", name] => known(name).map(Route::Operation),
        ["v1", "operations", name, "leases"] => known(name).map(Route::Leases),
        names => mounted(names, catalog),
    }
}

/// What `/v1/jobs` and below name.
fn jobs(rest: &[&str]) -> Result<Route, NoRoute> {
    match rest {
        [] => Ok(Route::Jobs),
        [job] => known(job).map(Route::Job),
        [job, "log"] => known(job).map(Route::JobLog),
        [job, "queue"] => known(job).map(Route::JobQueue),
        _ => Err(NoRoute::Unknown),
    }
}

/// What is below the mounts of the collections. No two are in each other's way.
fn mounted(names: &[&str], catalog: &Catalog) -> Result<Route, NoRoute> {
    let mut collections = catalog.collections.values();
    let found = collections.find_map(|collection| Some((collection, path::below(names, &collection.path)?)));
    found.map_or(Err(NoRoute::Unknown), |(collection, rest)| resources(collection, rest))
}

/// What a collection and what is below it name.
fn resources(collection: &Collection, rest: &[&str]) -> Result<Route, NoRoute> {
    let [id, rest @ ..] = rest else { return Ok(Route::Collection(collection.name.clone())) };
    let id = match id.parse::<ResourceId>() {
        Ok(id) => id,
        Err(error) if rest.is_empty() => return Err(NoRoute::InvalidId { expected: error.expected() }),
        Err(_) => return Err(NoRoute::Unknown),
    };
    let key = ResourceKey { collection: collection.name.clone(), id };
    let [member, below @ ..] = rest else { return Ok(Route::Resource(key)) };
    let Some(spec) = collection.activity(member) else {
        let tokens = rest.iter().map(|token| (*token).to_owned()).collect();
        return Ok(Route::Member(key, Pointer::new(tokens)));
    };
    let activity = spec.name.clone();
    match below {
        [] if spec.editable => Ok(Route::EditableActivity(key, activity)),
        [] => Ok(Route::Activity(key, activity)),
        ["last"] => Ok(Route::LastJob(key, activity)),
        ["form"] => Ok(Route::Form(key, activity)),
        ["ticks"] => Ok(Route::Ticks(key, activity)),
        [job] => known(job).map(|job| Route::ActivityJob(key, activity, job)),
        _ => Err(NoRoute::Unknown),
    }
}

/// A name that can be one; nothing has any other.
fn known<T: FromStr>(segment: &str) -> Result<T, NoRoute> {
    segment.parse().map_err(|_| NoRoute::Unknown)
}

/// The methods of this service. `HEAD` is a `GET` whose answer stays headless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// GET and HEAD.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
}

/// What a method is to this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// One that something here takes.
    Verb(Verb),
    /// One that HTTP defines and nothing here takes.
    Unsupported,
    /// None that this service recognises (RFC 9110, 9.1: 501).
    Unknown,
}

/// Recognises a method.
pub(super) fn recognise(method: &Method) -> Known {
    match *method {
        Method::GET | Method::HEAD => Known::Verb(Verb::Get),
        Method::POST => Known::Verb(Verb::Post),
        Method::PUT => Known::Verb(Verb::Put),
        Method::PATCH => Known::Verb(Verb::Patch),
        Method::DELETE => Known::Verb(Verb::Delete),
        Method::OPTIONS => Known::Verb(Verb::Options),
        Method::TRACE | Method::CONNECT => Known::Unsupported,
        // Known to who reads drafts; its reading is GET's here.
        _ if method.as_str() == "QUERY" => Known::Unsupported,
        _ => Known::Unknown,
    }
}

/// Methods that something takes, beside HEAD and OPTIONS.
const READ: &[Verb] = &[Verb::Get];
const POST: &[Verb] = &[Verb::Post];
const READ_POST: &[Verb] = &[Verb::Get, Verb::Post];
const DOCUMENT: &[Verb] = &[Verb::Delete, Verb::Get, Verb::Patch, Verb::Put];
const JOB: &[Verb] = &[Verb::Delete, Verb::Get, Verb::Patch];
const EDITABLE: &[Verb] = &[Verb::Get, Verb::Patch, Verb::Post, Verb::Put];
const MEMBER: &[Verb] = &[Verb::Delete, Verb::Get, Verb::Post, Verb::Put];
const ALL: &[Verb] = &[Verb::Delete, Verb::Get, Verb::Patch, Verb::Post, Verb::Put];

impl Route {
    /// The methods that it takes, beside HEAD where GET is one, and OPTIONS.
    pub(super) const fn verbs(&self) -> &'static [Verb] {
        match self {
            Self::Home
            | Self::Health
            | Self::Ready
            | Self::Metrics
            | Self::OpenApi
            | Self::Schema(_)
            | Self::Problems
            | Self::Problem(_)
            | Self::Backup
            | Self::Form(..)
            | Self::Ticks(..)
            | Self::Jobs
            | Self::JobLog(_)
            | Self::JobQueue(_)
            | Self::Operations
            | Self::Operation(_) => READ,
            Self::Collection(_) | Self::Activity(..) | Self::LastJob(..) => READ_POST,
            Self::EditableActivity(..) => EDITABLE,
            Self::Leases(_) => POST,
            Self::Member(..) => MEMBER,
            Self::Resource(_) => DOCUMENT,
            Self::ActivityJob(..) | Self::Job(_) => JOB,
            Self::Server => ALL,
        }
    }

    /// Whether it takes a method.
    pub(super) fn takes(&self, verb: Verb) -> bool {
        match (self, verb) {
            (_, Verb::Options) => true,
            // `*` is about the server as a whole, and only OPTIONS can name it.
            (Self::Server, _) => false,
            (route, verb) => route.verbs().contains(&verb),
        }
    }

    /// Whether a method on it launches a job, which can be answered before it is done.
    pub(super) const fn launches(&self, verb: Verb) -> bool {
        matches!((self, verb), (Self::Activity(..) | Self::EditableActivity(..) | Self::LastJob(..), Verb::Post))
    }

    /// The activity of which a method on it launches a job.
    pub(super) fn launched_by(&self, method: &Method) -> Option<(&ResourceKey, &ActivityName)> {
        let (Self::Activity(key, activity) | Self::EditableActivity(key, activity) | Self::LastJob(key, activity)) =
            self
        else {
            return None;
        };
        (method == Method::POST).then_some((key, activity))
    }

    /// The one path of what it names, by whichever it was found: aliases are many.
    pub(super) fn canonical(&self, catalog: &Catalog) -> String {
        match self {
            Self::Collection(name) => links::collection(catalog, name),
            Self::Resource(key) => links::resource(catalog, key),
            Self::Activity(key, activity) | Self::EditableActivity(key, activity) => {
                links::activity(catalog, key, activity)
            }
            Self::LastJob(key, activity) => format!("{}/last", links::activity(catalog, key, activity)),
            Self::Form(key, activity) => links::form(catalog, key, activity),
            Self::Ticks(key, activity) => links::ticks(catalog, key, activity),
            Self::ActivityJob(key, activity, job) => links::activity_job(catalog, key, activity, *job),
            Self::Member(key, pointer) => links::member(catalog, key, pointer),
            Self::Job(job) => links::job(*job),
            Self::JobLog(job) => links::job_log(*job),
            Self::JobQueue(job) => format!("{}/queue", links::job(*job)),
            Self::Leases(name) => links::leases(name),
            Self::Home
            | Self::Server
            | Self::Health
            | Self::Ready
            | Self::Metrics
            | Self::OpenApi
            | Self::Schema(_)
            | Self::Problems
            | Self::Problem(_)
            | Self::Backup
            | Self::Jobs
            | Self::Operations
            | Self::Operation(_) => self.label().to_owned(),
        }
    }

    /// Whether it is read page by page.
    pub(super) const fn is_list(&self) -> bool {
        matches!(
            self,
            Self::Collection(_) | Self::Activity(..) | Self::EditableActivity(..) | Self::Ticks(..) | Self::Jobs
        )
    }

    /// The methods that it takes, as `Allow` lists them.
    pub(super) const fn allow(&self) -> &'static str {
        match self.verbs() {
            [Verb::Post] => "OPTIONS, POST",
            [Verb::Get] => "GET, HEAD, OPTIONS",
            [Verb::Get, Verb::Post] => "GET, HEAD, OPTIONS, POST",
            [Verb::Delete, Verb::Get, Verb::Patch, Verb::Put] => "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
            [Verb::Delete, Verb::Get, Verb::Patch] => "DELETE, GET, HEAD, OPTIONS, PATCH",
            [Verb::Get, Verb::Patch, Verb::Post, Verb::Put] => "GET, HEAD, OPTIONS, PATCH, POST, PUT",
            [Verb::Delete, Verb::Get, Verb::Post, Verb::Put] => "DELETE, GET, HEAD, OPTIONS, POST, PUT",
            _ => "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
        }
    }

    /// The media types of patches that it takes, as `Accept-Patch` lists them.
    pub(super) const fn accept_patch(&self) -> Option<&'static str> {
        match self {
            Self::Resource(_) => Some("application/merge-patch+json, application/json-patch+json, application/json"),
            Self::Job(_) | Self::ActivityJob(..) => Some("application/merge-patch+json, application/json"),
            // A merge patch replaces a list as a whole, which is what PUT is for.
            Self::EditableActivity(..) => Some("application/json-patch+json"),
            Self::Home
            | Self::Server
            | Self::Health
            | Self::Ready
            | Self::Metrics
            | Self::OpenApi
            | Self::Schema(_)
            | Self::Problems
            | Self::Problem(_)
            | Self::Backup
            | Self::Collection(_)
            | Self::Activity(..)
            | Self::LastJob(..)
            | Self::Form(..)
            | Self::Ticks(..)
            | Self::Member(..)
            | Self::Jobs
            | Self::JobLog(_)
            | Self::JobQueue(_)
            | Self::Operations
            | Self::Operation(_)
            | Self::Leases(_) => None,
        }
    }

    /// The query parameters that a method on it takes.
    pub(super) const fn parameters(&self, verb: Verb) -> &'static [&'static str] {
        match (self, verb) {
            (Self::Collection(_), Verb::Get) => &["limit", "cursor", "fields", "after"],
            (Self::Activity(..) | Self::EditableActivity(..) | Self::Ticks(..), Verb::Get) => {
                &["limit", "cursor", "fields"]
            }
            (Self::Jobs, Verb::Get) => {
                &["limit", "cursor", "fields", "operation", "phase", "collection", "resource", "after"]
            }
            (Self::Resource(_) | Self::Job(_), Verb::Get) => &["fields", "after"],
            (Self::LastJob(..) | Self::ActivityJob(..), Verb::Get) => &["fields"],
            (Self::JobLog(_), Verb::Get) => &["attempt", "stream", "timestamps", "follow"],
            // To try it would give nothing away.
            (Self::Leases(_), _) => &[],
            // Whatever is changed can be tried first.
            (_, Verb::Post | Verb::Put | Verb::Patch | Verb::Delete) => &[DRY_RUN],
            _ => &[],
        }
    }

    /// The route without what differs from request to request, for logs.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Server => "*",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::Backup => "/v1/admin/backup",
            Self::OpenApi => "/openapi.json",
            Self::Schema(_) => "/schemas/{name}",
            Self::Problems => "/problems",
            Self::Problem(_) => "/problems/{name}",
            Self::Collection(_) => "/v1/{collection}",
            Self::Resource(_) => "/v1/{collection}/{id}",
            Self::Activity(..) | Self::EditableActivity(..) => "/v1/{collection}/{id}/{activity}",
            Self::Form(..) => "/v1/{collection}/{id}/{activity}/form",
            Self::Ticks(..) => "/v1/{collection}/{id}/{activity}/ticks",
            Self::Member(..) => "/v1/{collection}/{id}/{member}",
            Self::LastJob(..) => "/v1/{collection}/{id}/{activity}/last",
            Self::ActivityJob(..) => "/v1/{collection}/{id}/{activity}/{job}",
            Self::Jobs => "/v1/jobs",
            Self::Job(_) => "/v1/jobs/{job}",
            Self::JobLog(_) => "/v1/jobs/{job}/log",
            Self::JobQueue(_) => "/v1/jobs/{job}/queue",
            Self::Operations => "/v1/operations",
            Self::Operation(_) => "/v1/operations/{name}",
            Self::Leases(_) => "/v1/operations/{name}/leases",
        }
    }
}

#[cfg(test)]
mod tests;
