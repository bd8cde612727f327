//! What changes of the clock do to times, in zones known for theirs.
//!
//! Every instant here was worked out by hand from the rules of the zone.

use super::*;

/// What a row is about; the zone, the expression and `dst`; after which instant what ticks.
type Row<'a> = (&'a str, &'a str, &'a str, Value, &'a str, &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (name, zone, cron, dst, after, expected) in rows {
        let schedule = schedule(json!({ "cron": cron, "timezone": zone, "dst": dst }));
        let found = ticks(&schedule, Timestamp::EPOCH, instant(after), expected.len());
        assert_eq!(found, *expected, "{name}: {cron} in {zone}");
    }
}

#[test]
fn a_time_that_does_not_exist_comes_at_the_first_instant_after_the_gap() {
    let shift = || json!({});
    check(&[
        (
            "an hour, at night",
            "Europe/Berlin",
            "30 2 * * *",
            shift(),
            "2026-03-27T12:00:00Z",
            &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "an hour, in America",
            "America/New_York",
            "30 2 * * *",
            shift(),
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        ),
        (
            "half an hour",
            "Australia/Lord_Howe",
            "15 2 * * *",
            shift(),
            "2026-10-02T20:00:00Z",
            &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
        ),
        (
            "midnight, in the south",
            "America/Sao_Paulo",
            "0 0 * * *",
            shift(),
            "2018-11-03T04:00:00Z",
            &["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"],
        ),
        (
            "midnight, in Africa",
            "Africa/Cairo",
            "0 0 * * *",
            shift(),
            "2026-04-22T23:00:00Z",
            &["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"],
        ),
        (
            "midnight, in Asia",
            "Asia/Beirut",
            "0 0 * * *",
            shift(),
            "2026-03-27T23:00:00Z",
            &["2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"],
        ),
        (
            "a whole day",
            "Pacific/Apia",
            "0 12 * * *",
            shift(),
            "2011-12-29T00:00:00Z",
            &["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"],
        ),
        (
            "a date that a zone never had",
            "Pacific/Apia",
            "0 12 30 12 *",
            shift(),
            "2011-12-01T00:00:00Z",
            &["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"],
        ),
        (
            "winter time that is the exception",
            "Africa/Casablanca",
            "30 2 * * *",
            shift(),
            "2026-03-21T12:00:00Z",
            &["2026-03-22T02:00:00Z", "2026-03-23T01:30:00Z"],
        ),
        (
            "winter time that is the exception, in Europe",
            "Europe/Dublin",
            "30 1 * * *",
            shift(),
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "two hours, and two times in them",
            "Antarctica/Troll",
            "30 1,2 * * *",
            shift(),
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T23:30:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "a change for good",
            "Asia/Pyongyang",
            "45 23 * * *",
            shift(),
            "2018-05-03T20:00:00Z",
            &["2018-05-04T15:00:00Z", "2018-05-05T14:45:00Z"],
        ),
        (
            "several in one gap, and the one after it",
            "Europe/Berlin",
            "0,20,40 2,3 * * *",
            shift(),
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z", "2026-03-30T00:00:00Z"],
        ),
        (
            "a change off the minute, from 23:44:30 behind",
            "Africa/Monrovia",
            "0 0 * * *",
            shift(),
            "1972-01-06T12:00:00Z",
            &["1972-01-07T00:44:30Z", "1972-01-08T00:00:00Z"],
        ),
    ]);
}

#[test]
fn a_time_that_does_not_exist_can_be_skipped_where_it_would_be() {
    let skip = || json!({ "gap": "skip" });
    check(&[
        (
            "an hour",
            "Europe/Berlin",
            "30 2 * * *",
            skip(),
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z!", "2026-03-30T00:30:00Z"],
        ),
        (
            "a day",
            "Pacific/Apia",
            "0 6,12 * * *",
            skip(),
            "2011-12-29T20:00:00Z",
            &["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z!", "2011-12-30T16:00:00Z"],
        ),
        (
            "unless a real one is there",
            "Europe/Berlin",
            "0,30 2,3 * * *",
            skip(),
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
        ),
        (
            "the end of the gap is no part of it",
            "Europe/Berlin",
            "0 3 * * *",
            skip(),
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"],
        ),
        (
            "its begin is",
            "Europe/Berlin",
            "0 2 * * *",
            skip(),
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z!", "2026-03-30T00:00:00Z"],
        ),
    ]);
}

