//! At which revision each collection last changed, for the tags of lists.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

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
}

impl Changes {
    /// Remembers from `start` on, the newest revision there is.
    pub(super) fn new(start: Rev) -> Self {
        Self { start, since: Mutex::default() }
    }

    /// A transaction changed something in the collection.
    pub(super) fn note(&self, collection: &CollectionName, rev: Rev) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match since.get_mut(collection) {
            Some(last) => *last = rev.max(*last),
            None => drop(since.insert(collection.clone(), rev)),
        }
    }

    /// The last change of a collection. Ask before reading the list: then the
    /// tag is never newer than what it is put on.
    pub(super) fn last(&self, collection: &CollectionName) -> Rev {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get(collection).copied().unwrap_or(self.start)
    }
}
