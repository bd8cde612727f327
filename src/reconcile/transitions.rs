//! What can be done about an activity now, decided on what is stored alone.

use serde_json::json;

use super::state::{ActivityStatus, UNFINISHED_MAX};
use crate::domain::activity::{Activity, Overlap, Standing, judge_input};
use crate::domain::catalog::{ActivitySpec, Catalog};
use crate::domain::id::JobId;
use crate::domain::job::JobPhase;

/// Whether a POST that says nothing more than the document would launch a job
/// now, as long as the resource is not being deleted.
///
/// How much input the unfinished jobs have is not looked at: only the jobs
/// themselves know, and a POST can still be told that it is too much.
#[must_use]
pub(super) fn may_run(
    spec: &ActivitySpec,
    wanted: Option<&Activity>,
    status: &ActivityStatus,
    catalog: &Catalog,
) -> bool {
    let standing = wanted.map_or(Standing::Active, |activity| activity.standing);
    if standing != Standing::Active || status.active.len() >= UNFINISHED_MAX {
        return false;
    }
    let overlap = wanted.and_then(|activity| activity.overlap).unwrap_or(Overlap::FOR_POSTS);
    let mut rivals = status.active.iter().filter(|job| !job.is_follow_up());
    let clear = match overlap {
        Overlap::Allow | Overlap::Replace => true,
        Overlap::Forbid => rivals.next().is_none(),
        Overlap::Queue => rivals.all(|job| job.phase != JobPhase::Queued),
    };
    let named = wanted.map(|activity| &activity.operation).or_else(|| spec.operations.fixed());
    let operation = named.filter(|name| spec.operations.allows(name)).and_then(|name| catalog.operations.get(name));
    let nothing = json!({});
    let input = wanted.map_or(&nothing, |activity| &activity.input);
    clear && operation.is_some_and(|operation| judge_input("", operation, input).is_empty())
}

/// The job that a wish to cancel the activity's work is about: the oldest one
/// that runs, or else that waits. None that is being stopped already.
#[must_use]
pub(super) fn to_cancel(status: &ActivityStatus) -> Option<JobId> {
    let oldest = |phases: &[JobPhase]| status.active.iter().find(|job| phases.contains(&job.phase)).map(|job| job.id);
    oldest(&[JobPhase::Starting, JobPhase::Running]).or_else(|| oldest(&[JobPhase::Queued]))
}
