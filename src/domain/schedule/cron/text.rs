//! What a cron expression can be made of, and one spelling for it.

use std::ops::RangeInclusive;

use super::super::super::job::clip;
use super::super::super::near::did_you_mean;

/// The longest expression, in bytes: more than twice what naming every minute takes.
pub const CRON_BYTES_MAX: usize = 1024;

/// A text that is not a cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseCronError(String);

impl ParseCronError {
    /// What the parser found that we did not.
    pub(super) fn other(text: &str, why: &str) -> Self {
        Self(format!("`{}` is not a cron expression: {why}", clip(text, 128)))
    }
}

const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A field: what it is called, and what it can hold.
struct Field {
    name: &'static str,
    values: RangeInclusive<u16>,
    /// Words for numbers, the lowest value first.
    names: &'static [&'static str],
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Plain,
    DayOfMonth,
    DayOfWeek,
}

const FIELDS: [Field; 6] = [
    Field { name: "second", values: 0..=59, names: &[], kind: Kind::Plain },
    Field { name: "minute", values: 0..=59, names: &[], kind: Kind::Plain },
    Field { name: "hour", values: 0..=23, names: &[], kind: Kind::Plain },
    Field { name: "day of month", values: 1..=31, names: &[], kind: Kind::DayOfMonth },
    Field { name: "month", values: 1..=12, names: &MONTHS, kind: Kind::Plain },
    Field { name: "day of week", values: 0..=7, names: &WEEKDAYS, kind: Kind::DayOfWeek },
];

/// The expression in one spelling: no macros, numbers for names, one space.
pub(super) fn normalize(text: &str) -> Result<String, ParseCronError> {
    let refuse = |why: String| Err(ParseCronError(why));
    if text.len() > CRON_BYTES_MAX {
        return refuse(format!("expected a cron expression of at most {CRON_BYTES_MAX} bytes, not {}", text.len()));
    }
    let text = text.trim_ascii();
    if text.starts_with('@') {
        let found = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        return found.map(|(_, meaning)| (*meaning).to_owned()).ok_or_else(|| unknown_macro(text));
    }
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    if let Some(zone) = parts.iter().find_map(|part| part.split_once("TZ=").map(|(_, zone)| zone)) {
        let zone = clip(zone, 64);
        return refuse(format!("a cron expression names no zone: use the member `timezone`, such as `{zone}`"));
    }
    let fields = match parts.len() {
        5 => FIELDS.get(1..).unwrap_or_default(),
        6 => FIELDS.as_slice(),
        0 => return refuse("expected a cron expression such as `0 3 * * *`, not an empty text".to_owned()),
        7 => {
            return refuse(
                "years are not supported: expected 5 fields, or 6 with seconds first; `end` says when it ends"
                    .to_owned(),
            );
        }
        n => {
            return refuse(format!(
                "expected 5 fields (minute, hour, day of month, month, day of week), or 6 with seconds first, not {n}"
            ));
        }
    };
    let read: Result<Vec<String>, String> = fields.iter().zip(parts).map(|(field, part)| field.read(part)).collect();
    read.map(|fields| fields.join(" ")).map_err(ParseCronError)
}

fn unknown_macro(text: &str) -> ParseCronError {
    let names = MACROS.map(|(name, _)| name);
    let lower = text.to_ascii_lowercase();
    ParseCronError(match lower.as_str() {
        "@reboot" => "`@reboot` is no time: name one; a new `trigger` asks for a job at once".to_owned(),
        lower if lower.starts_with("@every") => {
            let length = clip(lower.trim_start_matches("@every").trim_ascii(), 64);
            format!("`@every` is not a cron expression: use the member `every`, such as `{length}`")
        }
        lower => {
            let hint = did_you_mean(lower, names);
            format!("there is no `{}`, only {}{hint}", clip(text, 64), names.map(|name| format!("`{name}`")).join(", "))
        }
    })
}

impl Field {
    fn read(&self, text: &str) -> Result<String, String> {
        let text = text.to_ascii_uppercase();
        if text == "*" || text == "?" && self.kind != Kind::Plain {
            return Ok("*".to_owned());
        }
        let items: Vec<String> = text.split(',').map(|item| self.item(item)).collect::<Result<_, _>>()?;
        if items.iter().any(|item| item == "L") && items.iter().any(|item| item == "LW") {
            return Err(self.refuse(&text, "expected `L` or `LW`, not both"));
        }
        Ok(items.join(","))
    }

