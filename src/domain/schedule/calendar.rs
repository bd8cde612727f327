//! The ticks of a schedule, as a set of instants.

use super::super::time::Timestamp;
use super::ticks::{CronTicks, Second};
use super::{Schedule, Start, Timing};

/// The ticks of a schedule that was committed at an instant, its anchor.
///
/// What lies before the anchor is left to the caller, who knows from where on it
/// asks; only `"start": "now"` begins there.
#[derive(Debug, Clone, Copy)]
pub struct Calendar<'a> {
    schedule: &'a Schedule,
    anchor: Timestamp,
}

/// A nominal instant of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The instant.
    pub at: Timestamp,
    /// False where it stands for a time that does not exist on its day, and is to be skipped.
    pub runs: bool,
}

impl Tick {
    const fn at_millis(millis: i64) -> Self {
        Self { at: Timestamp::from_millis(millis), runs: true }
    }
}

impl From<Second> for Tick {
    fn from(tick: Second) -> Self {
        Self { at: Timestamp::from_millis(tick.at.saturating_mul(1000)), runs: tick.runs }
    }
}

/// The last instant that there is.
const END: Timestamp = Timestamp::from_millis(i64::MAX);

impl<'a> Calendar<'a> {
    pub(super) const fn new(schedule: &'a Schedule, anchor: Timestamp) -> Self {
        Self { schedule, anchor }
    }

    /// The first tick after an instant. Further away than any that a calendar of
    /// cron can leave without a tick, none is looked for.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Tick> {
        let span = self.span(after, END)?;
        match &self.schedule.timing {
            Timing::Cron(cron) => self.cron(cron).first(ceil(span.from), ceil(span.to)).map(Tick::from),
            Timing::Every(_) => {
                let grid = self.grid()?;
                Some(grid.at(grid.below(span.from))).filter(|at| *at < span.to).map(Tick::at_millis)
            }
            Timing::At(instants) => listed(instants, span).first().map(|at| Tick { at: *at, runs: true }),
        }
    }

    /// The newest tick after `after`, and at `until` at the latest.
    #[must_use]
    pub fn last(&self, after: Timestamp, until: Timestamp) -> Option<Tick> {
        let span = self.span(after, until)?;
        match &self.schedule.timing {
            Timing::Cron(cron) => self.cron(cron).last(ceil(span.from), ceil(span.to)).map(Tick::from),
            Timing::Every(_) => {
                let grid = self.grid()?;
                let newest = grid.below(span.to) - 1;
                (newest >= grid.below(span.from)).then(|| Tick::at_millis(grid.at(newest)))
            }
            Timing::At(instants) => listed(instants, span).last().map(|at| Tick { at: *at, runs: true }),
        }
    }

    /// How many ticks there are after `after`, and at `until` at the latest.
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let Some(span) = self.span(after, until) else { return 0 };
        let count = match &self.schedule.timing {
            Timing::Cron(cron) => self.cron(cron).count(ceil(span.from), ceil(span.to)),
            Timing::Every(_) => self.grid().map_or(0, |grid| grid.below(span.to) - grid.below(span.from)),
            Timing::At(instants) => return listed(instants, span).len() as u64,
        };
        u64::try_from(count).unwrap_or(0)
    }

    /// Whether it ticks at this instant.
    #[must_use]
    pub fn contains(&self, instant: Timestamp) -> bool {
        let before = Timestamp::from_millis(instant.as_millis().saturating_sub(1));
        self.last(before, instant).is_some()
    }

    /// The n-th newest tick after `after`, and at `until` at the latest: the first is the newest.
    #[must_use]
    pub fn nth_last(&self, after: Timestamp, until: Timestamp, n: u64) -> Option<Tick> {
        let enough = |from: i64| self.count(Timestamp::from_millis(from), until) >= n;
        let (least, most) = (after.as_millis(), until.as_millis());
        if n == 0 || !enough(least) {
            return None;
        }
        // After `low` there are enough, after `high` too few: first near `until`, then wider.
        let (mut low, mut high) = (least, most);
        let mut width = 1000;
        while high - width > low {
            if enough(high - width) {
                low = high - width;
            } else {
                high -= width;
                width *= 4;
            }
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if enough(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.last(Timestamp::from_millis(low), Timestamp::from_millis(high))
    }

    /// What of the instants after `after`, up to `until`, it can tick at.
    fn span(&self, after: Timestamp, until: Timestamp) -> Option<Span> {
        let from = after.as_millis() + 1;
        let from = match self.schedule.start {
            Some(Start::Now) => from.max(self.anchor.as_millis()),
            Some(Start::At(start)) => from.max(start.as_millis()),
            None => from,
        };
        let to = self.schedule.end.map_or(until, |end| end.min(until)).as_millis() + 1;
        (from < to).then_some(Span { from, to })
    }

    fn cron(&self, cron: &'a super::Cron) -> CronTicks<'a> {
        CronTicks { cron, zone: &self.schedule.timezone, dst: self.schedule.dst }
    }

    /// The grid of `every`.
    fn grid(&self) -> Option<Grid> {
        let Timing::Every(interval) = &self.schedule.timing else { return None };
        let step = i64::try_from(interval.as_millis()).ok()?.max(1);
        let (base, least) = match self.schedule.start {
            Some(Start::At(start)) => (start, 0),
            Some(Start::Now) => (self.anchor, 0),
            None => (self.anchor, 1),
        };
        Some(Grid { base: base.as_millis(), step, least })
    }
}

/// Instants from `from` on, before `to`, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: i64,
    to: i64,
}

/// The first whole second that is not before an instant of so many milliseconds.
const fn ceil(millis: i64) -> i64 {
    (millis + 999).div_euclid(1000)
}

fn listed(instants: &[Timestamp], span: Span) -> &[Timestamp] {
    let before = |limit: i64| instants.partition_point(|at| at.as_millis() < limit);
    instants.get(before(span.from)..before(span.to)).unwrap_or_default()
}

/// Instants at even distances.
struct Grid {
    base: i64,
    step: i64,
    /// The number of the first of them.
    least: i64,
}

impl Grid {
    /// The number of the first one that is not before an instant.
    fn below(&self, millis: i64) -> i64 {
        let from_base = millis - self.base;
        (from_base.div_euclid(self.step) + i64::from(from_base.rem_euclid(self.step) > 0)).max(self.least)
    }

    const fn at(&self, number: i64) -> i64 {
        self.base.saturating_add(number.saturating_mul(self.step))
    }
}
