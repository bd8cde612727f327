//! Sentences about schedules.

use serde_json::{Value, json};

use super::*;

mod clock_changes;
mod lists;
mod oracle;
mod properties;
mod reading;
mod shown;

/// A schedule that is read without refusal.
fn schedule(value: Value) -> Schedule {
    Schedule::parse(&value).unwrap_or_else(|refusals| panic!("{value}: {refusals:?}"))
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The first so many ticks after an instant, as `2026-03-29T01:00:00Z`, with `!` where it does not run.
fn ticks(schedule: &Schedule, anchor: Timestamp, after: Timestamp, n: usize) -> Vec<String> {
    let calendar = schedule.calendar(anchor);
    let ticks = std::iter::successors(calendar.next(after), |tick| calendar.next(tick.at));
    let shown = ticks.take(n).map(|tick| {
        let at = tick.at.to_string().replace(".000Z", "Z");
        if tick.runs { at } else { at + "!" }
    });
    shown.collect()
}
