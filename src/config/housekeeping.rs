//! `[housekeeping]` and `[retention]`.
//!
//! An expression has five fields, or six with a second before them, in UTC:
//! `second minute hour day month weekday`. A field is `*`, a number, a range
//! (`1-5`), a list (`1,15`) or any of these with a step (`*/10`); months and
//! weekdays also go by their names (`JAN`, `MON`), and Sunday is 0 or 7. `L` is the last day of the
//! month (`5L` its last Friday), `15W` the working day next to the 15th, `FRI#2` the
//! second Friday. Where both a day and a weekday are named, both must agree.
//! An expression that no time fits is refused.
//!
//! Backups are made at the times of `backup`, if there are any, and kept where
//! `backups` says.

use std::path::{Path, PathBuf};

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
    /// When a backup is made, if ever.
    pub backup: Option<String>,
    /// What becomes of backups.
    pub backups: Backups,
}

impl Default for Housekeeping {
    fn default() -> Self {
        Self {
            retention: "*/10 * * * *".to_owned(),
            log: "5 * * * *".to_owned(),
            sweep: "17 3 * * *".to_owned(),
            backup: None,
            backups: Backups::default(),
        }
    }
}

/// What becomes of the backups that the service makes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backups {
    /// The folder that they are in.
    pub folder: PathBuf,
    /// How many are kept, the newest ones, from 1.
    pub keep: usize,
}

impl Default for Backups {
    fn default() -> Self {
        Self { folder: PathBuf::from("backups"), keep: 7 }
    }
}

/// The most backups that can be kept: their folder is read after each.
pub const BACKUPS_KEPT_MAX: i64 = 10_000;

/// The most finished jobs of an activity that can be kept: its list is made of
/// them, and each can be a megabyte.
pub const PER_ACTIVITY_MAX: i64 = 10_000;

/// What says whether a cron expression is one, and if not, why: the parser of
/// who will run it.
pub type JudgeCron<'j> = dyn Fn(&str) -> Result<(), String> + 'j;

const HOUSEKEEPING: Keys = Keys { known: &["retention", "log", "sweep", "backup", "backups"], later: &[] };
const BACKUPS: Keys = Keys { known: &["folder", "keep"], later: &[] };
const RETENTION: Keys = Keys { known: &["jobs", "ticks", "log"], later: &[] };
const JOBS: Keys = Keys { known: &["succeeded", "failed", "per_activity"], later: &[] };

const FOLDER: &str = "a folder such as \"backups\"";

const CRON: &str = "a cron expression such as \"*/10 * * * *\"";

pub(super) fn housekeeping(
    root: &Section<'_>,
    base: &Path,
    judge: &JudgeCron<'_>,
    report: &mut Report<'_>,
) -> Housekeeping {
    let mut times = Housekeeping::default();
    times.backups.folder = base.join(&times.backups.folder);
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
    times.backup = section.get("backup").and_then(|field| cron(&field, judge, report));
    if let Some(field) = section.get("backups") {
        if section.get("backup").is_none() {
            report.error(
                &field.span,
                "`backups` says where backups are kept: expected `backup`, too, which says when they are made",
            );
        }
        backups(&field, base, &mut times.backups, report);
    }
    times
}

fn backups(field: &Field<'_>, base: &Path, backups: &mut Backups, report: &mut Report<'_>) {
    let Some(section) = field.table("a table such as { folder = \"backups\", keep = 7 }", report) else { return };
    section.check_keys(BACKUPS, report);
    if let Some(field) = section.get("folder")
        && let Some(text) = field.text(FOLDER, report)
    {
        if text.is_empty() {
            field.refuse::<()>(format!("expected {FOLDER}, found an empty text"), report);
        }
        backups.folder = base.join(text).components().collect();
    }
    let keep = section.get("keep").and_then(|field| field.integer(1..=BACKUPS_KEPT_MAX, report));
    if let Some(keep) = keep.and_then(|keep| usize::try_from(keep).ok()) {
        backups.keep = keep;
    }
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
