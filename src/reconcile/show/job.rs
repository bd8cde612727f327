//! The representation of a job.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::domain::catalog::Catalog;
use crate::domain::id::{ActivityName, CollectionName, JobId, OperationName, ResourceId, Uid};
use crate::domain::job::{AttemptOutcome, CancelReason, Job, JobError, JobPhase, Progress, TriggerKind};
use crate::domain::links;
use crate::domain::time::Timestamp;
use crate::domain::version::Generation;

/// One run of an operation for one activity of one resource.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Job")]
pub struct JobShown<'a> {
    id: JobId,
    resource: ResourceOf<'a>,
    activity: &'a ActivityName,
    operation: &'a OperationName,
    /// What it is run with.
    input: &'a Value,
    trigger: TriggerShown,
    phase: JobPhase,
    /// Whether it was asked to stop.
    canceled: bool,
    /// Why it was asked to stop.
    reason: Option<CancelReason>,
    /// The number of its newest attempt; 0 before the first.
    attempt: u32,
    /// Every attempt, the newest last.
    attempts: Vec<AttemptShown<'a>>,
    progress: Option<&'a Progress>,
    /// What it gave.
    result: Option<&'a Value>,
    error: Option<&'a JobError>,
    created: Timestamp,
    /// When its first attempt started.
    started: Option<Timestamp>,
    /// When its next attempt starts at the earliest, while it waits after a failed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    /// When it fails if no attempt has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_by: Option<Timestamp>,
    /// When it fails if it is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    done_by: Option<Timestamp>,
    /// When it became final.
    finished: Option<Timestamp>,
    #[serde(rename = "_links")]
    links: Links,
}

/// The resource that a job belongs to.
#[derive(Debug, Serialize, JsonSchema)]
struct ResourceOf<'a> {
    collection: &'a CollectionName,
    id: &'a ResourceId,
    href: String,
    uid: Uid,
}

/// Why a job exists.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Trigger")]
#[serde(rename_all = "camelCase")]
struct TriggerShown {
    kind: TriggerKind,
    /// The nominal instant of the tick, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_for: Option<Timestamp>,
    /// The generation of the resource at that time.
    generation: Generation,
    /// The job that it follows, where it is a follow-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<JobId>,
    /// How many follow-ups there were in a row, with this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<u32>,
}

/// One try of a job.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Attempt")]
struct AttemptShown<'a> {
    number: u32,
    /// The worker whose it is, as it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    started: Timestamp,
    finished: Option<Timestamp>,
    outcome: Option<AttemptOutcome>,
    exit_code: Option<i32>,
    /// One line on how it ended.
    detail: Option<&'a str>,
}

/// Where a job leads.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobLinks")]
struct Links {
    #[serde(rename = "self")]
    this: super::Link<'static>,
    /// The same among the jobs of its activity.
    alternate: super::Link<'static>,
    resource: super::Link<'static>,
    activity: super::Link<'static>,
    log: super::Link<'static>,
    /// Stopping it, while that is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel: Option<super::Link<'static>>,
}

/// The representation of a job.
#[must_use]
pub fn job<'a>(job: &'a Job, catalog: &Catalog) -> JobShown<'a> {
    let link = super::Link::to;
    let attempts = job.attempts.iter().map(|attempt| AttemptShown {
        number: attempt.number,
        worker: attempt.remote.as_ref().and_then(|remote| remote.worker.as_deref()),
        started: attempt.started,
        finished: attempt.finished,
        outcome: attempt.outcome,
        exit_code: attempt.exit_code,
        detail: attempt.detail.as_deref(),
    });
    JobShown {
        id: job.id,
        resource: ResourceOf {
            collection: &job.resource.collection,
            id: &job.resource.id,
            href: links::resource(catalog, &job.resource),
            uid: job.uid,
        },
        activity: &job.activity,
        operation: &job.operation,
        input: &job.input,
        trigger: TriggerShown {
            kind: job.trigger.kind,
            scheduled_for: job.trigger.scheduled_for,
            generation: job.trigger.generation,
            job: job.trigger.follows.map(|follows| follows.job),
            depth: job.trigger.follows.map(|follows| follows.depth),
        },
        phase: job.phase,
        canceled: job.cancel.is_some(),
        reason: job.cancel.as_ref().map(|cancel| cancel.reason),
        attempt: job.attempts.last().map_or(0, |attempt| attempt.number),
        attempts: attempts.collect(),
        progress: job.progress.as_ref(),
        result: job.result.as_ref(),
        error: job.error.as_ref(),
        created: job.created,
        started: job.started,
        not_before: job.not_before,
        start_by: job.start_by.filter(|_| !job.phase.is_final()),
        done_by: job.done_by.filter(|_| !job.phase.is_final()),
        finished: job.finished,
        links: Links {
            this: link(links::job(job.id)),
            alternate: link(links::activity_job(catalog, &job.resource, &job.activity, job.id)),
            resource: link(links::resource(catalog, &job.resource)),
            activity: link(links::activity(catalog, &job.resource, &job.activity)),
            log: link(links::job_log(job.id)),
            cancel: (!job.phase.is_final() && !job.phase.is_stopping())
                .then(|| super::Link { method: Some("DELETE"), ..link(links::job(job.id)) }),
        },
    }
}
