//! What jobs wait for, and how much there is to do.

use std::collections::BTreeMap;

use super::{Api, ApiError};
use crate::domain::id::{JobId, OperationName};
use crate::domain::time::Timestamp;
use crate::state::{InQueue, Load};

/// Why a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueView {
    /// What for, as a word for programs.
    pub reason: &'static str,
    /// Its place among the jobs of its operation that may be claimed, from 1.
    pub position: Option<usize>,
    /// Since when it waits.
    pub since: Timestamp,
    /// How many jobs of its operation may run at once; where it waits for
    /// jobs of any operation, how many of those.
    pub limit: Option<u32>,
    /// Until when it waits at least, where that is known.
    pub until: Option<Timestamp>,
}

impl Api {
    /// Why a job waits for its start.
    ///
    /// # Errors
    /// `NotFound`, `NotWaiting`, `Store`.
    pub async fn queue(&self, id: JobId) -> Result<QueueView, ApiError> {
        let (job, _) = self.find(id).await?;
        match self.state.in_queue(&job, self.running).await? {
            Some(InQueue { waiting, reason, position, limit, until }) => {
                Ok(QueueView { reason: reason.as_str(), position, since: waiting.since, limit, until })
            }
            None => Err(ApiError::NotWaiting { id, phase: self.find(id).await?.0.phase.as_str() }),
        }
    }

    /// Counts what waits, for `/metrics`, unless that was done a moment ago.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_waiting(&self) -> Result<(), ApiError> {
        Ok(self.state.count_waiting().await?)
    }

    /// How much each operation has to do, of those that have anything.
    ///
    /// # Errors
    /// `Store`.
    pub async fn loads(&self) -> Result<BTreeMap<OperationName, Load>, ApiError> {
        Ok(self.state.loads().await?)
    }
}
