//! Reads a schedule as documents say it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::super::job::clip;
use super::super::json;
use super::super::near::did_you_mean;
use super::super::schema::VIOLATIONS_MAX;
use super::super::time::{Timestamp, friendly, parse_duration};
use super::{
    Cron, Dst, EVERY_MIN, Fold, Gap, INSTANTS_MAX, JITTER_MAX, Missed, Refusal, Schedule, Start, Timing, Zone,
};

/// The members of a schedule.
const MEMBERS: [&str; 11] =
    ["cron", "every", "at", "timezone", "start", "end", "limit", "jitter", "missed", "deadline", "dst"];
/// Those of which there is exactly one.
const TIMINGS: [&str; 3] = ["cron", "every", "at"];
const DST_MEMBERS: [&str; 2] = ["gap", "overlap"];

/// What [`Schedule::parse`] says.
pub(super) fn schedule(value: &Value) -> Result<Schedule, Vec<Refusal>> {
    let mut reader = Reader::default();
    let Value::Object(members) = value else {
        reader.refuse(&[], format!("expected an object with `cron`, `every` or `at`, not {}", json::kind(value)));
        return Err(reader.refusals);
    };
    reader.known(members, &[], &MEMBERS, "a schedule");
    let timing = reader.timing(members);
    let timezone = reader.timezone(members);
    let start = reader.start(members);
    let end = members.get("end").and_then(|end| reader.instant(&["end"], end));
    let limit = reader.limit(members);
    let jitter = reader.jitter(members);
    let missed = reader.word(members, &["missed"], &Missed::ALL, Missed::as_str);
    let deadline = reader.duration(members, "deadline", Duration::from_millis(1), Duration::MAX);
    let dst = reader.dst(members);
    match timing {
        Some(timing) if reader.refusals.is_empty() => Ok(Schedule {
            timing,
            timezone,
            start,
            end,
            limit,
            jitter,
            missed: missed.unwrap_or_default(),
            deadline,
            dst,
        }),
        Some(_) | None => Err(reader.refusals),
    }
}

#[derive(Default)]
struct Reader {
    refusals: Vec<Refusal>,
}

impl Reader {
    fn refuse(&mut self, path: &[&str], detail: String) {
        if self.refusals.len() < VIOLATIONS_MAX {
            self.refusals.push(Refusal { path: json::pointer(path), detail });
        }
    }

    /// Refuses the members that are not known.
    fn known(&mut self, members: &Map<String, Value>, path: &[&str], known: &[&str], what: &str) {
        let unknown = members.keys().filter(|member| !known.contains(&member.as_str()));
        for member in unknown.take(VIOLATIONS_MAX) {
            let shown = clip(member, 64);
            let hint = did_you_mean(&shown, known.iter().copied());
            let list = list(known);
            self.refuse(&[path, &[member]].concat(), format!("{what} has no member `{shown}`, only {list}{hint}"));
        }
    }

    fn timing(&mut self, members: &Map<String, Value>) -> Option<Timing> {
        let named: Vec<(&str, &Value)> =
            TIMINGS.into_iter().filter_map(|name| Some((name, members.get(name)?))).collect();
        match named.as_slice() {
            [] => self.refuse(&[], format!("a schedule needs one of {}", list(&TIMINGS))),
            [_] => {}
            several => {
                let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
                self.refuse(&[], format!("a schedule has one of {}, not {} at once", list(&TIMINGS), list(&names)));
            }
        }
        let mut timing = None;
        for (name, value) in named {
            timing = match name {
                "cron" => self.cron(value).map(Timing::Cron),
                "every" => self.duration(members, "every", EVERY_MIN, Duration::MAX).map(Timing::Every),
                _ => self.at(value).map(Timing::At),
            };
        }
        timing
    }

    fn cron(&mut self, value: &Value) -> Option<Cron> {
        let Value::String(text) = value else {
            self.refuse(&["cron"], format!("expected a text such as `0 3 * * *`, not {}", json::kind(value)));
            return None;
        };
        Cron::parse(text).map_err(|error| self.refuse(&["cron"], error.to_string())).ok()
    }

    fn at(&mut self, value: &Value) -> Option<Vec<Timestamp>> {
        let mut instants = match value {
            Value::Array(list) if list.is_empty() || list.len() > INSTANTS_MAX => {
                self.refuse(&["at"], format!("expected from 1 to {INSTANTS_MAX} instants, not {}", list.len()));
                return None;
            }
            Value::Array(list) => {
                let read = |(place, value): (usize, &Value)| self.instant(&["at", &place.to_string()], value);
                let read: Vec<Option<Timestamp>> = list.iter().enumerate().map(read).collect();
                read.into_iter().collect::<Option<Vec<Timestamp>>>()?
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                vec![self.instant(&["at"], value)?]
            }
        };
        instants.sort_unstable();
        instants.dedup();
        Some(instants)
    }

