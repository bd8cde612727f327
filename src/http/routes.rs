//! The one table of what is where, and which methods it takes.
//!
//! # Guarantees
//! A trailing slash names the same thing. Each segment is percent-decoded
//! exactly once, after the path was split.
//! # Not here
//! What a method does ([`super::dispatch`]), how URLs are built
//! ([`crate::api::links`]).

use std::borrow::Cow;
use std::str::FromStr;

use http::Method;

use super::percent;
use super::problem::Kind;
use crate::domain::catalog::Catalog;
use crate::domain::id::{ActivityName, CollectionName, JobId, OperationName, ResourceId, ResourceKey};

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
    /// `/problems`
    Problems,
    /// `/problems/{name}`
    Problem(Kind),
    /// `/v1/{collection}`
    Collection(CollectionName),
    /// `/v1/{collection}/{id}`
    Resource(ResourceKey),
    /// `/v1/{collection}/{id}/{activity}`
    Activity(ResourceKey, ActivityName),
    /// `/v1/{collection}/{id}/{activity}/last`
    LastJob(ResourceKey, ActivityName),
    /// `/v1/{collection}/{id}/{activity}/form`
    Form(ResourceKey, ActivityName),
    /// `/v1/{collection}/{id}/{activity}/{job}`
    ActivityJob(ResourceKey, ActivityName, JobId),
    /// `/v1/jobs`
    Jobs,
    /// `/v1/jobs/{job}`
    Job(JobId),
    /// `/v1/jobs/{job}/log`
    JobLog(JobId),
    /// `/v1/operations`
    Operations,
    /// `/v1/operations/{name}`
    Operation(OperationName),
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

/// The most segments that any route has.
const SEGMENTS_MAX: usize = 5;

/// What a path names.
pub(super) fn parse(path: &str, catalog: &Catalog) -> Result<Route, NoRoute> {
    if path == "*" {
        return Ok(Route::Server);
    }
    let segments = split(path)?;
    let mut names: [&str; SEGMENTS_MAX] = [""; SEGMENTS_MAX];
    let count = segments.iter().flatten().count();
    for (name, segment) in names.iter_mut().zip(segments.iter().flatten()) {
        *name = segment;
    }
    match names.split_at(count).0 {
        [] => Ok(Route::Home),
        ["healthz"] => Ok(Route::Health),
        ["readyz"] => Ok(Route::Ready),
        ["problems"] => Ok(Route::Problems),
        ["problems", name] => Kind::from_name(name).map(Route::Problem).ok_or(NoRoute::Unknown),
        ["v1", "jobs", rest @ ..] => jobs(rest),
        ["v1", "operations"] => Ok(Route::Operations),
        ["v1", "operations", name] => known(name).map(Route::Operation),
        ["v1", collection, rest @ ..] => resources(collection, rest, catalog),
        _ => Err(NoRoute::Unknown),
    }
}

/// The decoded segments of a path, without the empty one after a trailing slash.
fn split(path: &str) -> Result<[Option<Cow<'_, str>>; SEGMENTS_MAX], NoRoute> {
    let mut segments = [const { None }; SEGMENTS_MAX];
    let bare = path.strip_prefix('/').ok_or(NoRoute::Unknown)?;
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    if bare.is_empty() {
        // `//` has an inner empty segment, `/` has none.
        return if path == "/" { Ok(segments) } else { Err(NoRoute::Unknown) };
    }
    let mut known = true;
    for (at, segment) in bare.split('/').enumerate() {
        let decoded = percent::decode(segment).ok_or(NoRoute::Malformed)?;
        match segments.get_mut(at) {
            Some(place) if !decoded.is_empty() => *place = Some(decoded),
            // A segment further on may yet be malformed, which is the worse fault.
            Some(_) | None => known = false,
        }
    }
    if known { Ok(segments) } else { Err(NoRoute::Unknown) }
}

/// What `/v1/jobs` and below name.
fn jobs(rest: &[&str]) -> Result<Route, NoRoute> {
    match rest {
        [] => Ok(Route::Jobs),
        [job] => known(job).map(Route::Job),
        [job, "log"] => known(job).map(Route::JobLog),
        _ => Err(NoRoute::Unknown),
    }
}

/// What a collection and what is below it name.
fn resources(collection: &str, rest: &[&str], catalog: &Catalog) -> Result<Route, NoRoute> {
    let collection: CollectionName = known(collection)?;
    let declared = catalog.collections.get(&collection).ok_or(NoRoute::Unknown)?;
    let [id, rest @ ..] = rest else { return Ok(Route::Collection(collection)) };
    let id = match id.parse::<ResourceId>() {
        Ok(id) => id,
        Err(error) if rest.is_empty() => return Err(NoRoute::InvalidId { expected: error.expected() }),
        Err(_) => return Err(NoRoute::Unknown),
    };
    let key = ResourceKey { collection, id };
    let [member, rest @ ..] = rest else { return Ok(Route::Resource(key)) };
    let activity = declared.activity(member).ok_or(NoRoute::Unknown)?.name.clone();
    match rest {
        [] => Ok(Route::Activity(key, activity)),
        ["last"] => Ok(Route::LastJob(key, activity)),
        ["form"] => Ok(Route::Form(key, activity)),
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
        _ => Known::Unknown,
    }
}

