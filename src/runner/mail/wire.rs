//! The connection to a relay.
//!
//! # Guarantees
//! A line that was sent before TLS began is never taken for one that came
//! through it: what is read is handed on line by line, and what follows the
//! line that TLS begins with stays below TLS, which does not understand it.
//! A relay that never stops talking is heard for a while only.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The most that a relay says to one letter, in bytes: it is some lines, and a
/// chain of certificates. An answer of many lines costs their square to read.
const HEARD_BYTES_MAX: usize = 32 * 1024;

/// A connection, read line by line.
pub(super) struct Wire {
    stream: Inner,
    peer: SocketAddr,
    held: Vec<u8>,
    heard: usize,
}

enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(super) const fn plain(stream: TcpStream, peer: SocketAddr) -> Self {
        Self { stream: Inner::Plain(stream), peer, held: Vec::new(), heard: 0 }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, peer: SocketAddr) -> Self {
        Self { stream: Inner::Tls(Box::new(stream)), peer, held: Vec::new(), heard: 0 }
    }

    /// Gives out what is held, up to the end of a line.
    fn give(&mut self, into: &mut ReadBuf<'_>) {
        let line = self.held.iter().position(|byte| *byte == b'\n').map_or(self.held.len(), |end| end + 1);
        let given = line.min(into.remaining());
        into.put_slice(&self.held[..given]);
        self.held.drain(..given);
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.held.is_empty() {
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(match &mut this.stream {
                Inner::Plain(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
                Inner::Tls(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            })?;
            this.heard += buffer.filled().len();
            if this.heard > HEARD_BYTES_MAX {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the relay says too much")));
            }
            this.held.extend_from_slice(buffer.filled());
        }
        this.give(into);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Inner::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Inner::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
