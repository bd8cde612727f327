//! `Vary`: what an answer depends on beside its URL (RFC 9110, 12.5.5).

use http::header::VARY;
use http::{HeaderMap, HeaderValue};

/// Names one more field of requests that the answer depends on. The names stay
/// in order, so that equal answers say it equally.
pub(super) fn also(headers: &mut HeaderMap, field: &'static str) {
    let Some(said) = headers.get(VARY) else {
        headers.insert(VARY, HeaderValue::from_static(field));
        return;
    };
    let Ok(said) = said.to_str() else { return };
    if said.split(',').map(str::trim).any(|name| name == "*" || name.eq_ignore_ascii_case(field)) {
        return;
    }
    let mut names: Vec<&str> = said.split(',').map(str::trim).chain([field]).collect();
    names.sort_unstable();
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        headers.insert(VARY, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_said_once_and_in_order() {
        for (said, field, want) in [
            (None, "Origin", "Origin"),
            (Some("Accept, Prefer"), "Accept-Encoding", "Accept, Accept-Encoding, Prefer"),
            (Some("Accept, Prefer"), "Origin", "Accept, Origin, Prefer"),
            (Some("Accept,Prefer"), "Accept", "Accept,Prefer"),
            (Some("accept"), "Accept", "accept"),
            (Some("*"), "Accept", "*"),
        ] {
            let mut headers: HeaderMap = said.into_iter().map(|said| (VARY, HeaderValue::from_static(said))).collect();
            also(&mut headers, field);
            assert_eq!(headers.get(VARY).map(HeaderValue::as_bytes), Some(want.as_bytes()), "{said:?}");
        }
    }
}
