//! Whether a schedule ever ticks.
//!
//! None costs too much to evaluate: a search for the next tick ends at the
//! [`HORIZON`](super::ticks::HORIZON), with a few steps for each change of the clock
//! until then, and months without a matching day cost one look each.

use super::super::time::Timestamp;
use super::{Refusal, Schedule, Start, Timing};

/// What [`Schedule::feasible`] says.
pub(super) fn judge(schedule: &Schedule, now: Timestamp) -> Result<(), Refusal> {
    let refuse = |path: &str, detail: String| Err(Refusal { path: path.to_owned(), detail });
    if let Timing::Cron(cron) = &schedule.timing
        && !cron.ever_matches()
    {
        return refuse("/cron", format!("`{cron}` never comes: none of these months has such a day"));
    }
    if ticks(schedule, now) {
        return Ok(());
    }
    if let Some(end) = schedule.end {
        if end <= now {
            return refuse("/end", format!("{end} has passed: nothing is due any more"));
        }
        if let Some(Start::At(start)) = schedule.start
            && end < start
        {
            return refuse("/end", format!("{end} is before the start, {start}: nothing is ever due"));
        }
        let endless = Schedule { end: None, ..schedule.clone() };
        if let Some(next) = endless.calendar(now).next(from(schedule, now)) {
            return refuse("/end", format!("{end} is before the first time, {}: nothing is ever due", next.at));
        }
    }
    match &schedule.timing {
        Timing::At(instants) if instants.iter().all(|at| *at <= now) => {
            refuse("/at", format!("nothing of it is after now, {now}: name an instant to come"))
        }
        Timing::At(_) => refuse("/start", "it is after everything in `at`: nothing is ever due".to_owned()),
        Timing::Every(_) => refuse("/every", "it is so long that nothing is ever due".to_owned()),
        Timing::Cron(_) if schedule.start.is_some() && ticks(&Schedule { start: None, ..schedule.clone() }, now) => {
            refuse("/start", "it is so late that nothing is ever due".to_owned())
        }
        Timing::Cron(cron) => {
            let zone = schedule.timezone.name();
            refuse("/cron", format!("`{cron}` never comes in {zone}: the clock leaves these times out"))
        }
    }
}

fn ticks(schedule: &Schedule, now: Timestamp) -> bool {
    schedule.calendar(now).next(from(schedule, now)).is_some()
}

/// After which instant its first tick can lie: `"start": "now"` counts now itself.
fn from(schedule: &Schedule, now: Timestamp) -> Timestamp {
    match schedule.start {
        Some(Start::Now) => Timestamp::from_millis(now.as_millis().saturating_sub(1)),
        Some(Start::At(_)) | None => now,
    }
}
