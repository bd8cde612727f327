//! What is stored meets what is declared of it now.
//!
//! A resource is looked at when something happens to it, and what the operator
//! says of its collection can change while nothing does. So each collection has
//! a row that says under which declaration all of its resources were looked at
//! last: where that is another one, they are looked at again, a part at a time.
//!
//! # Guarantees
//! Once it is noted that all of them were looked at, none that was there before
//! was left out. A restart goes on where the last part ended, unless the
//! declaration is yet another one by then.
//! # Not here
//! What a declaration decides about ([`crate::domain::outlook`]), and what is
//! done about a resource ([`crate::reconcile`]).

use futures_util::stream::{self, TryStreamExt as _};
use tracing::{error, info};

use super::{Part, RECORD_AGAIN, StepError, Steps, unless_refused};
use crate::domain::catalog::Collection;
use crate::domain::id::ResourceKey;
use crate::domain::outlook;
use crate::state::{ApplyError, DeclaredRecord, Event, Seen, StateError};

/// How many resources are looked at before it is kept how far that got.
const PART: usize = 500;

/// How many of them are looked at side by side, so that the store commits them
/// in groups, and few enough that clients do not wait behind them.
const SIDE_BY_SIDE: usize = 64;

impl Steps {
    /// The declarations are these now: looks at every resource whose collection
    /// is declared otherwise than when all of it was looked at last.
    ///
    /// Does nothing where nothing is. It can be called at any time, and again
    /// after it was given up at any point; where it is called while it is under
    /// way, the one that ends last has seen everything.
    ///
    /// # Errors
    /// The store failed.
    pub async fn heed_declarations(&self) -> Result<Part, StepError> {
        let catalog = self.state().catalog().clone();
        let mut all = Part::default();
        // Those first for which work is to stop.
        for collection in catalog.retired.values().chain(catalog.collections.values()) {
            let looked_at = self.heed_all(collection).await?;
            if looked_at > 0 {
                info!(collection = %collection.name, looked_at, "looked at under another declaration than before");
            }
            all.looked_at += looked_at;
            all.done += looked_at;
        }
        Ok(all)
    }

    /// Looks at the resources of a collection that were not under this
    /// declaration, and says how many that were.
    async fn heed_all(&self, collection: &Collection) -> Result<u64, StepError> {
        let (name, digest) = (&collection.name, outlook::digest(collection));
        let mut after = match self.state().declared(name).await?.filter(|known| known.digest == digest) {
            Some(DeclaredRecord { seen: Seen::All, .. }) => return Ok(0),
            Some(DeclaredRecord { seen: Seen::Until(last), .. }) => Some(last),
            None => None,
        };
        let mut looked_at = 0;
        loop {
            let (keys, more) = self.state().some_of_collection(name, after.as_ref(), PART).await?;
            let looks = stream::iter(keys.iter().map(Ok));
            looks.try_for_each_concurrent(SIDE_BY_SIDE, |key| self.heed(key)).await?;
            looked_at += keys.len() as u64;
            after = keys.into_iter().next_back().map(|key| key.id).filter(|_| more);
            let seen = after.clone().map_or(Seen::All, Seen::Until);
            self.state().keep_declared(name, &DeclaredRecord { digest: digest.clone(), seen }).await?;
            if after.is_none() {
                return Ok(looked_at);
            }
        }
    }

    /// Looks at a resource whose collection is declared otherwise than before,
    /// for as long as it takes.
    async fn heed(&self, key: &ResourceKey) -> Result<(), StepError> {
        loop {
            match self.state().happen(key, Event::Redeclared).await {
                // One that cannot be read is no reason to leave all others alone.
                Err(ApplyError::State(error @ StateError::Damaged { .. })) => {
                    error!(resource = %key, error = &error as &dyn std::error::Error, "it cannot be looked at");
                    return Ok(());
                }
                happened => match unless_refused(happened) {
                    Ok(_) => return Ok(()),
                    Err(StepError::Later(_)) => self.base.clock().sleep(RECORD_AGAIN).await,
                    Err(error) => return Err(error),
                },
            }
        }
    }
}
