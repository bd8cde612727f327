//! The requests that are under way on one connection of HTTP/2.
//!
//! # Guarantees
//! A connection without any is seen to be idle at once. An answer whose client
//! makes no room for it, though others of the same connection go on, is given
//! up alone. A large answer does not stand in the way of small ones.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::CONTENT_LENGTH;
use http::{Method, Response};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::pace::Deadline;

/// The most bytes of an answer that are handed on at once: as many as go into a
/// frame, so that the answers of a connection take turns.
const PIECE_BYTES: usize = 16 * 1024;

/// The requests of one connection: its socket, its service and its tasks share
/// what they know of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    stage: Stage,
    /// The stream whose request was taken last, until its task has it.
    begun: Option<Stream>,
    /// The task of the connection.
    waker: Option<Waker>,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stage {
    /// No request has come yet.
    #[default]
    Fresh,
    /// So many requests are under way.
    Busy(usize),
    /// None is any more, since then.
    Idle(Instant),
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to do. The task that asks is woken when there is nothing
    /// any more.
    pub(super) fn stage(&self, cx: &Context<'_>) -> Stage {
        let mut inner = self.lock();
        if !inner.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            inner.waker = Some(cx.waker().clone());
        }
        inner.stage
    }

    /// A request has come.
    pub(super) fn begin(&self) -> UnderWay {
        let stream = Stream::default();
        let mut inner = self.lock();
        inner.stage = match inner.stage {
            Stage::Busy(count) => Stage::Busy(count + 1),
            Stage::Fresh | Stage::Idle(_) => Stage::Busy(1),
        };
        inner.begun = Some(stream.clone());
        UnderWay { streams: self.clone(), stream }
    }

    /// Runs the task of the stream whose request was taken just now, until it
    /// ends or its client has not made room for the answer in this time.
    ///
    /// The protocol takes a request and starts its task in one breath, so there
    /// is never more than one stream to hand over.
    pub(super) fn run<T>(&self, task: T, stall: Duration) -> impl Future<Output = ()> + use<T>
    where
        T: Future<Output = ()>,
    {
        let stream = self.lock().begun.take().unwrap_or_default();
        async move {
            let mut task = pin!(task);
            let mut deadline = Deadline::new(stall);
            poll_fn(|cx| {
                if task.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                match stream.owed_since() {
                    Some(since) => deadline.poll_from(since, cx),
                    None => Poll::Pending,
                }
            })
            .await;
        }
    }

    fn end(&self) {
        let mut inner = self.lock();
        inner.stage = match inner.stage {
            Stage::Busy(count) if count > 1 => Stage::Busy(count - 1),
            Stage::Busy(_) | Stage::Fresh | Stage::Idle(_) => Stage::Idle(Instant::now()),
        };
        if matches!(inner.stage, Stage::Idle(_))
            && let Some(waker) = inner.waker.take()
        {
            waker.wake();
        }
    }
}

/// One request and its answer: since when its client owes us room for the next
/// piece of it, if it does.
#[derive(Debug, Clone, Default)]
struct Stream(Arc<Mutex<Option<Instant>>>);

impl Stream {
    fn owed_since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owe(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    streams: Streams,
    stream: Stream,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.streams.end();
    }
}

impl UnderWay {
    /// The answer, in pieces. The turn is given back when all is handed on.
    pub(super) fn answer<B: Body>(
        self,
        method: &Method,
        turn: Option<OwnedSemaphorePermit>,
        answer: Response<B>,
    ) -> Response<Pieces<B>> {
        let (mut head, body) = answer.into_parts();
        let length = body.size_hint().exact();
        // The protocol would send it (RFC 9110, 9.3.2).
        let body = (method != Method::HEAD).then(|| Box::pin(body));
        if let (None, Some(length)) = (&body, length) {
            head.headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        self.stream.owe(Some(Instant::now()));
        Response::from_parts(head, Pieces { body, rest: Bytes::new(), under_way: self, _turn: turn })
    }
}

/// A body that is handed on piece by piece.
pub(super) struct Pieces<B> {
    /// `None` where only the head is wanted.
    body: Option<Pin<Box<B>>>,
    /// What has come of the body and is not handed on yet.
    rest: Bytes,
    under_way: UnderWay,
    _turn: Option<OwnedSemaphorePermit>,
}

impl<B> fmt::Debug for Pieces<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("rest", &self.rest.len()).finish_non_exhaustive()
    }
}

impl<B: Body> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        // Whoever asks has room again; what is waited for now is ours.
        self.under_way.stream.owe(None);
        while self.rest.is_empty() {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let Some(frame) = ready!(body.as_mut().poll_frame(cx)?) else { return Poll::Ready(None) };
            match frame.into_data() {
                Ok(mut data) => self.rest = data.copy_to_bytes(data.remaining()),
                Err(trailers) => {
                    let trailers = trailers.into_trailers().unwrap_or_default();
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        self.under_way.stream.owe(Some(Instant::now()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint());
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
