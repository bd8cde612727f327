//! A connection with deadlines for what the peer does.
//!
//! # Guarantees
//! Which protocol the peer speaks is found out under the deadline of the first
//! head, so that half a preface is no place to stay.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use super::ServerConfig;
use super::frames::Frames;
use super::streams::{Stage, Streams};

/// What a connection of HTTP/2 starts with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection of HTTP/1 waits for. Shared by its socket and its service.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace(Arc<AtomicU8>);

/// The head of a request.
const HEAD: u8 = 0;
/// Us.
const US: u8 = 1;
/// The first byte of the next request.
const IDLE: u8 = 2;

impl Pace {
    /// A request has come, and is ours to answer.
    pub(super) fn ours(&self) {
        self.set(US);
    }

    /// It is answered.
    pub(super) fn theirs(&self) {
        self.set(IDLE);
    }

    // One task polls both the socket and the service, so no ordering is needed.
    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a peer speaks, and what is known of where it is in that.
#[derive(Debug)]
enum Wire {
    /// HTTP/1, or not known yet.
    One(Pace),
    /// HTTP/2.
    Two {
        streams: Streams,
        frames: Frames,
        /// Told when there has been nothing to do for too long.
        idled: Arc<Notify>,
        farewell: Farewell,
    },
}

/// Whether a peer that asks for nothing has been told to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    Unsaid,
    Said,
}

/// A socket that fails when its peer takes too long.
#[derive(Debug)]
pub(super) struct Paced {
    stream: TcpStream,
    wire: Wire,
    opened: Instant,
    config: ServerConfig,
    /// What was read to find out what the peer speaks.
    seen: Bytes,
    head: Deadline,
    stall: Deadline,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, config: ServerConfig) -> Self {
        let (head, stall, opened) = (Deadline::new(config.head), Deadline::new(config.stall), Instant::now());
        Self { stream, wire: Wire::One(Pace::default()), opened, config, seen: Bytes::new(), head, stall }
    }

    /// Whether the peer begins as one does that speaks HTTP/2. To be asked first.
    pub(super) async fn begins_with_preface(&mut self) -> io::Result<bool> {
        let mut seen = Vec::with_capacity(PREFACE.len());
        while seen.len() < PREFACE.len() && PREFACE.starts_with(&seen) {
            let left = (PREFACE.len() - seen.len()) as u64;
            if (&mut *self).take(left).read_buf(&mut seen).await? == 0 {
                break;
            }
        }
        let is_preface = seen == PREFACE;
        self.seen = seen.into();
        Ok(is_preface)
    }

    /// From here on the peer speaks HTTP/1, as this says.
    pub(super) fn speaks_one(mut self, pace: Pace) -> Self {
        self.wire = Wire::One(pace);
        self
    }

    /// From here on the peer speaks HTTP/2. It is told through `idled` to be sent
    /// away.
    pub(super) fn speaks_two(mut self, streams: Streams, idled: Arc<Notify>) -> Self {
        self.wire = Wire::Two { streams, frames: Frames::new(Instant::now()), idled, farewell: Farewell::Unsaid };
        self
    }

    /// Lets a pending write go on for so long.
    fn written<T>(&mut self, cx: &mut Context<'_>, write: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.stall.disarm();
            return write;
        }
        if !self.stall.is_armed() {
            self.stall.arm();
        }
        self.stall.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Notes what has come.
    fn heard(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.wire {
            Wire::One(pace) => {
                if pace.get() == IDLE && !bytes.is_empty() {
                    pace.set(HEAD);
                    self.head.arm();
                }
                Ok(())
            }
            Wire::Two { frames, .. } => frames.follow(bytes, Instant::now()).map_err(io::Error::other),
        }
    }

    /// Ready once nothing has come for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(due) = self.due(cx) else { return Poll::Pending };
            ready!(self.head.poll_at(due, cx));
            let Wire::Two { streams, frames, idled, farewell } = &mut self.wire else { return Poll::Ready(()) };
            let is_idle = matches!(streams.stage(cx), Stage::Idle(_)) && frames.partial_since().is_none();
            if !is_idle || *farewell == Farewell::Said {
                return Poll::Ready(());
            }
            // Said, so that the peer knows that none of its requests was lost.
            *farewell = Farewell::Said;
            idled.notify_one();
        }
    }

    /// Until when something has to come.
    fn due(&self, cx: &Context<'_>) -> Option<Instant> {
        match &self.wire {
            Wire::One(pace) if pace.get() == HEAD => Some(self.head.at.unwrap_or(self.opened + self.config.head)),
            Wire::One(_) => None,
            Wire::Two { streams, frames, farewell, .. } => {
                let silence = match (streams.stage(cx), farewell) {
                    (Stage::Fresh, _) => Some(self.opened + self.config.head),
                    (Stage::Busy(_), _) => None,
                    (Stage::Idle(since), Farewell::Unsaid) => Some(since + self.config.idle),
                    (Stage::Idle(since), Farewell::Said) => Some(since + self.config.idle + self.config.head),
                };
                let partial = frames.partial_since().map(|since| since + self.config.head);
                silence.into_iter().chain(partial).min()
            }
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.seen.is_empty() {
            let length = self.seen.len().min(buffer.remaining());
            buffer.put_slice(&self.seen.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(self.heard(&buffer.filled()[before..])),
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                ready!(self.poll_silence(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, write)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A deadline whose timer exists only once somebody has to wait for it, which
/// on a connection that keeps up is never.
#[derive(Debug)]
pub(super) struct Deadline {
    after: Duration,
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) const fn new(after: Duration) -> Self {
        Self { after, at: None, timer: None }
    }

    fn arm(&mut self) {
        self.at = Some(Instant::now() + self.after);
    }

    const fn disarm(&mut self) {
        self.at = None;
    }

    const fn is_armed(&self) -> bool {
        self.at.is_some()
    }

    /// Ready once the deadline has passed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        self.poll_at(at, cx)
    }

    /// Ready once that much time has passed since then.
    pub(super) fn poll_from(&mut self, since: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_at(since + self.after, cx)
    }

    /// Ready once this instant has passed.
    fn poll_at(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}
