//! From a snapshot to the bytes of a backup.

use bytes::{BufMut as _, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use super::{END, FORMAT_NEWEST, MAGIC, ROW};
use crate::store::{Entry, Key, ReadError, Rev, Snapshot};

/// The most rows of a part: the bytes of a page are bounded as well.
const ROWS_AT_ONCE: usize = 1_000;

/// A backup that is being made, part by part.
#[derive(Debug)]
pub struct Backup {
    snapshot: Box<dyn Snapshot>,
    digest: Sha256,
    rows: u64,
    next: Next,
}

/// What the next part is.
#[derive(Debug)]
enum Next {
    Head,
    RowsAfter(Option<Key>),
    End,
    Nothing,
}

impl Backup {
    /// The backup of what a snapshot holds.
    #[must_use]
    pub fn new(snapshot: Box<dyn Snapshot>) -> Self {
        Self { snapshot, digest: Sha256::new(), rows: 0, next: Next::Head }
    }

    /// The newest revision that is in it.
    #[must_use]
    pub fn rev(&self) -> Rev {
        self.snapshot.rev()
    }

    /// The next part, at most one page of rows; `None` after the last one.
    ///
    /// It blocks while the store is read.
    ///
    /// # Errors
    /// The storage failed: what came so far is no backup.
    pub fn next_part(&mut self) -> Result<Option<Bytes>, ReadError> {
        let mut part = BytesMut::new();
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Head => {
                part.put_slice(MAGIC);
                part.put_u32(FORMAT_NEWEST);
                part.put_u64(self.snapshot.rev().0);
                self.next = Next::RowsAfter(None);
            }
            Next::RowsAfter(after) => {
                let page = self.snapshot.rows(after.as_ref(), ROWS_AT_ONCE)?;
                page.rows.iter().for_each(|(key, entry)| put(&mut part, key, entry));
                self.rows += page.rows.len() as u64;
                let last = page.rows.into_iter().next_back().map(|(key, _)| key);
                self.next = if page.more { Next::RowsAfter(last) } else { Next::End };
            }
            Next::End => {
                part.put_u8(END);
                part.put_u64(self.rows);
                self.digest.update(&part);
                part.put_slice(&self.digest.finalize_reset());
                return Ok(Some(part.freeze()));
            }
            Next::Nothing => return Ok(None),
        }
        self.digest.update(&part);
        Ok(Some(part.freeze()))
    }
}

fn put(part: &mut BytesMut, key: &Key, entry: &Entry) {
    let length = |bytes: &Bytes| u32::try_from(bytes.len()).expect("a transaction, and so a row, is smaller");
    part.reserve(1 + 8 + 4 + 4 + key.0.len() + entry.value.len());
    part.put_u8(ROW);
    part.put_u64(entry.rev.0);
    part.put_u32(length(&key.0));
    part.put_u32(length(&entry.value));
    part.put_slice(&key.0);
    part.put_slice(&entry.value);
}
