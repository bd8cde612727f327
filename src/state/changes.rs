//! At which revision each collection last changed, and any job, for the tags of lists.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::id::CollectionName;
use crate::store::Rev;

/// The last change of each collection since the service started.
///
/// Before that nothing is remembered, and a list's tag names the revision of
/// the start: a restart may give a list a new tag, and never an old one to a
/// changed list.
#[derive(Debug)]
pub(super) struct Changes {
    start: Rev,
    since: Mutex<HashMap<CollectionName, Rev>>,
    /// The last change of any job.
    jobs: AtomicU64,
    /// Those of which a commit was left alone, and may be made all the same.
    doubted: Mutex<HashSet<CollectionName>>,
}

impl Changes {
    /// Remembers from `start` on, the newest revision there is.
    pub(super) fn new(start: Rev) -> Self {
        Self { start, since: Mutex::default(), jobs: AtomicU64::new(start.0), doubted: Mutex::default() }
    }

    /// A transaction changed something in the collection.
    pub(super) fn note(&self, collection: &CollectionName, rev: Rev) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match since.get_mut(collection) {
            Some(last) => *last = rev.max(*last),
            None => drop(since.insert(collection.clone(), rev)),
        }
    }

    /// A transaction changed a job.
    pub(super) fn note_jobs(&self, rev: Rev) {
        self.jobs.fetch_max(rev.0, Ordering::Relaxed);
    }

    /// The last change of any job, where `newest` is the newest revision. Ask
    /// before reading a list of jobs.
    pub(super) fn last_of_jobs(&self, newest: Rev) -> Rev {
        if self.doubts().is_empty() { Rev(self.jobs.load(Ordering::Relaxed)) } else { newest }
    }

    /// Nobody waits any more for a commit that changes the collection: any
    /// revision from now on may have changed it.
    pub(super) fn doubt(&self, collection: &CollectionName) {
        self.doubts().insert(collection.clone());
    }

    /// The collections that are doubted.
    pub(super) fn doubted(&self) -> Vec<CollectionName> {
        self.doubts().iter().cloned().collect()
    }

    /// Whatever was left alone of these collections before is decided by this revision.
    pub(super) fn settle(&self, collections: &[CollectionName], rev: Rev) {
        let mut doubts = self.doubts();
        for collection in collections {
            self.note(collection, rev);
            doubts.remove(collection);
        }
        self.note_jobs(rev);
    }

    /// The last change of a collection, where `newest` is the newest revision.
    /// Ask before reading the list: then the tag is never newer than what it is put on.
    pub(super) fn last(&self, collection: &CollectionName, newest: Rev) -> Rev {
        if self.doubts().contains(collection) {
            return newest;
        }
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get(collection).copied().unwrap_or(self.start)
    }

    fn doubts(&self) -> MutexGuard<'_, HashSet<CollectionName>> {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
