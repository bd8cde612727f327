//! That an attempt is started once, and its fate known, whatever ends meanwhile.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use heeler::domain::job::AttemptOutcome;
use heeler::runner::{AttemptRef, Probe, Runner};
use serde_json::json;

use super::world::{NOBODY, World, kill, progress, supervisor, until, workers};

/// Counts the starts of the work, and then waits for a word.
const COUNTS: &str = "echo x >> $W/count; until [ -e $W/go ]; do sleep 0.01; done";

fn go(world: &World) {
    fs::write(world.file("go"), "").expect("a file");
}

#[tokio::test]
async fn starting_twice_is_starting_once() {
    let world = World::new();
    let launch = world.script(COUNTS);
    let attempt = launch.attempt;
    let (first, second) = tokio::join!(world.runner.start(launch.clone()), world.runner.start(launch.clone()));
    assert!(first.is_ok() && second.is_ok());
    let world = world.restart();
    world.runner.start(launch.clone()).await.expect("it is there");
    go(&world);
    world.end(attempt).await;
    world.runner.start(launch).await.expect("it was there");
    assert_eq!(world.end(attempt).await.1.outcome, AttemptOutcome::Succeeded);
    assert_eq!(world.text("count"), "x\n");
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_is_still_one_start() {
    for millis in [0, 1, 2, 3, 5] {
        let world = World::new();
        let launch = world.script(COUNTS);
        let attempt = launch.attempt;
        let given_up = tokio::time::timeout(Duration::from_millis(millis), world.runner.start(launch.clone()));
        drop(given_up.await);
        world.runner.start(launch).await.expect("it starts or was started");
        go(&world);
        assert_eq!(world.end(attempt).await.1.outcome, AttemptOutcome::Succeeded);
        assert_eq!(world.text("count"), "x\n");
    }
}

#[tokio::test]
async fn work_goes_on_without_the_service_and_is_found_again() {
    let world = World::new();
    let launch = world.script(&format!(
        r#"{COUNTS}; echo '{{"progress":0.5}}' >> $HEELER_EVENTS
           until [ -e $W/on ]; do sleep 0.01; done; echo '{{"result":7}}' >> $HEELER_EVENTS; exit 0"#
    ));
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    let world = world.restart();
    assert_eq!(world.runner.probe(attempt).await, Probe::Running);
    go(&world);
    assert_eq!(progress(&world.runner.next_report(attempt).await), json!([0.5, null]));
    fs::write(world.file("on"), "").expect("a file");
    let (_, ending) = world.end(attempt).await;
    assert_eq!((ending.outcome, ending.result.clone()), (AttemptOutcome::Succeeded, Some(json!(7))));
    let world = world.restart();
    assert_eq!(world.runner.probe(attempt).await, Probe::Ended(ending));
    assert_eq!(world.text("count"), "x\n");
}

#[tokio::test]
async fn work_that_ended_without_the_service_has_ended() {
    let world = World::new();
    let launch = world.script(&format!("{COUNTS}; echo '{{\"result\":7}}' >> $HEELER_EVENTS; exit 9"));
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    let world = world.restart();
    go(&world);
    until("the end is written", || world.attempt(attempt).join("exit.json").exists()).await;
    let Probe::Ended(ending) = world.runner.probe(attempt).await else { panic!("it has ended") };
    assert_eq!((ending.outcome, ending.exit_code), (AttemptOutcome::Failed, Some(9)));
    assert_eq!(ending.result, Some(json!(7)));
}

#[tokio::test]
async fn a_stop_after_a_restart_reaches_the_whole_tree() {
    let world = World::new();
    let script = "trap '' TERM; (setsid sh -c 'sleep 1000; sleep 1000' &); touch $W/ready; while :; do sleep 0.1; done";
    let launch = world.script_with(script, |operation| operation.grace = Duration::from_millis(200));
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    until("the work is ready", || world.file("ready").exists()).await;
    let world = world.restart();
    world.runner.stop(attempt).await;
    let (_, ending) = world.end(attempt).await;
    assert_eq!(ending.outcome, AttemptOutcome::Canceled);
    assert_eq!(workers(attempt), NOBODY);
}

#[tokio::test]
async fn without_its_supervisor_an_attempt_is_lost_and_nothing_is_left_of_it() {
    for restart in [false, true] {
        let world = World::new();
        let launch = world.script("(setsid sleep 1000 &); sleep 1000 & touch $W/ready; sleep 1000");
        let attempt = launch.attempt;
        world.runner.start(launch.clone()).await.expect("it starts");
        until("the work is ready", || world.file("ready").exists() && workers(attempt).len() == 4).await;
        kill(supervisor(attempt)[0]);
        let world = if restart { world.restart() } else { world };
        let (_, ending) = world.end(attempt).await;
        assert_eq!(ending.outcome, AttemptOutcome::Lost);
        assert_eq!(workers(attempt), NOBODY);
        assert_eq!(world.runner.probe(attempt).await, Probe::Ended(ending.clone()), "it stays lost");
        world.runner.start(launch).await.expect("it was started");
        assert_eq!(world.end(attempt).await.1, ending);
    }
}

#[tokio::test]
async fn an_attempt_that_was_never_heard_of_never_started() {
    let world = World::new();
    let launch = world.script(COUNTS);
    assert_eq!(world.runner.probe(launch.attempt).await, Probe::NeverStarted);
    world.runner.stop(launch.attempt).await;
    go(&world);
    assert_eq!(world.run(launch).await.1.outcome, AttemptOutcome::Succeeded);
}

/// Brings the folder of an attempt into the state between its making and the
/// coming of the supervisor, and gives the nonce of that one.
async fn made_but_not_begun(world: &World, attempt: AttemptRef) -> String {
    let folder = world.attempt(attempt);
    let spec: serde_json::Value = read(&folder.join("spec.json"));
    kill(supervisor(attempt)[0]);
    until("they are gone", || {
        workers(attempt).into_iter().for_each(kill);
        supervisor(attempt).is_empty() && workers(attempt).is_empty()
    })
    .await;
    for name in ["started", "log", "control"] {
        fs::remove_file(folder.join(name)).expect("a file");
    }
    spec["nonce"].as_str().expect("a text").to_owned()
}

fn read(path: &std::path::Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// A supervisor that comes now, and what it says when it goes.
fn supervise(world: &World, attempt: AttemptRef, nonce: &str) -> Option<i32> {
    drop(fs::remove_file(world.file("late")));
    let socket = std::os::unix::net::UnixListener::bind(world.file("late")).expect("a socket");
    let status = Command::new(env!("CARGO_BIN_EXE_heeler"))
        .arg("supervise")
        .arg(world.attempt(attempt))
        .arg(nonce)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)))
        .status();
    status.expect("it runs").code()
}

