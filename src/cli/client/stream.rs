//! Answers whose end is open: bytes and events as they come.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};

use super::connection::{Broken, Connection};
use super::events::{Event, Events};
use super::{Ask, BODY_BYTES_MAX, Client, ClientError, PAUSE, Reply, TRY, TooSlow, comes_back_later, reply};

/// A service says something every 15 s. Three times that, and it is gone.
const SILENCE: Duration = Duration::from_secs(45);

/// Bytes as they come.
#[derive(Debug)]
pub(in crate::cli) struct Bytewise {
    connection: Connection,
    body: Incoming,
}

/// Events as they come.
#[derive(Debug)]
pub(in crate::cli) struct Eventwise {
    bytes: Bytewise,
    events: Events,
    complete: std::collections::VecDeque<Event>,
}

/// An answer: one that goes on, or one that says that there is none.
#[derive(Debug)]
enum Begun {
    Open(Bytewise),
    Refused(Reply),
}

impl Bytewise {
    /// The next bytes; `None` at the end.
    pub(in crate::cli) async fn next(&mut self) -> Result<Option<bytes::Bytes>, Broken> {
        self.connection.more(&mut self.body).await
    }
}

impl Eventwise {
    /// The next event; `None` at the end.
    pub(in crate::cli) async fn next(&mut self) -> Result<Option<Event>, Broken> {
        loop {
            if let Some(event) = self.complete.pop_front() {
                return Ok(Some(event));
            }
            let Some(bytes) = timeout(SILENCE, self.bytes.next()).await.map_err(|_| TooSlow)?? else {
                return Ok(None);
            };
            self.complete.extend(self.events.take(&bytes)?);
        }
    }

    /// How long to wait before coming back, if the service said so.
    pub(in crate::cli) fn retry(&self) -> Option<Duration> {
        self.events.retry()
    }
}

impl Client {
    /// Begins to read bytes; a refusal is an error.
    pub(in crate::cli) async fn bytes(&self, path: &str) -> Result<Bytewise, ClientError> {
        match self.begin(path, "text/plain, */*;q=0.1", None).await? {
            Begun::Open(bytes) => Ok(bytes),
            Begun::Refused(reply) => Err(refusal(path, &reply)),
        }
    }

    /// Begins to read events, from after `last` on; a refusal is an error.
    pub(in crate::cli) async fn events(&self, path: &str, last: Option<&str>) -> Result<Eventwise, ClientError> {
        match self.begin(path, "text/event-stream", last).await? {
            Begun::Open(bytes) => {
                Ok(Eventwise { bytes, events: Events::default(), complete: std::collections::VecDeque::new() })
            }
            Begun::Refused(reply) => Err(refusal(path, &reply)),
        }
    }

    /// Tries for as long as the client is patient, if anybody is there.
    async fn begin(&self, path: &str, accept: &'static str, last: Option<&str>) -> Result<Begun, ClientError> {
        let ask = Ask::get(path);
        let deadline = tokio::time::Instant::now() + self.patience;
        loop {
            let request = self.request(&ask, accept, last)?;
            let connect = |source| ClientError::Connect { server: self.server.clone(), source };
            let mut connection = Connection::open(&self.server).await.map_err(connect)?;
            let answer = timeout(TRY, connection.begin(request)).await.unwrap_or_else(|_| Err(TooSlow.into()));
            let lost = |source| ClientError::Lost { server: self.server.clone(), source };
            let answer: Response<Incoming> = answer.map_err(lost)?;
            let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let is_wanted = kind.starts_with(accept.split(',').next().unwrap_or_default());
            if answer.status() == StatusCode::OK && is_wanted {
                return Ok(Begun::Open(Bytewise { connection, body: answer.into_body() }));
            }
            let refused = timeout(TRY, whole(connection, answer)).await.unwrap_or_else(|_| Err(TooSlow.into()));
            let refused = refused.map_err(lost)?;
            match comes_back_later(&refused) {
                Some(later) if tokio::time::Instant::now() + later.max(PAUSE) < deadline => {
                    sleep(later.max(PAUSE)).await;
                }
                Some(_) | None => return Ok(Begun::Refused(refused)),
            }
        }
    }
}

/// Reads the rest of an answer that has an end.
async fn whole(mut connection: Connection, answer: Response<Incoming>) -> Result<Reply, Broken> {
    let (head, body) = answer.into_parts();
    let body = connection.meanwhile(Limited::new(body, BODY_BYTES_MAX).collect()).await?;
    Ok(reply(&Response::from_parts(head, body.to_bytes())))
}

fn refusal(path: &str, reply: &Reply) -> ClientError {
    ClientError::Unexpected { words: format!("GET {path}"), problem: Box::new(super::Problem::of(reply)) }
}
