//! Jobs: launch, read, list, cancel, and their logs.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::job_lists::LOOKS_MAX;
use super::once::{self, About};
use super::posts::{self, LaunchBody, LaunchRequest, Launched, Place, PostedTo, keep};
use super::resources::{absent, deleting, is_deleting};
use super::{Api, ApiError, Cancelled, ChangeRequest, Intent, ListView, PAGE_BYTES_MAX, PageRequest, View};
use crate::api::error::AlreadyApplied;
use crate::domain::activity::{judge_input, unknown_operation};
use crate::domain::catalog::{ActivitySpec, Catalog};
use crate::domain::id::{ActivityName, CollectionName, JobId, OperationName, ResourceId, ResourceKey};
use crate::domain::job::{Job, JobPhase, TriggerKind};
use crate::domain::near::did_you_mean;
use crate::domain::operation::Keep;
use crate::domain::patch::{PatchBody, apply_patch};
use crate::domain::precondition::{self, Current};
use crate::domain::schema::Violation;
use crate::domain::time::Timestamp;
use crate::domain::version::{ETag, Revision};
use crate::state::{Decision, Event, Launch, Loaded, ResourceState, show_job};

/// Which of all jobs are wanted; each part narrows it down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this operation.
    pub operation: Option<OperationName>,
    /// In this phase.
    pub phase: Option<JobPhase>,
    /// Of resources of this collection.
    pub collection: Option<CollectionName>,
    /// Of resources with this id.
    pub resource: Option<ResourceId>,
}

impl JobFilter {
    fn takes(&self, job: &Job) -> bool {
        self.is_of(&job.operation, &job.resource) && self.phase.is_none_or(|phase| phase == job.phase)
    }

    /// Whether it takes jobs of this operation and this resource, in some phase.
    pub(super) fn is_of(&self, operation: &OperationName, of: &ResourceKey) -> bool {
        self.operation.as_ref().is_none_or(|wanted| wanted == operation)
            && self.collection.as_ref().is_none_or(|collection| *collection == of.collection)
            && self.resource.as_ref().is_none_or(|resource| *resource == of.id)
    }
}

/// How many jobs a page looks at before it ends with a cursor, so that a
/// filter that few jobs pass does not read the whole store in one request.
const LOOKED_AT_MAX: usize = 10_000;

/// How many jobs are read at once.
pub(super) const LIST_CHUNK: usize = 200;

impl Api {
    /// Launches a job of an activity. Its input is merged over the document's.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `Deleting`, `Invalid`, `Overlap`,
    /// `NotAccepting`, `TooManyJobs`, those of every commit.
    pub async fn launch(
        &self,
        key: &ResourceKey,
        activity: &ActivityName,
        launch: &LaunchRequest,
        request: &ChangeRequest,
    ) -> Result<Launched, ApiError> {
        let spec = self.activity(key, activity)?;
        let body = match &launch.body {
            LaunchBody::Empty => Map::new(),
            LaunchBody::Json(body) => launch_body(body)?,
            LaunchBody::Form(sent) => posts::operation_of_form(sent)?,
        };
        // Who posts beside the newest job, and believes nothing of it, need not have seen it.
        let believes = !request.preconditions.is_empty_for_write() || request.intent == Intent::Try;
        for _ in 0..LOOKS_MAX {
            let newest = match launch.at {
                PostedTo::Newest if believes => Some(self.newest(key, activity).await?),
                PostedTo::Newest | PostedTo::List => None,
            };
            let mut before: BTreeSet<JobId> = BTreeSet::new();
            let applied = self.enact_on_list(key, About::Launch, request, |loaded, named| {
                before = loaded.state.jobs.keys().copied().collect();
                *named = match &newest {
                    Some(newest) => self.believes_newest(loaded, activity, newest, request)?,
                    None => {
                        self.believes_jobs(loaded, activity, request)?;
                        // Either tag would do, and this one holds also when a job ends meanwhile.
                        loaded.etag()
                    }
                };
                if is_deleting(loaded) {
                    return Err(deleting(loaded).into());
                }
                let (Launch { operation, input }, keep) = self.judge_launch(loaded, spec, &body, launch)?;
                Ok(Decision::Happen(Event::Launched { activity: activity.clone(), operation, input, keep }))
            });
            let Some(applied) = applied.await? else { continue };
            let new = new_job(&applied.state, |id| before.contains(&id)).ok_or_else(|| absent(key))?;
            let etag = applied.job_etag(new.id).ok_or_else(|| absent(key))?;
            return Ok(self.launched(new, job_view(new, etag, &self.catalog), launch.when));
        }
        Err(ApiError::Busy)
    }

