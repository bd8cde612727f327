//! An activity as it is meant: with every default filled in.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::domain::activity::{Activity, Overlap, Standing};
use crate::domain::catalog::Catalog;
use crate::domain::id::OperationName;
use crate::domain::operation::Operation;
use crate::domain::time::friendly;

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

impl<'a> Effective<'a> {
    pub(super) fn of(activity: &'a Activity, catalog: &Catalog) -> Self {
        let operation = catalog.operations.get(&activity.operation).map(AsRef::as_ref);
        let overlap = |otherwise: Overlap| activity.overlap.unwrap_or(otherwise);
        let timeout = activity.timeout.or_else(|| operation.and_then(|operation: &Operation| operation.timeout));
        let retry = operation.map(|operation| match &activity.retry {
            Some(retry) => retry.over(&operation.retry),
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
        }
    }
}
