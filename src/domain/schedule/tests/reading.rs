//! What a schedule can say, and what is said to one that cannot.

use std::time::Duration;

use super::*;

#[test]
fn a_schedule_says_one_timing_and_the_rest_has_defaults() {
    let found = schedule(json!({ "cron": "0 3 * * *" }));
    assert_eq!(found.timezone, Zone::utc());
    assert_eq!((found.start, found.end, found.limit, found.deadline), (None, None, None, None));
    assert_eq!((found.jitter, found.missed, found.dst), (Duration::ZERO, Missed::Latest, Dst::default()));
    assert_eq!(found.dst, Dst { gap: Gap::Shift, overlap: Fold::First });
}

#[test]
fn every_member_is_read() {
    let found = schedule(json!({
        "every": "1h 30m", "timezone": "europe/berlin", "start": "now", "end": "2027-01-01T00:00:00+01:00", "limit": 3.0,
        "jitter": "24h", "missed": "all", "deadline": "PT10M", "dst": { "gap": "skip", "overlap": "both" },
    }));
    assert_eq!(found.timing, Timing::Every(Duration::from_secs(5400)));
    assert_eq!(found.timezone.name(), "Europe/Berlin");
    assert_eq!(found.start, Some(Start::Now));
    assert_eq!(found.end, Some(instant("2026-12-31T23:00:00Z")));
    assert_eq!(found.limit, Some(3));
    assert_eq!(found.jitter, JITTER_MAX);
    assert_eq!(found.missed, Missed::All);
    assert_eq!(found.deadline, Some(Duration::from_secs(600)));
    assert_eq!(found.dst, Dst { gap: Gap::Skip, overlap: Fold::Both });
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let instants = vec!["2026-01-01T00:00:00Z"; INSTANTS_MAX + 1];
    for (value, path, words) in [
        (json!("0 3 * * *"), "", "an object with `cron`, `every` or `at`, not a string"),
        (json!({}), "", "needs one of `cron`, `every` and `at`"),
        (json!({ "cron": "@daily", "every": "1h" }), "", "not `cron` and `every` at once"),
        (json!({ "cron": 5 }), "/cron", "a text such as `0 3 * * *`, not a number"),
        (json!({ "cron": "0 3 * *" }), "/cron", "not 4"),
        (json!({ "cron": "CRON_TZ=Europe/Berlin 0 3 * * *" }), "/cron", "`timezone`, such as `Europe/Berlin`"),
        (json!({ "every": "999ms" }), "/every", "at least 1s"),
        (json!({ "every": "1500us 1s" }), "/every", "not a length of time"),
        (json!({ "every": "1s 1us" }), "/every", "whole milliseconds"),
        (json!({ "every": "1mo" }), "/every", "not a length of time"),
        (json!({ "every": 60 }), "/every", "such as 10s, 1h 30m or PT10M, not a number"),
        (json!({ "at": [] }), "/at", "from 1 to 1000 instants, not 0"),
        (json!({ "at": instants }), "/at", "not 1001"),
        (json!({ "at": "2026-03-29T03:00:00" }), "/at", "end it with an offset such as +01:00, or Z"),
        (json!({ "at": ["2026-03-29T03:00:00Z", "2026-03-29"] }), "/at/1", "end it with an offset"),
        (json!({ "at": ["soon"] }), "/at/0", "`soon` is not an instant"),
        (json!({ "at": {} }), "/at", "not an object"),
        (json!({ "cron": "@daily", "timezone": "Europe/Berln" }), "/timezone", "did you mean `Europe/Berlin`?"),
        (json!({ "cron": "@daily", "timezone": "+02:00" }), "/timezone", "Etc/GMT-2"),
        (json!({ "cron": "@daily", "timezone": "localtime" }), "/timezone", "no zone `localtime`"),
        (json!({ "cron": "@daily", "timezone": "Etc/Unknown" }), "/timezone", "no zone"),
        (json!({ "cron": "@daily", "timezone": "x".repeat(500) }), "/timezone", "no zone"),
        (json!({ "cron": "@daily", "timezone": "../../etc/passwd" }), "/timezone", "no zone"),
        (json!({ "cron": "@daily", "timezone": null }), "/timezone", "not null"),
        (json!({ "cron": "@daily", "start": "Now" }), "/start", "`Now` is not an instant"),
        (json!({ "cron": "@daily", "end": 7 }), "/end", "not a number"),
        (json!({ "cron": "@daily", "limit": 0 }), "/limit", "at least 1"),
        (json!({ "cron": "@daily", "limit": 1.5 }), "/limit", "a whole number"),
        (json!({ "cron": "@daily", "jitter": "25h" }), "/jitter", "at most 1d"),
        (json!({ "cron": "@daily", "deadline": "0s" }), "/deadline", "at least 1ms"),
        (json!({ "cron": "@daily", "missed": "none" }), "/missed", "one of `skip`, `latest` and `all`, not `none`"),
        (json!({ "cron": "@daily", "dst": "skip" }), "/dst", "expected an object, not a string"),
        (json!({ "cron": "@daily", "dst": { "gap": "first" } }), "/dst/gap", "`shift` and `skip`, not `first`"),
        (json!({ "cron": "@daily", "dst": { "overlap": true } }), "/dst/overlap", "`first` and `both`, not a boolean"),
        (json!({ "cron": "@daily", "dst": { "fold": "both" } }), "/dst/fold", "only `gap` and `overlap`"),
        (json!({ "cron": "@daily", "timeZone": "UTC" }), "/timeZone", "did you mean `timezone`?"),
        (json!({ "cron": "@daily", "a/b": 1 }), "/a~1b", "only `cron`, `every`"),
    ] {
        let refusals = Schedule::parse(&value).expect_err("refused");
        let found = refusals.iter().any(|refusal| refusal.path == path && refusal.detail.contains(words));
        assert!(found && refusals.len() == 1, "{value}: {refusals:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let wrong =
        json!({ "cron": "x", "every": "y", "timezone": 1, "limit": 0, "dst": { "gap": 1, "more": 2 }, "more": 3 });
    let mut paths: Vec<String> =
        Schedule::parse(&wrong).expect_err("refused").into_iter().map(|refusal| refusal.path).collect();
    paths.sort();
    assert_eq!(paths, ["", "/cron", "/dst/gap", "/dst/more", "/every", "/limit", "/more", "/timezone"]);
}

#[test]
fn nobody_is_told_more_than_anybody_reads() {
    let mut wrong = json!({ "at": vec!["soon"; INSTANTS_MAX], "end": "never" });
    for n in 0..50 {
        wrong[format!("unknown{n}")] = json!(n);
    }
    assert_eq!(Schedule::parse(&wrong).expect_err("refused").len(), 20);
    let wrong = json!({ "at": vec!["soon"; INSTANTS_MAX] });
    assert_eq!(Schedule::parse(&wrong).expect_err("refused").len(), 20);
}

#[test]
fn what_a_schedule_says_has_one_spelling() {
    for (spellings, canonical) in [
        (
            vec![
                json!({ "cron": "0  3 * * MON", "timezone": "UTC", "missed": "latest", "jitter": "0s", "dst": {} }),
                json!({ "dst": { "gap": "shift", "overlap": "first" }, "cron": " 0 3 * * 1 " }),
                json!({ "cron": "0 3 ? * mon" }),
            ],
            json!({ "cron": "0 3 * * 1" }),
        ),
        (vec![json!({ "cron": "@midnight" }), json!({ "cron": "@DAILY" })], json!({ "cron": "0 0 * * *" })),
        (
            vec![
                json!({ "deadline": "1m 30s", "every": "PT1H", "start": "2026-01-01T01:00:00+01:00" }),
                json!({ "every": "60m", "start": "2026-01-01T00:00:00Z", "deadline": "90s" }),
            ],
            json!({ "every": "1h", "start": "2026-01-01T00:00:00.000Z", "deadline": "1m 30s" }),
        ),
        (
            vec![
                json!({ "at": "2026-01-01T01:00:00+01:00" }),
                json!({ "at": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.0Z"] }),
            ],
            json!({ "at": ["2026-01-01T00:00:00.000Z"] }),
        ),
        (
            vec![
                json!({ "start": "now", "dst": { "overlap": "both" }, "timezone": "europe/berlin", "cron": "5 4 * * *" }),
            ],
            json!({ "cron": "5 4 * * *", "timezone": "Europe/Berlin", "start": "now", "dst": { "overlap": "both" } }),
        ),
    ] {
        for spelling in spellings {
            let found = schedule(spelling.clone());
            assert_eq!(found.canonical().to_string(), canonical.to_string(), "{spelling}");
            assert_eq!(schedule(found.canonical()), found, "{spelling}");
        }
    }
}
