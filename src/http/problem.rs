//! What goes wrong, as problems (RFC 9457).
//!
//! # Guarantees
//! Each type of problem has one name, one status and one page.
//! # Not here
//! Which error is which problem: [`super::reply`].

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use warp::reply::Response;

use super::prefer::Prefer;
use super::reply::With as _;
use super::vary;

/// The types of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A path, query or header field that cannot be read.
    BadRequest,
    /// A body that is not JSON, or not the patch it says it is.
    Malformed,
    /// An id that no resource can have.
    InvalidId,
    /// A cursor that no list gave out.
    InvalidCursor,
    /// Nobody knows who asks.
    Unauthorized,
    /// A role that may not.
    Forbidden,
    /// A page of another site asks.
    CrossOrigin,
    /// There is nothing.
    NotFound,
    /// The method is not for this.
    MethodNotAllowed,
    /// No representation that the client takes.
    NotAcceptable,
    /// The body did not arrive in time.
    Timeout,
    /// The patch does not apply.
    PatchConflict,
    /// The resource is on its way out.
    Deleting,
    /// Another job is in the way.
    Overlap,
    /// The document lets no job start.
    NotAccepting,
    /// The attempt that a report names is over.
    StaleToken,
    /// The operation is not one that workers do.
    NotOfWorkers,
    /// A request with the same key is not answered yet.
    KeyInFlight,
    /// A belief about the resource is wrong.
    PreconditionFailed,
    /// Too many bytes.
    TooLarge,
    /// A media type that is not taken.
    UnsupportedMediaType,
    /// No byte lies in the range.
    RangeNotSatisfiable,
    /// A rule of the operator.
    Rule,
    /// A name that is not ours.
    Misdirected,
    /// The document would break a rule.
    Invalid,
    /// The key was used for another request.
    KeyReused,
    /// Members that only the service writes would change.
    ReadOnly,
    /// Too deep, or too many operations.
    TooComplex,
    /// A belief about the resource is wanted.
    PreconditionRequired,
    /// As many jobs as there may be.
    TooManyJobs,
    /// Our fault.
    Internal,
    /// A method that nobody here knows.
    NotImplemented,
    /// The job that was waited for did not do its work.
    JobFailed,
    /// Too many writers at once.
    Busy,
    /// Nobody can know.
    OutcomeUnknown,
    /// The service is going down.
    Stopping,
    /// The job takes longer than is waited for.
    JobTimeout,
    /// No room.
    DiskFull,
}

/// What is always the same about a type of problem.
struct Facts {
    name: &'static str,
    status: StatusCode,
    title: &'static str,
    explanation: &'static str,
}

