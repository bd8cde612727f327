//! Where the time of a change goes, for those who ask.
//!
//! # Guarantees
//! Nobody pays for it who does not ask, and nothing is ever decided on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::watch;

use super::State;
use crate::clock::Clock;
use crate::store::{
    Cause, Changes, CommitError, Entry, Key, KeyRange, Limits, Order, Page, Position, ReadError, Rev, Snapshot, Store,
    Txn, WatchError,
};

/// What a change is waiting for, or doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// For others who change the same resource.
    Lock,
    /// For the store to read.
    Load,
    /// Deciding what is to happen, and what follows from it.
    Decide,
    /// For the store to commit.
    Commit,
}

impl Stage {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 4] = [Self::Lock, Self::Load, Self::Decide, Self::Commit];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Load => "load",
            Self::Decide => "decide",
            Self::Commit => "commit",
        }
    }
}

/// How long each stage took, all times together.
#[derive(Debug, Default)]
pub struct Stages([AtomicU64; Stage::ALL.len()]);

impl Stages {
    /// How long a stage took; `None` if it never came to that.
    #[must_use]
    pub fn spent(&self, stage: Stage) -> Option<Duration> {
        match self.0[stage as usize].load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    fn add(&self, stage: Stage, spent: Duration) {
        // At least one, so that what took no time at all has come to pass.
        let nanos = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.0[stage as usize].fetch_add(nanos, Ordering::Relaxed);
    }
}

/// Notes how long a stage takes, until it is dropped.
#[must_use]
pub(super) struct Noting<'a> {
    to: Option<(&'a Stages, Stage, Instant)>,
    clock: &'a dyn Clock,
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        if let Some((stages, stage, since)) = self.to {
            stages.add(stage, self.clock.instant() - since);
        }
    }
}

impl State {
    /// The same, and what is asked of it here is noted there.
    #[must_use]
    pub fn noting(&self, stages: &Arc<Stages>) -> Self {
        let store =
            Noted { store: Arc::clone(&self.store), clock: Arc::clone(&self.clock), stages: Arc::clone(stages) };
        Self { store: Arc::new(store), stages: Some(Arc::clone(stages)), ..self.clone() }
    }

    /// Begins a stage.
    pub(super) fn note(&self, stage: Stage) -> Noting<'_> {
        note(self.stages.as_deref(), stage, &*self.clock)
    }
}

fn note<'a>(stages: Option<&'a Stages>, stage: Stage, clock: &'a dyn Clock) -> Noting<'a> {
    Noting { to: stages.map(|stages| (stages, stage, clock.instant())), clock }
}

/// A store that notes how long it is waited for.
#[derive(Debug)]
struct Noted {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    stages: Arc<Stages>,
}

impl Noted {
    fn note(&self, stage: Stage) -> Noting<'_> {
        note(Some(&self.stages), stage, &*self.clock)
    }
}

#[async_trait]
impl Store for Noted {
    async fn get(&self, keys: &[Key]) -> Result<(Rev, Vec<Option<Entry>>), ReadError> {
        let _noting = self.note(Stage::Load);
        self.store.get(keys).await
    }

    async fn scan(&self, range: KeyRange, order: Order, limit: usize) -> Result<Page, ReadError> {
        let _noting = self.note(Stage::Load);
        self.store.scan(range, order, limit).await
    }

    async fn commit(&self, txn: Txn) -> Result<Rev, CommitError> {
        let _noting = self.note(Stage::Commit);
        self.store.commit(txn).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Changes, WatchError> {
        let _noting = self.note(Stage::Load);
        self.store.changes(after, limit).await
    }

    fn committed(&self) -> watch::Receiver<Rev> {
        self.store.committed()
    }

    async fn compact(&self, before: Rev) -> Result<(), CommitError> {
        self.store.compact(before).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        self.store.snapshot().await
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn failed(&self) -> Cause {
        self.store.failed().await
    }
}
