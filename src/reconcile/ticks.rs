//! What becomes of the ticks whose time has come.
//!
//! # Guarantees
//! Outcomes are given in the order of the ticks, each tick one, and the cursor
//! moves with them. How many ticks passed is computed, not enumerated: a
//! century of missed seconds costs what one does.

use std::time::Duration;

use super::scheduled::{OffReason, OffTime, Scheduled};
use super::state::ActiveJob;
use crate::domain::activity::Overlap;
use crate::domain::job::{JobPhase, StartRule};
use crate::domain::moment::Past;
use crate::domain::schedule::{Calendar, Missed, Schedule, Tick};
use crate::domain::tick::{SkipReason, SkippedRun};
use crate::domain::time::Timestamp;

/// How many ticks that were missed are caught up with under `missed: all`.
pub const CATCH_UP_MAX: u64 = 1000;

/// How late a tick may be looked at before it counts as missed, where the
/// service was there all the time: much longer than a storm of ticks takes.
const LATE: Duration = Duration::from_secs(60);

/// By how much the clock must be behind what it showed before for that to be said.
pub(super) const BEHIND: Duration = Duration::from_secs(60);

/// How long it is shown at least that ticks were not looked at in time: a
/// schedule of seconds would take it away before anybody saw it.
const OFF_SHOWN: Duration = Duration::from_secs(3600);

/// What is decided now of the ticks of an activity.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The outcomes, in the order of the ticks.
    pub outcomes: Vec<TickVerdict>,
    /// The first tick that has no outcome yet.
    pub next: Option<Timestamp>,
    /// When it is looked at; nothing while something else has to happen first.
    pub due: Option<Timestamp>,
    /// The last tick that is caught up with.
    pub backlog_until: Option<Timestamp>,
    /// That ticks were not looked at in time.
    pub off: Option<OffTime>,
    /// That the collection is out of service.
    pub retired: bool,
}

impl Verdict {
    /// Nothing is decided, and nothing is another than it was.
    pub(super) const fn unchanged(status: &Scheduled) -> Self {
        let Scheduled { next, due, backlog_until, off, retired, .. } = *status;
        Self { outcomes: Vec::new(), next, due, backlog_until, off, retired }
    }
}

/// What is decided of one tick, or of a run of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickVerdict {
    /// A job is launched.
    Launch {
        /// The tick.
        tick: Timestamp,
        /// How its start waits for the jobs that are there.
        start: StartRule,
        /// Whether those are cancelled first.
        replaces: bool,
    },
    /// It is skipped.
    Skip {
        /// The first of them.
        from: Timestamp,
        /// The others, and why.
        run: SkippedRun,
    },
}

/// Whether ticks may launch jobs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// They may.
    Open,
    /// They are skipped.
    Shut(SkipReason),
    /// They are skipped, and so is what comes until they may again: nobody
    /// looks at them meanwhile.
    Retired,
    /// They wait until something is mended.
    Held,
}

/// Everything that the outcome of a tick depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks<'a> {
    pub schedule: &'a Schedule,
    pub status: &'a Scheduled,
    /// The unfinished jobs of the activity that somebody triggered.
    pub active: &'a [ActiveJob],
    /// For how many jobs more there is room.
    pub room: usize,
    pub overlap: Overlap,
    pub gate: Gate,
    pub now: Timestamp,
    pub past: Past,
    /// Whether what is in its jitter is decided at once: the schedule may be
    /// another one in a moment.
    pub closing: bool,
    pub uid: &'a [u8],
    pub activity: &'a str,
}

