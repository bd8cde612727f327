//! A schedule: the part of an activity that says when its jobs are due, and the
//! calendar of instants that follows from it.
//!
//! ```json
//! { "cron": "30 2 * * 1-5", "timezone": "Europe/Berlin", "start": "now",
//!   "dst": { "gap": "skip" }, "missed": "all", "deadline": "2h" }
//! ```
//!
//! Exactly one of `cron` (see [`cron`]), `every` and `at` says the times:
//!
//! * `every` ticks at base + k × interval. The base is `start` with k ≥ 0; without
//!   `start` it is the instant of the commit (the *anchor*), with k ≥ 1.
//! * `at` is an instant, or up to [`INSTANTS_MAX`] of them.
//! * `cron` ticks where the local time of `timezone` matches. With a `*` or `*/n`
//!   in the minute or the hour it follows real time: each instant whose local time
//!   matches, in both copies of a repeated hour, and nothing for a skipped one. All
//!   other times go by `dst`: a time that does not exist on its day comes at the
//!   instant of the transition (`"gap": "shift"`) or is skipped there (`"skip"`); a
//!   time that comes twice counts at its first coming (`"overlap": "first"`) or at
//!   both (`"both"`).
//!
//! # Guarantees
//! The ticks of a calendar are a set of instants: strictly increasing, none twice.
//! Times of cron lie on whole seconds. Counting, the next and the newest tick cost
//! arithmetic over months and transitions of the zone, never a walk over ticks.
//! # Assumptions
//! No zone has two transitions nearer to each other than the time they shift the
//! clock by; a test holds the known zones to that.
//! # Not here
//! What becomes of a tick: `limit`, `missed` and `deadline` are read here, and
//! obeyed where launches are counted and the time is known.

mod calendar;
pub mod cron;
mod days;
mod feasible;
mod read;
mod schema;
mod ticks;
mod upcoming;
mod zone;

use std::time::Duration;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::time::{Timestamp, friendly};

pub use calendar::{Calendar, Tick};
pub use cron::Cron;
pub use schema::json_schema;
pub use upcoming::{Upcoming, upcoming};
pub use zone::Zone;

/// The most instants that `at` can list.
pub const INSTANTS_MAX: usize = 1000;
/// The shortest interval of `every`.
pub const EVERY_MIN: Duration = Duration::from_secs(1);
/// The longest `jitter`.
pub const JITTER_MAX: Duration = Duration::from_hours(24);

/// When jobs of an activity are due.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The times themselves.
    pub timing: Timing,
    /// The zone whose local time `cron` speaks of.
    pub timezone: Zone,
    /// From when on it ticks.
    pub start: Option<Start>,
    /// Until when it ticks, inclusive.
    pub end: Option<Timestamp>,
    /// The most launches; the calendar does not count them.
    pub limit: Option<u64>,
    /// How far launches are spread behind their ticks, at most.
    pub jitter: Duration,
    /// What becomes of ticks that nobody was there for.
    pub missed: Missed,
    /// How late a launch can be.
    pub deadline: Option<Duration>,
    /// What a change of the clock does to times of `cron`.
    pub dst: Dst,
}

/// The times of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub enum Timing {
    /// Where the local time matches.
    Cron(Cron),
    /// One interval after another.
    Every(Duration),
    /// At these instants, in order, each once.
    At(Vec<Timestamp>),
}

/// From when on a schedule ticks, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From the commit that made it what it is.
    Now,
    /// From an instant.
    At(Timestamp),
}

/// What becomes of ticks that nobody was there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// They are skipped.
    Skip,
    /// The newest is made up for.
    #[default]
    Latest,
    /// Each is made up for.
    All,
}

impl Missed {
    const ALL: [Self; 3] = [Self::Skip, Self::Latest, Self::All];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Latest => "latest",
            Self::All => "all",
        }
    }
}

/// What a change of the clock does to times of `cron`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dst {
    /// For a time that does not exist on its day.
    pub gap: Gap,
    /// For a time that comes twice on its day.
    pub overlap: Fold,
}

