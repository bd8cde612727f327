//! When a failed attempt is followed by another.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The most attempts that a policy can allow.
///
/// A job keeps a record of each attempt, and a record must stay small.
pub const ATTEMPTS_MAX: u32 = 100;

/// How often and how far apart attempts are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// All attempts together, 1 to [`ATTEMPTS_MAX`].
    pub attempts: u32,
    /// The wait after the first attempt.
    pub backoff: Duration,
    /// What each wait is multiplied by to give the next one; at least 1.
    pub factor: f64,
    /// The longest wait.
    pub max: Duration,
    /// What no further attempt is made after.
    pub never: Vec<Never>,
}

/// A failure after which no further attempt is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Never {
    /// This exit code, or this status of an answer.
    Code(i32),
    /// This word for what went wrong.
    Reason(String),
}

impl Never {
    fn forbids(&self, failure: Failure<'_>) -> bool {
        match self {
            Self::Code(code) => failure.code == Some(*code),
            Self::Reason(reason) => failure.reason == Some(reason),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff: Duration::from_secs(10),
            factor: 2.0,
            max: Duration::from_secs(300),
            never: Vec::new(),
        }
    }
}

/// How much of a wait is drawn at random: a tenth, so that jobs which failed
/// together do not come back together.
pub const JITTER: f64 = 0.1;

/// The longest that whoever does the work is left alone because it asked for
/// that: a day, so that a mistake of theirs is not for ever.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of a failed attempt, as far as another one depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Failure<'a> {
    /// Its number, from 1.
    pub attempt: u32,
    /// Its exit code, or the status of the answer, where there is one.
    pub code: Option<i32>,
    /// The word for what went wrong, where it gave one.
    pub reason: Option<&'a str>,
    /// How long whoever does the work wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// When the attempt after a failed one is due, or `None` if there is none.
///
/// `fraction` in `0.0..1.0` draws the jitter, which only ever lengthens the
/// wait and never beyond `policy.max`. Who asked to be left alone is, for at
/// most [`RETRY_AFTER_MAX`].
#[must_use]
pub fn retry_at(policy: &RetryPolicy, failure: Failure<'_>, fraction: f64, now: Timestamp) -> Option<Timestamp> {
    let forbidden = policy.never.iter().any(|never| never.forbids(failure));
    if failure.attempt >= policy.attempts.min(ATTEMPTS_MAX) || forbidden {
        return None;
    }
    let asked = failure.retry_after.map_or(Duration::ZERO, |asked| asked.min(RETRY_AFTER_MAX));
    Some(now.after(wait(policy, failure.attempt, fraction).max(asked)))
}

fn wait(policy: &RetryPolicy, attempt: u32, fraction: f64) -> Duration {
    let doublings = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let stretched = policy.backoff.as_secs_f64() * policy.factor.max(1.0).powi(doublings) * (1.0 + JITTER * fraction);
    // Written so that infinity and NaN, too, mean the longest wait.
    if stretched < policy.max.as_secs_f64() { Duration::from_secs_f64(stretched) } else { policy.max }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(attempts: u32) -> RetryPolicy {
        RetryPolicy {
            attempts,
            never: vec![Never::Code(65), Never::Reason("Gone".to_owned())],
            ..RetryPolicy::default()
        }
    }

    #[test]
    fn each_wait_is_longer_than_the_one_before_until_the_longest() {
        let waits: Vec<u64> = (1..8)
            .filter_map(|attempt| retry_at(&policy(8), failed(attempt), 0.0, Timestamp::EPOCH))
            .map(|at| at.since(Timestamp::EPOCH).as_secs())
            .collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }

    fn failed(attempt: u32) -> Failure<'static> {
        Failure { attempt, ..Failure::default() }
    }

    #[test]
    fn there_is_no_attempt_after_the_last_or_after_a_failure_that_forbids_it() {
        let at = |attempts, failure| retry_at(&policy(attempts), failure, 0.0, Timestamp::EPOCH);
        assert_eq!(at(1, failed(1)), None);
        assert_eq!(at(3, failed(3)), None);
        assert_eq!(at(3, Failure { code: Some(65), ..failed(1) }), None);
        assert_eq!(at(3, Failure { reason: Some("Gone"), ..failed(1) }), None);
        assert!(at(3, Failure { code: Some(1), reason: Some("Busy"), ..failed(2) }).is_some());
    }

    #[test]
    fn who_asks_to_be_left_alone_is_for_a_day_at_most() {
        let wait = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            let at = retry_at(&policy(3), Failure { retry_after, ..failed(1) }, 0.0, Timestamp::EPOCH);
            at.expect("there are attempts left").since(Timestamp::EPOCH).as_secs()
        };
        assert_eq!([wait(0), wait(9), wait(11), wait(3600), wait(10_000_000)], [10, 10, 11, 3600, 86_400]);
    }

    proptest! {
        #[test]
        fn a_wait_never_shrinks_and_stays_within_its_bounds(
            attempts in 1u32..200, attempt in 1u32..200, backoff in 0u64..100_000, factor in 0.0f64..1e300,
            max in 0u64..1_000_000, fraction in 0.0f64..1.0,
        ) {
            let policy = RetryPolicy {
                attempts, backoff: Duration::from_millis(backoff), factor, max: Duration::from_millis(max), never: vec![],
            };
            let at = |attempt, fraction| retry_at(&policy, failed(attempt), fraction, Timestamp::EPOCH);
            prop_assert_eq!(at(attempt, fraction).is_none(), attempt >= attempts.min(ATTEMPTS_MAX));
            if let (Some(this), Some(jittered)) = (at(attempt, 0.0), at(attempt, fraction)) {
                prop_assert!(this <= jittered);
                prop_assert!(jittered.since(Timestamp::EPOCH) <= policy.max);
                if let Some(next) = at(attempt + 1, 0.0) { prop_assert!(this <= next); }
            }
        }
    }
}
