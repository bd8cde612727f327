//! A connection that sends one request after the other.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is kept open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Sends a request with a JSON body, and reads its answer to the end.
    pub(crate) async fn send(&mut self, method: &str, target: &str, media: &str, body: &str) {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nPrefer: return=minimal\r\nContent-Type: {media}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        let head = loop {
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the service hung up");
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 20"), "{method} {target}: {text}");
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        while self.buffer.len() < head + length.unwrap_or(0) {
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the service hung up");
        }
    }
}