/// Methods that something takes, beside HEAD and OPTIONS.
const READ: &[Verb] = &[Verb::Get];
const READ_POST: &[Verb] = &[Verb::Get, Verb::Post];
const DOCUMENT: &[Verb] = &[Verb::Delete, Verb::Get, Verb::Patch, Verb::Put];
const JOB: &[Verb] = &[Verb::Delete, Verb::Get, Verb::Patch];
const ALL: &[Verb] = &[Verb::Delete, Verb::Get, Verb::Patch, Verb::Post, Verb::Put];

impl Route {
    /// The methods that it takes, beside HEAD where GET is one, and OPTIONS.
    pub(super) const fn verbs(&self) -> &'static [Verb] {
        match self {
            Self::Home
            | Self::Health
            | Self::Ready
            | Self::Problems
            | Self::Problem(_)
            | Self::Form(..)
            | Self::Jobs
            | Self::JobLog(_)
            | Self::Operations
            | Self::Operation(_) => READ,
            Self::Collection(_) | Self::Activity(..) | Self::LastJob(..) => READ_POST,
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
        matches!((self, verb), (Self::Activity(..) | Self::LastJob(..), Verb::Post))
    }

    /// Whether it is read page by page.
    pub(super) const fn is_list(&self) -> bool {
        matches!(self, Self::Collection(_) | Self::Activity(..) | Self::Jobs)
    }

