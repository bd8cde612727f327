//! A connection with deadlines for what the peer does.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection waits for. Shared by its socket and its service.
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

/// A socket that fails when its peer takes too long.
#[derive(Debug)]
pub(super) struct Paced {
    stream: TcpStream,
    pace: Pace,
    head: Deadline,
    stall: Deadline,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, pace: Pace, head: Duration, stall: Duration) -> Self {
        let mut head = Deadline::new(head);
        head.arm();
        Self { stream, pace, head, stall: Deadline::new(stall) }
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
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                if self.pace.get() == IDLE && buffer.filled().len() > before {
                    self.pace.set(HEAD);
                    self.head.arm();
                }
                Poll::Ready(read)
            }
            Poll::Pending if self.pace.get() == HEAD => {
                ready!(self.head.poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
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
struct Deadline {
    after: Duration,
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    const fn new(after: Duration) -> Self {
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
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}
