//! What a request says about the state that it expects (RFC 9110, 13), and
//! what tells it from every other request.

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};

use super::media::MediaType;
use super::prefer::{Handling, Prefer};
use super::problem::{Kind, Problem};
use crate::domain::precondition::{Preconditions, Strictness, TagList};
use crate::domain::time::Timestamp;

/// The preconditions of a request.
pub(super) fn preconditions(headers: &HeaderMap) -> Result<Preconditions, Problem> {
    Ok(Preconditions {
        if_match: tags(headers, &IF_MATCH)?,
        if_none_match: tags(headers, &IF_NONE_MATCH)?,
        if_unmodified_since: date(headers, &IF_UNMODIFIED_SINCE),
        if_modified_since: date(headers, &IF_MODIFIED_SINCE),
    })
}

/// How literally a request is to be taken.
pub(super) const fn strictness(prefer: &Prefer) -> Strictness {
    match prefer.handling {
        Some(Handling::Strict) => Strictness::WholeTag,
        Some(Handling::Lenient) | None => Strictness::DesiredState,
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<TagList>, Problem> {
    TagList::parse(headers.get_all(name)).map_err(|error| Problem::new(Kind::BadRequest, format!("{name}: {error}")))
}

/// A date that is sent twice is no date.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(Timestamp::from_http_date),
        _ => None,
    }
}

/// The fields whose values are a part of what a request asks for.
const IN_FINGERPRINT: [HeaderName; 3] = [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE];

/// A digest of everything that makes a request what it is.
///
/// Each part is led by its length, so that no two requests run together into
/// the same bytes.
pub(super) fn fingerprint(
    principal: &str,
    method: &Method,
    media: Option<MediaType>,
    body: &[u8],
    headers: &HeaderMap,
) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    add(principal.as_bytes());
    add(method.as_str().as_bytes());
    add(media.map_or("", MediaType::as_str).as_bytes());
    add(body);
    for name in IN_FINGERPRINT {
        let values = headers.get_all(name);
        add(&(values.iter().count() as u64).to_be_bytes());
        values.iter().for_each(|value| add(&as_sent_by_us(value)));
    }
    digest.finalize().into()
}

/// A field as it is without the `W/` that a compressing proxy puts before our
/// tags, so that a retry is recognised whichever way it comes.
fn as_sent_by_us(value: &HeaderValue) -> Vec<u8> {
    String::from_utf8_lossy(value.as_bytes()).replace("W/\"", "\"").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn requests_have_the_same_fingerprint_if_and_only_if_they_ask_for_the_same() {
        let base = (Method::PUT, Some(MediaType::Json), &b"{}"[..], headers(&[(IF_MATCH, "\"1.1\"")]));
        let of = |(method, media, body, headers): &(Method, Option<MediaType>, &[u8], HeaderMap)| {
            fingerprint("ui", method, *media, body, headers)
        };
        let mut others = vec![base.clone(); 6];
        others[0].0 = Method::PATCH;
        others[1].1 = Some(MediaType::MergePatch);
        others[2].2 = b"{} ";
        others[3].3 = headers(&[(IF_MATCH, "\"1.2\"")]);
        others[4].3 = headers(&[(IF_NONE_MATCH, "\"1.1\"")]);
        others[5].3 = headers(&[(IF_MATCH, "\"1.1\""), (IF_MATCH, "\"1.1\"")]);
        for other in &others {
            assert_ne!(of(&base), of(other), "{other:?}");
        }
        let (method, media, body, fields) = &base;
        assert_ne!(of(&base), fingerprint("other", method, *media, body, fields), "of another principal");
        let mut same = base.clone();
        same.3.insert(http::header::USER_AGENT, HeaderValue::from_static("another"));
        assert_eq!(of(&base), of(&same));
    }

    #[test]
    fn a_broken_tag_is_refused_and_a_broken_date_is_no_date() {
        assert!(preconditions(&headers(&[(IF_MATCH, "1.1")])).is_err());
        assert!(preconditions(&headers(&[(IF_NONE_MATCH, "*, \"1.1\"")])).is_err());
        let dates =
            headers(&[(IF_UNMODIFIED_SINCE, "yesterday"), (IF_MODIFIED_SINCE, "Sat, 21 Nov 2026 10:00:00 GMT")]);
        let read = preconditions(&dates).expect("preconditions");
        assert_eq!(read.if_unmodified_since, None);
        assert!(read.if_modified_since.is_some());
    }

    #[test]
    fn a_retry_past_the_proxy_is_the_same_request() {
        let of = |tag| fingerprint("ui", &Method::PUT, Some(MediaType::Json), b"{}", &headers(&[(IF_MATCH, tag)]));
        assert_eq!(of("W/\"1.1\", \"2.2\""), of("\"1.1\", \"2.2\""));
        assert_ne!(of("\"1.1\""), of("\"1.2\""));
    }
}
