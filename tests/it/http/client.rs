//! A client that sends exactly the bytes it is given.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer than this for anything: who does has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(super) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// As it came, such as `HTTP/1.1 200 OK`.
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("a connection"), buffer: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
    }

    /// The next answer to a request that is not HEAD.
    pub(super) async fn answer(&mut self) -> Answer {
        self.read("GET").await.expect("an answer")
    }

    /// The next answer to a request of this method; `None` if the connection is closed instead.
    pub(super) async fn read(&mut self, method: &str) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer(method)).await.expect("an answer in time")
    }

    async fn read_answer(&mut self, method: &str) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if !self.fill().await {
                assert!(self.buffer.is_empty(), "the connection was closed within the head of an answer");
                return None;
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).take(end).collect()).expect("a head of text");
        let mut lines = head.split("\r\n");
        let line = lines.next().expect("a status line").to_owned();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').expect("a header field"))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, line, headers, body: Vec::new() };
        let bodiless = method == "HEAD" || status < 200 || matches!(status, 204 | 304);
        if !bodiless && answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.chunks().await;
        } else if !bodiless {
            let length = answer.header("content-length").map(|length| length.parse::<usize>().expect("a length"));
            answer.body = self.body(length).await;
        }
        Some(answer)
    }

    /// A body in chunks, with whatever was after it left where it is.
    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(line) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                    break line;
                }
                assert!(self.fill().await, "the connection was closed within a chunk");
            };
            let length: Vec<u8> = self.buffer.drain(..line + 2).take(line).collect();
            let length = std::str::from_utf8(&length).expect("the length of a chunk");
            let length = usize::from_str_radix(length, 16).expect("the length of a chunk");
            let chunk = self.body(Some(length + 2)).await;
            body.extend_from_slice(&chunk[..length]);
            if length == 0 {
                return body;
            }
        }
    }

    async fn body(&mut self, length: Option<usize>) -> Vec<u8> {
        while length.is_none_or(|length| self.buffer.len() < length) {
            if !self.fill().await {
                assert_eq!(length, None, "the connection was closed within a body");
                break;
            }
        }
        let length = length.unwrap_or(self.buffer.len());
        self.buffer.drain(..length).collect()
    }

    /// Whether there was more.
    async fn fill(&mut self) -> bool {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(read) => read > 0,
            Err(_) => false,
        }
    }

    /// Waits until the other side has closed; whatever it sent before that.
    pub(super) async fn closed(&mut self) -> Vec<u8> {
        timeout(PATIENCE, async { while self.fill().await {} }).await.expect("closed in time");
        std::mem::take(&mut self.buffer)
    }

    /// Sends what the other side still takes.
    pub(super) async fn send_if_open(&mut self, bytes: impl AsRef<[u8]>) {
        // Whether it does is looked at elsewhere: see `is_open`.
        self.stream.write_all(bytes.as_ref()).await.unwrap_or_default();
    }

    /// Whether the other side has not closed yet, as far as is known now.
    pub(super) fn is_open(&mut self) -> bool {
        loop {
            match self.stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Whether the other side does not close for a while.
    pub(super) async fn is_open_for(&mut self, within: Duration) -> bool {
        timeout(within, async { while self.fill().await {} }).await.is_err()
    }

    /// Waits until what has come passes, and forgets it.
    pub(super) async fn until(&mut self, passes: impl Fn(&[u8]) -> bool) {
        let come = async {
            while !passes(&self.buffer) {
                assert!(self.fill().await, "the connection was closed: {:?}", self.buffer);
            }
        };
        timeout(PATIENCE, come).await.expect("it comes in time");
        self.buffer.clear();
    }

    /// Whether nothing comes for a while. Only ever too lenient.
    pub(super) async fn is_quiet(&mut self, within: Duration) -> bool {
        timeout(within, self.fill()).await.is_err()
    }
}
