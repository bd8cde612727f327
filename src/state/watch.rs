//! Whether the wall clock goes as time does.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::clock::Clock;
use crate::domain::moment::{Leap, Past};
use crate::domain::time::Timestamp;

/// By how much the wall clock must differ from the time that went by to have been set.
const STEP: Duration = Duration::from_secs(60);

/// Compares the wall clock with the time that goes by, each time it is asked.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    wall: Timestamp,
    instant: Instant,
    since: Timestamp,
    leap: Option<Leap>,
    set_back: u64,
}

impl Watch {
    /// Reads the clock.
    pub(super) fn look(&self, clock: &dyn Clock) -> Past {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, instant) = (clock.now(), clock.instant());
        let seen = seen.get_or_insert(Seen { wall, instant, since: wall, leap: None, set_back: 0 });
        let expected = seen.wall.after(instant.saturating_duration_since(seen.instant));
        if wall.since(expected) > STEP {
            warn!(from = %expected, to = %wall, "the clock was set forward");
            seen.leap = Some(Leap { from: seen.wall, to: wall });
        } else if expected.since(wall) > STEP {
            warn!(from = %expected, to = %wall, "the clock was set back; what was decided already is not decided again");
            // What was leapt over comes again.
            seen.leap = None;
            seen.since = seen.since.min(wall);
            seen.set_back += 1;
        }
        (seen.wall, seen.instant) = (wall, instant);
        Past { wall, since: seen.since, leap: seen.leap }
    }

    /// How often the clock was set back.
    pub(super) fn set_back(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |seen| seen.set_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Hands(Mutex<(i64, Instant)>);

    #[async_trait::async_trait]
    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.lock().expect("a clock").0)
        }

        fn instant(&self) -> Instant {
            self.0.lock().expect("a clock").1
        }

        async fn sleep(&self, _: Duration) {}
    }

    impl Hands {
        fn pass(&self, seconds: u64, step: i64) {
            let mut hands = self.0.lock().expect("a clock");
            hands.0 += i64::try_from(seconds).expect("small") * 1000 + step * 1000;
            hands.1 += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn only_a_clock_that_is_set_by_more_than_a_minute_was_set() {
        let clock = Hands(Mutex::new((0, Instant::now())));
        let watch = Watch::default();
        watch.look(&clock);
        clock.pass(7200, 60);
        let past = watch.look(&clock);
        assert_eq!((past.leap, past.since, watch.set_back()), (None, Timestamp::EPOCH, 0));
        let before = past.wall;
        clock.pass(1, 61);
        let past = watch.look(&clock);
        assert_eq!(past.leap, Some(Leap { from: before, to: past.wall }));
        clock.pass(1, -30);
        assert_eq!((watch.look(&clock).leap.is_some(), watch.set_back()), (true, 0));
        clock.pass(1, -3600);
        let past = watch.look(&clock);
        assert_eq!((past.leap, watch.set_back(), past.since), (None, 1, Timestamp::EPOCH));
    }
}
