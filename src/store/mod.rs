//! Ordered keys, small transactions, a log of changes.
//!
//! A store knows bytes and revisions, and nothing of what they mean.
//!
//! # Guarantees
//! A transaction is applied whole or not at all, in one total order, and an
//! answered [`Store::commit`] survives the loss of the process and of power.
//! A read sees one committed snapshot and never waits for a commit.
//! # Assumptions
//! `fsync` tells the truth.
//! # Not here
//! What keys and values mean: [`crate::state`].

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

pub mod backup;
pub mod memory;
pub mod redb;

/// The number of a committed transaction, from 1. It never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rev(pub u64);

/// A key: any bytes, ordered as bytes are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Bytes);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value as it was put.
    pub value: Bytes,
    /// The transaction that put it.
    pub rev: Rev,
}

/// The keys from `start` up to but without `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that may be in it.
    pub start: Key,
    /// The first key after it.
    pub end: Key,
}

/// The direction of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the smallest key on.
    Ascending,
    /// From the largest key down.
    Descending,
}

/// Some rows of a range, in the order asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The snapshot that the rows were read in.
    pub rev: Rev,
    /// The rows.
    pub rows: Vec<(Key, Entry)>,
    /// Whether the range holds more rows than these.
    pub more: bool,
}

/// What must hold for a transaction to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The key holds nothing.
    Absent(Key),
    /// The key holds what that transaction put.
    RevIs(Key, Rev),
    /// The key holds something.
    Present(Key),
}

impl Guard {
    /// The key that it is about.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Absent(key) | Self::RevIs(key, _) | Self::Present(key) => key,
        }
    }
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// The key holds this value from now on.
    Put(Key, Bytes),
    /// The key holds nothing from now on. Deleting nothing is no error.
    Delete(Key),
}

/// Compare-and-commit as data: if all guards hold, all ops are applied.
///
/// Guards are judged before the first op. Where two ops name one key, the
/// later one counts. `log` is appended to the change log under the revision of
/// the transaction, numbered from 0. A transaction without ops is applied, too,
/// and has a revision of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Txn {
    /// What must hold.
    pub guards: Vec<Guard>,
    /// What changes.
    pub ops: Vec<Op>,
    /// What is announced.
    pub log: Vec<Bytes>,
}

/// A place in the change log: the `n`th entry of transaction `rev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The transaction.
    pub rev: Rev,
    /// The entry within it, from 0.
    pub n: u32,
}

/// A part of the change log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The entries.
    pub entries: Vec<(Position, Bytes)>,
    /// Whether the log held more than these when it was read.
    pub more: bool,
}

/// What a store can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most guards, ops and log entries together in one transaction.
    pub txn_ops_max: usize,
    /// The most bytes of keys, values and log entries in one transaction.
    pub txn_bytes_max: usize,
}

impl Limits {
    /// What the embedded stores take.
    ///
    /// Room for the largest document with all that a change of it writes, and
    /// for a thousand due ticks at once; small enough that one transaction
    /// cannot hold up the others for long.
    pub const EMBEDDED: Self = Self { txn_ops_max: 8192, txn_bytes_max: 48 << 20 };
}

/// The most bytes of rows or log entries in one page.
///
/// Without it a page of large rows could take any amount of memory.
pub const PAGE_BYTES_MAX: usize = 16 << 20;

impl Txn {
    /// The bytes of keys, values and log entries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let guards: usize = self.guards.iter().map(|guard| guard.key().0.len()).sum();
        let ops: usize = self
            .ops
            .iter()
            .map(|op| match op {
                Op::Put(key, value) => key.0.len() + value.len(),
                Op::Delete(key) => key.0.len(),
            })
            .sum();
        guards + ops + self.log.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether a store with these limits takes it.
    #[must_use]
    pub fn fits(&self, limits: Limits) -> bool {
        self.guards.len() + self.ops.len() + self.log.len() <= limits.txn_ops_max
            && self.bytes() <= limits.txn_bytes_max
    }

