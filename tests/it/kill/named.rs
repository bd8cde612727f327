//! One case after another: what survives what.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::client::{MERGE, request};
use crate::service::processes::kill;
use crate::service::{World, until};

const CONFIGURATION: &str = r#"
[operations.work]
exec  = { command = ["sh", "-c", "${input.script}"] }
grace = "300ms"

[operations.again]
exec       = { command = ["sh", "-c", "${input.script}"] }
on_unknown = "retry"
retry      = { backoff = "10ms" }

[operations.single]
exec        = { command = ["sh", "-c", "${input.script}"] }
concurrency = 1

[collections.things]
preconditions = "optional"
"#;

fn document(operation: &str, script: &str) -> Value {
    json!({ "processing": { "operation": operation, "input": { "script": script } } })
}

/// A tree that nothing but SIGKILL ends: it ignores SIGTERM, and has children
/// in other sessions whose parents are gone.
const TREE: &str = r#"
trap '' TERM
setsid sh -c 'setsid sh -c "touch deep; while :; do sleep 0.05; done" & exec sleep 0.05' &
setsid sh -c 'while :; do sleep 0.05; done' &
touch shallow
while :; do sleep 0.05; done"#;

#[test]
fn a_running_job_survives_and_all_it_says_arrives() {
    for (name, ends_in_between, code) in [("in between", true, 0), ("in between", true, 7), ("after", false, 7)] {
        let world = World::new(CONFIGURATION);
        let service = world.start();
        let script = format!(
            r#"echo "begin $HEELER_ATTEMPT"; echo x >>runs
               echo '{{"progress":{{"fraction":0.25,"message":"a"}}}}' >>"$HEELER_EVENTS"
               until [ -e go ]; do sleep 0.02; done
               echo '{{"progress":{{"fraction":0.75,"message":"b"}}}}' >>"$HEELER_EVENTS"
               until [ -e end ]; do sleep 0.02; done
               echo '{{"result":{{"n":42}}}}' >>"$HEELER_EVENTS"
               echo end; exit {code}"#
        );
        assert_eq!(service.put("/v1/things/a", &document("work", &script)).status, 201);
        let has =
            |fraction: f64| move |thing: &Value| thing["status"]["processing"]["progress"]["fraction"] == fraction;
        service.until("it gets on", "/v1/things/a", has(0.25));
        service.kill();
        world.write("go", "");
        if ends_in_between {
            world.write("end", "");
            until("the work ends while there is no service", || world.supervisors().is_empty());
        }
        let service = world.start();
        if !ends_in_between {
            service.until("it gets on after the restart", "/v1/things/a", has(0.75));
            world.write("end", "");
        }
        let job = service.until("the job ends", "/v1/things/a/processing/last", |job| !job["finished"].is_null());
        let phase = if code == 0 { "succeeded" } else { "failed" };
        assert_eq!(job["phase"], phase, "{name}: {job}");
        assert_eq!(job["attempts"].as_array().map(Vec::len), Some(1), "{name}: {job}");
        assert_eq!(job["attempts"][0]["exitCode"], code, "{name}: {job}");
        assert_eq!(job["result"], json!({ "n": 42 }), "{name}: {job}");
        let log = service.get(job["_links"]["log"]["href"].as_str().expect("a link"));
        assert_eq!(log.text(), "200 begin 1\nend\n", "{name}");
        let thing = service.until("it settles", "/v1/things/a", |thing| thing["status"]["settled"] == true);
        assert_eq!(thing["status"]["processing"]["phase"], phase, "{name}: {thing}");
        assert_eq!(thing["status"]["processing"]["last"]["result"], json!({ "n": 42 }), "{name}: {thing}");
        assert_eq!(world.text("runs"), "x\n", "{name}: it ran once");
    }
}

