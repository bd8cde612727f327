//! Intervals and lists of instants, bounds, and what is feasible.

use super::*;

#[test]
fn intervals_are_counted_from_their_base() {
    let anchor = instant("2026-01-01T00:00:00.250Z");
    for (name, value, after, expected) in [
        (
            "the first is one interval after the commit",
            json!({ "every": "90m" }),
            anchor,
            ["2026-01-01T01:30:00.250Z", "2026-01-01T03:00:00.250Z"],
        ),
        (
            "and not the commit itself",
            json!({ "every": "90m" }),
            Timestamp::EPOCH,
            ["2026-01-01T01:30:00.250Z", "2026-01-01T03:00:00.250Z"],
        ),
        (
            "a past start only fixes the grid",
            json!({ "every": "1d", "start": "2020-05-05T06:00:00Z" }),
            anchor,
            ["2026-01-01T06:00:00Z", "2026-01-02T06:00:00Z"],
        ),
        (
            "a start to come ticks itself",
            json!({ "every": "1d", "start": "2026-05-05T06:00:00Z" }),
            anchor,
            ["2026-05-05T06:00:00Z", "2026-05-06T06:00:00Z"],
        ),
        (
            "a start now ticks at once",
            json!({ "every": "1s", "start": "now" }),
            instant("2025-12-31T00:00:00Z"),
            ["2026-01-01T00:00:00.250Z", "2026-01-01T00:00:01.250Z"],
        ),
    ] {
        assert_eq!(ticks(&schedule(value), anchor, after, 2), expected, "{name}");
    }
}

#[test]
fn intervals_do_not_drift_over_the_years() {
    let interval = schedule(json!({ "every": "7h 13m 1s", "start": "2000-01-01T00:00:00Z" }));
    let calendar = interval.calendar(Timestamp::EPOCH);
    let start = instant("2000-01-01T00:00:00Z");
    let mut at = start;
    for k in 1..=20_000 {
        at = calendar.next(at).expect("a tick").at;
        assert_eq!(at.as_millis(), start.as_millis() + k * 25_981_000);
    }
    assert_eq!(calendar.count(start, at), 20_000);
    assert_eq!(calendar.last(start, at.next()).map(|tick| tick.at), Some(at));
    let far = calendar.next(instant("9000-01-01T00:00:00Z")).expect("a tick").at;
    assert_eq!((far.as_millis() - start.as_millis()) % 25_981_000, 0);
}

#[test]
fn a_list_of_instants_is_a_set() {
    let at = schedule(json!({ "at": ["2026-03-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"] }));
    assert_eq!(ticks(&at, Timestamp::EPOCH, Timestamp::EPOCH, 9), ["2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"]);
    let calendar = at.calendar(Timestamp::EPOCH);
    assert!(calendar.contains(instant("2026-03-01T00:00:00Z")));
    assert!(!calendar.contains(instant("2026-02-01T00:00:00Z")));
    assert_eq!(calendar.count(instant("2026-01-01T00:00:00Z"), instant("2027-01-01T00:00:00Z")), 1);
    let none = calendar.last(instant("2026-01-02T00:00:00Z"), instant("2026-02-01T00:00:00Z"));
    assert_eq!(none, None);
}

#[test]
fn start_and_end_are_inclusive() {
    let (start, end) = ("2026-01-01T03:00:00Z", "2026-01-03T03:00:00Z");
    for timing in [
        json!({ "cron": "0 3 * * *" }),
        json!({ "every": "1d" }),
        json!({ "at": ["2025-12-31T03:00:00Z", start, "2026-01-02T03:00:00Z", end, "2026-01-04T03:00:00Z"] }),
    ] {
        let mut value = timing;
        value["start"] = start.into();
        value["end"] = end.into();
        let schedule = schedule(value);
        assert_eq!(
            ticks(&schedule, Timestamp::EPOCH, Timestamp::EPOCH, 9),
            [start, "2026-01-02T03:00:00Z", end],
            "{schedule:?}"
        );
        let calendar = schedule.calendar(Timestamp::EPOCH);
        let later = instant("2027-01-01T00:00:00Z");
        assert_eq!(calendar.count(Timestamp::EPOCH, later), 3);
        assert_eq!(calendar.last(Timestamp::EPOCH, later).map(|tick| tick.at), Some(instant(end)));
        assert!(calendar.contains(instant(start)) && calendar.contains(instant(end)));
        assert!(!calendar.contains(instant("2026-01-04T03:00:00Z")));
    }
    let off_the_second = schedule(json!({ "cron": "* * * * * *", "start": "2026-01-01T00:00:00.001Z" }));
    assert_eq!(ticks(&off_the_second, Timestamp::EPOCH, Timestamp::EPOCH, 1), ["2026-01-01T00:00:01Z"]);
    let now = schedule(json!({ "cron": "0 3 * * *", "start": "now" }));
    let anchor = instant("2026-01-01T03:00:00Z");
    assert_eq!(ticks(&now, anchor, Timestamp::EPOCH, 1), ["2026-01-01T03:00:00Z"]);
    assert_eq!(ticks(&now, anchor.next(), Timestamp::EPOCH, 1), ["2026-01-02T03:00:00Z"]);
}

