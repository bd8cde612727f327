//! What the functions do.

use jiff::civil::Weekday;
use jiff::tz::{Offset, TimeZone};

use super::EvaluationError;
use super::budget::Budget;
use super::functions::{Function, Part};
use super::operators::instant;
use super::value::{Val, failed};
use crate::domain::time::{Timestamp, parse_duration};

/// The value of a call.
pub(super) fn call<'v>(function: Function, arguments: &[Val<'v>], budget: &Budget) -> Result<Val<'v>, EvaluationError> {
    let (Some(value), second) = (arguments.first(), arguments.get(1)) else {
        return Err(failed("a function needs a value"));
    };
    match function {
        Function::Size => size(value, budget),
        Function::String => to_text(value, budget),
        Function::Int => to_int(value),
        Function::Uint => to_uint(value),
        Function::Double => to_double(value),
        Function::Bool => to_bool(value),
        Function::Bytes => to_bytes(value, budget),
        Function::Type => Ok(Val::Type(value.type_name())),
        Function::Dyn => Ok(value.clone()),
        Function::Duration => duration(value),
        Function::Timestamp => timestamp(value),
        Function::Contains => texts("contains", value, second, budget, |text, part| text.contains(part)),
        Function::StartsWith => texts("startsWith", value, second, budget, |text, part| text.starts_with(part)),
        Function::EndsWith => texts("endsWith", value, second, budget, |text, part| text.ends_with(part)),
        Function::Part(part) => part_of(part, value, second),
    }
}

fn unfit(name: &str, value: &Val<'_>) -> EvaluationError {
    failed(format!("`{name}` does not take {}", value.kind()))
}

/// The error for a value of the right type that says something else. What it
/// says is not repeated: it is the client's, and may be long.
fn unreadable(name: &str, value: &Val<'_>, expected: &str) -> EvaluationError {
    failed(format!("`{name}` cannot make anything of this {}: expected {expected}", value.type_name()))
}

fn size<'v>(value: &Val<'v>, budget: &Budget) -> Result<Val<'v>, EvaluationError> {
    let count = match value {
        Val::Text(text) => {
            budget.read(text.as_str().len())?;
            text.as_str().chars().count()
        }
        Val::Bytes(bytes) => bytes.len(),
        Val::List(items) => items.len(),
        Val::Map(members) => members.len(),
        Val::Null
        | Val::Bool(_)
        | Val::Int(_)
        | Val::Uint(_)
        | Val::Double(_)
        | Val::Instant(_)
        | Val::Length(_)
        | Val::Type(_) => return Err(unfit("size", value)),
    };
    i64::try_from(count).map(Val::Int).map_err(|_| failed("this is too large to be counted"))
}

fn to_text<'v>(value: &Val<'v>, budget: &Budget) -> Result<Val<'v>, EvaluationError> {
    let text = match value {
        Val::Text(_) => return Ok(value.clone()),
        Val::Bool(value) => value.to_string(),
        Val::Int(int) => int.to_string(),
        Val::Uint(uint) => uint.to_string(),
        Val::Double(double) => double_as_text(*double),
        Val::Instant(instant) => instant.to_string(),
        Val::Length(millis) => seconds(*millis),
        Val::Bytes(bytes) => {
            budget.make(bytes.len())?;
            String::from_utf8(bytes.to_vec()).map_err(|_| unreadable("string", value, "UTF-8"))?
        }
        Val::Null | Val::List(_) | Val::Map(_) | Val::Type(_) => return Err(unfit("string", value)),
    };
    Ok(Val::text(text))
}

/// Digits where they fit on a line, powers of ten where they do not.
fn double_as_text(double: f64) -> String {
    if double == 0.0 || !double.is_finite() || (1e-6..1e21).contains(&double.abs()) {
        double.to_string()
    } else {
        format!("{double:e}")
    }
}

/// A duration as CEL writes it: `5400s`, `-0.25s`.
fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let (whole, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
    if rest == 0 {
        format!("{sign}{whole}s")
    } else {
        format!("{sign}{whole}.{}s", format!("{rest:03}").trim_end_matches('0'))
    }
}

