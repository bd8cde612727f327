//! The logs of jobs: in whole or in part, as they are or as a view of them, now
//! or while they grow.

mod tail;

use std::fs::File;
use std::io::{self, SeekFrom};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::sync::CancellationToken;
use warp::Reply;
use warp::reply::Response;

use self::tail::{CHUNK_BYTES, Format, Tail};
use super::conditions;
use super::dispatch::Call;
use super::events::{Alone, EVENTS, growing};
use super::fixed::{names, not_modified};
use super::media;
use super::problem::{Kind, Problem};
use super::query::Follow;
use super::range::{self, Part};
use super::reply::With;
use super::timing::Step;
use crate::api::{Api, AttemptLog, LogState};
use crate::domain::id::JobId;
use crate::domain::log::{LogView, Stamps, Stream as LogStream};

/// What a log is. It need not be UTF-8, but most are.
pub(super) const TEXT: &str = "text/plain";

/// The time between two looks at a log that is followed: what people take for at once.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `/v1/jobs/{job}/log`
///
/// Its tag names the attempt and how long its log is: a log only ever grows, so
/// that what is as long is the same, byte for byte. A view of it has a tag of
/// its own, and no parts.
pub(super) async fn log(call: Call<'_>, id: JobId) -> Result<Response, Problem> {
    let (attempt, view) = (call.query.attempt()?, call.query.log_view()?);
    let preconditions = conditions::preconditions(call.headers)?;
    if takes_events(call.headers) {
        return events(&call, id, attempt, view).await;
    }
    let log = call.timed(Step::Load, call.http.api.log(id, attempt)).await?;
    if let Follow::On = call.query.follow()? {
        let following = Following::new(&call, id, attempt, Tail::new(view, Format::Text, 0));
        return Ok(growing("text/plain; charset=utf-8", following.stream(Some(log))));
    }
    if !view.is_plain() {
        let tag = view_tag(&log, view);
        let value = HeaderValue::try_from(format!("\"{tag}\"")).expect("words and digits can stand in a header");
        let body = if preconditions.if_none_match.is_some_and(|tags| names(&tags, &tag, "")) {
            return Ok(not_modified(&text(StatusCode::OK, read(None, 0, 0), Some(0), value), &[ETAG, CACHE_CONTROL]));
        } else {
            snapshot(log, Tail::new(view, Format::Text, 0))
        };
        return Ok(text(StatusCode::OK, body, None, value));
    }
    let AttemptLog { number, length, file, .. } = log;
    let opaque = format!("{number}.{length}");
    let tag = HeaderValue::try_from(format!("\"{opaque}\"")).expect("digits and a dot can stand in a header");
    if preconditions.if_none_match.is_some_and(|tags| names(&tags, &opaque, "")) {
        return Ok(not_modified(&text(StatusCode::OK, read(None, 0, 0), Some(0), tag), &[ETAG, CACHE_CONTROL]));
    }
    // Ranges are for GET alone (RFC 9110, 14.2).
    let part = if call.method == Method::GET { range::wanted(call.headers, length, &tag) } else { Part::Whole };
    match part {
        Part::Whole => Ok(text(StatusCode::OK, read(file, 0, length), Some(length), tag)),
        Part::Bytes { first, last } => {
            let wanted = last - first + 1;
            let mut response = text(StatusCode::PARTIAL_CONTENT, read(file, first, wanted), Some(wanted), tag);
            response.headers_mut().insert(CONTENT_RANGE, content_range(format!("bytes {first}-{last}/{length}")));
            Ok(response)
        }
        Part::Unsatisfiable => Err(Problem::new(Kind::RangeNotSatisfiable, format!("the log has {length} bytes now"))
            .header(CONTENT_RANGE, content_range(format!("bytes */{length}")))),
    }
}

/// Whether a client takes nothing but events. Who takes anything gets text.
fn takes_events(headers: &HeaderMap) -> bool {
    !media::accepts(headers, TEXT) && media::accepts(headers, EVENTS)
}

