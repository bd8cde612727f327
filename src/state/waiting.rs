//! Reading what jobs wait for, and how much there is of it.

use std::collections::BTreeMap;

use super::lookup::StateError;
use super::{State, keys};
use crate::domain::id::{JobId, OperationName};
use crate::domain::job::Job;
use crate::domain::operation::RunnerKind;
use crate::domain::time::Timestamp;
use crate::reconcile::Ready;
use crate::reconcile::waiting::{WaitReason, Waiting, waiting};
use crate::store::{KeyRange, Order};

/// How far queues and attempts are counted. As many attempts as one process
/// may have; of more waiting jobs nobody needs to know the number.
pub const COUNTED_MAX: usize = 10_000;

/// How many jobs are read at once to be counted: each can be a megabyte.
const CHUNK: usize = 100;

/// What a job waits for, and where it stands among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InQueue {
    /// What its resource says.
    pub waiting: Waiting,
    /// What it waits for in view of everything.
    pub reason: WaitReason,
    /// Its place among the jobs of its operation that may be claimed, from 1;
    /// `None` if it may not, or if more than [`COUNTED_MAX`] are before it.
    pub position: Option<usize>,
    /// How many jobs may run at once of those that it waits for, where that is limited.
    pub limit: Option<u32>,
    /// Until when it waits at least, where that is known.
    pub until: Option<Timestamp>,
}

/// How much an operation has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Jobs of it that have an attempt which may exist in the world.
    pub running: usize,
    /// Jobs of it that may be claimed.
    pub waiting: usize,
}

impl State {
    /// What a job waits for where so many attempts may run at once; `None` if
    /// it does not wait.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn in_queue(&self, job: &Job, at_most: Option<usize>) -> Result<Option<InQueue>, StateError> {
        let state = self.resource_state(&job.resource, Some(job.id)).await?;
        let Some(found) = waiting(&state, job.id, self.catalog(), self.clock().now()) else { return Ok(None) };
        let position = match found.ready {
            Some(ref ready) => self.position(&job.operation, ready, job.id).await?,
            None => None,
        };
        let running = match found.limit {
            Some(_) => {
                let key = found.ready.as_ref().and_then(|ready| ready.limit_key.as_ref());
                self.slots(&job.operation, key, COUNTED_MAX).await?.len()
            }
            None => 0,
        };
        let mut reason = found.among(running);
        let mut limit = found.limit;
        let mut until = found.until;
        let its_turn = |reason| found.ready.is_some() && reason == WaitReason::Queued;
        let rate = self.catalog().operations.get(&job.operation).and_then(|operation| operation.rate);
        if let Some(rate) = rate.filter(|_| its_turn(reason))
            && let Some(next) = self.next_start(&job.operation, rate).await?
        {
            (reason, limit, until) = (WaitReason::Rate, Some(rate.count), Some(next));
        }
        // Who asks for jobs from outside is not counted.
        let operation = self.catalog().operations.get(&job.operation);
        let here = operation.is_some_and(|operation| operation.runner.kind() != RunnerKind::Worker);
        if let Some(at_most) = at_most.filter(|_| here && its_turn(reason))
            && self.attempts_here(at_most.min(COUNTED_MAX)).await?.len() >= at_most
        {
            (reason, limit) = (WaitReason::Capacity, Some(u32::try_from(at_most).unwrap_or(u32::MAX)));
        }
        Ok(Some(InQueue { waiting: found, reason, position, limit, until }))
    }

    async fn position(
        &self,
        operation: &OperationName,
        ready: &Ready,
        job: JobId,
    ) -> Result<Option<usize>, StateError> {
        let Ready { priority, at, limit_key } = ready;
        let before = self.count(keys::queued_before(operation, limit_key.as_ref(), *priority, *at, job)).await?;
        Ok((before < COUNTED_MAX).then_some(before + 1))
    }

    /// How much each operation has to do, of those that have anything.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn loads(&self) -> Result<BTreeMap<OperationName, Load>, StateError> {
        let mut loads: BTreeMap<OperationName, Load> = BTreeMap::new();
        let attempts: Vec<JobId> = self.attempts(COUNTED_MAX).await?.into_iter().map(|row| row.job).collect();
        for chunk in attempts.chunks(CHUNK) {
            // One that has ended meanwhile still counts for this moment.
            for (job, _) in self.jobs(chunk).await?.into_iter().flatten() {
                loads.entry(job.operation).or_default().running += 1;
            }
        }
        for operation in self.catalog().operations.keys() {
            let waiting = self.count(keys::queue_of(operation, None)).await?
                + self.count(keys::queues_of_keys(operation, None)).await?;
            if waiting > 0 {
                loads.entry(operation.clone()).or_default().waiting = waiting;
            }
        }
        Ok(loads)
    }

    /// How many rows there are, counted up to [`COUNTED_MAX`].
    async fn count(&self, range: KeyRange) -> Result<usize, StateError> {
        Ok(self.store().scan(range, Order::Ascending, COUNTED_MAX).await?.rows.len())
    }
}
