//! What is known of the schedule of an activity: which ticks are decided, and which is next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::id::JobId;
use crate::domain::tick::{SkipReason, SkippedRun, TickOutcome};
use crate::domain::time::Timestamp;

/// The ticks that a status names beside the next one: those that launched a job last.
pub const PREVIOUS_MAX: usize = 10;

/// How far the ticks of an activity are decided.
///
/// It outlives the schedule that it was made for: no tick at or before the
/// cursor is ever decided again, whatever is written into the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scheduled {
    /// The schedule that the document has, in its canonical form: also where
    /// the document, or how it is read, is another one by now, the ticks of
    /// this one are accounted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Value>,
    /// The instant that the schedule counts from where it names none itself.
    pub anchor: Timestamp,
    /// Every tick at or before it has its outcome. It never moves back.
    pub cursor: Timestamp,
    /// The first tick after the cursor; nothing where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// When that tick is looked at: at its time, and a jitter later. Nothing
    /// while it is not waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// How many ticks launched a job since the document has this schedule.
    #[serde(default)]
    pub launches: u64,
    /// The last tick of those that were missed and are caught up with, one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog_until: Option<Timestamp>,
    /// How many ticks of the activity launched a job.
    #[serde(default)]
    pub launched: u64,
    /// How many were skipped, by why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<SkipReason, u64>,
    /// The newest ticks that launched a job, at most [`PREVIOUS_MAX`], the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<Timestamp>,
    /// The run of skipped ticks that ends at the cursor, which the next one may join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<(Timestamp, SkippedRun)>,
    /// That ticks were not looked at in time, until one is an hour later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<OffTime>,
    /// That its collection was out of service when it was looked at last: what
    /// came until it is looked at again is skipped, and not missed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
}

/// That ticks were not looked at in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffTime {
    /// Why.
    pub reason: OffReason,
    /// When that was seen.
    pub since: Timestamp,
    /// The first instant that it is about.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
    /// How many ticks it is about.
    pub count: u64,
}

/// Why ticks were not looked at in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OffReason {
    /// Nobody looked: the service or the machine stood still.
    TicksMissed,
    /// The clock was set forward past them.
    ClockForward,
    /// The clock was set back: what was decided already is not decided again.
    ClockBackward,
}

impl OffReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TicksMissed => "TicksMissed",
            Self::ClockForward => "ClockForward",
            Self::ClockBackward => "ClockBackward",
        }
    }
}

impl Scheduled {
    /// Nothing is decided but that no tick up to `cursor` is.
    pub(super) const fn new(anchor: Timestamp, cursor: Timestamp) -> Self {
        Self {
            schedule: None,
            anchor,
            cursor,
            next: None,
            due: None,
            launches: 0,
            backlog_until: None,
            launched: 0,
            skipped: BTreeMap::new(),
            previous: Vec::new(),
            run: None,
            off: None,
            retired: false,
        }
    }

    /// Counts a tick that launched a job, and gives its row of the ledger.
    pub(super) fn launch(&mut self, tick: Timestamp, job: JobId) -> (Timestamp, TickOutcome) {
        self.launches += 1;
        self.launched += 1;
        self.previous.push(tick);
        let surplus = self.previous.len().saturating_sub(PREVIOUS_MAX);
        self.previous.drain(..surplus);
        self.run = None;
        self.cursor = self.cursor.max(tick);
        (tick, TickOutcome::Launched { job })
    }

    /// Counts a run of ticks that were skipped, and gives its row of the
    /// ledger: a new one, or that of the run before with these in it.
    pub(super) fn skip(&mut self, from: Timestamp, skipped: SkippedRun) -> (Timestamp, TickOutcome) {
        *self.skipped.entry(skipped.reason).or_default() += skipped.count;
        let (from, run) = match self.run {
            Some((first, run)) if run.reason == skipped.reason => {
                (first, SkippedRun { until: skipped.until, count: run.count + skipped.count, ..run })
            }
            Some(_) | None => (from, skipped),
        };
        self.run = Some((from, run));
        self.cursor = self.cursor.max(run.until);
        (from, TickOutcome::Skipped(run))
    }
}
