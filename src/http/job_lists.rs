//! The list of an activity's jobs where clients may edit it.

use http::StatusCode;
use http::header::{ALLOW, HeaderValue};
use warp::reply::Response;

use super::dispatch::{Call, not_allowed};
use super::jobs;
use super::media::MediaType;
use super::prefer::{Answer, Prefer};
use super::problem::Problem;
use super::reply::{self, ACCEPT_PATCH, With};
use super::resources::{listed, patch};
use super::routes::{Route, Verb};
use crate::api::{ListView, links};
use crate::domain::id::{ActivityName, ResourceKey};
use crate::domain::job_list::Edit;

/// `/v1/{collection}/{id}/{activity}`
pub(super) async fn editable(
    mut call: Call<'_>,
    verb: Verb,
    key: &ResourceKey,
    activity: &ActivityName,
) -> Result<Response, Problem> {
    let route = call.route;
    let response = match verb {
        Verb::Get => jobs::activity(call, verb, key, activity).await?,
        // What is made there is a job, which says itself what can be done with it.
        Verb::Post => return jobs::activity(call, verb, key, activity).await,
        Verb::Put => {
            let sent = call.sent(&[MediaType::Json]).await?;
            let edit = Edit::Whole(call.object(&sent.bytes)?);
            let view = call.http.api.edit_jobs(key, activity, &edit, &sent.request).await?;
            edited(&call, key, activity, view)
        }
        Verb::Patch => {
            let sent = call.sent(&[MediaType::JsonPatch]).await?;
            let edit = Edit::Patch(patch(&call, &sent)?);
            let view = call.http.api.edit_jobs(key, activity, &edit, &sent.request).await?;
            edited(&call, key, activity, view)
        }
        Verb::Delete | Verb::Options => return Err(not_allowed(call.route, call.method)),
    };
    Ok(with_methods(response, route))
}

/// 200 with the list as it is now, or 204 for who would rather not see it.
fn edited(call: &Call<'_>, key: &ResourceKey, activity: &ActivityName, view: ListView) -> Response {
    let prefer = Prefer { wait: None, ..call.prefer };
    match call.prefer.answer {
        Some(Answer::Minimal) => reply::empty(StatusCode::NO_CONTENT).listing(view.etag.as_ref(), None),
        Some(Answer::Representation) | None => {
            listed(call, &links::activity(call.http.api.catalog(), key, activity), view, None)
        }
    }
    .honouring(prefer)
}

/// With what can be done with the list: few can be edited, so this one says so.
fn with_methods(mut response: Response, route: &Route) -> Response {
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow()));
    if let Some(patches) = route.accept_patch() {
        response.headers_mut().insert(ACCEPT_PATCH, HeaderValue::from_static(patches));
    }
    response
}
