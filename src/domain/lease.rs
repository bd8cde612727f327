//! How long an attempt is believed to be under way whose work is done outside.
//!
//! # Guarantees
//! A period that is over is over for good: no sign of life that comes later
//! begins it again. But none ends because nobody could look: where the service
//! was down, or the wall clock was set, it is given once more in full.
//! # Not here
//! What follows from its end ([`crate::reconcile`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::job::{Attempt, Job, Remote};
use super::moment::Past;
use super::operation::Operation;
use super::time::Timestamp;

/// How often a sign of life is recorded at most, unless it says more than that:
/// whoever reports with each frame keeps the disk no busier.
pub const RENEWED_EVERY: Duration = Duration::from_secs(1);

/// Which part of a lease may be over before a sign of life is recorded in any
/// case, so that who reports in time never loses it.
const UNRECORDED_PART: u32 = 4;

/// A time by the wall clock in which something is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
}

/// How it stands with a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Running,
    /// It is over.
    Over,
    /// It would be over, or last too long, for no fault of whom it was given
    /// to: this one takes its place.
    Anew(Period),
}

impl Period {
    /// So long from there on.
    #[must_use]
    pub fn lasting(from: Timestamp, length: Duration) -> Self {
        Self { from, until: from.after(length) }
    }

    /// How it stands, given how time went.
    #[must_use]
    pub fn judge(self, past: &Past) -> Verdict {
        let length = self.until.since(self.from);
        // The clock was set back behind its beginning: how long ago that was nobody knows.
        if past.wall < self.from {
            return Verdict::Anew(Self::lasting(past.wall, length));
        }
        if past.wall < self.until {
            return Verdict::Running;
        }
        let leapt = past.leap.filter(|leap| self.from <= leap.from).map(|leap| leap.to);
        let looked = Some(past.since).filter(|since| self.from < *since);
        let anew = leapt.max(looked).map(|from| Self::lasting(from, length));
        match anew {
            Some(anew) if past.wall < anew.until => Verdict::Anew(anew),
            Some(_) | None => Verdict::Over,
        }
    }
}

impl Remote {
    /// The time that the last sign of life holds; nothing where none is needed.
    #[must_use]
    pub fn lease(&self, attempt: &Attempt) -> Option<Period> {
        let until = self.until?;
        let from = self.lease_ms.map_or(attempt.started, |lease| until.before(Duration::from_millis(lease)));
        Some(Period { from, until })
    }

    /// A sign of life at this instant of the wall clock.
    pub fn renew(&mut self, wall: Timestamp) {
        self.until = self.lease_ms.map(|lease| wall.after(Duration::from_millis(lease))).or(self.until);
    }

    /// Whether a sign of life that says nothing else is to be recorded.
    #[must_use]
    pub fn is_renewed_by(&self, wall: Timestamp) -> bool {
        let (Some(lease), Some(until)) = (self.lease_ms.map(Duration::from_millis), self.until) else { return false };
        let heard = until.before(lease);
        wall < heard || (lease / UNRECORDED_PART).min(RENEWED_EVERY) <= wall.since(heard)
    }
}

impl Job {
    /// The time that its attempt may take whose work is done outside.
    #[must_use]
    pub fn time_allowed(&self, operation: Option<&Operation>) -> Option<Period> {
        let attempt = self.current().filter(|attempt| attempt.remote.is_some())?;
        let given = self.timeout_ms.map(Duration::from_millis);
        let allowed = operation.map_or(given, |operation| self.timeout(operation))?;
        Some(Period::lasting(attempt.started, allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::Leap;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn lease(from: i64) -> Period {
        Period::lasting(at(from), Duration::from_secs(30))
    }

    #[test]
    fn a_period_ends_unless_nobody_could_look_and_then_is_given_once_more() {
        let steady = Past::steady(at(0));
        let leap = |from, to| Some(Leap { from: at(from), to: at(to) });
        for (name, past, verdict) in [
            ("it has just begun", Past { wall: at(100), ..steady }, Verdict::Running),
            ("it is nearly over", Past { wall: at(129), ..steady }, Verdict::Running),
            ("it is over", Past { wall: at(130), ..steady }, Verdict::Over),
            ("the service began before it", Past { wall: at(130), since: at(100), ..steady }, Verdict::Over),
            ("and after it", Past { wall: at(130), since: at(101), ..steady }, Verdict::Anew(lease(101))),
            ("long after it", Past { wall: at(901), since: at(900), ..steady }, Verdict::Anew(lease(900))),
            ("and it was given once more", Past { wall: at(131), since: at(101), ..steady }, Verdict::Over),
            ("it was leapt over", Past { wall: at(901), leap: leap(110, 900), ..steady }, Verdict::Anew(lease(900))),
            ("and once more", Past { wall: at(930), leap: leap(110, 900), ..steady }, Verdict::Over),
            ("the leap was before it", Past { wall: at(130), leap: leap(20, 99), ..steady }, Verdict::Over),
            ("the clock was set back", Past { wall: at(7), ..steady }, Verdict::Anew(lease(7))),
        ] {
            assert_eq!(lease(100).judge(&past), verdict, "{name}");
        }
    }

    #[test]
    fn a_sign_of_life_is_recorded_at_most_once_a_second_and_always_in_time() {
        for (lease, after, recorded) in
            [(30_000, 0, false), (30_000, 999, false), (30_000, 1000, true), (1000, 249, false), (1000, 250, true)]
        {
            let remote = Remote {
                worker: None,
                lease_ms: Some(lease),
                until: Some(at(0).after(Duration::from_millis(lease))),
                location: None,
            };
            let wall = Timestamp::from_millis(after);
            assert_eq!(remote.is_renewed_by(wall), recorded, "{after} ms of {lease}");
        }
    }

    proptest! {
        #[test]
        fn a_period_is_given_once_more_and_not_twice(
            from in 0i64..100, length in 1u64..100, wall in 0i64..300, since in 0i64..300,
            leap in proptest::option::of((0i64..150, 0i64..150)), later in 0i64..100,
        ) {
            let leap = leap.map(|(from, more)| Leap { from: at(from), to: at(from + more) });
            let past = Past { wall: at(wall), since: at(since.min(wall)), leap: leap.filter(|leap| leap.to <= at(wall)) };
            let first = Period::lasting(at(from), Duration::from_secs(length));
            match first.judge(&past) {
                Verdict::Running => prop_assert!(past.wall < first.until),
                Verdict::Over => prop_assert!(first.until <= past.wall),
                Verdict::Anew(anew) => {
                    prop_assert!(anew.from <= past.wall && past.wall < anew.until);
                    prop_assert_eq!(anew.judge(&past), Verdict::Running);
                    let past = Past { wall: past.wall.after(Duration::from_secs(later.unsigned_abs())), ..past };
                    let ended = anew.until <= past.wall;
                    prop_assert_eq!(anew.judge(&past), if ended { Verdict::Over } else { Verdict::Running });
                }
            }
        }
    }
}
