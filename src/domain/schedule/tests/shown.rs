//! The next ticks as they are shown, and the delay of their launches.

use std::time::Duration;

use super::*;

#[test]
fn what_a_change_of_the_clock_does_is_said() {
    let berlin = |cron: &str, dst: Value| json!({ "cron": cron, "timezone": "Europe/Berlin", "dst": dst });
    let (spring, autumn) = ("2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z");
    for (value, after, local, note) in [
        (
            berlin("30 2 * * *", json!({})),
            spring,
            "2026-03-29T03:00:00+02:00[Europe/Berlin]",
            "02:30 does not exist on 2026-03-29: it comes at the first instant after the gap",
        ),
        (
            berlin("30 2 * * *", json!({ "gap": "skip" })),
            spring,
            "2026-03-29T03:00:00+02:00[Europe/Berlin]",
            "02:30 does not exist on 2026-03-29: it is skipped",
        ),
        (
            berlin("10,20 2 * * *", json!({})),
            spring,
            "2026-03-29T03:00:00+02:00[Europe/Berlin]",
            "02:10 and 1 more do not exist on 2026-03-29: they come at the first instant after the gap, once",
        ),
        (
            berlin("0 2,3 * * *", json!({})),
            spring,
            "2026-03-29T03:00:00+02:00[Europe/Berlin]",
            "02:00 does not exist on 2026-03-29: it falls together with 03:00",
        ),
        (
            berlin("30 2 * * *", json!({})),
            autumn,
            "2026-10-25T02:30:00+02:00[Europe/Berlin]",
            "02:30 comes twice on this day: this is the first, and the only one that counts",
        ),
        (
            berlin("30 2 * * *", json!({ "overlap": "both" })),
            autumn,
            "2026-10-25T02:30:00+02:00[Europe/Berlin]",
            "02:30 comes twice on this day: this is the first",
        ),
        (
            berlin("30 2 * * *", json!({ "overlap": "both" })),
            "2026-10-25T00:30:00Z",
            "2026-10-25T02:30:00+01:00[Europe/Berlin]",
            "02:30 comes twice on this day: this is the second",
        ),
        (
            berlin("*/30 * * * *", json!({})),
            "2026-10-25T00:59:00Z",
            "2026-10-25T02:00:00+01:00[Europe/Berlin]",
            "02:00 comes twice on this day: this is the second",
        ),
    ] {
        let found = upcoming(&schedule(value.clone()), Timestamp::EPOCH, instant(after), 1);
        assert_eq!(found[0].local, local, "{value}");
        assert_eq!(found[0].note.as_deref(), Some(note), "{value}");
    }
}

#[test]
fn most_ticks_need_no_note() {
    for (value, after, local) in [
        (
            json!({ "cron": "30 1 * * *", "timezone": "Europe/Berlin" }),
            "2026-03-29T00:00:00Z",
            "2026-03-29T01:30:00+01:00[Europe/Berlin]",
        ),
        (
            json!({ "cron": "0 3 * * *", "timezone": "Europe/Berlin" }),
            "2026-03-29T00:30:00Z",
            "2026-03-29T03:00:00+02:00[Europe/Berlin]",
        ),
        (
            json!({ "cron": "0 3 * * *", "timezone": "Europe/Berlin" }),
            "2026-10-25T01:30:00Z",
            "2026-10-25T03:00:00+01:00[Europe/Berlin]",
        ),
        (json!({ "cron": "0 3 * * *" }), "2026-03-29T00:00:00Z", "2026-03-29T03:00:00+00:00[UTC]"),
        (
            json!({ "at": "2026-03-29T01:00:00.5Z", "timezone": "Europe/Berlin" }),
            "2026-03-29T00:00:00Z",
            "2026-03-29T03:00:00.5+02:00[Europe/Berlin]",
        ),
    ] {
        let after = if value["cron"] == "30 1 * * *" { instant("2026-03-28T23:00:00Z") } else { instant(after) };
        let found = upcoming(&schedule(value.clone()), Timestamp::EPOCH, after, 1);
        assert_eq!((found[0].local.as_str(), found[0].note.as_deref()), (local, None), "{value}");
    }
}

#[test]
fn as_many_are_shown_as_are_asked_for_and_exist() {
    let twice = schedule(json!({ "at": ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"] }));
    for (n, expected) in [(0, 0), (1, 1), (2, 2), (9, 2)] {
        assert_eq!(upcoming(&twice, Timestamp::EPOCH, Timestamp::EPOCH, n).len(), expected);
    }
}

#[test]
fn a_delay_is_the_same_each_time_and_spread_below_the_jitter_and_the_next_tick() {
    let tick = instant("2026-01-01T00:00:00Z");
    let hourly = |jitter: &str| schedule(json!({ "cron": "@hourly", "jitter": jitter }));
    for (jitter, least, room) in [("10m", 500, 600), ("24h", 3000, 3600), ("1s", 0, 1), ("0s", 0, 0)] {
        let schedule = hourly(jitter);
        let delays: Vec<Duration> =
            (0..200_u32).map(|uid| schedule.delay(tick, &uid.to_be_bytes(), "processing", tick)).collect();
        let again: Vec<Duration> =
            (0..200_u32).map(|uid| hourly(jitter).delay(tick, &uid.to_be_bytes(), "processing", tick)).collect();
        assert_eq!(delays, again);
        let most = delays.iter().max().expect("some");
        assert!(*most >= Duration::from_secs(least), "{jitter}: {most:?}");
        assert!(room == 0 && most.is_zero() || *most < Duration::from_secs(room), "{jitter}: {most:?}");
    }
    let schedule = hourly("10m");
    let of = |uid: &[u8], activity: &str, tick: Timestamp| schedule.delay(tick, uid, activity, tick);
    let one = of(b"a", "bc", tick);
    assert_ne!(one, of(b"ab", "c", tick));
    assert_ne!(one, of(b"a", "bd", tick));
    assert_ne!(one, of(b"a", "bc", instant("2026-01-01T01:00:00Z")));
    // Known for ever: another release must not launch a tick at another time.
    assert_eq!(one, Duration::from_millis(218_918));
}
