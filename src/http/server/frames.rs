//! The frames that a peer of HTTP/2 sends (RFC 9113, 4.1), as far as deadlines
//! and floods are concerned.
//!
//! # Guarantees
//! It looks at each byte of a head once, keeps none, and takes part in nothing:
//! what a frame means is the protocol's to say.

use std::time::Duration;

use tokio::time::Instant;

/// The bytes of the head of a frame.
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const PUSH_PROMISE: u8 = 0x5;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

/// The flag that ends a block of header fields.
const END_HEADERS: u8 = 0x4;

/// The most frames in [`WINDOW`] that ask for nothing: settings, pings, resets,
/// priorities and what nobody knows. A browser that leaves a page full of
/// pictures resets some hundreds of streams at once, and then is silent; each
/// costs us an answer or a look, so that more of them are an attack.
pub(super) const TALK_MAX: u32 = 1000;

/// How long is looked back for them.
const WINDOW: Duration = Duration::from_secs(10);

/// More frames that ask for nothing than anybody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {TALK_MAX} frames that ask for nothing in {} s", WINDOW.as_secs())]
pub(super) struct Flood;

/// Where in the frames of a connection we are.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    /// How many bytes of the head have come.
    have: usize,
    /// How many bytes of the payload are to come.
    left: usize,
    /// Whether a block of header fields goes on in the next frame.
    in_block: bool,
    /// Since when a frame, or a block, has been waited for that is not whole.
    partial_since: Option<Instant>,
    talk: u32,
    talk_since: Instant,
}

impl Frames {
    /// Before the first frame.
    pub(super) const fn new(now: Instant) -> Self {
        let (head, talk_since) = ([0; HEAD_BYTES], now);
        Self { head, have: 0, left: 0, in_block: false, partial_since: None, talk: 0, talk_since }
    }

    /// Follows what has come.
    ///
    /// # Errors
    /// It is a flood.
    pub(super) fn follow(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Flood> {
        while let Some(first) = bytes.first() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = &bytes[skipped..];
            } else {
                self.partial_since.get_or_insert(now);
                self.head[self.have] = *first;
                self.have += 1;
                bytes = &bytes[1..];
                if self.have < HEAD_BYTES {
                    continue;
                }
                self.begin(now)?;
            }
            if self.left == 0 {
                self.end();
            }
        }
        Ok(())
    }

    fn begin(&mut self, now: Instant) -> Result<(), Flood> {
        let [high, mid, low, kind, flags, ..] = self.head;
        self.left = usize::from(high) << 16 | usize::from(mid) << 8 | usize::from(low);
        match kind {
            // The body of a request has a deadline of its own.
            DATA => self.partial_since = None,
            HEADERS | PUSH_PROMISE | CONTINUATION => self.in_block = flags & END_HEADERS == 0,
            // There are as many of these as answers are large.
            WINDOW_UPDATE => {}
            _ => self.count(now)?,
        }
        Ok(())
    }

    /// The frame is whole.
    const fn end(&mut self) {
        self.have = 0;
        if !self.in_block {
            self.partial_since = None;
        }
    }

    fn count(&mut self, now: Instant) -> Result<(), Flood> {
        if now.duration_since(self.talk_since) > WINDOW {
            (self.talk, self.talk_since) = (0, now);
        }
        self.talk += 1;
        if self.talk > TALK_MAX { Err(Flood) } else { Ok(()) }
    }

    /// Since when the rest of something has been waited for.
    pub(super) const fn partial_since(&self) -> Option<Instant> {
        self.partial_since
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PING: u8 = 0x6;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).expect("a length").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD_BYTES + payload, 0xff);
        frame
    }

    fn follows(parts: &[&[u8]]) -> bool {
        let now = Instant::now();
        let mut frames = Frames::new(now);
        for part in parts {
            frames.follow(part, now).expect("no flood");
        }
        frames.partial_since().is_some()
    }

    #[test]
    fn what_is_not_whole_is_waited_for_but_for_a_body() {
        let headers = frame(HEADERS, END_HEADERS, 20);
        let open = frame(HEADERS, 0, 20);
        let last = frame(CONTINUATION, END_HEADERS, 5);
        let data = frame(DATA, 0, 100);
        for (what, parts, waits) in [
            ("nothing", &[][..], false),
            ("a part of a head", &[&headers[..3]], true),
            ("a head without its payload", &[&headers[..HEAD_BYTES]], true),
            ("all but a byte", &[&headers[..28]], true),
            ("a whole frame", &[&headers], false),
            ("a frame without a payload", &[&frame(PING, 0, 0)], false),
            ("a block that goes on", &[&open], true),
            ("a block that goes on and on", &[&open, &frame(CONTINUATION, 0, 5)], true),
            ("a block that ends", &[&open, &last], false),
            ("a part of the head of a body", &[&data[..5]], true),
            ("a part of a body", &[&data[..HEAD_BYTES]], false),
            ("more of a body", &[&data[..50]], false),
            ("a body", &[&data], false),
            ("a part of what follows", &[&headers, &data, &headers[..1]], true),
        ] {
            assert_eq!(follows(parts), waits, "{what}");
        }
    }

    #[test]
    fn the_time_counts_from_where_the_frame_began_that_is_waited_for() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let headers = frame(HEADERS, END_HEADERS, 20);
        let mut frames = Frames::new(start);
        frames.follow(&headers[..10], start).expect("no flood");
        frames.follow(&headers[10..12], later).expect("no flood");
        assert_eq!(frames.partial_since(), Some(start));
        frames.follow(&headers[12..], later).expect("no flood");
        frames.follow(&headers[..1], later).expect("no flood");
        assert_eq!(frames.partial_since(), Some(later));
    }

    #[test]
    fn talk_is_a_flood_and_requests_and_windows_are_none() {
        let start = Instant::now();
        for kind in [0x2, 0x3, 0x4, PING, 0x7, 0xfe] {
            let mut frames = Frames::new(start);
            let talk = frame(kind, 0, 4);
            for _ in 0..TALK_MAX {
                assert_eq!(frames.follow(&talk, start), Ok(()));
            }
            assert_eq!(frames.follow(&talk, start), Err(Flood), "{kind}");
            let much_later = start + WINDOW + Duration::from_millis(1);
            assert_eq!(frames.follow(&talk, much_later), Ok(()), "{kind}");
        }
        let mut frames = Frames::new(start);
        for kind in [DATA, HEADERS, WINDOW_UPDATE] {
            for _ in 0..=TALK_MAX {
                assert_eq!(frames.follow(&frame(kind, END_HEADERS, 4), start), Ok(()));
            }
        }
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_how_bytes_come(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..200) {
            let (first, second) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(follows(&[&bytes]), follows(&[first, second]));
        }
    }
}
