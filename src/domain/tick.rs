//! What became of the nominal instants of a schedule: the rows of its ledger.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::JobId;
use super::time::Timestamp;

/// What became of one tick, or of a run of them.
///
/// A row of the ledger, which is named by the activity and by the nominal
/// instant of the tick, or of the first one of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum TickOutcome {
    /// A job was launched for it.
    Launched {
        /// The job.
        job: JobId,
    },
    /// None was.
    Skipped(SkippedRun),
}

/// Ticks next to each other that were skipped for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRun {
    /// Why.
    pub reason: SkipReason,
    /// The last of them; the first is what names the row.
    pub until: Timestamp,
    /// How many they are, at least 1.
    pub count: u64,
}

impl TickOutcome {
    /// The last tick that it is about, where `first` is the one that names it.
    #[must_use]
    pub fn last(&self, first: Timestamp) -> Timestamp {
        match self {
            Self::Launched { .. } => first,
            Self::Skipped(run) => run.until,
        }
    }
}

/// Why a tick was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// A job of the activity was not finished.
    Overlap,
    /// Nobody looked at its time.
    Missed,
    /// It was older than its `deadline` when somebody looked.
    Deadline,
    /// More were missed than are caught up with.
    CatchUp,
    /// The clock was set past it.
    Clock,
    /// Its local time does not exist on its day.
    DstGap,
    /// The activity was suspended.
    Suspended,
    /// The activity was cancelled.
    Canceled,
}

impl SkipReason {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::Overlap,
        Self::Missed,
        Self::Deadline,
        Self::CatchUp,
        Self::Clock,
        Self::DstGap,
        Self::Suspended,
        Self::Canceled,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overlap => "overlap",
            Self::Missed => "missed",
            Self::Deadline => "deadline",
            Self::CatchUp => "catch-up",
            Self::Clock => "clock",
            Self::DstGap => "dst-gap",
            Self::Suspended => "suspended",
            Self::Canceled => "canceled",
        }
    }
}
