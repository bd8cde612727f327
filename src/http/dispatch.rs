//! From a request to its answer, in the one order in which requests are judged.
//!
//! Whom it is for and whose page sent it; the method, the path, both together;
//! who asks; the query, what the client takes; then the body: its size, its
//! media type, its syntax; then, in [`crate::api`], existence, the idempotency
//! key, preconditions and rules. A request that was answered before, and is
//! sent again with its key, is answered as soon as its body is there ([`once`]).

use std::any::Any;
use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{ACCEPT, ALLOW, CONTENT_RANGE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, debug_span, error, field};
use warp::path::FullPath;
use warp::reply::Response;

use super::auth::{self, Principal};
use super::body::{self, Payload};
use super::conditions;
use super::cors;
use super::events::EVENTS;
use super::media::{self, Face, MediaType, Unsupported};
use super::openapi::Descriptions;
use super::origin::RequestLine;
use super::prefer::Prefer;
use super::problem::{Kind, Problem};
use super::query::Query;
use super::reply::{self, ACCEPT_PATCH, With};
use super::routes::{self, Known, NoRoute, Route, Verb};
use super::timing::{Step, Timing, millis};
use super::{
    HttpConfig, Inner, backup, discovery, forms, home, job_lists, jobs, leases, ledger, logs, members, once, openapi,
    pages, resources, watching,
};
use crate::api::{Api, ChangeRequest, Intent, Once};
use crate::domain::json::{self, JsonError, JsonLimits};

/// A request, as it came.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: FullPath,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) line: Option<RequestLine>,
    pub(super) body: Payload,
}

/// A request whose head is judged, with what it is answered from.
pub(super) struct Call<'a> {
    pub(super) http: Site<'a>,
    pub(super) route: &'a Route,
    /// The path, as it came.
    pub(super) path: &'a str,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Query,
    pub(super) prefer: Prefer,
    pub(super) intent: Intent,
    /// How it stands to other requests with its key.
    pub(super) once: Option<Once>,
    /// Who asks.
    pub(super) principal: Principal<'a>,
    pub(super) face: Face,
    pub(super) timing: &'a Timing,
    pub(super) body: &'a mut Payload,
}

/// The service, as one request sees it.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// The use cases; those of a change note where its time goes.
    pub(super) api: &'a Api,
    pub(super) config: &'a HttpConfig,
    pub(super) stopping: &'a CancellationToken,
    pub(super) descriptions: &'a Descriptions,
}

/// Answers a request, whatever it is and whatever happens.
pub(super) async fn answer(http: &Inner, mut asked: Asked) -> Response {
    let span = debug_span!(
        "request",
        http.method = %asked.method,
        http.route = field::Empty,
        http.principal = field::Empty,
        http.status = field::Empty,
        duration_ms = field::Empty,
    );
    let timing = Timing::start();
    let answering = async {
        let mut response = match caught(judge(http, &mut asked, &timing)).await {
            Ok(response) => response,
            Err(problem) => wrong(http, &asked, problem).await,
        };
        asked.body.discard(&asked.headers).await;
        response = http.coder.encode(&asked.headers, response, &timing).await;
        http.cors.mark(&asked.headers, &mut response);
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        timing.tell(&asked.method, &mut response);
        http.counts.count(timing.route(), &asked.method, response.status(), timing.busy());
        Span::current().record("http.status", response.status().as_u16()).record("duration_ms", millis(timing.total()));
        debug!("answered");
        response
    };
    answering.instrument(span).await
}

/// A problem, as a page for who would rather see one.
async fn wrong(http: &Inner, asked: &Asked, problem: Problem) -> Response {
    let face = Face::preferred(&asked.headers).unwrap_or(Face::Json);
    let catalog = http.api.catalog();
    let route = match face {
        Face::Json => None,
        Face::Html => routes::parse(asked.path.as_str(), catalog).ok(),
    };
    let asked = pages::Asked { face, route: route.as_ref(), catalog };
    pages::faced(problem.into_response(), asked).await
}

/// What a handler gives, or the problem that its panic is.
///
/// Nothing that it leaves half done is looked at again: all state that outlives
/// a request is in the store.
async fn caught<T>(handler: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    AssertUnwindSafe(handler).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// The problem that a panic is; the log says more.
fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    error!(panic = text.unwrap_or("of an unknown kind"), "a request made the service panic");
    Problem::new(Kind::Internal, "the service failed while it answered")
}

