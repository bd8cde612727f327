//! Activities and their jobs.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use warp::reply::Response;

use super::auth;
use super::conditions;
use super::dispatch::{Call, Sent, Site, not_allowed};
use super::leases;
use super::media::MediaType;
use super::posts::{self, launch};
use super::prefer::{Answer, Prefer};
use super::problem::Problem;
use super::reply::{self, With};
use super::resources::{list, read};
use super::routes::Verb;
use super::timing::Step;
use crate::api::{ApiError, Cancelled, ChangeRequest, Place, PostedTo, QueueView, View, links};
use crate::domain::id::{ActivityName, JobId, ResourceKey};
use crate::domain::job::JobPhase;

/// `/v1/{collection}/{id}/{activity}`
pub(super) async fn activity(
    call: Call<'_>,
    verb: Verb,
    key: &ResourceKey,
    activity: &ActivityName,
) -> Result<Response, Problem> {
    match verb {
        Verb::Get => {
            let page = call.query.page()?;
            let view = call.timed(Step::Load, call.http.api.activity_jobs(key, activity, &page)).await?;
            list(&call, &links::activity(call.http.api.catalog(), key, activity), view)
        }
        Verb::Post => launch(call, key, activity, PostedTo::List).await,
        Verb::Put | Verb::Patch | Verb::Delete | Verb::Options => Err(not_allowed(call.route, call.method)),
    }
}

/// `/v1/{collection}/{id}/{activity}/last`
pub(super) async fn last(
    call: Call<'_>,
    verb: Verb,
    key: &ResourceKey,
    activity: &ActivityName,
) -> Result<Response, Problem> {
    match verb {
        Verb::Get => {
            let api = &call.http.api;
            lead(&call, key, async { api.last_job(key, activity).await }).await
        }
        Verb::Post => launch(call, key, activity, PostedTo::Newest).await,
        Verb::Put | Verb::Patch | Verb::Delete | Verb::Options => Err(not_allowed(call.route, call.method)),
    }
}

/// `/v1/{collection}/{id}/{activity}/{job}`
pub(super) async fn activity_job(
    call: Call<'_>,
    verb: Verb,
    key: &ResourceKey,
    activity: &ActivityName,
    id: JobId,
) -> Result<Response, Problem> {
    let api = &call.http.api;
    match verb {
        Verb::Get => lead(&call, key, async { api.activity_job(key, activity, id).await }).await,
        Verb::Patch | Verb::Delete => {
            let (call, wish) = wish(call, verb).await?;
            // The job must be one of this activity before it is touched.
            call.http.api.activity_job(key, activity, id).await?;
            grant(&call, id, wish).await
        }
        Verb::Post | Verb::Put | Verb::Options => Err(not_allowed(call.route, call.method)),
    }
}

/// A job below its resource, or 303 to the resource once it is finished and leads there.
async fn lead(
    call: &Call<'_>,
    key: &ResourceKey,
    found: impl Future<Output = Result<Place, ApiError>>,
) -> Result<Response, Problem> {
    // Syntax is judged before existence.
    conditions::preconditions(call.headers)?;
    match found.await? {
        Place::Job(view) => read(call, async { Ok(view) }).await,
        Place::Resource => Ok(posts::see_resource(call, key)),
    }
}

/// `/v1/jobs`
pub(super) async fn all(call: Call<'_>) -> Result<Response, Problem> {
    let filter = call.query.job_filter()?;
    let page = call.query.page()?;
    let view = call.timed(Step::Load, call.http.api.jobs(&filter, &page)).await?;
    list(&call, "/v1/jobs", view)
}

/// `/v1/jobs/{job}`
pub(super) async fn job(call: Call<'_>, verb: Verb, id: JobId) -> Result<Response, Problem> {
    let api = &call.http.api;
    match verb {
        Verb::Get => read(&call, async { api.job(id).await }).await,
        Verb::Patch | Verb::Delete => {
            let (call, wish) = wish(call, verb).await?;
            grant(&call, id, wish).await
        }
        Verb::Post | Verb::Put | Verb::Options => Err(not_allowed(call.route, call.method)),
    }
}

