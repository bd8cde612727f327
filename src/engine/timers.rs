//! Looking at resources when their time has come.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{self, TryStreamExt as _};

use super::{RECORD_AGAIN, StepError, Steps};
use crate::domain::id::ResourceKey;
use crate::domain::time::Timestamp;

/// How many due resources are read at once: as many as one group of commits takes.
const DUE_CHUNK: usize = 1000;

/// How many of them are looked at side by side, so that the store commits them in groups.
const SIDE_BY_SIDE: usize = 256;

impl Steps {
    /// Looks again at every resource that is due, and says how long it is until the next one.
    ///
    /// # Errors
    /// The store failed.
    pub async fn due(&self) -> Result<Option<Duration>, StepError> {
        let result = self.all_due().await;
        if self.storm.swap(false, Ordering::Relaxed) {
            self.base.hints().queue.notify_one();
        }
        result
    }

    async fn all_due(&self) -> Result<Option<Duration>, StepError> {
        loop {
            let Some((first, _)) = self.base.timers(1).await?.pop() else { return Ok(None) };
            let now = self.base.wall();
            if now < first {
                return Ok(Some(first.since(now)));
            }
            let mut due = self.base.timers(DUE_CHUNK).await?;
            due.retain(|(at, _)| *at <= now);
            self.storm.store(due.len() > SIDE_BY_SIDE, Ordering::Relaxed);
            self.look_at(due.iter()).await?;
            // A look that could not be recorded leaves its timer; it is tried again soon.
            let still = self.base.timers(1).await?;
            if still.first().is_some_and(|first| due.contains(first)) {
                return Ok(Some(RECORD_AGAIN));
            }
        }
    }

    /// Looks at everything that waits for its time: the clock was set back, and
    /// whoever waits longer than he thought is to be told.
    ///
    /// # Errors
    /// The store failed.
    pub async fn look_at_waiting(&self) -> Result<(), StepError> {
        let mut after = None;
        loop {
            let timers = self.base.timers_after(after.as_ref(), DUE_CHUNK).await?;
            let Some(last) = timers.last() else { return Ok(()) };
            after = Some(last.clone());
            self.look_at(timers.iter()).await?;
        }
    }

    async fn look_at(&self, timers: impl Iterator<Item = &(Timestamp, ResourceKey)>) -> Result<(), StepError> {
        let looks = stream::iter(timers.map(|(_, key)| Ok(key)));
        looks.try_for_each_concurrent(SIDE_BY_SIDE, |key| self.look(key)).await
    }
}
