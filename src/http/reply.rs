//! What use cases give, as answers; the one place where an error gets a status.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, ETAG,
    HeaderName, LAST_MODIFIED, LINK, LOCATION, RETRY_AFTER, VARY,
};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tracing::error;
use warp::reply::Response;

use super::prefer::{PREFERENCE_APPLIED, Prefer};
use super::problem::{Kind, Problem};
use super::routes::Route;
use super::trial;
use crate::api::error::AlreadyApplied;
use crate::api::{ApiError, View};
use crate::domain::patch::PatchError;
use crate::domain::version::ETag;

/// The media types of patches that a resource takes (RFC 5789, 3.1).
pub(super) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const VARY_BY: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding, Prefer");
/// A cache may keep it for this client, and must ask each time whether it holds.
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("private, no-cache");
/// For what is true only now.
const NEVER_CACHED: HeaderValue = HeaderValue::from_static("no-store");

/// A representation, with its validators and what can be done with it.
pub(super) fn represent(status: StatusCode, view: View, route: &Route) -> Response {
    let mut response = Response::new(view.body.clone().into());
    *response.status_mut() = status;
    response.headers_mut().reserve(12);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    describe(&mut response, &view, route);
    response
}

/// A successful answer without a body that still says what there is now.
pub(super) fn bodiless(status: StatusCode, view: &View, route: &Route) -> Response {
    let mut response = empty(status);
    describe(&mut response, view, route);
    response
}

fn describe(response: &mut Response, view: &View, route: &Route) {
    let headers = response.headers_mut();
    headers.insert(ETAG, tag(&view.etag));
    if let Ok(date) = HeaderValue::try_from(view.changed_at.http_date()) {
        headers.insert(LAST_MODIFIED, date);
    }
    headers.insert(CACHE_CONTROL, ASK_EACH_TIME);
    headers.insert(VARY, VARY_BY);
    headers.insert(ALLOW, HeaderValue::from_static(route.allow()));
    if let Some(patches) = route.accept_patch() {
        headers.insert(ACCEPT_PATCH, HeaderValue::from_static(patches));
    }
}

/// JSON that may be kept as long as it is asked about each time.
pub(super) fn json(body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CACHE_CONTROL, ASK_EACH_TIME);
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

/// JSON about this very moment.
pub(super) fn momentary(body: &Value) -> Response {
    at_this_moment(body.to_string())
}

/// JSON about this very moment, written already.
pub(super) fn at_this_moment(body: impl Into<Bytes>) -> Response {
    let mut response = json(body);
    response.headers_mut().insert(CACHE_CONTROL, NEVER_CACHED);
    response
}

/// Nothing but a status.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// What is there now of something that is gone: `null`, so that a client that
/// reads JSON reads some.
pub(super) fn gone(status: StatusCode) -> Response {
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::RESET_CONTENT;
    if bodiless { empty(status) } else { restated(at_this_moment("null"), status) }
}

/// The same of a part, with what is said of the whole that is left.
pub(super) fn gone_from(status: StatusCode, whole: &View, route: &Route) -> Response {
    let mut response = gone(status);
    describe(&mut response, whole, route);
    response
}

/// An answer under another status.
pub(super) fn restated(mut response: Response, status: StatusCode) -> Response {
    *response.status_mut() = status;
    response
}

/// An answer without its body, and what is said of that.
pub(super) fn stripped(response: Response) -> Response {
    let mut head = response.into_parts().0;
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LOCATION] {
        head.headers.remove(name);
    }
    let mut stripped = Response::default();
    (*stripped.status_mut(), *stripped.headers_mut()) = (head.status, head.headers);
    stripped
}

/// 304: the client has what it would get, in this coding.
pub(super) fn not_modified(view: &View, route: &Route, suffix: &str) -> Response {
    let mut response = bodiless(StatusCode::NOT_MODIFIED, view, route);
    response.headers_mut().insert(ETAG, tag_of(&view.etag, suffix));
    response
}

