//! What is declared, and how it is declared anew while things happen.
//!
//! # Guarantees
//! A [`State`] goes by one edition of the declarations, from its making to its
//! end: whoever takes the [newest](State::newest) at the beginning of a step
//! never sees half of two. Nothing is created in a collection once the newest
//! edition omits it, whichever edition it was judged by.
//! # Not here
//! Which declarations may follow which ([`crate::service`]).

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock as Gate};

use super::State;
use super::job_counts::JobCounts;
use super::lookup::StateError;
use crate::domain::catalog::Catalog;
use crate::domain::id::CollectionName;

/// One edition of the declarations.
#[derive(Debug, Clone)]
pub(super) struct Edition {
    /// Which one, from 0.
    pub(super) number: u64,
    pub(super) catalog: Arc<Catalog>,
    /// What is counted of its operations, and of those of earlier ones.
    pub(super) jobs: Arc<JobCounts>,
}

/// The edition that counts for whatever begins now.
#[derive(Debug)]
pub(super) struct Newest {
    edition: RwLock<Edition>,
    /// Shared by who creates a resource, until that is decided.
    creating: Arc<Gate<()>>,
}

impl Newest {
    pub(super) fn new(edition: Edition) -> Self {
        Self { edition: RwLock::new(edition), creating: Arc::default() }
    }

    pub(super) fn edition(&self) -> Edition {
        self.edition.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets something be created in a collection that was declared in this
    /// edition, for as long as what is given is held; `None` if the collection
    /// is no longer declared.
    pub(super) async fn creating(
        &self,
        collection: &CollectionName,
        judged_by: u64,
    ) -> Option<OwnedRwLockReadGuard<()>> {
        let creating = Arc::clone(&self.creating).read_owned().await;
        let newest = self.edition.read().unwrap_or_else(PoisonError::into_inner);
        let declared = newest.number == judged_by || newest.catalog.collections.contains_key(collection);
        declared.then_some(creating)
    }
}

/// That nothing is being created anywhere, until it is dropped.
#[derive(Debug)]
pub struct NothingCreated(#[expect(dead_code, reason = "it is held")] OwnedRwLockWriteGuard<()>);

impl State {
    /// The same state under the newest declarations.
    #[must_use]
    pub fn newest(&self) -> Self {
        Self { edition: self.newest.edition(), ..self.clone() }
    }

    /// Which edition of the declarations it goes by.
    #[must_use]
    pub const fn edition(&self) -> u64 {
        self.edition.number
    }

    /// Waits until every creation is decided that was begun, and holds up all
    /// others: what is read while this is held is all that there is.
    ///
    /// # Errors
    /// [`StateError`]: the store has stopped.
    pub async fn hold_creations(&self) -> Result<NothingCreated, StateError> {
        let held = Arc::clone(&self.newest.creating).write_owned().await;
        // Who has gone away has left his commit in the store's hands.
        self.commit_nothing().await.map_err(StateError::Write)?;
        Ok(NothingCreated(held))
    }

    /// Lets other declarations count for whatever begins from now on, and
    /// gives the state under these.
    ///
    /// # Errors
    /// [`StateError`]: the store failed. Nothing was declared.
    pub async fn declare(&self, catalog: Arc<Catalog>, _held: &NothingCreated) -> Result<Self, StateError> {
        let before = self.newest.edition();
        let jobs = Arc::new(before.jobs.with(&self.metrics, catalog.operations.keys()));
        let running = self.running_uncounted(&before.jobs, &jobs).await?;
        let edition = Edition { number: before.number + 1, catalog, jobs };
        *self.newest.edition.write().unwrap_or_else(PoisonError::into_inner) = edition.clone();
        for operation in &running {
            edition.jobs.counted_from_now(operation);
        }
        Ok(Self { edition, ..self.clone() })
    }
}
