//! What a body is (`Content-Type`) and what a client takes (`Accept`).

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::events::EVENTS;

/// The media types that bodies of requests can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/json`
    Json,
    /// `application/merge-patch+json` (RFC 7396)
    MergePatch,
    /// `application/json-patch+json` (RFC 6902)
    JsonPatch,
    /// `application/x-www-form-urlencoded`, what a page sends that has no script.
    Form,
}

impl MediaType {
    /// The name, as it is registered.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MergePatch => "application/merge-patch+json",
            Self::JsonPatch => "application/json-patch+json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }

    const ALL: [Self; 4] = [Self::Json, Self::MergePatch, Self::JsonPatch, Self::Form];
}

/// Why a body is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unsupported {
    /// It does not say what it is.
    Unnamed,
    /// It is something else.
    Other(String),
    /// It is an array, or a scalar, under a name that only an object can have.
    NotAnObject,
    /// It is JSON in another charset than UTF-8, which is no JSON (RFC 8259, 8.1).
    Charset(String),
}

/// What the body of a request is.
///
/// Parameters say nothing about JSON and are ignored, but for a `charset`.
pub(super) fn content_type(headers: &HeaderMap) -> Result<MediaType, Unsupported> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = values.next().ok_or(Unsupported::Unnamed)?;
    let text = value.to_str().map_err(|_| Unsupported::Other(String::new()))?;
    if values.next().is_some() {
        return Err(Unsupported::Other("several".to_owned()));
    }
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let media = MediaType::ALL
        .into_iter()
        .find(|media| media.as_str().eq_ignore_ascii_case(name))
        .ok_or_else(|| Unsupported::Other(name.to_owned()))?;
    for parameter in parts {
        if let Some((key, charset)) = parameter.split_once('=')
            && key.trim().eq_ignore_ascii_case("charset")
        {
            let charset = charset.trim().trim_matches('"');
            if !charset.eq_ignore_ascii_case("utf-8") && !charset.eq_ignore_ascii_case("utf8") {
                return Err(Unsupported::Charset(charset.to_owned()));
            }
        }
    }
    Ok(media)
}

/// What a representation is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// Programs: JSON.
    Json,
    /// A person: the same as a page.
    Html,
}

/// What pages are.
pub(super) const HTML: &str = "text/html";

impl Face {
    /// What follows a tag inside its quotes, so that each face has its own.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Json => "",
            Self::Html => "-h",
        }
    }

    /// The face that a client would rather see; JSON where it is all the same
    /// to it, and nothing where it takes neither.
    pub(super) fn preferred(headers: &HeaderMap) -> Option<Self> {
        match (weight(headers, MediaType::Json.as_str()), weight(headers, HTML)) {
            (0, 0) => None,
            (json, html) if html > json => Some(Self::Html),
            _ => Some(Self::Json),
        }
    }
}

/// Whether a client takes `kind/subtype`.
pub(super) fn accepts(headers: &HeaderMap, offered: &str) -> bool {
    weight(headers, offered) > 0
}

/// Whether a client would rather have events than any representation.
pub(super) fn prefers_events(headers: &HeaderMap) -> bool {
    let others = weight(headers, MediaType::Json.as_str()).max(weight(headers, HTML));
    weight(headers, EVENTS) > others
}

/// How much a client would like `kind/subtype`, in thousandths (RFC 9110, 12.5.1).
///
/// Of the ranges that match, the most precise one decides. No `Accept`, and
/// one without any range, take everything.
fn weight(headers: &HeaderMap, offered: &str) -> u16 {
    let kind = offered.split('/').next().unwrap_or_default();
    let mut any = false;
    let mut best: Option<(u8, u16)> = None;
    for value in headers.get_all(ACCEPT) {
        let Ok(text) = value.to_str() else { continue };
        for range in text.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            any = true;
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let precision = if name.eq_ignore_ascii_case(offered) {
                2
            } else if name.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(kind)) {
                1
            } else if name == "*/*" {
                0
            } else {
                continue;
            };
            if best.is_none_or(|(so_far, _)| so_far < precision) {
                best = Some((precision, parts.find_map(weight_of).unwrap_or(WHOLE)));
            }
        }
    }
    best.map_or(if any { 0 } else { WHOLE }, |(_, weight)| weight)
}

