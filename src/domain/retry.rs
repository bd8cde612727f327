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
    /// Exit codes after which no further attempt is made.
    pub never: Vec<i32>,
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

/// When the attempt after number `attempt` is due, or `None` if there is none.
///
/// `attempt` counts from 1, `exit_code` is that of the failed attempt, and
/// `fraction` in `0.0..1.0` draws the jitter, which only ever lengthens the
/// wait and never beyond `policy.max`.
#[must_use]
pub fn retry_at(
    policy: &RetryPolicy,
    attempt: u32,
    exit_code: Option<i32>,
    fraction: f64,
    now: Timestamp,
) -> Option<Timestamp> {
    if attempt >= policy.attempts.min(ATTEMPTS_MAX) || exit_code.is_some_and(|code| policy.never.contains(&code)) {
        return None;
    }
    Some(now.after(wait(policy, attempt, fraction)))
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
        RetryPolicy { attempts, never: vec![65], ..RetryPolicy::default() }
    }

    #[test]
    fn each_wait_is_longer_than_the_one_before_until_the_longest() {
        let waits: Vec<u64> = (1..8)
            .filter_map(|attempt| retry_at(&policy(8), attempt, None, 0.0, Timestamp::EPOCH))
            .map(|at| at.since(Timestamp::EPOCH).as_secs())
            .collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn there_is_no_attempt_after_the_last_or_after_an_exit_code_that_forbids_it() {
        assert_eq!(retry_at(&policy(1), 1, Some(1), 0.0, Timestamp::EPOCH), None);
        assert_eq!(retry_at(&policy(3), 3, Some(1), 0.0, Timestamp::EPOCH), None);
        assert_eq!(retry_at(&policy(3), 1, Some(65), 0.0, Timestamp::EPOCH), None);
        assert!(retry_at(&policy(3), 2, Some(1), 0.0, Timestamp::EPOCH).is_some());
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
            let at = |attempt, fraction| retry_at(&policy, attempt, None, fraction, Timestamp::EPOCH);
            prop_assert_eq!(at(attempt, fraction).is_none(), attempt >= attempts.min(ATTEMPTS_MAX));
            if let (Some(this), Some(jittered)) = (at(attempt, 0.0), at(attempt, fraction)) {
                prop_assert!(this <= jittered);
                prop_assert!(jittered.since(Timestamp::EPOCH) <= policy.max);
                if let Some(next) = at(attempt + 1, 0.0) { prop_assert!(this <= next); }
            }
        }
    }
}
