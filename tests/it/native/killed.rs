//! kill -9 of the program that the functions are part of.

use std::fs::OpenOptions;
use std::future::pending;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use heeler::{Builder, NativeJob, NativeResult, OperationOptions};
use serde_json::json;

use super::world::{Other, builder, folder, retried, start, start_other, store_in};
use crate::service::client::{JSON, request};

/// A function that notes that it was called, and never ends of itself at the
/// first attempt.
fn with_work(folder: &Path, options: OperationOptions) -> Builder {
    let calls = folder.join("calls");
    let work = move |job: NativeJob| {
        let calls = calls.clone();
        async move {
            let mut file = OpenOptions::new().append(true).create(true).open(calls)?;
            writeln!(file, "{} {}", job.id(), job.attempt())?;
            job.log(format!("attempt {}", job.attempt()));
            job.progress(0.5, "half way");
            if job.attempt() == 1 {
                pending::<()>().await;
            }
            NativeResult::Ok("done")
        }
    };
    builder().store(store_in(folder)).drain(Duration::from_millis(20)).operation_with("work", options, work)
}

#[expect(clippy::print_stdout, reason = "that is how the other process hears of it")]
fn say(line: &str) {
    println!("{line}");
}

/// Serves in a process of its own, with these options, until it is killed.
fn serve(options: OperationOptions) {
    let folder = folder().expect("another process asked for it");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let service = with_work(&folder, options).build().await.expect("a service");
        say(&format!("listening on http://{}", service.address().expect("it listens")));
        service.serve(pending()).await.expect("it goes on");
    });
}

#[test]
#[ignore = "the process that another test kills"]
fn serves_at_most_once() {
    serve(OperationOptions::default());
}

#[test]
#[ignore = "the process that another test kills"]
fn serves_at_least_once() {
    serve(retried(2).retry_unknown());
}

fn launch(other: &Other) -> String {
    let dog = other.ask(&request("PUT", "/v1/dogs/rex").json(JSON, &json!({ "name": "Rex" })));
    assert_eq!(dog.status, 201, "{}", dog.text());
    let posted = other.ask(&request("POST", "/v1/dogs/rex/barks").json(JSON, &json!({ "operation": "work" })));
    assert_eq!(posted.status, 202, "{}", posted.text());
    format!("/v1/jobs/{}", posted.json()["id"].as_str().expect("an id"))
}

#[test]
fn a_function_whose_process_was_killed_is_lost_and_is_called_again_only_where_that_is_meant() {
    for (test, options, phase, attempts) in [
        ("native::killed::serves_at_most_once", OperationOptions::default(), "lost", 1),
        ("native::killed::serves_at_least_once", retried(2).retry_unknown(), "succeeded", 2),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let other = start_other(test, folder.path());
        let job = launch(&other);
        other.until("it is half way", &job, |job| job["progress"]["fraction"] == 0.5);
        other.kill();
        let service = start(with_work(folder.path(), options));
        let job = service.until("the job ends", &job, |job| !job["finished"].is_null());
        assert_eq!((&job["phase"], &job["attempt"]), (&json!(phase), &json!(attempts)), "{job}");
        assert_eq!(job["attempts"][0]["outcome"], "lost", "{job}");
        let calls = std::fs::read_to_string(folder.path().join("calls")).expect("it was called");
        assert_eq!(calls.lines().count(), attempts, "{calls}");
        // What it wrote before the kill can still be read.
        let log = service.get(&format!("/v1/jobs/{}/log?attempt=1", job["id"].as_str().expect("an id")));
        assert_eq!((log.status, log.body.as_slice()), (200, b"attempt 1\n".as_slice()));
    }
}

#[test]
fn kills_around_the_start_leave_every_job_called_at_most_once_and_none_stuck() {
    const ROUNDS: usize = 6;
    let folder = tempfile::tempdir().expect("a folder");
    let mut jobs = Vec::new();
    for round in 0..ROUNDS {
        let other = start_other("native::killed::serves_at_most_once", folder.path());
        for at in 0..=round {
            let dog = format!("/v1/dogs/dog-{round}-{at}");
            let document = json!({ "name": "Rex", "barks": { "operation": "work" } });
            let put = other.ask(&request("PUT", &dog).json(JSON, &document));
            assert_eq!(put.status, 201, "{}", put.text());
            jobs.push(dog);
        }
        // At once: some attempts are recorded, some have started, some are neither.
        other.kill();
    }
    let service = start(with_work(folder.path(), OperationOptions::default()));
    for dog in &jobs {
        // What never started is started now, and goes on; whatever had started is lost.
        service.until("it is accounted for", dog, |dog| {
            let barks = &dog["status"]["barks"];
            barks["last"]["phase"] == "lost" || barks["progress"]["fraction"] == 0.5
        });
    }
    let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap_or_default();
    let mut called: Vec<&str> = calls.lines().collect();
    let all = called.len();
    called.sort_unstable();
    called.dedup();
    assert_eq!(called.len(), all, "no attempt was called twice: {calls}");
    assert!(called.iter().all(|call| call.ends_with(" 1")), "no job was tried twice: {calls}");
}
