//! Parts of keys, as bytes that sort as what they stand for.

use crate::domain::id::JobId;
use crate::store::{Key, KeyRange};

pub(super) const SIGN_64: u64 = 1 << 63;

/// Sorts as unsigned bytes as the number sorts.
pub(super) const fn sortable_i64(number: i64) -> u64 {
    u64::from_be_bytes(number.to_be_bytes()) ^ SIGN_64
}

pub(super) const fn sortable_i32(number: i32) -> u32 {
    u32::from_be_bytes(number.to_be_bytes()) ^ (1 << 31)
}

#[derive(Clone)]
pub(super) struct Builder(Vec<u8>);

impl Builder {
    pub(super) fn new(tag: u8) -> Self {
        Self(vec![tag])
    }

    pub(super) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).byte(0)
    }

    pub(super) fn key(self) -> Key {
        Key(self.0.into())
    }

    /// The first key after all that begin with this one. Tags and the ends of
    /// strings are never 0xff, so there always is one.
    pub(super) fn end(mut self) -> Key {
        while self.0.last() == Some(&0xff) {
            self.0.pop();
        }
        if let Some(last) = self.0.last_mut() {
            *last += 1;
        }
        self.key()
    }

    pub(super) fn range(self) -> KeyRange {
        KeyRange { start: self.clone().key(), end: self.end() }
    }
}

impl From<Key> for Builder {
    fn from(key: Key) -> Self {
        Self(key.0.to_vec())
    }
}

pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(key: &'a Key, tag: u8) -> Option<Self> {
        key.0.strip_prefix(&[tag]).map(Self)
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = std::str::from_utf8(self.take(end)?).ok()?;
        self.take(1)?;
        Some(text)
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The id in the last sixteen bytes.
    pub(super) fn last_id(&self) -> Option<JobId> {
        Some(JobId::from_bytes(*self.0.last_chunk::<16>()?))
    }
}
