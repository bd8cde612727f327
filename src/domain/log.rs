//! What work writes: one text, and beside it an index of which bytes of it came
//! from where, and when.
//!
//! # Guarantees
//! The text is what the work wrote, in the order in which it was read, byte for
//! byte. A view of it depends on text and index alone, not on the pieces in
//! which they are read.
//! # Not here
//! Where text and index are kept.

use std::str::FromStr;

use super::time::Timestamp;

/// The length of an entry of an index.
pub const ENTRY_BYTES: usize = 12;

/// Where bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The standard output of the work.
    Stdout,
    /// Its standard error.
    Stderr,
    /// The service: a word about the log itself.
    Service,
}

impl Stream {
    /// As it is spelled.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Service => "heeler",
        }
    }

    const fn code(self) -> u64 {
        match self {
            Self::Stdout => 0,
            Self::Stderr => 1,
            Self::Service => 2,
        }
    }
}

/// One of the two streams of the work.
impl FromStr for Stream {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Stdout, Self::Stderr].into_iter().find(|stream| stream.as_str() == text).ok_or(())
    }
}

/// What is known of the next bytes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// When they were read; `None` where that was not written down.
    pub at: Option<Timestamp>,
    /// Where they came from.
    pub stream: Stream,
    /// How many they are.
    pub length: u32,
}

impl Entry {
    /// As it stands in an index.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let millis = self.at.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(0));
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&(millis << 2 | self.stream.code()).to_le_bytes());
        bytes[8..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Reads an entry of an index.
    #[must_use]
    pub fn decode(bytes: [u8; ENTRY_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        let head = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let stream = match head & 3 {
            0 => Stream::Stdout,
            1 => Stream::Stderr,
            _ => Stream::Service,
        };
        let millis = i64::try_from(head >> 2).unwrap_or(0);
        let at = (millis > 0).then(|| Timestamp::from_millis(millis));
        Self { at, stream, length: u32::from_le_bytes([i, j, k, l]) }
    }

    /// What is known of bytes that no index knows.
    #[must_use]
    pub const fn unknown(length: u32) -> Self {
        Self { at: None, stream: Stream::Stdout, length }
    }
}

/// Which part of a log is shown, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogView {
    /// Of one stream only. What the service says is always there.
    pub stream: Option<Stream>,
    /// What stands before each line.
    pub stamps: Stamps,
}

/// What stands before each line of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stamps {
    /// Nothing: it is the text.
    #[default]
    Hidden,
    /// When it was read, and from where.
    Shown,
}

impl LogView {
    /// Whether it is the text as it is.
    #[must_use]
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }

    /// Whether it shows anything of what came from there.
    #[must_use]
    pub const fn shows(self, stream: Stream) -> bool {
        match (self.stream, stream) {
            (None, _) | (_, Stream::Service) | (Some(Stream::Service), _) => true,
            (Some(Stream::Stdout), Stream::Stdout) | (Some(Stream::Stderr), Stream::Stderr) => true,
            (Some(Stream::Stdout), Stream::Stderr) | (Some(Stream::Stderr), Stream::Stdout) => false,
        }
    }
}

/// Shows a log, piece by piece.
#[derive(Debug)]
pub struct Viewer {
    view: LogView,
    /// Whose line is begun and not ended.
    open: Option<Stream>,
}

impl Viewer {
    /// One at the beginning of a log, or of a line of it.
    #[must_use]
    pub const fn new(view: LogView) -> Self {
        Self { view, open: None }
    }

    /// Adds to `into` what is shown of the next bytes, all of one entry.
    pub fn show(&mut self, entry: &Entry, bytes: &[u8], into: &mut Vec<u8>) {
        if !self.view.shows(entry.stream) {
            return;
        }
        match self.view.stamps {
            Stamps::Hidden => into.extend_from_slice(bytes),
            Stamps::Shown => {
                for line in bytes.split_inclusive(|&byte| byte == b'\n') {
                    self.stamp(entry, into);
                    into.extend_from_slice(line);
                    self.open = (!line.ends_with(b"\n")).then_some(entry.stream);
                }
            }
        }
    }

