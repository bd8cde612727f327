//! A client for what the service serves: one request, one connection, one answer.
//!
//! # Guarantees
//! A request takes no longer than [`REQUEST`], and an answer no more memory
//! than [`BODY_BYTES_MAX`]. Every write has an `Idempotency-Key`, so that it can
//! be sent again where its answer was lost, and is made once.
//! # Not here
//! TLS, redirects, proxies: it talks to a service on this machine.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HOST, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock::{Clock as _, Entropy as _, SystemClock, SystemEntropy};
use crate::domain::moment::Moment;

/// The header field of a key that stands for one write.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest that a request may take. A service on this machine answers in
/// milliseconds; its disk may be busy.
pub(super) const REQUEST: Duration = Duration::from_secs(30);

/// The largest answer that is read: more than a page of a list can be.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Asks a service at one address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    address: SocketAddr,
}

/// What a request believes about the resource.
#[derive(Debug, Clone, Copy)]
pub(super) enum Belief<'a> {
    /// Nothing.
    None,
    /// It is as it was under this tag; `*` for "it exists".
    IsStill(&'a str),
    /// The client has this tag already.
    Has(&'a str),
}

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The tag, if one was sent.
    pub(super) etag: Option<String>,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The service cannot be reached.
    #[error("{address} cannot be reached")]
    Connect {
        /// Where it should be.
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// The connection ended before the answer did.
    #[error("{address} did not answer")]
    Connection {
        /// Where it is.
        address: SocketAddr,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It took too long.
    #[error("{address} did not answer within {} s", REQUEST.as_secs())]
    TooSlow {
        /// Where it is.
        address: SocketAddr,
    },
    /// The answer is another one than was expected.
    #[error("{method} {path} was answered with {status}: {body}")]
    Unexpected {
        /// What was asked.
        method: Method,
        /// What it was asked of.
        path: String,
        /// The answer.
        status: StatusCode,
        /// Its body.
        body: String,
    },
}

impl Client {
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Reads something.
    pub(super) async fn get(&self, path: &str, belief: Belief<'_>) -> Result<Reply, ClientError> {
        self.send(Method::GET, path, belief, None).await
    }

    /// Stores a document.
    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Reply, ClientError> {
        self.send(Method::PUT, path, Belief::None, Some(("application/json", body))).await
    }

    /// Changes a document by a merge patch.
    pub(super) async fn patch(&self, path: &str, belief: Belief<'_>, patch: &Value) -> Result<Reply, ClientError> {
        self.send(Method::PATCH, path, belief, Some(("application/merge-patch+json", patch))).await
    }

    /// Removes something, whatever it is like.
    pub(super) async fn delete(&self, path: &str) -> Result<Reply, ClientError> {
        self.send(Method::DELETE, path, Belief::IsStill("*"), None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        belief: Belief<'_>,
        body: Option<(&str, &Value)>,
    ) -> Result<Reply, ClientError> {
        let mut request = Request::builder().method(method.clone()).uri(path).header(HOST, self.address.to_string());
        match belief {
            Belief::None => {}
            Belief::IsStill(tag) => request = request.header(IF_MATCH, tag),
            Belief::Has(tag) => request = request.header(IF_NONE_MATCH, tag),
        }
        if let Some((media_type, _)) = body {
            request = request.header(CONTENT_TYPE, media_type);
        }
        if !method.is_safe() {
            request = request.header(IDEMPOTENCY_KEY, new_key());
        }
        let bytes = body.map(|(_, value)| Bytes::from(value.to_string())).unwrap_or_default();
        let request = request.body(Full::new(bytes)).map_err(|source| self.lost(source))?;
        let reply = match self.exchange_in_time(request.clone()).await {
            // It may have been made. With the same key it is made once.
            Err(ClientError::Connection { .. }) if !method.is_safe() => self.exchange_in_time(request).await?,
            answered => answered?,
        };
        if reply.status.is_success() || reply.status == StatusCode::NOT_MODIFIED {
            return Ok(reply);
        }
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        Err(ClientError::Unexpected { method, path: path.to_owned(), status: reply.status, body })
    }

    async fn exchange_in_time(&self, request: Request<Full<Bytes>>) -> Result<Reply, ClientError> {
        let reply = timeout(REQUEST, self.exchange(request)).await;
        reply.unwrap_or(Err(ClientError::TooSlow { address: self.address }))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, ClientError> {
        let address = self.address;
        let stream = TcpStream::connect(address).await.map_err(|source| ClientError::Connect { address, source })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|source| self.lost(source))?;
        let answer = async {
            let (head, body) = sender.send_request(request).await.map_err(|source| self.lost(source))?.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|source| self.lost(source))?;
            Ok(reply(&Response::from_parts(head, body.to_bytes())))
        };
        let mut answer = pin!(answer);
        // The connection is worked on here, beside the waiting for the answer.
        tokio::select! {
            answered = &mut answer => answered,
            _ = connection => answer.await,
        }
    }

    fn lost(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Connection { address: self.address, source: source.into() }
    }
}

/// A key that no other request has.
fn new_key() -> String {
    let mut moment = Moment::new(SystemClock.now(), SystemEntropy.seed());
    format!("\"{}\"", moment.mint_uid())
}

fn reply(response: &Response<Bytes>) -> Reply {
    let etag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    Reply { status: response.status(), etag, body: response.body().clone() }
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
        ask: impl AsyncFnOnce(Client) -> Result<Reply, ClientError>,
    ) -> (String, Result<Reply, ClientError>) {
        let (mut asked, reply) = all_answered(&[bytes], ask).await;
        (asked.remove(0), reply)
    }

    /// Answers one request after another.
    async fn all_answered(
        answers: &[&str],
        ask: impl AsyncFnOnce(Client) -> Result<Reply, ClientError>,
    ) -> (Vec<String>, Result<Reply, ClientError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = Client::new(listener.local_addr().expect("an address"));
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
        tokio::join!(serve, ask(client))
    }

    fn key(asked: &str) -> Option<&str> {
        asked.lines().find_map(|line| line.strip_prefix("idempotency-key: "))
    }

    #[tokio::test]
    async fn a_write_whose_answer_is_lost_is_sent_again_with_its_key_and_no_other_has_it() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let put = async |client: Client| client.put("/v1/files/a", &json!({ "a": 1 })).await;
        let (asked, reply) = all_answered(&["HTTP/1.1 20", answer], put).await;
        assert_eq!(reply.expect("an answer").body, "{}");
        assert_eq!(asked[0], asked[1]);
        let (other, _) = answered(answer, put).await;
        assert!(key(&asked[0]).is_some_and(|key| key.len() == 38) && key(&asked[0]) != key(&other), "{asked:?}");
        let (read, _) = answered(answer, async |client| client.get("/", Belief::None).await).await;
        assert_eq!(key(&read), None);
    }

    #[tokio::test]
    async fn a_patch_says_what_it_believes_and_brings_back_the_new_tag() {
        let answer = "HTTP/1.1 200 OK\r\nETag: \"2.2\"\r\nContent-Length: 2\r\n\r\n{}";
        let (asked, reply) = answered(answer, async |client| {
            client.patch("/v1/files/a", Belief::IsStill("\"1.1\""), &json!({ "a": 1 })).await
        })
        .await;
        assert!(asked.starts_with("PATCH /v1/files/a HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("if-match: \"1.1\"\r\n") && asked.ends_with("\r\n\r\n{\"a\":1}"), "{asked}");
        assert_eq!(reply.expect("an answer").etag.as_deref(), Some("\"2.2\""));
    }

    #[tokio::test]
    async fn an_answer_in_pieces_up_to_the_end_of_the_connection_is_read() {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n";
        let (_, reply) = answered(answer, async |client| client.get("/", Belief::None).await).await;
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
            let (_, reply) = answered(answer, async |client| client.get("/", Belief::None).await).await;
            let error = reply.expect_err("no proper answer").to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
