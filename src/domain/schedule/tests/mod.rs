//! Sentences about schedules.

use serde_json::{Value, json};

use super::*;

fn schedule(value: Value) -> Schedule {
    Schedule::parse(&value).unwrap_or_else(|refusals| panic!("{value}: {refusals:?}"))
}

fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

#[test]
fn ordinary_times_come_when_they_are_written() {
    let daily = schedule(json!({ "cron": "30 2 * * *", "timezone": "Europe/Berlin" }));
    let calendar = daily.calendar(Timestamp::EPOCH);
    let mut at = instant("2026-03-27T12:00:00Z");
    let mut seen = Vec::new();
    for _ in 0..4 {
        at = calendar.next(at).expect("a tick").at;
        seen.push(at.to_string());
    }
    assert_eq!(
        seen,
        [
            "2026-03-28T01:30:00.000Z",
            "2026-03-29T01:00:00.000Z",
            "2026-03-30T00:30:00.000Z",
            "2026-03-31T00:30:00.000Z"
        ]
    );
}
