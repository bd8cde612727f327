//! Where the local times of a cron expression lie on the line of instants.
//!
//! A zone is a row of stretches with a constant offset. In each, local times are
//! instants plus the offset, so that everything is arithmetic; what a change of the
//! clock repeats or leaves out lies at the start of a stretch. Instants and local
//! times are in seconds.

use super::cron::Cron;
use super::zone::{Stretch, Zone};
use super::{Dst, Fold, Gap};

/// Further than any two local times differ at one instant, with the largest change
/// of a clock on top.
const APART: i64 = 3 * 86_400;

/// How far the next tick is looked for: 29 February on a given weekday can be 40
/// years away, when a century without a leap day lies between.
pub(super) const HORIZON: i64 = 50 * 366 * 86_400;

/// A tick, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) at: i64,
    pub(super) runs: bool,
}

/// The ticks of an expression in a zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct CronTicks<'a> {
    pub(super) cron: &'a Cron,
    pub(super) zone: &'a Zone,
    pub(super) dst: Dst,
}

impl CronTicks<'_> {
    /// The first tick in `from..to`, no further than the horizon.
    pub(super) fn first(&self, from: i64, to: i64) -> Option<Second> {
        let to = to.min(from.saturating_add(HORIZON));
        let mut at = from;
        while at < to && self.cron.ever_matches() {
            let stretch = self.zone.stretch(at);
            let end = stretch.to.map_or(to, |change| change.min(to));
            if let Some(tick) = self.first_of(&stretch, at, end) {
                return Some(tick);
            }
            // Nothing matches up to a time that no zone can bring nearer than this.
            let local = end + stretch.offset;
            let match_at = self.cron.first(local - APART, to + stretch.offset + APART)?;
            at = end.max(match_at - stretch.offset - APART);
        }
        None
    }

    /// The last tick in `from..to`.
    pub(super) fn last(&self, from: i64, to: i64) -> Option<Second> {
        let mut end = to;
        while from < end && self.cron.ever_matches() {
            let stretch = self.zone.stretch(end - 1);
            let start = stretch.from.map_or(from, |change| change.max(from));
            if let Some(tick) = self.last_of(&stretch, start, end) {
                return Some(tick);
            }
            let local = start + stretch.offset;
            let match_at = self.cron.last(from + stretch.offset - APART, local + APART)?;
            end = start.min(match_at - stretch.offset + APART + 1);
        }
        None
    }

    /// How many ticks there are in `from..to`.
    pub(super) fn count(&self, from: i64, to: i64) -> i64 {
        let mut count = 0;
        let mut at = from;
        while at < to && self.cron.ever_matches() {
            let stretch = self.zone.stretch(at);
            let end = stretch.to.map_or(to, |change| change.min(to));
            let real = self.real(&stretch, at, end);
            count += self.cron.count(real.0, real.1);
            // Where a real tick is, too, it stands for both.
            let of_gap = self.of_gap(&stretch, at).filter(|tick| !self.cron.contains(tick.at + stretch.offset));
            count += i64::from(of_gap.is_some());
            at = end;
        }
        count
    }

    /// The local times that count, of the instants `from..to` of a stretch.
    fn real(&self, stretch: &Stretch, from: i64, to: i64) -> (i64, i64) {
        let repeated = match (self.dst.overlap, stretch.from) {
            (Fold::First, Some(change)) if !self.cron.follows_real_time() => change + stretch.before,
            (Fold::First | Fold::Both, Some(_) | None) => i64::MIN,
        };
        ((from + stretch.offset).max(repeated), to + stretch.offset)
    }

    /// The tick at an instant for times that the clock left out there: only where
    /// the stretch starts with it can there be any.
    fn of_gap(&self, stretch: &Stretch, at: i64) -> Option<Second> {
        if stretch.from != Some(at) || self.cron.follows_real_time() {
            return None;
        }
        self.cron.first(at + stretch.before, at + stretch.offset)?;
        Some(Second { at, runs: self.dst.gap == Gap::Shift })
    }

    /// The first tick of a stretch, in `from..to`.
    fn first_of(&self, stretch: &Stretch, from: i64, to: i64) -> Option<Second> {
        let real = self.real(stretch, from, to);
        let real = self.cron.first(real.0, real.1).map(|local| Second { at: local - stretch.offset, runs: true });
        let of_gap = self.of_gap(stretch, from);
        of_gap.filter(|tick| real.is_none_or(|real| tick.at < real.at)).or(real)
    }

    /// The last tick of a stretch, in `from..to`.
    fn last_of(&self, stretch: &Stretch, from: i64, to: i64) -> Option<Second> {
        let real = self.real(stretch, from, to);
        let real = self.cron.last(real.0, real.1).map(|local| Second { at: local - stretch.offset, runs: true });
        real.or_else(|| self.of_gap(stretch, from))
    }
}