#[test]
fn a_cancel_reaches_the_whole_tree_whether_it_was_sent_before_the_kill_or_after() {
    for before in [true, false] {
        let world = World::new(CONFIGURATION);
        let service = world.start();
        let job = {
            service.put("/v1/things/a", &json!({}));
            let input = json!({ "operation": "work", "input": { "script": TREE } });
            service.launch("/v1/things/a/processing", &input)
        };
        until("the tree grows", || world.file("deep").exists() && world.file("shallow").exists());
        let cancel = request("DELETE", &job);
        let service = if before {
            assert_eq!(service.ask(&cancel).status, 202);
            service.kill();
            world.start()
        } else {
            service.kill();
            let service = world.start();
            assert_eq!(service.ask(&cancel).status, 202);
            service
        };
        let asked = Instant::now();
        let job = service.finished(&job);
        assert_eq!((&job["phase"], &job["canceled"]), (&json!("canceled"), &json!(true)), "before: {before}: {job}");
        assert_eq!(world.workers(), [0; 0], "before: {before}: {job}");
        assert!(asked.elapsed() < Duration::from_secs(10), "before: {before}: it took {:?}", asked.elapsed());
        until("its supervisor ends", || world.supervisors().is_empty());
    }
}

#[test]
fn what_the_document_takes_back_after_a_restart_is_stopped() {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    service.put("/v1/things/a", &document("work", TREE));
    until("the tree grows", || world.file("deep").exists() && world.file("shallow").exists());
    service.kill();
    let service = world.start();
    let patch = request("PATCH", "/v1/things/a").body(MERGE, r#"{"processing":null}"#).field("Prefer", "wait=30");
    let thing = service.ask(&patch).json();
    assert_eq!(thing["status"]["settled"], true, "{thing}");
    assert_eq!(world.workers(), [0; 0]);
    let job = service.get("/v1/things/a/processing/last").json();
    assert_eq!((&job["phase"], &job["reason"]), (&json!("canceled"), &json!("removed")), "{job}");
}

#[test]
fn an_unknown_fate_is_lost_under_fail_and_tried_again_under_retry() {
    for (operation, attempts) in [("work", 1), ("again", 3)] {
        let world = World::new(CONFIGURATION);
        let mut service = world.start();
        // What is left of a lost attempt must go, too, before the next one starts.
        let script = r#"echo "start $HEELER_ATTEMPT" >>runs
                        setsid sh -c "trap '' TERM; while :; do sleep 0.05; done" &
                        while :; do sleep 0.05; done"#;
        service.put("/v1/things/a", &document(operation, script));
        for number in 1..=attempts {
            until("the attempt runs", || world.text("runs").lines().count() == number && world.workers().len() >= 2);
            service.kill();
            world.supervisors().into_iter().for_each(kill);
            until("the supervisor is gone", || world.supervisors().is_empty());
            service = world.start();
        }
        let job = service.until("it ends", "/v1/things/a/processing/last", |job| !job["finished"].is_null());
        assert_eq!(job["phase"], "lost", "{operation}: {job}");
        let outcomes: Vec<_> = job["attempts"].as_array().expect("attempts").iter().map(|a| &a["outcome"]).collect();
        assert_eq!(outcomes, vec!["lost"; attempts], "{operation}: {job}");
        let thing = service.until("it settles", "/v1/things/a", |thing| thing["status"]["settled"] == true);
        assert_eq!(thing["status"]["processing"]["phase"], "failed", "{operation}: {thing}");
        assert_eq!(world.text("runs").lines().count(), attempts, "{operation}");
        assert_eq!(world.workers(), [0; 0], "{operation}");
    }
}

#[test]
fn a_kill_between_claim_and_start_neither_repeats_nor_forgets() {
    const ROUNDS: u64 = 12;
    const JOBS: usize = 12;
    let world = World::new(CONFIGURATION);
    let mut service = world.start();
    service.put("/v1/things/a", &json!({}));
    let mut launched = Vec::new();
    for round in 0..ROUNDS {
        for _ in 0..JOBS {
            let script =
                json!({ "operation": "work", "input": { "script": "echo $HEELER_JOB $HEELER_ATTEMPT >>runs" } });
            launched.push(service.launch("/v1/things/a/processing", &script));
        }
        // Somewhere into the starts of the last ones.
        std::thread::sleep(Duration::from_millis(round * 5));
        service.kill();
        service = world.start();
        service.until("none is stuck", "/v1/things/a", |thing| thing["status"]["settled"] == true);
    }
    let runs = world.text("runs");
    for job in launched {
        let shown = service.get(&job).json();
        assert_eq!(shown["phase"], "succeeded", "{shown}");
        let line = format!("{} 1", job.rsplit('/').next().expect("an id"));
        assert_eq!(runs.lines().filter(|run| **run == line).count(), 1, "{shown}");
    }
}

#[test]
fn a_service_that_is_told_to_stop_lets_its_jobs_go_on_and_finds_them_again() {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    let script = "echo x >>runs; until [ -e go ]; do sleep 0.02; done; exit 3";
    service.put("/v1/things/a", &document("work", script));
    service.put("/v1/things/b", &document("single", script));
    // It waits for the one of b.
    service.put("/v1/things/c", &document("single", script));
    until("two run", || world.text("runs").lines().count() == 2);
    let supervisors = world.supervisors();
    assert_eq!(service.terminate().code(), Some(0), "{}", world.text("service.log"));
    assert_eq!((supervisors.len(), world.supervisors()), (2, supervisors));
    assert!(world.workers().len() >= 2);
    let service = world.start();
    world.write("go", "");
    for thing in ["a", "b", "c"] {
        let job =
            service.until("it ends", &format!("/v1/things/{thing}/processing/last"), |job| !job["finished"].is_null());
        assert_eq!((&job["phase"], &job["attempts"][0]["exitCode"]), (&json!("failed"), &json!(3)), "{job}");
        assert_eq!(job["attempts"].as_array().map(Vec::len), Some(1), "{job}");
    }
    assert_eq!(world.text("runs").lines().count(), 3);
}

#[test]
fn a_store_has_one_service_and_a_killed_one_blocks_nobody() {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    let second = world.command().output().expect("it can be run");
    assert_eq!(second.status.code(), Some(3), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(String::from_utf8_lossy(&second.stdout), "");
    assert_eq!(service.get("/readyz").status, 200);
    service.kill();
    world.start();
}

#[test]
fn limits_hold_across_kills_for_those_that_run_and_those_that_wait() {
    let limits = format!("[limits]\nrunning = 3\n{CONFIGURATION}");
    let world = World::new(&limits);
    fs::create_dir(world.file("in")).expect("a folder");
    let mut service = world.start();
    // The lock is let go of only when nothing of the attempt holds it any more.
    let single = r#"exec 9>>lock; flock -n 9 || echo "$HEELER_JOB: the lock is taken" >>faults
                    echo x >>runs; sleep 0.04"#;
    let counted = r#"touch in/$HEELER_JOB
                     [ $(ls in | wc -l) -le 3 ] || echo "$HEELER_JOB: too many" >>faults
                     echo x >>runs; sleep 0.1; rm in/$HEELER_JOB"#;
    for n in 0..16 {
        let (operation, script) = if n % 2 == 0 { ("single", single) } else { ("work", counted) };
        assert_eq!(service.put(&format!("/v1/things/{n}"), &document(operation, script)).status, 201);
    }
    for round in 0..6 {
        std::thread::sleep(Duration::from_millis(60 + 23 * round));
        service.kill();
        service = world.start();
    }
    for n in 0..16 {
        let last = format!("/v1/things/{n}/processing/last");
        let job = service.until("it ends", &last, |job| !job["finished"].is_null());
        assert_eq!(job["phase"], "succeeded", "{job}");
    }
    assert_eq!(world.text("faults"), "");
    assert_eq!(world.text("runs").lines().count(), 16);
}