fn to_int<'v>(value: &Val<'v>) -> Result<Val<'v>, EvaluationError> {
    let whole = "a whole number from -2^63 to 2^63-1";
    let int = match value {
        Val::Int(int) => Some(*int),
        Val::Uint(uint) => i64::try_from(*uint).ok(),
        // Towards zero; what an int cannot hold stops at its ends in an i128.
        Val::Double(double) if !double.is_nan() => i64::try_from(*double as i128).ok(),
        Val::Double(_) => None,
        Val::Text(text) => text.as_str().parse().ok().filter(|_| !text.as_str().starts_with('+')),
        Val::Instant(instant) => Some(instant.second()),
        Val::Null | Val::Bool(_) | Val::Bytes(_) | Val::List(_) | Val::Map(_) | Val::Length(_) | Val::Type(_) => {
            return Err(unfit("int", value));
        }
    };
    int.map(Val::Int).ok_or_else(|| unreadable("int", value, whole))
}

fn to_uint<'v>(value: &Val<'v>) -> Result<Val<'v>, EvaluationError> {
    let whole = "a whole number from 0 to 2^64-1";
    let uint = match value {
        Val::Uint(uint) => Some(*uint),
        Val::Int(int) => u64::try_from(*int).ok(),
        Val::Double(double) if !double.is_nan() => u64::try_from(*double as i128).ok(),
        Val::Double(_) => None,
        Val::Text(text) => text.as_str().parse().ok().filter(|_| !text.as_str().starts_with('+')),
        Val::Null
        | Val::Bool(_)
        | Val::Bytes(_)
        | Val::List(_)
        | Val::Map(_)
        | Val::Instant(_)
        | Val::Length(_)
        | Val::Type(_) => return Err(unfit("uint", value)),
    };
    uint.map(Val::Uint).ok_or_else(|| unreadable("uint", value, whole))
}

fn to_double<'v>(value: &Val<'v>) -> Result<Val<'v>, EvaluationError> {
    let double = match value {
        Val::Double(double) => Some(*double),
        Val::Int(int) => Some(*int as f64),
        Val::Uint(uint) => Some(*uint as f64),
        Val::Text(text) => text.as_str().parse().ok(),
        Val::Null
        | Val::Bool(_)
        | Val::Bytes(_)
        | Val::List(_)
        | Val::Map(_)
        | Val::Instant(_)
        | Val::Length(_)
        | Val::Type(_) => return Err(unfit("double", value)),
    };
    double.map(Val::Double).ok_or_else(|| unreadable("double", value, "a number"))
}

fn to_bool<'v>(value: &Val<'v>) -> Result<Val<'v>, EvaluationError> {
    if let Val::Bool(_) = value {
        return Ok(value.clone());
    }
    let Val::Text(text) = value else { return Err(unfit("bool", value)) };
    match text.as_str() {
        "true" | "True" | "TRUE" | "t" | "1" => Ok(Val::Bool(true)),
        "false" | "False" | "FALSE" | "f" | "0" => Ok(Val::Bool(false)),
        _ => Err(unreadable("bool", value, "`true` or `false`")),
    }
}

fn to_bytes<'v>(value: &Val<'v>, budget: &Budget) -> Result<Val<'v>, EvaluationError> {
    if let Val::Bytes(_) = value {
        return Ok(value.clone());
    }
    let Val::Text(text) = value else { return Err(unfit("bytes", value)) };
    budget.make(text.as_str().len())?;
    Ok(Val::Bytes(text.as_str().as_bytes().into()))
}

fn duration<'v>(value: &Val<'v>) -> Result<Val<'v>, EvaluationError> {
    if let Val::Length(_) = value {
        return Ok(value.clone());
    }
    let Val::Text(text) = value else { return Err(unfit("duration", value)) };
    let length = millis_of(text.as_str());
    length.map(Val::Length).ok_or_else(|| unreadable("duration", value, "a length of time such as 1h 30m or PT10M"))
}

/// Longest text that is read as an instant or a duration.
const TIME_TEXT_MAX: usize = 100;

/// The milliseconds of a duration: as our own, and with a sign before the whole of it.
fn millis_of(text: &str) -> Option<i64> {
    let (sign, length) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, text),
    };
    if length == "0" {
        return Some(0);
    }
    // A second sign would be that of a part.
    let length = Some(length).filter(|length| length.len() <= TIME_TEXT_MAX && !length.contains(['-', '+']))?;
    i64::try_from(parse_duration(length).ok()?.as_millis()).ok().map(|millis| sign * millis)
}

