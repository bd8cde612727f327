//! The bridge between the core and the store: loads the state of a resource,
//! lets an event happen to it, commits what follows.
//!
//! # Guarantees
//! What [`State::apply`] commits was decided on exactly what was stored, and is
//! committed whole: document, observed state, jobs and every index row, with
//! one entry in the change log. On a conflict it decides again.
//! # Not here
//! Who caused an event, and what is done about it in the world.

mod apply;
pub mod backup;
mod changes;
mod claims;
mod declared;
mod feed;
mod hints;
mod job_counts;
pub mod keys;
mod ledger;
mod locks;
mod lookup;
mod once;
pub mod record;
mod rounds;
mod rows;
mod stages;
#[cfg(test)]
mod tests;
mod tick_counts;
pub mod verify;
mod waiting;
mod watch;

use std::sync::Arc;
use std::time::Duration;

pub use apply::{Applied, ApplyError, Decision, Loaded, Tried, show_state};
pub use claims::{Claim, Claims};
pub use declared::NothingCreated;
pub use feed::{Change, Dealt, Item, JobFacts, PENDING_MAX, Part, Place as LogPlace, Shown, Subscription, Topic};
pub use hints::Hints;
pub use job_counts::WAITING_KEPT;
pub use ledger::TickRow;
pub use lookup::{AttemptRow, QueueRow, StateError, StoredResource};
pub use once::{ONCE_KEPT, OnceName, Remember};
pub use record::{DeclaredRecord, OnceRecord, Seen, Subject};
pub use rounds::{Busy, Place};
pub use rows::rows_of;
pub use stages::{Stage, Stages};
pub use waiting::{COUNTED_MAX, InQueue, Load};

pub use crate::reconcile::ledger::version as ledger_version;
pub use crate::reconcile::show::{LocalTime, describe as describe_shown, job as show_job, tick as show_tick, upcoming};
pub use crate::reconcile::{Event, Launch, Observed, Refused, ResourceState, Scheduled, UNFINISHED_MAX};

use tokio::sync::Semaphore;

use crate::clock::{Clock, Entropy};
use crate::domain::catalog::Catalog;
use crate::domain::change::Now;
use crate::domain::id::ResourceId;
use crate::domain::moment::Moment;
use crate::domain::time::Timestamp;
use crate::metrics::Metrics;
use crate::store::{CommitError, Rev, Store};
use changes::Changes;
use claims::Turns;
use declared::{Edition, Newest};
use feed::Feed;
use job_counts::JobCounts;
use locks::Locks;
use tick_counts::TickCounts;
use watch::Watch;

/// Access to the stored state of all resources. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The declarations that it goes by.
    edition: Edition,
    newest: Arc<Newest>,
    locks: Arc<Locks>,
    hints: Arc<Hints>,
    changes: Arc<Changes>,
    feed: Arc<Feed>,
    watch: Arc<Watch>,
    ticks: TickCounts,
    metrics: Metrics,
    turns: Arc<Turns>,
    backups: Arc<Semaphore>,
    /// Where the time is noted that things take, if anybody asks.
    stages: Option<Arc<Stages>>,
}

impl State {
    /// The state that this store holds, under these declarations.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, catalog: Arc<Catalog>) -> Self {
        let newest = *store.committed().borrow();
        let (changes, feed) = (Arc::new(Changes::new(newest)), Arc::new(Feed::new(newest)));
        let (locks, hints, watch, turns) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        let backups = Arc::new(Semaphore::new(backup::BACKUPS_MAX));
        let metrics = Metrics::default();
        let ticks = TickCounts::of(&metrics);
        let edition = first_edition(catalog, &metrics);
        let newest = Arc::new(Newest::new(edition.clone()));
        Self {
            store,
            clock,
            entropy,
            edition,
            newest,
            locks,
            hints,
            changes,
            feed,
            watch,
            ticks,
            metrics,
            turns,
            backups,
            stages: None,
        }
    }

    /// The same state, counted there; before anything is declared anew.
    #[must_use]
    pub fn counted(self, metrics: &Metrics) -> Self {
        let edition = first_edition(self.edition.catalog, metrics);
        let newest = Arc::new(Newest::new(edition.clone()));
        Self { ticks: TickCounts::of(metrics), metrics: metrics.clone(), edition, newest, ..self }
    }

    /// What is declared in the edition that it goes by.
    #[must_use]
    pub const fn catalog(&self) -> &Arc<Catalog> {
        &self.edition.catalog
    }

    /// The store itself.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Wake-ups for those who act on what is committed. Losing one costs
    /// time, never truth.
    #[must_use]
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// An id that no resource has: a UUIDv7.
    #[must_use]
    pub fn new_resource_id(&self) -> ResourceId {
        let uid = self.moment().mint_uid().to_string();
        uid.parse().expect("a UUID is a resource id")
    }

    /// Forgets the change log but for the newest `kept` revisions, and of those
    /// the ones that are known to be older than `age`; how many revisions there
    /// ever were before those that are left.
    ///
    /// # Errors
    /// The store has stopped, or what is noted of the log does not read.
    pub async fn trim_log(&self, kept: u64, age: Duration) -> Result<u64, StateError> {
        let newest = self.store.committed().borrow().0;
        let mut marks = self.log_marks().await?;
        let noted = marks.newest();
        let old = marks.note(self.clock.now(), newest, age);
        // What is old by now can be left out the next time that there is something new.
        if marks.newest() > noted {
            self.keep_log_marks(&marks).await?;
        }
        let end = newest.saturating_sub(kept).max(if old > 0 { old + 1 } else { 0 });
        match self.store.compact(Rev(end)).await {
            // Where there is no room for it now, it can wait.
            Ok(()) | Err(CommitError::Full) => Ok(end),
            Err(error) => Err(StateError::Write(error)),
        }
    }

    fn moment(&self) -> Moment {
        let past = self.watch.look(&*self.clock);
        Moment::new(past.wall, self.entropy.seed()).after(past)
    }

    /// The wall clock, and whether it was set is noted.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        self.watch.look(&*self.clock).wall
    }

    /// How often the wall clock was seen to be set back.
    #[must_use]
    pub fn set_back(&self) -> u64 {
        self.watch.set_back()
    }
}

fn first_edition(catalog: Arc<Catalog>, metrics: &Metrics) -> Edition {
    let jobs = Arc::new(JobCounts::of(metrics, catalog.operations.keys()));
    Edition { number: 0, catalog, jobs }
}

impl Now for State {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
