//! Percent-encoding (RFC 3986, 2.1), read strictly.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Decodes once; `None` if a `%` is not followed by two hexadecimal digits, or
/// if the result is not UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match &rest[at + 1..] {
            [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest = after,
            _ => return None,
        }
    }
    percent_decode_str(text).decode_utf8().ok()
}

/// Decodes a name or a value of a form or a query, in which `+` is a space.
pub(super) fn decode_field(text: &str) -> Option<String> {
    decode(&text.replace('+', " ")).map(Cow::into_owned)
}

/// All but what RFC 3986, 2.3 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes a value so that it may stand anywhere in a URL.
pub(super) fn encode(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_an_encoding_is_refused() {
        for text in ["%", "%4", "%zz", "%+1", "%ff", "a%c3"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("%25 4%31").as_deref(), Some("% 41"));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded_again(text: String) {
            let encoded = encode(&text).to_string();
            let decoded = decode(&encoded);
            prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
        }
    }
}
