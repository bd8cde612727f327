//! What `/metrics` tells: its structure, that its numbers agree with what
//! happened, and that the documentation says the same.

use std::collections::{BTreeMap, BTreeSet};

use insta::assert_snapshot;
use serde_json::json;

use super::{UNTIL_GO, script};
use crate::service::client::{JSON, MERGE, request};
use crate::service::{Service, World, until};

const DOCUMENTATION: &str = include_str!("../../../docs/metrics.md");

const CONFIGURATION: &str = r#"
[limits]
running = 2

[operations.script]
exec  = { command = ["sh", "-c", "${input.script}"] }
grace = "200ms"
retry = { attempts = 2, backoff = "10ms" }

[operations.notify]
exec = { command = ["true"] }

[collections.notes]
preconditions = "optional"
[collections.notes.activities.processing]
on_failure = { launch = { operation = "notify" } }
"#;

const NOTE: &str = "/v1/notes/42";

/// What is told, series by series.
#[derive(Debug)]
struct Scrape(String);

impl Scrape {
    fn of(service: &Service) -> Self {
        let answer = service.get("/metrics");
        Self(String::from_utf8(answer.body).expect("text"))
    }

    fn number(&self, series: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series}: {}", self.0)).parse().expect("a number")
    }

    /// Each name with its type and the names of its labels.
    fn structure(&self) -> BTreeMap<&str, (&str, BTreeSet<&str>)> {
        let mut found: BTreeMap<&str, (&str, BTreeSet<&str>)> = BTreeMap::new();
        for line in self.0.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                found.insert(name, (kind, BTreeSet::new()));
            }
        }
        for line in self.0.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().expect("a name");
            let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let name = stem.filter(|stem| found.contains_key(stem)).unwrap_or(name);
            let labels =
                line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(labels, _)| labels);
            let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
            let known = found.get_mut(name).unwrap_or_else(|| panic!("{line} has no type"));
            known.1.extend(names.filter(|name| *name != "le"));
        }
        found
    }
}

/// A service that has seen something of everything.
fn busy(world: &World) -> Service {
    let service = world.start();
    let every = json!({ "processing": { "operation": "notify", "schedule": { "every": "1h", "start": "now" } } });
    service.put("/v1/notes/ticking", &every);
    service.until("it ticked", "/v1/notes/ticking", |note| note["status"]["settled"] == true);
    service.put(NOTE, &json!({ "processing": script("true") }));
    service.until("it settles", NOTE, |note| note["status"]["settled"] == true);
    service.ask(&request("PATCH", NOTE).json(MERGE, &json!({ "processing": script("exit 3") })));
    service.until("it settles", NOTE, |note| note["status"]["settled"] == true);
    service
}

#[test]
fn names_types_and_labels_are_those_that_are_known() {
    let world = World::new(CONFIGURATION);
    let service = busy(&world);
    let scrape = Scrape::of(&service);
    let lines = scrape.structure().into_iter().map(|(name, (kind, labels))| {
        format!("{name} {kind} {}", labels.into_iter().collect::<Vec<_>>().join(",")).trim_end().to_owned()
    });
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
    heeler_attempt_duration_seconds histogram operation
    heeler_attempts_finished_total counter operation,outcome
    heeler_attempts_started_total counter operation
    heeler_build_info gauge version
    heeler_commit_batch_size histogram
    heeler_commit_duration_seconds histogram
    heeler_commits_total counter
    heeler_housekeeping_items_total counter kind
    heeler_housekeeping_last_run_timestamp_seconds gauge kind
    heeler_housekeeping_runs_total counter kind,outcome
    heeler_housekeeping_seconds summary kind
    heeler_http_connections gauge
    heeler_http_request_duration_seconds histogram method,route
    heeler_http_requests_total counter method,route,status
    heeler_job_wait_seconds histogram operation
    heeler_jobs_created_total counter operation,trigger
    heeler_jobs_finished_total counter operation,outcome
    heeler_jobs_running gauge operation
    heeler_jobs_waiting gauge operation
    heeler_jobs_waiting_oldest_seconds gauge operation
    heeler_tick_lag_seconds histogram
    heeler_ticks_total counter outcome,reason
    heeler_watchers gauge kind
    ");
}

#[test]
fn the_documentation_lists_what_is_told_and_nothing_else() {
    let world = World::new(CONFIGURATION);
    let service = busy(&world);
    let scrape = Scrape::of(&service);
    let told: BTreeSet<String> = scrape
        .structure()
        .into_iter()
        .map(|(name, (kind, labels))| {
            let labels: Vec<String> = labels.into_iter().map(|label| format!("`{label}`")).collect();
            format!("| `{name}` | {kind} | {} |", labels.join(" "))
        })
        .collect();
    let documented: BTreeSet<String> = DOCUMENTATION
        .lines()
        .filter(|line| line.starts_with("| `heeler_"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let mut labels: Vec<&str> = cells[3].split(' ').collect();
            labels.sort_unstable();
            format!("| {} | {} | {} |", cells[1], cells[2], labels.join(" "))
        })
        .collect();
    assert_eq!(told.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "told, and not documented");
    assert_eq!(documented.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new(), "documented, and not told");
}