fn timestamp<'v>(value: &Val<'v>) -> Result<Val<'v>, EvaluationError> {
    if let Val::Instant(_) = value {
        return Ok(value.clone());
    }
    if let Val::Int(seconds) = value {
        return instant(seconds.saturating_mul(1000)).map(Val::Instant);
    }
    let Val::Text(text) = value else { return Err(unfit("timestamp", value)) };
    let read = Some(text.as_str()).filter(|text| text.len() <= TIME_TEXT_MAX);
    let read = read.and_then(|text| text.parse().ok()).map(Val::Instant);
    read.ok_or_else(|| unreadable("timestamp", value, "RFC 3339, such as 2026-11-21T10:00:00Z"))
}

/// Asks a text about another one.
fn texts<'v>(
    name: &str,
    value: &Val<'v>,
    other: Option<&Val<'v>>,
    budget: &Budget,
    ask: impl FnOnce(&str, &str) -> bool,
) -> Result<Val<'v>, EvaluationError> {
    match (value, other) {
        (Val::Text(text), Some(Val::Text(part))) => {
            budget.read(text.as_str().len() + part.as_str().len())?;
            Ok(Val::Bool(ask(text.as_str(), part.as_str())))
        }
        (Val::Text(_), Some(other)) => Err(failed(format!("`{name}` asks about a string: found {}", other.kind()))),
        _ => Err(unfit(name, value)),
    }
}

fn part_of<'v>(part: Part, value: &Val<'v>, zone: Option<&Val<'v>>) -> Result<Val<'v>, EvaluationError> {
    match (value, zone) {
        (Val::Instant(instant), None) => Ok(Val::Int(part_of_instant(part, *instant, TimeZone::UTC))),
        (Val::Instant(instant), Some(Val::Text(zone))) => {
            Ok(Val::Int(part_of_instant(part, *instant, time_zone(zone.as_str())?)))
        }
        (Val::Length(millis), None) => match part {
            Part::Hours => Ok(Val::Int(millis / 3_600_000)),
            Part::Minutes => Ok(Val::Int(millis / 60_000)),
            Part::Seconds => Ok(Val::Int(millis / 1000)),
            Part::Milliseconds => Ok(Val::Int(millis % 1000)),
            Part::FullYear | Part::Month | Part::Date | Part::DayOfMonth | Part::DayOfWeek | Part::DayOfYear => {
                Err(failed("a duration has no date"))
            }
        },
        (Val::Instant(_), Some(other)) => Err(failed(format!("a time zone is a string: found {}", other.kind()))),
        _ => Err(failed(format!("only timestamps and durations have such parts: found {}", value.kind()))),
    }
}

/// As CEL counts: months and days of the year from 0, and so days of the month
/// but for `getDate`; Sunday is 0.
fn part_of_instant(part: Part, instant: Timestamp, zone: TimeZone) -> i64 {
    let instant = jiff::Timestamp::from_millisecond(instant.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let at = instant.to_zoned(zone);
    i64::from(match part {
        Part::FullYear => at.year(),
        Part::Month => i16::from(at.month()) - 1,
        Part::Date => i16::from(at.day()),
        Part::DayOfMonth => i16::from(at.day()) - 1,
        Part::DayOfWeek => i16::from(at.weekday().since(Weekday::Sunday)),
        Part::DayOfYear => at.day_of_year() - 1,
        Part::Hours => i16::from(at.hour()),
        Part::Minutes => i16::from(at.minute()),
        Part::Seconds => i16::from(at.second()),
        Part::Milliseconds => at.millisecond(),
    })
}

/// UTC, or an offset such as `+01:00`.
fn time_zone(text: &str) -> Result<TimeZone, EvaluationError> {
    if text == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let offset = || {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (hours, minutes) = digits.split_once(':')?;
        let number = |text: &str, below: i32| {
            let is_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i32>().ok().filter(|number| is_digits && *number < below)
        };
        let seconds = number(hours, 24)? * 3600 + number(minutes, 60)? * 60;
        Offset::from_seconds(sign * seconds).ok()
    };
    offset().map(TimeZone::fixed).ok_or_else(|| failed("expected the time zone `UTC`, or an offset such as `+01:00`"))
}
