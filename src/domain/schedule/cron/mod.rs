//! Cron expressions: which local times they match.
//!
//! # The dialect
//! Five fields `minute hour day-of-month month day-of-week`, or six with the
//! second first, with spaces between; or one of `@hourly`, `@daily`, `@midnight`,
//! `@weekly`, `@monthly`, `@yearly`, `@annually`. A field is a list, with commas, of
//!
//! | item | where | meaning |
//! |---|---|---|
//! | `*`, `*/n` | everywhere | every value; every n-th from the lowest on |
//! | `a`, `a-b`, `a-b/n` | everywhere | a value; a range, upwards; every n-th of it |
//! | `JAN`…`DEC`, `SUN`…`SAT` | month, day of week | for a number, also in a range; case is ignored |
//! | `0`…`7` | day of week | 0 and 7 are Sunday |
//! | `?` | the two fields of days, alone | the same as `*` |
//! | `L`, `LW` | day of month | the last day; the last from Monday to Friday |
//! | `nW` | day of month | the day from Monday to Friday that is nearest to day n, in its month |
//! | `d#n`, `dL` (`d#L`) | day of week | the n-th or the last such weekday of the month |
//!
//! `*` and `?` stand alone. Where neither field of days is `*`, a day matches if
//! either does (Vixie); `*/2` and `1-31` are such restrictions.
//!
//! Refused, with what to write instead: years, `@reboot` and other macros, `H`,
//! `TZ=` and `CRON_TZ=`, ranges that wrap around (`22-2`, `FRI-MON`), steps from a
//! single value (`5/10`), steps longer than their field (`*/90`), empty items, `+`,
//! names where no name belongs, and `L` alone as a day of week.
//!
//! # Not here
//! Zones: every time here is local, as if no clock was ever changed. The parser of
//! the fields is croner's; nothing of its search is used.

mod memo;
mod text;
mod times;

use std::fmt;

use croner::parser::{CronParser, Seconds, Year};
use croner::time::Weekday;

use super::days::{DaySet, Days};
use times::Times;

pub use text::{CRON_BYTES_MAX, ParseCronError};

/// The seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Which local times match. Local times are seconds since 1970-01-01T00:00:00.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: Box<str>,
    days: Days,
    times: Times,
    follows_real_time: bool,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is not one of the dialect above.
    pub fn parse(text: &str) -> Result<Self, ParseCronError> {
        if let Some(known) = memo::recall(text) {
            return Ok(known);
        }
        let cron = Self::read(text)?;
        memo::remember(text, &cron);
        Ok(cron)
    }

    fn read(text: &str) -> Result<Self, ParseCronError> {
        let text = text::normalize(text)?;
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let parsed = parser.parse(&text).map_err(|error| ParseCronError::other(&text, &error.to_string()))?;
        let fields = &parsed.pattern;
        let times = Times {
            hours: u32::try_from(mask(&fields.hours.values())).unwrap_or_default(),
            minutes: mask(&fields.minutes.values()),
            seconds: mask(&fields.seconds.values()),
        };
        // Bit 0 of the months would be month 0.
        let months = u16::try_from(mask(&fields.months.values()) >> 1).unwrap_or_default();
        let follows_real_time = fields.minutes.from_wildcard || fields.hours.from_wildcard;
        Ok(Self { days: Days::new(months, layouts(&parsed)), times, follows_real_time, text: text.into() })
    }

    /// The expression in one spelling: numbers for names, one space, no macros.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it follows real time through a change of the clock, because there is
    /// a `*` or `*/n` in its minute or its hour.
    #[must_use]
    pub const fn follows_real_time(&self) -> bool {
        self.follows_real_time
    }

    /// Whether any day of any year matches.
    #[must_use]
    pub fn ever_matches(&self) -> bool {
        self.days.any()
    }

    pub(super) fn contains(&self, local: i64) -> bool {
        self.times.contains(local.rem_euclid(DAY)) && self.days.contains(local.div_euclid(DAY))
    }

    /// The first match in `from..to`.
    pub(super) fn first(&self, from: i64, to: i64) -> Option<i64> {
        if from >= to {
            return None;
        }
        let (day, last) = (from.div_euclid(DAY), (to - 1).div_euclid(DAY));
        let today = self.times.first(from.rem_euclid(DAY)).filter(|_| self.days.contains(day));
        let local = match today {
            Some(time) => day * DAY + time,
            None => self.days.first(day + 1, last)? * DAY + self.times.first(0)?,
        };
        Some(local).filter(|local| *local < to)
    }

    /// The last match in `from..to`.
    pub(super) fn last(&self, from: i64, to: i64) -> Option<i64> {
        if from >= to {
            return None;
        }
        let (first, day) = (from.div_euclid(DAY), (to - 1).div_euclid(DAY));
        let today = self.times.last((to - 1).rem_euclid(DAY)).filter(|_| self.days.contains(day));
        let local = match today {
            Some(time) => day * DAY + time,
            None => self.days.last(first, day - 1)? * DAY + self.times.last(DAY - 1)?,
        };
        Some(local).filter(|local| *local >= from)
    }

    /// How many matches there are in `from..to`.
    pub(super) fn count(&self, from: i64, to: i64) -> i64 {
        if from >= to {
            return 0;
        }
        let (first, last) = (from.div_euclid(DAY), to.div_euclid(DAY));
        let cut = |day, local: i64| {
            if self.days.contains(day) { self.times.count_before(local.rem_euclid(DAY)) } else { 0 }
        };
        self.days.count(first, last) * self.times.count_before(DAY) - cut(first, from) + cut(last, to)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron").field(&self.text).finish()
    }
}

/// The values of a field, a bit for each.
fn mask(values: &[u16]) -> u64 {
    values.iter().filter(|value| **value < 64).fold(0, |mask, value| mask | 1 << value)
}

/// The days of each kind of month that match.
fn layouts(cron: &croner::Cron) -> [[DaySet; 7]; 4] {
    // One month for each length: February, also of a leap year, April, January.
    const MONTHS: [(i32, u32, u32); 4] = [(2023, 2, 28), (2024, 2, 29), (2023, 4, 30), (2023, 1, 31)];
    let of = |(year, month, _)| [0, 1, 2, 3, 4, 5, 6].map(|start| layout(cron, year, month, start));
    if cron.pattern.days.has_modifiers() || cron.pattern.days_of_week.has_modifiers() {
        return MONTHS.map(of);
    }
    // Nothing asks for the end of the month: a shorter one is the begin of the longest.
    let longest = of(MONTHS[3]);
    MONTHS.map(|(_, _, length)| longest.map(|days| days & (DaySet::MAX >> (32 - length))))
}

/// The days that match of a month that starts on this weekday, from 0 = Sunday.
fn layout(cron: &croner::Cron, year: i32, month: u32, start: u32) -> DaySet {
    let matches = |day: &u32| {
        let weekday = Weekday::from_days_from_sunday(start + day - 1);
        // A day that the month does not have is an error to it.
        cron.pattern.day_match(year, month, *day, weekday).unwrap_or(false)
    };
    (1..=31).filter(matches).fold(0, |days, day| days | 1 << (day - 1))
}

#[cfg(test)]
mod tests;