    /// The methods that it takes, as `Allow` lists them.
    pub(super) const fn allow(&self) -> &'static str {
        match self.verbs() {
            [Verb::Get] => "GET, HEAD, OPTIONS",
            [Verb::Get, Verb::Post] => "GET, HEAD, OPTIONS, POST",
            [Verb::Delete, Verb::Get, Verb::Patch, Verb::Put] => "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
            [Verb::Delete, Verb::Get, Verb::Patch] => "DELETE, GET, HEAD, OPTIONS, PATCH",
            _ => "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
        }
    }

    /// The media types of patches that it takes, as `Accept-Patch` lists them.
    pub(super) const fn accept_patch(&self) -> Option<&'static str> {
        match self {
            Self::Resource(_) => Some("application/merge-patch+json, application/json-patch+json, application/json"),
            Self::Job(_) | Self::ActivityJob(..) => Some("application/merge-patch+json, application/json"),
            Self::Home
            | Self::Server
            | Self::Health
            | Self::Ready
            | Self::Problems
            | Self::Problem(_)
            | Self::Collection(_)
            | Self::Activity(..)
            | Self::LastJob(..)
            | Self::Form(..)
            | Self::Jobs
            | Self::JobLog(_)
            | Self::Operations
            | Self::Operation(_) => None,
        }
    }

    /// The query parameters that a method on it takes.
    pub(super) const fn parameters(&self, verb: Verb) -> &'static [&'static str] {
        match (self, verb) {
            (Self::Collection(_) | Self::Activity(..), Verb::Get) => &["limit", "cursor"],
            (Self::Jobs, Verb::Get) => &["limit", "cursor", "operation", "phase", "collection", "resource"],
            (Self::JobLog(_), Verb::Get) => &["attempt"],
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
            Self::Problems => "/problems",
            Self::Problem(_) => "/problems/{name}",
            Self::Collection(_) => "/v1/{collection}",
            Self::Resource(_) => "/v1/{collection}/{id}",
            Self::Activity(..) => "/v1/{collection}/{id}/{activity}",
            Self::LastJob(..) => "/v1/{collection}/{id}/{activity}/last",
            Self::Form(..) => "/v1/{collection}/{id}/{activity}/form",
            Self::ActivityJob(..) => "/v1/{collection}/{id}/{activity}/{job}",
            Self::Jobs => "/v1/jobs",
            Self::Job(_) => "/v1/jobs/{job}",
            Self::JobLog(_) => "/v1/jobs/{job}/log",
            Self::Operations => "/v1/operations",
            Self::Operation(_) => "/v1/operations/{name}",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::catalog::{ActivitySpec, Collection};

    const JOB_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn catalog() -> Catalog {
        let name: CollectionName = "videos".parse().expect("a name");
        let videos = Collection {
            activities: vec![ActivitySpec::new("processing".parse().expect("a name"))],
            ..Collection::new(name.clone())
        };
        Catalog { collections: [(name, Arc::new(videos))].into(), ..Catalog::default() }
    }

    #[test]
    fn every_path_names_what_the_table_says() {
        let job = format!("/v1/jobs/{JOB_ID}");
        let of_activity = format!("/v1/videos/42/processing/{JOB_ID}");
        for (path, label) in [
            ("/", "/"),
            ("*", "*"),
            ("/healthz", "/healthz"),
            ("/readyz/", "/readyz"),
            ("/problems", "/problems"),
            ("/problems/not-found", "/problems/{name}"),
            ("/v1/videos", "/v1/{collection}"),
            ("/v1/videos/", "/v1/{collection}"),
            ("/v1/videos/42", "/v1/{collection}/{id}"),
            ("/v1/videos/42/", "/v1/{collection}/{id}"),
            ("/v1/videos/jobs", "/v1/{collection}/{id}"),
            ("/v1/videos/42/processing", "/v1/{collection}/{id}/{activity}"),
            ("/v1/videos/42/processing/last", "/v1/{collection}/{id}/{activity}/last"),
            ("/v1/videos/42/processing/form", "/v1/{collection}/{id}/{activity}/form"),
            (&of_activity, "/v1/{collection}/{id}/{activity}/{job}"),
            ("/v1/jobs", "/v1/jobs"),
            ("/v1/jobs/", "/v1/jobs"),
            (&job, "/v1/jobs/{job}"),
            (&format!("{job}/log"), "/v1/jobs/{job}/log"),
            ("/v1/operations", "/v1/operations"),
            ("/v1/operations/transcode", "/v1/operations/{name}"),
        ] {
            assert_eq!(parse(path, &catalog()).map(|route| route.label()), Ok(label), "{path}");
        }
    }

    #[test]
    fn a_path_that_names_nothing_is_unknown() {
        for path in [
            "//",
            "/v1",
            "/v2/videos",
            "/v1/films",
            "/v1//videos",
            "/v1/videos//",
            "//v1/videos",
            "/v1/videos/42/title",
            "/v1/videos/a b/processing",
            "/v1/videos/42/processing/first",
            "/v1/videos/42/processing/last/x",
            "/v1/videos/42/processing/last/x/y/z",
            "/v1/jobs/7",
            "/v1/jobs/01890A5D-AC96-774B-BCCE-B302099A8057",
            "/v1/operations/1a",
            "/v1/operations/a/b",
            "/problems/none",
            "/healthz/x",
            "",
        ] {
            assert_eq!(parse(path, &catalog()), Err(NoRoute::Unknown), "{path}");
        }
    }

    #[test]
    fn segments_are_decoded_once_and_after_the_split() {
        let id = |path: &str| match parse(path, &catalog()) {
            Ok(Route::Resource(key)) => Ok(key.id.to_string()),
            other => Err(other),
        };
        assert_eq!(id("/v1/videos/%34%32"), Ok("42".to_owned()));
        assert_eq!(id("/%76%31/videos/a%40b"), Ok("a@b".to_owned()));
        // One decoding gives `a%2Fb` and `a/b`, neither of which is an id.
        for path in ["/v1/videos/a%252Fb", "/v1/videos/a%2Fb", "/v1/videos/%2E", "/v1/videos/a%00", "/v1/videos/%C3%A4"]
        {
            assert!(matches!(id(path), Err(Err(NoRoute::InvalidId { .. }))), "{path}");
        }
    }

    #[test]
    fn broken_percent_encoding_is_malformed_wherever_it_is() {
        for path in ["/%", "/v1/videos/%4", "/v1/videos/%zz", "/v1/videos/%ff", "/a/b/c/d/e/f/%", "//%c3"] {
            assert_eq!(parse(path, &catalog()), Err(NoRoute::Malformed), "{path}");
        }
    }

    #[test]
    fn allow_lists_exactly_what_is_taken() {
        let key = ResourceKey { collection: "videos".parse().expect("a name"), id: "42".parse().expect("an id") };
        let activity: ActivityName = "processing".parse().expect("a name");
        let job: JobId = JOB_ID.parse().expect("an id");
        let verbs = [
            ("GET", Verb::Get),
            ("POST", Verb::Post),
            ("PUT", Verb::Put),
            ("PATCH", Verb::Patch),
            ("DELETE", Verb::Delete),
            ("OPTIONS", Verb::Options),
        ];
        for route in [
            Route::Home,
            Route::Collection(key.collection.clone()),
            Route::Resource(key.clone()),
            Route::Activity(key.clone(), activity.clone()),
            Route::LastJob(key.clone(), activity.clone()),
            Route::Form(key.clone(), activity.clone()),
            Route::ActivityJob(key, activity, job),
            Route::Jobs,
            Route::Job(job),
            Route::JobLog(job),
        ] {
            let allowed: Vec<_> = route.allow().split(", ").collect();
            for (name, verb) in verbs {
                assert_eq!(allowed.contains(&name), route.takes(verb), "{name} {}", route.label());
            }
            assert_eq!(allowed.contains(&"PATCH"), route.accept_patch().is_some(), "{}", route.label());
        }
    }
}
