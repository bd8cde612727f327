//! Takes up jobs that may be claimed, within the limits.

use super::attempts::launch_of;
use super::{ROWS_MAX, StepError, Steps, unless_refused};
use crate::domain::id::{JobId, ResourceKey};
use crate::domain::operation::Operation;
use crate::runner::Launch;
use crate::state::{Event, QueueRow};

/// A job to be claimed, and the slot of its operation's limit for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// Its resource.
    pub resource: ResourceKey,
    /// The slot, where the operation is limited.
    pub slot: Option<u32>,
}

impl Steps {
    /// The jobs to be claimed now: by priority, then by the time at which they
    /// became ready, as far as there is room.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn claimable(&self) -> Result<Vec<Claim>, StepError> {
        let room = self.room();
        if room == 0 {
            return Ok(Vec::new());
        }
        let catalog = self.state.catalog();
        let mut found: Vec<(QueueRow, Option<u32>)> = Vec::new();
        for operation in catalog.operations.values() {
            found.extend(self.claimable_of(operation, room).await?);
        }
        found.sort_by(|(a, _), (b, _)| a.order.cmp(&b.order));
        found.truncate(room);
        Ok(found.into_iter().map(|(row, slot)| Claim { job: row.job, resource: row.resource, slot }).collect())
    }

    async fn claimable_of(
        &self,
        operation: &Operation,
        room: usize,
    ) -> Result<Vec<(QueueRow, Option<u32>)>, StepError> {
        let free = match operation.concurrency {
            None => None,
            Some(limit) => {
                let taken = self.state.slots(&operation.name, ROWS_MAX).await?;
                let free = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(taken.len());
                Some((0..limit).filter(|slot| !taken.contains(slot)).take(free.min(room)).collect::<Vec<u32>>())
            }
        };
        let wanted = free.as_ref().map_or(room, Vec::len);
        if wanted == 0 {
            return Ok(Vec::new());
        }
        // Those in hand are claimed in this moment; they still stand in the queue.
        let rows = self.state.queue(&operation.name, wanted.saturating_add(self.running).min(ROWS_MAX)).await?;
        let rows = rows.into_iter().filter(|row| !self.is_in_hand(row.job)).take(wanted);
        Ok(match free {
            None => rows.map(|row| (row, None)).collect(),
            Some(slots) => rows.zip(slots).map(|(row, slot)| (row, Some(slot))).collect(),
        })
    }

    /// Records an attempt. `None` if somebody was faster, or the job is no longer to be run.
    ///
    /// # Errors
    /// It cannot be recorded.
    pub async fn claim(&self, claim: &Claim) -> Result<Option<Launch>, StepError> {
        let event = Event::Claimed { job: claim.job, slot: claim.slot };
        let Some(applied) = unless_refused(self.state.happen(&claim.resource, event).await)? else { return Ok(None) };
        if applied.state.jobs.get(&claim.job).is_some_and(|job| job.phase.is_stopping()) {
            // A tick that came with the claim replaced the job: it ends before it begins.
            self.adopt(claim.job).await?;
            return Ok(None);
        }
        Ok(launch_of(&applied.state, claim.job, self.state.catalog()))
    }
}
