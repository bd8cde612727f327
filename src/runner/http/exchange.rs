//! One request and its answer, on a connection of their own.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::connect::Stream;

/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The most fields in the head of an answer.
const FIELDS_MAX: usize = 100;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: HeaderMap,
    /// As much of it as is read.
    pub(super) body: Vec<u8>,
    /// Whether there is more.
    pub(super) is_cut: bool,
}

/// That no whole answer came back.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// What came is no HTTP, or too much of a head.
    #[error("the answer is not HTTP that can be accepted")]
    Garbage,
    /// The connection ended.
    #[error("the connection ended before the answer did")]
    Ended,
}

/// Sends a request, and reads at most so much of the answer.
pub(super) async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Answer, Broken> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX).max_headers(FIELDS_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let mut answer = pin!(async move {
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        read(response, bytes_max).await
    });
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // What it has read by then is still to be had.
        _ = connection => answer.await,
    }
}

async fn read(response: Response<Incoming>, bytes_max: usize) -> Result<Answer, Broken> {
    let (head, mut incoming) = response.into_parts();
    let mut answer = Answer { status: head.status.as_u16(), fields: head.headers, body: Vec::new(), is_cut: false };
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        let room = bytes_max - answer.body.len();
        answer.body.extend_from_slice(&data[..room.min(data.len())]);
        if data.len() > room {
            answer.is_cut = true;
            break;
        }
    }
    Ok(answer)
}

fn broken(error: &hyper::Error) -> Broken {
    if error.is_parse() || error.is_parse_too_large() { Broken::Garbage } else { Broken::Ended }
}