    /// The job that a body asks for, if it may be launched.
    pub(super) fn judge_launch(
        &self,
        loaded: &Loaded,
        spec: &ActivitySpec,
        body: &Map<String, Value>,
        launch: &LaunchRequest,
    ) -> Result<(Launch, Keep), ApiError> {
        let name = &spec.name;
        let wanted = loaded.state.wanted(name, &self.catalog).activity();
        let operation = match body.get("operation") {
            None => wanted.as_ref().map(|activity| &activity.operation).or_else(|| spec.operations.fixed()).cloned(),
            Some(Value::String(text)) => Some(text.parse().map_err(|_| ApiError::Invalid {
                errors: vec![unknown_operation("/operation", text, &self.catalog)],
            })?),
            Some(_) => return Err(invalid("/operation", "expected the name of an operation")),
        };
        let Some(operation) = operation else {
            let how = posts::how_to_name(&launch.body);
            let detail =
                format!("the document has no `{name}` that names an operation, so the request must name one{how}");
            return Err(invalid("/operation", &detail));
        };
        if !spec.operations.allows(&operation) {
            return Err(invalid("/operation", &spec.operations.refusal(operation.as_str())));
        }
        let declared = self.catalog.operations.get(&operation).ok_or_else(|| ApiError::Invalid {
            errors: vec![unknown_operation("/operation", operation.as_str(), &self.catalog)],
        })?;
        let base = match (&spec.mapping, loaded.state.subject(&self.catalog)) {
            (Some(mapping), Some(subject)) => subject.mapped_input(mapping).map_err(|detail| invalid("", &detail))?,
            (Some(_) | None, _) => wanted.map_or_else(|| json!({}), |activity| activity.input),
        };
        let fields = posts::input_of_form(&launch.body, declared)?;
        let input = match body.get("input").or(fields.as_ref()) {
            None => base,
            Some(Value::Object(over)) => {
                let base = if base.is_object() { base } else { json!({}) };
                apply_patch(&base, &PatchBody::Merge(over.clone()), &self.limits)?
            }
            Some(_) => return Err(invalid("/input", "expected an object, which is merged over the document's input")),
        };
        let errors = judge_input("/input", declared, &input);
        if !errors.is_empty() {
            return Err(ApiError::Invalid { errors });
        }
        let keep = keep(declared, launch.when);
        Ok((Launch { operation, input }, keep))
    }