#[tokio::test]
async fn a_crash_before_the_supervisor_leaves_an_attempt_that_can_be_started() {
    let world = World::new();
    let launch = world.script(COUNTS);
    let attempt = launch.attempt;
    world.runner.start(launch.clone()).await.expect("it starts");
    until("it runs", || world.text("count") == "x\n").await;
    made_but_not_begun(&world, attempt).await;
    let world = world.restart();
    assert_eq!(world.runner.probe(attempt).await, Probe::NeverStarted);
    assert!(!world.attempt(attempt).exists());
    fs::remove_file(world.file("count")).expect("a file");
    go(&world);
    assert_eq!(world.run(launch).await.1.outcome, AttemptOutcome::Succeeded);
    assert_eq!(world.text("count"), "x\n");
}

#[tokio::test]
async fn a_supervisor_that_comes_late_does_nothing() {
    let world = World::new();
    let launch = world.script(COUNTS);
    let attempt = launch.attempt;
    world.runner.start(launch.clone()).await.expect("it starts");
    until("it runs", || world.text("count") == "x\n").await;
    let nonce = made_but_not_begun(&world, attempt).await;
    let world = world.restart();
    assert_eq!(world.runner.probe(attempt).await, Probe::NeverStarted);
    assert_eq!(supervise(&world, attempt, &nonce), Some(1), "after it was abandoned");
    world.runner.start(launch.clone()).await.expect("it starts");
    assert_eq!(supervise(&world, attempt, &nonce), Some(1), "after it was started again");
    until("it runs", || world.text("count") == "x\nx\n").await;
    made_but_not_begun(&world, attempt).await;
    assert_eq!(supervise(&world, attempt, &nonce), Some(1), "before another one that has yet to begin");
    let world = world.restart();
    world.runner.start(launch).await.expect("it starts");
    let nonce = read(&world.attempt(attempt).join("spec.json"))["nonce"].as_str().expect("a text").to_owned();
    assert_eq!(supervise(&world, attempt, &nonce), Some(1), "while the right one works");
    go(&world);
    assert_eq!(world.end(attempt).await.1.outcome, AttemptOutcome::Succeeded);
    assert_eq!(supervise(&world, attempt, &nonce), Some(1), "after it ended, even the right one");
    assert_eq!(world.text("count"), "x\nx\nx\n");
}