/// The weight of a range that names none.
const WHOLE: u16 = 1000;

/// The weight that a parameter is, if it is one.
fn weight_of(parameter: &str) -> Option<u16> {
    let (key, weight) = parameter.split_once('=')?;
    if !key.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let weight: f32 = weight.trim().parse().ok().filter(|weight: &f32| weight.is_finite())?;
    // In range, so nothing is cut off.
    Some((weight.clamp(0.0, 1.0) * f32::from(WHOLE)).round() as u16)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: http::HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[test]
    fn a_content_type_is_read_without_regard_to_case_and_parameters() {
        for (value, want) in [
            ("application/json", MediaType::Json),
            ("Application/JSON", MediaType::Json),
            ("application/json; charset=UTF-8", MediaType::Json),
            ("application/json;charset=\"utf-8\"", MediaType::Json),
            ("application/json; profile=x", MediaType::Json),
            ("application/json;", MediaType::Json),
            ("application/merge-patch+json", MediaType::MergePatch),
            ("application/json-patch+json ; charset=utf8", MediaType::JsonPatch),
        ] {
            assert_eq!(content_type(&headers(CONTENT_TYPE, &[value])), Ok(want), "{value}");
        }
    }

    #[test]
    fn a_body_that_is_not_json_in_utf_8_is_unsupported() {
        let of = |values: &[&str]| content_type(&headers(CONTENT_TYPE, values));
        assert_eq!(of(&[]), Err(Unsupported::Unnamed));
        assert_eq!(of(&["text/xml"]), Err(Unsupported::Other("text/xml".to_owned())));
        assert_eq!(of(&[""]), Err(Unsupported::Other(String::new())));
        assert_eq!(of(&["application/json; charset=latin1"]), Err(Unsupported::Charset("latin1".to_owned())));
        assert!(matches!(of(&["application/json", "application/json"]), Err(Unsupported::Other(_))));
        assert!(matches!(of(&["application/jsonx"]), Err(Unsupported::Other(_))));
    }

    #[test]
    fn accept_is_judged_by_its_most_precise_range() {
        for (values, want) in [
            (&[][..], true),
            (&[""], true),
            (&["*/*"], true),
            (&["application/*"], true),
            (&["APPLICATION/JSON"], true),
            (&["text/html, */*;q=0.1"], true),
            (&["text/html", "application/json"], true),
            (&["application/json;charset=utf-8"], true),
            (&["text/html"], false),
            (&["application/xml, text/*"], false),
            (&["application/json;q=0"], false),
            (&["application/json; q=0.000, */*"], false),
            (&["*/*;q=0, application/json;q=0.001"], true),
        ] {
            assert_eq!(accepts(&headers(ACCEPT, values), "application/json"), want, "{values:?}");
        }
    }

    #[test]
    fn who_would_rather_see_a_page_gets_one() {
        const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
        for (values, want) in [
            (&[][..], Some(Face::Json)),
            (&["*/*"], Some(Face::Json)),
            (&[BROWSER], Some(Face::Html)),
            (&["text/html"], Some(Face::Html)),
            (&["text/*"], Some(Face::Html)),
            (&["application/json, text/html"], Some(Face::Json)),
            (&["text/html, application/json"], Some(Face::Json)),
            (&["application/json;q=0.5, text/html;q=0.6"], Some(Face::Html)),
            (&["application/json;q=0.6", "text/html;q=0.5"], Some(Face::Json)),
            (&["text/html;level=1;q=0.4, */*;q=0.3"], Some(Face::Html)),
            (&["*/*;q=0.5, application/json;q=0.1"], Some(Face::Html)),
            (&["text/html;q=0, */*;q=0.001"], Some(Face::Json)),
            (&["application/xml"], None),
            (&["text/html;q=0, application/json; q=0.0"], None),
            (&["image/*", "text/plain"], None),
        ] {
            assert_eq!(Face::preferred(&headers(ACCEPT, values)), want, "{values:?}");
        }
    }
}
