//! An activity as it is meant: with every default filled in.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::domain::activity::{Activity, Overlap, Standing};
use crate::domain::catalog::Catalog;
use crate::domain::id::OperationName;
use crate::domain::schedule::{Schedule, Start, Timing};
use crate::domain::time::{Timestamp, friendly};

/// The activity with every default filled in.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EffectiveActivity")]
pub(super) struct Effective<'a> {
    operation: &'a OperationName,
    input: &'a Value,
    overlap: Overlaps,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'a Value>,
    suspend: bool,
    canceled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<Retries>,
    /// The longest attempt, where there is a bound.
    timeout: Option<String>,
    /// When it is run again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Scheduled<'a>>,
}

/// What happens when something asks while a job is active, by what asks.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EffectiveOverlap")]
struct Overlaps {
    change: Overlap,
    tick: Overlap,
    post: Overlap,
}

/// How often and how far apart attempts are made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EffectiveRetry")]
struct Retries {
    attempts: u32,
    backoff: String,
    factor: f64,
    max: String,
}

/// When jobs are due: one of `cron`, `every` and `at`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EffectiveSchedule")]
struct Scheduled<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a [Timestamp]>,
    timezone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Beginning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Timestamp>,
    /// The most launches.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    jitter: String,
    #[schemars(extend("enum" = ["skip", "latest", "all"]))]
    missed: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    dst: Changes,
}

/// From when on a schedule ticks.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "EffectiveStart")]
enum Beginning {
    /// From an instant.
    At(Timestamp),
    /// `now`: from the commit.
    Now(#[schemars(extend("const" = "now"))] &'static str),
}

/// What a change of the clock does to times of `cron`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EffectiveDst")]
struct Changes {
    #[schemars(extend("enum" = ["shift", "skip"]))]
    gap: &'static str,
    #[schemars(extend("enum" = ["first", "both"]))]
    overlap: &'static str,
}

impl<'a> Scheduled<'a> {
    fn of(schedule: &'a Schedule) -> Self {
        let (cron, every, at) = match &schedule.timing {
            Timing::Cron(cron) => (Some(cron.as_str()), None, None),
            Timing::Every(interval) => (None, Some(friendly(*interval)), None),
            Timing::At(instants) => (None, None, Some(instants.as_slice())),
        };
        Self {
            cron,
            every,
            at,
            timezone: schedule.timezone.name(),
            start: schedule.start.map(|start| match start {
                Start::At(instant) => Beginning::At(instant),
                Start::Now => Beginning::Now("now"),
            }),
            end: schedule.end,
            limit: schedule.limit,
            jitter: friendly(schedule.jitter),
            missed: schedule.missed.as_str(),
            deadline: schedule.deadline.map(friendly),
            dst: Changes { gap: schedule.dst.gap.as_str(), overlap: schedule.dst.overlap.as_str() },
        }
    }
}

impl<'a> Effective<'a> {
    pub(super) fn of(activity: &'a Activity, catalog: &Catalog) -> Self {
        let operation = catalog.operations.get(&activity.operation).map(AsRef::as_ref);
        let overlap = |otherwise: Overlap| activity.overlap.unwrap_or(otherwise);
        let timeout = match operation {
            Some(operation) => operation.timeout_within(activity.timeout),
            None => activity.timeout,
        };
        let retry = operation.map(|operation| match &activity.retry {
            Some(retry) => retry.over(&operation.retry, operation.attempts_max),
            None => operation.retry.clone(),
        });
        Self {
            operation: &activity.operation,
            input: &activity.input,
            overlap: Overlaps {
                change: overlap(Overlap::FOR_CHANGES),
                tick: overlap(Overlap::FOR_TICKS),
                post: overlap(Overlap::FOR_POSTS),
            },
            trigger: activity.trigger.as_ref(),
            suspend: activity.standing == Standing::Suspended,
            canceled: activity.standing == Standing::Canceled,
            retry: retry.map(|retry| Retries {
                attempts: retry.attempts,
                backoff: friendly(retry.backoff),
                factor: retry.factor,
                max: friendly(retry.max),
            }),
            timeout: timeout.map(friendly),
            schedule: activity.schedule.as_ref().map(Scheduled::of),
        }
    }
}
