//! How old what was committed is: the change log itself has no times.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The most marks that are kept: an age is known to a part of it, and a mark is
/// small.
const MARKS_MAX: usize = 64;

/// How far the log had come at some times, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marks(Vec<Mark>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark(Timestamp, u64);

impl Marks {
    /// Notes that `newest` was the newest revision at `now`; the newest revision
    /// that is known to be as old as that, 0 if there is none.
    pub fn note(&mut self, now: Timestamp, newest: u64, age: Duration) -> u64 {
        // A clock that was set back makes nothing younger than it is.
        self.0.iter_mut().for_each(|mark| mark.0 = mark.0.min(now));
        let then = now.before(age);
        let old = self.0.iter().rposition(|mark| mark.0 <= then);
        self.0.drain(..old.unwrap_or_default());
        // To keep a mark is a commit, too: it is no reason for the next one.
        if self.0.last().is_none_or(|last| last.1.saturating_add(1) < newest) {
            self.0.push(Mark(now, newest));
        }
        if self.0.len() > MARKS_MAX {
            self.thin();
        }
        old.and_then(|_| self.0.first()).map_or(0, |mark| mark.1)
    }

    /// How far the log had come when it was last noted; 0 if it never was.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.0.last().map_or(0, |mark| mark.1)
    }

    /// Every other one is enough, but for the first and the last.
    fn thin(&mut self) {
        let last = self.0.len() - 1;
        let mut index = 0;
        self.0.retain(|_| {
            index += 1;
            index % 2 == 1 || index - 1 == last
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(hour: u32) -> Timestamp {
        Timestamp::EPOCH.after(HOUR * hour)
    }

    #[test]
    fn what_was_there_at_a_mark_is_at_least_as_old_as_it() {
        let mut marks = Marks::default();
        let day = HOUR * 24;
        assert_eq!(marks.note(at(0), 10, day), 0);
        assert_eq!(marks.note(at(12), 20, day), 0);
        assert_eq!(marks.note(at(23), 30, day), 0);
        assert_eq!(marks.note(at(24), 40, day), 10);
        assert_eq!(marks.note(at(35), 50, day), 10);
        assert_eq!(marks.note(at(47), 60, day), 30);
        // Nothing was committed for long: all of it is old.
        assert_eq!(marks.note(at(1000), 60, day), 60);
        assert_eq!(marks.0.len(), 1);
    }

    #[test]
    fn there_are_never_many_and_what_is_said_of_the_age_is_true_all_the_same() {
        let mut marks = Marks::default();
        let week = HOUR * 24 * 7;
        for hour in 0..10_000_u32 {
            let old = marks.note(at(hour), u64::from(hour), week);
            assert!(marks.0.len() <= MARKS_MAX);
            let true_age = u64::from(hour).saturating_sub(168);
            assert!(old <= true_age, "at {hour}: {old}");
            // Not by much more than a part of the age is kept for too long.
            assert!(true_age - old < 24, "at {hour}: {old}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_forgets_nothing_too_early() {
        let mut marks = Marks::default();
        marks.note(at(100), 10, HOUR);
        assert_eq!(marks.note(at(50), 20, HOUR), 0);
        assert_eq!(marks.note(at(51), 30, HOUR), 20);
    }
}