    fn refuse(&self, item: &str, why: &str) -> String {
        format!("`{}` in the field of the {}: {why}", clip(item, 64), self.name)
    }

    /// One item of the list, with numbers for names.
    fn item(&self, item: &str) -> Result<String, String> {
        let refuse = |why: &str| Err(self.refuse(item, why));
        if item.is_empty() {
            return refuse("expected a value on each side of a comma");
        }
        if let Some(special) = self.special(item)? {
            return Ok(special);
        }
        if item == "*" {
            return refuse("`*` stands alone in its field");
        }
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let step = step.map(|step| self.step(item, step)).transpose()?;
        let stepped = |range: String| step.map_or_else(|| range.clone(), |step| format!("{range}/{step}"));
        if range == "*" {
            return Ok(stepped(range.to_owned()));
        }
        let Some((low, high)) = range.split_once('-') else {
            let value = self.value(item, range)?;
            return match step {
                None => Ok(value.to_string()),
                Some(step) => {
                    let all = *self.values.end();
                    refuse(&format!("a step needs a range: write `{value}-{all}/{step}` or `*/{step}`"))
                }
            };
        };
        let (low, mut high) = (self.value(item, low)?, self.value(item, high)?);
        if self.kind == Kind::DayOfWeek && high == 0 && low > 0 {
            high = 7;
        }
        if low > high {
            let (least, most) = match self.kind {
                Kind::DayOfWeek => (0, 6),
                Kind::Plain | Kind::DayOfMonth => (*self.values.start(), *self.values.end()),
            };
            return refuse(&format!("a range goes upwards: write `{low}-{most},{least}-{high}`"));
        }
        Ok(stepped(format!("{low}-{high}")))
    }

    /// An item with `L`, `W` or `#`, or what we know that others have.
    fn special(&self, item: &str) -> Result<Option<String>, String> {
        let refuse = |why: &str| Err(self.refuse(item, why));
        match self.kind {
            Kind::DayOfMonth if item == "L" || item == "LW" => return Ok(Some(item.to_owned())),
            Kind::DayOfMonth => {
                if let Some(day) = item.strip_suffix('W') {
                    return Ok(Some(format!("{}W", self.value(item, day)?)));
                }
            }
            Kind::DayOfWeek if item == "L" => return refuse("say which weekday: the last Friday is `5L`"),
            Kind::DayOfWeek => {
                if let Some((day, nth)) = item.split_once('#') {
                    let day = self.value(item, day)?;
                    return match nth {
                        "1" | "2" | "3" | "4" | "5" => Ok(Some(format!("{day}#{nth}"))),
                        "L" => Ok(Some(format!("{day}L"))),
                        _ => refuse("expected a number from 1 to 5, or `L`, after `#`"),
                    };
                }
                if let Some(day) = item.strip_suffix('L') {
                    return Ok(Some(format!("{}L", self.value(item, day)?)));
                }
            }
            Kind::Plain => {}
        }
        match item.as_bytes() {
            [b'H'] | [b'H', b'/' | b'(', ..] => {
                refuse("`H` is not supported: name a time, and use `jitter` to spread launches")
            }
            [b'+', ..] => refuse("`+` is not supported: where both fields of days are restricted, either matches"),
            _ => Ok(None),
        }
    }

    fn step(&self, item: &str, step: &str) -> Result<u16, String> {
        let most = self.values.end();
        match number(step) {
            Some(step) if (1..=*most).contains(&step) => Ok(step),
            Some(_) => {
                let why = format!("expected a step from 1 to {most}; `every` has intervals of any length");
                Err(self.refuse(item, &why))
            }
            None => Err(self.refuse(item, "expected a number after `/`")),
        }
    }

    fn value(&self, item: &str, text: &str) -> Result<u16, String> {
        let (least, most) = (self.values.start(), self.values.end());
        if let Some(place) = self.names.iter().position(|name| *name == text) {
            return Ok(least + u16::try_from(place).unwrap_or_default());
        }
        match number(text) {
            Some(value) if self.values.contains(&value) => Ok(value),
            Some(_) | None => {
                let or = match self.names {
                    [first, .., last] => format!(", or a name from {first} to {last}"),
                    [_] | [] => String::new(),
                };
                Err(self.refuse(item, &format!("expected a number from {least} to {most}{or}")))
            }
        }
    }
}

/// A number of digits alone.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
