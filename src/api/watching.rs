//! Watching: the present state, then every change of it, in the order of commits.
//!
//! # Guarantees
//! What comes after a snapshot or a place is every later change, none left out
//! and none older than what came before it; of what changed several times before
//! it was looked at, the latest. Nothing comes that the change log does not hold.
//! # Not here
//! How it is written and how long anybody waits ([`crate::http`]).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::json;

use super::jobs::{JobFilter, encode};
use super::{Api, ApiError, PAGE_ITEMS_DEFAULT, PageRequest};
use crate::domain::id::{CollectionName, JobId, ResourceKey};
use crate::domain::version::Revision;
use crate::state::{Change, Dealt, Item, JobFacts, LogPlace, Shown, State, Subscription, Topic};

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// A resource.
    Resource(ResourceKey),
    /// The resources of a collection.
    Collection(CollectionName),
    /// A job.
    Job(JobId),
    /// The jobs that pass a filter.
    Jobs(JobFilter),
}

impl Watched {
    fn topic(&self) -> Topic {
        match self {
            Self::Resource(key) => Topic::Resource(key.clone()),
            Self::Collection(name) => Topic::Collection(name.clone()),
            Self::Job(id) => Topic::Job(*id),
            Self::Jobs(_) => Topic::Jobs,
        }
    }
}

/// From where on somebody watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFrom {
    /// From what is there now.
    Now,
    /// From this place in the change log, strictly after it.
    After(LogPlace),
    /// From what was there as of this revision, as a list names it.
    AfterRevision(Revision),
}

/// What one who watches is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// What he knows is worth nothing any more: the present state follows.
    Reset,
    /// What is there now, or from this place on.
    Put {
        /// Where the change stands in the log; `None` in the present state.
        at: Option<LogPlace>,
        /// The representation, as JSON.
        body: Bytes,
    },
    /// What is no longer there from this place on: its id.
    Delete {
        /// Where the change stands in the log.
        at: LogPlace,
        /// `{"id": …}`
        body: Bytes,
    },
    /// All that was there at this place has been told.
    Sync(LogPlace),
}

/// One who watches.
#[derive(Debug)]
pub struct Watching {
    api: Api,
    watched: Watched,
    subscription: Subscription,
    /// From where on changes come to the subscription.
    start: LogPlace,
    stage: Stage,
    ready: VecDeque<Told>,
    /// Nothing was told that was not there at this revision.
    told: Revision,
    /// Whether it was told how far what it knows is the present state.
    synced: bool,
    /// Whether the present state is told for want of what was missed.
    reset: bool,
}

/// How far one who watches has come.
#[derive(Debug)]
enum Stage {
    /// The present state, from this page on.
    Present { cursor: Option<String> },
    /// What was missed, after this place.
    Missed { after: LogPlace },
    /// These of what was missed; the log is read up to that place.
    Telling { changes: VecDeque<Arc<Change>>, reached: LogPlace },
    /// What comes.
    Live { after: LogPlace },
}

impl Api {
    /// Watches something.
    ///
    /// # Errors
    /// `NotFound`: it is not there, and not known to have been; `Store`.
    pub async fn watch(&self, watched: Watched, from: WatchFrom) -> Result<Watching, ApiError> {
        let (subscription, start) = self.state.watch(watched.topic());
        let mut watching = Watching {
            api: self.clone(),
            watched,
            subscription,
            start,
            stage: Stage::Present { cursor: None },
            ready: VecDeque::new(),
            told: Revision::from_number(0),
            synced: false,
            reset: false,
        };
        match from {
            WatchFrom::Now => watching.look().await?,
            WatchFrom::After(after) => watching.stage = Stage::Missed { after },
            WatchFrom::AfterRevision(revision) => {
                watching.stage = Stage::Missed { after: State::place_of_revision(revision) };
            }
        }
        Ok(watching)
    }

