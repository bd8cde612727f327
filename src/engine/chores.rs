//! What the housekeeping does, a part at a time: nothing here knows when.
//!
//! # Guarantees
//! Each part is bounded, keeps in the store how far it got, and can be killed
//! between any two lines: the next one does again what was not kept.

use std::sync::atomic::Ordering;

use tracing::{error, warn};

use super::{LOG_KEPT, StepError, Steps, unless_refused};
use crate::domain::id::{JobId, ResourceKey};
use crate::domain::job::Job;
use crate::domain::retention::Retention;
use crate::reconcile::keep::{Shelf, suspects};
use crate::state::backup::{BackupError, BackupShelf, Summary};
use crate::state::{ApplyError, Busy, Event, StateError};

/// How many jobs are read, and forgotten in one transaction, at once: each can
/// be a megabyte while it is read, and leaves two rows.
const JOBS_AT_ONCE: usize = 50;

/// How far a chore keeps in the store that it got, under these names.
const RETENTION: &str = "retention";
const TICKS: &str = "ticks";
const SWEEP: &str = "sweep";

/// What a part of a chore has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Part {
    /// How many jobs or resources were there.
    pub looked_at: u64,
    /// What became of them: how many were forgotten, or looked at to the end.
    pub done: u64,
    /// Whether the chore is to go on.
    pub more: bool,
}

