//! A client for what a service serves: it asks, and asks again where an answer
//! was lost.
//!
//! # Guarantees
//! A request takes no longer than the client's patience, all its tries
//! together, and an answer no more memory than [`BODY_BYTES_MAX`]. Every write
//! has an `Idempotency-Key`, the same in each try, so that it is made once. Where
//! that patience ends without an answer to a write that was sent, the error says
//! that its outcome is unknown.
//! # Not here
//! Redirects and proxies.

mod ask;
mod connection;
mod events;
mod problem;
mod server;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, IF_MATCH, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

use crate::clock::{Clock as _, Entropy as _, SystemClock, SystemEntropy};
use crate::domain::moment::Moment;
use connection::{Broken, Connection};

pub(super) use ask::{Ask, Belief, Nobody};
pub(super) use events::Event;
pub(super) use problem::Problem;
pub(super) use server::Server;

/// The header field of a key that stands for one write.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a client prefers of the answer (RFC 7240).
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long a request may take unless something else is said. A service on this
/// machine answers in milliseconds; its disk may be busy, or it may start anew.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The longest that one try may take: an answer that takes longer is lost,
/// and a new connection finds out.
const TRY: Duration = Duration::from_secs(12);

/// The pauses between tries: the first, and what they double up to.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The largest answer that is read: more than a page of a list can be.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Asks one service.
#[derive(Debug)]
pub(super) struct Client {
    server: Server,
    authorization: Option<HeaderValue>,
    patience: Duration,
    /// The connection that the last request left open.
    kept: Mutex<Option<Connection>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The tag, if one was sent.
    pub(super) etag: Option<String>,
    /// In seconds.
    retry_after: Option<u64>,
    pub(super) body: Bytes,
}

impl Reply {
    /// The body, if it is JSON.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Nobody is there. Nothing was sent.
    #[error("{server} cannot be reached")]
    Connect {
        /// Where it should be.
        server: Server,
        #[source]
        source: io::Error,
    },
    /// Connections ended before an answer did. It was nothing but a question.
    #[error("{server} did not answer")]
    Lost {
        /// Where it is.
        server: Server,
        #[source]
        source: Broken,
    },
    /// The same of a change.
    #[error("the outcome of {words} is unknown: {server} did not answer")]
    Unknown {
        /// The change.
        words: String,
        /// Where it is.
        server: Server,
        #[source]
        source: Broken,
    },
    /// The answer is another one than was expected.
    #[error("{words} was answered with {problem}")]
    Unexpected {
        /// What was asked.
        words: String,
        /// The answer.
        problem: Box<Problem>,
    },
    /// The request cannot be written.
    #[error("{words} is no request")]
    Malformed {
        /// What was to be asked.
        words: String,
        #[source]
        source: http::Error,
    },
}

/// Took too long.
#[derive(Debug, thiserror::Error)]
#[error("no answer in time")]
struct TooSlow;

/// How one try ended that brought no answer.
enum Failed {
    /// Nobody was there.
    Unsent(io::Error),
    /// It may have been heard.
    Lost(Broken),
}

impl Client {
    /// Asks the service at this address of this machine.
    pub(super) fn at(address: SocketAddr) -> Self {
        Self::new(address.into(), None, PATIENCE)
    }

    /// Asks a service, as whoever has this token, each time for so long.
    pub(super) fn new(server: Server, authorization: Option<HeaderValue>, patience: Duration) -> Self {
        Self { server, authorization, patience, kept: Mutex::new(None) }
    }

    pub(super) const fn server(&self) -> &Server {
        &self.server
    }

    /// How long it goes on asking.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    /// Asks, and takes nothing for an answer but success, or that nothing is new.
    pub(super) async fn demand(&self, ask: &Ask<'_>) -> Result<Reply, ClientError> {
        let reply = self.send(ask).await?;
        self.accept(ask, reply)
    }

