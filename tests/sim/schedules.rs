//! What clients write for schedules, and a calendar that knows nothing but real time.
//!
//! The times of `every` and `at` are plain arithmetic. Those of `cron` are found
//! by a walk over the minutes of a day, each of which is asked whether it
//! matches, in Rust; no parser, no stretches and no search of the service's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use heeler::domain::schedule::{Fold, Gap, Schedule, Start, Timing};
use heeler::domain::time::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde_json::{Value, json};

use crate::world::{BEGINNINGS, Dice, lock};

/// An expression, whether it follows real time, and when it matches.
struct Case {
    cron: &'static str,
    follows: bool,
    matches: fn(DateTime) -> bool,
}

const CASES: [Case; 8] = [
    Case { cron: "* * * * *", follows: true, matches: |_| true },
    Case { cron: "*/15 * * * *", follows: true, matches: |t| t.minute() % 15 == 0 },
    Case { cron: "30 * * * *", follows: true, matches: |t| t.minute() == 30 },
    Case {
        cron: "10,30 1-2 * * *",
        follows: false,
        matches: |t| (1..=2).contains(&t.hour()) && [10, 30].contains(&t.minute()),
    },
    Case { cron: "30 2 * * *", follows: false, matches: |t| t.hour() == 2 && t.minute() == 30 },
    Case { cron: "0 3 * * *", follows: false, matches: |t| t.hour() == 3 && t.minute() == 0 },
    Case { cron: "5 0-4 * * *", follows: false, matches: |t| t.hour() <= 4 && t.minute() == 5 },
    Case {
        cron: "0,59 0-23 1-7 * 0",
        follows: false,
        matches: |t| t.minute() % 59 == 0 && (t.day() <= 7 || t.date().weekday().to_sunday_zero_offset() == 0),
    },
];

const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"];

/// A schedule, as somebody writes it who looks at the clock.
pub(crate) fn think(dice: &Dice, now: Timestamp) -> Value {
    let seconds = |seconds: i64| json!(Timestamp::from_millis(now.as_millis() + seconds * 1000));
    let mut schedule = match dice.below(10) {
        0..=4 => json!({"every": dice.pick(&["1s", "2s", "7s", "1m", "1m", "10m", "1h", "24h", "1500ms"])}),
        5..=7 => {
            // Rather the zone whose clocks change.
            let zone = near(now).filter(|_| dice.happens(700)).unwrap_or_else(|| *dice.pick(&ZONES));
            let mut cron = json!({"cron": dice.pick(&CASES).cron, "timezone": zone});
            if dice.happens(600) {
                cron["dst"] = json!({
                    "gap": dice.pick(&["shift", "skip"]),
                    "overlap": dice.pick(&["first", "both"]),
                });
            }
            cron
        }
        _ => {
            let some = [-60, 1, 1, 2, 5, 5, 30, 600, 3600, 86_400, 31_557_600];
            (0..=dice.below(4)).fold(json!({"at": []}), |mut at, _| {
                if let Some(list) = at["at"].as_array_mut() {
                    list.push(seconds(*dice.pick(&some)));
                }
                at
            })
        }
    };
    let optional = [
        (
            "start",
            match dice.below(4) {
                0 | 1 => json!("now"),
                2 => seconds(-3601),
                _ => seconds(*dice.pick(&[1, 10, 86_400])),
            },
            300,
        ),
        ("end", seconds(*dice.pick(&[5, 60, 3600, 172_800])), 120),
        ("limit", json!(1 + dice.below(4)), 150),
        ("jitter", json!(dice.pick(&["500ms", "20s", "10m"])), 150),
        ("missed", json!(dice.pick(&["skip", "latest", "all", "all"])), 550),
        ("deadline", json!(dice.pick(&["1s", "30s", "2h"])), 150),
    ];
    for (member, value, per_mille) in optional {
        if dice.happens(per_mille) {
            schedule[member] = value;
        }
    }
    schedule
}

/// The zone whose clocks change at about that time.
fn near(now: Timestamp) -> Option<&'static str> {
    let beside = |at: &str| {
        let at: Timestamp = at.parse().expect("an instant");
        (at.as_millis() - now.as_millis()).abs() < DAY
    };
    BEGINNINGS.iter().find(|(at, _)| beside(at)).map(|(_, zone)| *zone)
}

/// Keeps a wish from asking for hundreds of jobs at once.
pub(crate) fn bound(wish: &mut Value, dice: &Dice) {
    let limit = json!(1 + dice.below(12));
    if wish["overlap"] == "allow" && wish["schedule"]["missed"] == "all" {
        wish["schedule"]["limit"] = limit;
    }
}

/// A nominal instant, and whether it runs.
pub(crate) type Tick = (Timestamp, bool);

/// The ticks of a day in milliseconds, and whether each runs.
type Day = Arc<[(i64, bool)]>;

/// A schedule in force.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InForce {
    pub(crate) schedule: Schedule,
    pub(crate) anchor: Timestamp,
    /// The launches that it has had.
    pub(crate) launches: u64,
}

/// How many days are walked through before the calendar of the service is asked.
const WALK_MAX: i64 = 6;

const DAY: i64 = 86_400_000;

impl InForce {
    /// Whether it has had the launches that it may have.
    pub(crate) fn is_over(&self) -> bool {
        self.schedule.limit.is_some_and(|limit| self.launches >= limit)
    }

    /// The first and the last instant that it can tick at.
    fn bounds(&self) -> (i64, i64) {
        let first = match self.schedule.start {
            None => i64::MIN,
            Some(Start::Now) => self.anchor.as_millis(),
            Some(Start::At(start)) => start.as_millis(),
        };
        let end = Timestamp::from_millis(i64::MAX);
        (first, self.schedule.end.unwrap_or(end).as_millis())
    }

