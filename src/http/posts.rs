//! POST to an activity, and how it is answered: at once, or when the job is done.
//!
//! # Guarantees
//! A job that leaves no record is forgotten before its answer is sent, so that
//! whoever heard of its end finds nothing of it. Whoever is told where a job is
//! finds it there.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use warp::reply::Response;

use super::dispatch::Call;
use super::forms;
use super::jobs::{finished, is_final};
use super::media::{Face, MediaType};
use super::prefer::{Answer, Prefer, Respond};
use super::problem::{Kind, Problem};
use super::reply::{self, With};
use super::routes::Route;
use crate::api::{AnswerWhen, JobView, LaunchBody, LaunchRequest, Launched, PostedTo, View, links};
use crate::domain::id::{ActivityName, JobId, ResourceKey};
use crate::domain::job::{Job, JobPhase, TIMED_OUT};
use crate::domain::operation::{ReplyMode, SyncStatus};

/// Where a job was posted, and by whom.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    key: &'a ResourceKey,
    activity: &'a ActivityName,
    asker: Asker,
}

/// Who posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// A program, which reads the answer.
    Program,
    /// A person with a form, whom the answer leads to a page that can be loaded again.
    Person,
}

impl At<'_> {
    fn job(&self, call: &Call<'_>, id: JobId) -> String {
        links::activity_job(call.http.api.catalog(), self.key, self.activity, id)
    }
}

/// Launches a job, and answers when its operation says or the client prefers.
pub(super) async fn launch(
    mut call: Call<'_>,
    key: &ResourceKey,
    activity: &ActivityName,
    at: PostedTo,
) -> Result<Response, Problem> {
    let sent = call.sent_to_launch().await?;
    let body = match sent.media {
        _ if sent.bytes.is_empty() => LaunchBody::Empty,
        Some(MediaType::Form) => LaunchBody::Form(forms::read(&sent.bytes)?),
        Some(MediaType::Json | MediaType::MergePatch | MediaType::JsonPatch) | None => {
            LaunchBody::Json(call.object(&sent.bytes)?)
        }
    };
    let when = match call.prefer.respond {
        Some(Respond::Async) => AnswerWhen::AtOnce,
        None => AnswerWhen::AsDeclared,
    };
    let form = sent.media == Some(MediaType::Form) && call.face == Face::Html;
    let asker = if form { Asker::Person } else { Asker::Program };
    let launched = call.http.api.launch(key, activity, &LaunchRequest { body, when, at }, &sent.request).await?;
    let at = At { key, activity, asker };
    match launched.mode {
        ReplyMode::Async => {
            let view = finished(&call, launched.id, launched.view).await;
            Ok(accepted(&call, at, launched.id, view))
        }
        ReplyMode::Sync(status) => when_done(&call, at, launched, status).await,
    }
}

/// 202 with the job; 200 for who waited long enough for its end.
fn accepted(call: &Call<'_>, at: At<'_>, id: JobId, view: View) -> Response {
    let location = at.job(call, id);
    if at.asker == Asker::Person {
        return see(&location, "job");
    }
    // Only who asked to wait is told that the waiting is over.
    let over = call.prefer.wait.is_some() && is_final(&view);
    let response = match (call.prefer.answer, over) {
        (Some(Answer::Minimal), over) => {
            let status = if over { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED };
            reply::bodiless(status, &view, call.route).located(&location)
        }
        (Some(Answer::Representation) | None, over) => {
            let status = if over { StatusCode::OK } else { StatusCode::ACCEPTED };
            reply::represent(status, view, call.route).located(&location).content_located(&location)
        }
    };
    response.honouring(call.prefer)
}

/// Why the waiting for a job is over.
enum Over {
    /// The job is.
    Ended(Box<JobView>),
    /// The operation gives it no more time.
    Late(Box<JobView>),
    /// The client, or the service, waits no longer, and the job goes on.
    Left(View),
}

/// Answers when the job is done.
async fn when_done(call: &Call<'_>, at: At<'_>, launched: Launched, status: SyncStatus) -> Result<Response, Problem> {
    let id = launched.id;
    match wait(call, launched).await {
        Over::Ended(ended) => {
            call.http.api.told_of(&ended.job).await;
            match ended.job.phase {
                JobPhase::Succeeded => Ok(done(call, at, *ended, status)),
                JobPhase::Failed if is_timed_out(&ended.job) => {
                    let detail = "the job took longer than it may, and was stopped";
                    Err(of_job(Problem::new(Kind::JobTimeout, detail), call, at, &ended.job))
                }
                JobPhase::Failed
                | JobPhase::Canceled
                | JobPhase::Lost
                | JobPhase::Queued
                | JobPhase::Starting
                | JobPhase::Running
                | JobPhase::Canceling => Err(failed(call, at, &ended.job)),
            }
        }
        Over::Late(late) => {
            // Whether it goes on, or is being stopped for taking too long, is not known here.
            let detail =
                "the job did not end in the time that its answer waits: where it is, it shows what became of it";
            Err(of_job(Problem::new(Kind::JobTimeout, detail), call, at, &late.job).located(&at.job(call, id)))
        }
        Over::Left(_) if at.asker == Asker::Person => Ok(see(&at.job(call, id), "job")),
        Over::Left(view) => {
            let location = at.job(call, id);
            let response = reply::represent(StatusCode::ACCEPTED, view, call.route);
            let prefer = Prefer { answer: None, ..call.prefer };
            Ok(response.located(&location).content_located(&location).honouring(prefer))
        }
    }
}