/// A log as events, from where the client lost it on.
async fn events(call: &Call<'_>, id: JobId, attempt: Option<u32>, view: LogView) -> Result<Response, Problem> {
    // Some clients send it empty before they have any.
    let last = call.headers.get("last-event-id").filter(|value| !value.is_empty());
    let (number, skip) = match last.map(|value| (value, last_event(value))) {
        None => (attempt, 0),
        Some((_, Some((number, skip)))) => (attempt.or(Some(number)), skip),
        Some((value, None)) => {
            let detail = format!("Last-Event-ID: expected the id of an event, as in `1.512`, found {value:?}");
            return Err(Problem::new(Kind::BadRequest, detail));
        }
    };
    let log = call.timed(Step::Load, call.http.api.log(id, number)).await?;
    if log.state == LogState::Complete && skip > 0 && skip >= log.length {
        // Nothing will come any more: a browser that hears so does not ask again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let following = Following::new(call, id, number, Tail::new(view, Format::Events, skip));
    Ok(growing(EVENTS, following.stream(Some(log))))
}

/// The attempt and the offset that the id of an event names.
fn last_event(value: &HeaderValue) -> Option<(u32, u64)> {
    let (number, offset) = value.to_str().ok()?.split_once('.')?;
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(number) || !is_digits(offset) {
        return None;
    }
    Some((number.parse().ok().filter(|number| *number > 0)?, offset.parse().ok()?))
}

/// What tells a view from every other, and from the log itself.
fn view_tag(log: &AttemptLog, view: LogView) -> String {
    // What is not known yet is not shown yet.
    let known = match (log.state, &log.index) {
        (LogState::Growing, index) => index.as_ref().map_or(0, |(length, _)| *length).to_string(),
        (LogState::Complete, _) => "all".to_owned(),
    };
    let stream = view.stream.map_or("both", LogStream::as_str);
    let stamps = match view.stamps {
        Stamps::Shown => "-t",
        Stamps::Hidden => "",
    };
    format!("{}.{}.{known}-{stream}{stamps}", log.number, log.length)
}

/// A log as it is now, as a view shows it.
fn snapshot(log: AttemptLog, tail: Tail) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync {
    Alone::new(stream::try_unfold((log, tail), |(log, tail)| async move {
        let (bytes, log, tail) = read_on(log, tail).await?;
        Ok((!bytes.is_empty()).then(|| (Bytes::from(bytes), (log, tail))))
    }))
}

/// Reads on where nobody else is held up by a disk.
async fn read_on(log: AttemptLog, mut tail: Tail) -> io::Result<(Vec<u8>, AttemptLog, Tail)> {
    tokio::task::spawn_blocking(move || {
        let bytes = tail.read(&log)?;
        Ok((bytes, log, tail))
    })
    .await?
}

/// A log that is followed.
struct Following {
    api: Api,
    id: JobId,
    /// The attempt, once it is known which.
    attempt: Option<u32>,
    /// `None` once it has said the last.
    tail: Option<Tail>,
    /// Ends it with the service.
    stopping: CancellationToken,
}

impl Following {
    fn new(call: &Call<'_>, id: JobId, attempt: Option<u32>, tail: Tail) -> Self {
        let (api, stopping) = (call.http.api.clone(), call.http.stopping.clone());
        Self { api, id, attempt, tail: Some(tail), stopping }
    }

    /// What it says, until its attempt is over; `first` is how it is now.
    fn stream(self, first: Option<AttemptLog>) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::try_unfold((self, first), |(mut following, mut first)| async move {
            let next = following.next(first.take()).await?;
            Ok(next.map(|bytes| (Bytes::from(bytes), (following, None))))
        })
    }

    async fn next(&mut self, mut first: Option<AttemptLog>) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(tail) = self.tail.take() else { return Ok(None) };
            let log = match first.take() {
                Some(log) => log,
                None => match self.api.log(self.id, self.attempt).await {
                    Ok(log) => log,
                    // Forgotten meanwhile, or out of reach: there is no more to be had.
                    Err(_) => return Ok(None),
                },
            };
            if log.number > 0 {
                self.attempt = Some(log.number);
            }
            let (bytes, log, mut tail) = read_on(log, tail).await?;
            if bytes.is_empty() && log.state == LogState::Complete {
                let rest = tail.finish(log.number);
                return Ok((!rest.is_empty()).then_some(rest));
            }
            self.tail = Some(tail);
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
            tokio::select! {
                () = self.stopping.cancelled() => return Ok(None),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

fn content_range(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("digits and signs can stand in a header")
}

fn text(
    status: StatusCode,
    body: impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static,
    length: Option<u64>,
    tag: HeaderValue,
) -> Response {
    let mut response = warp::reply::stream(body).into_response();
    // What is made as it is sent has no parts that could be counted.
    response = if length.is_some() { response.in_parts() } else { response };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    headers.insert(ETAG, tag);
    // A log grows while its attempt runs.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// So many bytes of a file from an offset on, piece by piece; none without a file.
///
/// A file that ends earlier breaks the answer off: its length is promised.
fn read(file: Option<File>, offset: u64, length: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync {
    struct Reading {
        file: Option<tokio::fs::File>,
        seek: Option<u64>,
        left: u64,
    }
    let start = Reading { file: file.map(tokio::fs::File::from_std), seek: Some(offset), left: length };
    stream::try_unfold(start, |mut reading| async move {
        let Some(file) = reading.file.as_mut().filter(|_| reading.left > 0) else { return Ok(None) };
        if let Some(offset) = reading.seek.take() {
            file.seek(SeekFrom::Start(offset)).await?;
        }
        let wanted = usize::try_from(reading.left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let mut chunk = BytesMut::zeroed(wanted);
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        chunk.truncate(read);
        reading.left -= read as u64;
        Ok(Some((chunk.freeze(), reading)))
    })
}
