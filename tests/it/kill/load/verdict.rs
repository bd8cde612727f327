//! What must hold once all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::clients::Belief;
use super::{Acknowledged, Harm};
use crate::service::{Service, World, until};

/// What is judged.
pub(super) struct Case<'a> {
    pub(super) world: &'a World,
    pub(super) service: &'a Service,
    pub(super) harm: Harm,
    pub(super) seed: u64,
}

/// Waits until all is quiet, then compares what is recorded with what was
/// acknowledged and with what the programs really did.
pub(super) fn judge(case: &Case<'_>, beliefs: &[Belief], told: &Acknowledged) {
    let Case { world, service, seed, .. } = *case;
    let mut jobs = Vec::new();
    until("everything settles", || {
        // What is settled stays so, now that nobody changes anything.
        let things = all(service, "/v1/things?limit=1000");
        jobs = all(service, "/v1/jobs?limit=1000");
        things.iter().all(|thing| thing["status"]["settled"] == true)
            && jobs.iter().all(|job| !job["finished"].is_null())
    });
    say_how_much(&jobs, told);
    beliefs.iter().for_each(|belief| belief.confirm(service, seed));
    let ids: BTreeSet<&str> = jobs.iter().filter_map(|job| job["id"].as_str()).collect();
    for id in &told.launched {
        assert!(ids.contains(id.as_str()), "HEELER_KILL_SEED={seed}: the acknowledged job {id} is not there");
    }
    for job in jobs.iter().filter(|job| told.canceled.iter().any(|id| job["id"] == **id)) {
        assert_eq!(job["canceled"], true, "HEELER_KILL_SEED={seed}: its acknowledged cancel is not there: {job}");
    }
    attempts(case, &jobs);
    assert_eq!(world.text("faults"), "", "HEELER_KILL_SEED={seed}");
    until("nothing is left", || world.workers().is_empty() && world.supervisors().is_empty());
}

#[expect(clippy::print_stderr, reason = "who runs the tests by hand wants to know how much was tried")]
fn say_how_much(jobs: &[Value], told: &Acknowledged) {
    let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
    for job in jobs {
        *phases.entry(job["phase"].as_str().unwrap_or_default()).or_default() += 1;
    }
    eprintln!("jobs {phases:?}, acknowledged launches {}, cancels {}", told.launched.len(), told.canceled.len());
}

/// All items of a list.
fn all(service: &Service, target: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next = Some(target.to_owned());
    while let Some(target) = next {
        let page = service.get(&target).json();
        items.extend(page["items"].as_array().expect("items").iter().cloned());
        next = page["_links"]["next"]["href"].as_str().map(str::to_owned);
    }
    items
}

/// Each attempt on record was made once, every one that was made is on record,
/// and each ended as the record says.
fn attempts(case: &Case<'_>, jobs: &[Value]) {
    let Case { world, seed, .. } = *case;
    let mut started: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for line in world.text("starts").lines() {
        *started.entry(attempt_of(line).0).or_default() += 1;
    }
    let ended: BTreeMap<_, _> = world.text("ends").lines().map(attempt_of).collect();
    for job in jobs {
        for attempt in job["attempts"].as_array().expect("a job has attempts") {
            let number = attempt["number"].as_u64().expect("an attempt has a number");
            let key = (job["id"].as_str().expect("a job has an id").to_owned(), number);
            let starts = started.remove(&key).unwrap_or_default();
            let outcome = attempt["outcome"].as_str();
            let code = attempt["exitCode"].as_i64();
            let as_it_was = match outcome {
                Some("succeeded") => starts == 1 && code == Some(0) && ended.get(&key) == Some(&code),
                Some("failed") => starts == 1 && code > Some(0) && ended.get(&key) == Some(&code),
                // It can be stopped before its first line and after its last.
                // One who is gone cannot say how far it got.
                Some("lost") => starts <= 1 && code.is_none() && case.harm == Harm::Supervisors,
                Some("canceled") => starts <= 1 && job["canceled"] == true,
                _ => false,
            };
            assert!(as_it_was, "HEELER_KILL_SEED={seed}: {starts} starts, end {:?}: {job}", ended.get(&key));
        }
    }
    for job in jobs.iter().filter(|job| job["operation"] == "work" || job["operation"] == "single") {
        let count = job["attempts"].as_array().map(Vec::len);
        assert!(count <= Some(1), "HEELER_KILL_SEED={seed}: under `fail` it is tried once: {job}");
    }
    assert!(started.is_empty(), "HEELER_KILL_SEED={seed}: these are not on record: {started:?}");
}

/// Reads `job attempt [code]`.
fn attempt_of(line: &str) -> ((String, u64), Option<i64>) {
    let mut words = line.split(' ');
    let job = words.next().expect("a job").to_owned();
    let number = words.next().and_then(|word| word.parse().ok()).expect("an attempt");
    ((job, number), words.next().and_then(|word| word.parse().ok()))
}
