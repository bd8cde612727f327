//! Reading a log as a view shows it: once, or on and on.

use std::io;
use std::os::unix::fs::FileExt;

use crate::api::{AttemptLog, LogState};
use crate::domain::log::{ENTRY_BYTES, Entry, LogView, Viewer};

/// How much of a log is read at once.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// How what is read is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// As text.
    Text,
    /// As events (<https://html.spec.whatwg.org/#server-sent-events>), one for each line.
    Events,
}

/// How far a log was read.
#[derive(Debug)]
pub(super) struct Tail {
    view: LogView,
    viewer: Viewer,
    format: Format,
    /// How much of the text was read.
    offset: u64,
    /// How much of the index was read.
    known: u64,
    /// How much of the text is to be passed over before anything is shown.
    skip: u64,
    entry: Option<Entry>,
    /// The part of a line that was read for the next event.
    line: Vec<u8>,
}

impl Tail {
    /// One that begins so many bytes after the start, which is the start of a line.
    pub(super) const fn new(view: LogView, format: Format, skip: u64) -> Self {
        let viewer = Viewer::new(view);
        Self { view, viewer, format, offset: 0, known: 0, skip, entry: None, line: Vec::new() }
    }

    /// Reads on, as far as it goes and not much at once; nothing only where
    /// nothing is there to be shown. Blocks as long as a disk does.
    pub(super) fn read(&mut self, log: &AttemptLog) -> io::Result<Vec<u8>> {
        let mut shown = Vec::new();
        let Some(file) = &log.file else { return Ok(shown) };
        let mut room = CHUNK_BYTES;
        while room > 0 && shown.len() < CHUNK_BYTES {
            let Some(mut entry) = self.next_entry(log)? else { break };
            let there = log.length.saturating_sub(self.offset).min(u64::from(entry.length));
            let wanted = usize::try_from(there).unwrap_or(room).min(room);
            if wanted == 0 {
                // The index is ahead of what was there when we looked.
                self.entry = Some(entry);
                break;
            }
            let passed = if self.view.shows(entry.stream) {
                let mut bytes = vec![0; wanted];
                file.read_exact_at(&mut bytes, self.offset)?;
                self.show(log.number, &entry, &bytes, &mut shown);
                room -= wanted;
                wanted as u64
            } else {
                // Whoever waits for more than this would take it for the end.
                self.offset += there;
                there
            };
            entry.length = entry.length.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
            self.entry = (entry.length > 0).then_some(entry);
        }
        Ok(shown)
    }

    /// What is left to be said once everything was read.
    pub(super) fn finish(&mut self, number: u32) -> Vec<u8> {
        let mut shown = Vec::new();
        if self.format == Format::Events {
            self.event(number, &mut shown);
            shown.extend_from_slice(b"event: end\ndata:\n\n");
        }
        shown
    }

    /// What is known of the bytes that come next; `None` where nothing is yet.
    fn next_entry(&mut self, log: &AttemptLog) -> io::Result<Option<Entry>> {
        loop {
            let found = match self.entry.take() {
                Some(entry) => Some(entry),
                None => self.look_up(log)?,
            };
            let Some(mut entry) = found else { return Ok(None) };
            let passed = self.skip.min(u64::from(entry.length));
            self.skip -= passed;
            self.offset += passed;
            entry.length -= u32::try_from(passed).unwrap_or(entry.length);
            if entry.length > 0 {
                return Ok(Some(entry));
            }
        }
    }

    fn look_up(&mut self, log: &AttemptLog) -> io::Result<Option<Entry>> {
        if !self.view.is_plain()
            && let Some((length, index)) = &log.index
            && self.known + ENTRY_BYTES as u64 <= *length
        {
            let mut bytes = [0; ENTRY_BYTES];
            index.read_exact_at(&mut bytes, self.known)?;
            self.known += ENTRY_BYTES as u64;
            return Ok(Some(Entry::decode(bytes)));
        }
        // What no index knows, of a log that is complete, none will know.
        if !self.view.is_plain() && log.state == LogState::Growing {
            return Ok(None);
        }
        let rest = u32::try_from(log.length.saturating_sub(self.offset)).unwrap_or(u32::MAX);
        Ok((rest > 0).then(|| Entry::unknown(rest)))
    }

    fn show(&mut self, number: u32, entry: &Entry, bytes: &[u8], shown: &mut Vec<u8>) {
        if self.format == Format::Text {
            self.offset += bytes.len() as u64;
            self.viewer.show(entry, bytes, shown);
            return;
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.offset += piece.len() as u64;
            self.viewer.show(entry, piece, &mut self.line);
            if piece.ends_with(b"\n") {
                self.event(number, shown);
            }
        }
    }

