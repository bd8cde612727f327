//! Something that is asked like a service, and answers as a test wants.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::{Value, json};

use crate::cli::world::DEADLINE;

/// A peer. It answers until the tests end.
pub(super) struct Peer {
    pub(super) url: String,
    asked: Receiver<Asked>,
}

/// A request, as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    head: String,
    pub(super) body: String,
}

impl Asked {
    /// `GET /v1/videos`.
    pub(super) fn line(&self) -> &str {
        self.head.split(" HTTP/").next().expect("a request line")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Peer {
    /// Answers one request after another, each on a connection of its own. The
    /// home page, with the collection `videos`, is answered by itself.
    pub(super) fn start(mut answer: impl FnMut(&Asked, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (tell, asked) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let Some(request) = read(&mut stream) else { continue };
                if request.line() == "GET /" {
                    let videos = json!({ "name": "videos", "href": "/v1/videos", "activities": ["processing"] });
                    reply(&mut stream, "200 OK", &json!({ "collections": [videos] }));
                    continue;
                }
                let _ = tell.send(request.clone());
                answer(&request, &mut stream);
            }
        });
        Self { url, asked }
    }

    /// What it was asked, but for the home page.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }

    /// Waits for the next request.
    pub(super) fn next(&self) -> Asked {
        self.asked.recv_timeout(DEADLINE).expect("a request")
    }
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let asked = Asked { head: head.to_owned(), body: body.to_owned() };
            let length = asked.header("content-length").map_or(0, |length| length.parse().expect("a length"));
            if body.len() >= length {
                return Some(asked);
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
}

/// Answers with a document, under the tag `"1.1"`.
pub(super) fn reply(stream: &mut TcpStream, status: &str, body: &Value) {
    let body = body.to_string();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nETag: \"1.1\"\r\nContent-Length: {length}\r\n\r\n");
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}
