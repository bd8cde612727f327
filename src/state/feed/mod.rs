//! The change log, dealt out to those who watch.
//!
//! One reader goes along the log and puts each entry into the mailboxes of those
//! who watch what it is about. Nobody else is woken, and while nobody watches
//! nothing is read.
//!
//! # Guarantees
//! What is dealt stands in the log. From where a [`Subscription`] starts, every
//! later change of what it watches comes to it, in commit order: each one, or of
//! what changed several times before it was looked at the latest, or, where too
//! many wait, that some were [lost](Dealt::Lost), which are then read from the log.
//! # Not here
//! What is shown of a change ([`crate::api`]).

mod mailbox;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Mutex;

use mailbox::Mailbox;
pub use mailbox::PENDING_MAX;
pub use subscription::{Dealt, Part, Subscription};

use super::record::{self, LogEntry};
use super::{State, StateError};
use crate::domain::id::{CollectionName, JobId, OperationName, ResourceKey};
use crate::domain::job::JobPhase;
use crate::domain::version::Revision;
use crate::store::{Position, Rev, WatchError};

/// How many entries of the log are read at once: enough to keep up with any
/// writer, and a small part of what a page may hold.
const ENTRIES_AT_ONCE: usize = 1_000;

/// What can be watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A resource: all that is shown of it, its jobs as far as its status names them.
    Resource(ResourceKey),
    /// All resources of a collection.
    Collection(CollectionName),
    /// A job.
    Job(JobId),
    /// All jobs.
    Jobs,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// A resource.
    Resource(ResourceKey),
    /// A job.
    Job(JobId),
}

impl Topic {
    /// What an entry of the log is about, for who watches this; `None` if it is nothing to him.
    fn item(&self, entry: &LogEntry) -> Option<Item> {
        let job = entry.job.map(|(id, _)| id);
        match self {
            Self::Resource(key) => (entry.key == *key).then(|| Item::Resource(entry.key.clone())),
            Self::Collection(name) => (entry.key.collection == *name).then(|| Item::Resource(entry.key.clone())),
            Self::Job(id) => job.filter(|job| job == id).map(Item::Job),
            Self::Jobs => job.map(Item::Job),
        }
    }

    /// All topics that an entry belongs to.
    fn of(entry: &LogEntry) -> impl Iterator<Item = Self> {
        let jobs = entry.job.map(|(id, _)| [Self::Job(id), Self::Jobs]);
        let resource = [Self::Resource(entry.key.clone()), Self::Collection(entry.key.collection.clone())];
        resource.into_iter().chain(jobs.into_iter().flatten())
    }
}

/// A change of something, and what was seen when somebody looked: all who are
/// told of it can see the same, which is then read once.
#[derive(Debug)]
pub struct Change {
    /// Where it stands in the log.
    pub at: Position,
    /// What changed.
    pub item: Item,
    /// What there was to see when somebody looked last.
    pub seen: Mutex<Option<Shown>>,
}

/// What there is to see of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Everything up to there can be seen in it.
    pub at_least: Revision,
    /// Nothing after that can.
    pub at_most: Revision,
    /// Its representation, as JSON; `None` if it is gone.
    pub body: Option<Bytes>,
    /// What a job is picked out by.
    pub facts: Option<JobFacts>,
}

/// What a job is picked out by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFacts {
    /// What it does.
    pub operation: OperationName,
    /// Where it stands.
    pub phase: JobPhase,
    /// Whose it is.
    pub resource: ResourceKey,
}

impl Change {
    fn new(at: Position, item: Item) -> Arc<Self> {
        Arc::new(Self { at, item, seen: Mutex::default() })
    }
}

/// Who watches what, and how far the log was dealt out to them.
#[derive(Debug)]
pub(super) struct Feed(Lock<Watchers>);

#[derive(Debug)]
struct Watchers {
    dealt: Position,
    next_id: u64,
    of: HashMap<Topic, HashMap<u64, Arc<Mailbox>>>,
}

