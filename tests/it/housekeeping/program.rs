//! The real program keeps its house by the clock.

use rustix::process::Signal;

use crate::cli::world::{Ended, World, ask, until};

const EACH_SECOND: &str = r#"
[housekeeping]
retention = "* * * * * *"
log = "* * * * * *"
sweep = "* * * * * *"
[retention]
jobs = { per_activity = 1 }
[operations.bark]
exec = { command = ["true"] }
[collections.dogs]
preconditions = "optional"
"#;

/// The number of a series, as `/metrics` tells it.
fn number(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series}: {metrics}")).parse().expect("a number")
}

#[test]
fn old_jobs_are_forgotten_by_the_clock_and_each_run_is_counted_and_logged() {
    let world = World::with(EACH_SECOND);
    let service = world.serve(&["--log-format", "json"]);
    let address = service.address().to_owned();
    assert!(ask(&address, "PUT /v1/dogs/rex", "{}").starts_with("HTTP/1.1 201 "));
    for number in 1..=3 {
        let posted = ask(&address, "POST /v1/dogs/rex/processing", r#"{"operation":"bark"}"#);
        assert!(posted.starts_with("HTTP/1.1 202 "), "{posted}");
        until("the job is done", || ask(&address, "GET /v1/dogs/rex", "").contains(r#""settled":true"#));
        let folders = || std::fs::read_dir(world.path().join("heeler.redb.attempts")).expect("the folder").count();
        assert!(number > 0 && folders() > 0);
    }
    let jobs = || ask(&address, "GET /v1/dogs/rex/processing", "").matches(r#""phase":"succeeded""#).count();
    until("two are forgotten", || jobs() == 1);
    let metrics = || ask(&address, "GET /metrics", "");
    let of = |series: &str| number(&metrics(), series);
    until("they are counted", || of(r#"heeler_housekeeping_items_total{kind="retention"}"#) >= 2.0);
    until("everything was looked at", || of(r#"heeler_housekeeping_items_total{kind="sweep"}"#) >= 1.0);
    until("each kind has run", || {
        ["retention", "log", "sweep"].iter().all(|kind| {
            of(&format!("heeler_housekeeping_runs_total{{kind=\"{kind}\",outcome=\"done\"}}")) >= 1.0
                && of(&format!("heeler_housekeeping_seconds_count{{kind=\"{kind}\"}}")) >= 1.0
                && of(&format!("heeler_housekeeping_last_run_timestamp_seconds{{kind=\"{kind}\"}}")) > 1.7e9
        })
    });
    let answer = metrics();
    assert!(answer.to_lowercase().contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    assert!(answer.contains("# TYPE heeler_housekeeping_runs_total counter\n"), "{answer}");
    let folders = std::fs::read_dir(world.path().join("heeler.redb.attempts")).expect("the folder");
    assert_eq!(folders.count(), 1, "what their attempts left is gone, too");
    service.signal(Signal::TERM);
    let Ended { code, stderr, .. } = service.end();
    assert_eq!(code, Some(0), "{stderr}");
    let told = stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON"));
    let forgotten: u64 = told
        .filter(|line| line["message"] == "housekeeping" && line["kind"] == "retention" && line["duration_ms"].is_u64())
        .map(|line| line["done"].as_u64().expect("a number"))
        .sum();
    assert_eq!(forgotten, 2, "{stderr}");
    assert!(!stderr.contains("tokio_cron_scheduler"), "{stderr}");
}

#[test]
fn times_that_are_none_are_refused_before_anything_is_opened() {
    let world = World::with("[housekeeping]\nsweep = \"0 0 30 2 *\"\n");
    let expected =
        "heeler.toml:2:9: `housekeeping.sweep`: `0 0 30 2 *` is not a cron expression: no such time ever comes\n";
    for command in ["check", "serve"] {
        let Ended { code, stderr, .. } = world.run(&[command]);
        assert_eq!((code, stderr.as_str()), (Some(2), expected), "{command}");
    }
    assert!(!world.path().join("heeler.redb").exists());
}