    /// Takes an answer that is success, or says that nothing is new.
    pub(super) fn accept(&self, ask: &Ask<'_>, reply: Reply) -> Result<Reply, ClientError> {
        if reply.status.is_success() || reply.status == StatusCode::NOT_MODIFIED {
            return Ok(reply);
        }
        Err(ClientError::Unexpected { words: ask.words(), problem: Box::new(Problem::of(&reply)) })
    }

    /// Asks until there is an answer, whatever it says.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Reply, ClientError> {
        let request = self.request(ask, "application/json", None)?;
        let deadline = Instant::now() + self.patience + ask.waits;
        let mut pause = PAUSE;
        let mut was_sent = false;
        loop {
            let in_time = deadline.min(Instant::now() + TRY + ask.waits);
            let tried = timeout_at(in_time, self.exchange(request.clone())).await;
            let failed = match tried.unwrap_or_else(|_| Err(Failed::Lost(TooSlow.into()))) {
                Ok(reply) => match comes_back_later(&reply) {
                    Some(later) if Instant::now() + later.max(pause) < deadline => {
                        sleep(later.max(pause)).await;
                        pause = (pause * 2).min(PAUSE_MAX);
                        continue;
                    }
                    Some(_) | None => return Ok(reply),
                },
                Err(failed) => failed,
            };
            was_sent |= matches!(failed, Failed::Lost(_));
            let is_patient = was_sent || ask.nobody == Nobody::IsWaitedFor;
            if !is_patient || Instant::now() + pause >= deadline {
                return Err(self.gave_up(ask, failed, was_sent));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn gave_up(&self, ask: &Ask<'_>, failed: Failed, was_sent: bool) -> ClientError {
        let (server, words) = (self.server.clone(), ask.words());
        let is_change = !ask.method.is_safe();
        match failed {
            Failed::Unsent(source) if was_sent && is_change => {
                ClientError::Unknown { words, server, source: source.into() }
            }
            Failed::Unsent(source) => ClientError::Connect { server, source },
            Failed::Lost(source) if is_change => ClientError::Unknown { words, server, source },
            Failed::Lost(source) => ClientError::Lost { server, source },
        }
    }

    /// The request, as it is sent in every try.
    fn request(
        &self,
        ask: &Ask<'_>,
        accept: &'static str,
        last_event: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder().method(ask.method.clone()).uri(&ask.path);
        request = request.header(HOST, self.server.authority()).header(ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request = match ask.belief {
            Belief::None => request,
            Belief::IsStill(tag) => request.header(IF_MATCH, tag),
            Belief::IsAbsent => request.header(IF_NONE_MATCH, "*"),
            Belief::Has(tag) => request.header(IF_NONE_MATCH, tag),
        };
        if let Some(preference) = &ask.prefer {
            request = request.header(PREFER, preference);
        }
        if let Some((media_type, _)) = &ask.body {
            request = request.header(CONTENT_TYPE, *media_type);
        }
        if !ask.method.is_safe() {
            request = request.header(IDEMPOTENCY_KEY, new_key());
        }
        if let Some(id) = last_event {
            request = request.header("last-event-id", id);
        }
        let body = ask.body.as_ref().map(|(_, bytes)| bytes.clone()).unwrap_or_default();
        let malformed = |source| ClientError::Malformed { words: ask.words(), source };
        request.body(Full::new(body)).map_err(malformed)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, Failed> {
        // It is put back only when the whole answer was read: half of one is no beginning for the next.
        let kept = self.kept.lock().await.take().filter(Connection::is_open);
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::open(&self.server).await.map_err(Failed::Unsent)?,
        };
        let answer = connection.exchange(request).await.map_err(Failed::Lost)?;
        if connection.is_open() {
            *self.kept.lock().await = Some(connection);
        }
        Ok(reply(&answer))
    }
}

/// How long to wait before the same request is sent again, where an answer
/// says that it is for later, or comes from who only passes requests on.
fn comes_back_later(reply: &Reply) -> Option<Duration> {
    let later = || {
        let seconds = reply.retry_after.unwrap_or(0);
        Some(Duration::from_secs(seconds))
    };
    match reply.status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => later(),
        StatusCode::CONFLICT if Problem::of(reply).kind == "idempotency-key-in-flight" => later(),
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT if Problem::of(reply).kind.is_empty() => later(),
        _ => None,
    }
}

/// A key that no other request has.
fn new_key() -> String {
    let mut moment = Moment::new(SystemClock.now(), SystemEntropy.seed());
    format!("\"{}\"", moment.mint_uid())
}

fn reply(response: &Response<Bytes>) -> Reply {
    let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    Reply {
        status: response.status(),
        etag: text(ETAG).map(str::to_owned),
        retry_after: text(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()),
        body: response.body().clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes; what was asked comes back.
    async fn answered(
        bytes: &str,
        ask: impl AsyncFnOnce(&Client) -> Result<Reply, ClientError>,
    ) -> (String, Result<Reply, ClientError>) {
        let (mut asked, reply) = all_answered(&[bytes], ask).await;
        (asked.remove(0), reply)
    }

    /// Answers one request after another.
    async fn all_answered(
        answers: &[&str],
        ask: impl AsyncFnOnce(&Client) -> Result<Reply, ClientError>,
    ) -> (Vec<String>, Result<Reply, ClientError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = Client::new(listener.local_addr().expect("an address").into(), None, Duration::from_millis(500));
        let serve = async {
            let mut all_asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut asked = vec![0; 4096];
                let length = stream.read(&mut asked).await.expect("a request");
                stream.write_all(answer.as_bytes()).await.expect("an answer");
                asked.truncate(length);
                all_asked.push(String::from_utf8(asked).expect("text"));
            }
            all_asked
        };
        tokio::join!(serve, ask(&client))
    }

    fn key(asked: &str) -> Option<&str> {
        asked.lines().find_map(|line| line.strip_prefix("idempotency-key: "))
    }

    #[tokio::test]
    async fn a_write_whose_answer_is_lost_is_sent_again_with_its_key_and_no_other_has_it() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let put = async |client: &Client| client.demand(&Ask::put("/v1/files/a", &json!({ "a": 1 }))).await;
        let (asked, reply) = all_answered(&["HTTP/1.1 20", answer], put).await;
        assert_eq!(reply.expect("an answer").body, "{}");
        assert_eq!(asked[0], asked[1]);
        let (other, _) = answered(answer, put).await;
        assert!(key(&asked[0]).is_some_and(|key| key.len() == 38) && key(&asked[0]) != key(&other), "{asked:?}");
        let (read, _) = answered(answer, async |client: &Client| client.demand(&Ask::get("/")).await).await;
        assert_eq!(key(&read), None);
    }

    #[tokio::test]
    async fn a_patch_says_what_it_believes_and_brings_back_the_new_tag() {
        let answer = "HTTP/1.1 200 OK\r\nETag: \"2.2\"\r\nContent-Length: 2\r\n\r\n{}";
        let (asked, reply) = answered(answer, async |client: &Client| {
            client.demand(&Ask::merge("/v1/files/a", &json!({ "a": 1 })).believing(Belief::IsStill("\"1.1\""))).await
        })
        .await;
        assert!(asked.starts_with("PATCH /v1/files/a HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("if-match: \"1.1\"\r\n") && asked.ends_with("\r\n\r\n{\"a\":1}"), "{asked}");
        assert_eq!(reply.expect("an answer").etag.as_deref(), Some("\"2.2\""));
    }

    #[tokio::test]
    async fn an_answer_in_pieces_up_to_the_end_of_the_connection_is_read() {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n";
        let (_, reply) = answered(answer, async |client: &Client| client.demand(&Ask::get("/")).await).await;
        assert_eq!(reply.expect("an answer").body, "[]");
    }

    #[tokio::test]
    async fn a_refusal_and_a_torn_answer_are_errors() {
        for (answer, said) in [
            (
                "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 2\r\n\r\nno",
                "GET / was answered with 412 Precondition Failed: no",
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno", "did not answer"),
            ("", "did not answer"),
        ] {
            let (_, reply) = answered(answer, async |client: &Client| client.demand(&Ask::get("/")).await).await;
            let error = reply.expect_err("no proper answer").to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