#[test]
fn a_time_that_comes_twice_counts_first_or_both() {
    for (zone, cron, after, first, second, then) in [
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-26T01:30:00Z",
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-10-31T12:00:00Z",
            "2026-11-01T05:30:00Z",
            "2026-11-01T06:30:00Z",
            "2026-11-02T06:30:00Z",
        ),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-03T20:00:00Z",
            "2026-04-04T14:45:00Z",
            "2026-04-04T15:15:00Z",
            "2026-04-05T15:15:00Z",
        ),
        (
            "America/Sao_Paulo",
            "30 23 * * *",
            "2019-02-16T12:00:00Z",
            "2019-02-17T01:30:00Z",
            "2019-02-17T02:30:00Z",
            "2019-02-18T02:30:00Z",
        ),
        (
            "Africa/Casablanca",
            "30 2 * * *",
            "2026-02-14T12:00:00Z",
            "2026-02-15T01:30:00Z",
            "2026-02-15T02:30:00Z",
            "2026-02-16T02:30:00Z",
        ),
        (
            "Europe/Dublin",
            "30 1 * * *",
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-26T01:30:00Z",
        ),
        (
            "Antarctica/Troll",
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T02:30:00Z",
            "2026-10-26T02:30:00Z",
        ),
        (
            "Europe/Volgograd",
            "30 1 * * *",
            "2020-12-26T12:00:00Z",
            "2020-12-26T21:30:00Z",
            "2020-12-26T22:30:00Z",
            "2020-12-27T22:30:00Z",
        ),
    ] {
        check(&[
            ("first", zone, cron, json!({}), after, &[first, then]),
            ("both", zone, cron, json!({ "overlap": "both" }), after, &[first, second, then]),
        ]);
    }
}

#[test]
fn a_star_in_the_minute_or_the_hour_follows_real_time() {
    let any = || json!({ "gap": "skip", "overlap": "first" });
    check(&[
        (
            "half hours through the repeated hour",
            "Europe/Berlin",
            "*/30 * * * *",
            any(),
            "2026-10-24T23:59:00Z",
            &[
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ],
        ),
        (
            "and over the gap",
            "Europe/Berlin",
            "*/30 * * * *",
            any(),
            "2026-03-29T00:15:00Z",
            &["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
        ),
        (
            "hourly, half past",
            "Europe/Berlin",
            "30 * * * *",
            any(),
            "2026-10-25T00:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"],
        ),
        (
            "an hour that is left out is not made up for",
            "Europe/Berlin",
            "*/20 2 * * *",
            any(),
            "2026-03-28T12:00:00Z",
            &["2026-03-30T00:00:00Z", "2026-03-30T00:20:00Z"],
        ),
        (
            "in steps of hours, one of which is left out",
            "Europe/Berlin",
            "0 */2 * * *",
            any(),
            "2026-03-28T22:30:00Z",
            &["2026-03-28T23:00:00Z", "2026-03-29T02:00:00Z"],
        ),
        (
            "half an hour more on Lord Howe",
            "Australia/Lord_Howe",
            "*/20 * * * *",
            any(),
            "2026-04-04T14:30:00Z",
            &["2026-04-04T14:40:00Z", "2026-04-04T15:10:00Z", "2026-04-04T15:30:00Z"],
        ),
        (
            "a star among the seconds alone is no such star",
            "Europe/Berlin",
            "*/30 30 2 * * *",
            json!({}),
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-30T00:30:30Z"],
        ),
    ]);
}

#[test]
fn the_stretches_of_every_zone_are_whole_and_longer_than_what_shifts_the_clock() {
    for name in jiff::tz::db().available() {
        let Ok(zone) = Zone::find(name.as_str()) else { continue };
        let (mut at, end) = (-5_000_000_000, 4_000_000_000);
        while at < end {
            let stretch = zone.stretch(at);
            let shift = (stretch.offset - stretch.before).abs();
            assert!(shift <= 26 * 3600, "{name}: {stretch:?}");
            let Some(next) = stretch.to else { break };
            for inside in [at, next - 1, i64::midpoint(at, next)] {
                assert!(stretch.from.is_none_or(|from| from <= inside) && inside < next, "{name}: {stretch:?}");
                assert_eq!(zone.stretch(inside), stretch, "{name}: at {inside}");
            }
            let shift = shift.max((zone.stretch(next).offset - stretch.offset).abs());
            let nearest = stretch.from.map_or(i64::MAX, |from| next - from);
            assert!(nearest > shift, "{name}: {stretch:?}");
            at = next;
        }
    }
}