impl Feed {
    /// Deals from this revision on.
    pub(super) fn new(start: Rev) -> Self {
        Self(Lock::new(Watchers { dealt: beginning(start), next_id: 0, of: HashMap::new() }))
    }

    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        // No line that holds it can panic between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From where on to read, for those who watch; `None` if nobody does: then
    /// everything up to `newest` is done with.
    fn behind(&self, newest: Rev) -> Option<Position> {
        let mut watchers = self.watchers();
        if watchers.of.is_empty() {
            watchers.dealt = watchers.dealt.max(beginning(newest));
            return None;
        }
        Some(watchers.dealt)
    }

    fn deal(&self, at: Position, entry: &LogEntry) {
        let mut watchers = self.watchers();
        // It may have been passed over meanwhile, when nobody watched.
        if at <= watchers.dealt {
            return;
        }
        watchers.dealt = at;
        let (mut resource, mut job) = (None, None);
        for topic in Topic::of(entry) {
            let (Some(mailboxes), Some(item)) = (watchers.of.get(&topic), topic.item(entry)) else { continue };
            let shared = match item {
                Item::Resource(_) => &mut resource,
                Item::Job(_) => &mut job,
            };
            let change = shared.get_or_insert_with(|| Change::new(at, item));
            mailboxes.values().for_each(|mailbox| mailbox.put(change));
        }
    }

    /// The tags of lists are others now: who waits for that looks again, also
    /// where the change itself was passed over before he came.
    pub(super) fn nudge(&self, collection: &CollectionName, of_jobs: bool) {
        let watchers = self.watchers();
        if watchers.of.is_empty() {
            return;
        }
        let lists = [Some(Topic::Collection(collection.clone())), of_jobs.then_some(Topic::Jobs)];
        let mailboxes = lists.iter().flatten().filter_map(|topic| watchers.of.get(topic));
        mailboxes.flat_map(HashMap::values).for_each(|mailbox| mailbox.nudge());
    }

    /// Nothing more comes before this revision.
    fn pass(&self, newest: Rev) {
        let mut watchers = self.watchers();
        watchers.dealt = watchers.dealt.max(beginning(newest));
    }

    /// Some entries are gone before they were dealt.
    fn lose(&self, newest: Rev) {
        let mut watchers = self.watchers();
        watchers.dealt = watchers.dealt.max(beginning(newest));
        watchers.of.values().flat_map(HashMap::values).for_each(|mailbox| mailbox.lose());
    }
}

/// A place in a revision after which nothing of any later one is left out. What
/// else the revision holds may come once more, which does no harm.
pub(super) const fn beginning(rev: Rev) -> Position {
    Position { rev, n: 0 }
}

/// A place in the change log, as clients name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The commit.
    pub revision: Revision,
    /// Which of its entries, from 0.
    pub n: u32,
}

impl From<Position> for Place {
    fn from(at: Position) -> Self {
        Self { revision: Revision::from_number(at.rev.0), n: at.n }
    }
}

impl From<Place> for Position {
    fn from(place: Place) -> Self {
        Self { rev: Rev(place.revision.number()), n: place.n }
    }
}

impl State {
    /// Deals out some of what was committed and not dealt yet, and whether
    /// there is more.
    ///
    /// # Errors
    /// [`StateError`]: the log cannot be read.
    pub async fn deal(&self) -> Result<bool, StateError> {
        let newest = *self.store.committed().borrow();
        let Some(after) = self.feed.behind(newest) else { return Ok(false) };
        let page = match self.store.changes(after, ENTRIES_AT_ONCE).await {
            Ok(page) => page,
            Err(WatchError::Compacted) => {
                self.feed.lose(newest);
                return Ok(false);
            }
            Err(WatchError::Storage(cause)) => return Err(StateError::Read(crate::store::ReadError::Storage(cause))),
        };
        for (at, entry) in &page.entries {
            let entry = record::decode_log(entry).map_err(StateError::damaged(&"the change log"))?;
            // Before anybody hears of it: who then reads a list finds a new tag on it.
            self.changes.note(&entry.key.collection, at.rev);
            if entry.job.is_some() {
                self.changes.note_jobs(at.rev);
            }
            self.feed.deal(*at, &entry);
        }
        if !page.more {
            self.feed.pass(newest);
        }
        Ok(page.more)
    }
}
