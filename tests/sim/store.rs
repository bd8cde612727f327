//! The store of a process that may die at any time, over a disk that does not.
//!
//! A commit is handed to a writer that takes commits in their order, may go on
//! with them after whoever asked has hung up, and loses what it has not
//! applied when its process dies.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::FutureExt;
use heeler::state::keys;
use heeler::store::memory::MemoryStore;
use heeler::store::{
    Cause, Changes, CommitError, Entry, Key, KeyRange, Limits, Op, Order, Page, Position, ReadError, Rev, Snapshot,
    Store, Txn, WatchError,
};
use tokio::sync::watch;

use crate::oracle::Oracle;
use crate::planted::Planted;
use crate::runner::Attempts;
use crate::world::{Dice, Faults, Witness, lock, turn};

/// What outlives every process.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) memory: MemoryStore,
    oracle: Arc<Mutex<Oracle>>,
    attempts: Arc<Mutex<Attempts>>,
    dice: Arc<Dice>,
    pub(crate) faults: Mutex<Faults>,
    queue: Mutex<VecDeque<Queued>>,
    answers: Mutex<BTreeMap<u64, Result<Rev, CommitError>>>,
    tickets: AtomicU64,
    planted: Planted,
    /// How time went for each process.
    pub(crate) witnesses: Mutex<BTreeMap<u64, Arc<Mutex<Witness>>>>,
}

#[derive(Debug)]
struct Queued {
    ticket: u64,
    process: u64,
    txn: Txn,
}

impl Disk {
    pub(crate) fn new(
        oracle: Arc<Mutex<Oracle>>,
        attempts: Arc<Mutex<Attempts>>,
        dice: Arc<Dice>,
        faults: Faults,
        planted: Planted,
    ) -> Self {
        Self {
            memory: MemoryStore::new(),
            oracle,
            attempts,
            dice,
            faults: Mutex::new(faults),
            queue: Mutex::default(),
            answers: Mutex::default(),
            tickets: AtomicU64::new(1),
            planted,
            witnesses: Mutex::default(),
        }
    }

    fn hand_over(&self, process: u64, txn: Txn) -> u64 {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        lock(&self.queue).push_back(Queued { ticket, process, txn });
        ticket
    }

    /// The writer takes everything up to a commit, as a group.
    fn write_until(&self, ticket: u64) {
        while let Some(next) = {
            let mut queue = lock(&self.queue);
            if queue.front().is_some_and(|queued| queued.ticket <= ticket) { queue.pop_front() } else { None }
        } {
            let answer = self.write(next.process, next.txn);
            lock(&self.answers).insert(next.ticket, answer);
        }
    }

    /// The writer takes all that it was handed.
    /// Whether nothing is left that it was handed.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.queue).is_empty()
    }

    pub(crate) fn write_all(&self) {
        self.write_until(u64::MAX);
    }

    fn write(&self, process: u64, mut txn: Txn) -> Result<Rev, CommitError> {
        self.planted.spoil(&mut txn);
        let written = txn.clone();
        let rev = self.memory.commit(txn).now_or_never().expect("the store in memory never waits")?;
        let witness = lock(&self.witnesses).get(&process).map(|witness| lock(witness).clone()).unwrap_or_default();
        lock(&self.oracle).committed(&written, rev, &witness, &lock(&self.attempts));
        Ok(rev)
    }

    /// The process is gone: what its writer had begun may be there, from the
    /// oldest on, and the rest is not.
    pub(crate) fn abandon(&self, process: u64) {
        let mut kept = true;
        let queue = std::mem::take(&mut *lock(&self.queue));
        for queued in queue {
            if queued.process != process {
                lock(&self.queue).push_back(queued);
                continue;
            }
            kept = kept && self.dice.happens(500);
            if kept {
                let _ = self.write(process, queued.txn);
            }
            let unknown = CommitError::Unknown(Arc::new(std::io::Error::other("the disk went away")));
            lock(&self.answers).insert(queued.ticket, Err(unknown));
        }
    }

    /// Every row there is.
    pub(crate) fn dump(&self) -> Vec<(Key, Entry)> {
        let all = KeyRange { start: Key(bytes::Bytes::new()), end: Key(bytes::Bytes::from_static(&[0xff])) };
        let page = self.memory.scan(all, Order::Ascending, usize::MAX).now_or_never();
        page.expect("the store in memory never waits").expect("it never fails").rows
    }

    pub(crate) fn rev(&self) -> Rev {
        *self.memory.committed().borrow()
    }
}

