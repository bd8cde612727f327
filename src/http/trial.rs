//! `?dryRun=true`: what a change would do, as it is shown.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;
use warp::reply::Response;

use super::reply;
use crate::api::{LocalTime, Trial};
use crate::domain::diff::Change;
use crate::domain::id::{ActivityName, JobId, OperationName};
use crate::domain::job::TriggerKind;
use crate::domain::time::Timestamp;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Trial")]
struct Shown<'a> {
    document: Option<&'a Value>,
    changes: &'a [Change],
    plan: Plan<'a>,
    /// The next ticks of each activity.
    next: BTreeMap<&'a ActivityName, Vec<Timestamp>>,
    /// The same ticks, as clocks in the zones of the schedules show them.
    next_local: BTreeMap<&'a ActivityName, Vec<LocalTime>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_match: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plan")]
struct Plan<'a> {
    launch: Vec<Launch<'a>>,
    cancel: Vec<Cancel<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PlannedLaunch")]
struct Launch<'a> {
    activity: &'a ActivityName,
    operation: &'a OperationName,
    input: &'a Value,
    trigger: TriggerKind,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PlannedCancel")]
struct Cancel<'a> {
    activity: &'a ActivityName,
    job: JobId,
}

/// Describes what is shown here.
pub(super) fn describe(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Shown<'_>>()
}

/// 200, true only now.
pub(super) fn found(trial: &Trial) -> Response {
    let launch = trial.launch.iter().map(|job| Launch {
        activity: &job.activity,
        operation: &job.operation,
        input: &job.input,
        trigger: job.trigger,
    });
    let shown = Shown {
        document: trial.document.as_ref(),
        changes: &trial.changes,
        plan: Plan {
            launch: launch.collect(),
            cancel: trial.cancel.iter().map(|(activity, job)| Cancel { activity, job: *job }).collect(),
        },
        next: trial.next.iter().map(|(name, ticks)| (name, ticks.iter().map(|tick| tick.at).collect())).collect(),
        next_local: trial.next.iter().map(|(name, ticks)| (name, ticks.iter().map(LocalTime::of).collect())).collect(),
        if_match: trial.if_match.map(|etag| etag.to_string()),
    };
    reply::at_this_moment(serde_json::to_vec(&shown).expect("what we show can be written"))
}
