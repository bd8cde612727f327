//! A download: one request, one connection, a body as long as it comes.
//!
//! # Guarantees
//! No more than a piece of the body is held in memory.
//! # Not here
//! Whether all of it has come: the backup says so itself. TLS: it talks to a
//! service on this machine, or through a tunnel.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::time::timeout;

use super::exit::Failure;

const PATH: &str = "/v1/admin/backup";

/// The longest time to connect and to be answered: a service answers at once.
const ANSWER: Duration = Duration::from_secs(30);

/// The longest time between two pieces: before the first one, others may have
/// their turn, and read at their own pace.
const PIECE: Duration = Duration::from_secs(60 * 60);

/// The most that is read of a refusal.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Asks a service for a backup; each piece goes to `write`.
pub(super) fn backup(
    server: &str,
    who: Option<HeaderValue>,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::System(error.into()))?;
    runtime.block_on(async {
        let stream = in_time(ANSWER, server, TcpStream::connect(server)).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(server, error))?;
        let request = request(server, who)?;
        let download = async {
            let response = in_time(ANSWER, server, sender.send_request(request)).await?;
            if response.status() == StatusCode::OK {
                receive(server, response.into_body(), &mut write).await
            } else {
                Err(refused(server, response.status(), response.into_body()).await)
            }
        };
        let mut download = std::pin::pin!(download);
        // The connection is worked on here, beside the waiting for what comes of it.
        tokio::select! {
            done = &mut download => done,
            _ = connection => download.await,
        }
    })
}

fn request(server: &str, who: Option<HeaderValue>) -> Result<Request<Empty<Bytes>>, Failure> {
    let mut request = Request::get(PATH).header(HOST, server).header(ACCEPT, "application/octet-stream");
    if let Some(who) = who {
        request = request.header(AUTHORIZATION, who);
    }
    request.body(Empty::new()).map_err(|error| lost(server, error))
}

async fn receive(
    server: &str,
    mut body: Incoming,
    write: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Failure> {
    loop {
        let frame = timeout(PIECE, body.frame()).await.map_err(|error| lost(server, error))?;
        let Some(frame) = frame else { return Ok(()) };
        let frame =
            frame.map_err(|error| Failure::Unreachable(format!("{server} broke off the backup: {error}").into()))?;
        if let Some(bytes) = frame.data_ref() {
            write(bytes).map_err(|error| Failure::System(error.into()))?;
        }
    }
}

async fn refused(server: &str, status: StatusCode, body: Incoming) -> Failure {
    let body = Limited::new(body, REFUSAL_BYTES_MAX).collect();
    let body = timeout(ANSWER, body).await.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
    let problem: serde_json::Value = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("it does not say why");
    let answered = format!("{server} answered {status}: {detail}");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Failure::Usage(format!("{answered}; a backup needs the token of an admin (--token-file, or HEELER_TOKEN)"))
        }
        _ => Failure::Unreachable(answered.into()),
    }
}

async fn in_time<T, E: std::error::Error + Send + Sync + 'static>(
    time: Duration,
    server: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match timeout(time, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(lost(server, error)),
        Err(error) => Err(lost(server, error)),
    }
}

fn lost(server: &str, error: impl std::error::Error) -> Failure {
    Failure::Unreachable(format!("{server}: {error}").into())
}