/// 304 for a list, which has no date.
pub(super) fn list_not_modified(etag: &ETag, suffix: &str) -> Response {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    let headers = response.headers_mut();
    headers.insert(ETAG, tag_of(etag, suffix));
    headers.insert(CACHE_CONTROL, ASK_EACH_TIME);
    headers.insert(VARY, VARY_BY);
    response
}

/// What OPTIONS says.
pub(super) fn options(route: &Route) -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow()));
    if let Some(patches) = route.accept_patch() {
        response.headers_mut().insert(ACCEPT_PATCH, HeaderValue::from_static(patches));
    }
    response
}

/// Header fields that only some answers have.
pub(super) trait With: Sized {
    /// Where the thing is that was made.
    fn located(self, at: &str) -> Self;
    /// What the body is a representation of, if not of what was asked for.
    fn content_located(self, at: &str) -> Self;
    /// Where to see how the work went that this is the result of (RFC 8631, 4.4).
    fn monitored(self, at: &str) -> Self;
    /// Where it leads.
    fn leading(self, links: Option<HeaderValue>) -> Self;
    /// Which preferences were honoured.
    fn honouring(self, prefer: Prefer) -> Self;
    /// The validator and the next page of a list.
    fn listing(self, etag: Option<&ETag>, next: Option<&str>) -> Self;
    /// That parts can be had.
    fn in_parts(self) -> Self;
}

impl With for Response {
    fn located(mut self, at: &str) -> Self {
        if let Ok(at) = HeaderValue::try_from(at) {
            self.headers_mut().insert(LOCATION, at);
        }
        self
    }

    fn content_located(mut self, at: &str) -> Self {
        if let Ok(at) = HeaderValue::try_from(at) {
            self.headers_mut().insert(CONTENT_LOCATION, at);
        }
        self
    }

    fn monitored(mut self, at: &str) -> Self {
        if let Ok(link) = HeaderValue::try_from(format!("<{at}>; rel=\"status\"")) {
            self.headers_mut().append(LINK, link);
        }
        self
    }

    fn leading(mut self, links: Option<HeaderValue>) -> Self {
        if let Some(links) = links {
            self.headers_mut().append(LINK, links);
        }
        self
    }

    fn honouring(mut self, prefer: Prefer) -> Self {
        if let Some(applied) = prefer.applied() {
            self.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        self
    }

    fn listing(mut self, etag: Option<&ETag>, next: Option<&str>) -> Self {
        let headers = self.headers_mut();
        headers.insert(VARY, VARY_BY);
        if let Some(etag) = etag {
            headers.insert(ETAG, tag(etag));
        }
        if let Some(next) = next.and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok()) {
            headers.insert(LINK, next);
        }
        self
    }

    fn in_parts(mut self) -> Self {
        self.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        self
    }
}

fn tag(etag: &ETag) -> HeaderValue {
    tag_of(etag, "")
}

/// The tag of a body with some face and in some coding.
fn tag_of(etag: &ETag, suffix: &str) -> HeaderValue {
    let tag = format!("\"{}.{}{suffix}\"", etag.changed, etag.revision);
    HeaderValue::try_from(tag).expect("a tag is made of digits, a dot, quotes and a suffix of ours")
}

