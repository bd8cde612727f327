//! The representation of a row of a ledger.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::id::JobId;
use crate::domain::links;
use crate::domain::tick::{SkipReason, TickOutcome};
use crate::domain::time::Timestamp;

/// What became of a tick of a schedule, or of a run of them.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Tick")]
pub struct TickShown {
    /// The nominal instant; of a run, that of its first tick.
    scheduled_for: Timestamp,
    outcome: Outcome,
    /// Why it was skipped, if it was.
    reason: Option<SkipReason>,
    /// The job that was launched for it, if one was. It may be forgotten before its tick is.
    job: Option<JobId>,
    /// How many ticks these are.
    #[schemars(range(min = 1))]
    count: u64,
    /// The nominal instant of the last tick of a run.
    until: Option<Timestamp>,
    #[serde(rename = "_links")]
    links: Links,
}

/// What became of a tick.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "TickOutcome")]
enum Outcome {
    /// A job was launched for it.
    Launched,
    /// None was.
    Skipped,
}

/// Where a tick leads.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TickLinks")]
struct Links {
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<super::Link<'static>>,
}

/// The representation of what became of the ticks from an instant on.
#[must_use]
pub fn tick(first: Timestamp, outcome: &TickOutcome) -> TickShown {
    match outcome {
        TickOutcome::Launched { job } => TickShown {
            scheduled_for: first,
            outcome: Outcome::Launched,
            reason: None,
            job: Some(*job),
            count: 1,
            until: None,
            links: Links { job: Some(super::Link::to(links::job(*job))) },
        },
        TickOutcome::Skipped(run) => TickShown {
            scheduled_for: first,
            outcome: Outcome::Skipped,
            reason: Some(run.reason),
            job: None,
            count: run.count,
            until: (run.count > 1).then_some(run.until),
            links: Links { job: None },
        },
    }
}
