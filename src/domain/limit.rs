//! How many jobs of an operation run at once, and how many start within a time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::expression::{Scope, Template};
use super::time::Timestamp;

/// How many jobs of an operation run at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Concurrency {
    /// How many, from 1.
    pub limit: u32,
    /// What they are counted by, each text by itself; all together when absent.
    pub per: Option<Template>,
}

impl Concurrency {
    /// So many of the operation, whatever they are about.
    #[must_use]
    pub const fn of(limit: u32) -> Self {
        Self { limit, per: None }
    }

    /// What a job is counted by; nothing where all are counted together.
    ///
    /// Jobs for which the expression has no text are counted together, too.
    #[must_use]
    pub fn key(&self, scope: &Scope<'_>) -> Option<LimitKey> {
        let per = self.per.as_ref()?;
        Some(LimitKey::of(per.render(scope).ok().as_deref()))
    }
}

/// How many attempts of an operation start within a time: never more in any
/// window that is so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many, 1 to [`RATE_MAX`].
    pub count: u32,
    /// Within which time.
    pub period: Duration,
}

impl Rate {
    /// Until when a place is taken that was taken `since`; `None` if it is free.
    ///
    /// A start in the future was noted before the clock was set back. How long
    /// ago that is nobody knows, so it does not count: otherwise nothing would
    /// start until the clock has caught up.
    #[must_use]
    pub fn taken_until(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let until = since.after(self.period);
        (since <= now && now < until).then_some(until)
    }
}

/// The most starts that a rate can count: each has a row of its own, and a
/// claim looks through them.
pub const RATE_MAX: u32 = 10_000;

/// What jobs are counted by, as a digest of it: as short as that whatever it
/// is, and nothing that a client chose in the keys of rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LimitKey(String);

impl LimitKey {
    /// How long a key is, in characters.
    const LENGTH: usize = 32;

    /// The key of a text, or of there being none.
    #[must_use]
    pub fn of(text: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        hash.update([u8::from(text.is_some())]);
        hash.update(text.unwrap_or_default());
        Self(hash.finalize().iter().take(Self::LENGTH / 2).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The key that was written so.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let is_key = text.len() == Self::LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_key.then(|| Self(text.to_owned()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
