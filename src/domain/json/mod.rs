//! JSON read strictly, measured, and compared by value.
//!
//! # Guarantees
//! [`parse()`] refuses whatever would not come back as it was written: duplicate
//! member names, integers that no 64 bits hold, numbers beyond a double.
//! [`depth`], [`encoded_len`], [`equal`] and [`canonical`] do not recurse, so
//! that no value, however it was made, exhausts the stack in them.
//! # Not here
//! What a document may contain.

mod compare;
mod measure;
mod parse;
mod pointer;

use std::borrow::Cow;

pub use compare::{canonical, equal};
pub use measure::{depth, encoded_len, kind, string_len, whole_number};
pub use parse::{JsonError, JsonLimits, NESTING_MAX, Position, parse};
pub use pointer::{NotAPointer, Pointer};

/// A name as one token of a JSON Pointer (RFC 6901, 3): `~` is `~0`, `/` is `~1`.
#[must_use]
pub fn escape_pointer(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

/// The JSON Pointer that leads through these names and indices; `""` for none.
#[must_use]
pub fn pointer<S: AsRef<str>>(tokens: &[S]) -> String {
    tokens.iter().fold(String::new(), |mut pointer, token| {
        pointer.push('/');
        pointer.push_str(&escape_pointer(token.as_ref()));
        pointer
    })
}

#[cfg(test)]
pub(crate) mod strategies {
    //! Values for the properties of whoever works on JSON.

    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    /// Numbers, many of them where kinds of numbers meet.
    pub(crate) fn any_number() -> impl Strategy<Value = Value> {
        let borders = [0.0, 1.0, 0.5, 2f64.powi(53), 2f64.powi(63), 2f64.powi(64)];
        prop_oneof![
            (-2i64..3).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (0..borders.len(), -1i128..2).prop_map(move |(index, offset)| {
                let near = borders[index] as i128 + offset;
                u64::try_from(near).map_or(Value::from(borders[index]), Value::from)
            }),
            (0..borders.len(), any::<bool>()).prop_map(move |(index, negative)| {
                Value::from(if negative { -borders[index] } else { borders[index] })
            }),
            proptest::num::f64::NORMAL.prop_map(Value::from),
        ]
    }

    /// Values of a few levels, with few names, so that they meet each other.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any_number(),
            "[ab~/\"\\\\\n\u{0}\u{e9}\u{1f436}]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::Array), object_of(inner)]
        })
    }

    /// Objects of such values.
    pub(crate) fn any_object() -> impl Strategy<Value = Value> {
        object_of(any_value())
    }

    fn object_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        vec(("[abc/~]{0,2}", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_what_would_lead_elsewhere() {
        for (token, escaped) in [("a", "a"), ("a/b", "a~1b"), ("m~n", "m~0n"), ("~1", "~01"), ("", "")] {
            assert_eq!(escape_pointer(token), escaped, "{token}");
        }
        assert_eq!(pointer(&["a", "", "b/c"]), "/a//b~1c");
        assert_eq!(pointer::<&str>(&[]), "");
    }
}
