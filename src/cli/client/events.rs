//! Events as a service sends them (WHATWG, Server-Sent Events), out of bytes
//! that come in any pieces.
//!
//! # Guarantees
//! However a stream is cut, the same events come out. An event takes no more
//! memory than [`EVENT_BYTES_MAX`].

use std::time::Duration;

/// The most bytes of one event: more than a representation can have.
pub(super) const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Event {
    /// What happened; `message` where nothing is said.
    pub(in crate::cli) kind: String,
    /// Where to go on after it, if it says so itself.
    pub(in crate::cli) id: Option<String>,
    pub(in crate::cli) data: String,
}

/// An event is larger than any that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {} MiB", EVENT_BYTES_MAX / (1024 * 1024))]
pub(in crate::cli) struct TooLarge;

/// Makes events of bytes.
#[derive(Debug, Default)]
pub(in crate::cli) struct Events {
    line: Vec<u8>,
    /// The last byte was a carriage return, so a line feed belongs to it.
    after_return: bool,
    begun: bool,
    kind: String,
    id: Option<String>,
    data: String,
    retry: Option<Duration>,
}

impl Events {
    /// How long to wait before coming back, if the service said so.
    pub(in crate::cli) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes more bytes, and gives the events that they complete.
    pub(in crate::cli) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for byte in bytes {
            let follows = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if follows => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.end_of_line(&line));
                }
                byte => self.line.push(*byte),
            }
            if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    fn end_of_line(&mut self, line: &[u8]) -> Option<Event> {
        let line = String::from_utf8_lossy(line);
        let line = if self.begun { &line } else { line.strip_prefix('\u{feff}').unwrap_or(&line) };
        self.begun = true;
        if line.is_empty() {
            return self.complete();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry),
            // Comments, and what later versions may say.
            _ => {}
        }
        None
    }

    fn complete(&mut self) -> Option<Event> {
        let (kind, id) = (std::mem::take(&mut self.kind), self.id.take());
        let mut data = std::mem::take(&mut self.data);
        // Without data it is no event.
        data.pop()?;
        Some(Event { kind: if kind.is_empty() { "message".to_owned() } else { kind }, id, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(kind: &str, id: Option<&str>, data: &str) -> Event {
        Event { kind: kind.to_owned(), id: id.map(str::to_owned), data: data.to_owned() }
    }

    const STREAM: &str = "\u{feff}retry: 250\n\nevent: put\ndata: {\"id\":\"42\"}\n\n: still here\n\n\
        event: sync\r\nid: 812-0\r\ndata: {}\r\n\r\nid:813-0\rdata:a\rdata: b\r\rdata\n\nevent: torn\ndata: x";

    fn expected() -> Vec<Event> {
        vec![
            event("put", None, "{\"id\":\"42\"}"),
            event("sync", Some("812-0"), "{}"),
            event("message", Some("813-0"), "a\nb"),
            event("message", None, ""),
        ]
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_the_same_events_come_out(cuts in proptest::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let mut events = Events::default();
            let mut found = Vec::new();
            for pair in cuts.windows(2) {
                found.extend(events.take(&STREAM.as_bytes()[pair[0]..pair[1]]).expect("small"));
            }
            prop_assert_eq!(found, expected());
            prop_assert_eq!(events.retry(), Some(Duration::from_millis(250)));
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut events = Events::default();
        let piece = vec![b'x'; EVENT_BYTES_MAX];
        assert_eq!(events.take(&piece), Ok(Vec::new()));
        assert_eq!(events.take(b"x"), Err(TooLarge));
    }
}