/// What becomes of a time that does not exist on its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gap {
    /// It comes at the first instant after the gap.
    #[default]
    Shift,
    /// It is skipped there.
    Skip,
}

impl Gap {
    const ALL: [Self; 2] = [Self::Shift, Self::Skip];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shift => "shift",
            Self::Skip => "skip",
        }
    }
}

/// Which comings of a time count that comes twice on its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fold {
    /// The first.
    #[default]
    First,
    /// Both.
    Both,
}

impl Fold {
    const ALL: [Self; 2] = [Self::First, Self::Both];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Both => "both",
        }
    }
}

/// Something in a schedule that it cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where in the schedule (RFC 6901); empty for the whole of it.
    pub path: String,
    /// What was expected, what came, and what to do.
    pub detail: String,
}

impl Schedule {
    /// Reads the value of a member `schedule`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, Vec<Refusal>> {
        read::schedule(value)
    }

    /// What it says, in one spelling: members in a fixed order, no defaults.
    ///
    /// Two schedules that say the same have the same one, and it reads back as
    /// this schedule.
    #[must_use]
    pub fn canonical(&self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            members.extend(value.map(|value| (name.to_owned(), value)));
        };
        match &self.timing {
            Timing::Cron(cron) => put("cron", Some(cron.as_str().into())),
            Timing::Every(interval) => put("every", Some(friendly(*interval).into())),
            Timing::At(instants) => put("at", Some(instants.iter().map(|at| json!(at)).collect())),
        }
        put("timezone", (self.timezone != Zone::utc()).then(|| self.timezone.name().into()));
        put(
            "start",
            self.start.map(|start| match start {
                Start::Now => json!("now"),
                Start::At(instant) => json!(instant),
            }),
        );
        put("end", self.end.map(|end| json!(end)));
        put("limit", self.limit.map(Value::from));
        put("jitter", (!self.jitter.is_zero()).then(|| friendly(self.jitter).into()));
        put("missed", (self.missed != Missed::default()).then(|| self.missed.as_str().into()));
        put("deadline", self.deadline.map(|deadline| friendly(deadline).into()));
        let mut dst = Map::new();
        if self.dst.gap != Gap::default() {
            dst.insert("gap".to_owned(), self.dst.gap.as_str().into());
        }
        if self.dst.overlap != Fold::default() {
            dst.insert("overlap".to_owned(), self.dst.overlap.as_str().into());
        }
        put("dst", (!dst.is_empty()).then_some(Value::Object(dst)));
        Value::Object(members)
    }

    /// Whether it ever ticks after `now`, when it is committed now.
    ///
    /// For schedules that are new or changed: one that has ticked its last is no mistake.
    ///
    /// # Errors
    /// It never does; the refusal names the member that is to blame.
    pub fn feasible(&self, now: Timestamp) -> Result<(), Refusal> {
        feasible::judge(self, now)
    }

    /// Its ticks, when it was committed at `anchor`.
    #[must_use]
    pub const fn calendar(&self, anchor: Timestamp) -> Calendar<'_> {
        Calendar::new(self, anchor)
    }

    /// How long after a tick its launch is due: the same for the same tick of the
    /// same activity of the same resource, spread evenly below `jitter`, and
    /// before the next tick.
    #[must_use]
    pub fn delay(&self, anchor: Timestamp, uid: &[u8], activity: &str, tick: Timestamp) -> Duration {
        if self.jitter.is_zero() {
            return Duration::ZERO;
        }
        let next = self.calendar(anchor).next(tick);
        let room = next.map_or(self.jitter, |next| next.at.since(tick).min(self.jitter));
        let room = u64::try_from(room.as_millis()).unwrap_or(u64::MAX);
        let mut hash = Sha256::new();
        for part in [uid, activity.as_bytes()] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.update(tick.as_millis().to_be_bytes());
        let drawn = hash.finalize().iter().take(8).fold(0_u64, |drawn, byte| drawn << 8 | u64::from(*byte));
        Duration::from_millis(drawn.checked_rem(room).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