    /// A job of an activity, or where it leads to.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn activity_job(&self, key: &ResourceKey, activity: &ActivityName, id: JobId) -> Result<Place, ApiError> {
        self.activity(key, activity)?;
        let (job, revision) = self.find(id).await?;
        let stored = self.state.resource(key).await?.ok_or_else(|| absent(key))?;
        if job.uid == stored.desired.uid && job.activity == *activity {
            Ok(self.lead(&job, job_view(&job, tag(revision), &self.catalog)))
        } else {
            Err(no_job(id))
        }
    }

    /// The newest job of an activity, or where it leads to.
    ///
    /// # Errors
    /// `NotFound`, also when there was none yet; `Store`.
    pub async fn last_job(&self, key: &ResourceKey, activity: &ActivityName) -> Result<Place, ApiError> {
        self.activity(key, activity)?;
        let stored = self.state.resource(key).await?.ok_or_else(|| absent(key))?;
        let (ids, _) = self.state.jobs_of_activity(stored.desired.uid, activity, None, 1).await?;
        let none_yet = || ApiError::NotFound { what: format!("a job of `{key}/{activity}`") };
        let (job, revision) = self.find(*ids.first().ok_or_else(none_yet)?).await?;
        Ok(self.lead(&job, job_view(&job, tag(revision), &self.catalog)))
    }

    /// A job.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn job(&self, id: JobId) -> Result<View, ApiError> {
        let (job, revision) = self.find(id).await?;
        Ok(job_view(&job, tag(revision), &self.catalog))
    }

    /// All jobs that pass a filter, the newest first. A page may hold fewer
    /// than were asked for, and still say where to go on.
    ///
    /// # Errors
    /// `BadCursor`, `Store`.
    pub async fn jobs(&self, filter: &JobFilter, page: &PageRequest) -> Result<ListView, ApiError> {
        let mut before = page.cursor.as_deref().map(read_cursor).transpose()?;
        let etag = tag(self.state.last_change_of_jobs());
        let (mut items, mut bytes, mut looked_at, mut more) = (Vec::new(), 0, 0, true);
        while more && items.len() < page.limit && bytes < PAGE_BYTES_MAX && looked_at < LOOKED_AT_MAX {
            let (jobs, found_more) = self.state.all_jobs(before, LIST_CHUNK).await?;
            more = found_more;
            for (job, _) in jobs {
                if items.len() == page.limit || bytes >= PAGE_BYTES_MAX {
                    more = true;
                    break;
                }
                looked_at += 1;
                before = Some(job.id);
                if filter.takes(&job) {
                    let body = encode(&job, &self.catalog);
                    bytes += body.len();
                    items.push(body);
                }
            }
        }
        Ok(ListView {
            items,
            next: before.filter(|_| more).map(|id| id.to_string()),
            etag: Some(etag),
            revision: Some(etag.revision),
        })
    }

    /// Cancels a job. One that finished first stays as it finished.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, those of every commit.
    pub async fn cancel_job(&self, id: JobId, request: &ChangeRequest) -> Result<Cancelled, ApiError> {
        let (job, _) = self.find(id).await?;
        let applied = self.enact(&job.resource, About::Job(id), request, |loaded| {
            let job = loaded.state.jobs.get(&id).ok_or_else(|| no_job(id))?;
            believes_job(loaded, job, request)?;
            Ok(if job.phase.is_final() || job.phase.is_stopping() {
                Decision::Leave
            } else {
                Decision::Happen(Event::CancelAsked { job: id })
            })
        });
        let applied = applied.await.map_err(|error| self.refusal(&job.resource, error, None))?;
        let job = applied.state.jobs.get(&id).ok_or_else(|| no_job(id))?;
        let view = job_view(job, applied.job_etag(id).ok_or_else(|| no_job(id))?, &self.catalog);
        Ok(if job.phase.is_final() { Cancelled::Final(view) } else { Cancelled::Stopping(view) })
    }

    /// The job once it is final, or as it is after `wait`.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn job_finished(&self, id: JobId, wait: Duration) -> Result<View, ApiError> {
        let is_final = || async {
            let (job, revision) = self.find(id).await?;
            Ok((job.phase.is_final(), job_view(&job, tag(revision), &self.catalog)))
        };
        self.wait_until(wait, is_final).await
    }

    /// The log of an attempt of a job, the newest one unless another is named.
    ///
    /// # Errors
    /// `NotFound`, also for an attempt that was not made; `Store`.
    pub async fn log(&self, id: JobId, attempt: Option<u32>) -> Result<AttemptLog, ApiError> {
        let (job, _) = self.find(id).await?;
        if let Some(number) = attempt
            && !job.attempts.iter().any(|attempt| attempt.number == number)
        {
            return Err(ApiError::NotFound { what: format!("attempt {number} of job {id}") });
        }
        let newest = job.attempts.last().map(|attempt| attempt.number);
        let number = attempt.or(newest);
        // Whether it is over was read before: what it wrote till then is there now.
        let is_over = match number {
            Some(number) => job.attempts.iter().any(|attempt| attempt.number == number && attempt.finished.is_some()),
            None => job.phase.is_final(),
        };
        let state = if is_over { LogState::Complete } else { LogState::Growing };
        let found = number.and_then(|number| self.logs.open(id, number));
        let index = number.and_then(|number| self.logs.index(id, number));
        let (length, file) = found.map_or((0, None), |(length, file)| (length, Some(file)));
        Ok(AttemptLog { number: number.unwrap_or_default(), length, file, index, state })
    }

    pub(super) async fn find(&self, id: JobId) -> Result<(Job, Revision), ApiError> {
        self.state.job(id).await?.ok_or_else(|| no_job(id))
    }

    /// An activity is there when its collection declares it.
    pub(super) fn activity(&self, key: &ResourceKey, activity: &ActivityName) -> Result<&ActivitySpec, ApiError> {
        let declared = self.collection(&key.collection)?.activity(activity.as_str());
        declared.ok_or_else(|| ApiError::NotFound { what: format!("the activity `{activity}` of `{key}`") })
    }
}

