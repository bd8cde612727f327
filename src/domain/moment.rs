//! One activation of the core: the instant it happens at, and randomness for
//! the ids it makes.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::id::{JobId, Token, Uid};
use super::time::Timestamp;

/// How time went, as far as the service saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// What the wall clock shows, even where that is behind what happened before.
    pub wall: Timestamp,
    /// Since when somebody looks: what fell due before was missed.
    pub since: Timestamp,
    /// The last time that the wall clock was set forward.
    pub leap: Option<Leap>,
}

/// That the wall clock was set forward, or stood still while time went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leap {
    /// What it showed before.
    pub from: Timestamp,
    /// What it showed next.
    pub to: Timestamp,
}

impl Past {
    /// Somebody always looked, and the clock was never set.
    #[must_use]
    pub const fn steady(now: Timestamp) -> Self {
        Self { wall: now, since: Timestamp::EPOCH, leap: None }
    }
}

/// What the core is handed instead of a clock and a random number generator.
///
/// The same moment mints the same ids in the same order.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The wall clock, read once; never behind what happened before.
    pub now: Timestamp,
    /// How time went until now.
    pub past: Past,
    seed: [u8; 32],
    minted: u64,
}

impl Moment {
    /// A moment at `now` whose ids are drawn from `seed`.
    ///
    /// Tokens must not be guessable: in a service the seed comes from the
    /// operating system, and is used for one moment only.
    #[must_use]
    pub const fn new(now: Timestamp, seed: [u8; 32]) -> Self {
        Self { now, past: Past::steady(now), seed, minted: 0 }
    }

    /// The same moment after another past.
    #[must_use]
    pub const fn after(mut self, past: Past) -> Self {
        self.past = past;
        self
    }

    /// The same randomness at a later instant, for a step that may not go back in time.
    #[must_use]
    pub fn not_before(mut self, earliest: Timestamp) -> Self {
        self.now = self.now.max(earliest);
        self
    }

    /// A uid for a resource that is created now.
    pub fn mint_uid(&mut self) -> Uid {
        Uid::from_uuid(self.version_7(self.now))
    }

    /// A job id that sorts by `created`.
    pub fn mint_job_id(&mut self, created: Timestamp) -> JobId {
        JobId::from_uuid(self.version_7(created))
    }

    /// A token that nobody can guess.
    pub fn mint_token(&mut self) -> Token {
        Token::from_bytes(self.draw())
    }

    /// A UUIDv7 (RFC 9562, 5.7).
    fn version_7(&mut self, at: Timestamp) -> Uuid {
        let millis = u64::try_from(at.as_millis()).unwrap_or(0);
        let random: [u8; 16] = self.draw();
        let mut tail = [0; 10];
        tail.copy_from_slice(&random[..10]);
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }

    /// A number in `0.0..1.0`, for jitter.
    pub fn fraction(&mut self) -> f64 {
        let [a, b, c, d, ..] = self.draw();
        f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
    }

    fn draw(&mut self) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.minted.to_be_bytes());
        self.minted += 1;
        let mut drawn = [0; 16];
        drawn.copy_from_slice(&hash.finalize()[..16]);
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_mints_the_same_ids_and_never_the_same_id_twice() {
        let mut one = Moment::new(Timestamp::EPOCH, [1; 32]);
        let mut other = one.clone();
        let first = one.mint_job_id(Timestamp::EPOCH);
        assert_eq!(first, other.mint_job_id(Timestamp::EPOCH));
        assert_ne!(first, one.mint_job_id(Timestamp::EPOCH));
    }

    #[test]
    fn job_ids_sort_by_the_instant_they_are_made_at() {
        let mut moment = Moment::new(Timestamp::EPOCH, [9; 32]);
        let later = moment.mint_job_id(Timestamp::from_millis(2));
        let earlier = moment.mint_job_id(Timestamp::from_millis(1));
        assert!(earlier < later);
    }
}
