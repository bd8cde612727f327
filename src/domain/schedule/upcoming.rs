//! The next ticks, as people read them.

use super::super::time::Timestamp;
use super::{Cron, Fold, Gap, Schedule, Timing, Zone};

/// A tick to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcoming {
    /// The instant.
    pub at: Timestamp,
    /// The local time (RFC 9557), such as `2026-03-29T03:00:00+02:00[Europe/Berlin]`.
    pub local: String,
    /// What a change of the clock does to it.
    pub note: Option<String>,
}

/// The first `n` ticks after an instant, without jitter.
#[must_use]
pub fn upcoming(schedule: &Schedule, anchor: Timestamp, after: Timestamp, n: usize) -> Vec<Upcoming> {
    let calendar = schedule.calendar(anchor);
    let ticks = std::iter::successors(calendar.next(after), |tick| calendar.next(tick.at));
    let show = |at: Timestamp| Upcoming {
        at,
        local: local(&schedule.timezone, at),
        note: match &schedule.timing {
            Timing::Cron(cron) => note(schedule, cron, at.second()),
            Timing::Every(_) | Timing::At(_) => None,
        },
    };
    ticks.take(n).map(|tick| show(tick.at)).collect()
}

fn local(zone: &Zone, at: Timestamp) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::MAX);
    instant.to_zoned(zone.rules().clone()).to_string()
}

/// What a change of the clock does to a tick.
fn note(schedule: &Schedule, cron: &Cron, at: i64) -> Option<String> {
    let stretch = schedule.timezone.stretch(at);
    let local = at + stretch.offset;
    let [now, _] = spell(local)?;
    if stretch.from == Some(at)
        && !cron.follows_real_time()
        && let Some(missing) = cron.first(at + stretch.before, local)
    {
        let more = cron.count(missing, local) - 1;
        let [time, day] = spell(missing)?;
        let subject = match more {
            0 => format!("{time} does not exist on {day}: it"),
            more => format!("{time} and {more} more do not exist on {day}: they"),
        };
        let s = if more == 0 { "s" } else { "" };
        return Some(match (schedule.dst.gap, cron.contains(local)) {
            (Gap::Shift, false) if more == 0 => format!("{subject} comes at the first instant after the gap"),
            (Gap::Shift, false) => format!("{subject} come at the first instant after the gap, once"),
            (Gap::Shift, true) => format!("{subject} fall{s} together with {now}"),
            (Gap::Skip, _) if more == 0 => format!("{subject} is skipped"),
            (Gap::Skip, _) => format!("{subject} are skipped"),
        });
    }
    if stretch.from.is_some_and(|change| local < change + stretch.before) {
        return Some(format!("{now} comes twice on this day: this is the second"));
    }
    let end = stretch.to?;
    let after = schedule.timezone.stretch(end);
    if end + after.offset <= local {
        let counts = cron.follows_real_time() || schedule.dst.overlap == Fold::Both;
        let other = if counts { "" } else { ", and the only one that counts" };
        return Some(format!("{now} comes twice on this day: this is the first{other}"));
    }
    None
}

/// A local time in words: the time of the day, and the day.
fn spell(local: i64) -> Option<[String; 2]> {
    let local = jiff::Timestamp::from_second(local).ok()?;
    let local = jiff::tz::TimeZone::UTC.to_datetime(local);
    let form = if local.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    Some([local.strftime(form).to_string(), local.strftime("%Y-%m-%d").to_string()])
}
