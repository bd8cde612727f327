//! Asking for jobs and reporting of them.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{href, lease, one, report, succeeded, thing, world};
use crate::service::client::{JSON, MERGE, request};

/// Shorter than any worker here waits, and longer than anything takes.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn who_waits_is_given_a_job_as_soon_as_there_is_one_and_nobody_else_is() {
    const WORKERS: usize = 12;
    let world = world();
    let service = world.start();
    let start = Instant::now();
    let given = thread::scope(|scope| {
        let waiting: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| lease(&service, "render", 1, "20s"))).collect();
        let launched = |round: usize| {
            thing(&service, &format!("t{round}"), "render");
            // The next one comes when somebody has this one, and the others still wait.
            service.until("somebody has it", "/v1/operations/render", |render| render["running"] == round + 1);
        };
        (0..WORKERS).for_each(launched);
        waiting.into_iter().flat_map(|waiting| waiting.join().expect("a worker")).collect::<Vec<Value>>()
    });
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    let jobs: BTreeSet<&str> = given.iter().map(href).collect();
    assert_eq!((jobs.len(), given.len()), (WORKERS, WORKERS));
    let tokens: BTreeSet<&str> = given.iter().filter_map(|item| item["token"].as_str()).collect();
    assert_eq!(tokens.len(), WORKERS);
    assert!(given.iter().all(|item| report(&service, item, json!({ "phase": "succeeded" })).status == 200));
}

#[test]
fn several_jobs_are_given_at_once_and_no_more_than_were_asked_for() {
    let world = world();
    let service = world.start();
    for id in 0..5 {
        thing(&service, &format!("t{id}"), "render");
    }
    assert_eq!(lease(&service, "render", 3, "0s").len(), 3);
    assert_eq!(lease(&service, "render", 100, "0s").len(), 2);
    let start = Instant::now();
    assert_eq!(lease(&service, "render", 100, "300ms"), [] as [Value; 0]);
    assert!(start.elapsed() >= Duration::from_millis(300), "it did not wait");
}

#[test]
fn the_end_of_a_job_lets_the_next_one_go_to_who_waits_for_it() {
    let world = world();
    let service = world.start();
    let (first, second) = (thing(&service, "a", "single"), thing(&service, "b", "single"));
    let item = one(&service, "single");
    assert_eq!(href(&item), first);
    assert_eq!(lease(&service, "single", 10, "0s"), [] as [Value; 0]);
    assert_eq!(service.get(&format!("{second}/queue")).json()["reason"], "Concurrency");
    let start = Instant::now();
    let next = thread::scope(|scope| {
        let waiting = scope.spawn(|| one(&service, "single"));
        assert_eq!(report(&service, &item, succeeded(&json!(1))).status, 200);
        waiting.join().expect("a worker")
    });
    assert_eq!(href(&next), second);
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
}

#[test]
fn workers_do_not_count_among_the_jobs_that_run_here() {
    let world = super::World::new(&format!(
        "{}[limits]\nrunning = 1\n[operations.local]\nexec = {{ command = [\"true\"] }}\n",
        super::CONFIGURATION
    ));
    let service = world.start();
    for id in ["a", "b"] {
        thing(&service, id, "render");
    }
    assert_eq!(lease(&service, "render", 10, "0s").len(), 2);
    service.put("/v1/things/c", &json!({ "processing": { "operation": "local" } }));
    let local = service.until("it is done", "/v1/things/c", |thing| thing["status"]["settled"] == true);
    assert_eq!(local["status"]["processing"]["phase"], "succeeded");
}

#[test]
fn a_service_that_ends_lets_those_go_who_wait() {
    let world = world();
    let service = world.start();
    let address = service.address;
    let start = Instant::now();
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            thread::spawn(move || {
                let wanted = json!({ "worker": "w", "wait": "25s" });
                request("POST", "/v1/operations/render/leases").json(JSON, &wanted).send(address)
            })
        })
        .collect();
    // By the time that others were served, some of them wait.
    for id in 0..20 {
        thing(&service, &format!("t{id}"), "single");
    }
    assert!(service.terminate().success());
    let answers: Vec<_> = waiting.into_iter().filter_map(|waiting| waiting.join().expect("a worker").ok()).collect();
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    assert!(answers.iter().any(|answer| answer.status == 200), "{answers:?}");
    let empty = |answer: &&crate::service::client::Answer| answer.status == 200;
    assert!(answers.iter().filter(empty).all(|answer| answer.json() == json!({ "items": [] })), "{answers:?}");
}