    fn instant(&mut self, path: &[&str], value: &Value) -> Option<Timestamp> {
        let detail = match value {
            Value::String(text) => match text.parse::<Timestamp>() {
                Ok(instant) => return Some(instant),
                Err(_) if text.parse::<jiff::civil::DateTime>().is_ok() => {
                    let text = clip(text, 64);
                    format!("`{text}` does not say which instant it is: end it with an offset such as +01:00, or Z")
                }
                Err(_) => format!("`{}` is not an instant: expected one such as 2026-11-21T10:00:00Z", clip(text, 64)),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                format!("expected an instant such as 2026-11-21T10:00:00Z, not {}", json::kind(value))
            }
        };
        self.refuse(path, detail);
        None
    }

    fn timezone(&mut self, members: &Map<String, Value>) -> Zone {
        let found = match members.get("timezone") {
            None => return Zone::utc(),
            Some(Value::String(name)) => Zone::find(name),
            Some(other) => {
                Err(format!("expected the name of a zone, such as Europe/Berlin, not {}", json::kind(other)))
            }
        };
        found.unwrap_or_else(|detail| {
            self.refuse(&["timezone"], detail);
            Zone::utc()
        })
    }

    fn start(&mut self, members: &Map<String, Value>) -> Option<Start> {
        let value = members.get("start")?;
        if value == "now" {
            return Some(Start::Now);
        }
        self.instant(&["start"], value).map(Start::At)
    }

    fn limit(&mut self, members: &Map<String, Value>) -> Option<u64> {
        let value = members.get("limit")?;
        let limit = json::whole_number(value).filter(|limit| *limit >= 1);
        if limit.is_none() {
            self.refuse(&["limit"], "expected a whole number of launches, at least 1".to_owned());
        }
        limit
    }

    fn jitter(&mut self, members: &Map<String, Value>) -> Duration {
        self.duration(members, "jitter", Duration::ZERO, JITTER_MAX).unwrap_or_default()
    }

    /// Reads a member that is a length of time between two others.
    fn duration(&mut self, members: &Map<String, Value>, name: &str, min: Duration, max: Duration) -> Option<Duration> {
        let value = members.get(name)?;
        let detail = match value.as_str().map(|text| (text, parse_duration(text))) {
            Some((_, Ok(duration))) if duration.subsec_nanos() % 1_000_000 != 0 => {
                "expected whole milliseconds".to_owned()
            }
            Some((_, Ok(duration))) if duration < min => format!("expected at least {}", friendly(min)),
            Some((_, Ok(duration))) if duration > max => format!("expected at most {}", friendly(max)),
            Some((_, Ok(duration))) => return Some(duration),
            Some((text, Err(_))) => format!(
                "`{}` is not a length of time: expected one such as 10s, 1h 30m or PT10M; a day is 24 hours",
                clip(text, 64)
            ),
            None => format!("expected a length of time such as 10s, 1h 30m or PT10M, not {}", json::kind(value)),
        };
        self.refuse(&[name], detail);
        None
    }

    /// Reads the member at the end of `path` of `members`, one of a few words.
    fn word<T: Copy>(
        &mut self,
        members: &Map<String, Value>,
        path: &[&str],
        words: &[T],
        spell: fn(T) -> &'static str,
    ) -> Option<T> {
        let value = members.get(*path.last()?)?;
        let found = value.as_str().and_then(|text| words.iter().copied().find(|word| spell(*word) == text));
        if found.is_none() {
            let spelled: Vec<&str> = words.iter().map(|word| spell(*word)).collect();
            let came =
                value.as_str().map_or_else(|| json::kind(value).to_owned(), |text| format!("`{}`", clip(text, 64)));
            self.refuse(path, format!("expected one of {}, not {came}", list(&spelled)));
        }
        found
    }

    fn dst(&mut self, members: &Map<String, Value>) -> Dst {
        match members.get("dst") {
            None => Dst::default(),
            Some(Value::Object(dst)) => {
                self.known(dst, &["dst"], &DST_MEMBERS, "`dst`");
                let gap = self.word(dst, &["dst", "gap"], &Gap::ALL, Gap::as_str);
                let overlap = self.word(dst, &["dst", "overlap"], &Fold::ALL, Fold::as_str);
                Dst { gap: gap.unwrap_or_default(), overlap: overlap.unwrap_or_default() }
            }
            Some(other) => {
                self.refuse(&["dst"], format!("expected an object, not {}", json::kind(other)));
                Dst::default()
            }
        }
    }
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
