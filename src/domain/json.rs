//! JSON read strictly, measured, and compared by value.
//!
//! # Guarantees
//! [`parse`] refuses whatever would not come back as it was written: duplicate
//! member names, integers that no 64 bits hold, numbers beyond a double.
//! [`depth`], [`encoded_len`], [`equal`] and [`canonical`] do not recurse, so
//! that no value, however it was made, exhausts the stack in them.
//! # Not here
//! What a document may contain. A number with a fraction or an exponent is read
//! as the nearest double.

use std::borrow::Cow;
use std::fmt;
use std::io;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// The deepest nesting that any limit can allow.
///
/// The parser below us counts to 128 and refuses there, so that a deeper value
/// could be written but not read again.
pub const NESTING_MAX: usize = 127;

/// What [`parse`] puts up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// The most levels of nesting, as [`depth`] counts them; more than
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
        /// Where the first level too many begins.
        at: Position,
    },
}

/// Reads one JSON text (RFC 8259), all of `bytes`.
///
/// Members keep their order. Integers from -2^63 to 2^64-1 keep their digits,
/// other numbers become the nearest double; `-0` becomes `-0.0`, which equals 0.
///
/// # Errors
/// The first thing that is wrong, and where it is. A text that is both too deep
/// and broken further on is [`JsonError::TooDeep`].
pub fn parse(bytes: &[u8], limits: &JsonLimits) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| JsonError::NotUtf8 { at: position(bytes, error.valid_up_to()) })?;
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
        if value.abs() >= TWO_TO_63 {
            self.reading.magnitude = Magnitude::MayHideAnInteger;
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
    Position {
        line: before.iter().filter(|&&b| b == b'\n').count() + 1,
        column: before.len() - line_start + 1,
    }
}

/// How deeply a value is nested: 0 for a scalar, 1 for `{}` and `[1]`, 2 for
/// `{"a": {}}`.
#[must_use]
pub fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut rest = vec![(value, 0)];
    while let Some((value, above)) = rest.pop() {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            Value::Array(items) => {
                deepest = deepest.max(above + 1);
                rest.extend(items.iter().filter(|item| is_container(item)).map(|item| (item, above + 1)));
            }
            Value::Object(members) => {
                deepest = deepest.max(above + 1);
                rest.extend(members.values().filter(|item| is_container(item)).map(|item| (item, above + 1)));
            }
        }
    }
    deepest
}

const fn is_container(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

/// How many bytes a value takes when it is written without white space.
#[must_use]
pub fn encoded_len(value: &Value) -> usize {
    let mut total = 0;
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        total += match value {
            Value::Null | Value::Bool(true) => 4,
            Value::Bool(false) => 5,
            Value::Number(number) => written_len(number),
            Value::String(text) => string_len(text),
            Value::Array(items) => {
                rest.extend(items);
                2 + items.len().saturating_sub(1)
            }
            Value::Object(members) => {
                rest.extend(members.values());
                let names: usize = members.keys().map(|name| string_len(name) + 1).sum();
                2 + members.len().saturating_sub(1) + names
            }
        };
    }
    total
}

/// How many bytes a string takes with its quotes and escapes.
#[must_use]
pub fn string_len(text: &str) -> usize {
    written_len(text)
}

fn written_len<T: serde::Serialize + ?Sized>(scalar: &T) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, written: &[u8]) -> io::Result<usize> {
            self.0 += written.len();
            Ok(written.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    serde_json::to_writer(&mut count, scalar).expect("a count takes anything, and scalars can be written");
    count.0
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// A number by its value, in the one form that each value has.
#[derive(PartialEq)]
enum Exact {
    /// Any integer from -2^63 to 2^64-1, however it was written.
    Integer(i128),
    /// Any other double.
    Double(f64),
}

fn exact(number: &Number) -> Exact {
    if let Some(integer) = number.as_i128() {
        return Exact::Integer(integer);
    }
    let double = number.as_f64().unwrap_or(0.0);
    if double.fract() == 0.0 && (-TWO_TO_63..TWO_TO_64).contains(&double) {
        // Exact: the value is whole and an i128 has room for it.
        Exact::Integer(double as i128)
    } else {
        Exact::Double(double)
    }
}

/// Whether two values are equal as RFC 6902, 4.6 has it: numbers by value
/// (1 = 1.0 = 1e0, without rounding), objects regardless of order.
#[must_use]
pub fn equal(one: &Value, other: &Value) -> bool {
    let mut rest = vec![(one, other)];
    while let Some(pair) = rest.pop() {
        match pair {
            (Value::Number(one), Value::Number(other)) => {
                if exact(one) != exact(other) {
                    return false;
                }
            }
            (Value::Array(one), Value::Array(other)) => {
                if one.len() != other.len() {
                    return false;
                }
                rest.extend(one.iter().zip(other));
            }
            (Value::Object(one), Value::Object(other)) => {
                if one.len() != other.len() {
                    return false;
                }
                for (name, value) in one {
                    let Some(counterpart) = other.get(name) else { return false };
                    rest.push((value, counterpart));
                }
            }
            // What is left are scalars, or two values of different kinds.
            (one, other) => {
                if one != other {
                    return false;
                }
            }
        }
    }
    true
}

/// The bytes that stand for a value in digests: the same for two values exactly
/// if they are [`equal`].
///
/// They are JSON, with sorted members, without white space.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    enum Piece<'v> {
        Value(&'v Value),
        Name(&'v str),
        Mark(u8),
    }

    let mut written = Vec::new();
    let mut rest = vec![Piece::Value(value)];
    while let Some(piece) = rest.pop() {
        match piece {
            Piece::Mark(mark) => written.push(mark),
            Piece::Name(name) => {
                write_scalar(&mut written, name);
                written.push(b':');
            }
            Piece::Value(Value::Number(number)) => match exact(number) {
                Exact::Integer(integer) => write_scalar(&mut written, &integer),
                Exact::Double(double) => write_scalar(&mut written, &double),
            },
            Piece::Value(Value::Array(items)) => {
                written.push(b'[');
                rest.push(Piece::Mark(b']'));
                for (index, item) in items.iter().enumerate().rev() {
                    rest.push(Piece::Value(item));
                    if index > 0 {
                        rest.push(Piece::Mark(b','));
                    }
                }
            }
            Piece::Value(Value::Object(members)) => {
                written.push(b'{');
                rest.push(Piece::Mark(b'}'));
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_unstable_by_key(|(name, _)| *name);
                for (index, (name, value)) in sorted.into_iter().enumerate().rev() {
                    rest.push(Piece::Value(value));
                    rest.push(Piece::Name(name));
                    if index > 0 {
                        rest.push(Piece::Mark(b','));
                    }
                }
            }
            Piece::Value(scalar) => write_scalar(&mut written, scalar),
        }
    }
    written
}

fn write_scalar<T: serde::Serialize + ?Sized>(written: &mut Vec<u8>, scalar: &T) {
    serde_json::to_writer(written, scalar).expect("a vector takes anything, and scalars can be written");
}

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
