//! Watching over HTTP: streams of events, and requests that wait for a change.
//!
//! # Guarantees
//! A stream holds what it is about to write and no more; who does not read it
//! is cut off with his connection. The end of the service ends every stream at
//! once.
//! # Not here
//! What is told, and in which order: [`crate::api`].

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use warp::reply::Response;

use super::body::Payload;
use super::dispatch::{Call, handle};
use super::events::{EVENTS, growing, put_event};
use super::media;
use super::prefer::Prefer;
use super::problem::{Kind, Problem};
use super::reply::With;
use super::resources::seen;
use super::routes::{Route, Verb};
use super::timing::Step;
use crate::api::{ApiError, LogPlace, Told, WatchFrom, Watched, Watching};
use crate::domain::fields::Fields;
use crate::domain::version::Revision;
use crate::metrics::{Metrics, Present};

/// Where a client lost the stream on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long a stream is silent before it says that it is still there: shorter
/// than what proxies take for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many bytes are written at once where there is so much to tell.
const CHUNK_BYTES: usize = 32 * 1024;

/// How long a client stays away after a stream ended, in milliseconds.
const RETRY: u64 = 1_000;
/// By how much more at most when the service ends: not all come back at once.
const RETRY_SPREAD: u64 = 2_000;

/// What there are streams of, as metrics name it.
const KINDS: [&str; 4] = ["resource", "collection", "job", "jobs"];

/// Whether a request is for a stream.
pub(super) fn wants_stream(route: &Route, verb: Verb, headers: &HeaderMap) -> bool {
    verb == Verb::Get && has_stream(route) && media::prefers_events(headers)
}

/// Whether there are streams on a route.
pub(super) const fn has_stream(route: &Route) -> bool {
    matches!(route, Route::Collection(_) | Route::Resource(_) | Route::Job(_) | Route::Jobs)
}

/// What a request waits for a change of, if it can.
fn watched(call: &Call<'_>) -> Result<Option<Watched>, Problem> {
    Ok(match call.route {
        Route::Collection(name) => Some(Watched::Collection(name.clone())),
        Route::Resource(key)
        | Route::Activity(key, _)
        | Route::EditableActivity(key, _)
        | Route::Member(key, _)
        | Route::LastJob(key, _)
        | Route::Ticks(key, _)
        | Route::ActivityJob(key, _, _) => Some(Watched::Resource(key.clone())),
        Route::Job(id) => Some(Watched::Job(*id)),
        Route::Jobs => Some(Watched::Jobs(call.query.job_filter()?)),
        Route::Home
        | Route::Server
        | Route::Health
        | Route::Ready
        | Route::Metrics
        | Route::Backup
        | Route::OpenApi
        | Route::Schema(_)
        | Route::Problems
        | Route::Problem(_)
        | Route::Form(..)
        | Route::JobLog(_)
        | Route::JobQueue(_)
        | Route::Operations
        | Route::Operation(_)
        | Route::Leases(_) => None,
    })
}

/// Answers a GET, and if the client has what there is already, once there is
/// something else or its patience is over.
pub(super) async fn read(call: Call<'_>) -> Result<Response, Problem> {
    let wait = call.prefer.wait.filter(|_| call.headers.contains_key(IF_NONE_MATCH));
    let (Some(wait), Some(watched)) = (wait, watched(&call)?) else { return handle(call, Verb::Get).await };
    let deadline = Instant::now() + wait;
    // Before the first look, so that nothing falls in between.
    let mut changes = call.http.api.changes_of(&watched);
    let mut waits = true;
    loop {
        let mut body = Payload::empty();
        let response = handle(again(&call, &mut body), Verb::Get).await?;
        if !waits || response.status() != StatusCode::NOT_MODIFIED {
            return Ok(response.honouring(Prefer { wait: call.prefer.wait, ..Prefer::default() }));
        }
        let woken = async {
            tokio::select! {
                biased;
                () = call.http.stopping.cancelled() => false,
                () = changes.changed() => true,
                () = sleep_until(deadline) => false,
            }
        };
        waits = call.timed(Step::Wait, woken).await;
    }
}

/// The same request once more.
fn again<'a>(call: &Call<'a>, body: &'a mut Payload) -> Call<'a> {
    Call { query: call.query.clone(), once: None, body, ..*call }
}