#[test]
fn a_schedule_that_never_ticks_is_refused_where_it_is_to_blame() {
    let now = instant("2026-06-01T12:00:00Z");
    for (value, path, word) in [
        (json!({ "cron": "0 0 30 2 *" }), "/cron", "no"),
        (json!({ "cron": "0 0 31 4,6,9,11 *" }), "/cron", "never comes"),
        (json!({ "cron": "0 0 31W 2 *" }), "/cron", "never comes"),
        (json!({ "cron": "*/5 2 * 3 0L", "timezone": "Europe/Berlin" }), "/cron", "Europe/Berlin"),
        (json!({ "cron": "0 0 * * *", "end": "2026-06-01T12:00:00Z" }), "/end", "has passed"),
        (json!({ "cron": "0 0 * * *", "end": "2026-06-01T13:00:00Z" }), "/end", "2026-06-02T00:00:00.000Z"),
        (
            json!({ "every": "1h", "start": "2027-01-01T00:00:00Z", "end": "2026-12-01T00:00:00Z" }),
            "/end",
            "before the start",
        ),
        (json!({ "every": "1h", "end": "2026-06-01T12:30:00Z" }), "/end", "2026-06-01T13:00:00.000Z"),
        (json!({ "every": "3000000d" }), "/every", "so long"),
        (json!({ "at": "2026-06-01T12:00:00Z" }), "/at", "after now"),
        (json!({ "at": ["2026-05-01T12:00:00Z", "2020-01-01T00:00:00Z"] }), "/at", "after now"),
        (json!({ "at": "2026-07-01T12:00:00Z", "start": "2026-08-01T00:00:00Z" }), "/start", "after everything"),
        (json!({ "at": "2026-07-01T12:00:00Z", "end": "2026-06-30T00:00:00Z" }), "/end", "2026-07-01"),
        (json!({ "cron": "0 0 29 2 *", "start": "9999-01-01T00:00:00Z" }), "/start", "so late"),
    ] {
        let refusal = schedule(value.clone()).feasible(now).expect_err("it never ticks");
        assert_eq!(refusal.path, path, "{value}: {}", refusal.detail);
        assert!(refusal.detail.contains(word), "{value}: {}", refusal.detail);
    }
}

#[test]
fn what_ticks_once_is_feasible() {
    let now = instant("2026-06-01T12:00:00Z");
    for value in [
        json!({ "cron": "0 0 29 2 *" }),
        json!({ "cron": "0 0 * 2 1#5" }),
        json!({ "cron": "0 0 31 12 *" }),
        json!({ "cron": "30 2 29 3 *", "timezone": "Europe/Berlin", "dst": { "gap": "skip" } }),
        json!({ "every": "1h", "end": "2026-06-01T13:00:00Z" }),
        json!({ "every": "1d", "start": "now", "end": "2026-06-01T12:00:01Z" }),
        json!({ "cron": "0 12 1 6 *", "start": "now", "end": "2026-06-01T12:30:00Z" }),
        json!({ "at": ["2020-01-01T00:00:00Z", "2026-06-01T12:00:00.001Z"] }),
        json!({ "cron": "@yearly", "missed": "skip", "deadline": "1h" }),
    ] {
        assert_eq!(schedule(value.clone()).feasible(now), Ok(()), "{value}");
    }
}

#[test]
fn leap_days_are_found_over_the_widest_distance() {
    let monday = schedule(json!({ "cron": "0 0 * 2 1#5" }));
    let seen = ticks(&monday, Timestamp::EPOCH, instant("2052-01-01T00:00:00Z"), 3);
    // 2100 is no leap year.
    assert_eq!(seen, ["2072-02-29T00:00:00Z", "2112-02-29T00:00:00Z", "2140-02-29T00:00:00Z"]);
}

#[test]
fn centuries_are_counted_by_arithmetic() {
    let (start, end) = (instant("1800-01-01T00:00:00Z"), instant("2600-01-01T00:00:00Z"));
    let days = 292_194;
    for (value, expected) in [
        (json!({ "cron": "* * * * * *" }), days * 86_400),
        (json!({ "cron": "0 0 * * *" }), days),
        (json!({ "cron": "0 0 29 2 *" }), 194),
        (json!({ "cron": "0 0 L * *" }), 9600),
        (json!({ "cron": "0 0 1 1 *", "timezone": "Asia/Tokyo" }), 800),
        (json!({ "every": "1s", "start": "1700-01-01T00:00:00Z" }), days * 86_400),
    ] {
        let schedule = schedule(value.clone());
        let calendar = schedule.calendar(Timestamp::EPOCH);
        let before = Timestamp::from_millis(start.as_millis() - 1);
        assert_eq!(calendar.count(before, Timestamp::from_millis(end.as_millis() - 1)), expected, "{value}");
    }
    let minutes = schedule(json!({ "cron": "30 2 * * *", "timezone": "Europe/Berlin" }));
    let calendar = minutes.calendar(Timestamp::EPOCH);
    assert_eq!(calendar.count(start, end), days, "one for each day, whatever the clock does");
    let newest = calendar.nth_last(start, end, 1000).expect("so many").at;
    assert_eq!(calendar.count(newest, end), 999);
    let all = calendar.count(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    assert!((3_652_000..3_653_000).contains(&all), "{all}");
}