/// Judges the head of a request, then has it answered.
async fn judge(http: &Inner, asked: &mut Asked, timing: &Timing) -> Result<Response, Problem> {
    let Asked { method, path, query, headers, line, body } = asked;
    http.names.judge(method, line.as_ref(), headers, &http.cors)?;
    let known = routes::recognise(method);
    if known == Known::Unknown {
        return Err(Problem::new(Kind::NotImplemented, format!("the method {method} is not known here")));
    }
    let route = &routes::parse(path.as_str(), http.api.catalog()).map_err(|none| no_route(&none, method))?;
    Span::current().record("http.route", route.label());
    timing.on(route);
    let verb = match known {
        Known::Verb(verb) if route.takes(verb) => verb,
        Known::Verb(_) | Known::Unsupported | Known::Unknown => {
            return Err(home::signposted(not_allowed(route, method), route, method, http.api.catalog()));
        }
    };
    // A browser asks without knowing of a token, and for every query.
    if cors::is_preflight(method, headers) {
        return Ok(http.cors.preflight(headers, route));
    }
    let principal = auth::judge(&http.config.access, route, verb, headers)?;
    Span::current().record("http.principal", principal.name);
    let query = Query::parse(query, route.parameters(verb))?;
    let intent = query.intent()?;
    // Who sends a part does not mean it to be the whole (RFC 9110, 14.5).
    if verb == Verb::Put && headers.contains_key(CONTENT_RANGE) {
        return Err(Problem::new(Kind::BadRequest, "Content-Range: a PUT is of the whole, and takes no part of it"));
    }
    if verb == Verb::Options {
        return Ok(reply::options(route).leading(discovery::links_of(route, http.api.catalog())));
    }
    let face = acceptable(route, verb, headers)?;
    let mut prefer = Prefer::from_headers(headers);
    if !route.launches(verb) {
        prefer.respond = None;
    }
    let path = path.as_str();
    let noting;
    let api = match verb {
        Verb::Get | Verb::Options => &http.api,
        Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => {
            noting = http.api.noting(timing.stages());
            &noting
        }
    };
    let descriptions = &http.descriptions;
    let site = Site { api, config: &http.config, stopping: &http.stopping, descriptions };
    let mut call = Call {
        http: site,
        route,
        path,
        method,
        headers,
        query,
        prefer,
        intent,
        once: None,
        principal,
        face,
        timing,
        body,
    };
    let answer = match once::recall(&mut call, verb).await? {
        Some(replayed) => replayed,
        None if watching::wants_stream(route, verb, headers) => watching::stream(&call).await?,
        None => first(call, verb, site).await?,
    };
    let catalog = http.api.catalog();
    // The one link of a list is the next page: whoever follows what there is comes to an end.
    let found = verb == Verb::Get && answer.status() == StatusCode::OK && !route.is_list();
    let answer = if found { answer.leading(discovery::links_of(route, catalog)) } else { answer };
    Ok(pages::faced(answer, pages::Asked { face, route: Some(route), catalog }).await)
}

/// Answers a request that was not answered before, and notes how.
async fn first(call: Call<'_>, verb: Verb, site: Site<'_>) -> Result<Response, Problem> {
    let held = call.once.clone();
    // What a dry run has found is no answer of its handler, which therefore
    // cannot say what it honoured.
    let honoured = Prefer { handling: call.prefer.handling, ..Prefer::default() };
    let answered = match verb {
        Verb::Get => watching::read(call).await,
        Verb::Post | Verb::Put | Verb::Patch | Verb::Delete | Verb::Options => handle(call, verb).await,
    };
    let response = answered.map_err(|end| end.honouring(honoured))?;
    if let Some(Once::First(held)) = held {
        once::note(site, &held, &response).await;
    }
    Ok(response)
}

/// Answers a request whose head is judged.
pub(super) async fn handle(call: Call<'_>, verb: Verb) -> Result<Response, Problem> {
    let http = call.http;
    match call.route {
        Route::Home | Route::Server => home::home(&call),
        Route::Health => Ok(home::health()),
        Route::Ready => home::ready(http),
        Route::Metrics => Ok(home::metrics(http).await),
        Route::OpenApi => openapi::openapi(&call, http.descriptions),
        Route::Schema(name) => openapi::schema(&call, http.descriptions, name),
        Route::Problems => home::problems(&call),
        Route::Problem(kind) => home::problem(&call, *kind),
        Route::Operations => home::operations(http).await,
        Route::Operation(name) => home::operation(http, name).await,
        Route::Leases(name) => leases::leases(call, name).await,
        Route::Backup => backup::backup(&call),
        Route::Collection(name) => resources::collection(call, verb, name).await,
        Route::Resource(key) => resources::resource(call, verb, key).await,
        Route::Activity(key, activity) => jobs::activity(call, verb, key, activity).await,
        Route::EditableActivity(key, activity) => job_lists::editable(call, verb, key, activity).await,
        Route::Member(key, pointer) => members::member(call, verb, key, pointer).await,
        Route::LastJob(key, activity) => jobs::last(call, verb, key, activity).await,
        Route::Form(key, activity) => forms::form(&call, key, activity).await,
        Route::Ticks(key, activity) => ledger::ticks(&call, key, activity).await,
        Route::ActivityJob(key, activity, id) => jobs::activity_job(call, verb, key, activity, *id).await,
        Route::Jobs => jobs::all(call).await,
        Route::Job(id) => jobs::job(call, verb, *id).await,
        Route::JobLog(id) => logs::log(call, *id).await,
        Route::JobQueue(id) => jobs::queue(http, *id).await,
    }
}

