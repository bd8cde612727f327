//! Reads JSON and refuses what would not come back as it was written.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::pointer;

/// The deepest nesting that any limit can allow.
///
/// The parser below us refuses the 128th level. A document that was accepted must
/// be readable again also from within the record that it is stored in, which
/// takes a few levels more.
pub const NESTING_MAX: usize = 120;

/// What [`parse()`] puts up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// The most levels of nesting, as [`super::depth`] counts them; more than
    /// [`NESTING_MAX`] counts as that.
    pub depth_max: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self { depth_max: 64 }
    }
}

/// A place in a text. Both count from 1, columns in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The byte within the line.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

/// Why a text is not taken as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8 (RFC 8259, 8.1).
    #[error("not UTF-8 at {at}")]
    NotUtf8 {
        /// Where the first such byte is.
        at: Position,
    },
    /// The text begins with U+FEFF (RFC 8259, 8.1).
    #[error("begins with a byte order mark")]
    ByteOrderMark,
    /// The text breaks the grammar, has a lone surrogate, or has a number that
    /// is beyond a double.
    #[error("not JSON: {detail} at {at}")]
    Syntax {
        /// What was wrong.
        detail: String,
        /// Where it was noticed.
        at: Position,
    },
    /// An object names a member twice (RFC 8259, 4).
    #[error("the member `{pointer}` occurs twice, the second time at {at}")]
    Duplicate {
        /// The member, as a JSON Pointer.
        pointer: String,
        /// Where it occurs again.
        at: Position,
    },
    /// An integer that would lose digits.
    #[error("the integer {digits} at {at} is outside -2^63 to 2^64-1")]
    IntegerOutOfRange {
        /// Its first digits.
        digits: String,
        /// Where it begins.
        at: Position,
    },
    /// The nesting is deeper than allowed.
    #[error("nested deeper than {limit} levels at {at}")]
    TooDeep {
        /// The levels that are allowed.
        limit: usize,
        /// Where the first level too many was noticed.
        at: Position,
    },
}

/// Reads one JSON text (RFC 8259), all of `bytes`.
///
/// Members keep their order. Integers from -2^63 to 2^64-1 keep their digits,
/// other numbers become the nearest double. `-0` becomes 0, whether or not it
/// has a fraction: there is no such integer, and it equals 0.
///
/// # Errors
/// The first thing that is wrong, and where it is. A text that is both too deep
/// and broken further on is [`JsonError::TooDeep`].
pub fn parse(bytes: &[u8], limits: &JsonLimits) -> Result<Value, JsonError> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 { at: position(bytes, error.valid_up_to()) })?;
    if text.starts_with('\u{feff}') {
        return Err(JsonError::ByteOrderMark);
    }
    let limit = limits.depth_max.min(NESTING_MAX);
    let mut reading = Reading::default();
    let mut source = serde_json::Deserializer::from_str(text);
    let read = Strict { reading: &mut reading, levels_left: limit }
        .deserialize(&mut source)
        .and_then(|value| source.end().map(|()| value));
    match read {
        Ok(value) => match reading.magnitude {
            Magnitude::Small => Ok(value),
            Magnitude::MayHideAnInteger => refuse_large_integers(text).map(|()| value),
        },
        Err(error) => Err(reading.refusal(&error, limit)),
    }
}

/// What the visitors leave behind besides the value.
#[derive(Default)]
struct Reading {
    refused: Option<Refused>,
    /// The way from the refused member up to the root.
    trail: Vec<String>,
    magnitude: Magnitude,
}

/// What the grammar allows and we do not.
enum Refused {
    Duplicate,
    TooDeep,
}

/// Whether a double was met that an integer too long for 64 bits may have become.
///
/// Only then is the text searched for one, so that other texts are read once.
#[derive(Default)]
enum Magnitude {
    #[default]
    Small,
    MayHideAnInteger,
}

impl Reading {
    /// Says what a failed reading failed at.
    fn refusal(mut self, error: &serde_json::Error, limit: usize) -> JsonError {
        let at = Position { line: error.line(), column: error.column() };
        match self.refused {
            Some(Refused::TooDeep) => JsonError::TooDeep { limit, at },
            Some(Refused::Duplicate) => {
                self.trail.reverse();
                JsonError::Duplicate { pointer: pointer(&self.trail), at }
            }
            None => {
                let detail = error.to_string();
                let detail = detail.strip_suffix(&format!(" at {at}")).unwrap_or(&detail).to_owned();
                JsonError::Syntax { detail, at }
            }
        }
    }
}

/// The magnitude, 2^63, from which on a double may have been an integer that is
/// too long.
const INTEGER_LOST_FROM: f64 = 9_223_372_036_854_775_808.0;

/// Reads one value, with so many levels of nesting left.
struct Strict<'r> {
    reading: &'r mut Reading,
    levels_left: usize,
}

