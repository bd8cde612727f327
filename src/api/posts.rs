//! Jobs that somebody posts: what is asked for, and how it is told of.
//!
//! # Guarantees
//! A job that is to leave no record is forgotten only when whoever asked for it
//! knows how it ended; where nobody can be told, its record is kept.
//! # Not here
//! Statuses and header fields ([`crate::http`]).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tracing::warn;

use super::jobs::{job_view, no_job, tag};
use super::resources::absent;
use super::{Api, ApiError, View};
use crate::domain::form::{self, Ask};
use crate::domain::id::{ActivityName, JobId, ResourceKey};
use crate::domain::job::Job;
use crate::domain::operation::{Complete, Keep, Operation, ReplyMode};
use crate::state::{Decision, Event, Loaded};

/// What a POST to an activity says.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchRequest {
    /// Its body.
    pub body: LaunchBody,
    /// When the client wants to hear.
    pub when: AnswerWhen,
    /// Where it was posted.
    pub at: PostedTo,
}

/// Where a job is posted. What the client believes is judged by what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostedTo {
    /// The list of the activity's jobs.
    List,
    /// The newest of them.
    Newest,
}

/// The body of a POST to an activity.
#[derive(Debug, Clone, PartialEq)]
pub enum LaunchBody {
    /// None: the work is as the document says.
    Empty,
    /// An object that may name `operation` and `input`.
    Json(Value),
    /// The fields of a form, as text.
    Form(Vec<(String, String)>),
}

/// When a client wants to hear of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerWhen {
    /// When the operation says.
    AsDeclared,
    /// At once, whatever the operation says.
    AtOnce,
}

/// A job that was posted.
#[derive(Debug, Clone, PartialEq)]
pub struct Launched {
    /// The job.
    pub id: JobId,
    /// What it looks like.
    pub view: View,
    /// When its POST is to be answered.
    pub mode: ReplyMode,
    /// How long a synchronous answer waits for its end.
    pub patience: Duration,
}

/// A job and what it looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// The job.
    pub job: Job,
    /// What it looks like.
    pub view: View,
}

/// What is found where a job is, below its resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// The job.
    Job(View),
    /// The job is finished, and leads to its resource.
    Resource,
}

impl Api {
    /// How the POST that launched a job is to be answered.
    pub(super) fn launched(&self, job: &Job, view: View, when: AnswerWhen) -> Launched {
        let operation = self.catalog.operations.get(&job.operation);
        let mode = match when {
            AnswerWhen::AtOnce => ReplyMode::Async,
            AnswerWhen::AsDeclared => operation.map_or(ReplyMode::Async, |operation| operation.reply.mode),
        };
        let patience = operation.and_then(|operation| job.timeout(operation));
        Launched { id: job.id, view, mode, patience: patience.unwrap_or(Operation::ANSWER_DEFAULT) }
    }

