//! What waits for one who watches.
//!
//! # Guarantees
//! Of each item only the latest change waits, and no more than [`PENDING_MAX`]
//! items do: who does not come for them costs no more than that.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Change, Item};
use crate::store::Position;

/// The most items that wait for one who watches. Who keeps up has a few; for
/// who does not, the log is there to be read.
pub const PENDING_MAX: usize = 256;

/// Changes that nobody has come for yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changes: BTreeMap<Position, Arc<Change>>,
    of: HashMap<Item, Position>,
    /// Whether there were more than wait here.
    is_short: bool,
}

impl Pending {
    /// Something changed, after everything that waits already.
    pub(super) fn put(&mut self, change: &Arc<Change>) {
        if self.is_short {
            return;
        }
        if let Some(before) = self.of.insert(change.item.clone(), change.at) {
            self.changes.remove(&before);
        }
        self.changes.insert(change.at, Arc::clone(change));
        if self.changes.len() > PENDING_MAX {
            self.lose();
        }
    }

    /// What waits is given up, and so is what comes from now on.
    pub(super) fn lose(&mut self) {
        *self = Self { is_short: true, ..Self::default() };
    }

    /// Whether something was given up.
    pub(super) const fn is_short(&self) -> bool {
        self.is_short
    }

    /// Whether anything waits, or was given up.
    pub(super) fn has_some(&self) -> bool {
        self.is_short || !self.changes.is_empty()
    }

    /// The oldest change that waits.
    pub(super) fn first(&self) -> Option<&Arc<Change>> {
        self.changes.values().next()
    }

    /// Everything up to there has been seen.
    pub(super) fn seen(&mut self, upto: Position) {
        while let Some(first) = self.changes.first_entry().filter(|first| *first.key() <= upto) {
            let change = first.remove();
            self.of.remove(&change.item);
        }
    }
}

/// What waits, and a bell for who waits for it.
#[derive(Debug)]
pub(super) struct Mailbox {
    pending: Mutex<Pending>,
    /// Whether there is something else to look at.
    nudged: AtomicBool,
    pub(super) bell: Notify,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { pending: Mutex::default(), nudged: AtomicBool::new(false), bell: Notify::new() }
    }
}

impl Mailbox {
    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, change: &Arc<Change>) {
        self.pending().put(change);
        self.bell.notify_one();
    }

    pub(super) fn nudge(&self) {
        self.nudged.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    pub(super) fn is_nudged(&self) -> bool {
        self.nudged.load(Ordering::Acquire)
    }

    pub(super) fn lose(&self) {
        self.pending().lose();
        self.bell.notify_one();
    }
}
