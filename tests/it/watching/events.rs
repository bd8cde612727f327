//! A client of event streams, strict about what they may look like.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::service::DEADLINE;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) data: Value,
}

impl Event {
    /// Where it stands in the log.
    pub(super) fn place(&self) -> (u64, u32) {
        place(self.id.as_deref().unwrap_or_else(|| panic!("{self:?} has an id")))
    }
}

/// The place in the log that an id names.
pub(super) fn place(id: &str) -> (u64, u32) {
    let (revision, n) = id.split_once('-').expect("a revision and a number");
    (revision.parse().expect("a revision"), n.parse().expect("a number"))
}

/// A stream that is read as it comes.
pub(super) struct Events {
    socket: TcpStream,
    /// What came and is not in a chunk that is whole yet.
    raw: Vec<u8>,
    body: String,
    events: VecDeque<Event>,
    pub(super) head: String,
    pub(super) comments: usize,
    pub(super) retry: Option<u64>,
    /// The id of the last event that had one.
    pub(super) last: Option<String>,
}

impl Events {
    /// Asks for a stream, with these header fields beside.
    pub(super) fn open(to: SocketAddr, target: &str, fields: &str) -> Self {
        let stream = Self::try_open(to, target, fields);
        assert!(stream.head.starts_with("HTTP/1.1 200 "), "{}", stream.head);
        assert!(stream.head.contains("content-type: text/event-stream\r\n"), "{}", stream.head);
        stream
    }

    pub(super) fn try_open(to: SocketAddr, target: &str, fields: &str) -> Self {
        Self::reach(to, target, fields).expect("it listens, and answers")
    }

    /// The same of a service that may be gone by now.
    pub(super) fn reach(to: SocketAddr, target: &str, fields: &str) -> Option<Self> {
        let mut socket = TcpStream::connect(to).ok()?;
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nConnection: close\r\n{fields}\r\n"
        );
        socket.write_all(head.as_bytes()).ok()?;
        let (raw, body, events) = (Vec::new(), String::new(), VecDeque::new());
        let mut stream = Self { socket, raw, body, events, head: String::new(), comments: 0, retry: None, last: None };
        while stream.head.is_empty() {
            if !stream.fill() {
                return None;
            }
            if let Some(end) = stream.raw.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                stream.head = String::from_utf8_lossy(&stream.raw[..end + 2]).into_owned();
                stream.raw.drain(..end + 4);
            }
        }
        Some(stream)
    }

    fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let length = match self.socket.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came in time: {}", self.body)
            }
            // Whoever was at the other end is there no more.
            Err(_) => 0,
        };
        self.raw.extend_from_slice(&bytes[..length]);
        length > 0
    }

    /// The next event; `None` at the end of the stream.
    pub(super) fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                if let Some(id) = &event.id {
                    self.last = Some(id.clone());
                }
                return Some(event);
            }
            if !self.chunk() && !self.fill() {
                return None;
            }
        }
    }

    /// The next event, which there must be.
    pub(super) fn event(&mut self) -> Event {
        self.next().expect("the stream goes on")
    }

    /// Waits for a comment, before any further event.
    pub(super) fn comment(&mut self) {
        let before = self.comments;
        while self.comments == before {
            assert!(self.chunk() || self.fill(), "the stream goes on");
            assert_eq!(self.events, [], "a comment and no event");
        }
    }

    /// Reads on until an event passes.
    pub(super) fn until(&mut self, passes: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.event();
            if passes(&event) {
                return event;
            }
        }
    }

    /// What there is before the mark, and the mark.
    pub(super) fn present(&mut self) -> (Vec<Event>, Event) {
        let mut present = Vec::new();
        loop {
            let event = self.event();
            if event.name == "sync" {
                return (present, event);
            }
            present.push(event);
        }
    }

    /// Takes one chunk of the transfer coding, if it is there.
    fn chunk(&mut self) -> bool {
        let Some(end) = self.raw.windows(2).position(|bytes| bytes == b"\r\n") else { return false };
        let length = std::str::from_utf8(&self.raw[..end]).expect("a length");
        let length = usize::from_str_radix(length, 16).expect("a length");
        if length == 0 || self.raw.len() < end + 2 + length + 2 {
            return false;
        }
        let text = String::from_utf8(self.raw[end + 2..end + 2 + length].to_vec()).expect("UTF-8");
        self.body.push_str(&text);
        self.raw.drain(..end + 2 + length + 2);
        while let Some(end) = self.body.find("\n\n") {
            let block: String = self.body.drain(..end + 2).collect();
            self.read(block.trim_end_matches('\n'));
        }
        true
    }

    fn read(&mut self, block: &str) {
        let (mut name, mut id, mut data) = (None, None, None);
        for line in block.split('\n') {
            let (field, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => self.comments += 1,
                "event" => assert!(name.replace(value.to_owned()).is_none(), "{block}"),
                "id" => assert!(id.replace(value.to_owned()).is_none(), "{block}"),
                "data" => assert!(data.replace(value.to_owned()).is_none(), "{block}"),
                "retry" => self.retry = Some(value.parse().expect("milliseconds")),
                _ => panic!("an unknown field: {line:?}"),
            }
        }
        // Without a name and data nothing is dispatched, and the id is remembered.
        let Some(name) = name else {
            assert!(data.is_none(), "{block}");
            self.last = id.or(self.last.take());
            return;
        };
        let data = serde_json::from_str(&data.expect("an event has data")).expect("JSON");
        self.events.push_back(Event { name, id, data });
    }
}