/// Waits for the end of a job, as long as its operation says and the client
/// prefers. A job that is left alone keeps its record.
async fn wait(call: &Call<'_>, launched: Launched) -> Over {
    let api = &call.http.api;
    let patience = call.prefer.wait.unwrap_or(launched.patience).min(launched.patience);
    let seen = tokio::select! {
        seen = api.job_ended(launched.id, patience) => seen,
        () = call.http.stopping.cancelled() => api.job_ended(launched.id, std::time::Duration::ZERO).await,
    };
    // It is launched: whatever goes wrong while waiting, that stands.
    let Ok(seen) = seen else { return Over::Left(launched.view) };
    if seen.job.phase.is_final() {
        return Over::Ended(Box::new(seen));
    }
    let kept = match api.keep_job(&seen.job).await {
        Ok(kept) => kept,
        Err(_) => return Over::Left(seen.view),
    };
    let hurried = call.prefer.wait.is_some_and(|wait| wait < launched.patience) || call.http.stopping.is_cancelled();
    match (kept.job.phase.is_final(), hurried) {
        (true, _) => Over::Ended(Box::new(kept)),
        (false, true) => Over::Left(kept.view),
        (false, false) => Over::Late(Box::new(kept)),
    }
}

/// The answer about a job that did its work.
fn done(call: &Call<'_>, at: At<'_>, ended: JobView, status: SyncStatus) -> Response {
    let JobView { job, view } = ended;
    let location = at.job(call, job.id);
    let kept = !job.is_to_be_forgotten();
    let minimal = call.prefer.answer == Some(Answer::Minimal);
    let unanswered = Prefer { answer: None, ..call.prefer };
    match status {
        SyncStatus::Ok | SyncStatus::Created | SyncStatus::NoContent if at.asker == Asker::Person && kept => {
            see(&location, "job")
        }
        // A browser would stay where it is, and say nothing.
        SyncStatus::NoContent if at.asker == Asker::Person => see_resource(call, at.key),
        SyncStatus::NoContent => reply::empty(StatusCode::NO_CONTENT).honouring(unanswered),
        SyncStatus::SeeOther => see_resource(call, at.key).honouring(unanswered),
        SyncStatus::Created if minimal => {
            reply::bodiless(StatusCode::CREATED, &view, call.route).located(&location).honouring(call.prefer)
        }
        SyncStatus::Created => reply::represent(StatusCode::CREATED, view, call.route)
            .located(&location)
            .content_located(&location)
            .honouring(call.prefer),
        SyncStatus::Ok if minimal => reply::empty(StatusCode::NO_CONTENT).honouring(call.prefer),
        SyncStatus::Ok => match (job.result, kept) {
            (_, true) => told(view, call.route, &location),
            (Some(result), false) => reply::momentary(&result),
            (None, false) => reply::momentary(&unlinked(&view)),
        }
        .honouring(call.prefer),
    }
}

/// What of a job is its result.
#[derive(Deserialize)]
struct Shown {
    result: Option<Value>,
}

/// 200 with the result of a job that is kept at `location`, or with the job where it gave none.
pub(super) fn told(view: View, route: &Route, location: &str) -> Response {
    match serde_json::from_slice(&view.body) {
        Ok(Shown { result: Some(result) }) => reply::momentary(&result).monitored(location),
        Ok(Shown { result: None }) | Err(_) => reply::represent(StatusCode::OK, view, route).content_located(location),
    }
}

/// A job as it was, without links to what is no longer there.
fn unlinked(view: &View) -> Value {
    let mut shown: Map<String, Value> = serde_json::from_slice(&view.body).unwrap_or_default();
    if let Some(Value::Object(links)) = shown.get_mut("_links") {
        links.retain(|name, _| matches!(name.as_str(), "resource" | "activity"));
    }
    Value::Object(shown)
}

/// 303 to the resource.
pub(super) fn see_resource(call: &Call<'_>, key: &ResourceKey) -> Response {
    see(&links::resource(call.http.api.catalog(), key), "resource")
}

/// The same 303 once more.
pub(super) fn see_again(call: &Call<'_>, location: &str) -> Response {
    let catalog = call.http.api.catalog();
    let resource = call.route.launched_by(call.method).map(|(key, _)| links::resource(catalog, key));
    see(location, if resource.as_deref() == Some(location) { "resource" } else { "job" })
}

/// 303 to what the answer is about.
fn see(location: &str, relation: &str) -> Response {
    let mut response = reply::momentary(&json!({ "_links": { relation: { "href": location } } }));
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.located(location)
}

fn is_timed_out(job: &Job) -> bool {
    job.error.as_ref().is_some_and(|error| error.reason == TIMED_OUT)
}

/// 502.
fn failed(call: &Call<'_>, at: At<'_>, job: &Job) -> Problem {
    let detail = match (&job.error, job.phase) {
        (Some(error), _) => format!("the job failed: {}", error.message),
        (None, JobPhase::Canceled) => "the job was cancelled".to_owned(),
        (None, phase) => format!("the job is {}", phase.as_str()),
    };
    let problem = of_job(Problem::new(Kind::JobFailed, detail), call, at, job);
    // One that leaves no record leaves no log either.
    if job.is_to_be_forgotten() || job.attempts.is_empty() {
        return problem;
    }
    problem.with("log", json!({ "href": links::job_log(job.id) }))
}

/// A problem that says how its job stands, and where it is if it leaves a record.
fn of_job(problem: Problem, call: &Call<'_>, at: At<'_>, job: &Job) -> Problem {
    let problem = problem.with("phase", job.phase.as_str()).with("error", json!(job.error));
    if job.is_to_be_forgotten() {
        return problem;
    }
    problem.with("job", json!({ "id": job.id, "href": at.job(call, job.id) }))
}
