//! At which revision each collection last changed, and any job, for the tags of lists.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::id::CollectionName;
use crate::store::Rev;

/// Collections of which a commit was left alone, each with the number of its
/// last doubt.
#[derive(Debug, Default)]
struct Doubts {
    of: HashMap<CollectionName, u64>,
    ever: u64,
}

/// A collection that is doubted, and how far.
#[derive(Debug)]
pub(super) struct Doubt {
    collection: CollectionName,
    number: u64,
}

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
    doubted: Mutex<Doubts>,
}

impl Doubt {
    /// Which collection.
    pub(super) const fn collection(&self) -> &CollectionName {
        &self.collection
    }
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
        if self.doubts().of.is_empty() { Rev(self.jobs.load(Ordering::Relaxed)) } else { newest }
    }

    /// Nobody waits any more for a commit that changes the collection: any
    /// revision from now on may have changed it.
    pub(super) fn doubt(&self, collection: &CollectionName) {
        let mut doubts = self.doubts();
        doubts.ever += 1;
        let number = doubts.ever;
        doubts.of.insert(collection.clone(), number);
    }

    /// The collections that are doubted.
    pub(super) fn doubted(&self) -> Vec<Doubt> {
        let doubts = self.doubts();
        let of = doubts.of.iter();
        of.map(|(collection, number)| Doubt { collection: collection.clone(), number: *number }).collect()
    }

    /// Whatever had been left alone when these were asked for is decided by this
    /// revision. What was doubted anew meanwhile stays so.
    pub(super) fn settle(&self, doubted: &[Doubt], rev: Rev) {
        let mut doubts = self.doubts();
        for Doubt { collection, number } in doubted {
            self.note(collection, rev);
            if doubts.of.get(collection) == Some(number) {
                doubts.of.remove(collection);
            }
        }
        self.note_jobs(rev);
    }

    /// The last change of a collection, where `newest` is the newest revision.
    /// Ask before reading the list: then the tag is never newer than what it is put on.
    pub(super) fn last(&self, collection: &CollectionName, newest: Rev) -> Rev {
        if self.doubts().of.contains_key(collection) {
            return newest;
        }
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get(collection).copied().unwrap_or(self.start)
    }

    fn doubts(&self) -> MutexGuard<'_, Doubts> {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_doubted_while_an_earlier_doubt_is_settled_stays_so() {
        let name: CollectionName = "c".parse().expect("a name");
        let changes = Changes::new(Rev(1));
        changes.doubt(&name);
        let doubted = changes.doubted();
        changes.doubt(&name);
        changes.settle(&doubted, Rev(2));
        assert_eq!((changes.last(&name, Rev(9)), changes.last_of_jobs(Rev(9))), (Rev(9), Rev(9)));
        let doubted = changes.doubted();
        changes.settle(&doubted, Rev(3));
        assert_eq!((changes.last(&name, Rev(9)), changes.last_of_jobs(Rev(9))), (Rev(3), Rev(3)));
    }
}
