//! `[housekeeping]` and `[retention]`.
//!
//! An expression has five fields, or six with a second before them, in UTC:
//! `second minute hour day month weekday`. A field is `*`, a number, a range
//! (`1-5`), a list (`1,15`) or any of these with a step (`*/10`); months and
//! weekdays also go by their names (`JAN`, `MON`), and Sunday is 0 or 7. `L` is the last day of the
//! month (`5L` its last Friday), `15W` the working day next to the 15th, `FRI#2` the
//! second Friday. Where both a day and a weekday are named, both must agree.
//! An expression that no time fits is refused.

use super::error::Report;
use super::section::{Field, Keys, Section};
use crate::domain::retention::Retention;

/// When the service keeps its house: cron expressions in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Housekeeping {
    /// When jobs are forgotten that were kept for as long as they are to be.
    pub retention: String,
    /// When the change log is trimmed.
    pub log: String,
    /// When every resource is looked at, whether or not there is anything to do.
    pub sweep: String,
}

impl Default for Housekeeping {
    fn default() -> Self {
        Self { retention: "*/10 * * * *".to_owned(), log: "5 * * * *".to_owned(), sweep: "17 3 * * *".to_owned() }
    }
}

/// The most finished jobs of an activity that can be kept: its list is made of
/// them, and each can be a megabyte.
pub const PER_ACTIVITY_MAX: i64 = 10_000;

/// What says whether a cron expression is one, and if not, why: the parser of
/// who will run it.
pub type JudgeCron<'j> = dyn Fn(&str) -> Result<(), String> + 'j;

const HOUSEKEEPING: Keys = Keys { known: &["retention", "log", "sweep"], later: &["backup"] };
const RETENTION: Keys = Keys { known: &["jobs", "ticks", "log"], later: &[] };
const JOBS: Keys = Keys { known: &["succeeded", "failed", "per_activity"], later: &[] };

const CRON: &str = "a cron expression such as \"*/10 * * * *\"";

pub(super) fn housekeeping(root: &Section<'_>, judge: &JudgeCron<'_>, report: &mut Report<'_>) -> Housekeeping {
    let mut times = Housekeeping::default();
    let Some(section) = root.table("housekeeping", report) else { return times };
    section.check_keys(HOUSEKEEPING, report);
    let mut read = |name, time: &mut String| {
        if let Some(cron) = section.get(name).and_then(|field| cron(&field, judge, report)) {
            *time = cron;
        }
    };
    read("retention", &mut times.retention);
    read("log", &mut times.log);
    read("sweep", &mut times.sweep);
    times
}

fn cron(field: &Field<'_>, judge: &JudgeCron<'_>, report: &mut Report<'_>) -> Option<String> {
    let text = field.text(CRON, report)?;
    match judge(text) {
        Ok(()) => Some(text.to_owned()),
        Err(why) => field.refuse(format!("`{text}` is not a cron expression: {why}"), report),
    }
}

pub(super) fn retention(root: &Section<'_>, report: &mut Report<'_>) -> Retention {
    let mut retention = Retention::default();
    let Some(section) = root.table("retention", report) else { return retention };
    section.check_keys(RETENTION, report);
    if let Some(ticks) = section.get("ticks").and_then(|field| field.duration(report)) {
        retention.ticks = ticks;
    }
    if let Some(log) = section.get("log").and_then(|field| field.duration(report)) {
        retention.log = log;
    }
    let Some(jobs) = section.table("jobs", report) else { return retention };
    jobs.check_keys(JOBS, report);
    if let Some(age) = jobs.get("succeeded").and_then(|field| field.duration(report)) {
        retention.succeeded = age;
    }
    if let Some(age) = jobs.get("failed").and_then(|field| field.duration(report)) {
        retention.failed = age;
    }
    let most = jobs.get("per_activity").and_then(|field| field.integer(1..=PER_ACTIVITY_MAX, report));
    if let Some(most) = most.and_then(|most| usize::try_from(most).ok()) {
        retention.per_activity = most;
    }
    retention
}
