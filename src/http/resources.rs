//! Collections and resources.

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use serde_json::{Value, json};
use warp::reply::Response;

use super::coding::Accepted;
use super::conditions;
use super::dispatch::{Call, Sent, not_allowed};
use super::media::{MediaType, Unsupported};
use super::prefer::{Answer, Prefer};
use super::problem::{Kind, Problem};
use super::reply::{self, With};
use super::routes::Verb;
use super::timing::Step;
use crate::api::{ApiError, Deleted, ListView, Put, View, links};
use crate::domain::catalog::PatchedReply;
use crate::domain::fields::Fields;
use crate::domain::id::{CollectionName, ResourceKey};
use crate::domain::patch::{PatchBody, PatchSyntaxError};
use crate::domain::precondition::{Current, Failed, ReadVerdict, check_read};
use crate::domain::time::Timestamp;
use crate::domain::version::{ETag, Revision};

/// `/v1/{collection}`
pub(super) async fn collection(mut call: Call<'_>, verb: Verb, name: &CollectionName) -> Result<Response, Problem> {
    match verb {
        Verb::Get => {
            let page = call.query.page()?;
            let view = call.timed(Step::Load, call.http.api.list(name, &page)).await?;
            list(&call, &links::collection(call.http.api.catalog(), name), view)
        }
        Verb::Post => {
            let sent = call.sent(&[MediaType::Json]).await?;
            let document = call.object(&sent.bytes)?;
            let (key, view) = call.http.api.create(name, document, &sent.request).await?;
            let view = settled(&call, &key, view).await;
            Ok(created(&call, &key, view))
        }
        Verb::Put | Verb::Patch | Verb::Delete | Verb::Options => Err(not_allowed(call.route, call.method)),
    }
}

/// `/v1/{collection}/{id}`
pub(super) async fn resource(mut call: Call<'_>, verb: Verb, key: &ResourceKey) -> Result<Response, Problem> {
    match verb {
        Verb::Get => {
            let api = &call.http.api;
            read(&call, async { api.get(key).await }).await
        }
        Verb::Put => {
            let sent = call.sent(&[MediaType::Json]).await?;
            let document = call.object(&sent.bytes)?;
            match call.http.api.put(key, document, &sent.request).await? {
                Put::Created(view) => {
                    let view = settled(&call, key, view).await;
                    Ok(created(&call, key, view))
                }
                Put::Updated(view) => {
                    let view = settled(&call, key, view).await;
                    Ok(changed(&call, view))
                }
            }
        }
        Verb::Patch => {
            let sent = call.sent(&[MediaType::MergePatch, MediaType::JsonPatch, MediaType::Json]).await?;
            let patch = patch(&call, &sent)?;
            let view = call.http.api.patch(key, &patch, &sent.request).await?;
            let view = settled(&call, key, view).await;
            Ok(patched(&call, key, view))
        }
        Verb::Delete => {
            let request = call.change(None, &[])?;
            let left = match call.http.api.delete(key, &request).await? {
                Deleted::Gone => None,
                Deleted::Deleting(view) => left(&call, key, view).await,
            };
            let prefer = Prefer { answer: None, ..call.prefer };
            Ok(match left {
                None => reply::empty(StatusCode::NO_CONTENT),
                Some(view) => reply::represent(StatusCode::ACCEPTED, view, call.route),
            }
            .honouring(prefer))
        }
        Verb::Post | Verb::Options => Err(not_allowed(call.route, call.method)),
    }
}

