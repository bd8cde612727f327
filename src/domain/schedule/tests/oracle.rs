//! The calendar against a walk over real time, minute by minute, in every zone.
//!
//! The walk knows no stretches, no arithmetic and no parser: it asks for the local
//! time of each minute whether it matches, in Rust, and applies the rules naively.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::*;

/// A local time, taken apart.
#[derive(Clone, Copy)]
struct Local {
    month: i8,
    day: i8,
    /// How many days of the month are left after it.
    left: i8,
    /// From 0 = Sunday.
    weekday: i8,
    hour: i8,
    minute: i8,
    second: i8,
}

impl From<DateTime> for Local {
    fn from(at: DateTime) -> Self {
        let date = at.date();
        Self {
            month: date.month(),
            day: date.day(),
            left: date.days_in_month() - date.day(),
            weekday: date.weekday().to_sunday_zero_offset(),
            hour: at.hour(),
            minute: at.minute(),
            second: at.second(),
        }
    }
}

/// An expression, whether it follows real time, and when it matches on a whole minute.
struct Case {
    cron: &'static str,
    follows: bool,
    matches: fn(Local) -> bool,
}

const CASES: [Case; 18] = [
    Case { cron: "* * * * *", follows: true, matches: |_| true },
    Case { cron: "*/30 * * * *", follows: true, matches: |t| t.minute % 30 == 0 },
    Case { cron: "30 * * * *", follows: true, matches: |t| t.minute == 30 },
    Case { cron: "15 */2 * * *", follows: true, matches: |t| t.minute == 15 && t.hour % 2 == 0 },
    Case { cron: "*/20 0-4 * * *", follows: true, matches: |t| t.minute % 20 == 0 && t.hour <= 4 },
    Case {
        cron: "7-59/13 */5 * * SUN",
        follows: true,
        matches: |t| t.minute % 13 == 7 && t.hour % 5 == 0 && t.weekday == 0,
    },
    Case { cron: "30 2 * * *", follows: false, matches: |t| t.hour == 2 && t.minute == 30 },
    Case { cron: "0 0 * * *", follows: false, matches: |t| t.hour == 0 && t.minute == 0 },
    Case {
        cron: "0,15,30,45 0-3,23 * * *",
        follows: false,
        matches: |t| t.minute % 15 == 0 && (t.hour <= 3 || t.hour == 23),
    },
    Case { cron: "30 1 * * *", follows: false, matches: |t| t.hour == 1 && t.minute == 30 },
    Case { cron: "0 3 * * *", follows: false, matches: |t| t.hour == 3 && t.minute == 0 },
    Case { cron: "0-59 2 * * *", follows: false, matches: |t| t.hour == 2 },
    Case { cron: "59 23 * * *", follows: false, matches: |t| t.hour == 23 && t.minute == 59 },
    Case { cron: "0 0-23 * * 0,6", follows: false, matches: |t| t.minute == 0 && (t.weekday == 0 || t.weekday == 6) },
    Case {
        cron: "20 0,2 L 3-11 0L",
        follows: false,
        matches: |t| {
            let day = t.left == 0 || t.weekday == 0 && t.left < 7;
            (t.hour == 0 || t.hour == 2) && t.minute == 20 && day && (3..=11).contains(&t.month)
        },
    },
    Case {
        cron: "45 1 1-7,29 4,10,12 *",
        follows: false,
        matches: |t| {
            let month = t.month == 4 || t.month == 10 || t.month == 12;
            t.hour == 1 && t.minute == 45 && (t.day <= 7 || t.day == 29) && month
        },
    },
    Case {
        cron: "5 0-4 * MAR-NOV SUN#1,SUN#2",
        follows: false,
        matches: |t| t.minute == 5 && t.hour <= 4 && (3..=11).contains(&t.month) && t.weekday == 0 && t.day <= 14,
    },
    Case {
        cron: "0,59 0,1,2,23 30,31 * FRI",
        follows: false,
        matches: |t| {
            let hour = t.hour <= 2 || t.hour == 23;
            (t.minute == 0 || t.minute == 59) && hour && (t.day == 30 || t.day == 31 || t.weekday == 5)
        },
    },
];

const POLICIES: [(Gap, Fold); 4] =
    [(Gap::Shift, Fold::First), (Gap::Shift, Fold::Both), (Gap::Skip, Fold::First), (Gap::Skip, Fold::Both)];