/// A stream of what is there and of every change of it.
pub(super) async fn stream(call: &Call<'_>) -> Result<Response, Problem> {
    let from = from(call)?;
    let fields = call.query.fields()?;
    let Some(watched) = watched(call)? else { return Err(Problem::new(Kind::NotFound, "there is nothing to watch")) };
    let open = Open::count(&call.http.config.metrics, &watched);
    let watching = call.timed(Step::Load, call.http.api.watch(watched, from)).await?;
    let streaming =
        Streaming { watching, fields, stopping: call.http.stopping.clone(), stage: Stage::Begins, _open: open };
    let mut response = growing(EVENTS, streaming.stream());
    // What stands between must not gather it.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// From where on the client wants to be told. Where it lost the stream on says
/// more than the URL that it began with.
fn from(call: &Call<'_>) -> Result<WatchFrom, Problem> {
    // Some clients send it empty before they have any.
    let last = call.headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    let (name, text) = match (last, call.query.after()) {
        (Some(last), _) => ("Last-Event-ID", last.to_str().unwrap_or_default()),
        (None, Some(after)) => ("the query parameter `after`", after),
        (None, None) => return Ok(WatchFrom::Now),
    };
    place(text).ok_or_else(|| {
        let expected = "the id of an event or the revision of a list, as in `812-0` or `812`";
        Problem::new(Kind::BadRequest, format!("{name}: expected {expected}, found {text:?}"))
    })
}

/// A place in the change log, as clients spell it.
fn place(text: &str) -> Option<WatchFrom> {
    let digits =
        |text: &str| (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.to_owned());
    let revision = |text| digits(text)?.parse().ok().map(Revision::from_number);
    Some(match text.split_once('-') {
        None => WatchFrom::AfterRevision(revision(text)?),
        Some((commit, n)) => WatchFrom::After(LogPlace { revision: revision(commit)?, n: digits(n)?.parse().ok()? }),
    })
}

fn spelled(at: LogPlace) -> String {
    format!("{}-{}", at.revision, at.n)
}

/// A stream under way.
struct Streaming {
    watching: Watching,
    fields: Option<Fields>,
    /// Ends it with the service.
    stopping: CancellationToken,
    stage: Stage,
    _open: Open,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begins,
    Goes,
    Ended,
}

impl Streaming {
    fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::unfold(self, |mut streaming| async move {
            let chunk = streaming.chunk().await?;
            Some((Ok(chunk), streaming))
        })
    }

    /// The next bytes, as soon as there is something to tell; `None` after the last ones.
    async fn chunk(&mut self) -> Option<Bytes> {
        let mut buffer = BytesMut::new();
        match self.stage {
            Stage::Begins => {
                buffer.put_slice(format!("retry: {RETRY}\n\n").as_bytes());
                self.stage = Stage::Goes;
            }
            Stage::Goes => {}
            Stage::Ended => return None,
        }
        if let Err(error) = self.gather(&mut buffer).await {
            // The client comes back, and is told why if it lasts.
            if matches!(error, ApiError::NotFound { .. }) {
                debug!(%error, "a stream ends: what it is about is out of service");
            } else {
                warn!(error = &error as &dyn std::error::Error, "a stream ends early");
            }
            self.stage = Stage::Ended;
        }
        (!buffer.is_empty()).then(|| buffer.freeze())
    }

    /// Whatever there is to tell now, or else the first thing that comes.
    async fn gather(&mut self, buffer: &mut BytesMut) -> Result<(), ApiError> {
        while buffer.len() < CHUNK_BYTES && !self.stopping.is_cancelled() {
            let told = if buffer.is_empty() {
                let (stopping, silent) = (self.stopping.clone(), sleep(HEARTBEAT));
                let patience = async {
                    tokio::select! {
                        () = stopping.cancelled() => {}
                        () = silent => {}
                    }
                };
                self.watching.next(patience).await?
            } else {
                self.watching.next(std::future::ready(())).await?
            };
            match told {
                Some(told) => self.write(buffer, told),
                None if !buffer.is_empty() => return Ok(()),
                None if self.stopping.is_cancelled() => {}
                None => {
                    buffer.put_slice(b":\n");
                    // Who comes back after a long silence need not begin where it began.
                    if let Some(at) = self.watching.told_upto() {
                        buffer.put_slice(format!("id: {}\n", spelled(at)).as_bytes());
                    }
                    buffer.put_slice(b"\n");
                }
            }
        }
        if self.stopping.is_cancelled() {
            let retry = RETRY + self.watching.number() * 37 % RETRY_SPREAD;
            buffer.put_slice(format!(": the service stops, come back\nretry: {retry}\n\n").as_bytes());
            self.stage = Stage::Ended;
        }
        Ok(())
    }

    fn write(&self, buffer: &mut BytesMut, told: Told) {
        match told {
            Told::Reset => put_event(buffer, "reset", None, b"{}"),
            Told::Put { at, body } => {
                let body = seen(body, self.fields.as_ref());
                put_event(buffer, "put", at.map(spelled).as_deref(), &body);
            }
            Told::Delete { at, body } => put_event(buffer, "delete", Some(&spelled(at)), &body),
            Told::Sync(at) => {
                let data = format!("{{\"revision\":{}}}", at.revision);
                put_event(buffer, "sync", Some(&spelled(at)), data.as_bytes());
            }
        }
    }
}

/// That a stream is open, until it is dropped.
struct Open(Present);

impl Open {
    fn count(metrics: &Metrics, watched: &Watched) -> Self {
        let kind = match watched {
            Watched::Resource(_) => "resource",
            Watched::Collection(_) => "collection",
            Watched::Job(_) => "job",
            Watched::Jobs(_) => "jobs",
        };
        let open = present(metrics, kind);
        open.come(1);
        Self(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.gone(1);
    }
}

fn present(metrics: &Metrics, kind: &str) -> Present {
    metrics.present("heeler_watchers", "Streams of changes that are open, by what is watched.", &[("kind", kind)])
}

/// Registers what is counted here.
pub(super) fn register(metrics: &Metrics) {
    for kind in KINDS {
        present(metrics, kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_id_of_an_event_or_the_revision_of_a_list() {
        let at = |revision, n| LogPlace { revision: Revision::from_number(revision), n };
        assert_eq!(place("812-3"), Some(WatchFrom::After(at(812, 3))));
        assert_eq!(place("812"), Some(WatchFrom::AfterRevision(Revision::from_number(812))));
        assert_eq!(spelled(at(812, 3)), "812-3");
        for wrong in ["", "-", "812-", "-1", "+1", "1-+1", "1-1-1", "1.1", "99999999999999999999", "1-99999999999", "a"]
        {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
