//! From a request to its answer, in the one order in which requests are judged.
//!
//! Whom it is for and whose page sent it; the method, the path, both together,
//! the query, what the client takes; then the body: its size, its media type,
//! its syntax; then, in [`crate::api`], existence, preconditions and rules.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{ACCEPT, ALLOW, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tracing::{Instrument, Span, debug, debug_span, error, field};
use warp::path::FullPath;
use warp::reply::Response;

use super::body::{self, Payload};
use super::conditions;
use super::media::{self, Face, MediaType, Unsupported};
use super::origin::RequestLine;
use super::prefer::Prefer;
use super::problem::{Kind, Problem};
use super::query::Query;
use super::reply::{self, ACCEPT_PATCH, With};
use super::routes::{self, Known, NoRoute, Route, Verb};
use super::{Inner, discovery, forms, home, jobs, logs, pages, resources};
use crate::api::{ChangeRequest, Intent};
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
    pub(super) http: &'a Inner,
    pub(super) route: &'a Route,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Query,
    pub(super) prefer: Prefer,
    pub(super) face: Face,
    body: &'a mut Payload,
}

/// Answers a request, whatever it is and whatever happens.
pub(super) async fn answer(http: &Inner, mut asked: Asked) -> Response {
    let span = debug_span!(
        "request",
        http.method = %asked.method,
        http.route = field::Empty,
        http.status = field::Empty,
        duration_ms = field::Empty,
    );
    let started = Instant::now();
    let answering = async {
        let mut response = match caught(judge(http, &mut asked)).await {
            Ok(response) => response,
            Err(problem) => wrong(http, &asked, problem).await,
        };
        asked.body.discard(&asked.headers).await;
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Span::current()
            .record("http.status", response.status().as_u16())
            .record("duration_ms", millis(started.elapsed()));
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
async fn judge(http: &Inner, asked: &mut Asked) -> Result<Response, Problem> {
    let Asked { method, path, query, headers, line, body } = asked;
    http.names.judge(method, line.as_ref(), headers)?;
    let known = routes::recognise(method);
    if known == Known::Unknown {
        return Err(Problem::new(Kind::NotImplemented, format!("the method {method} is not known here")));
    }
    let route = &routes::parse(path.as_str(), http.api.catalog()).map_err(|none| no_route(&none, method))?;
    Span::current().record("http.route", route.label());
    let verb = match known {
        Known::Verb(verb) if route.takes(verb) => verb,
        Known::Verb(_) | Known::Unsupported | Known::Unknown => {
            return Err(home::signposted(not_allowed(route, method), route, method, http.api.catalog()));
        }
    };
    let query = Query::parse(query, route.parameters(verb))?;
    if verb == Verb::Options {
        return Ok(reply::options(route).leading(discovery::links_of(route, http.api.catalog())));
    }
    let face = acceptable(route, headers)?;
    let mut prefer = Prefer::from_headers(headers);
    if !route.launches(verb) {
        prefer.respond = None;
    }
    let call = Call { http, route, method, headers, query, prefer, face, body };
    let answer = match route {
        Route::Home | Route::Server => home::home(&call),
        Route::Health => Ok(home::health()),
        Route::Ready => home::ready(http),
        Route::Problems => home::problems(&call),
        Route::Problem(kind) => home::problem(&call, *kind),
        Route::Operations => Ok(home::operations(http)),
        Route::Operation(name) => home::operation(http, name),
        Route::Collection(name) => resources::collection(call, verb, name).await,
        Route::Resource(key) => resources::resource(call, verb, key).await,
        Route::Activity(key, activity) => jobs::activity(call, verb, key, activity).await,
        Route::LastJob(key, activity) => jobs::last(call, verb, key, activity).await,
        Route::Form(key, activity) => forms::form(&call, key, activity).await,
        Route::ActivityJob(key, activity, id) => jobs::activity_job(call, verb, key, activity, *id).await,
        Route::Jobs => jobs::all(call).await,
        Route::Job(id) => jobs::job(call, verb, *id).await,
        Route::JobLog(id) => logs::log(call, *id).await,
    }?;
    let catalog = http.api.catalog();
    // The one link of a list is the next page: whoever follows what there is comes to an end.
    let found = verb == Verb::Get && answer.status() == StatusCode::OK && !route.is_list();
    let answer = if found { answer.leading(discovery::links_of(route, catalog)) } else { answer };
    Ok(pages::faced(answer, pages::Asked { face, route: Some(route), catalog }).await)
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
fn acceptable(route: &Route, headers: &HeaderMap) -> Result<Face, Problem> {
    let available = match route {
        // Probes are answered whatever they say: they look at the status.
        Route::Health | Route::Ready => return Ok(Face::Json),
        Route::JobLog(_) if media::accepts(headers, logs::TEXT) => return Ok(Face::Json),
        Route::JobLog(_) => vec![logs::TEXT],
        Route::Home
        | Route::Server
        | Route::Problems
        | Route::Problem(_)
        | Route::Collection(_)
        | Route::Resource(_)
        | Route::Activity(..)
        | Route::LastJob(..)
        | Route::Form(..)
        | Route::ActivityJob(..)
        | Route::Jobs
        | Route::Job(_)
        | Route::Operations
        | Route::Operation(_) => match Face::preferred(headers) {
            Some(face) => return Ok(face),
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
        let bytes = self.body.read(config.body_bytes_max, config.body).await?;
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
        let bytes = self.body.read(config.body_bytes_max, config.body).await?;
        if media.is_none() && !bytes.is_empty() {
            return Err(self.unsupported(&Unsupported::Unnamed));
        }
        let request = self.change(media, &bytes)?;
        Ok(Sent { media, bytes, request })
    }

    /// A change without a body; one that is sent all the same says nothing.
    pub(super) fn change(&self, media: Option<MediaType>, body: &[u8]) -> Result<ChangeRequest, Problem> {
        Ok(ChangeRequest {
            preconditions: conditions::preconditions(self.headers)?,
            strictness: conditions::strictness(&self.prefer),
            fingerprint: conditions::fingerprint(self.method, media, body, self.headers),
            intent: Intent::Make,
            once: None,
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