impl Ticks<'_> {
    /// What is to be decided now; nothing if that changes nothing.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        let waits = self.status.due.is_some_and(|due| self.now < due);
        let behind = self.behind();
        if waits && !self.closing && self.gate == Gate::Open && behind == self.status.off.is_some_and(is_backward) {
            return None;
        }
        let mut pass = Pass::new(self);
        if self.status.retired || self.gate == Gate::Retired {
            pass.skip_until(self.now, SkipReason::Suspended);
        }
        match self.gate {
            Gate::Open => pass.decide(),
            Gate::Shut(reason) => pass.skip_until(self.now, reason),
            Gate::Retired | Gate::Held => {}
        }
        let verdict = pass.end();
        (verdict != Verdict::unchanged(self.status)).then_some(verdict)
    }

    fn calendar(&self) -> Calendar<'_> {
        self.schedule.calendar(self.status.anchor)
    }

    fn due(&self, tick: Timestamp) -> Timestamp {
        tick.after(self.schedule.delay(self.status.anchor, self.uid, self.activity, tick))
    }

    /// Whether the clock shows so much less than it did that ticks come later.
    fn behind(&self) -> bool {
        self.now.since(self.past.wall) > BEHIND
    }

    /// Up to which instant ticks that have no outcome were missed.
    fn missed_until(&self) -> Timestamp {
        let late = self.now.before(LATE);
        let start = self.past.since.previous();
        let leap = self.past.leap.map_or(start, |leap| leap.to);
        late.max(start).max(leap).min(self.now)
    }
}

fn is_backward(off: OffTime) -> bool {
    off.reason == OffReason::ClockBackward
}

/// One look at the ticks, on its way from the cursor to now.
struct Pass<'a> {
    ticks: &'a Ticks<'a>,
    calendar: Calendar<'a>,
    cursor: Timestamp,
    launches: u64,
    launched_now: usize,
    /// Whether the tick after the cursor has to wait for something else.
    waits: bool,
    backlog_until: Option<Timestamp>,
    off: Option<OffTime>,
    outcomes: Vec<TickVerdict>,
}

