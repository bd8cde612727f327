//! Workers: asking for jobs, and reporting of them.

use serde_json::Value;
use warp::reply::Response;

use super::auth;
use super::dispatch::{Call, Sent};
use super::media::MediaType;
use super::prefer::{Answer, Prefer};
use super::problem::Problem;
use super::reply::{self, With};
use super::timing::Step;
use crate::api::{ApiError, TOKEN, lease_request, leases_body, work_report};
use crate::domain::id::{JobId, OperationName};
use http::StatusCode;

/// `/v1/operations/{name}/leases`
pub(super) async fn leases(mut call: Call<'_>, name: &OperationName) -> Result<Response, Problem> {
    let sent = call.sent(&[MediaType::Json]).await?;
    let body = call.object(&sent.bytes)?;
    let request = body.as_object().map(lease_request).unwrap_or_else(|| lease_request(&serde_json::Map::new()))?;
    let stopping = call.http.stopping;
    // Who goes now could not report for a while.
    if stopping.is_cancelled() {
        return Err(ApiError::Stopping.into());
    }
    let leased = call.http.api.lease(name, &request, stopping.cancelled());
    let leases = call.timed(Step::Wait, leased).await?;
    Ok(reply::at_this_moment(leases_body(leases)))
}

/// Whether a change of a job is a report of its attempt.
pub(super) fn is_report(patch: &Value) -> bool {
    patch.get(TOKEN).is_some()
}

/// A PATCH of a job with a token: 200 with the job, however often it is sent.
pub(super) async fn report(call: &Call<'_>, id: JobId, sent: &Sent, patch: &Value) -> Result<Response, Problem> {
    auth::judge_report(call.principal)?;
    let report = patch.as_object().map(work_report).unwrap_or_else(|| work_report(&serde_json::Map::new()))?;
    let view = call.http.api.report(id, &report, &sent.request).await?;
    let honoured = Prefer { wait: None, ..call.prefer };
    Ok(match call.prefer.answer {
        Some(Answer::Minimal) => reply::bodiless(StatusCode::NO_CONTENT, &view, call.route),
        Some(Answer::Representation) | None => reply::represent(StatusCode::OK, view, call.route),
    }
    .honouring(honoured))
}
