//! The accept loop: connections, and how long each may take over things.
//!
//! HTTP/1 and, with prior knowledge, HTTP/2 on the same port.
//!
//! # Guarantees
//! No client can hold a connection without sending or reading: the head of a
//! request, the pause between two requests and a stalled answer each have a
//! deadline. At most [`ServerConfig::connections_max`] connections are open;
//! further ones wait in the backlog of the socket. Running out of file
//! descriptors delays new connections and never ends the loop. Once the
//! shutdown resolves, requests under way get [`ServerConfig::drain`] to finish.
//! # Assumptions
//! The body of a request is read under a deadline by the service.
//! # Not here
//! What requests mean: the service. TLS: a proxy.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::metrics::Present;

mod frames;
mod pace;
mod streams;
mod two;

use pace::{Pace, Paced};
use two::Shared;

/// How long connections may take over things, and how many there may be.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The most open connections, and the most requests of HTTP/2 under way on
    /// all of them together.
    pub connections_max: usize,
    /// The most requests under way on one connection of HTTP/2.
    pub streams_max: u32,
    /// From the first byte of a request, or the start of a connection, to the
    /// end of the request's head.
    pub head: Duration,
    /// From the end of an answer to the first byte of the next request.
    pub idle: Duration,
    /// How long an answer may wait for a client that does not read.
    pub stall: Duration,
    /// How often a peer of HTTP/2 is asked whether it is still there, and how
    /// long it may take to say so.
    pub ping: Duration,
    /// How long requests under way may go on after the shutdown.
    pub drain: Duration,
    /// The largest head of a request, in bytes.
    pub head_bytes_max: usize,
}

impl ServerConfig {
    /// Each connection costs a file descriptor and some buffers; this many fit
    /// under the customary limit of 1,024 descriptors with room for the rest.
    pub const CONNECTIONS_MAX: usize = 900;
    /// The least that RFC 9113, 6.5.2 recommends, which clients count on.
    pub const STREAMS_MAX: u32 = 100;
    /// A head is one packet or two: who needs longer is not a slow client.
    pub const HEAD: Duration = Duration::from_secs(10);
    /// Long enough that a person who clicks about keeps one connection.
    pub const IDLE: Duration = Duration::from_secs(60);
    /// A client that reads nothing for so long is gone.
    pub const STALL: Duration = Duration::from_secs(30);
    /// While a request waits long, only this tells a lost line from a patient client.
    pub const PING: Duration = Duration::from_secs(20);
    /// Shorter than what supervisors wait between SIGTERM and SIGKILL.
    pub const DRAIN: Duration = Duration::from_secs(10);
    /// Room for long tokens and many cookies, and no more.
    pub const HEAD_BYTES_MAX: usize = 32 * 1024;
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            connections_max: Self::CONNECTIONS_MAX,
            streams_max: Self::STREAMS_MAX,
            head: Self::HEAD,
            idle: Self::IDLE,
            stall: Self::STALL,
            ping: Self::PING,
            drain: Self::DRAIN,
            head_bytes_max: Self::HEAD_BYTES_MAX,
        }
    }
}

/// How long to wait before the next accept after one failed for want of
/// resources: they come back when connections end, which takes about so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server over sockets that the caller has bound.
#[derive(Debug, Clone)]
pub struct Server {
    config: ServerConfig,
    open: Present,
}

/// What ends connections.
#[derive(Debug, Clone)]
struct Ending {
    /// No further requests.
    stop: CancellationToken,
    /// Nothing further at all.
    cut: CancellationToken,
}

impl Server {
    /// A server that goes by this configuration.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self { config, open: Present::default() }
    }

    /// The same, which counts the connections that are open.
    #[must_use]
    pub fn counting(self, open: Present) -> Self {
        Self { open, ..self }
    }

    /// Serves until the shutdown resolves and the requests then under way are
    /// answered, or the drain is over.
    pub async fn run<S, B>(self, listeners: Vec<TcpListener>, service: S, shutdown: impl Future<Output = ()>)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let connections = TaskTracker::new();
        let ending = Ending { stop: CancellationToken::new(), cut: CancellationToken::new() };
        let turns = Arc::new(Semaphore::new(self.config.connections_max));
        let shared = Shared { ending: ending.clone(), tasks: connections.clone(), turns };
        let slots = Arc::new(Semaphore::new(self.config.connections_max));
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = next(&listeners, &slots) => accepted,
            };
            match accepted {
                Ok((stream, slot)) => {
                    let serving = connection(self.config.clone(), stream, service.clone(), shared.clone());
                    let open = self.open.clone();
                    open.come(1);
                    connections.spawn(async move {
                        serving.await;
                        open.gone(1);
                        drop(slot);
                    });
                }
                Err(error) if is_of_one_connection(&error) => {
                    debug!(%error, "a connection was lost before it was accepted")
                }
                Err(error) => {
                    warn!(%error, "cannot accept connections for now");
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
        // Whoever connects from now on is refused by the system and can go elsewhere.
        drop(listeners);
        connections.close();
        ending.stop.cancel();
        if tokio::time::timeout(self.config.drain, connections.wait()).await.is_err() {
            warn!(connections = connections.len(), "cutting the requests that did not finish in time");
            ending.cut.cancel();
            connections.wait().await;
        }
    }
}

/// Waits for a free slot, then for a connection on any of the sockets.
async fn next(listeners: &[TcpListener], slots: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _peer) = poll_fn(|cx| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await?;
    Ok((stream, slot))
}

/// Whether a failure to accept says nothing about the next connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Serves one connection to its end.
async fn connection<S, B>(config: ServerConfig, stream: TcpStream, service: S, shared: Shared)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Answers are written whole; waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "the connection was lost at once");
        return;
    }
    let mut socket = Paced::new(stream, config.clone());
    let speaks_two = tokio::select! {
        speaks_two = socket.begins_with_preface() => speaks_two,
        () = shared.ending.stop.cancelled() => return,
    };
    let served = match speaks_two {
        Ok(true) => two::serve(&config, socket, service, &shared).await,
        Ok(false) => one(&config, socket, service, &shared.ending).await,
        Err(error) => {
            debug!(%error, "the connection ended before its first request");
            return;
        }
    };
    if let Err(error) = served {
        debug!(%error, "the connection ended early");
    }
}

/// Serves one connection of HTTP/1 to its end.
async fn one<S, B>(config: &ServerConfig, socket: Paced, service: S, ending: &Ending) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let pace = Pace::default();
    let io = TokioIo::new(socket.speaks_one(pace.clone()));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // This timer runs between requests as well, so it is the longer one;
        // the head itself is timed by `Paced`.
        .header_read_timeout(config.idle)
        .max_header_size(config.head_bytes_max);
    let service = service_fn(|request| {
        pace.ours();
        let answering = service.call(request);
        let pace = pace.clone();
        async move {
            let answer = answering.await;
            pace.theirs();
            answer
        }
    });
    let connection = builder.serve_connection(io, service);
    // The timer ends an idle one.
    drive(connection, |connection| connection.graceful_shutdown(), ending, pending::<()>()).await
}

/// Works on a connection until it ends: by itself, or in good order once it has
/// idled or the service stops, or at once when it is cut.
async fn drive<C>(
    connection: C,
    end: impl Fn(Pin<&mut C>),
    ending: &Ending,
    idled: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = ending.stop.cancelled() => {}
        () = idled => {}
    }
    end(connection.as_mut());
    tokio::select! {
        served = connection => served,
        () = ending.cut.cancelled() => Ok(()),
    }
}