/// The instants of a window, in steps, with the local time of each; in seconds.
struct Window {
    zone: TimeZone,
    from: i64,
    step: i64,
    walk: Vec<DateTime>,
    /// The local times that this window leaves out, each with the first instant after.
    gaps: Vec<(DateTime, i64)>,
}

impl Window {
    fn new(zone: &TimeZone, from: i64, to: i64, step: i64) -> Self {
        let at = |second: i64| zone.to_datetime(jiff::Timestamp::from_second(second).expect("in range"));
        let walk: Vec<DateTime> = (from..to).step_by(step.unsigned_abs() as usize).map(at).collect();
        let mut gaps = Vec::new();
        let (mut local, last) = (*walk.first().expect("some"), *walk.last().expect("some"));
        let span = jiff::SignedDuration::from_secs(step);
        while local <= last {
            if let AmbiguousOffset::Gap { .. } = zone.to_ambiguous_timestamp(local).offset() {
                let first = walk.iter().position(|other| *other > local).expect("it ends");
                gaps.push((local, from + first as i64 * step));
            }
            local = local.checked_add(span).expect("in range");
        }
        Self { zone: zone.clone(), from, step, walk, gaps }
    }

    fn end(&self) -> i64 {
        self.from + self.walk.len() as i64 * self.step
    }

    /// What ticks here, by the rules, and whether it runs.
    fn expected(&self, case: &Case, (gap, fold): (Gap, Fold)) -> BTreeMap<i64, bool> {
        let mut ticks = BTreeMap::new();
        if !case.follows {
            for (local, at) in &self.gaps {
                if local.second() == 0 && (case.matches)(Local::from(*local)) {
                    ticks.insert(*at, gap == Gap::Shift);
                }
            }
        }
        for (at, local) in (0..).map(|n| self.from + n * self.step).zip(&self.walk) {
            let taken_apart = Local::from(*local);
            if taken_apart.second != 0 || !(case.matches)(taken_apart) {
                continue;
            }
            let again = match self.zone.to_ambiguous_timestamp(*local).offset() {
                AmbiguousOffset::Fold { before, .. } => {
                    local.to_zoned(TimeZone::fixed(before)).expect("in range").timestamp().as_second() != at
                }
                AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => false,
            };
            if case.follows || fold == Fold::Both || !again {
                ticks.insert(at, true);
            }
        }
        ticks
    }

    fn check(&self, name: &str, cron: &Cron, case: &Case, policy: (Gap, Fold)) {
        let expected = self.expected(case, policy);
        let schedule = Schedule {
            timing: Timing::Cron(cron.clone()),
            timezone: Zone::find(name).expect("a zone"),
            dst: Dst { gap: policy.0, overlap: policy.1 },
            ..super::schedule(json!({ "every": "1s" }))
        };
        let calendar = schedule.calendar(Timestamp::EPOCH);
        let says = || format!("{} in {name}, {policy:?}, from {}", case.cron, self.from);
        let millis = |second: i64| Timestamp::from_millis(second * 1000);
        let before = |second: i64| Timestamp::from_millis(second * 1000 - 1);

        let mut at = before(self.from);
        let mut chain = BTreeMap::new();
        while let Some(tick) = calendar.next(at).filter(|tick| tick.at < millis(self.end())) {
            assert!(tick.at > at, "{}", says());
            at = tick.at;
            chain.insert(tick.at.second(), tick.runs);
        }
        assert_eq!(chain, expected, "next: {}", says());

        // From the end to the begin, with each of the other questions on the way.
        let (start, end) = (before(self.from), before(self.end()));
        assert_eq!(calendar.count(start, end), expected.len() as u64, "count: {}", says());
        let mut until = end;
        for (n, (at, runs)) in (0..).zip(expected.iter().rev().take(40)) {
            let tick = Some(Tick { at: millis(*at), runs: *runs });
            assert_eq!(calendar.last(start, until), tick, "last: {}", says());
            assert_eq!(calendar.count(millis(*at), end), n, "count after {at}: {}", says());
            assert!(calendar.contains(millis(*at)), "contains {at}: {}", says());
            if n % 13 == 5 {
                assert_eq!(calendar.nth_last(start, end, n + 1), tick, "nth_last {n}: {}", says());
            }
            until = before(*at);
        }
        for at in (self.from..self.end()).step_by(1740) {
            let contained = expected.contains_key(&at);
            assert_eq!(calendar.contains(millis(at)), contained, "contains {at}: {}", says());
        }
    }
}

