//! The embedded store: one file, one owner, one flush for a group of commits.
//!
//! # Guarantees
//! Those of [`crate::store`]. Until a file is known to be a whole store of a
//! format that this version reads, nothing of it is changed. A file is created
//! whole or not at all.
//! # Assumptions
//! `fsync` tells the truth, and the file is on a local file system.
//! # Not here
//! Going on after a failure. A store that failed stops for good; the process
//! ends, and the next one finds out at [`RedbStore::open`] what was kept.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use ::redb::{Database, StorageBackend};
use async_trait::async_trait;
use tokio::sync::{oneshot, watch};

use self::lock::Lock;
use self::queue::{Commit, Forget, Forgotten, Queue};
use super::{
    Cause, Changes, CommitError, Entry, Key, KeyRange, Limits, OpenError, Order, Page, Position, ReadError, Rev,
    Snapshot, Store, Txn, WatchError,
};

mod gate;
mod group;
mod lock;
pub mod offline;
mod open;
mod queue;
mod read;
pub mod restore;
mod tables;
mod writer;

pub use self::writer::DISK_RESERVE_BYTES;

/// Tells the free bytes of the disk.
pub type FreeSpace = Arc<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// Is told of each flush of transactions.
pub type Flushed = Arc<dyn Fn(Flush) + Send + Sync>;

/// What one flush was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flush {
    /// How many transactions it made durable.
    pub transactions: usize,
    /// How long that took: judging them, writing, and the disk.
    pub took: Duration,
}

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// The most memory for cached pages, in bytes.
    pub cache_bytes: usize,
    /// What a restart after a crash costs, and what it costs to prepare for it.
    pub recovery: Recovery,
    /// What is verified before the store is used.
    pub check: Check,
    /// Where the free space is learned; `None` asks the file's file system
    /// where there is a file, and nobody otherwise.
    pub free_space: Option<FreeSpace>,
    /// Who is told of each flush, on the thread that writes.
    pub flushed: Option<Flushed>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20, recovery: Recovery::Walk, check: Check::Quick, free_space: None, flushed: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cache_bytes", &self.cache_bytes)
            .field("recovery", &self.recovery)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}

/// What a restart after a crash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The whole file is walked: seconds for each gigabyte.
    Walk,
    /// Milliseconds, for which each flush writes about a third more.
    Prepared,
}

/// What is verified before a store is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// That it is a store, and where it crashed also all of its checksums.
    Quick,
    /// All of its checksums: seconds for each gigabyte.
    Whole,
}