/// How long to stay away, in seconds, from what is over in a moment.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");
/// And from what takes as long as a restart or a job.
const RETRY_LATER: HeaderValue = HeaderValue::from_static("5");

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        let detail = error.to_string();
        match error {
            ApiError::NotFound { .. } | ApiError::NotWaiting { .. } => Self::new(Kind::NotFound, detail),
            ApiError::InvalidId { .. } => Self::new(Kind::InvalidId, detail),
            ApiError::NoPlace { pointer, .. } => Self::new(Kind::PatchConflict, detail).with("pointer", pointer),
            ApiError::PreconditionFailed { etag, already_applied, .. } => {
                let problem = Self::new(Kind::PreconditionFailed, detail).tagged(etag);
                match already_applied {
                    AlreadyApplied::Yes => problem.with("alreadyApplied", true),
                    AlreadyApplied::No => problem,
                }
            }
            ApiError::PreconditionRequired { etag } => {
                Self::new(Kind::PreconditionRequired, format!("{detail}: send If-Match")).tagged(Some(etag))
            }
            ApiError::Deleting { etag } => Self::new(Kind::Deleting, detail).tagged(Some(etag)),
            ApiError::Patch(error) => error.into(),
            ApiError::ReadOnly { pointer, .. } => Self::new(Kind::ReadOnly, detail).with("pointer", pointer),
            ApiError::Invalid { errors } => invalid(
                detail,
                errors.into_iter().map(|error| json!({ "pointer": error.pointer, "detail": error.detail })).collect(),
            ),
            ApiError::Forbidden { status, .. } => {
                Self::new(Kind::Rule, detail).status_as(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN))
            }
            ApiError::Overlap { .. } => Self::new(Kind::Overlap, detail),
            ApiError::NotAccepting { .. } => Self::new(Kind::NotAccepting, detail),
            ApiError::TooManyJobs { limit } => {
                Self::new(Kind::TooManyJobs, detail).with("limit", limit).header(RETRY_AFTER, RETRY_LATER)
            }
            ApiError::StaleToken => Self::new(Kind::StaleToken, detail),
            ApiError::NotOfWorkers { .. } => Self::new(Kind::NotOfWorkers, detail),
            ApiError::KeyInFlight => Self::new(Kind::KeyInFlight, detail).header(RETRY_AFTER, RETRY_SOON),
            ApiError::KeyReused => Self::new(Kind::KeyReused, format!("{detail}: a new request needs a new key")),
            ApiError::Tried(trial) => Self::instead(trial::found(&trial)),
            ApiError::BadCursor => Self::new(Kind::InvalidCursor, detail),
            ApiError::Busy => Self::new(Kind::Busy, detail).header(RETRY_AFTER, RETRY_SOON),
            ApiError::OutcomeUnknown => Self::new(Kind::OutcomeUnknown, detail).header(RETRY_AFTER, RETRY_LATER),
            ApiError::DiskFull => Self::new(Kind::DiskFull, detail),
            ApiError::Stopping => Self::new(Kind::Stopping, detail).header(RETRY_AFTER, RETRY_LATER),
            ApiError::Store(cause) => {
                // What the store says is for the operator alone.
                error!(error = &*cause as &(dyn std::error::Error + 'static), "the store failed");
                Self::new(Kind::Internal, "the store failed")
            }
        }
    }
}

impl From<PatchError> for Problem {
    fn from(error: PatchError) -> Self {
        let detail = error.to_string();
        match error {
            PatchError::TestFailed { pointer, .. }
            | PatchError::Missing { pointer, .. }
            | PatchError::NotApplicable { pointer, .. } => {
                Self::new(Kind::PatchConflict, detail).with("pointer", pointer)
            }
            PatchError::NotAnObject { .. } => invalid(detail, vec![not_an_object()]),
            PatchError::TooLarge { limit } => Self::new(Kind::TooLarge, detail).with("limit", limit),
            PatchError::TooDeep { limit }
            | PatchError::TooManyOperations { limit }
            | PatchError::TooCostly { limit, .. } => Self::new(Kind::TooComplex, detail).with("limit", limit),
        }
    }
}

impl Problem {
    /// With where to look instead.
    pub(super) fn located(self, at: &str) -> Self {
        match HeaderValue::try_from(at) {
            Ok(at) => self.header(LOCATION, at),
            Err(_) => self,
        }
    }

    /// With the tag that holds now, for machines in the header and for all in the body.
    pub(super) fn tagged(self, etag: Option<ETag>) -> Self {
        match etag {
            Some(etag) => self.with("etag", etag.to_string()).header(ETAG, tag(&etag)),
            None => self,
        }
    }
}

/// 422 with what is wrong and where.
pub(super) fn invalid(detail: impl Into<String>, errors: Vec<Value>) -> Problem {
    Problem::new(Kind::Invalid, detail).with("errors", errors)
}

/// The error that a document is something else.
pub(super) fn not_an_object() -> Value {
    json!({ "pointer": "", "detail": "expected an object" })
}
