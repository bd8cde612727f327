//! What has no version of its own: its tag is a digest of what is sent.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, VARY};
use http::{HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use warp::reply::Response;

use super::coding::Accepted;
use super::dispatch::Call;
use super::problem::Problem;
use super::{conditions, reply, vary};
use crate::domain::precondition::TagList;

/// The answer to a GET of something fixed, or 304 for who has it.
///
/// The tag of an answer with a body is without its suffixes, which it gets
/// where it gets its face and its coding. That of a 304 has them already.
pub(super) fn fixed(call: &Call<'_>, body: impl Into<Bytes>) -> Result<Response, Problem> {
    let body = body.into();
    let preconditions = conditions::preconditions(call.headers)?;
    let digest = Sha256::digest(&body);
    let opaque: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = |suffix: &str| {
        HeaderValue::try_from(format!("\"{opaque}{suffix}\"")).expect("digits and a suffix can stand in a header")
    };
    let codings = Accepted::from_headers(call.headers).kept(body.len());
    let mut suffixes = codings.map(|coding| format!("{}{}", call.face.suffix(), coding.suffix()));
    let kept = preconditions.if_none_match.and_then(|tags| suffixes.find(|suffix| names(&tags, &opaque, suffix)));
    let mut response = reply::json(body);
    response.headers_mut().insert(ETAG, tag(""));
    let Some(suffix) = kept else { return Ok(response) };
    // Every such body can be compressed.
    vary::also(response.headers_mut(), "Accept-Encoding");
    response.headers_mut().insert(ETAG, tag(&suffix));
    Ok(not_modified(&response, &[ETAG, CACHE_CONTROL, VARY]))
}

/// 304 with these header fields of the answer that the client has.
pub(super) fn not_modified(whole: &Response, kept: &[HeaderName]) -> Response {
    let mut response = reply::empty(StatusCode::NOT_MODIFIED);
    for name in kept {
        response.headers_mut().extend(whole.headers().get(name).map(|value| (name.clone(), value.clone())));
    }
    response
}

/// Whether a list of tags names this very one.
pub(super) fn names(tags: &TagList, opaque: &str, suffix: &str) -> bool {
    match tags {
        TagList::Any => true,
        TagList::Tags(tags) => tags.iter().any(|tag| tag.opaque.strip_suffix(suffix) == Some(opaque)),
    }
}
