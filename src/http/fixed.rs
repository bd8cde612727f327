//! What only another configuration changes: its tag is a digest of it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, VARY};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use warp::reply::Response;

use super::conditions;
use super::dispatch::Call;
use super::problem::Problem;
use super::reply;
use crate::domain::precondition::TagList;

/// The answer to a GET of something fixed, or 304 for who has it.
pub(super) fn fixed(call: &Call<'_>, body: impl Into<Bytes>) -> Result<Response, Problem> {
    let body = body.into();
    let preconditions = conditions::preconditions(call.headers)?;
    let digest = Sha256::digest(&body);
    let opaque: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let sent = format!("{opaque}{}", call.face.suffix());
    let held = preconditions.if_none_match.is_some_and(|tags| match tags {
        TagList::Any => true,
        TagList::Tags(tags) => tags.iter().any(|tag| tag.opaque == sent),
    });
    let mut response = reply::json(body);
    if held {
        let kept = [VARY, CACHE_CONTROL].map(|name| (name.clone(), response.headers().get(name).cloned()));
        response = reply::empty(StatusCode::NOT_MODIFIED);
        for (name, value) in kept {
            response.headers_mut().extend(value.map(|value| (name, value)));
        }
    }
    // Without the suffix, which every page gets where it is made.
    let tag = HeaderValue::try_from(format!("\"{opaque}\"")).expect("digits can stand in a header");
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}
