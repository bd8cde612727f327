//! The store that forgets: a map and a list, for tests, simulation and demos.
//!
//! # Guarantees
//! Those of [`crate::store`] but durability. It is the reference that the other
//! stores are compared with. No method waits for anything, so any executor can
//! poll it, and the same calls in the same order give the same answers.
//! # Not here
//! Failure: it never fails, and it is never full.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::{
    Cause, Changes, CommitError, Entry, Key, KeyRange, Limits, Op, Order, PAGE_BYTES_MAX, Page, Position, ReadError,
    Rev, Snapshot, Store, Txn, WatchError,
};

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    contents: Mutex<Contents>,
    committed: watch::Sender<Rev>,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    rev: Rev,
    rows: BTreeMap<Key, Entry>,
    log: BTreeMap<Position, Bytes>,
    /// The newest log entry that was forgotten; the default if none was.
    forgotten: Position,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { contents: Mutex::default(), committed: watch::Sender::new(Rev::default()) }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // No line below can panic between two changes that belong together.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, keys: &[Key]) -> Result<(Rev, Vec<Option<Entry>>), ReadError> {
        let contents = self.contents();
        Ok((contents.rev, keys.iter().map(|key| contents.rows.get(key).cloned()).collect()))
    }

    async fn scan(&self, range: KeyRange, order: Order, limit: usize) -> Result<Page, ReadError> {
        let contents = self.contents();
        let rev = contents.rev;
        if range.start >= range.end {
            return Ok(Page { rev, rows: Vec::new(), more: false });
        }
        let rows = contents.rows.range(range.start..range.end).map(|(key, entry)| (key.clone(), entry.clone()));
        let bytes = |(key, entry): &(Key, Entry)| key.0.len() + entry.value.len();
        let (rows, more) = match order {
            Order::Ascending => page(rows, limit, bytes),
            Order::Descending => page(rows.rev(), limit, bytes),
        };
        Ok(Page { rev, rows, more })
    }

    async fn commit(&self, txn: Txn) -> Result<Rev, CommitError> {
        if !txn.fits(self.limits()) {
            return Err(CommitError::TooLarge);
        }
        let mut contents = self.contents();
        let rev = contents.apply(txn)?;
        // Still under the lock, so that wake-ups never run backwards.
        self.committed.send_replace(rev);
        Ok(rev)
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Changes, WatchError> {
        let contents = self.contents();
        if after < contents.forgotten {
            return Err(WatchError::Compacted);
        }
        let entries =
            contents.log.range((Bound::Excluded(after), Bound::Unbounded)).map(|(at, entry)| (*at, entry.clone()));
        let (entries, more) = page(entries, limit, |(_, entry)| entry.len());
        Ok(Changes { entries, more })
    }

    fn committed(&self) -> watch::Receiver<Rev> {
        self.committed.subscribe()
    }

    async fn compact(&self, before: Rev) -> Result<(), CommitError> {
        let mut contents = self.contents();
        let kept = contents.log.split_off(&Position { rev: before, n: 0 });
        if let Some((newest, _)) = std::mem::replace(&mut contents.log, kept).pop_last() {
            contents.forgotten = newest;
        }
        Ok(())
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        // Keys and values are shared, not copied.
        Ok(Box::new(self.contents().clone()))
    }

    fn limits(&self) -> Limits {
        Limits::EMBEDDED
    }

    async fn failed(&self) -> Cause {
        std::future::pending().await
    }
}

impl Contents {
    fn apply(&mut self, txn: Txn) -> Result<Rev, CommitError> {
        let rev_of = |key: &Key| Ok::<_, CommitError>(self.rows.get(key).map(|entry| entry.rev));
        if let Some(guard) = txn.broken_guard(rev_of)? {
            return Err(CommitError::Conflict { guard });
        }
        let rev = Rev(self.rev.0 + 1);
        for op in txn.ops {
            match op {
                Op::Put(key, value) => self.rows.insert(key, Entry { value, rev }),
                Op::Delete(key) => self.rows.remove(&key),
            };
        }
        self.log.extend((0..).zip(txn.log).map(|(n, entry)| (Position { rev, n }, entry)));
        self.rev = rev;
        Ok(rev)
    }
}

impl Snapshot for Contents {
    fn rev(&self) -> Rev {
        self.rev
    }

    fn get(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, ReadError> {
        Ok(keys.iter().map(|key| self.rows.get(key).cloned()).collect())
    }

    fn rows(&self, after: Option<&Key>, limit: usize) -> Result<Page, ReadError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.range((start, Bound::Unbounded)).map(|(key, entry)| (key.clone(), entry.clone()));
        let (rows, more) = page(rows, limit, |(key, entry)| key.0.len() + entry.value.len());
        Ok(Page { rev: self.rev, rows, more })
    }

    fn log(&self, after: Position, limit: usize) -> Result<Changes, ReadError> {
        let entries =
            self.log.range((Bound::Excluded(after), Bound::Unbounded)).map(|(at, entry)| (*at, entry.clone()));
        let (entries, more) = page(entries, limit, |(_, entry)| entry.len());
        Ok(Changes { entries, more })
    }
}

/// The first `limit` items, or as many as [`PAGE_BYTES_MAX`] allows but at
/// least one, and whether there are more.
fn page<T>(items: impl Iterator<Item = T>, limit: usize, bytes: impl Fn(&T) -> usize) -> (Vec<T>, bool) {
    let mut taken = Vec::new();
    let mut size = 0;
    for item in items {
        size += bytes(&item);
        if taken.len() == limit || (size > PAGE_BYTES_MAX && !taken.is_empty()) {
            return (taken, true);
        }
        taken.push(item);
    }
    (taken, false)
}
