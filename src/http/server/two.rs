//! Connections of HTTP/2 with prior knowledge (RFC 9113, 3.3).
//!
//! # Guarantees
//! What one connection can ask for at once, and make us keep, is bounded by the
//! limits below, each with its reason. The task of a request ends with its
//! connection.
//! # Not here
//! Deadlines and floods: [`super::pace`]. Upgrading from HTTP/1.1 (`h2c`), which
//! RFC 9113 has given up.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pace::Paced;
use super::streams::Streams;
use super::{Ending, ServerConfig, drive};

/// Room for the body of one request that is not read yet. A body of the largest
/// size by default takes four round trips.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Room for those of all requests of a connection: what a connection can make us
/// keep that nobody reads.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// The smallest that there may be (RFC 9113, 6.5.2): requests of a connection
/// take turns at least so often.
const FRAME_BYTES_MAX: u32 = 16 * 1024;

/// How much of an answer may wait to be sent: enough to keep a fast line busy,
/// and little enough for many answers at once.
const SEND_BYTES_MAX: usize = 64 * 1024;

/// Streams that the peer has reset before we looked at them. Who takes a request
/// back at once, again and again, wants nothing but our work (CVE-2023-44487).
const RESETS_PENDING_MAX: usize = 20;

/// Streams that we have reset because of what the peer sent. A client that works
/// has none.
const RESETS_OURS_MAX: usize = 100;

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) ending: Ending,
    pub(super) tasks: TaskTracker,
    /// A turn for each request of HTTP/2 that may be under way: as many as there
    /// may be connections, each of which has one in HTTP/1.
    pub(super) turns: Arc<Semaphore>,
}

/// Serves one connection to its end.
pub(super) async fn serve<S, B>(config: &ServerConfig, socket: Paced, service: S, shared: &Shared) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (streams, idled) = (Streams::default(), Arc::new(Notify::new()));
    let gone = shared.ending.cut.child_token();
    let _gone = gone.clone().drop_guard();
    let tasks = Tasks { tasks: shared.tasks.clone(), gone, streams: streams.clone(), stall: config.stall };
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_max)
        .max_header_list_size(u32::try_from(config.head_bytes_max).unwrap_or(u32::MAX))
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_OURS_MAX)
        .keep_alive_interval(config.ping)
        .keep_alive_timeout(config.ping);
    let turns = Arc::clone(&shared.turns);
    let service = service_fn({
        let streams = streams.clone();
        move |request: Request<Incoming>| {
            let under_way = streams.begin();
            let (method, turns) = (request.method().clone(), Arc::clone(&turns));
            let answering = service.call(request);
            async move {
                // The semaphore is never closed.
                let turn = turns.acquire_owned().await.ok();
                let answer = answering.await?;
                Ok::<_, Infallible>(under_way.answer(&method, turn, answer))
            }
        }
    });
    let io = TokioIo::new(socket.speaks_two(streams, Arc::clone(&idled)));
    let connection = builder.serve_connection(io, service);
    drive(connection, |connection| connection.graceful_shutdown(), &shared.ending, idled.notified()).await
}

/// Runs the tasks of one connection, at most for as long as it lasts.
#[derive(Debug, Clone)]
struct Tasks {
    tasks: TaskTracker,
    gone: CancellationToken,
    streams: Streams,
    stall: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let task = self.streams.run(task, self.stall);
        // A task hears itself that its connection is gone; the end of the
        // service must not depend on it.
        let gone = self.gone.clone();
        self.tasks.spawn(async move {
            gone.run_until_cancelled(task).await;
        });
    }
}