/// `/v1/jobs/{job}/queue`
pub(super) async fn queue(http: Site<'_>, id: JobId) -> Result<Response, Problem> {
    let QueueView { reason, position, since, limit, until } = http.api.queue(id).await?;
    let mut shown = json!({ "reason": reason, "position": position, "since": since, "limit": limit });
    if let Some(until) = until {
        shown["until"] = json!(until);
    }
    Ok(reply::momentary(&shown))
}

/// What a client wants of a job.
enum Wish {
    /// That it be stopped.
    Cancel(ChangeRequest),
    /// That it be known how far its attempt is.
    Report(Sent, Value),
}

/// Reads what is wanted of a job: to be cancelled, or to be heard of.
async fn wish(mut call: Call<'_>, verb: Verb) -> Result<(Call<'_>, Wish), Problem> {
    if verb != Verb::Patch {
        let request = call.change(None, &[])?;
        return Ok((call, Wish::Cancel(request)));
    }
    let sent = call.sent(&[MediaType::MergePatch, MediaType::Json]).await?;
    let patch = call.object(&sent.bytes)?;
    if leases::is_report(&patch) {
        return Ok((call, Wish::Report(sent, patch)));
    }
    auth::judge_cancel(call.principal)?;
    if patch == json!({ "canceled": true }) {
        return Ok((call, Wish::Cancel(sent.request)));
    }
    let errors = wrong_members(&patch);
    Err(reply::invalid("the one change that a job takes without a token is {\"canceled\": true}", errors))
}

async fn grant(call: &Call<'_>, id: JobId, wish: Wish) -> Result<Response, Problem> {
    match wish {
        Wish::Cancel(request) => cancel(call, id, &request).await,
        Wish::Report(sent, patch) => leases::report(call, id, &sent, &patch).await,
    }
}

/// What is wrong with a patch of a job, member by member.
fn wrong_members(patch: &Value) -> Vec<Value> {
    let mut errors: Vec<_> = patch
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| *name != "canceled" || **value != Value::Bool(true))
        .map(|(name, _)| {
            let pointer = crate::domain::json::pointer(&[name]);
            let detail = if name == "canceled" { "expected true: a job cannot be taken up again" } else { "read-only" };
            json!({ "pointer": pointer, "detail": detail })
        })
        .collect();
    if errors.is_empty() {
        errors.push(json!({ "pointer": "/canceled", "detail": "expected true" }));
    }
    errors
}

/// Cancels a job: 202 while it stops, then 204 for DELETE and 200 for PATCH.
async fn cancel(call: &Call<'_>, id: JobId, request: &ChangeRequest) -> Result<Response, Problem> {
    let view = match call.http.api.cancel_job(id, request).await? {
        Cancelled::Final(view) => view,
        Cancelled::Stopping(view) => finished(call, id, view).await,
    };
    let minimal = call.method == http::Method::DELETE || call.prefer.answer == Some(Answer::Minimal);
    let response = match (is_final(&view), minimal) {
        (false, _) => reply::represent(StatusCode::ACCEPTED, view, call.route),
        (true, true) => reply::bodiless(StatusCode::NO_CONTENT, &view, call.route),
        (true, false) => reply::represent(StatusCode::OK, view, call.route),
    };
    let honoured = match call.prefer.answer {
        Some(Answer::Minimal) if response.status() == StatusCode::NO_CONTENT => call.prefer,
        Some(Answer::Representation) if response.status() != StatusCode::NO_CONTENT => call.prefer,
        Some(_) | None => Prefer { answer: None, ..call.prefer },
    };
    Ok(response.honouring(honoured))
}

/// The job once it is finished, if the client would rather wait for that.
///
/// It is launched, or told to stop: whatever goes wrong while waiting, that stands.
pub(super) async fn finished(call: &Call<'_>, id: JobId, view: View) -> View {
    let Some(wait) = call.prefer.wait else { return view };
    let api = &call.http.api;
    let seen = async {
        tokio::select! {
            seen = api.job_finished(id, wait) => seen,
            () = call.http.stopping.cancelled() => api.job(id).await,
        }
    };
    call.timed(Step::Wait, seen).await.unwrap_or(view)
}

/// What of a job is looked at here.
#[derive(Deserialize)]
struct Shown {
    phase: JobPhase,
}

/// Whether a job, as it is shown, never changes again.
pub(super) fn is_final(view: &View) -> bool {
    serde_json::from_slice::<Shown>(&view.body).is_ok_and(|shown| shown.phase.is_final())
}