impl Strict<'_> {
    /// The reader of what is inside this value, if anything may be.
    fn descend<E: de::Error>(&mut self) -> Result<usize, E> {
        self.levels_left.checked_sub(1).ok_or_else(|| {
            self.reading.refused = Some(Refused::TooDeep);
            E::custom("nested too deeply")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        if value.abs() >= INTEGER_LOST_FROM {
            self.reading.magnitude = Magnitude::MayHideAnInteger;
        }
        if value == 0.0 && value.is_sign_negative() {
            return Ok(Value::Number(0.into()));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut source: A) -> Result<Value, A::Error> {
        let levels_left = self.descend()?;
        let mut items = Vec::new();
        loop {
            let reading = &mut *self.reading;
            match source.next_element_seed(Strict { reading, levels_left }) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return Ok(Value::Array(items)),
                Err(error) => {
                    self.reading.trail.push(items.len().to_string());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut source: A) -> Result<Value, A::Error> {
        let levels_left = self.descend()?;
        let mut members = Map::new();
        while let Some(name) = source.next_key::<String>()? {
            let slot = match members.entry(name) {
                Entry::Vacant(slot) => slot,
                Entry::Occupied(taken) => {
                    self.reading.refused = Some(Refused::Duplicate);
                    self.reading.trail.push(taken.key().clone());
                    return Err(de::Error::custom("duplicate member"));
                }
            };
            let reading = &mut *self.reading;
            match source.next_value_seed(Strict { reading, levels_left }) {
                Ok(value) => slot.insert(value),
                Err(error) => {
                    self.reading.trail.push(slot.key().clone());
                    return Err(error);
                }
            };
        }
        Ok(Value::Object(members))
    }
}

/// The longest piece of a refused integer that an error shows, in bytes.
const DIGITS_SHOWN_MAX: usize = 40;

/// Looks through a text, known to be JSON, for an integer that no 64 bits hold.
fn refuse_large_integers(text: &str) -> Result<(), JsonError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = after_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let end = after_number(bytes, at);
                let token = &text[at..end];
                let integer = !token.contains(['.', 'e', 'E']);
                if integer && token.parse::<i64>().is_err() && token.parse::<u64>().is_err() {
                    let digits = token.chars().take(DIGITS_SHOWN_MAX).collect();
                    return Err(JsonError::IntegerOutOfRange { digits, at: position(bytes, at) });
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

/// Where the string that begins at `start` has ended.
fn after_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// Where the number that begins at `start` has ended.
fn after_number(bytes: &[u8], start: usize) -> usize {
    let rest = &bytes[start..];
    let length = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    start + length.unwrap_or(rest.len())
}

fn position(bytes: &[u8], offset: usize) -> Position {
    let before = &bytes[..offset.min(bytes.len())];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
    Position { line: before.iter().filter(|&&b| b == b'\n').count() + 1, column: before.len() - line_start + 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::depth;
    use super::super::strategies::any_value;
    use super::*;

    fn read(text: &str) -> Result<Value, JsonError> {
        parse(text.as_bytes(), &JsonLimits::default())
    }

    #[test]
    fn what_a_client_wrote_comes_back_as_it_wrote_it() {
        for text in [
            "{}",
            r#"{"z":1,"a":[true,false,null],"m":{"z":"","a":"é"}}"#,
            r#"[18446744073709551615,-9223372036854775808,0,1.5,1e300,0.1]"#,
            r#""\"\\\u0000🐶""#,
            // A name that the library below would give a meaning of its own.
            r#"{"$serde_json::private::RawValue":"[1]"}"#,
            r#"{"$serde_json::private::Number":"1"}"#,
        ] {
            let value = read(text).expect(text);
            let written = serde_json::to_string(&value).expect("a value can be written");
            assert_eq!(read(&written), Ok(value), "{text}");
            assert_eq!(written.replace("e+", "e"), text);
        }
    }

    #[test]
    fn white_space_and_escapes_are_free() {
        assert_eq!(read(" \r\n\t{ \"\\u0061\" : \"\\ud83d\\udc36\\/\" } \n"), Ok(json!({"a": "🐶/"})));
        for zero in ["-0", "-0.0", "-0e3", "-1e-999"] {
            assert_eq!(read(zero), Ok(json!(0)), "{zero}");
        }
        assert_eq!(read("0.0").map(|zero| zero.to_string()), Ok("0.0".to_owned()));
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for (name, text, want) in [
            ("nothing", "", "not JSON: EOF while parsing a value at line 1 column 0"),
            ("garbage behind", "{} x", "not JSON: trailing characters at line 1 column 4"),
            ("a second value", "{}\n{}", "not JSON: trailing characters at line 2 column 1"),
            ("a comma too many", "[1,]", "not JSON: trailing comma at line 1 column 4"),
            ("a leading zero", "[01]", "not JSON: invalid number at line 1 column 3"),
            ("not a number", "NaN", "not JSON: expected value at line 1 column 1"),
            ("a lone surrogate", r#"["\ud800"]"#, "not JSON: unexpected end of hex escape at line 1 column 9"),
            ("beyond a double", "[1,\n 1e400]", "not JSON: number out of range at line 2 column 6"),
            ("an object that ends", r#"{"a":"#, "not JSON: EOF while parsing a value at line 1 column 5"),
            ("a mark at the start", "\u{feff}{}", "begins with a byte order mark"),
            ("a duplicate", "{\"a\":1,\n\"a\":2}", "the member `/a` occurs twice, the second time at line 2 column 3"),
            (
                "a duplicate spelt otherwise, far down",
                r#"{"a":[0,{"b/c":{"x":1,"\u0078":2}}]}"#,
                "the member `/a/1/b~1c/x` occurs twice, the second time at line 1 column 30",
            ),
            (
                "an integer above",
                "{\"a\":\n  18446744073709551616}",
                "the integer 18446744073709551616 at line 2 column 3 is outside -2^63 to 2^64-1",
            ),
            (
                "an integer below",
                "[-9223372036854775809]",
                "the integer -9223372036854775809 at line 1 column 2 is outside -2^63 to 2^64-1",
            ),
            (
                "a very long integer behind a string that looks like one",
                r#"["\"99999999999999999999",123456789012345678901234567890123456789012345]"#,
                "the integer 1234567890123456789012345678901234567890 at line 1 column 27 is outside -2^63 to 2^64-1",
            ),
        ] {
            assert_eq!(read(text).expect_err(name).to_string(), want, "{name}");
        }
    }

    #[test]
    fn large_numbers_that_are_not_integers_are_taken() {
        for text in ["1e19", "-18446744073709551616.0", r#"{"99999999999999999999":1e30}"#] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_refused() {
        let limits = JsonLimits::default();
        let at = Position { line: 2, column: 3 };
        assert_eq!(parse(b"[\n \"\xff\"]", &limits), Err(JsonError::NotUtf8 { at }));
        assert!(matches!(parse(b"\xff\xfe{\0}\0", &limits), Err(JsonError::NotUtf8 { .. })));
    }

    fn nested(levels: usize) -> String {
        "[".repeat(levels) + &"]".repeat(levels)
    }

    #[test]
    fn nesting_is_counted_and_ends_at_the_limit() {
        assert_eq!(read(&nested(64)).map(|value| depth(&value)), Ok(64));
        let at = Position { line: 1, column: 66 };
        assert_eq!(read(&nested(65)), Err(JsonError::TooDeep { limit: 64, at }));
        assert!(matches!(read(&"{\"a\":".repeat(100_000)), Err(JsonError::TooDeep { limit: 64, .. })));
        assert!(parse(b"1", &JsonLimits { depth_max: 0 }).is_ok());
        assert!(matches!(parse(b"{}", &JsonLimits { depth_max: 0 }), Err(JsonError::TooDeep { .. })));
    }

    #[test]
    fn a_limit_beyond_what_can_be_read_again_counts_as_that() {
        let limits = JsonLimits { depth_max: usize::MAX };
        assert!(parse(nested(NESTING_MAX).as_bytes(), &limits).is_ok());
        let refused = parse(nested(NESTING_MAX + 1).as_bytes(), &limits);
        assert!(matches!(refused, Err(JsonError::TooDeep { limit: NESTING_MAX, .. })), "{refused:?}");
    }

    fn without_minus_zero(value: Value) -> Value {
        match value {
            Value::Number(number) if number.to_string() == "-0.0" => 0.into(),
            Value::Array(items) => items.into_iter().map(without_minus_zero).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, value)| (name, without_minus_zero(value))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
        }
    }

    proptest! {
        #[test]
        fn whatever_we_write_we_read(value in any_value()) {
            let written = serde_json::to_vec_pretty(&value).expect("a value can be written");
            prop_assert_eq!(parse(&written, &JsonLimits::default()), Ok(without_minus_zero(value)));
        }

        #[test]
        fn the_grammar_is_that_of_the_library(
            text in r#"([\[\]{},:"a0-9.eE+\-\\ ]|"a"|"b":|null|true|\{"a":|\[1,|\}|\]){0,12}"#,
        ) {
            let known = serde_json::from_str::<Value>(&text);
            match read(&text) {
                Ok(value) => prop_assert_eq!(known.ok(), Some(value)),
                Err(JsonError::Syntax { .. }) => prop_assert!(known.is_err(), "{}", text),
                Err(JsonError::Duplicate { .. }) => prop_assert!(text.matches(':').count() > 1, "{}", text),
                Err(JsonError::IntegerOutOfRange { .. }) => prop_assert!(known.is_ok()),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes, &JsonLimits::default());
        }
    }
}
