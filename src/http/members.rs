//! Members of documents, by path.

use http::StatusCode;
use sha2::{Digest, Sha256};
use warp::reply::Response;

use super::dispatch::{Call, not_allowed};
use super::media::MediaType;
use super::prefer::{Answer, Prefer};
use super::problem::Problem;
use super::reply::{self, With};
use super::resources::{read, settled};
use super::routes::Verb;
use crate::api::{ChangeRequest, Found, View, links, member_of};
use crate::domain::id::ResourceKey;
use crate::domain::json::Pointer;

/// `/v1/{collection}/{id}/{member}…`
pub(super) async fn member(
    call: Call<'_>,
    verb: Verb,
    key: &ResourceKey,
    pointer: &Pointer,
) -> Result<Response, Problem> {
    match verb {
        Verb::Get => {
            let api = &call.http.api;
            read(&call, async { api.member(key, pointer).await }).await
        }
        Verb::Put | Verb::Post => put(call, verb, key, pointer).await,
        Verb::Delete => {
            let request = about(pointer, call.change(None, &[])?);
            let view = call.http.api.remove_member(key, pointer, &request).await?;
            let view = settled(&call, key, view).await;
            let prefer =
                Prefer { answer: call.prefer.answer.filter(|answer| *answer == Answer::Minimal), ..call.prefer };
            Ok(reply::bodiless(StatusCode::NO_CONTENT, &view, call.route).honouring(prefer))
        }
        Verb::Patch | Verb::Options => Err(not_allowed(call.route, call.method)),
    }
}

/// Puts a value: 201 where there was none, else 200. POST is for who knows no
/// PUT, and makes nothing of its own.
async fn put(mut call: Call<'_>, verb: Verb, key: &ResourceKey, pointer: &Pointer) -> Result<Response, Problem> {
    let sent = call.sent(&[MediaType::Json]).await?;
    let value = call.parse(&sent.bytes)?;
    let request = about(pointer, sent.request);
    let (found, whole) = call.http.api.put_member(key, pointer, &value, &request).await?;
    let whole = settled(&call, key, whole).await;
    // While it was waited for, somebody may have taken it away again.
    let view = member_of(&whole, pointer)?.unwrap_or(View { body: value.to_string().into(), ..whole });
    let created = found == Found::Absent && verb == Verb::Put;
    let minimal = call.prefer.answer == Some(Answer::Minimal);
    let response = match (created, minimal) {
        (true, true) => reply::bodiless(StatusCode::CREATED, &view, call.route),
        (true, false) => reply::represent(StatusCode::CREATED, view, call.route),
        (false, true) => reply::bodiless(StatusCode::NO_CONTENT, &view, call.route),
        (false, false) => reply::represent(StatusCode::OK, view, call.route),
    };
    let at = links::member(call.http.api.catalog(), key, pointer);
    let response = if created { response.located(&at) } else { response };
    let response = if minimal { response } else { response.content_located(&at) };
    Ok(response.honouring(call.prefer))
}

/// A change of one member is another request than the same change of another
/// one, and the URL is all that tells them apart.
fn about(pointer: &Pointer, request: ChangeRequest) -> ChangeRequest {
    let mut digest = Sha256::new();
    digest.update(request.fingerprint);
    digest.update(pointer.to_string());
    ChangeRequest { fingerprint: digest.finalize().into(), ..request }
}