    /// What one who waits for a change of something is woken by.
    #[must_use]
    pub fn changes_of(&self, watched: &Watched) -> Subscription {
        self.state.watch(watched.topic()).0
    }
}

impl Watching {
    /// What is told next; `None` if the patience ends before there is anything.
    ///
    /// # Errors
    /// `NotFound`: the collection is no longer in service; `Store`.
    pub async fn next(&mut self, patience: impl Future<Output = ()>) -> Result<Option<Told>, ApiError> {
        let mut patience = std::pin::pin!(patience);
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Ok(Some(told));
            }
            match &mut self.stage {
                Stage::Present { .. } => {
                    self.look().await?;
                    if self.ready.is_empty() && is_over(&mut patience).await {
                        return Ok(None);
                    }
                }
                Stage::Telling { changes, reached } => {
                    let reached = *reached;
                    match changes.pop_front() {
                        // One at a time: many documents are large.
                        Some(change) => self.tell(&change).await?,
                        None if reached < self.start => self.stage = Stage::Missed { after: reached },
                        None => self.live(reached),
                    }
                }
                Stage::Missed { after } => {
                    let after = *after;
                    let found = self.catch_up(after).await?;
                    if !found && is_over(&mut patience).await {
                        return Ok(None);
                    }
                }
                Stage::Live { after } => {
                    let after = *after;
                    let dealt = tokio::select! {
                        biased;
                        dealt = self.subscription.next() => dealt,
                        () = &mut patience => return Ok(None),
                    };
                    self.take(dealt, after).await?;
                }
            }
        }
    }

    /// How far everything was told, where nothing waits to be told.
    pub fn told_upto(&mut self) -> Option<LogPlace> {
        let Stage::Live { after } = &mut self.stage else { return None };
        if !self.ready.is_empty() {
            return None;
        }
        *after = self.subscription.seen_upto()?.max(*after);
        Some(*after)
    }

    /// What tells it from others that watch at the same time.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.subscription.number()
    }

    /// Tells a page of the present state; after the last one, what changed since the first.
    async fn look(&mut self) -> Result<(), ApiError> {
        let Stage::Present { cursor } = &mut self.stage else { return Ok(()) };
        let page = PageRequest { limit: PAGE_ITEMS_DEFAULT, cursor: cursor.take() };
        self.api = self.api.under_newest();
        let (items, next) = match &self.watched {
            Watched::Resource(key) => (self.api.get(key).await.map(|view| vec![view.body]), None),
            Watched::Job(id) => (self.api.job(*id).await.map(|view| vec![view.body]), None),
            Watched::Collection(name) => {
                let list = self.api.list(name, &page).await?;
                (Ok(list.items), list.next)
            }
            Watched::Jobs(filter) => {
                let list = self.api.jobs(filter, &page).await?;
                (Ok(list.items), list.next)
            }
        };
        let items = match items {
            Ok(items) => items,
            // After a reset there may be nothing left of it.
            Err(ApiError::NotFound { .. }) if self.reset => Vec::new(),
            Err(error) => return Err(error),
        };
        self.told = self.told.max(self.api.state.readable().await?);
        self.ready.extend(items.into_iter().map(|body| Told::Put { at: None, body }));
        match next {
            Some(cursor) => self.stage = Stage::Present { cursor: Some(cursor) },
            None => self.live(self.start),
        }
        Ok(())
    }

    /// Reads a part of what was missed after a place.
    /// Whether there was anything in it.
    async fn catch_up(&mut self, after: LogPlace) -> Result<bool, ApiError> {
        let Some(missed) = self.api.state.log_after(self.subscription.topic(), after).await? else {
            self.ready.push_back(Told::Reset);
            self.start = self.subscription.begin_anew();
            (self.reset, self.synced) = (true, false);
            self.stage = Stage::Present { cursor: None };
            return Ok(true);
        };
        let found = !missed.changes.is_empty() || missed.reached >= self.start;
        self.stage = Stage::Telling { changes: missed.changes.into(), reached: missed.reached };
        Ok(found)
    }

    /// Everything up to a place is told; what comes after it comes to the subscription.
    fn live(&mut self, after: LogPlace) {
        self.subscription.seen(after);
        if !self.synced {
            self.ready.push_back(Told::Sync(after));
            self.synced = true;
        }
        self.stage = Stage::Live { after };
    }

    async fn take(&mut self, dealt: Dealt, after: LogPlace) -> Result<(), ApiError> {
        match dealt {
            Dealt::Change(change) => {
                let at = change.at.into();
                if at > after {
                    self.tell(&change).await?;
                    self.stage = Stage::Live { after: at };
                }
                self.subscription.seen(at);
            }
            Dealt::Lost => {
                self.start = self.subscription.begin_anew();
                self.stage = Stage::Missed { after };
            }
        }
        Ok(())
    }

    /// Tells what there is to see of a change.
    async fn tell(&mut self, change: &Change) -> Result<(), ApiError> {
        self.api = self.api.under_newest();
        let mut seen = change.seen.lock().await;
        // What somebody saw before can be older than what was told here already.
        let fresh = match &*seen {
            Some(shown) if shown.at_least >= self.told => shown,
            Some(_) | None => seen.insert(self.api.see(&change.item).await?),
        };
        let Shown { body, facts, at_most, .. } = fresh.clone();
        drop(seen);
        self.told = self.told.max(at_most);
        let at = change.at.into();
        let fate = match (&self.watched, &facts) {
            (Watched::Jobs(filter), Some(facts)) => filter.picks(facts),
            (Watched::Jobs(_) | Watched::Resource(_) | Watched::Collection(_) | Watched::Job(_), _) => Pick::In,
        };
        match (fate, body) {
            (Pick::Never, _) => {}
            (Pick::In, Some(body)) => self.ready.push_back(Told::Put { at: Some(at), body }),
            (Pick::In | Pick::Out, _) => {
                let id = match &change.item {
                    Item::Resource(key) => key.id.to_string(),
                    Item::Job(id) => id.to_string(),
                };
                self.ready.push_back(Told::Delete { at, body: json!({ "id": id }).to_string().into() });
            }
        }
        Ok(())
    }
}

