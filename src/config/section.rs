//! Tables of the file and the values in them, each with the place where it stands.
//!
//! Every reader here notes what is wrong in the [`Report`] and gives `None`, so
//! that one walk through the file finds everything.

use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::error::Report;
use crate::domain::id::ParseIdError;
use crate::domain::near::nearest;
use crate::domain::time::parse_duration;

/// The keys that a table can have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    /// Those that this version reads.
    pub(super) known: &'static [&'static str],
    /// Those that the design knows and this version does not have. They are
    /// refused: what an operator asks for is not silently left out.
    pub(super) later: &'static [&'static str],
}

/// A table and how it is called.
#[derive(Debug, Clone)]
pub(super) struct Section<'t> {
    /// The dotted path to it, empty for the whole file.
    pub(super) path: String,
    /// Where its name stands.
    pub(super) span: Range<usize>,
    table: &'t DeTable<'t>,
}

/// A value and how it is called.
#[derive(Debug, Clone)]
pub(super) struct Field<'t> {
    /// The dotted path to it.
    pub(super) path: String,
    /// The last part of the path.
    pub(super) name: &'t str,
    /// Where the name stands.
    pub(super) key: Range<usize>,
    /// Where the value stands.
    pub(super) span: Range<usize>,
    value: &'t DeValue<'t>,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn root(table: &'t DeTable<'t>) -> Self {
        Self { path: String::new(), span: 0..0, table }
    }

    /// Notes every key that the table cannot have.
    pub(super) fn check_keys(&self, keys: Keys, report: &mut Report<'_>) {
        for field in self.fields() {
            if keys.known.contains(&field.name) {
                continue;
            }
            if keys.later.contains(&field.name) {
                report.error(&field.key, format!("`{}` is not in this version", field.path));
                continue;
            }
            let place = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let all = keys.known.iter().chain(keys.later).copied();
            let hint = hint(field.name, all, keys.known);
            report.error(&field.key, format!("unknown key `{}`{place}: {hint}", field.name));
        }
    }

    /// The values, in the order of the file.
    pub(super) fn fields(&self) -> Vec<Field<'t>> {
        let mut fields: Vec<_> = self.table.iter().map(|(key, value)| self.field(key, value)).collect();
        fields.sort_by_key(|field| field.key.start);
        fields
    }

    pub(super) fn get(&self, name: &str) -> Option<Field<'t>> {
        self.table.get_key_value(name).map(|(key, value)| self.field(key, value))
    }

    /// The value of that name, which must be there; `what` says what it would be.
    pub(super) fn needed(&self, name: &str, what: &str, report: &mut Report<'_>) -> Option<Field<'t>> {
        let field = self.get(name);
        if field.is_none() {
            report.error(&self.span, format!("`{}` needs `{name}`: expected {what}", self.path));
        }
        field
    }

    /// The table of that name; `None` too, and noted, if it is something else.
    pub(super) fn table(&self, name: &str, report: &mut Report<'_>) -> Option<Section<'t>> {
        self.get(name)?.table("a table", report)
    }

    fn field(&self, key: &'t Spanned<DeString<'t>>, value: &'t Spanned<DeValue<'t>>) -> Field<'t> {
        let name: &str = key.get_ref();
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Field { path, name, key: key.span(), span: value.span(), value: value.get_ref() }
    }
}

impl<'t> Field<'t> {
    /// Notes that the value is not what was expected.
    pub(super) fn expected<T>(&self, what: &str, report: &mut Report<'_>) -> Option<T> {
        self.refuse(format!("expected {what}, found {}", self.found()), report)
    }

    /// Notes something about the value.
    pub(super) fn refuse<T>(&self, message: impl std::fmt::Display, report: &mut Report<'_>) -> Option<T> {
        report.error(&self.span, format!("`{}`: {message}", self.path));
        None
    }

    /// What kind of value it is, with its article.
    fn found(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.as_str().is_some()
    }

    pub(super) fn is_array(&self) -> bool {
        self.value.is_array()
    }

    /// The name of the value as that of something, with its article.
    pub(super) fn parse_name<N: FromStr<Err = ParseIdError>>(&self, what: &str, report: &mut Report<'_>) -> Option<N> {
        let refuse = |error: ParseIdError| {
            let message = format!("`{}` cannot be the name of {what}: expected {}", self.name, error.expected());
            report.error(&self.key, message);
        };
        self.name.parse().map_err(refuse).ok()
    }

    /// The string; `what` says what it stands for, with its article.
    pub(super) fn text(&self, what: &str, report: &mut Report<'_>) -> Option<&'t str> {
        match self.value.as_str() {
            Some(text) => Some(text),
            None => self.expected(what, report),
        }
    }

    /// The text, if it is one.
    pub(super) fn as_text(&self) -> Option<&'t str> {
        self.value.as_str()
    }

    /// The table; `what` says what it stands for, with its article.
    pub(super) fn table(&self, what: &str, report: &mut Report<'_>) -> Option<Section<'t>> {
        match self.value.as_table() {
            Some(table) => Some(Section { path: self.path.clone(), span: self.key.clone(), table }),
            None => self.expected(what, report),
        }
    }

    /// The table that it is, if it is one.
    pub(super) fn as_section(&self) -> Option<Section<'t>> {
        let table = self.value.as_table()?;
        Some(Section { path: self.path.clone(), span: self.key.clone(), table })
    }