/// The disk as one process sees it.
#[derive(Debug)]
pub(crate) struct SimStore {
    disk: Arc<Disk>,
    process: u64,
    stopped: AtomicBool,
}

impl SimStore {
    pub(crate) fn new(disk: Arc<Disk>, process: u64) -> Self {
        Self { disk, process, stopped: AtomicBool::new(false) }
    }

    /// Whether it takes nothing more, so that the process has to end.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The fault that meets this commit before it is handed over.
    fn fault(&self, txn: &Txn) -> Option<CommitError> {
        let faults = *lock(&self.disk.faults);
        let dice = &self.disk.dice;
        if dice.happens(faults.full) {
            return Some(CommitError::Full);
        }
        if dice.happens(faults.conflict) && !txn.guards.is_empty() {
            return Some(CommitError::Conflict { guard: 0 });
        }
        if dice.happens(faults.unknown) {
            self.stopped.store(true, Ordering::Relaxed);
            self.disk.hand_over(self.process, txn.clone());
            self.disk.abandon(self.process);
            return Some(CommitError::Unknown(Arc::new(std::io::Error::other("the disk failed"))));
        }
        None
    }
}

#[async_trait]
impl Store for SimStore {
    async fn get(&self, keys: &[Key]) -> Result<(Rev, Vec<Option<Entry>>), ReadError> {
        turn().await;
        self.disk.memory.get(keys).await
    }

    async fn scan(&self, range: KeyRange, order: Order, limit: usize) -> Result<Page, ReadError> {
        turn().await;
        self.disk.memory.scan(range, order, limit).await
    }

    async fn commit(&self, txn: Txn) -> Result<Rev, CommitError> {
        turn().await;
        if self.has_stopped() {
            return Err(CommitError::Stopped);
        }
        if let Some(fault) = self.fault(&txn) {
            return Err(fault);
        }
        let ticket = self.disk.hand_over(self.process, txn);
        if self.disk.planted == Planted::AnswersBeforeItWrites {
            return Ok(Rev(self.disk.rev().0 + 1));
        }
        turn().await;
        self.disk.write_until(ticket);
        // The answer is on its way, and may get lost with everybody who waits for it.
        turn().await;
        lock(&self.disk.answers).remove(&ticket).unwrap_or(Err(CommitError::Stopped))
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Changes, WatchError> {
        self.disk.memory.changes(after, limit).await
    }

    fn committed(&self) -> watch::Receiver<Rev> {
        self.disk.memory.committed()
    }

    async fn compact(&self, before: Rev) -> Result<(), CommitError> {
        self.disk.memory.compact(before).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        self.disk.memory.snapshot().await
    }

    fn limits(&self) -> Limits {
        self.disk.memory.limits()
    }

    async fn failed(&self) -> Cause {
        std::future::pending().await
    }
}

/// Leaves out what puts a job into the queue.
pub(crate) fn forget_the_queue(txn: &mut Txn) {
    txn.ops.retain(|op| !matches!(op, Op::Put(key, _) if keys::is_queued(key)));
}

/// Leaves out what is remembered under a key, where there is more to write.
pub(crate) fn forget_the_key(txn: &mut Txn) {
    if !txn.log.is_empty() {
        txn.ops.retain(|op| {
            let (Op::Put(key, _) | Op::Delete(key)) = op;
            !keys::is_once(key) && keys::read_expiry(key).is_none()
        });
    }
}
