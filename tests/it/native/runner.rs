//! The runner itself: what begins when, and what it knows of what it never heard of.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use heeler::NativeResult;
use heeler::config::{Declared, read_text};
use heeler::domain::id::{JobId, Token};
use heeler::domain::job::AttemptOutcome;
use heeler::domain::operation::RunnerKind;
use heeler::runner::native::{Function, Functions, NativeConfig, NativeRunner};
use heeler::runner::{AttemptRef, Launch, Probe, Report, Runner};
use serde_json::{Value, json};

/// A runner with the function `count`, which counts its calls.
fn runner(folder: &Path) -> (NativeRunner, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let function = Function::new(move |_| {
        let call = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move { NativeResult::Ok(call) }
    });
    let functions: Functions = BTreeMap::from([("count".parse().expect("a name"), function)]);
    (NativeRunner::new(NativeConfig::new(folder, functions)), calls)
}

fn attempt(number: u32) -> AttemptRef {
    let job = JobId::from_bytes([7; 16]);
    AttemptRef { job, number, token: Token::from_bytes([8; 16]), runner: RunnerKind::Native }
}

fn launch(attempt: AttemptRef) -> Launch {
    let text = "[operations.count]\nexec = { command = [\"true\"] }";
    let config = read_text(text, Path::new("/"), &crate::config::cron, &Declared::default()).expect("it is right");
    let operation = config.catalog.operations.into_values().next().expect("an operation");
    Launch {
        attempt,
        operation,
        means: Arc::default(),
        timeout: None,
        job: json!({ "input": null }),
        resource: Value::Null,
    }
}

fn ending(report: Report) -> (AttemptOutcome, Option<Value>) {
    match report {
        Report::Ended(ending) => (ending.outcome, ending.result),
        Report::Progress { .. } | Report::Accepted(_) => panic!("it says how it ended"),
    }
}

#[tokio::test]
async fn a_function_is_not_called_before_it_is_listened_to_and_then_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (runner, calls) = runner(folder.path());
    let this = attempt(1);
    for _ in 0..2 {
        runner.start(launch(this)).await.expect("it starts");
        assert_eq!(runner.probe_unrecorded(this).await, Probe::Running);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    for _ in 0..3 {
        assert_eq!(ending(runner.next_report(this).await), (AttemptOutcome::Succeeded, Some(json!(1))));
    }
    runner.start(launch(this)).await.expect("it was started");
    assert!(matches!(runner.probe(this).await, Probe::Ended(_)));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "what writes nothing leaves nothing");
}

#[tokio::test]
async fn a_function_that_is_stopped_before_it_began_is_never_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let (runner, calls) = runner(folder.path());
    let this = attempt(1);
    runner.start(launch(this)).await.expect("it starts");
    runner.stop(this).await;
    runner.stop(this).await;
    assert_eq!(ending(runner.next_report(this).await), (AttemptOutcome::Canceled, None));
    runner.start(launch(this)).await.expect("it was started");
    assert_eq!(ending(runner.next_report(this).await), (AttemptOutcome::Canceled, None));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn of_another_process_what_is_not_recorded_never_started_and_the_rest_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let (runner, _) = runner(folder.path());
    assert_eq!(runner.probe_unrecorded(attempt(1)).await, Probe::NeverStarted);
    assert!(matches!(runner.probe(attempt(1)).await, Probe::Ended(ending) if ending.outcome == AttemptOutcome::Lost));
    assert_eq!(ending(runner.next_report(attempt(1)).await), (AttemptOutcome::Lost, None));
    // Nobody is there to be stopped.
    runner.stop(attempt(1)).await;
}

#[tokio::test]
async fn what_was_registered_under_no_name_cannot_be_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let runner = NativeRunner::new(NativeConfig::new(folder.path(), Functions::new()));
    let error = runner.start(launch(attempt(1))).await.expect_err("there is no such function");
    assert_eq!(error.detail, "this program has no function for `count`");
}

#[tokio::test]
async fn ends_that_were_told_long_ago_are_forgotten_and_others_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (runner, _) = runner(folder.path());
    for number in 1..=1100 {
        runner.start(launch(attempt(number))).await.expect("it starts");
        runner.next_report(attempt(number)).await;
    }
    let known = |probe| matches!(probe, Probe::Ended(ending) if ending.outcome == AttemptOutcome::Succeeded);
    assert!(!known(runner.probe(attempt(1)).await));
    assert!(known(runner.probe(attempt(1100)).await));
}

#[tokio::test]
async fn what_has_not_begun_when_the_service_ends_may_still_begin_and_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (runner, calls) = runner(folder.path());
    runner.start(launch(attempt(1))).await.expect("it starts");
    let heard = async { ending(runner.next_report(attempt(1)).await) };
    let closed = tokio::time::timeout(Duration::from_secs(9), runner.close());
    let (closed, heard) = tokio::join!(closed, heard);
    assert_eq!((closed.is_ok(), heard.0, calls.load(Ordering::Relaxed)), (true, AttemptOutcome::Succeeded, 1));
}