/// Whether somebody waits no longer. To look through a long log, others are let
/// on in between.
async fn is_over(patience: &mut Pin<&mut impl Future<Output = ()>>) -> bool {
    tokio::task::yield_now().await;
    patience.as_mut().now_or_never().is_some()
}

/// How a job stands to a filter.
enum Pick {
    /// It passes.
    In,
    /// It may have passed before, and does not now.
    Out,
    /// It never does.
    Never,
}

impl JobFilter {
    fn picks(&self, job: &JobFacts) -> Pick {
        match (self.is_of(&job.operation, &job.resource), self.phase) {
            (false, _) => Pick::Never,
            (true, Some(phase)) if phase != job.phase => Pick::Out,
            (true, Some(_) | None) => Pick::In,
        }
    }
}

impl Api {
    /// What there is to see of something now.
    async fn see(&self, item: &Item) -> Result<Shown, ApiError> {
        let at_least = self.state.readable().await?;
        let (body, facts) = match item {
            Item::Resource(key) => {
                self.collection(&key.collection)?;
                let stored = self.state.resource(key).await?;
                (stored.map(|stored| stored.show(key, self.catalog())), None)
            }
            Item::Job(id) => match self.state.job(*id).await? {
                Some((job, _)) => {
                    let body = encode(&job, self.catalog());
                    let (operation, phase, resource) = (job.operation, job.phase, job.resource);
                    (Some(body), Some(JobFacts { operation, phase, resource }))
                }
                None => (None, None),
            },
        };
        Ok(Shown { at_least, at_most: self.state.readable().await?, body, facts })
    }
}
