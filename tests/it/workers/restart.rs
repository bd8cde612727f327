//! kill -9 of the service: workers go on with what they were given.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{href, lease, one, report, rounds, succeeded, thing, world};
use crate::service::client::{JSON, MERGE, request};
use crate::service::until;

#[test]
fn a_token_holds_across_restarts_wherever_the_service_is_killed() {
    for killed in ["after the claim", "after a sign of life", "after the end"] {
        let world = world();
        let service = world.start();
        thing(&service, "a", "render");
        let item = one(&service, "render");
        if killed != "after the claim" {
            assert_eq!(report(&service, &item, json!({ "progress": { "fraction": 0.5 } })).status, 200);
        }
        if killed == "after the end" {
            assert_eq!(report(&service, &item, succeeded(&json!(1))).status, 200);
        }
        service.kill();
        let service = world.start();
        assert_eq!(lease(&service, "render", 10, "0s"), [] as [Value; 0], "{killed}");
        let is_over = killed == "after the end";
        assert_eq!(report(&service, &item, json!({})).status, if is_over { 409 } else { 200 }, "{killed}");
        for _ in 0..2 {
            let answer = report(&service, &item, succeeded(&json!(1)));
            assert_eq!(answer.status, 200, "{killed}: {}", answer.text());
        }
        let job = service.get(href(&item)).json();
        assert_eq!((&job["phase"], &job["result"], &job["attempt"]), (&json!("succeeded"), &json!(1), &json!(1)));
    }
}

#[test]
fn a_lease_that_would_have_ended_while_the_service_was_down_is_given_once_more() {
    let world = world();
    let service = world.start();
    thing(&service, "a", "brief");
    let job = thing(&service, "b", "once");
    let (item, _) = (one(&service, "brief"), one(&service, "once"));
    let leased = Instant::now();
    service.kill();
    until("both leases would be over", || leased.elapsed() > Duration::from_millis(1500));
    let service = world.start();
    let started = Instant::now();
    assert_eq!(report(&service, &item, json!({})).status, 200);
    assert_eq!(service.get(&job).json()["phase"], "running");
    let lost = service.finished(&job);
    assert_eq!(lost["phase"], "lost", "{lost}");
    assert!(started.elapsed() < Duration::from_secs(7), "it took {:?}", started.elapsed());
}

/// Workers that ask, report and end while the service is killed again and again.
#[test]
fn whatever_is_killed_in_between_every_job_ends_once() {
    const THINGS: usize = 20;
    let world = world();
    let mut service = world.start();
    let mut jobs: Vec<String> = Vec::new();
    for round in 0..rounds("WORKER_KILLS", 3) {
        // Enough that some are left when the first ones are done.
        let fresh: Vec<String> = (0..THINGS).map(|id| thing(&service, &format!("t{round}-{id}"), "brief")).collect();
        let stop = AtomicBool::new(false);
        let address = service.address;
        thread::scope(|scope| {
            // Also where something goes wrong: the others must not go on for ever.
            let _stopped = Stopped(&stop);
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let _ = work(address);
                    }
                });
            }
            until("something is done", || ended(&service, &fresh) > 2);
            service.kill();
        });
        jobs.extend(fresh);
        service = world.start();
    }
    let end = Instant::now() + Duration::from_secs(60);
    while ended(&service, &jobs) < jobs.len() {
        assert!(Instant::now() < end, "the jobs do not end");
        let _ = work(service.address);
    }
    for job in &jobs {
        let job = service.get(job).json();
        let attempts = job["attempts"].as_array().expect("attempts").clone();
        let done = attempts.iter().filter(|attempt| attempt["outcome"] == "succeeded").count();
        // Three answers to a lease can be lost, and then it is.
        let phase = job["phase"].as_str().expect("a phase");
        assert!(phase == "succeeded" && done == 1 || phase == "lost" && done == 0, "{job}");
        assert!(attempts.iter().all(|attempt| !attempt["outcome"].is_null()), "{job}");
    }
}

/// Tells the workers to stop when it is dropped.
struct Stopped<'a>(&'a AtomicBool);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn ended(service: &crate::service::Service, jobs: &[String]) -> usize {
    jobs.iter().filter(|job| !service.get(job).json()["finished"].is_null()).count()
}

/// Asks for a job, says that it goes on, and that it is done. `None` if the service is away.
fn work(address: std::net::SocketAddr) -> Option<()> {
    let wanted = json!({ "worker": "w", "max": 2, "wait": "100ms" });
    let given = request("POST", "/v1/operations/brief/leases").json(JSON, &wanted).send(address).ok()?.json();
    for item in given["items"].as_array()? {
        for said in [json!({}), json!({ "phase": "succeeded", "result": item["token"] })] {
            let mut said = said;
            said["token"] = item["token"].clone();
            let answer = request("PATCH", href(item)).json(MERGE, &said).send(address).ok()?;
            assert!(matches!(answer.status, 200 | 409 | 503), "{}", answer.text());
        }
    }
    Some(())
}
