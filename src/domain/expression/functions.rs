//! The functions that an expression can call, and how each is written.

use super::ExpressionError;
use super::parse::error;
use super::tree::LoopKind;
use crate::domain::near::nearest;

/// A function of CEL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    String,
    Int,
    Uint,
    Double,
    Bool,
    Bytes,
    Type,
    Dyn,
    Duration,
    Timestamp,
    Contains,
    StartsWith,
    EndsWith,
    Part(Part),
}

/// A part of an instant or of a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// What a name that is called stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Callee {
    /// A function of values.
    Function(Function),
    /// `matches`, whose pattern is known before.
    Matches,
    /// `has`, whose argument is not evaluated.
    Has,
    /// What binds a variable in its body.
    Loop(fn() -> LoopKind),
}

/// A name, and the forms that it is written in.
struct Form {
    name: &'static str,
    callee: Callee,
    /// With nothing before it: how many arguments.
    plain: &'static [usize],
    /// On a value: how many arguments.
    on_value: &'static [usize],
    /// What is expected, for people.
    written: &'static str,
}

const fn function(name: &'static str, function: Function, written: &'static str) -> Form {
    Form { name, callee: Callee::Function(function), plain: &[1], on_value: &[], written }
}

const fn method(name: &'static str, function: Function, written: &'static str) -> Form {
    Form { name, callee: Callee::Function(function), plain: &[], on_value: &[1], written }
}

const fn part(name: &'static str, part: Part, written: &'static str) -> Form {
    Form { name, callee: Callee::Function(Function::Part(part)), plain: &[], on_value: &[0, 1], written }
}

const fn loop_of(name: &'static str, kind: fn() -> LoopKind, written: &'static str) -> Form {
    Form { name, callee: Callee::Loop(kind), plain: &[], on_value: &[2], written }
}

const FORMS: [Form; 32] = [
    Form {
        name: "size",
        callee: Callee::Function(Function::Size),
        plain: &[1],
        on_value: &[0],
        written: "`size(x)` or `x.size()`",
    },
    function("string", Function::String, "`string(x)`"),
    function("int", Function::Int, "`int(x)`"),
    function("uint", Function::Uint, "`uint(x)`"),
    function("double", Function::Double, "`double(x)`"),
    function("bool", Function::Bool, "`bool(x)`"),
    function("bytes", Function::Bytes, "`bytes(x)`"),
    function("type", Function::Type, "`type(x)`"),
    function("dyn", Function::Dyn, "`dyn(x)`"),
    function("duration", Function::Duration, "`duration('1h 30m')`"),
    function("timestamp", Function::Timestamp, "`timestamp('2026-11-21T10:00:00Z')`"),
    method("contains", Function::Contains, "`text.contains('part')`"),
    method("startsWith", Function::StartsWith, "`text.startsWith('part')`"),
    method("endsWith", Function::EndsWith, "`text.endsWith('part')`"),
    Form {
        name: "matches",
        callee: Callee::Matches,
        plain: &[2],
        on_value: &[1],
        written: "`text.matches('pattern')` or `matches(text, 'pattern')`",
    },
    part("getFullYear", Part::FullYear, "`instant.getFullYear()` or with an offset such as '+01:00'"),
    part("getMonth", Part::Month, "`instant.getMonth()` or with an offset such as '+01:00'"),
    part("getDate", Part::Date, "`instant.getDate()` or with an offset such as '+01:00'"),
    part("getDayOfMonth", Part::DayOfMonth, "`instant.getDayOfMonth()` or with an offset such as '+01:00'"),
    part("getDayOfWeek", Part::DayOfWeek, "`instant.getDayOfWeek()` or with an offset such as '+01:00'"),
    part("getDayOfYear", Part::DayOfYear, "`instant.getDayOfYear()` or with an offset such as '+01:00'"),
    part("getHours", Part::Hours, "`x.getHours()`, of an instant also with an offset such as '+01:00'"),
    part("getMinutes", Part::Minutes, "`x.getMinutes()`, of an instant also with an offset such as '+01:00'"),
    part("getSeconds", Part::Seconds, "`x.getSeconds()`, of an instant also with an offset such as '+01:00'"),
    part("getMilliseconds", Part::Milliseconds, "`x.getMilliseconds()`, of an instant also with an offset"),
    Form { name: "has", callee: Callee::Has, plain: &[1], on_value: &[], written: "`has(x.member)`" },
    loop_of("all", || LoopKind::All, "`list.all(x, condition)`"),
    loop_of("exists", || LoopKind::Exists, "`list.exists(x, condition)`"),
    loop_of("exists_one", || LoopKind::ExistsOne, "`list.exists_one(x, condition)`"),
    loop_of("existsOne", || LoopKind::ExistsOne, "`list.existsOne(x, condition)`"),
    loop_of("filter", || LoopKind::Filter, "`list.filter(x, condition)`"),
    Form {
        name: "map",
        callee: Callee::Loop(|| LoopKind::Map(None)),
        plain: &[],
        on_value: &[2, 3],
        written: "`list.map(x, value)` or `list.map(x, condition, value)`",
    },
];

/// What a call stands for: `arguments` in parentheses, and on a value or not.
pub(super) fn callee(name: &str, is_on_value: bool, arguments: usize, place: usize) -> Result<Callee, ExpressionError> {
    let Some(form) = FORMS.iter().find(|form| form.name == name) else {
        let message = match nearest(name, FORMS.iter().map(|form| form.name)) {
            Some(meant) => format!("unknown function `{name}`: did you mean `{meant}`?"),
            None => format!("unknown function `{name}`"),
        };
        return Err(error(place, message));
    };
    let counts = if is_on_value { form.on_value } else { form.plain };
    if counts.contains(&arguments) {
        return Ok(form.callee);
    }
    Err(expected(name, place))
}

/// The error for a call in a form that it does not have.
pub(super) fn expected(name: &str, place: usize) -> ExpressionError {
    let written = FORMS.iter().find(|form| form.name == name).map_or("a function", |form| form.written);
    error(place, format!("this is not how `{name}` is written: expected {written}"))
}