    /// What can be asked of an activity, as its resource is now.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn ask(&self, key: &ResourceKey, activity: &ActivityName) -> Result<Ask, ApiError> {
        let spec = self.activity(key, activity)?;
        let state = self.state.resource_state(key, None).await?;
        if state.desired.is_none() {
            return Err(absent(key));
        }
        let wanted = state.wanted(activity, &self.catalog).activity();
        let declared = self.catalog.operations.values();
        let operations: Vec<_> =
            declared.filter(|operation| spec.operations.allows(&operation.name)).map(Arc::clone).collect();
        let named = wanted.as_ref().map(|activity| &activity.operation).or_else(|| spec.operations.fixed());
        let meant = named.filter(|name| operations.iter().any(|operation| operation.name == **name)).cloned();
        let input = match (&spec.mapping, state.subject(&self.catalog)) {
            // One that has no value now is what a POST would be told of.
            (Some(mapping), Some(subject)) => subject.mapped_input(mapping).unwrap_or_else(|_| json!({})),
            (Some(_) | None, _) => wanted.map_or_else(|| json!({}), |activity| activity.input),
        };
        Ok(Ask { operations, meant, input })
    }

    /// The job once it is final, or as it is after `wait`.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn job_ended(&self, id: JobId, wait: Duration) -> Result<JobView, ApiError> {
        let is_final = || async {
            let (job, revision) = self.find(id).await?;
            let view = job_view(&job, tag(revision), &self.catalog);
            Ok((job.phase.is_final(), JobView { job, view }))
        };
        self.wait_until(wait, is_final).await
    }

    /// Keeps the record of an unfinished job: whoever asked for it is told
    /// where it is. One that is final by now comes back as it finished.
    ///
    /// # Errors
    /// `NotFound`, those of every commit.
    pub async fn keep_job(&self, job: &Job) -> Result<JobView, ApiError> {
        let id = job.id;
        let applied = self.state.apply(&job.resource, Some(id), |loaded| {
            let job = loaded.state.jobs.get(&id).ok_or_else(|| no_job(id))?;
            let settled = job.phase.is_final() || job.keep.is_record();
            Ok(if settled { Decision::Leave } else { Decision::Happen(Event::Kept { job: id }) })
        });
        let applied = applied.await.map_err(|error| self.refusal(&job.resource, error, None))?;
        let job = applied.state.jobs.get(&id).ok_or_else(|| no_job(id))?;
        let view = job_view(job, applied.job_etag(id).ok_or_else(|| no_job(id))?, &self.catalog);
        Ok(JobView { job: job.clone(), view })
    }

    /// Forgets a job that leaves no record, if this is one. Where that cannot
    /// be done now, a sweep does it later.
    pub async fn told_of(&self, job: &Job) {
        if !job.is_to_be_forgotten() {
            return;
        }
        // The record goes last: while it is there, the rest is found again.
        if let Err(error) = self.logs.forget(job.id) {
            warn!(job = %job.id, error = &error as &dyn std::error::Error, "something is left of a job");
            return;
        }
        let forget = |_: &Loaded| Ok(Decision::Happen(Event::Forgotten { job: job.id }));
        if let Err(error) = self.state.apply(&job.resource, Some(job.id), forget).await {
            let error = self.refusal(&job.resource, error, None);
            warn!(job = %job.id, error = &error as &dyn std::error::Error, "a job is forgotten later");
        }
    }

    /// What is found at the URL of a job below its resource.
    pub(super) fn lead(&self, job: &Job, view: View) -> Place {
        let complete = self.catalog.operations.get(&job.operation).map(|operation| operation.reply.complete);
        match complete {
            Some(Complete::Resource) if job.phase.is_final() => Place::Resource,
            Some(Complete::Resource | Complete::Job) | None => Place::Job(view),
        }
    }
}

/// What the fields of a form say beside the input, as a body says it.
pub(super) fn operation_of_form(sent: &[(String, String)]) -> Result<Map<String, Value>, ApiError> {
    let named = form::operation(sent).map_err(|violation| ApiError::Invalid { errors: vec![violation] })?;
    Ok(named.map(|name| ("operation".to_owned(), Value::from(name))).into_iter().collect())
}

/// The input that the fields of a form stand for, for this operation; nothing without a form.
pub(super) fn input_of_form(body: &LaunchBody, operation: &Operation) -> Result<Option<Value>, ApiError> {
    let LaunchBody::Form(sent) = body else { return Ok(None) };
    let schema = operation.input.as_ref().map(|schema| schema.source());
    let input = form::read(sent, schema).map_err(|errors| ApiError::Invalid { errors })?;
    Ok(Some(Value::Object(input)))
}

/// How an operation is named where that is not plain to see.
pub(super) fn how_to_name(body: &LaunchBody) -> String {
    match body {
        LaunchBody::Form(sent) => format!(": {}", form::unnamed(sent)),
        LaunchBody::Empty | LaunchBody::Json(_) => String::new(),
    }
}

/// What is to be left of a job of this operation.
pub(super) fn keep(operation: &Operation, when: AnswerWhen) -> Keep {
    match (when, operation.reply.mode) {
        (AnswerWhen::AsDeclared, ReplyMode::Sync(_)) => operation.keep,
        (AnswerWhen::AsDeclared, ReplyMode::Async) | (AnswerWhen::AtOnce, _) => Keep::Record,
    }
}
