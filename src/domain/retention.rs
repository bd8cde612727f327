//! For how long what is over is remembered.

use std::time::Duration;

use super::job::JobPhase;

/// For how long what is over is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Jobs that did their work.
    pub succeeded: Duration,
    /// Jobs that ended in any other way: failed, cancelled and lost ones.
    pub failed: Duration,
    /// The most finished jobs of one activity, from 1; the newest ones stay.
    pub per_activity: usize,
    /// Ticks of schedules.
    pub ticks: Duration,
    /// Entries of the change log, which who watches resumes from.
    pub log: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Retention {
    fn default() -> Self {
        Self {
            succeeded: DAY.saturating_mul(7),
            failed: DAY.saturating_mul(30),
            per_activity: 50,
            ticks: DAY.saturating_mul(30),
            log: DAY.saturating_mul(7),
        }
    }
}

impl Retention {
    /// How old a job may get that ended so; `None` while it has not ended.
    #[must_use]
    pub const fn age(&self, phase: JobPhase) -> Option<Duration> {
        match phase {
            JobPhase::Succeeded => Some(self.succeeded),
            JobPhase::Failed | JobPhase::Canceled | JobPhase::Lost => Some(self.failed),
            JobPhase::Queued | JobPhase::Starting | JobPhase::Running | JobPhase::Canceling => None,
        }
    }

    /// How old a job gets at least, however it ends.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        self.succeeded.min(self.failed)
    }
}