fn no_route(none: &NoRoute, method: &Method) -> Problem {
    match none {
        NoRoute::InvalidId { expected } if method == Method::PUT => {
            Problem::new(Kind::InvalidId, format!("an id is {expected}"))
        }
        NoRoute::Unknown | NoRoute::InvalidId { .. } => Problem::new(Kind::NotFound, "there is nothing at this path"),
        NoRoute::Malformed => Problem::new(Kind::BadRequest, "the path is not UTF-8 in percent-encoding"),
    }
}

/// 405. Who posts to a resource most likely wants something done with it.
pub(super) fn not_allowed(route: &Route, method: &Method) -> Problem {
    let mut detail = format!("this takes {}, and not {method}", route.allow());
    if matches!((route, method), (Route::Resource(_), &Method::POST)) {
        detail.push_str(": PATCH the document to say what should be, or POST to one of its activities to start a job");
    }
    Problem::new(Kind::MethodNotAllowed, detail).header(ALLOW, HeaderValue::from_static(route.allow()))
}

/// Refuses a client that takes nothing of what there is, before anything is done.
fn acceptable(route: &Route, verb: Verb, headers: &HeaderMap) -> Result<Face, Problem> {
    if watching::wants_stream(route, verb, headers) {
        return Ok(Face::Json);
    }
    let available = match route {
        Route::JobLog(_) | Route::Metrics if media::accepts(headers, logs::TEXT) => return Ok(Face::Json),
        Route::JobLog(_) if media::accepts(headers, EVENTS) => return Ok(Face::Json),
        Route::JobLog(_) => vec![logs::TEXT, EVENTS],
        Route::Metrics => vec![logs::TEXT],
        Route::Backup if media::accepts(headers, backup::BYTES) => return Ok(Face::Json),
        Route::Backup => vec![backup::BYTES],
        Route::Home
        | Route::Server
        | Route::Health
        | Route::Ready
        | Route::Problems
        | Route::OpenApi
        | Route::Schema(_)
        | Route::Problem(_)
        | Route::Collection(_)
        | Route::Resource(_)
        | Route::Activity(..)
        | Route::EditableActivity(..)
        | Route::Member(..)
        | Route::LastJob(..)
        | Route::Form(..)
        | Route::Ticks(..)
        | Route::ActivityJob(..)
        | Route::Jobs
        | Route::Job(_)
        | Route::JobQueue(_)
        | Route::Operations
        | Route::Operation(_)
        | Route::Leases(_) => match Face::preferred(headers) {
            Some(face) => return Ok(face),
            None if verb == Verb::Get && watching::has_stream(route) => {
                vec![MediaType::Json.as_str(), media::HTML, EVENTS]
            }
            None => vec![MediaType::Json.as_str(), media::HTML],
        },
    };
    let detail = format!("this is there as {}", available.join(" or as "));
    Err(Problem::new(Kind::NotAcceptable, detail).with("available", available))
}

/// A body whose size and media type are judged.
pub(super) struct Sent {
    /// What it is; `None` if it is empty and does not say.
    pub(super) media: Option<MediaType>,
    /// All of it.
    pub(super) bytes: Bytes,
    /// The change that it asks for.
    pub(super) request: ChangeRequest,
}