/// The log of an attempt, as it is now.
#[derive(Debug)]
pub struct AttemptLog {
    /// The number of the attempt; 0 where there was none.
    pub number: u32,
    /// Its length in bytes.
    pub length: u64,
    /// The file that holds it; none where nothing was written.
    pub file: Option<std::fs::File>,
    /// What of it came from where, and when ([`crate::domain::log`]): the length
    /// in bytes, and the file that holds it.
    pub index: Option<(u64, std::fs::File)>,
    /// Whether more of it can come.
    pub state: LogState,
}

/// Whether more of a log can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogState {
    /// Its attempt is not over, or has not begun.
    Growing,
    /// Its attempt is over.
    Complete,
}

/// The job that a launch has made.
pub(super) fn new_job(after: &ResourceState, was_there: impl Fn(JobId) -> bool) -> Option<&Job> {
    after.jobs.values().find(|job| job.trigger.kind == TriggerKind::Manual && !was_there(job.id))
}

pub(super) fn no_job(id: JobId) -> ApiError {
    ApiError::NotFound { what: format!("the job {id}") }
}

pub(super) fn tag(revision: Revision) -> ETag {
    ETag { changed: revision, revision }
}

pub(super) fn encode(job: &Job, catalog: &Catalog) -> Bytes {
    serde_json::to_vec(&show_job(job, catalog)).expect("what we show can be written").into()
}

pub(super) fn job_view(job: &Job, etag: ETag, catalog: &Catalog) -> View {
    View { body: encode(job, catalog), etag, changed_at: changed_at(job) }
}

/// When anything visible of a job last changed.
pub(super) fn changed_at(job: &Job) -> Timestamp {
    let attempt = job.attempts.last().map(|attempt| attempt.finished.unwrap_or(attempt.started));
    let reported = job.progress.as_ref().map(|progress| progress.updated);
    let changes = [Some(job.created), attempt, reported, job.cancel.as_ref().map(|cancel| cancel.at), job.finished];
    changes.into_iter().flatten().max().unwrap_or(job.created)
}

/// A job never needs a precondition, and honours one that is sent.
pub(super) fn believes_job(loaded: &Loaded, job: &Job, request: &ChangeRequest) -> Result<(), ApiError> {
    once::judge(request)?;
    let etag = loaded.job_etag(job.id);
    let current = etag.map(|etag| Current { etag, changed_at: changed_at(job) });
    precondition::check(&request.preconditions, current.as_ref(), request.strictness)
        .map_err(|why| ApiError::PreconditionFailed { why: Some(why), etag, already_applied: AlreadyApplied::No })
}

pub(super) fn invalid(pointer: &str, detail: &str) -> ApiError {
    ApiError::Invalid { errors: vec![Violation { pointer: pointer.to_owned(), detail: detail.to_owned() }] }
}

/// The body of a POST to an activity: nothing but `operation` and `input`.
pub(super) fn launch_body(body: &Value) -> Result<Map<String, Value>, ApiError> {
    const MEMBERS: [&str; 2] = ["operation", "input"];
    let Value::Object(members) = body else {
        return Err(invalid("", "expected an object with `operation` and `input`, or no body at all"));
    };
    match members.keys().find(|member| !MEMBERS.contains(&member.as_str())) {
        None => Ok(members.clone()),
        Some(member) => {
            let hint = did_you_mean(member, MEMBERS);
            Err(invalid(
                &format!("/{}", crate::domain::json::escape_pointer(member)),
                &format!("a launch has no member `{member}`{hint}"),
            ))
        }
    }
}

pub(super) fn read_cursor(cursor: &str) -> Result<JobId, ApiError> {
    cursor.parse().map_err(|_| ApiError::BadCursor)
}