impl Steps {
    /// Forgets the rows of some ledgers that have been kept for as long as they
    /// are to be; about `rows` of them are looked at.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_some_ticks(&self, retention: &Retention, rows: usize) -> Result<Part, StepError> {
        let from = self.state().bookmark(TICKS).await?;
        let before = self.state().wall().before(retention.ticks);
        let (forgotten, next) = self.state().forget_some_ticks(from.as_ref(), before, rows).await?;
        if from.is_some() || next.is_some() {
            self.state().keep_bookmark(TICKS, next.as_ref()).await?;
        }
        Ok(Part { looked_at: forgotten as u64, done: forgotten as u64, more: next.is_some() })
    }

    /// Forgets the finished jobs of some activities that have been kept for as
    /// long as they are to be; about `rows` of them are looked at.
    ///
    /// # Errors
    /// The store failed.
    pub async fn retain_some(&self, retention: &Retention, rows: usize) -> Result<Part, StepError> {
        let from = self.state().bookmark(RETENTION).await?;
        let (activities, next) = self.state().some_activities(from.as_ref(), rows).await?;
        let mut part = Part { more: next.is_some(), ..Part::default() };
        for busy in &activities {
            part.looked_at += busy.jobs.len() as u64;
            match self.retain(busy, retention).await {
                Ok(forgotten) => part.done += forgotten,
                // One that cannot be read is no reason to keep all others for ever.
                Err(Trouble::Damaged(error)) => error!(error = &error as &dyn std::error::Error, "jobs are kept"),
                Err(Trouble::Step(error)) => return Err(error),
            }
        }
        if from.is_some() || next.is_some() {
            self.state().keep_bookmark(RETENTION, next.as_ref()).await?;
        }
        Ok(part)
    }

    /// Forgets what is to be forgotten of the jobs of one activity; how many it were.
    async fn retain(&self, busy: &Busy, retention: &Retention) -> Result<u64, Trouble> {
        let state = self.state();
        let now = state.clock().now();
        let mut forgotten = 0;
        let mut stored = None;
        for some in suspects(&busy.jobs, retention, now).chunks(JOBS_AT_ONCE) {
            let jobs: Vec<Job> = state.jobs(some).await?.into_iter().flatten().map(|(job, _)| job).collect();
            // All jobs of an incarnation have one resource.
            let Some(resource) = jobs.first().map(|job| job.resource.clone()) else { continue };
            if stored.is_none() {
                stored = Some(state.resource(&resource).await?);
            }
            let there = stored.iter().flatten().find(|stored| stored.desired.uid == busy.uid);
            let status = there.map(|there| there.status(&busy.activity));
            let shelf = Shelf { jobs: &busy.jobs, status: status.as_ref(), catalog: state.catalog() };
            forgotten += self.forget_expired(&resource, shelf.expired(&jobs, retention, now)).await?;
        }
        Ok(forgotten)
    }

    /// Forgets finished jobs of a resource; how many it were.
    async fn forget_expired(&self, resource: &ResourceKey, expired: Vec<JobId>) -> Result<u64, Trouble> {
        let mut jobs = Vec::new();
        for id in expired {
            // The record goes last: while it is there, the rest is found again.
            match self.runner.forget(id).await {
                Ok(()) => jobs.push(id),
                Err(error) => warn!(job = %id, error = &error as &dyn std::error::Error, "something is left of a job"),
            }
        }
        if jobs.is_empty() {
            return Ok(0);
        }
        match self.state().happen(resource, Event::Expired { jobs: jobs.clone() }).await {
            Ok(applied) => Ok(jobs.iter().filter(|id| !applied.state.jobs.contains_key(id)).count() as u64),
            Err(ApplyError::State(error)) => Err(error.into()),
            Err(error) => Ok(unless_refused(Err(error))?.unwrap_or_default()),
        }
    }

    /// Looks again at some resources, whether or not there is anything to do
    /// about them; at most `limit` of them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn sweep_some(&self, limit: usize) -> Result<Part, StepError> {
        let from = self.state().bookmark(SWEEP).await?;
        let (keys, next) = self.state().some_resources(from.as_ref(), limit).await?;
        let mut part = Part { more: next.is_some(), ..Part::default() };
        for key in &keys {
            part.looked_at += 1;
            match self.state().happen(key, Event::Looked).await {
                Ok(_) => part.done += 1,
                Err(ApplyError::State(error @ StateError::Damaged { .. })) => {
                    error!(resource = %key, error = &error as &dyn std::error::Error, "it cannot be looked at");
                }
                Err(error) => match unless_refused::<()>(Err(error)) {
                    Ok(_) | Err(StepError::Later(_)) => {}
                    Err(error) => return Err(error),
                },
            }
        }
        if from.is_some() || next.is_some() {
            self.state().keep_bookmark(SWEEP, next.as_ref()).await?;
        }
        Ok(part)
    }

    /// Whether the sweep before this process was not done to its end.
    ///
    /// # Errors
    /// The store failed.
    pub async fn is_half_swept(&self) -> Result<bool, StepError> {
        Ok(self.state().bookmark(SWEEP).await?.is_some())
    }

    /// Forgets what the change log holds beyond [`LOG_KEPT`] or its age; how many
    /// revisions that were, as far as this process knows.
    ///
    /// # Errors
    /// The store failed.
    pub async fn trim_log(&self, kept: &Retention) -> Result<Part, StepError> {
        let end = self.state().trim_log(LOG_KEPT, kept.log).await?;
        let before = self.trimmed.swap(end, Ordering::Relaxed);
        let done = if before == 0 { 0 } else { end.saturating_sub(before) };
        Ok(Part { looked_at: done, done, more: false })
    }

    /// Makes a backup, and removes the oldest ones that are too many; how many
    /// rows are in it.
    ///
    /// # Errors
    /// There is none, or the store failed.
    pub async fn back_up(&self, shelf: &BackupShelf) -> Result<Part, StepError> {
        match self.state().shelve_backup(shelf).await {
            Ok(Summary { rows, .. }) => Ok(Part { looked_at: rows, done: rows, more: false }),
            Err(BackupError::Read(error)) => Err(StepError::Store(Box::new(error))),
            Err(error) => Err(StepError::Backup(Box::new(error))),
        }
    }

    /// Trims the change log if it has grown to twice what it is to hold.
    ///
    /// # Errors
    /// The store failed.
    pub async fn bound_log(&self, kept: &Retention) -> Result<(), StepError> {
        let end = self.state().newest_change().number().saturating_sub(LOG_KEPT);
        if end > self.trimmed.load(Ordering::Relaxed).saturating_add(LOG_KEPT) {
            self.trim_log(kept).await?;
        }
        Ok(())
    }
}

/// Why the jobs of an activity were not judged.
enum Trouble {
    /// One of their rows does not read.
    Damaged(StateError),
    Step(StepError),
}

impl From<StateError> for Trouble {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Damaged { .. } => Self::Damaged(error),
            StateError::Read(_) | StateError::Write(_) => Self::Step(error.into()),
        }
    }
}

impl From<StepError> for Trouble {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}