#[test]
fn who_went_away_while_it_waited_is_given_nothing() {
    let world = world();
    let service = world.start();
    let mut gone = TcpStream::connect(service.address).expect("a connection");
    gone.set_read_timeout(Some(SOON)).expect("a timeout");
    let body = r#"{"worker":"gone","wait":"20s"}"#;
    let head = "POST /v1/operations/render/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    write!(gone, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("a request");
    gone.shutdown(Shutdown::Write).expect("it hangs up");
    let mut rest = Vec::new();
    // The service hangs up, too, and with that forgets who it was.
    let read = gone.read_to_end(&mut rest);
    assert!(read.is_ok() || read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    thing(&service, "a", "render");
    let item = one(&service, "render");
    assert_eq!(item["job"]["attempts"][0]["worker"], "w");
    assert_eq!(item["job"]["attempt"], 1);
}

#[test]
fn a_thousand_reports_of_one_end_are_one_end() {
    const SENDERS: usize = 8;
    let world = world();
    let service = world.start();
    thing(&service, "a", "render");
    let item = one(&service, "render");
    let result = json!({ "frames": 240 });
    let answers: Vec<_> = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let send =
                    || (0..1000 / SENDERS).map(|_| report(&service, &item, succeeded(&result))).collect::<Vec<_>>();
                scope.spawn(send)
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().expect("a sender")).collect()
    });
    assert_eq!(answers.len(), 1000);
    for answer in &answers {
        assert_eq!((answer.status, answer.etag()), (200, answers[0].etag()), "{}", answer.text());
        assert_eq!(answer.json()["result"], result);
    }
    for other in [succeeded(&json!(7)), json!({ "phase": "failed" }), json!({ "phase": "succeeded" }), json!({})] {
        let answer = report(&service, &item, other);
        assert_eq!((answer.status, answer.problem().as_str()), (409, "stale-token"), "{}", answer.text());
    }
    let job = service.get(href(&item)).json();
    assert_eq!((&job["phase"], job["attempts"].as_array().map(Vec::len)), (&json!("succeeded"), Some(1)));
}

#[test]
fn a_lease_that_ends_gives_the_job_to_somebody_else_or_ends_it() {
    let world = world();
    let service = world.start();
    let lost = thing(&service, "a", "once");
    thing(&service, "b", "brief");
    let (_, slow) = (one(&service, "once"), one(&service, "brief"));
    let start = Instant::now();
    let fast = one(&service, "brief");
    let lost = service.finished(&lost);
    assert!(start.elapsed() < Duration::from_secs(6), "it took {:?}", start.elapsed());
    assert_eq!((&lost["phase"], &lost["attempts"][0]["outcome"]), (&json!("lost"), &json!("lost")), "{lost}");
    assert_eq!((href(&slow), &fast["job"]["attempt"]), (href(&fast), &json!(2)));
    assert_eq!(report(&service, &slow, succeeded(&json!("slow"))).status, 409);
    assert_eq!(report(&service, &fast, succeeded(&json!("fast"))).status, 200);
    assert_eq!(service.get(href(&fast)).json()["result"], "fast");
}

#[test]
fn signs_of_life_keep_a_lease_for_as_long_as_they_come() {
    let world = world();
    let service = world.start();
    thing(&service, "a", "brief");
    let item = one(&service, "brief");
    let start = Instant::now();
    let mut revisions = BTreeSet::new();
    while start.elapsed() < Duration::from_secs(3) {
        let answer = report(&service, &item, json!({ "progress": { "fraction": 0.5 } }));
        assert_eq!((answer.status, &answer.json()["canceled"]), (200, &json!(false)), "{}", answer.text());
        revisions.insert(answer.etag().to_owned());
    }
    // Each commits no more often than the lease needs.
    assert!(revisions.len() <= 20, "{} commits", revisions.len());
    assert_eq!(report(&service, &item, succeeded(&Value::Null)).status, 200);
    assert_eq!(service.get(href(&item)).json()["attempt"], 1);
}

#[test]
fn an_attempt_that_takes_too_long_is_over_and_its_token_is_stale() {
    let world = world();
    let service = world.start();
    let job = thing(&service, "a", "strict");
    let item = one(&service, "strict");
    let job = service.finished(&job);
    assert_eq!((&job["phase"], &job["error"]["reason"]), (&json!("failed"), &json!("TimedOut")), "{job}");
    assert_eq!(report(&service, &item, json!({})).status, 409);
}

#[test]
fn a_cancel_is_heard_at_the_next_sign_of_life_and_a_deletion_waits_for_the_worker() {
    let world = world();
    let service = world.start();
    let waiting = thing(&service, "a", "single");
    let running = thing(&service, "b", "render");
    let item = one(&service, "render");
    let cancel = |job: &str| service.ask(&request("PATCH", job).json(MERGE, &json!({ "canceled": true })));
    assert_eq!((cancel(&waiting).status, cancel(&running).status), (200, 202));
    assert_eq!(lease(&service, "single", 1, "0s"), [] as [Value; 0]);
    assert_eq!(service.ask(&request("DELETE", "/v1/things/b")).status, 202);
    let heard = report(&service, &item, json!({}));
    assert_eq!((heard.status, &heard.json()["canceled"]), (200, &json!(true)));
    assert_eq!(service.get("/v1/things/b").status, 200);
    assert_eq!(report(&service, &item, json!({ "phase": "canceled" })).status, 200);
    assert_eq!(service.get("/v1/things/b").status, 404);
}

#[test]
fn the_end_of_the_lease_is_the_end_of_who_never_hears_of_a_cancel() {
    let world = world();
    let service = world.start();
    let job = thing(&service, "a", "brief");
    let item = one(&service, "brief");
    assert_eq!(service.ask(&request("DELETE", "/v1/things/a")).status, 202);
    let job = service.finished(&job);
    assert_eq!((&job["phase"], &job["attempts"][0]["outcome"]), (&json!("canceled"), &json!("lost")), "{job}");
    assert_eq!(service.get("/v1/things/a").status, 404);
    assert_eq!(report(&service, &item, json!({ "phase": "canceled" })).status, 409);
}
