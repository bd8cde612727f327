//! What is shown of the schedule of an activity.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Condition, ConditionKind, Holds};
use crate::domain::activity::{Activity, Standing};
use crate::domain::catalog::Catalog;
use crate::domain::id::ActivityName;
use crate::domain::schedule::{self, Upcoming};
use crate::domain::tick::SkipReason;
use crate::domain::time::Timestamp;
use crate::reconcile::scheduled::{OffReason, OffTime};
use crate::reconcile::state::{ActivityStatus, ResourceState};

/// The ticks to come that a status names.
const UPCOMING_MAX: usize = 5;

/// The ticks of an activity that has a schedule, or had one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScheduleStatus")]
pub(super) struct Recurring<'a> {
    /// The next tick, without its jitter; null where none is waited for.
    next: Option<Timestamp>,
    /// The next ticks, the next one first.
    upcoming: Vec<Timestamp>,
    /// The same ticks, as clocks in the schedule's zone show them.
    upcoming_local: Vec<LocalTime>,
    /// The newest ticks that launched a job, the oldest first.
    previous: &'a [Timestamp],
    /// How many ticks there were.
    ticks: Totals<'a>,
}

/// A tick, as clocks in the schedule's zone show it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LocalTime {
    /// RFC 9557: with the offset and the name of the zone.
    time: String,
    /// What the zone's clocks do to it, if anything.
    note: Option<String>,
}

impl LocalTime {
    /// That of a tick.
    #[must_use]
    pub fn of(tick: &Upcoming) -> Self {
        Self { time: tick.local.clone(), note: tick.note.clone() }
    }
}

/// How many ticks there were, by what became of them.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TickTotals")]
struct Totals<'a> {
    launched: u64,
    /// By the reason.
    skipped: &'a BTreeMap<SkipReason, u64>,
}

impl<'a> Recurring<'a> {
    /// Nothing of an activity that never had a schedule.
    pub(super) fn of(status: &'a ActivityStatus, wanted: Option<&Activity>) -> Option<Self> {
        static NONE: BTreeMap<SkipReason, u64> = BTreeMap::new();
        let scheduled = status.schedule.as_ref();
        if scheduled.is_none() && wanted.is_none_or(|activity| activity.schedule.is_none()) {
            return None;
        }
        let upcoming = ticks_to_come(status, wanted);
        Some(Self {
            next: upcoming.first().map(|tick| tick.at),
            upcoming: upcoming.iter().map(|tick| tick.at).collect(),
            upcoming_local: upcoming.iter().map(LocalTime::of).collect(),
            previous: scheduled.map_or(&[], |scheduled| &scheduled.previous),
            ticks: Totals {
                launched: scheduled.map_or(0, |scheduled| scheduled.launched),
                skipped: scheduled.map_or(&NONE, |scheduled| &scheduled.skipped),
            },
        })
    }
}

/// The ticks to come of an activity of a resource, at most five, as far as
/// they are waited for.
#[must_use]
pub fn upcoming(state: &ResourceState, activity: &ActivityName, catalog: &Catalog) -> Vec<Upcoming> {
    let wanted = state.wanted(activity, catalog).activity();
    state.status(activity).map_or_else(Vec::new, |status| ticks_to_come(status, wanted.as_ref()))
}

fn ticks_to_come(status: &ActivityStatus, wanted: Option<&Activity>) -> Vec<Upcoming> {
    let stands = wanted.filter(|activity| activity.standing == Standing::Active);
    let schedule = stands.and_then(|activity| activity.schedule.as_ref());
    let scheduled = status.schedule.as_ref().filter(|scheduled| scheduled.next.is_some());
    let (Some(schedule), Some(scheduled)) = (schedule, scheduled) else { return Vec::new() };
    let left = schedule.limit.map(|limit| limit.saturating_sub(scheduled.launches));
    let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(UPCOMING_MAX);
    schedule::upcoming(schedule, scheduled.anchor, scheduled.cursor, UPCOMING_MAX.min(left))
}

/// That ticks of an activity were not looked at in time, and why.
pub(super) fn off_time(activity: &ActivityName, off: &OffTime) -> Condition {
    let OffTime { from, until, count, .. } = off;
    let many = if *count == 1 { "1 tick".to_owned() } else { format!("{count} ticks") };
    let message = match off.reason {
        OffReason::TicksMissed => {
            format!(
                "{many} of `{activity}` from {from} to {until} fell due while nobody looked; `missed` says what became of them"
            )
        }
        OffReason::ClockForward => {
            format!(
                "the clock was set forward past {many} of `{activity}` from {from} to {until}; `missed` says what became of them"
            )
        }
        OffReason::ClockBackward => {
            format!(
                "the clock was set back from {until} to {from}; `{activity}` goes on once it has caught up, and no tick comes twice"
            )
        }
    };
    Condition {
        kind: ConditionKind::OnTime,
        status: Holds::False,
        reason: off.reason.as_str(),
        message: Cow::Owned(message),
        since: off.since,
    }
}