/// The instants at which the offset is another than before, found by looking at each day.
fn changes(zone: &TimeZone, from: i64, to: i64) -> Vec<i64> {
    let offset = |at: i64| zone.to_offset(jiff::Timestamp::from_second(at).expect("in range"));
    let days: Vec<i64> = (from..to).step_by(86_400).collect();
    let changed = days.windows(2).filter_map(|days| {
        let &[mut low, mut high] = days else { return None };
        if offset(low) == offset(high) {
            return None;
        }
        while high - low > 1 {
            let middle = i64::midpoint(low, high);
            if offset(middle) == offset(low) { low = middle } else { high = middle }
        }
        Some(high)
    });
    changed.collect()
}

/// A zone for each way in which clocks went and will go in these years.
fn different_zones(from: i64, to: i64) -> Vec<(String, TimeZone, Vec<i64>)> {
    let mut seen = BTreeMap::new();
    for name in jiff::tz::db().available() {
        let Ok(zone) = Zone::find(name.as_str()) else { continue };
        let rules = zone.rules().clone();
        let offset = |at: i64| rules.to_offset(jiff::Timestamp::from_second(at).expect("in range")).seconds();
        let changes = changes(&rules, from, to);
        let way: Vec<(i64, i32)> = changes.iter().map(|at| (*at, offset(*at))).collect();
        seen.entry((offset(from), way)).or_insert((zone.name().to_owned(), rules.clone(), changes));
    }
    seen.into_values().collect()
}

fn second(text: &str) -> i64 {
    instant(text).second()
}

/// Checks the windows around changes of the clock, of that width in hours beside the shift.
fn check_changes(from: &str, to: &str, hours: i64, policies: &[(Gap, Fold)]) {
    let crons: Vec<Cron> = CASES.iter().map(|case| Cron::parse(case.cron).expect("a cron expression")).collect();
    let zones = different_zones(second(from), second(to));
    assert!(zones.len() > 20, "there are zones");
    for (name, zone, changes) in &zones {
        let offset = |at: i64| i64::from(zone.to_offset(jiff::Timestamp::from_second(at).expect("in range")).seconds());
        let plain = [second(from) + 9 * 86_400, second(to) - 200 * 86_400];
        for (number, at) in changes.iter().chain(&plain).enumerate() {
            let beside = hours * 3600 + (offset(*at) - offset(at - 1)).abs();
            let window = Window::new(zone, at - beside, at + beside, 60);
            for (cron, case) in crons.iter().zip(&CASES) {
                // Over the years every expression meets every policy at some change.
                for (turn, policy) in policies.iter().enumerate() {
                    if policies.len() == 1 || (turn + number) % 2 == 0 {
                        window.check(name, cron, case, *policy);
                    }
                }
            }
        }
    }
}

#[test]
fn around_every_change_of_the_clock_the_calendar_is_what_a_walk_finds() {
    check_changes("2015-01-01T00:00:00Z", "2040-01-01T00:00:00Z", 2, &POLICIES);
}

#[test]
#[ignore = "minutes: the past, and windows of days"]
fn around_every_change_of_the_clock_the_calendar_is_what_a_long_walk_finds() {
    // Until 1972 some offsets were no whole minutes.
    check_changes("1973-01-01T00:00:00Z", "2016-01-01T00:00:00Z", 2, &POLICIES);
    for policy in POLICIES {
        check_changes("2024-01-01T00:00:00Z", "2028-01-01T00:00:00Z", 40, &[policy]);
    }
}

#[test]
fn changes_off_the_minute_are_walked_in_seconds() {
    for (name, at) in [
        ("Africa/Monrovia", "1972-01-07T00:44:30Z"),
        ("Europe/Amsterdam", "1937-06-30T23:40:28Z"),
        ("Europe/Dublin", "1916-05-21T02:25:21Z"),
        ("Asia/Kolkata", "1906-01-01T00:00:00Z"),
    ] {
        let zone = Zone::find(name).expect("a zone").rules().clone();
        let near = changes(&zone, second(at) - 864_000, second(at) + 864_000);
        for at in near.into_iter().chain([second(at)]) {
            let window = Window::new(&zone, at - 2000, at + 2000, 1);
            for case in &CASES {
                let cron = Cron::parse(case.cron).expect("a cron expression");
                for policy in POLICIES {
                    window.check(name, &cron, case, policy);
                }
            }
        }
    }
}
