//! How the work ends: with everything that it started, whatever that does.

use std::path::Path;
use std::time::{Duration, Instant};

use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::runner::{AttemptRef, Launch, Runner};

use super::world::{NOBODY, World, inhabitants, supervisor, until, workers};

/// Starts it, waits until it says that it is ready, and stops it.
async fn stop(world: &World, launch: Launch) -> (AttemptRef, Ending, Duration) {
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    until("the work is ready", || world.file("ready").exists()).await;
    let asked = Instant::now();
    world.runner.stop(attempt).await;
    world.runner.stop(attempt).await;
    let (_, ending) = world.end(attempt).await;
    (attempt, ending, asked.elapsed())
}

#[tokio::test]
async fn work_that_ends_when_asked_is_not_killed() {
    let world = World::new();
    let launch = world.script("trap 'echo bye; exit 0' TERM; touch $W/ready; while :; do sleep 0.01; done");
    let (attempt, ending, took) = stop(&world, launch).await;
    assert_eq!((ending.outcome, ending.exit_code), (AttemptOutcome::Canceled, Some(0)));
    assert!(world.log(attempt).contains("bye\n"));
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// Ways to stay: each leaves processes that only a kill of the whole tree ends.
const STAYERS: [(&str, &str); 6] = [
    ("plain", "sleep 1000 & sleep 1000"),
    ("ignores TERM", "trap '' TERM; sleep 1000; sleep 1000; sleep 1000"),
    ("other session", "trap '' TERM; setsid sleep 1000 & setsid -w sh -c 'sleep 1000; sleep 1000'; sleep 1000"),
    ("double fork", "(trap '' TERM; (setsid sh -c 'trap \"\" TERM; sleep 1000; sleep 1000' &) & ) & sleep 1000"),
    ("without environment", "env -i setsid sh -c 'trap \"\" TERM; while :; do sleep 1000; done' & sleep 1000"),
    ("breeds", "trap '' TERM; while :; do (trap '' TERM; sleep 0.05; setsid sleep 1000) & sleep 0.01; done"),
];

#[tokio::test]
async fn nothing_of_the_tree_outlives_a_stop() {
    for (name, script) in STAYERS {
        let world = World::new();
        let script = format!("exec 2>/dev/null; touch $W/ready; {script}");
        let launch = world.script_with(&script, |operation| operation.grace = Duration::from_millis(300));
        let attempt = launch.attempt;
        let before = inhabitants(&world);
        let (_, ending, took) = stop(&world, launch).await;
        assert_eq!(ending.outcome, AttemptOutcome::Canceled, "{name}");
        assert_eq!(workers(attempt), NOBODY, "{name}");
        assert_eq!((before, inhabitants(&world)), (0, 0), "{name}");
        assert!(took < Duration::from_millis(2300), "{name} took {took:?}");
    }
}

#[tokio::test]
async fn work_that_is_suspended_is_stopped_too() {
    let world = World::new();
    let launch = world.script("trap 'exit 5' TERM; touch $W/ready; kill -STOP $$; sleep 1000");
    let (_, ending, took) = stop(&world, launch).await;
    assert_eq!((ending.outcome, ending.exit_code), (AttemptOutcome::Canceled, Some(5)));
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn what_the_work_leaves_behind_goes_with_it() {
    let world = World::new();
    let script = "setsid sleep 1000 & (sleep 1000 &) ; echo '{\"result\":1}' >> $HEELER_EVENTS";
    let launch = world.script(script);
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!((ending.outcome, ending.exit_code), (AttemptOutcome::Succeeded, Some(0)));
    assert_eq!(workers(attempt), NOBODY);
    assert_eq!(inhabitants(&world), 0);
}

#[tokio::test]
async fn a_stop_after_the_main_process_ended_changes_nothing() {
    let world = World::new();
    let script = "setsid sh -c 'trap : TERM; touch $W/left; while :; do sleep 0.01; done' & \
                  until [ -e $W/left ]; do sleep 0.01; done";
    let launch = world.script_with(script, |operation| operation.grace = Duration::from_millis(700));
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    until("one is left", || workers(attempt).len() == 2 && world.file("left").exists()).await;
    until("only what was left is there", || world.attempt(attempt).join("exit.json").exists() || main_is_gone(attempt))
        .await;
    world.runner.stop(attempt).await;
    let (_, ending) = world.end(attempt).await;
    assert_eq!((ending.outcome, ending.detail), (AttemptOutcome::Succeeded, None));
    assert_eq!(workers(attempt), NOBODY);
}

/// Whether no process of the work leads the group that the supervisor made for it.
fn main_is_gone(attempt: AttemptRef) -> bool {
    let [supervisor] = supervisor(attempt)[..] else { return true };
    workers(attempt).iter().all(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // Session of the supervisor: the main process; the one that is left has its own.
        fields.get(3) != Some(&supervisor.to_string().as_str())
    })
}

#[tokio::test]
async fn work_that_takes_too_long_is_stopped() {
    let world = World::new();
    let launch = world.script_with("trap 'exit 4' TERM; while :; do sleep 0.01; done", |operation| {
        operation.timeout = Some(Duration::from_millis(200));
    });
    let (_, ending) = world.run(launch).await;
    assert_eq!((ending.outcome, ending.exit_code), (AttemptOutcome::TimedOut, Some(4)));
    assert_eq!(ending.detail.as_deref(), Some("took longer than 200ms and was stopped; exited with code 4"));
}

#[tokio::test]
async fn a_supervisor_does_not_end_when_asked_like_a_program() {
    let world = World::new();
    let launch = world.script("until [ -e $W/go ]; do sleep 0.01; done; exit 6");
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    let [pid] = supervisor(attempt)[..] else { panic!("one supervisor") };
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT, rustix::process::Signal::HUP] {
        rustix::process::kill_process(pid, signal).expect("it is there");
    }
    std::fs::write(world.file("go"), "").expect("a file");
    let (_, ending) = world.end(attempt).await;
    assert_eq!(ending.exit_code, Some(6));
}

#[tokio::test]
async fn a_supervisor_that_is_done_does_not_stay_as_a_zombie() {
    let world = World::new();
    let done = world.script("sleep 0.2");
    let lost = world.script("sleep 1000");
    let mut supervisors = Vec::new();
    for launch in [&done, &lost] {
        world.runner.start(launch.clone()).await.expect("it starts");
        supervisors.extend(supervisor(launch.attempt));
    }
    assert_eq!(supervisors.len(), 2);
    super::world::kill(supervisors[1]);
    world.end(done.attempt).await;
    world.end(lost.attempt).await;
    // A zombie is still there under its number.
    until("both are reaped", || !supervisors.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists())).await;
}