/// Answers GET and HEAD of something that has validators.
pub(super) async fn read(
    call: &Call<'_>,
    view: impl Future<Output = Result<View, ApiError>>,
) -> Result<Response, Problem> {
    // Syntax is judged before existence.
    let preconditions = conditions::preconditions(call.headers)?;
    let fields = call.query.fields()?;
    let view = call.timed(Step::Load, view).await?;
    let current = Current { etag: view.etag, changed_at: view.changed_at };
    for coding in Accepted::from_headers(call.headers).kept(view.body.len()) {
        let suffix = format!("{}{}", call.face.suffix(), coding.suffix());
        match check_read(&preconditions, &current, &suffix) {
            Ok(ReadVerdict::Send) => {}
            Ok(ReadVerdict::NotModified) => return Ok(reply::not_modified(&view, call.route, &suffix)),
            Err(failed) => return Err(unmet(failed, view.etag)),
        }
    }
    // The tag is that of the version, however much of it is seen.
    Ok(reply::represent(StatusCode::OK, View { body: seen(view.body, fields.as_ref()), ..view }, call.route))
}

/// The patch that a body is.
pub(super) fn patch(call: &Call<'_>, sent: &Sent) -> Result<PatchBody, Problem> {
    let value = call.parse(&sent.bytes)?;
    let parsed = match sent.media {
        Some(MediaType::JsonPatch) => PatchBody::json(value),
        // An array under this name is almost certainly a JSON Patch, and
        // nothing else but an object can be meant at all.
        Some(MediaType::Json) if !value.is_object() => {
            return Err(call.unsupported(&Unsupported::NotAnObject));
        }
        Some(MediaType::Json | MediaType::MergePatch | MediaType::Form) | None => PatchBody::merge(value),
    };
    let limit = call.http.config.patch_operations_max;
    match parsed {
        Ok(PatchBody::Json(operations)) if operations.len() > limit => {
            Err(Problem::new(Kind::TooComplex, format!("the patch has more than {limit} operations"))
                .with("limit", limit))
        }
        Ok(patch) => Ok(patch),
        Err(error @ PatchSyntaxError::MergeNotAnObject { .. }) => {
            Err(reply::invalid(error.to_string(), vec![reply::not_an_object()]))
        }
        Err(error @ PatchSyntaxError::JsonNotAnArray { .. }) => Err(Problem::new(Kind::Malformed, error.to_string())),
        Err(PatchSyntaxError::Operation { index, detail }) => {
            let pointer = format!("/{index}");
            Err(Problem::new(Kind::Malformed, format!("operation {pointer}: {detail}")).with("pointer", pointer))
        }
    }
}

/// The resource once it is settled, if the client would rather wait for that.
///
/// The change is made: whatever goes wrong while waiting, its own result stands.
pub(super) async fn settled(call: &Call<'_>, key: &ResourceKey, view: View) -> View {
    let Some(wait) = call.prefer.wait else { return view };
    let api = &call.http.api;
    let seen = async {
        tokio::select! {
            seen = api.settled(key, wait) => seen,
            () = call.http.stopping.cancelled() => api.get(key).await,
        }
    };
    call.timed(Step::Wait, seen).await.unwrap_or(view)
}

/// What is left of a resource that goes, once the client has waited for that as long as it likes.
async fn left(call: &Call<'_>, key: &ResourceKey, view: View) -> Option<View> {
    let Some(wait) = call.prefer.wait else { return Some(view) };
    let api = &call.http.api;
    let seen = async {
        tokio::select! {
            seen = api.gone(key, wait) => seen,
            () = call.http.stopping.cancelled() => api.gone(key, std::time::Duration::ZERO).await,
        }
    };
    call.timed(Step::Wait, seen).await.unwrap_or(Some(view))
}

/// 201.
fn created(call: &Call<'_>, key: &ResourceKey, view: View) -> Response {
    let at = links::resource(call.http.api.catalog(), key);
    match call.prefer.answer {
        Some(Answer::Minimal) => reply::bodiless(StatusCode::CREATED, &view, call.route),
        Some(Answer::Representation) | None => {
            reply::represent(StatusCode::CREATED, view, call.route).content_located(&at)
        }
    }
    .located(&at)
    .honouring(call.prefer)
}