impl Call<'_> {
    /// Does something, and notes how long that took.
    pub(super) async fn timed<T>(&self, step: Step, work: impl Future<Output = T>) -> T {
        self.timing.of(step, work).await
    }

    /// All bytes of the body.
    async fn read(&mut self) -> Result<Bytes, Problem> {
        let HttpConfig { body_bytes_max, body, .. } = self.http.config;
        self.timing.of(Step::Body, self.body.read(*body_bytes_max, *body)).await
    }

    /// Reads the body of a change, which must be of one of these media types.
    pub(super) async fn sent(&mut self, taken: &[MediaType]) -> Result<Sent, Problem> {
        let config = &self.http.config;
        body::judge_length(self.headers, config.body_bytes_max)?;
        body::judge_coding(self.headers)?;
        let media = media::content_type(self.headers)
            .and_then(|media| {
                if taken.contains(&media) { Ok(media) } else { Err(Unsupported::Other(media.as_str().to_owned())) }
            })
            .map_err(|unsupported| self.unsupported(&unsupported))?;
        let bytes = self.read().await?;
        let request = self.change(Some(media), &bytes)?;
        Ok(Sent { media: Some(media), bytes, request })
    }

    /// Reads the body of a POST that launches a job: JSON, a form, or nothing.
    pub(super) async fn sent_to_launch(&mut self) -> Result<Sent, Problem> {
        let config = &self.http.config;
        body::judge_length(self.headers, config.body_bytes_max)?;
        body::judge_coding(self.headers)?;
        let media = match media::content_type(self.headers) {
            Ok(media @ (MediaType::Json | MediaType::Form)) => Some(media),
            Ok(other) => return Err(self.unsupported(&Unsupported::Other(other.as_str().to_owned()))),
            Err(Unsupported::Unnamed) => None,
            Err(unsupported) => return Err(self.unsupported(&unsupported)),
        };
        let bytes = self.read().await?;
        if media.is_none() && !bytes.is_empty() {
            return Err(self.unsupported(&Unsupported::Unnamed));
        }
        let request = self.change(media, &bytes)?;
        Ok(Sent { media, bytes, request })
    }

    /// A change without a body; one that is sent all the same says nothing.
    pub(super) fn change(&self, media: Option<MediaType>, body: &[u8]) -> Result<ChangeRequest, Problem> {
        once::key(self.headers)?;
        Ok(ChangeRequest {
            preconditions: conditions::preconditions(self.headers)?,
            strictness: conditions::strictness(&self.prefer),
            fingerprint: conditions::fingerprint(self.principal.name, self.method, media, body, self.headers),
            intent: self.intent,
            once: self.once.clone(),
        })
    }

    /// Reads a body as JSON.
    pub(super) fn parse(&self, bytes: &[u8]) -> Result<Value, Problem> {
        let limits = JsonLimits { depth_max: self.http.config.depth_max };
        json::parse(bytes, &limits).map_err(|error| {
            let detail = error.to_string();
            match error {
                JsonError::TooDeep { limit, .. } => Problem::new(Kind::TooComplex, detail).with("limit", limit),
                JsonError::ByteOrderMark => Problem::new(Kind::Malformed, detail),
                JsonError::NotUtf8 { at }
                | JsonError::Syntax { at, .. }
                | JsonError::Duplicate { at, .. }
                | JsonError::IntegerOutOfRange { at, .. } => {
                    Problem::new(Kind::Malformed, detail).with("line", at.line).with("column", at.column)
                }
            }
        })
    }

    /// Reads a body as a JSON object.
    pub(super) fn object(&self, bytes: &[u8]) -> Result<Value, Problem> {
        let value = self.parse(bytes)?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(reply::invalid("the body is not an object", vec![reply::not_an_object()]))
        }
    }

    /// 415, with what is taken instead.
    pub(super) fn unsupported(&self, unsupported: &Unsupported) -> Problem {
        let (header, taken) = match self.route.accept_patch() {
            Some(patches) if self.method == Method::PATCH => (ACCEPT_PATCH, patches),
            Some(_) | None if self.route.launches(Verb::Post) => (ACCEPT, forms::TAKEN),
            Some(_) | None => (ACCEPT, MediaType::Json.as_str()),
        };
        let found = match unsupported {
            Unsupported::Unnamed => "the body has no Content-Type".to_owned(),
            Unsupported::NotAnObject => "a patch under `application/json` is an object, and a list of operations is \
                 `application/json-patch+json`"
                .to_owned(),
            Unsupported::Other(name) => format!("the body is `{name}`"),
            Unsupported::Charset(charset) => {
                format!("the body is in the charset `{charset}`, and JSON is always in UTF-8")
            }
        };
        Problem::new(Kind::UnsupportedMediaType, format!("{found}: this takes {taken}"))
            .header(header, HeaderValue::from_static(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem_that_tells_nothing_of_the_inside() {
        let judged: Result<(), Problem> = caught(async { panic!("a secret") }).await;
        let problem = judged.expect_err("a problem");
        assert_eq!(problem.status().as_u16(), 500);
        assert!(!format!("{problem:?}").contains("secret"));
    }
}
