//! Many functions at once, and the end of the service that they work for.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heeler::{Limits, NativeJob, NativeResult, OperationOptions};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::world::{Witness, builder, retried, start, store_in};
use crate::service::client::request;
use crate::service::until;

#[test]
fn no_more_functions_work_at_once_than_the_limits_let_and_all_get_their_turn() {
    const JOBS: usize = 60;
    let (all, few) = (Witness::default(), Witness::default());
    let gate = Arc::new(Semaphore::new(0));
    let work = |witnesses: Vec<Witness>, gate: Arc<Semaphore>| {
        move |_: NativeJob| {
            let held: Vec<_> = witnesses.iter().map(Witness::hold).collect();
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await?.forget();
                drop(held);
                NativeResult::Ok(())
            }
        }
    };
    let limits = Limits { running: 8, ..Limits::default() };
    let few_at_once = OperationOptions::default().concurrency(2);
    let service =
        start(builder().limits(limits).operation("any", work(vec![all.clone()], Arc::clone(&gate))).operation_with(
            "few",
            few_at_once,
            work(vec![all.clone(), few.clone()], Arc::clone(&gate)),
        ));
    let jobs: Vec<String> = (0..JOBS)
        .map(|at| service.launch_for(&format!("dog-{at}"), if at % 2 == 0 { "any" } else { "few" }, &json!({})))
        .collect();
    until("as many work as may", || all.held() == 8);
    gate.add_permits(JOBS);
    for job in &jobs {
        assert_eq!(service.finished(job)["phase"], "succeeded");
    }
    assert_eq!((all.most(), few.most()), (8, 2));
}

#[test]
fn a_service_that_stops_lets_functions_finish_and_records_that_they_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let heard = Arc::new(AtomicBool::new(false));
    let hears = Arc::clone(&heard);
    let work = move |job: NativeJob| {
        let hears = Arc::clone(&hears);
        async move {
            job.progress(None, "begun");
            job.stopping().await;
            hears.store(!job.is_canceled(), Ordering::Relaxed);
            NativeResult::Ok("in time")
        }
    };
    let with = || builder().store(store_in(folder.path())).operation("work", work.clone());
    let service = start(with());
    let job = service.launch("work", &json!({}));
    service.until("it works", &job, |job| !job["progress"].is_null());
    service.stop();
    assert!(heard.load(Ordering::Relaxed), "it was told, and not cancelled");
    let service = start(with());
    let job = service.get(&job).json();
    assert_eq!((&job["phase"], &job["result"], &job["attempt"]), (&json!("succeeded"), &json!("in time"), &json!(1)));
}

#[test]
fn what_is_not_done_when_the_service_has_ended_was_interrupted_and_is_tried_again_if_that_is_allowed() {
    for (attempts, phase, reason) in [(1, "failed", json!("Interrupted")), (2, "succeeded", Value::Null)] {
        let folder = tempfile::tempdir().expect("a folder");
        let witness = Witness::default();
        let holds = witness.clone();
        let work = move |job: NativeJob| {
            let held = holds.hold();
            async move {
                job.progress(None, "begun");
                if job.attempt() == 1 {
                    pending::<()>().await;
                }
                drop(held);
                NativeResult::Ok(())
            }
        };
        let with = || {
            let builder = builder().store(store_in(folder.path())).drain(Duration::from_millis(20));
            builder.operation_with("work", retried(attempts), work.clone())
        };
        let service = start(with());
        let job = service.launch("work", &json!({}));
        service.until("it works", &job, |job| !job["progress"].is_null());
        service.stop();
        assert_eq!(witness.held(), 0, "it was dropped");
        let service = start(with());
        let job = service.finished(&job);
        assert_eq!((&job["phase"], &job["error"]["reason"]), (&json!(phase), &reason), "{job}");
        assert_eq!(job["attempts"][0]["detail"], "the service ended before it was done");
        assert_eq!(job["attempt"], attempts);
    }
}

#[test]
fn a_function_that_never_waits_does_not_keep_the_service_from_ending_and_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let (begun, release) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begins, released) = (Arc::clone(&begun), Arc::clone(&release));
    let work = move |_: NativeJob| {
        let (begins, released) = (Arc::clone(&begins), Arc::clone(&released));
        async move {
            begins.store(true, Ordering::Relaxed);
            while !released.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            NativeResult::Ok(())
        }
    };
    let with = || builder().store(store_in(folder.path())).drain(Duration::from_millis(20));
    let service = start(with().operation("work", work));
    let job = service.launch("work", &json!({}));
    until("it works", || begun.load(Ordering::Relaxed));
    // Its thread is busy until the service has ended, which it does not wait for.
    let ends = std::thread::spawn(move || service.stop());
    until("the store is free", || {
        let there = tokio::runtime::Runtime::new().expect("a runtime");
        let opened = there.block_on(with().operation("work", |_| async { NativeResult::Ok(()) }).build());
        opened.is_ok()
    });
    release.store(true, Ordering::Relaxed);
    ends.join().expect("it ends well");
    let service = start(with().operation("work", |_| async { NativeResult::Ok(()) }));
    let job = service.finished(&job);
    assert_eq!((&job["phase"], &job["attempt"]), (&json!("lost"), &json!(1)), "{job}");
}

#[tokio::test]
async fn a_service_that_is_dropped_takes_its_functions_with_it() {
    let witness = Witness::default();
    let holds = witness.clone();
    let work = move |_| {
        let held = holds.hold();
        async move {
            pending::<()>().await;
            drop(held);
            NativeResult::Ok(())
        }
    };
    let service = builder().without_listener().operation("work", work).build().await.expect("a service");
    let client = service.client();
    let serving = tokio::spawn(service.serve(pending()));
    let put = http::Request::put("/v1/dogs/rex").header("content-type", "application/json");
    let answer = client.send(put.body(r#"{"barks": {"operation": "work"}}"#).expect("a request")).await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    held(&witness, 1).await;
    serving.abort();
    held(&witness, 0).await;
}

async fn held(witness: &Witness, times: usize) {
    let wait = async {
        while witness.held() != times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::service::DEADLINE, wait).await.expect("it is held so often");
}

#[test]
fn the_queue_says_that_a_function_waits_for_its_limit() {
    let work = |job: NativeJob| async move {
        job.canceled().await;
        NativeResult::Ok(())
    };
    let one = OperationOptions::default().concurrency(1);
    let service = start(builder().operation_with("work", one, work));
    let jobs: Vec<String> = (0..2).map(|at| service.launch_for(&format!("dog-{at}"), "work", &json!({}))).collect();
    service.until("one works", "/v1/operations/work", |operation| operation["running"] == 1);
    let waits = jobs.iter().find(|job| service.get(job).json()["phase"] == "queued").expect("one waits");
    let queue = service.ask(&request("GET", &format!("{waits}/queue"))).json();
    assert_eq!(queue["reason"], "Concurrency", "{queue}");
}