/// 200, or 204 for who would rather not see it.
fn changed(call: &Call<'_>, view: View) -> Response {
    match call.prefer.answer {
        Some(Answer::Minimal) => reply::bodiless(StatusCode::NO_CONTENT, &view, call.route),
        Some(Answer::Representation) | None => reply::represent(StatusCode::OK, view, call.route),
    }
    .honouring(call.prefer)
}

/// 200, or for who would rather not see it 204, or 205 where the collection says so.
fn patched(call: &Call<'_>, key: &ResourceKey, view: View) -> Response {
    let reply = call.http.api.catalog().collections.get(&key.collection).map(|collection| collection.patched);
    match (reply, call.prefer.answer) {
        (Some(PatchedReply::ResetContent), Some(Answer::Minimal)) => {
            reply::bodiless(StatusCode::RESET_CONTENT, &view, call.route).honouring(call.prefer)
        }
        (Some(PatchedReply::ResetContent | PatchedReply::NoContent) | None, _) => changed(call, view),
    }
}

/// A page of a list.
pub(super) fn list(call: &Call<'_>, base: &str, view: ListView) -> Result<Response, Problem> {
    let fields = call.query.fields()?;
    let preconditions = conditions::preconditions(call.headers)?;
    if let Some(etag) = view.etag {
        let preconditions = preconditions.without_dates();
        let current = Current { etag, changed_at: Timestamp::EPOCH };
        let bytes = view.items.iter().map(Bytes::len).sum();
        for coding in Accepted::from_headers(call.headers).kept(bytes) {
            let suffix = format!("{}{}", call.face.suffix(), coding.suffix());
            match check_read(&preconditions, &current, &suffix) {
                Ok(ReadVerdict::Send) => {}
                Ok(ReadVerdict::NotModified) => return Ok(reply::list_not_modified(&etag, &suffix)),
                Err(failed) => return Err(unmet(failed, etag)),
            }
        }
    }
    Ok(listed(call, base, view, fields.as_ref()))
}

/// A page of a list, whatever the client has of it already.
pub(super) fn listed(call: &Call<'_>, base: &str, view: ListView, fields: Option<&Fields>) -> Response {
    let next = view.next.as_deref().map(|cursor| call.query.href(base, Some(cursor)));
    let items: Vec<Bytes> = view.items.into_iter().map(|item| seen(item, fields)).collect();
    let body = page(&items, view.revision, &call.query.href(base, call.query.cursor()), next.as_deref());
    reply::json(body).listing(view.etag.as_ref(), next.as_deref())
}

/// What a client wants to see of a representation.
pub(super) fn seen(body: Bytes, fields: Option<&Fields>) -> Bytes {
    let Some(fields) = fields else { return body };
    let whole: Value = serde_json::from_slice(&body).expect("what we show is JSON");
    fields.of(&whole).to_string().into()
}

/// 412 for who reads.
fn unmet(failed: Failed, etag: ETag) -> Problem {
    Problem::new(Kind::PreconditionFailed, failed.to_string()).tagged(Some(etag))
}

/// The body of a page. The items are JSON already, and large: they are put
/// together as they are.
fn page(items: &[Bytes], revision: Option<Revision>, this: &str, next: Option<&str>) -> Bytes {
    let links = match next {
        Some(next) => json!({ "self": { "href": this }, "next": { "href": next } }),
        None => json!({ "self": { "href": this } }),
    };
    let links = links.to_string();
    let bytes: usize = items.iter().map(|item| item.len() + 1).sum();
    let mut body = BytesMut::with_capacity(bytes + links.len() + 64);
    body.put_slice(br#"{"items":["#);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            body.put_u8(b',');
        }
        body.put_slice(item);
    }
    body.put_u8(b']');
    if let Some(revision) = revision {
        body.put_slice(format!(r#","revision":{revision}"#).as_bytes());
    }
    body.put_slice(br#","_links":"#);
    body.put_slice(links.as_bytes());
    body.put_u8(b'}');
    body.freeze()
}