    /// The first tick after an instant.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Tick> {
        let (first, last) = self.bounds();
        let from = first.max(after.as_millis() + 1);
        let found = match &self.schedule.timing {
            Timing::Every(interval) => {
                let (base, step, least) = self.grid(*interval);
                let number = if from <= base { 0 } else { (from - base - 1) / step + 1 };
                base.checked_add(number.max(least).checked_mul(step)?).map(|at| (at, true))
            }
            Timing::At(list) => list.iter().map(|at| (at.as_millis(), true)).find(|(at, _)| *at >= from),
            Timing::Cron(_) => {
                let day = from.div_euclid(DAY);
                let walked = (day..=day + WALK_MAX).find_map(|day| {
                    if day * DAY > last {
                        return Some(None);
                    }
                    Some(self.of_day(day).iter().find(|(at, _)| *at >= from).copied()).filter(Option::is_some)
                });
                match walked {
                    Some(found) => found,
                    None => return self.schedule.calendar(self.anchor).next(after).map(|tick| (tick.at, tick.runs)),
                }
            }
        };
        found.filter(|(at, _)| *at <= last).map(|(at, runs)| (Timestamp::from_millis(at), runs))
    }

    /// How many ticks there are after `after`, and at `until` at the latest.
    pub(crate) fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let (first, last) = self.bounds();
        let (from, to) = (first.max(after.as_millis() + 1), last.min(until.as_millis()));
        if from > to {
            return 0;
        }
        match &self.schedule.timing {
            Timing::Every(interval) => {
                let (base, step, least) = self.grid(*interval);
                let number = if from <= base { 0 } else { (from - base - 1) / step + 1 };
                let lowest = number.max(least);
                if base > to { 0 } else { u64::try_from((to - base) / step - lowest + 1).unwrap_or(0) }
            }
            Timing::At(list) => list.iter().filter(|at| (from..=to).contains(&at.as_millis())).count() as u64,
            Timing::Cron(_) => {
                let (begin, end) = (from.div_euclid(DAY), to.div_euclid(DAY));
                let within =
                    |day: i64| self.of_day(day).iter().filter(|(at, _)| (from..=to).contains(at)).count() as u64;
                if end - begin <= WALK_MAX {
                    return (begin..=end).map(within).sum();
                }
                // The first day and the last are walked through, and those between are counted.
                let millis = Timestamp::from_millis;
                let between =
                    self.schedule.calendar(self.anchor).count(millis((begin + 1) * DAY - 1), millis(end * DAY - 1));
                within(begin) + between + within(end)
            }
        }
    }

    /// Whether it ticks at an instant, and whether that runs.
    pub(crate) fn at(&self, instant: Timestamp) -> Option<bool> {
        let before = Timestamp::from_millis(instant.as_millis() - 1);
        self.next(before).filter(|(at, _)| *at == instant).map(|(_, runs)| runs)
    }

    /// The base of `every`, its distance in milliseconds, and the number of the first.
    fn grid(&self, interval: Duration) -> (i64, i64, i64) {
        let step = i64::try_from(interval.as_millis()).expect("a short one");
        match self.schedule.start {
            None => (self.anchor.as_millis(), step, 1),
            Some(Start::Now) => (self.anchor.as_millis(), step, 0),
            Some(Start::At(start)) => (start.as_millis(), step, 0),
        }
    }

    /// The ticks of cron on a day of UTC, without regard to start and end.
    fn of_day(&self, day: i64) -> Day {
        static KNOWN: LazyLock<Mutex<HashMap<String, Day>>> = LazyLock::new(Mutex::default);
        let Timing::Cron(cron) = &self.schedule.timing else { return Arc::new([]) };
        let (zone, dst) = (self.schedule.timezone.name(), self.schedule.dst);
        let name = format!("{cron} {zone} {dst:?} {day}");
        if let Some(known) = lock(&KNOWN).get(&name) {
            return Arc::clone(known);
        }
        let case = CASES.iter().find(|case| case.cron == cron.as_str()).expect("one of ours");
        let walked: Day = walk(case, zone, dst.gap, dst.overlap, day).into();
        lock(&KNOWN).insert(name, Arc::clone(&walked));
        walked
    }
}

/// Walks through the minutes of a day of UTC.
fn walk(case: &Case, zone: &str, gap: Gap, fold: Fold, day: i64) -> Vec<(i64, bool)> {
    let zone = TimeZone::get(zone).expect("a zone");
    let local = |second: i64| zone.to_datetime(jiff::Timestamp::from_second(second).expect("in range"));
    let minute = jiff::SignedDuration::from_mins(1);
    let mut ticks = BTreeMap::new();
    let begin = day * (DAY / 1000);
    let mut before = local(begin - 60);
    for at in (begin..begin + DAY / 1000).step_by(60) {
        let now = local(at);
        if !case.follows {
            // What the clock leaves out comes at the first instant after it.
            let mut left_out = before + minute;
            while left_out < now {
                if (case.matches)(left_out) {
                    ticks.insert(at, gap == Gap::Shift);
                }
                left_out += minute;
            }
        }
        let again = match zone.to_ambiguous_timestamp(now).offset() {
            AmbiguousOffset::Fold { before, .. } => before != zone.to_offset(at_second(at)),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => false,
        };
        if (case.matches)(now) && (case.follows || fold == Fold::Both || !again) {
            ticks.insert(at, true);
        }
        before = now;
    }
    ticks.into_iter().map(|(second, runs)| (second * 1000, runs)).collect()
}

fn at_second(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).expect("in range")
}
