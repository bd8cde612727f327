//! What comes back from the work: progress, a result, a log, an exit code.

use heeler::domain::job::{AttemptOutcome, RESULT_BYTES_MAX};
use heeler::domain::log::Stream;
use heeler::runner::{Report, Runner};
use serde_json::json;

use super::world::{World, progress, until};

#[tokio::test]
async fn progress_arrives_while_the_work_runs_and_the_result_at_its_end() {
    let world = World::new();
    let launch = world.script(
        r#"echo '{"progress":{"fraction":0.4,"message":"m"}}' >> $HEELER_EVENTS
           until [ -e $W/go ]; do sleep 0.01; done
           echo nonsense >> $HEELER_EVENTS
           printf '{"result":{"n":1}}\n{"result":{"n":2}}' >> $HEELER_EVENTS"#,
    );
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    let first = world.runner.next_report(attempt).await;
    assert_eq!(progress(&first), json!([0.4, "m"]));
    std::fs::write(world.file("go"), "").expect("a file");
    let (said, ending) = world.end(attempt).await;
    assert_eq!(said, []);
    assert_eq!((ending.outcome, ending.result.clone()), (AttemptOutcome::Succeeded, Some(json!({ "n": 2 }))));
    assert_eq!(world.end(attempt).await, (Vec::new(), ending), "the same end again");
}

#[tokio::test]
async fn the_last_progress_comes_before_the_end() {
    let world = World::new();
    let (said, _) = world.run(world.script(r#"echo '{"progress":1}' >> $HEELER_EVENTS"#)).await;
    assert_eq!(said.iter().map(progress).collect::<Vec<_>>(), [json!([1.0, null])]);
}

#[tokio::test]
async fn waiting_for_a_report_can_be_given_up_without_losing_it() {
    let world = World::new();
    let launch = world.script(r#"for i in 1 2 3; do echo "{\"progress\":0.$i}" >> $HEELER_EVENTS; sleep 0.2; done"#);
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    let mut seen = Vec::new();
    loop {
        let short = tokio::time::timeout(std::time::Duration::from_millis(3), world.runner.next_report(attempt));
        match short.await {
            Err(_) => {}
            Ok(Report::Ended(ending)) => break assert_eq!(ending.outcome, AttemptOutcome::Succeeded),
            Ok(report) => seen.push(progress(&report)),
        }
    }
    assert_eq!(seen.last(), Some(&json!([0.3, null])));
}

#[tokio::test]
async fn a_result_that_is_too_large_is_dropped_and_the_outcome_stays() {
    let world = World::new();
    let size = RESULT_BYTES_MAX + 1;
    let script =
        format!(r#"(printf '{{"result":"'; head -c {size} /dev/zero | tr '\0' x; echo '"}}') >> $HEELER_EVENTS"#);
    let (_, ending) = world.run(world.script(&script)).await;
    assert_eq!((ending.outcome, ending.result), (AttemptOutcome::Succeeded, None));
    assert!(ending.detail.expect("a word about it").contains("larger than 64 KiB"));
}

#[tokio::test]
async fn an_exit_code_or_a_signal_decides() {
    let world = World::new();
    for (script, outcome, code, detail) in [
        ("exit 0", AttemptOutcome::Succeeded, Some(0), None),
        ("exit 3", AttemptOutcome::Failed, Some(3), Some("exited with code 3")),
        ("kill -9 $$", AttemptOutcome::Failed, None, Some("was killed by signal 9 (SIGKILL)")),
    ] {
        let (_, ending) = world.run(world.script(script)).await;
        assert_eq!((ending.outcome, ending.exit_code), (outcome, code), "{script}");
        assert_eq!(ending.detail.as_deref(), detail, "{script}");
    }
}

#[tokio::test]
async fn the_log_has_both_streams_as_they_were_read_and_grows_while_the_work_runs() {
    let world = World::new();
    let wait = |name: &str| format!("until [ -e $W/{name} ]; do sleep 0.01; done");
    let script = format!("echo one; {}; echo two >&2; {}; echo three", wait("a"), wait("b"));
    let launch = world.script(&script);
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    for (log, next) in [("one\n", "a"), ("one\ntwo\n", "b")] {
        until("the beginning is there", || world.log(attempt) == log).await;
        std::fs::write(world.file(next), "").expect("a file");
    }
    world.end(attempt).await;
    assert_eq!(world.log(attempt), "one\ntwo\nthree\n");
    let index = world.log_index(attempt);
    let told: Vec<_> = index.iter().map(|entry| (entry.stream.as_str(), entry.length)).collect();
    assert_eq!(told, [("stdout", 4), ("stderr", 4), ("stdout", 6)]);
    assert!(index.iter().all(|entry| entry.at.is_some()) && index.is_sorted_by_key(|entry| entry.at), "{index:?}");
}

#[tokio::test]
async fn a_line_is_one_piece_though_it_is_written_in_several_and_the_other_stream_goes_on() {
    let world = World::new();
    // The end of the first line is not long in coming.
    let launch = world.script("printf 'on'; echo other >&2; printf 'e\\n'; printf 'no end'");
    let attempt = launch.attempt;
    world.run(launch).await;
    let log = world.log(attempt);
    assert!(["one\nother\nno end", "other\none\nno end"].contains(&log.as_str()), "{log:?}");
}

#[tokio::test]
async fn what_is_written_without_the_end_of_a_line_is_seen_all_the_same() {
    let world = World::new();
    let launch = world.script("printf 'name: '; until [ -e $W/go ]; do sleep 0.01; done");
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    until("it is there", || world.log(attempt) == "name: ").await;
    std::fs::write(world.file("go"), "").expect("a file");
    world.end(attempt).await;
}

#[tokio::test]
async fn a_log_is_bounded_and_the_work_is_not_held_up_by_that() {
    let world = World::new();
    let launch = world.script("head -c 3000000 /dev/zero; echo >&2; touch $W/through");
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!(ending.outcome, AttemptOutcome::Succeeded);
    assert!(world.file("through").exists());
    let (length, _) = world.runner.log(attempt.job, attempt.number).expect("a log");
    assert!((64 * 1024..65 * 1024).contains(&length), "{length}");
    assert!(world.log(attempt).ends_with("[heeler: the output was cut here; a log holds 65536 bytes]\n"));
    let index = world.log_index(attempt);
    assert_eq!(index.iter().map(|entry| u64::from(entry.length)).sum::<u64>(), length);
    assert_eq!(index.last().map(|entry| entry.stream), Some(Stream::Service));
}

#[tokio::test]
async fn an_attempt_that_wrote_nothing_has_no_log() {
    let world = World::new();
    let launch = world.launch(&["true"]);
    let attempt = launch.attempt;
    world.run(launch).await;
    assert!(world.runner.log(attempt.job, attempt.number).is_none());
}

#[tokio::test]
async fn a_job_that_is_forgotten_leaves_nothing() {
    let world = World::new();
    let launch = world.launch(&["echo", "x"]);
    let attempt = launch.attempt;
    world.run(launch).await;
    world.runner.forget(attempt.job).expect("it is removed");
    world.runner.forget(attempt.job).expect("again");
    assert!(!world.file("attempts").join(attempt.job.to_string()).exists());
    assert!(world.runner.log(attempt.job, attempt.number).is_none());
}