const fn facts(name: &'static str, status: StatusCode, title: &'static str, explanation: &'static str) -> Facts {
    Facts { name, status, title, explanation }
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 38] = [
        Self::BadRequest,
        Self::Malformed,
        Self::InvalidId,
        Self::InvalidCursor,
        Self::Unauthorized,
        Self::Forbidden,
        Self::CrossOrigin,
        Self::Rule,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::Timeout,
        Self::PatchConflict,
        Self::Deleting,
        Self::Overlap,
        Self::NotAccepting,
        Self::StaleToken,
        Self::NotOfWorkers,
        Self::KeyInFlight,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::Misdirected,
        Self::Invalid,
        Self::KeyReused,
        Self::ReadOnly,
        Self::TooComplex,
        Self::PreconditionRequired,
        Self::TooManyJobs,
        Self::Internal,
        Self::NotImplemented,
        Self::JobFailed,
        Self::Busy,
        Self::OutcomeUnknown,
        Self::Stopping,
        Self::JobTimeout,
        Self::DiskFull,
    ];

    #[rustfmt::skip]
    const fn facts(self) -> Facts {
        match self {
            Self::BadRequest => facts("bad-request", StatusCode::BAD_REQUEST, "The request cannot be read",
                "A part of the request other than its body is not as it must be: the path, a query parameter or a header field. The detail names it."),
            Self::Malformed => facts("malformed", StatusCode::BAD_REQUEST, "The body cannot be read",
                "The body is not JSON, or not a patch of the media type that it names. Duplicate member names, integers outside -2^63 to 2^64-1 and numbers beyond a double are refused, because they would not come back as they were written."),
            Self::InvalidId => facts("invalid-id", StatusCode::BAD_REQUEST, "No resource can have this id",
                "An id is a letter or digit, then letters, digits or any of `._~:@-`, at most 128 characters in all. The operator of a collection can demand more; the detail says what."),
            Self::InvalidCursor => facts("invalid-cursor", StatusCode::BAD_REQUEST, "The cursor is not one of this list",
                "A cursor is what the link to the next page of this very list holds. Begin again without one."),
            Self::Unauthorized => facts("unauthorized", StatusCode::UNAUTHORIZED, "Who asks is not known",
                "Send a token that the operator gave out: `Authorization: Bearer TOKEN`, or Basic with the token as the password and any name. Nothing was changed."),
            Self::Forbidden => facts("forbidden", StatusCode::FORBIDDEN, "The role of this principal may not do that",
                "A reader looks, a writer looks and changes, a worker looks and does the work of jobs, an admin does everything. Nothing was changed."),
            Self::CrossOrigin => facts("cross-origin", StatusCode::FORBIDDEN, "Pages of other origins cannot change anything here",
                "A browser says that the request comes from a page of another origin."),
            Self::Rule => facts("rule", StatusCode::FORBIDDEN, "A rule of the operator forbids it",
                "The detail says why, in the operator's words. The operator may have chosen another status than 403. Nothing was changed."),
            Self::NotFound => facts("not-found", StatusCode::NOT_FOUND, "There is nothing here",
                "The path names nothing, or what it names does not exist (any more)."),
            Self::MethodNotAllowed => facts("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "The method is not for this",
                "The header field Allow lists the methods that are."),
            Self::NotAcceptable => facts("not-acceptable", StatusCode::NOT_ACCEPTABLE, "No representation that Accept names",
                "The member `available` lists the media types that there are."),
            Self::Timeout => facts("timeout", StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time",
                "The request was announced and then not sent. Nothing was changed."),
            Self::PatchConflict => facts("patch-conflict", StatusCode::CONFLICT, "The patch does not apply to this document",
                "A `test` failed, or an operation needs something that is not there. The member `pointer` names it. Nothing was changed."),
            Self::Deleting => facts("deleting", StatusCode::CONFLICT, "The resource is being deleted",
                "It goes once its jobs are gone, and takes no changes until then."),
            Self::Overlap => facts("overlap", StatusCode::CONFLICT, "Another job is in the way",
                "The `overlap` of the activity allows no further job now."),
            Self::NotAccepting => facts("not-accepting", StatusCode::CONFLICT, "The activity lets no job start",
                "The document says `suspend: true` or `canceled: true`."),
            Self::StaleToken => facts("stale-token", StatusCode::CONFLICT, "The token is not that of an attempt under way",
                "The lease ended without a sign of life, the attempt took too long, or its end was reported already and this is another one. Nothing was changed. Stop the work, and ask for other jobs."),
            Self::NotOfWorkers => facts("not-of-workers", StatusCode::CONFLICT, "Nobody outside does this work",
                "Only jobs of operations that are declared with `worker` can be asked for."),
            Self::KeyInFlight => facts("idempotency-key-in-flight", StatusCode::CONFLICT, "The first request with this key is not answered yet",
                "A request with the same `Idempotency-Key` is under way. Once it is answered, the same request again gets the same answer. Try again."),
            Self::PreconditionFailed => facts("precondition-failed", StatusCode::PRECONDITION_FAILED, "The resource is not as the request expects",
                "Somebody changed it. The member `etag` is the tag that holds now. With `alreadyApplied: true`, the last change is this very request: its answer was lost, and it is not made twice."),
            Self::TooLarge => facts("too-large", StatusCode::PAYLOAD_TOO_LARGE, "Too many bytes",
                "The body, or the document that it would lead to, is larger than the limit."),
            Self::UnsupportedMediaType => facts("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The media type is not taken",
                "The header field Accept-Patch or Accept lists those that are."),
            Self::RangeNotSatisfiable => facts("range-not-satisfiable", StatusCode::RANGE_NOT_SATISFIABLE, "No byte lies in the range",
                "The header field Content-Range says how many bytes there are."),
            Self::Misdirected => facts("misdirected", StatusCode::MISDIRECTED_REQUEST, "This host is not served here",
                "The header field Host names neither the address of the service nor a name that its operator listed as `hosts`."),
            Self::Invalid => facts("invalid", StatusCode::UNPROCESSABLE_ENTITY, "The result would not be valid",
                "The member `errors` lists what is wrong and where. Nothing was changed."),
            Self::KeyReused => facts("idempotency-key-reused", StatusCode::UNPROCESSABLE_ENTITY, "This key was used for another request",
                "An `Idempotency-Key` stands for one request: its method, target, media type and body. For 24 hours it can be sent again only with that one. Nothing was changed."),
            Self::ReadOnly => facts("read-only", StatusCode::UNPROCESSABLE_ENTITY, "Only the service writes this",
                "The member `pointer` names what would have changed. Nothing was changed."),
            Self::TooComplex => facts("too-complex", StatusCode::UNPROCESSABLE_ENTITY, "Too deep, or too many operations",
                "The body, or the document that it would lead to, is nested deeper than the limit, or the patch has more operations."),
            Self::PreconditionRequired => facts("precondition-required", StatusCode::PRECONDITION_REQUIRED, "A change must say what it is a change of",
                "Send If-Match with the tag that you know, or `If-Match: *` to change whatever is there."),
            Self::TooManyJobs => facts("too-many-jobs", StatusCode::TOO_MANY_REQUESTS, "As many jobs as there may be",
                "The activity has too many jobs that are not finished. Try again when some are."),
            Self::Internal => facts("internal", StatusCode::INTERNAL_SERVER_ERROR, "The service failed",
                "The log of the service says more. If this was a change, read the resource to see whether it was made."),
            Self::NotImplemented => facts("not-implemented", StatusCode::NOT_IMPLEMENTED, "The method is not known here",
                "The service knows GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS."),
            Self::JobFailed => facts("job-failed", StatusCode::BAD_GATEWAY, "The job did not do its work",
                "The operation answers when its job is done, and the job failed, was cancelled or was lost. The members `phase` and `error` say how it ended, `log` where its output is, and `job` where its record is, if it leaves one. Once what `error` says is mended, POST again."),
            Self::Busy => facts("busy", StatusCode::SERVICE_UNAVAILABLE, "The resource is changing too fast",
                "Too many clients change it at once. Nothing was changed. Try again."),
            Self::OutcomeUnknown => facts("outcome-unknown", StatusCode::SERVICE_UNAVAILABLE, "The outcome of the change is unknown",
                "The change may or may not be found made. Read the resource, or repeat the request with the same `Idempotency-Key`, or the same If-Match: exactly one of them counts."),
            Self::Stopping => facts("stopping", StatusCode::SERVICE_UNAVAILABLE, "The service is stopping",
                "Nothing was changed. Try again once it is back."),
            Self::JobTimeout => facts("job-timeout", StatusCode::GATEWAY_TIMEOUT, "The job takes longer than its answer can wait",
                "The operation answers when its job is done. The header field Location and the member `job` say where it is. With `Prefer: respond-async` the answer comes at once."),
            Self::DiskFull => facts("disk-full", StatusCode::INSUFFICIENT_STORAGE, "The disk is full",
                "Nothing was changed. Reading goes on."),
        }
    }

    /// The problem with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.facts().name == name)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        self.facts().name
    }

    /// Where its page is.
    pub(super) fn path(self) -> String {
        format!("/problems/{}", self.name())
    }

    /// What it says of itself, for its page.
    pub(super) fn page(self) -> Value {
        let Facts { status, title, explanation, .. } = self.facts();
        json!({
            "type": self.path(),
            "status": status.as_u16(),
            "title": title,
            "explanation": explanation,
            "_links": { "self": { "href": self.path() }, "collection": { "href": "/problems" } },
        })
    }
}