    /// Tells of the line that was read.
    fn event(&mut self, number: u32, shown: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        shown.extend_from_slice(format!("id: {number}.{}\n", self.offset).as_bytes());
        // A carriage return would end a line of an event, too.
        let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).replace('\r', "\n");
        for data in line.split('\n') {
            shown.extend_from_slice(format!("data: {data}\n").as_bytes());
        }
        shown.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::domain::log::{Stamps, Stream};

    fn file(bytes: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("room");
        file
    }

    fn log(text: &str, entries: &[(Stream, u32)], state: LogState) -> AttemptLog {
        let encode = |(stream, length): &(Stream, u32)| Entry { at: None, stream: *stream, length: *length }.encode();
        let index: Vec<u8> = entries.iter().flat_map(encode).collect();
        let length = text.len() as u64;
        let index = (!index.is_empty()).then(|| (index.len() as u64, file(&index)));
        AttemptLog { number: 2, length, file: Some(file(text.as_bytes())), index, state }
    }

    fn all(mut tail: Tail, log: &AttemptLog) -> String {
        let mut shown = Vec::new();
        loop {
            let more = tail.read(log).expect("it can be read");
            if more.is_empty() {
                shown.extend(tail.finish(log.number));
                return String::from_utf8(shown).expect("UTF-8");
            }
            shown.extend(more);
        }
    }

    const STAMPED: LogView = LogView { stream: None, stamps: Stamps::Shown };
    const PLAIN: LogView = LogView { stream: None, stamps: Stamps::Hidden };

    #[test]
    fn a_log_is_shown_as_far_as_it_is_known_and_to_its_end_once_it_is_complete() {
        let entries = [(Stream::Stdout, 2), (Stream::Stderr, 2)];
        for (name, view, state, want) in [
            ("plain", PLAIN, LogState::Growing, "a\nb\nc\n"),
            ("growing", STAMPED, LogState::Growing, "- stdout a\n- stderr b\n"),
            ("complete", STAMPED, LogState::Complete, "- stdout a\n- stderr b\n- stdout c\n"),
        ] {
            let log = log("a\nb\nc\n", &entries, state);
            assert_eq!(all(Tail::new(view, Format::Text, 0), &log), want, "{name}");
        }
        let ahead = log("a\nb", &entries, LogState::Growing);
        assert_eq!(all(Tail::new(STAMPED, Format::Text, 0), &ahead), "- stdout a\n- stderr b");
        let without = log("a\nb\n", &[], LogState::Complete);
        assert_eq!(all(Tail::new(STAMPED, Format::Text, 0), &without), "- stdout a\n- stdout b\n");
    }

    #[test]
    fn events_say_where_to_go_on() {
        let entries = [(Stream::Stdout, 2), (Stream::Stderr, 4), (Stream::Stdout, 1)];
        let log = log("a\nb\rc\nd", &entries, LogState::Complete);
        let whole = all(Tail::new(PLAIN, Format::Events, 0), &log);
        let (first, rest) = whole.split_at("id: 2.2\ndata: a\n\n".len());
        assert_eq!(first, "id: 2.2\ndata: a\n\n");
        assert_eq!(rest, "id: 2.6\ndata: b\ndata: c\n\nid: 2.7\ndata: d\n\nevent: end\ndata:\n\n");
        assert_eq!(all(Tail::new(PLAIN, Format::Events, 2), &log), rest);
        assert_eq!(all(Tail::new(PLAIN, Format::Events, 7), &log), "event: end\ndata:\n\n");
        let errors = LogView { stream: Some(Stream::Stderr), stamps: Stamps::Shown };
        let end = "id: 2.6\ndata: - stderr b\ndata: c\n\nevent: end\ndata:\n\n";
        assert_eq!(all(Tail::new(errors, Format::Events, 0), &log), end);
        assert_eq!(all(Tail::new(errors, Format::Events, 2), &log), end);
    }

    #[test]
    fn a_long_log_comes_in_pieces() {
        let text = "0123456789abcde\n".repeat(20_000);
        let half = u32::try_from(text.len() / 2).expect("short");
        let log = log(&text, &[(Stream::Stdout, half), (Stream::Stderr, half)], LogState::Complete);
        assert_eq!(all(Tail::new(PLAIN, Format::Text, 0), &log), text);
        let stamped = all(Tail::new(STAMPED, Format::Text, 0), &log);
        assert_eq!(stamped.lines().filter(|line| line.starts_with("- stdout 0")).count(), 10_000);
        assert_eq!(stamped.lines().filter(|line| line.starts_with("- stderr 0")).count(), 10_000);
        let errors = LogView { stream: Some(Stream::Stderr), stamps: Stamps::Hidden };
        assert_eq!(all(Tail::new(errors, Format::Text, 0), &log), text[text.len() / 2..]);
    }
}
