//! Event streams, as browsers read them
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use warp::Reply;
use warp::reply::Response;

/// What an event stream is.
pub(super) const EVENTS: &str = "text/event-stream";

/// An answer whose end is open.
pub(super) fn growing(kind: &'static str, body: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    let mut response = warp::reply::stream(Alone::new(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A stream that one task at a time can have: only so can it be shared.
pub(super) struct Alone<S>(Mutex<Pin<Box<S>>>);

impl<S> Alone<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Mutex::new(Box::pin(stream)))
    }
}

impl<S: Stream> Stream for Alone<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.0.get_mut().expect("nobody ever locks it").as_mut().poll_next(cx)
    }
}

/// Writes an event. Its data is one line: JSON as we write it has no other.
pub(super) fn put_event(buffer: &mut BytesMut, name: &str, id: Option<&str>, data: &[u8]) {
    debug_assert!(!data.contains(&b'\n'), "data of several lines");
    buffer.reserve(name.len() + id.map_or(0, str::len) + data.len() + 32);
    buffer.put_slice(b"event: ");
    buffer.put_slice(name.as_bytes());
    if let Some(id) = id {
        buffer.put_slice(b"\nid: ");
        buffer.put_slice(id.as_bytes());
    }
    buffer.put_slice(b"\ndata: ");
    buffer.put_slice(data);
    buffer.put_slice(b"\n\n");
}