    /// The elements of the array, each called after its index.
    pub(super) fn elements(&self, what: &str, report: &mut Report<'_>) -> Option<Vec<Field<'t>>> {
        match self.items() {
            Some(items) => Some(items),
            None => self.expected(what, report),
        }
    }

    /// The elements, if it is an array.
    pub(super) fn items(&self) -> Option<Vec<Field<'t>>> {
        let array: &'t DeArray<'t> = self.value.as_array()?;
        let element = |(at, value): (usize, &'t Spanned<DeValue<'t>>)| Field {
            path: format!("{}[{at}]", self.path),
            name: self.name,
            key: value.span(),
            span: value.span(),
            value: value.get_ref(),
        };
        Some(array.iter().enumerate().map(element).collect())
    }

    /// The number or truth value, if it is one that JSON has.
    pub(super) fn as_scalar(&self) -> Option<serde_json::Value> {
        if let Some(integer) = self.value.as_integer() {
            return i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Into::into);
        }
        if let Some(float) = self.value.as_float() {
            return serde_json::Number::from_f64(float.as_str().parse().ok()?).map(Into::into);
        }
        self.value.as_bool().map(Into::into)
    }

    /// True or false.
    pub(super) fn flag(&self, report: &mut Report<'_>) -> Option<bool> {
        match self.value.as_bool() {
            Some(flag) => Some(flag),
            None => self.expected("true or false", report),
        }
    }

    /// An integer within bounds.
    pub(super) fn integer(&self, bounds: RangeInclusive<i64>, report: &mut Report<'_>) -> Option<i64> {
        let what = format!("an integer from {} to {}", bounds.start(), bounds.end());
        let Some(integer) = self.value.as_integer() else { return self.expected(&what, report) };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if bounds.contains(&number) => Some(number),
            Ok(_) | Err(_) => self.refuse(format!("expected {what}, found {integer}"), report),
        }
    }

    /// A finite number that is not below a least one.
    pub(super) fn number(&self, least: f64, report: &mut Report<'_>) -> Option<f64> {
        let text = match (self.value.as_integer(), self.value.as_float()) {
            (Some(integer), _) if integer.radix() == 10 => integer.as_str(),
            (_, Some(float)) => float.as_str(),
            (_, None) => return self.expected(&format!("a number not below {least}"), report),
        };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= least => Some(number),
            Ok(_) | Err(_) => self.refuse(format!("expected a number not below {least}, found {text}"), report),
        }
    }

    /// A duration such as `"30m"`.
    pub(super) fn duration(&self, report: &mut Report<'_>) -> Option<Duration> {
        let text = self.text("a duration such as \"30m\"", report)?;
        parse_duration(text).map_or_else(|error| self.refuse(error, report), Some)
    }

    /// A duration longer than none.
    pub(super) fn positive_duration(&self, report: &mut Report<'_>) -> Option<Duration> {
        match self.duration(report)? {
            Duration::ZERO => self.refuse("expected a duration longer than 0s", report),
            duration => Some(duration),
        }
    }

    /// A number of bytes within bounds: an integer, or text such as `"1MiB"`.
    pub(super) fn bytes(&self, bounds: RangeInclusive<usize>, report: &mut Report<'_>) -> Option<usize> {
        let what = "a size such as \"1MiB\", \"64KiB\" or a number of bytes";
        let size = match (self.value.as_integer(), self.value.as_str()) {
            (Some(integer), _) => usize::from_str_radix(integer.as_str(), integer.radix()).ok(),
            (_, Some(text)) => match parse_size(text) {
                Some(size) => Some(size),
                None => return self.refuse(format!("`{text}` is not a size: expected {what}"), report),
            },
            (None, None) => return self.expected(what, report),
        };
        match size {
            Some(size) if bounds.contains(&size) => Some(size),
            Some(_) | None => {
                let (least, most) = (show_size(*bounds.start()), show_size(*bounds.end()));
                self.refuse(format!("expected a size from {least} to {most}"), report)
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)], report: &mut Report<'_>) -> Option<T> {
        let spelled: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let text = self.text(&listed(&spelled, '"'), report)?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Some(*meaning),
            None => self
                .refuse(format!("unknown value `{text}`: {}", hint(text, spelled.iter().copied(), &spelled)), report),
        }
    }
}

/// The word that was probably meant, or all that there are.
fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>, all: &[&str]) -> String {
    match nearest(word, candidates) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if all.is_empty() => "expected no keys here".to_owned(),
        None => format!("expected {}", listed(all, '`')),
    }
}

/// ``"a", "b" or "c"``, in quotes of that kind.
pub(super) fn listed(words: &[&str], quote: char) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{quote}{word}{quote}")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The units of a size, the largest first.
const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// A number of bytes such as `64KiB`, `1 MiB` or `512`.
fn parse_size(text: &str) -> Option<usize> {
    let (digits, unit) = UNITS
        .iter()
        .find_map(|(unit, bytes)| text.strip_suffix(unit).map(|digits| (digits.trim_end(), *bytes)))
        .unwrap_or((text, 1));
    // `usize` would read `+1` too.
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse::<usize>().ok().filter(|_| plain)?.checked_mul(unit)
}

/// A number of bytes in the largest unit that divides it.
fn show_size(bytes: usize) -> String {
    match UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_or_without_a_unit() {
        for (text, size) in [
            ("0", Some(0)),
            ("512", Some(512)),
            ("64KiB", Some(65_536)),
            ("1 MiB", Some(1_048_576)),
            ("2GiB", Some(2_147_483_648)),
            ("", None),
            ("MiB", None),
            ("+1", None),
            ("1MB", None),
            ("1.5MiB", None),
            ("-1", None),
            ("99999999999999GiB", None),
        ] {
            assert_eq!(parse_size(text), size, "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_in_the_unit_it_is_thought_of() {
        for (bytes, text) in [(1, "1 bytes"), (1_024, "1KiB"), (1_048_576, "1MiB"), (1_048_577, "1048577 bytes")] {
            assert_eq!(show_size(bytes), text);
        }
    }
}