#[test]
fn the_numbers_agree_with_what_happened() {
    let world = World::new(CONFIGURATION);
    let service = busy(&world);
    let scrape = Scrape::of(&service);
    for (series, number) in [
        (r#"heeler_jobs_created_total{operation="script",trigger="change"}"#, 2.0),
        (r#"heeler_jobs_created_total{operation="script",trigger="manual"}"#, 0.0),
        (r#"heeler_jobs_created_total{operation="notify",trigger="schedule"}"#, 1.0),
        (r#"heeler_jobs_created_total{operation="notify",trigger="follow"}"#, 1.0),
        (r#"heeler_jobs_finished_total{operation="script",outcome="succeeded"}"#, 1.0),
        (r#"heeler_jobs_finished_total{operation="script",outcome="failed"}"#, 1.0),
        (r#"heeler_jobs_finished_total{operation="notify",outcome="succeeded"}"#, 2.0),
        // The second one was tried twice.
        (r#"heeler_attempts_started_total{operation="script"}"#, 3.0),
        (r#"heeler_attempts_finished_total{operation="script",outcome="succeeded"}"#, 1.0),
        (r#"heeler_attempts_finished_total{operation="script",outcome="failed"}"#, 2.0),
        (r#"heeler_attempt_duration_seconds_count{operation="script"}"#, 3.0),
        (r#"heeler_job_wait_seconds_count{operation="script"}"#, 2.0),
        (r#"heeler_jobs_running{operation="script"}"#, 0.0),
        (r#"heeler_jobs_waiting{operation="script"}"#, 0.0),
        (r#"heeler_jobs_waiting_oldest_seconds{operation="script"}"#, 0.0),
        (r#"heeler_ticks_total{outcome="launched",reason=""}"#, 1.0),
        ("heeler_tick_lag_seconds_count", 1.0),
        (r#"heeler_http_requests_total{route="/v1/{collection}/{id}",method="PUT",status="2xx"}"#, 2.0),
        (r#"heeler_http_requests_total{route="/v1/{collection}/{id}",method="PATCH",status="2xx"}"#, 1.0),
        (r#"heeler_http_request_duration_seconds_count{route="/v1/{collection}/{id}",method="PUT"}"#, 2.0),
    ] {
        assert!((scrape.number(series) - number).abs() < f64::EPSILON, "{series}: {}", scrape.number(series));
    }
    let commits = scrape.number("heeler_commits_total");
    let flushes = scrape.number("heeler_commit_batch_size_count");
    // A put, a claim, a start and an end of each job, at least.
    assert!(commits >= 12.0 && flushes >= 1.0 && flushes <= commits, "{commits} in {flushes}");
    assert!((scrape.number("heeler_commit_batch_size_sum") - commits).abs() < f64::EPSILON);
    assert!((scrape.number("heeler_commit_duration_seconds_count") - flushes).abs() < f64::EPSILON);
    assert!(scrape.number("heeler_http_connections") >= 1.0);
}

#[test]
fn what_waits_and_what_runs_is_told_also_after_a_kill() {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    for id in 0..5 {
        let note = format!("/v1/notes/{id}");
        service.put(&note, &json!({ "processing": script(UNTIL_GO) }));
    }
    let (running, waiting) =
        (r#"heeler_jobs_running{operation="script"}"#, r#"heeler_jobs_waiting{operation="script"}"#);
    let oldest = r#"heeler_jobs_waiting_oldest_seconds{operation="script"}"#;
    let told = |service: &Service| {
        let scrape = Scrape::of(service);
        [running, waiting].map(|series| scrape.number(series).to_string())
    };
    until("two run and three wait", || told(&service) == ["2", "3"]);
    assert!(Scrape::of(&service).number(oldest) > 0.0);
    service.kill();
    let service = world.start();
    until("as before", || told(&service) == ["2", "3"]);
    world.write("go", "");
    for id in 0..5 {
        service.until("it settles", &format!("/v1/notes/{id}"), |note| note["status"]["settled"] == true);
    }
    until("nothing is left", || told(&service) == ["0", "0"]);
    let scrape = Scrape::of(&service);
    assert!(scrape.number(oldest).abs() < f64::EPSILON);
    let missing = service.ask(&request("POST", "/no/such/thing").json(JSON, &json!({})));
    assert_eq!(missing.status, 404);
    let scrape = Scrape::of(&service);
    let other = r#"heeler_http_requests_total{route="other",method="POST",status="4xx"}"#;
    assert!((scrape.number(other) - 1.0).abs() < f64::EPSILON);
}
