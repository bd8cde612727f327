//! Pages of other origins that the operator lets in (the CORS protocol of
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! # Guarantees
//! Nothing is let in by default, and no origin but by its name: an answer never
//! says `*`. Every answer to a page that is let in can be read by it, problems
//! too, so that a front end sees why something failed.
//! # Not here
//! Whether a page may change something: [`super::origin`].

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};
use warp::reply::Response;

use super::reply;
use super::routes::Route;
use super::vary;

/// What a page may send beside what every page may.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "If-Match, If-None-Match, If-Unmodified-Since, If-Modified-Since, Idempotency-Key, Prefer, Last-Event-ID, \
     Authorization, Content-Type",
);

/// What a page may read beside what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Location, Link, Last-Modified, Preference-Applied, Retry-After, Idempotent-Replayed, Allow, Accept-Patch",
);

/// How long a browser may remember what a preflight said: what a route takes
/// changes with a new version of the service, and no browser keeps it longer.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// What an answer to a preflight depends on.
const PREFLIGHT_VARIES: HeaderValue =
    HeaderValue::from_static("Access-Control-Request-Headers, Access-Control-Request-Method, Origin");

/// A browser may send what it knows of its user, a password for `Basic` above
/// all: the operator trusts the page by its name.
const WITH_CREDENTIALS: HeaderValue = HeaderValue::from_static("true");

/// The origins that are let in.
#[derive(Debug, Clone, Default)]
pub(super) struct Cors(Vec<HeaderValue>);

impl Cors {
    /// Origins as browsers spell them. What cannot be one is none.
    pub(super) fn new(origins: &[String]) -> Self {
        Self(origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok()).collect())
    }

    /// The origin of a request, if it has one and that is let in.
    pub(super) fn listed(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) => self.0.iter().find(|listed| *listed == origin),
            _ => None,
        }
    }

    /// What a browser hears that asks, before a page does, whether it may.
    ///
    /// A page that is not let in hears it by what is missing: see [`Cors::mark`].
    pub(super) fn preflight(&self, headers: &HeaderMap, route: &Route) -> Response {
        let mut response = reply::options(route);
        let said = response.headers_mut();
        said.insert(VARY, PREFLIGHT_VARIES);
        if self.listed(headers).is_some() {
            said.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(route.allow()));
            said.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
            said.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
        }
        response
    }

    /// Lets the page that asked read the answer, if it is let in.
    pub(super) fn mark(&self, headers: &HeaderMap, response: &mut Response) {
        if self.0.is_empty() {
            return;
        }
        let said = response.headers_mut();
        vary::also(said, "Origin");
        if let Some(origin) = self.listed(headers) {
            said.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            said.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, WITH_CREDENTIALS);
            said.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// Whether a request only asks whether another one may be sent.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