    /// Says when and from where, if a line begins here.
    fn stamp(&mut self, entry: &Entry, into: &mut Vec<u8>) {
        match self.open {
            Some(stream) if stream == entry.stream => return,
            // Whoever went on with the line of somebody else would be taken for them.
            Some(_) => into.push(b'\n'),
            None => {}
        }
        match entry.at {
            Some(at) => into.extend_from_slice(at.to_string().as_bytes()),
            None => into.push(b'-'),
        }
        into.push(b' ');
        into.extend_from_slice(entry.stream.as_str().as_bytes());
        into.push(b' ');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: i64 = 1_795_255_200_123;

    fn entry(stream: Stream, text: &str) -> (Entry, &[u8]) {
        let length = u32::try_from(text.len()).expect("short");
        (Entry { at: Some(Timestamp::from_millis(AT)), stream, length }, text.as_bytes())
    }

    fn shown(view: LogView, pieces: &[(Entry, &[u8])]) -> String {
        let (mut viewer, mut into) = (Viewer::new(view), Vec::new());
        for (entry, bytes) in pieces {
            viewer.show(entry, bytes, &mut into);
        }
        String::from_utf8(into).expect("UTF-8")
    }

    #[test]
    fn each_view_shows_its_part() {
        use Stream::{Service, Stderr, Stdout};
        let pieces = [
            entry(Stdout, "one\ntw"),
            entry(Stderr, "oh\n"),
            entry(Stdout, "o\n"),
            (Entry::unknown(2), b"?\n"),
            entry(Service, "[cut]\n"),
        ];
        let view = |stream, stamps| shown(LogView { stream, stamps }, &pieces);
        assert_eq!(view(None, Stamps::Hidden), "one\ntwoh\no\n?\n[cut]\n");
        assert_eq!(view(Some(Stderr), Stamps::Hidden), "oh\n[cut]\n");
        assert_eq!(view(Some(Stdout), Stamps::Hidden), "one\ntwo\n?\n[cut]\n");
        assert_eq!(
            view(None, Stamps::Shown),
            "2026-11-21T10:00:00.123Z stdout one\n2026-11-21T10:00:00.123Z stdout tw\n\
             2026-11-21T10:00:00.123Z stderr oh\n2026-11-21T10:00:00.123Z stdout o\n- stdout ?\n\
             2026-11-21T10:00:00.123Z heeler [cut]\n"
        );
        assert_eq!(
            view(Some(Stderr), Stamps::Shown),
            "2026-11-21T10:00:00.123Z stderr oh\n2026-11-21T10:00:00.123Z heeler [cut]\n"
        );
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let stream = prop::sample::select(vec![Stream::Stdout, Stream::Stderr, Stream::Service]);
        (prop::option::of(1..=253_402_300_799_999_i64), stream, any::<u32>()).prop_map(|(at, stream, length)| Entry {
            at: at.map(Timestamp::from_millis),
            stream,
            length,
        })
    }

    proptest! {
        #[test]
        fn an_entry_comes_back_as_it_was(entry in any_entry()) {
            prop_assert_eq!(Entry::decode(entry.encode()), entry);
        }

        #[test]
        fn any_bytes_are_an_entry(bytes: [u8; ENTRY_BYTES]) {
            let _ = Entry::decode(bytes);
        }

        #[test]
        fn the_pieces_in_which_a_log_is_read_change_nothing(
            text in "[ab\n]{0,40}", cut in 0_usize..40, stamps in prop::bool::ANY, entry in any_entry()
        ) {
            let stamps = if stamps { Stamps::Shown } else { Stamps::Hidden };
            let view = LogView { stream: None, stamps };
            let (first, rest) = text.as_bytes().split_at(cut.min(text.len()));
            let whole = shown(view, &[(entry, text.as_bytes())]);
            prop_assert_eq!(whole, shown(view, &[(entry, first), (entry, rest)]));
        }
    }
}
