//! The clock and the randomness of the machine, behind traits, so that
//! everything else can be run again with the same time and the same ids.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::domain::time::Timestamp;

/// What time it is, and waiting for it.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// An instant of a clock that nobody sets. It tells how long something
    /// takes, and nothing may be decided on it.
    fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Waits for a length of time that steps of the wall clock do not change.
    async fn sleep(&self, duration: Duration);
}

/// Randomness that cannot be guessed.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// A new seed for one [`Moment`](crate::domain::moment::Moment).
    fn seed(&self) -> [u8; 32];
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        };
        Timestamp::from_millis(millis)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The random numbers of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the operating system gives random numbers");
        seed
    }
}