impl<'a> Pass<'a> {
    fn new(ticks: &'a Ticks<'a>) -> Self {
        Self {
            ticks,
            calendar: ticks.calendar(),
            cursor: ticks.status.cursor,
            launches: ticks.status.launches,
            launched_now: 0,
            waits: false,
            backlog_until: ticks.status.backlog_until,
            off: ticks.status.off,
            outcomes: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.ticks.schedule.limit.is_some_and(|limit| self.launches >= limit)
    }

    fn end(mut self) -> Verdict {
        let next = if self.is_over() { None } else { self.calendar.next(self.cursor).map(|tick| tick.at) };
        let waited_for = next.filter(|_| self.ticks.gate == Gate::Open && !self.waits);
        if self.ticks.behind() && waited_for.is_some() {
            let now = self.ticks.now;
            let same = self.off.filter(|off| is_backward(*off));
            let back = OffTime {
                reason: OffReason::ClockBackward,
                since: now,
                from: self.ticks.past.wall,
                until: now,
                count: 0,
            };
            self.off = Some(same.unwrap_or(back));
        } else if self.off.is_some_and(is_backward) {
            self.off = None;
        }
        Verdict {
            outcomes: self.outcomes,
            next,
            due: waited_for.map(|tick| self.ticks.due(tick)),
            backlog_until: self
                .backlog_until
                .filter(|until| self.cursor < *until && next.is_some_and(|at| at <= *until)),
            off: self.off,
            retired: self.ticks.gate == Gate::Retired,
        }
    }

    /// The newest tick whose time has come, its jitter included.
    fn newest(&self) -> Option<Timestamp> {
        let newest = self.calendar.last(self.cursor, self.ticks.now)?.at;
        if self.ticks.closing || self.ticks.due(newest) <= self.ticks.now {
            return Some(newest);
        }
        self.calendar.last(self.cursor, newest.previous()).map(|tick| tick.at)
    }

    fn decide(&mut self) {
        if self.is_over() {
            return;
        }
        let Some(until) = self.newest() else { return };
        let missed_until = self.ticks.missed_until();
        match self.ticks.schedule.missed {
            Missed::Latest => self.newest_of(until, None),
            Missed::Skip => self.newest_of(until, Some(missed_until)),
            Missed::All => self.all(until, missed_until),
        }
    }

    /// Lets the newest tick run and skips those before it: all of them where
    /// the newest, too, is none after `missed_until`.
    fn newest_of(&mut self, until: Timestamp, missed_until: Option<Timestamp>) {
        let mut newest = self.calendar.last(self.cursor, until);
        // A tick that only says that its time does not exist is no newest one.
        let mut gaps = Vec::new();
        while let Some(gap) = newest.filter(|tick| !tick.runs) {
            gaps.push(gap.at);
            newest = self.calendar.last(self.cursor, gap.at.previous());
        }
        if let Some(tick) = newest {
            self.miss(tick.at.previous());
            if self.expired().is_some_and(|expired| tick.at <= expired) {
                self.note_missed(Some(tick), tick.at, 1);
                self.skip_until(tick.at, SkipReason::Deadline);
            } else if missed_until.is_some_and(|missed| self.ticks.due(tick.at) <= missed) {
                self.miss(tick.at);
            } else {
                self.on_time(tick);
            }
        }
        for gap in gaps.into_iter().rev() {
            self.skip_until(gap, SkipReason::DstGap);
        }
    }

    /// Up to which instant ticks are older than their deadline.
    fn expired(&self) -> Option<Timestamp> {
        let deadline = self.ticks.schedule.deadline?;
        Some(self.ticks.now.before(deadline).previous())
    }

    /// Lets what was missed run in its order, and what comes behind it as it comes.
    fn all(&mut self, until: Timestamp, missed_until: Timestamp) {
        if self.backlog_until.is_none()
            && let Some(last) = self.calendar.last(self.cursor, missed_until.min(until))
        {
            self.note_missed(self.calendar.next(self.cursor), last.at, self.missed(last.at));
            self.backlog_until = Some(last.at);
        }
        if let Some(backlog_until) = self.backlog_until {
            if let Some(oldest) = self.calendar.nth_last(self.cursor, backlog_until, CATCH_UP_MAX + 1) {
                self.skip_until(oldest.at, SkipReason::CatchUp);
            }
            if let Some(expired) = self.expired() {
                self.skip_until(expired.min(backlog_until), SkipReason::Deadline);
            }
            self.catch_up(backlog_until);
            if self.waits || self.is_over() {
                return;
            }
            // What came while the backlog ran met its jobs.
            self.behind_backlog(until);
        } else {
            while let Some(tick) = self.pending(until) {
                self.on_time(tick);
            }
        }
    }

    /// Runs the backlog, one after another; side by side where that is allowed.
    fn catch_up(&mut self, backlog_until: Timestamp) {
        while let Some(tick) = self.pending(backlog_until) {
            let fits = match self.ticks.overlap {
                Overlap::Allow => self.launched_now < self.ticks.room,
                Overlap::Forbid | Overlap::Queue | Overlap::Replace => {
                    self.ticks.active.is_empty() && self.launched_now == 0
                }
            };
            if !tick.runs {
                self.skip_until(tick.at, SkipReason::DstGap);
            } else if fits {
                self.launch(tick.at, false);
            } else {
                self.waits = true;
                return;
            }
        }
    }

    /// Decides what came while the backlog ran, however much that is.
    fn behind_backlog(&mut self, until: Timestamp) {
        if let Some(expired) = self.expired() {
            self.skip_until(expired.min(until), SkipReason::Deadline);
        }
        while let Some(tick) = self.pending(until) {
            if self.ticks.overlap != Overlap::Allow && self.launched_now > 0 {
                // The job of this very look is neither joined nor replaced.
                return self.skip_until(until, SkipReason::Overlap);
            }
            let launched = self.launched_now;
            self.on_time(tick);
            if tick.runs && self.launched_now == launched {
                // Where this one finds no room, none of the others does.
                return self.skip_until(until, SkipReason::Overlap);
            }
        }
    }

    /// The first tick without an outcome, if its time has come.
    fn pending(&self, until: Timestamp) -> Option<Tick> {
        if self.is_over() {
            return None;
        }
        self.calendar.next(self.cursor).filter(|tick| tick.at <= until)
    }

    /// Decides a tick that was looked at in time, by what else is active.
    fn on_time(&mut self, tick: Tick) {
        let late = self.ticks.due(tick.at) <= self.ticks.missed_until();
        if !late && self.off.is_some_and(|off| off.since.after(OFF_SHOWN) <= self.ticks.now) {
            self.off = None;
        }
        if !tick.runs {
            self.skip_until(tick.at, SkipReason::DstGap);
            return;
        }
        if self.expired().is_some_and(|expired| tick.at <= expired) {
            self.skip_until(tick.at, SkipReason::Deadline);
            return;
        }
        let active = self.ticks.active;
        let busy = !active.is_empty() || self.launched_now > 0;
        let waits = active.iter().any(|job| job.phase == JobPhase::Queued) || self.launched_now > 0;
        let runs = match self.ticks.overlap {
            Overlap::Allow | Overlap::Replace => true,
            Overlap::Forbid => !busy,
            Overlap::Queue => !waits,
        };
        if runs && self.launched_now < self.ticks.room {
            self.launch(tick.at, self.ticks.overlap == Overlap::Replace);
        } else {
            self.skip_until(tick.at, SkipReason::Overlap);
        }
    }

    fn launch(&mut self, tick: Timestamp, replaces: bool) {
        let start = self.ticks.overlap.start_rule();
        self.outcomes.push(TickVerdict::Launch { tick, start, replaces });
        self.launches += 1;
        self.launched_now += 1;
        self.cursor = tick;
    }

    /// How many ticks there are from the cursor to an instant.
    fn missed(&self, until: Timestamp) -> u64 {
        self.calendar.count(self.cursor, until)
    }

    /// Skips ticks as missed, and those that the clock was set past as such.
    fn miss(&mut self, until: Timestamp) {
        let count = self.missed(until);
        if count == 0 {
            return;
        }
        self.note_missed(self.calendar.next(self.cursor), until, count);
        if let Some(leap) = self.ticks.past.leap {
            self.skip_until(leap.from.min(until), SkipReason::Missed);
            self.skip_until(leap.to.min(until), SkipReason::Clock);
        }
        self.skip_until(until, SkipReason::Missed);
    }

    /// Notes that ticks up to an instant were not looked at in time. A tick or
    /// two that came in one look are no event.
    fn note_missed(&mut self, first: Option<Tick>, until: Timestamp, count: u64) {
        let (Some(first), since) = (first, self.ticks.now) else { return };
        if first.at > self.ticks.missed_until() {
            return;
        }
        let until = self.calendar.last(self.cursor, until).map_or(first.at, |tick| tick.at);
        let leapt = self.ticks.past.leap.is_some_and(|leap| leap.from < until && first.at <= leap.to);
        let reason = if leapt { OffReason::ClockForward } else { OffReason::TicksMissed };
        // What this look has found already is a part of it.
        let found = self.off.filter(|off| off.since == since && off.reason == reason);
        let (from, before) = found.map_or((first.at, 0), |found| (found.from, found.count));
        self.off = Some(OffTime { reason, since, from, until, count: before.saturating_add(count) });
    }

    /// Skips every tick from the cursor to an instant, that one included.
    fn skip_until(&mut self, until: Timestamp, reason: SkipReason) {
        let count = self.missed(until);
        let (Some(first), Some(last)) = (self.calendar.next(self.cursor), self.calendar.last(self.cursor, until))
        else {
            return;
        };
        if count == 0 || self.is_over() {
            return;
        }
        let run = SkippedRun { reason, until: last.at, count };
        self.outcomes.push(TickVerdict::Skip { from: first.at, run });
        self.cursor = last.at;
    }
}