/// Why the embedded store failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The engine reported an error.
    #[error("the storage engine failed")]
    Engine(#[source] ::redb::Error),
    /// The engine panicked.
    #[error("the storage engine panicked: {0}")]
    Panic(String),
    /// The writer's thread has gone without an answer.
    #[error("the writer has ended")]
    Gone,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl Fault {
    fn panic(payload: &(dyn Any + Send)) -> Self {
        let told = payload.downcast_ref::<String>().map(String::as_str);
        Self::Panic(told.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned())
    }
}

/// A store in one file.
///
/// Dropping it closes it, see [`RedbStore::close`].
pub struct RedbStore {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Given up last: until then nobody else may open the file.
    lock: Mutex<Option<Lock>>,
}

/// What the callers and the writer's thread share.
struct Shared {
    /// `None` once the store is closed.
    db: RwLock<Option<Database>>,
    queue: Queue,
    committed: watch::Sender<Rev>,
    turns: Turns,
    failed: watch::Sender<Option<Cause>>,
    options: Options,
}

/// Counts the moments in which a commit becomes visible: odd while one does.
///
/// It stays odd after a failure, since nobody knows what became visible then.
#[derive(Debug, Default)]
struct Turns(AtomicU64);

impl Turns {
    fn begin(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn end(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// The count, while no commit becomes visible.
    fn quiet(&self) -> Option<u64> {
        Some(self.0.load(Ordering::SeqCst)).filter(|count| count % 2 == 0)
    }
}

impl Shared {
    fn db(&self) -> RwLockReadGuard<'_, Option<Database>> {
        // The only one who writes here takes the value and cannot panic.
        self.db.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn cause(&self) -> Option<Cause> {
        self.failed.borrow().clone()
    }

    /// Stops the store for good. The first cause is the one that is told.
    fn fail(&self, cause: Cause) {
        self.queue.shut();
        self.failed.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert(cause);
            first
        });
    }
}

impl RedbStore {
    /// Opens the store at a path, and creates it where nothing is.
    ///
    /// It is this process's alone until it is closed: `<path>.lock` is held,
    /// whose owner's end, however sudden, gives it up. What a crashed creation
    /// left behind, `<path>.new`, is no obstacle. It may take long after a
    /// crash, see [`Recovery`].
    ///
    /// # Errors
    /// As [`OpenError`] says; the file is then as it was, to the byte.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let (opened, lock) = open::at(path, &options)?;
        let options = Options { free_space: options.free_space.or_else(|| Some(open::free_space(path))), ..options };
        Self::start(opened, options, Some(lock))
            .map_err(|source| OpenError::Io { path: path.display().to_string(), source })
    }

    /// Opens the store in a backend, and creates it in an empty one.
    ///
    /// For tests that lose power: nothing keeps two owners apart, and a
    /// creation is not atomic.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn over(backend: impl StorageBackend, options: Options) -> Result<Self, OpenError> {
        const NAME: &str = "the backend";
        let opened = open::over(backend, NAME, &options)?;
        Self::start(opened, options, None).map_err(|source| OpenError::Io { path: NAME.to_owned(), source })
    }

    fn start(opened: open::Opened, options: Options, lock: Option<Lock>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            db: RwLock::new(Some(opened.db)),
            queue: Queue::new(),
            committed: watch::Sender::new(opened.rev),
            turns: Turns::default(),
            failed: watch::Sender::new(None),
            options,
        });
        let writer = Builder::new().name("heeler-store".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || writer::run(&shared, opened.rev)
        })?;
        Ok(Self { shared, writer: Mutex::new(Some(writer)), lock: Mutex::new(lock) })
    }

    /// Answers what is queued, closes the file so that the next open finds
    /// nothing to repair, and gives up the lock.
    ///
    /// It blocks meanwhile. Commits are then answered [`CommitError::Stopped`]
    /// and reads fail. Closing twice is closing once.
    ///
    /// # Errors
    /// What the engine reports. All that was acknowledged is kept even so.
    pub fn close(&self) -> Result<(), Cause> {
        self.shared.queue.shut();
        // Held to the end, so that nobody closes the file while another waits
        // for the writer to be done with it.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // It catches its panics, and has told of them by `failed`.
        let _ = writer.take().map(JoinHandle::join);
        let db = self.shared.db.write().unwrap_or_else(PoisonError::into_inner).take();
        let closed = db.map_or(Ok(()), open::close);
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        closed.map_err(|fault| Arc::new(fault) as Cause)
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        // Nothing acknowledged depends on it: at worst the next open repairs.
        let _ = self.close();
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("committed", &*self.shared.committed.borrow()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, keys: &[Key]) -> Result<(Rev, Vec<Option<Entry>>), ReadError> {
        read::snapshot(&self.shared, |txn| read::get(txn, keys)).map_err(ReadError::Storage)
    }

    async fn scan(&self, range: KeyRange, order: Order, limit: usize) -> Result<Page, ReadError> {
        read::snapshot(&self.shared, |txn| read::scan(txn, &range, order, limit)).map_err(ReadError::Storage)
    }

    async fn commit(&self, txn: Txn) -> Result<Rev, CommitError> {
        if !txn.fits(self.limits()) {
            return Err(CommitError::TooLarge);
        }
        let (answer, answered) = oneshot::channel();
        self.shared.queue.commit(Commit { txn, answer }).await.map_err(|_| CommitError::Stopped)?;
        // A writer that ended without an answer may have flushed before it did.
        answered.await.unwrap_or_else(|_| Err(CommitError::Unknown(self.shared.gone())))
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Changes, WatchError> {
        let read = read::snapshot(&self.shared, |txn| read::changes(txn, after, limit));
        read.map_err(WatchError::Storage)?.ok_or(WatchError::Compacted)
    }

    fn committed(&self) -> watch::Receiver<Rev> {
        self.shared.committed.subscribe()
    }

    async fn compact(&self, before: Rev) -> Result<(), CommitError> {
        loop {
            let (answer, answered) = oneshot::channel();
            self.shared.queue.forget(Forget { before, answer }).await.map_err(|_| CommitError::Stopped)?;
            let forgotten = answered.await.unwrap_or_else(|_| Err(CommitError::Unknown(self.shared.gone())))?;
            if forgotten == Forgotten::All {
                return Ok(());
            }
        }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        Ok(Box::new(read::Keep::of(&self.shared).map_err(ReadError::Storage)?))
    }

    fn limits(&self) -> Limits {
        Limits::EMBEDDED
    }

    async fn failed(&self) -> Cause {
        let mut failed = self.shared.failed.subscribe();
        let told = failed.wait_for(Option::is_some).await.expect("the sender lives as long as the store");
        told.clone().expect("it was waited for")
    }
}

impl Shared {
    fn gone(&self) -> Cause {
        self.cause().unwrap_or_else(|| Arc::new(Fault::Gone))
    }
}
