//! JSON Pointers (RFC 6901).

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::escape_pointer;

/// A JSON Pointer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    tokens: Vec<String>,
}

/// A text that is no JSON Pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON Pointer such as `/a/b`: empty, or led by `/`, with `~` only in `~0` and `~1`")]
pub struct NotAPointer;

impl Pointer {
    /// The pointer that leads through these names and indices.
    #[must_use]
    pub const fn new(tokens: Vec<String>) -> Self {
        Self { tokens }
    }

    /// The names and indices that lead from the root to the place.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// Whether the place is this one or below it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.tokens.starts_with(&ancestor.tokens)
    }

    /// What is at the place.
    #[must_use]
    pub fn get<'v>(&self, members: &'v Map<String, Value>) -> Option<&'v Value> {
        let (first, rest) = self.tokens.split_first()?;
        rest.iter().try_fold(members.get(first)?, |value, token| match value {
            Value::Object(members) => members.get(token),
            Value::Array(items) => items.get(index(token)?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }

    /// Puts a value at the place, through objects that are made where there
    /// are none. `false` where something else than an object is in the way.
    pub fn put(&self, members: &mut Map<String, Value>, value: Value) -> bool {
        let Some((last, above)) = self.tokens.split_last() else { return false };
        let mut place = members;
        for token in above {
            let below = place.entry(token.as_str()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(below) = below else { return false };
            place = below;
        }
        place.insert(last.clone(), value);
        true
    }

    /// Takes away what is at the place, through objects alone.
    pub fn take(&self, members: &mut Map<String, Value>) -> Option<Value> {
        let (last, above) = self.tokens.split_last()?;
        let mut place = members;
        for token in above {
            place = place.get_mut(token)?.as_object_mut()?;
        }
        place.shift_remove(last)
    }
}

/// An index of an array, in its one spelling (RFC 6901, 4).
fn index(token: &str) -> Option<usize> {
    let canonical = token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if canonical { token.parse().ok() } else { None }
}

impl FromStr for Pointer {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, NotAPointer> {
        let Some(rest) = text.strip_prefix('/') else {
            return if text.is_empty() { Ok(Self { tokens: Vec::new() }) } else { Err(NotAPointer) };
        };
        rest.split('/').map(unescape).collect::<Option<_>>().map(|tokens| Self { tokens }).ok_or(NotAPointer)
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut rest = token.split('~');
    let mut text = rest.next()?.to_owned();
    for part in rest {
        let (escaped, plain) = match part.as_bytes().first()? {
            b'0' => ('~', &part[1..]),
            b'1' => ('/', &part[1..]),
            _ => return None,
        };
        text.push(escaped);
        text.push_str(plain);
    }
    Some(text)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokens.iter().try_for_each(|token| write!(f, "/{}", escape_pointer(token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pointer_is_read_as_it_is_written() {
        for text in ["", "/", "/a/b", "/a~1b/~0/0", "//"] {
            assert_eq!(text.parse::<Pointer>().expect("a pointer").to_string(), text);
        }
        for text in ["a", "/~", "/~2", "/a~"] {
            assert_eq!(text.parse::<Pointer>(), Err(NotAPointer), "{text}");
        }
    }

    #[test]
    fn what_is_put_is_there_until_it_is_taken() {
        let mut members = json!({"a": {"x": 1}, "list": [7]}).as_object().expect("an object").clone();
        let before = members.clone();
        let at = |text: &str| text.parse::<Pointer>().expect("a pointer");
        assert!(at("/a/b").put(&mut members, json!(2)));
        assert_eq!(at("/a/b").get(&members), Some(&json!(2)));
        assert_eq!(at("/a/b").take(&mut members), Some(json!(2)));
        assert_eq!(members, before);
        assert_eq!(at("/list/0").get(&members), Some(&json!(7)));
        assert_eq!(at("/list/00").get(&members), None);
        assert!(!at("/list/x/y").put(&mut members, json!(1)));
        assert!(at("/new/deep").put(&mut members, json!(1)));
        assert_eq!(members["new"], json!({"deep": 1}));
    }
}