    /// The first guard that does not hold, given what put each key.
    fn broken_guard<E>(&self, mut holds: impl FnMut(&Key) -> Result<Option<Rev>, E>) -> Result<Option<usize>, E> {
        for (index, guard) in self.guards.iter().enumerate() {
            let held = holds(guard.key())?;
            let good = match guard {
                Guard::Absent(_) => held.is_none(),
                Guard::RevIs(_, rev) => held == Some(*rev),
                Guard::Present(_) => held.is_some(),
            };
            if !good {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

/// The cause of a failure, as the engine below reported it.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// A failure to read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The storage failed.
    #[error("the store cannot be read")]
    Storage(#[source] Cause),
}

/// Why a transaction was not answered with a revision.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A guard did not hold. Nothing was applied.
    #[error("guard {guard} of the transaction does not hold")]
    Conflict {
        /// Which guard, from 0.
        guard: usize,
    },
    /// The transaction is beyond [`Limits`]. Nothing was applied.
    #[error("the transaction is larger than the store takes")]
    TooLarge,
    /// The disk has no room left. Nothing was applied, and reads go on.
    #[error("the disk is full")]
    Full,
    /// The store has stopped, or had stopped before this. Nothing was applied.
    #[error("the store has stopped")]
    Stopped,
    /// The commit failed on its way: it may be found applied after a restart.
    /// The store has stopped and takes nothing more.
    #[error("the outcome of the commit is unknown")]
    Unknown(#[source] Cause),
}

/// Why a part of the change log cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WatchError {
    /// The position is older than what the log still holds.
    #[error("the change log no longer holds what follows this position")]
    Compacted,
    /// The storage failed.
    #[error("the change log cannot be read")]
    Storage(#[source] Cause),
}

/// Ordered keys, small transactions, a log of changes.
///
/// Every implementation passes the one conformance suite, `tests/it/store`.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Reads keys in one snapshot; the revision is that of the snapshot.
    async fn get(&self, keys: &[Key]) -> Result<(Rev, Vec<Option<Entry>>), ReadError>;

    /// Reads at most `limit` rows of a range in one snapshot.
    ///
    /// Fewer come where they would exceed [`PAGE_BYTES_MAX`], but at least one;
    /// `more` says so. A range whose end is not after its start is empty.
    async fn scan(&self, range: KeyRange, order: Order, limit: usize) -> Result<Page, ReadError>;

    /// Applies a transaction if its guards hold; its revision when it is durable.
    ///
    /// Once polled it may be applied even if the future is dropped. A read
    /// begun after the answer sees it.
    async fn commit(&self, txn: Txn) -> Result<Rev, CommitError>;

    /// Reads at most `limit` log entries strictly after a position.
    ///
    /// `Position::default()` is before all. [`WatchError::Compacted`] exactly
    /// when an entry after the position has been forgotten. A page is bounded
    /// by [`PAGE_BYTES_MAX`] as that of a scan is.
    async fn changes(&self, after: Position, limit: usize) -> Result<Changes, WatchError>;

    /// The newest committed revision, and a wake-up at each newer one.
    ///
    /// A waker, not a queue: who is slow sees the newest revision only, and
    /// reads what came before from [`Store::changes`].
    fn committed(&self) -> watch::Receiver<Rev>;

    /// Forgets the log entries of all transactions before `before`.
    ///
    /// It makes no revision, and wakes nobody. A crash may leave it half done,
    /// oldest entries first.
    async fn compact(&self, before: Rev) -> Result<(), CommitError>;

    /// Everything that is committed now, to be read for as long as it is kept.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError>;

    /// What one transaction can hold.
    fn limits(&self) -> Limits;

    /// Resolves once the store has stopped for good after a failure, with the
    /// cause. Never resolves while the store works.
    async fn failed(&self) -> Cause;
}

/// Everything that a store held at one moment.
///
/// To read it blocks the thread. While it is kept the store keeps whatever it
/// held then, and grows with each commit: who has one sets itself a limit.
/// Once the store is closed it can no longer be read.
pub trait Snapshot: Send + fmt::Debug {
    /// The newest revision that is in it.
    fn rev(&self) -> Rev;

    /// What some keys held.
    ///
    /// # Errors
    /// The storage failed.
    fn get(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, ReadError>;

    /// At most `limit` rows by their keys, those after a key or from the first
    /// one on. A page is bounded as that of [`Store::scan`] is.
    ///
    /// # Errors
    /// The storage failed.
    fn rows(&self, after: Option<&Key>, limit: usize) -> Result<Page, ReadError>;

    /// At most `limit` entries of the change log strictly after a position,
    /// whether or not any after it have been forgotten.
    ///
    /// # Errors
    /// The storage failed.
    fn log(&self, after: Position, limit: usize) -> Result<Changes, ReadError>;
}

/// Why a store cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{path} is in use by another process{owner}")]
    InUse {
        /// The store.
        path: String,
        /// ` (pid 7)`, or nothing where that is not known.
        owner: String,
    },
    /// The file is something else.
    #[error("{path} is not a store of Heeler")]
    Foreign {
        /// The store.
        path: String,
    },
    /// The file was a store and is damaged.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        /// The store.
        path: String,
        /// What the engine found.
        detail: String,
    },
    /// The file was written by a newer version.
    #[error("{path} has format {found}, and this version reads formats up to {newest}: use a newer version")]
    Newer {
        /// The store.
        path: String,
        /// Its format.
        found: u64,
        /// The newest format that can be read.
        newest: u64,
    },
    /// The file or its folder cannot be used.
    #[error("{path} cannot be opened")]
    Io {
        /// The store.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
