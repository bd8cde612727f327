//! The bodies of requests: bounded in size and in time.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

use super::problem::{Kind, Problem};

/// Refuses a body in a coding, since none is undone here (RFC 9110, 8.4).
pub(super) fn judge_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let coded =
        headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !coded {
        return Ok(());
    }
    let problem = Problem::new(Kind::UnsupportedMediaType, "the body is in a coding: send it without Content-Encoding");
    Err(problem.header(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

/// The body of a request, as it comes.
pub(super) struct Payload {
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync>>,
    ended: bool,
    /// What was read, once it was.
    whole: Option<Bytes>,
}

/// How much of an unwanted body is read on, so that a client that is still
/// sending gets to see the answer instead of a broken connection.
const DISCARD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How long that may take: the answer waits for it.
const DISCARD_MAX: Duration = Duration::from_secs(1);

impl Payload {
    /// The body that a stream of buffers makes.
    pub(super) fn new<B: Buf>(stream: impl Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static) -> Self {
        let stream = stream.map(|chunk| chunk.map(|mut chunk| chunk.copy_to_bytes(chunk.remaining())));
        Self { stream: Box::pin(stream), ended: false, whole: None }
    }

    /// The body of a request that has none.
    pub(super) fn empty() -> Self {
        Self { stream: Box::pin(futures_util::stream::empty()), ended: true, whole: Some(Bytes::new()) }
    }

    /// Reads all of it, at most `limit` bytes, in at most `within`. What was
    /// read is given again to who asks again.
    pub(super) async fn read(&mut self, limit: usize, within: Duration) -> Result<Bytes, Problem> {
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        if let Ok(read) = tokio::time::timeout(within, self.collect(limit)).await {
            self.whole = read.as_ref().ok().cloned();
            return read;
        }
        // What has not come by now is not waited for again.
        self.ended = true;
        Err(Problem::new(Kind::Timeout, "the body of the request did not arrive in time"))
    }

    async fn collect(&mut self, limit: usize) -> Result<Bytes, Problem> {
        let mut whole = Bytes::new();
        let mut parts = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            if whole.len() + parts.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            // Most bodies are one chunk, which is then not copied.
            if whole.is_empty() && parts.is_empty() {
                whole = chunk;
            } else {
                parts.extend_from_slice(&std::mem::take(&mut whole));
                parts.extend_from_slice(&chunk);
            }
        }
        Ok(if parts.is_empty() { whole } else { parts.freeze() })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self.stream.next().await {
            Some(Ok(chunk)) => Ok(Some(chunk)),
            None => {
                self.ended = true;
                Ok(None)
            }
            Some(Err(_)) => {
                self.ended = true;
                Err(Problem::new(Kind::BadRequest, "the body of the request is broken or ended early"))
            }
        }
    }

    /// Reads on to the end, within bounds, and forgets it.
    pub(super) async fn discard(&mut self, headers: &HeaderMap) {
        // Whoever expects 100 (Continue) sends nothing before it, and reading would send it.
        let unwanted =
            headers.contains_key(EXPECT) || declared(headers).is_some_and(|length| length > DISCARD_BYTES_MAX);
        if self.ended || unwanted || !is_announced(headers) {
            return;
        }
        let reading = async {
            let mut left = DISCARD_BYTES_MAX;
            while let Ok(Some(chunk)) = self.next().await {
                match left.checked_sub(chunk.len() as u64) {
                    Some(fewer) => left = fewer,
                    None => break,
                }
            }
        };
        // Late or not, the answer is sent now.
        tokio::time::timeout(DISCARD_MAX, reading).await.unwrap_or_default();
    }
}

/// Refuses a body that says it is too large, before it is read.
pub(super) fn judge_length(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    match declared(headers) {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        Some(_) | None => Ok(()),
    }
}

/// Whether a request has a body, be it an empty one (RFC 9112, 6).
pub(super) fn is_announced(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || declared(headers).is_some_and(|length| length > 0)
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Kind::TooLarge, format!("the body of the request is larger than {limit} bytes")).with("limit", limit)
}
