//! The logs of jobs, in whole or in part.

use std::fs::File;
use std::io::{self, SeekFrom};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderValue, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use warp::Reply;
use warp::reply::Response;

use super::conditions;
use super::dispatch::Call;
use super::fixed::{names, not_modified};
use super::problem::{Kind, Problem};
use super::range::{self, Part};
use super::reply::With;
use super::timing::Step;
use crate::api::AttemptLog;
use crate::domain::id::JobId;

/// What a log is. It need not be UTF-8, but most are.
pub(super) const TEXT: &str = "text/plain";

/// How much of a log is in memory at a time, for each client that reads one.
const CHUNK_BYTES: usize = 64 * 1024;

/// `/v1/jobs/{job}/log`
///
/// Its tag names the attempt and how long its log is: a log only ever grows, so
/// that what is as long is the same, byte for byte.
pub(super) async fn log(call: Call<'_>, id: JobId) -> Result<Response, Problem> {
    let attempt = call.query.attempt()?;
    let preconditions = conditions::preconditions(call.headers)?;
    let AttemptLog { number, length, file } = call.timed(Step::Load, call.http.api.log(id, attempt)).await?;
    let opaque = format!("{number}.{length}");
    let tag = HeaderValue::try_from(format!("\"{opaque}\"")).expect("digits and a dot can stand in a header");
    if preconditions.if_none_match.is_some_and(|tags| names(&tags, &opaque, "")) {
        return Ok(not_modified(&text(StatusCode::OK, read(None, 0, 0), 0, tag), &[ETAG, CACHE_CONTROL]));
    }
    // Ranges are for GET alone (RFC 9110, 14.2).
    let part = if call.method == Method::GET { range::wanted(call.headers, length, &tag) } else { Part::Whole };
    match part {
        Part::Whole => Ok(text(StatusCode::OK, read(file, 0, length), length, tag)),
        Part::Bytes { first, last } => {
            let wanted = last - first + 1;
            let mut response = text(StatusCode::PARTIAL_CONTENT, read(file, first, wanted), wanted, tag);
            response.headers_mut().insert(CONTENT_RANGE, content_range(format!("bytes {first}-{last}/{length}")));
            Ok(response)
        }
        Part::Unsatisfiable => Err(Problem::new(Kind::RangeNotSatisfiable, format!("the log has {length} bytes now"))
            .header(CONTENT_RANGE, content_range(format!("bytes */{length}")))),
    }
}

fn content_range(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("digits and signs can stand in a header")
}

fn text(
    status: StatusCode,
    body: impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static,
    length: u64,
    tag: HeaderValue,
) -> Response {
    let mut response = warp::reply::stream(body).into_response().in_parts();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, length.into());
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