/// What ends a handler early, which is nearly always one problem, with what a
/// client should know of it. Boxed, since most results carry none.
#[derive(Debug)]
pub(super) struct Problem(Box<End>);

/// How a handler ends early.
#[derive(Debug)]
enum End {
    /// With a problem.
    Problem(Particulars),
    /// With an answer to another question: what a change would do.
    Instead(Response),
}

/// What is particular to one problem.
#[derive(Debug)]
struct Particulars {
    kind: Kind,
    status: StatusCode,
    detail: String,
    members: Map<String, Value>,
    headers: HeaderMap,
}

/// The media type of a problem.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl Problem {
    /// A problem of this kind, and what it is this time.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let status = kind.facts().status;
        let (members, headers) = (Map::new(), HeaderMap::new());
        Self(Box::new(End::Problem(Particulars { kind, status, detail: detail.into(), members, headers })))
    }

    /// Under another status than problems of its kind have.
    #[must_use]
    pub(super) fn status_as(mut self, status: StatusCode) -> Self {
        match &mut *self.0 {
            End::Problem(particulars) => particulars.status = status,
            End::Instead(_) => {}
        }
        self
    }

    /// No problem, but an answer that the handler knows nothing of.
    pub(super) fn instead(response: Response) -> Self {
        Self(Box::new(End::Instead(response)))
    }

    /// With the preferences that were honoured, where they could be.
    #[must_use]
    pub(super) fn honouring(self, prefer: Prefer) -> Self {
        match *self.0 {
            End::Problem(_) => self,
            End::Instead(response) => Self::instead(response.honouring(prefer)),
        }
    }

    /// With a further member.
    #[must_use]
    pub(super) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        if let End::Problem(particulars) = &mut *self.0 {
            particulars.members.insert(member.to_owned(), value.into());
        }
        self
    }

    /// With a further header field.
    #[must_use]
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        match &mut *self.0 {
            End::Problem(particulars) => particulars.headers.insert(name, value),
            End::Instead(response) => response.headers_mut().insert(name, value),
        };
        self
    }

    /// The status.
    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        match &*self.0 {
            End::Problem(particulars) => particulars.status,
            End::Instead(response) => response.status(),
        }
    }

    /// The whole answer.
    pub(super) fn into_response(self) -> Response {
        match *self.0 {
            End::Problem(particulars) => particulars.into_response(),
            End::Instead(response) => response,
        }
    }
}

impl Particulars {
    fn into_response(self) -> Response {
        let Self { kind, status, detail, members, headers } = self;
        let Facts { name, title, .. } = kind.facts();
        let mut body = Map::new();
        body.insert("type".to_owned(), format!("/problems/{name}").into());
        body.insert("title".to_owned(), title.into());
        body.insert("status".to_owned(), status.as_u16().into());
        body.insert("detail".to_owned(), detail.into());
        body.extend(members);
        let mut response = Response::new(Value::Object(body).to_string().into());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        // Each can be had as a page.
        vary::also(response.headers_mut(), "Accept");
        // Some statuses may be cached by default (RFC 9110, 15.1), 404 among
        // them; what is not there now may be there in a moment.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_found_by_its_own_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.facts().name), Some(kind));
            assert!(kind.facts().status.is_client_error() || kind.facts().status.is_server_error());
        }
        assert_eq!(Kind::from_name("none"), None);
    }
}
