//! A client that knows nothing but HTTP/1.1: one connection for each request,
//! blocking, so that many of them can be threads while the service is killed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes on a busy machine, waiting preferences included.
const PATIENCE: Duration = Duration::from_secs(30);

/// The media types of bodies.
pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn request(method: &str, target: &str) -> Request {
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        fields: Vec::new(),
        body: Vec::new(),
        framing: Framing::Length,
    }
}

impl Request {
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(self, media: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.field("Content-Type", media) }
    }

    /// A body whose media type is among the fields already.
    pub(crate) fn bytes_as_they_are(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn json(self, media: &str, body: &Value) -> Self {
        self.body(media, body.to_string())
    }

    pub(crate) fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Sends it, and reads the answer.
    ///
    /// # Errors
    /// There was no whole answer. Whether the request was heard is unknown.
    pub(crate) fn send(&self, to: SocketAddr) -> io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        // An answer can come before all is sent, and then counts.
        let sent = stream.write_all(&self.bytes());
        let mut bytes = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        // Until it is whole, where it says how long it is: not everybody who says so closes the connection.
        let read = loop {
            match stream.read(&mut piece) {
                Ok(0) => break Ok(()),
                Ok(length) => bytes.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
            if answer(&bytes, self.method == "HEAD").is_some_and(|whole| whole.header("content-length").is_some()) {
                break Ok(());
            }
        };
        if bytes.is_empty() {
            sent?;
            read?;
        }
        answer(&bytes, self.method == "HEAD").ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.target);
        if !self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = head.into_bytes();
        match self.framing {
            Framing::Chunked => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for piece in self.body.chunks(10_000) {
                    bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    bytes.extend_from_slice(piece);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            Framing::Length => {
                if !self.body.is_empty() {
                    bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
                }
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(&self.body);
            }
        }
        bytes
    }
}

/// An answer, if it is whole.
fn answer(bytes: &[u8], headless: bool) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, fields, body: bytes[end + 4..].to_vec() };
    if headless || matches!(status, 204 | 304) {
        return answer.body.is_empty().then_some(answer);
    }
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunked(&answer.body)?;
        return Some(answer);
    }
    let length: usize = answer.header("content-length")?.parse().ok()?;
    (answer.body.len() == length).then_some(answer)
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(line + 2..line + 2 + length)?);
        rest = rest.get(line + 2 + length + 2..)?;
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a list-based field, as one.
    pub(crate) fn values(&self, name: &str) -> String {
        let values = self.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn etag(&self) -> &str {
        self.header("etag").unwrap_or_else(|| panic!("an ETag: {self:?}"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    /// The last part of the type of the problem that this is.
    pub(crate) fn problem(&self) -> String {
        let value = serde_json::from_slice::<Value>(&self.body).unwrap_or_default();
        value["type"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default().to_owned()
    }
}
