//! How functions end, and what that makes of their jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use heeler::{NativeError, NativeJob, NativeResult, Never, OperationOptions, RetryPolicy};
use serde_json::{Value, json};

use super::world::{Witness, builder, retried, start};

/// What there is to say of the end of a job: its phase, the reason, and the
/// outcome and detail of its last attempt.
fn end(job: &Value) -> [&str; 4] {
    let last = job["attempts"].as_array().and_then(|attempts| attempts.last()).unwrap_or(&Value::Null);
    [
        job["phase"].as_str().unwrap_or_default(),
        job["error"]["reason"].as_str().unwrap_or_default(),
        last["outcome"].as_str().unwrap_or_default(),
        last["detail"].as_str().unwrap_or_default(),
    ]
}

#[test]
fn a_panic_fails_its_attempt_with_its_words_and_nothing_else() {
    async fn panics(job: NativeJob) -> NativeResult {
        match job.job()["input"]["how"].as_str().unwrap_or_default() {
            "literal" => panic!("the leash broke"),
            "formatted" => panic!("the leash broke after {} walks", job.attempt() + 41),
            _ => std::panic::panic_any(5),
        }
    }
    fn at_once(job: NativeJob) -> std::future::Ready<NativeResult> {
        assert!(job.attempt() > 1, "not even a future");
        std::future::ready(Ok(()))
    }
    let builder = builder().operation("panics", panics).operation_with("at-once", retried(2), at_once);
    let service = start(builder);
    for (input, detail) in [
        ("literal", "the function panicked: the leash broke"),
        ("formatted", "the function panicked: the leash broke after 42 walks"),
        ("any", "the function panicked: without words"),
    ] {
        let job = service.run("panics", &json!({ "how": input }));
        assert_eq!(end(&job), ["failed", "Panicked", "failed", detail], "{job}");
        assert_eq!(job["error"]["message"], detail);
    }
    let job = service.run("at-once", &json!({}));
    assert_eq!(job["phase"], "succeeded", "{job}");
    assert_eq!(job["attempts"][0]["detail"], "the function panicked: not even a future");
}

#[test]
fn a_function_that_is_cancelled_may_end_in_its_own_way_within_the_grace() {
    let work = |job: NativeJob| async move {
        job.progress(None, "begun");
        job.canceled().await;
        assert!(job.is_canceled());
        NativeResult::Ok("put away")
    };
    let service = start(builder().operation("work", work));
    let job = service.launch("work", &json!({}));
    service.until("it works", &job, |job| !job["progress"].is_null());
    service.cancel(&job);
    let job = service.finished(&job);
    assert_eq!(end(&job), ["canceled", "", "canceled", "was stopped"], "{job}");
    assert_eq!(job["result"], "put away");
}

#[test]
fn a_function_that_does_not_heed_a_cancel_is_dropped_after_the_grace() {
    let witness = Witness::default();
    let dropped = witness.clone();
    let work = move |job: NativeJob| {
        let held = dropped.hold();
        async move {
            job.progress(None, "begun");
            std::future::pending::<()>().await;
            drop(held);
            NativeResult::Ok(())
        }
    };
    let grace = OperationOptions::default().grace(Duration::from_millis(50));
    let service = start(builder().operation_with("work", grace, work));
    let job = service.launch("work", &json!({}));
    service.until("it works", &job, |job| !job["progress"].is_null());
    assert_eq!(witness.held(), 1);
    service.cancel(&job);
    let job = service.finished(&job);
    let detail = "was stopped; it did not return within 50ms and was dropped";
    assert_eq!(end(&job), ["canceled", "", "canceled", detail], "{job}");
    assert_eq!(witness.held(), 0, "the end is told when nothing is left");
}

#[test]
fn a_function_that_takes_too_long_is_stopped_and_may_be_tried_again() {
    let options = retried(2).timeout(Duration::from_millis(50)).grace(Duration::from_millis(50));
    let work = |job: NativeJob| async move {
        match job.attempt() {
            1 => job.canceled().await,
            _ => std::future::pending().await,
        }
        NativeResult::Ok(())
    };
    let service = start(builder().operation_with("work", options, work));
    let job = service.run("work", &json!({}));
    let detail = "took longer than 50ms and was stopped; it did not return within 50ms and was dropped";
    assert_eq!(end(&job), ["failed", "TimedOut", "timed-out", detail], "{job}");
    assert_eq!(job["attempts"][0]["detail"], "took longer than 50ms and was stopped");
    assert_eq!(job["attempt"], 2);
}

#[test]
fn a_failure_says_whether_and_when_there_is_another_attempt() {
    let options = OperationOptions::default().retry(RetryPolicy {
        attempts: 3,
        backoff: Duration::ZERO,
        never: vec![Never::Reason("Hopeless".to_owned())],
        ..RetryPolicy::default()
    });
    let work = |job: NativeJob| async move {
        let error = NativeError::new("no luck");
        Err::<(), _>(match (job.job()["input"]["how"].as_str().unwrap_or_default(), job.attempt()) {
            ("never", _) => error.never_retry(),
            ("reason", 2) => error.reason("Hopeless"),
            ("later", _) => error.retry_after(Duration::from_secs(3600)),
            _ => error,
        })
    };
    let service = start(builder().operation_with("work", options, work));
    for (input, attempts, reason) in [("never", 1, "Failed"), ("reason", 2, "Hopeless"), ("always", 3, "Failed")] {
        let job = service.run("work", &json!({ "how": input }));
        assert_eq!(end(&job), ["failed", reason, "failed", "no luck"], "{input}: {job}");
        assert_eq!(job["attempt"], attempts, "{input}");
    }
    let job = service.launch("work", &json!({ "how": "later" }));
    let waits = |job: &Value| job["phase"] == "queued" && job["attempt"] == 1;
    service.until("it waits", &job, waits);
    let queue = service.get(&format!("{job}/queue")).json();
    assert_eq!(queue["reason"], "Backoff", "{queue}");
}

#[test]
fn a_result_that_is_too_large_is_dropped_and_the_work_is_done_all_the_same() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let work = move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { NativeResult::Ok("x".repeat(64 * 1024)) }
    };
    let service = start(builder().operation_with("work", retried(3), work));
    let job = service.run("work", &json!({}));
    let detail = "its result is larger than 64 KiB and was dropped; write it to a file and name that";
    assert_eq!(end(&job), ["succeeded", "", "succeeded", detail], "{job}");
    assert_eq!((&job["result"], calls.load(Ordering::Relaxed)), (&Value::Null, 1));
}
