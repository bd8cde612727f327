//! One who watches.

use std::collections::HashMap;
use std::sync::Arc;

use super::mailbox::Mailbox;
use super::{Change, ENTRIES_AT_ONCE, Feed, Place, Topic, beginning};
use crate::state::record;
use crate::state::{State, StateError};
use crate::store::{Position, ReadError, Rev, WatchError};

/// That somebody watches something, until it is dropped.
#[derive(Debug)]
pub struct Subscription {
    feed: Arc<Feed>,
    topic: Topic,
    id: u64,
    mailbox: Arc<Mailbox>,
}

/// What came to one who watches.
#[derive(Debug)]
pub enum Dealt {
    /// This changed. It stays the next one until it was [seen](Subscription::seen).
    Change(Arc<Change>),
    /// More than can wait: what follows has to be read from the log.
    Lost,
}

/// A part of the log, as far as it is about one topic.
#[derive(Debug)]
pub struct Part {
    /// The changes, oldest first; of what changed several times the latest.
    pub changes: Vec<Arc<Change>>,
    /// How far the log was read.
    pub reached: Place,
}

impl Subscription {
    pub(super) fn new(feed: &Arc<Feed>, topic: Topic) -> (Self, Place) {
        let (mailbox, mut watchers) = (Arc::<Mailbox>::default(), feed.watchers());
        let id = watchers.next_id;
        watchers.next_id += 1;
        watchers.of.entry(topic.clone()).or_default().insert(id, Arc::clone(&mailbox));
        let start = watchers.dealt.into();
        drop(watchers);
        (Self { feed: Arc::clone(feed), topic, id, mailbox }, start)
    }

    /// What tells it from others.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.id
    }

    /// What is watched.
    #[must_use]
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The next thing that came; it can be asked for again.
    pub async fn next(&self) -> Dealt {
        loop {
            // Bound before looking, so that a bell between the two is heard.
            let bell = self.mailbox.bell.notified();
            {
                let pending = self.mailbox.pending();
                if pending.is_short() {
                    return Dealt::Lost;
                }
                if let Some(change) = pending.first() {
                    return Dealt::Change(Arc::clone(change));
                }
            }
            bell.await;
        }
    }

    /// Everything up to there has been seen.
    pub fn seen(&self, upto: Place) {
        self.mailbox.pending().seen(upto.into());
    }

    /// Begins anew, with an empty mailbox; everything after the place comes there.
    pub fn begin_anew(&mut self) -> Place {
        let (anew, start) = Self::new(&self.feed, self.topic.clone());
        *self = anew;
        start
    }

    /// Waits until there is something to look at: a change, or another tag of
    /// the list. Whatever has come until then is taken as seen.
    pub async fn changed(&mut self) {
        loop {
            let bell = self.mailbox.bell.notified();
            let pending = self.mailbox.pending().has_some();
            if pending || self.mailbox.is_nudged() {
                break;
            }
            bell.await;
        }
        self.begin_anew();
    }

    /// Up to where everything has been seen, if nothing waits.
    #[must_use]
    pub fn seen_upto(&self) -> Option<Place> {
        // In this order, as they are locked when something is dealt.
        let watchers = self.feed.watchers();
        let nothing = !self.mailbox.pending().has_some();
        nothing.then(|| watchers.dealt.into())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut watchers = self.feed.watchers();
        if let Some(mailboxes) = watchers.of.get_mut(&self.topic) {
            mailboxes.remove(&self.id);
            if mailboxes.is_empty() {
                watchers.of.remove(&self.topic);
            }
        }
    }
}

impl State {
    /// Watches something. Everything that changes after the place comes to the
    /// subscription.
    #[must_use]
    pub fn watch(&self, topic: Topic) -> (Subscription, Place) {
        Subscription::new(&self.feed, topic)
    }

    /// The place after which nothing of any later commit is left out.
    #[must_use]
    pub fn place_of_revision(revision: crate::domain::version::Revision) -> Place {
        beginning(Rev(revision.number())).into()
    }

    /// Reads the log after a place, as far as it is about a topic; `None` if it
    /// no longer holds that, or never came to it.
    ///
    /// # Errors
    /// [`StateError`]: the log cannot be read.
    pub async fn log_after(&self, topic: &Topic, after: Place) -> Result<Option<Part>, StateError> {
        let after = Position::from(after);
        let newest = *self.store.committed().borrow();
        if after.rev > newest {
            return Ok(None);
        }
        let page = match self.store.changes(after, ENTRIES_AT_ONCE).await {
            Ok(page) => page,
            Err(WatchError::Compacted) => return Ok(None),
            Err(WatchError::Storage(cause)) => return Err(StateError::Read(ReadError::Storage(cause))),
        };
        let mut latest = HashMap::new();
        for (at, entry) in &page.entries {
            let entry = record::decode_log(entry).map_err(StateError::damaged(&"the change log"))?;
            if let Some(item) = topic.item(&entry) {
                latest.insert(item, *at);
            }
        }
        let mut changes: Vec<_> = latest.into_iter().map(|(item, at)| Change::new(at, item)).collect();
        changes.sort_by_key(|change| change.at);
        let last = page.entries.last().map_or(after, |(at, _)| *at);
        let reached = if page.more { last } else { last.max(beginning(newest)) };
        Ok(Some(Part { changes, reached: reached.into() }))
    }
}
