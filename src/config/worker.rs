//! `worker = { lease = "30s" }`: an operation whose jobs workers outside pull.

use std::time::Duration;

use super::error::Report;
use super::section::{Keys, Section};
use crate::domain::operation::WorkerSpec;

const WORKER: Keys = Keys { known: &["lease"], later: &[] };

/// How long a sign of life holds unless the operator says otherwise.
const LEASE_DEFAULT: Duration = Duration::from_secs(30);

/// Below the first one, a pause of a worker would end its attempt; beyond the
/// second one, nobody could wait for a lost one.
const LEASE_MIN: Duration = Duration::from_secs(1);
const LEASE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the table of an operation; an empty one is complete.
pub(super) fn spec(operation: &Section<'_>, table: &Section<'_>, report: &mut Report<'_>) -> Option<WorkerSpec> {
    if let Some(grace) = operation.get("grace") {
        let _: Option<()> = grace.refuse("nobody kills a worker: its job is given up when its lease ends", report);
    }
    table.check_keys(WORKER, report);
    let Some(field) = table.get("lease") else { return Some(WorkerSpec { lease: LEASE_DEFAULT }) };
    let lease = field.duration(report)?;
    if lease < LEASE_MIN || LEASE_MAX < lease {
        return field.refuse("expected a duration from 1s to 1d", report);
    }
    Some(WorkerSpec { lease })
}
