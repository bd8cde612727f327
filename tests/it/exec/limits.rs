//! How much an attempt may use, where no cgroup sees to it.

use std::fs;

use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::domain::operation::{Account, ExecLimits, Operation};
use heeler::runner::Runner;

use super::users::{STRANGER, is_root, open_world};
use super::world::{NOBODY, World, exec, inhabitants, supervisor, until, workers};

const NONE: ExecLimits =
    ExecLimits { memory: None, cpu_percent: None, cpu_seconds: None, processes: None, files: None, file_size: None };
const MIB: u64 = 1024 * 1024;

/// How a script ends under limits, and what it wrote.
async fn run(world: &World, script: &str, limits: ExecLimits) -> (Ending, String) {
    let launch = world.script_with(script, |operation| exec(operation).limits = limits);
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!(workers(attempt), NOBODY);
    assert_eq!(inhabitants(world), 0);
    (ending, world.log(attempt))
}

#[tokio::test]
async fn work_that_runs_into_a_limit_fails_and_says_which() {
    // Holds ten million bytes in each of four processes.
    let hoard = "for i in 1 2 3 4; do (head -c 10000000 /dev/zero; sleep 1000) | tail -c 10000000 & done; wait";
    for (name, script, limits, said) in [
        (
            "processor time",
            "while :; do :; done",
            ExecLimits { cpu_seconds: Some(1), ..NONE },
            "used more than its limit of 1s of processor time; was killed by signal 24 (SIGXCPU)",
        ),
        (
            "a child that takes processor time",
            "sh -c 'while :; do :; done'; exit $?",
            ExecLimits { cpu_seconds: Some(1), ..NONE },
            "used more than its limit of 1s of processor time; exited with code 152",
        ),
        (
            "a large file",
            "exec head -c 2000000 /dev/zero >$W/large",
            ExecLimits { file_size: Some(MIB), ..NONE },
            "wrote a file larger than its limit of 1 MiB; was killed by signal 25 (SIGXFSZ)",
        ),
        (
            "memory of one process",
            "head -c 100000000 /dev/zero | tail -c 100000000; exit 7",
            ExecLimits { memory: Some(32 * MIB), ..NONE },
            "was limited to 32 MiB of memory; exited with code 7",
        ),
        (
            "memory of several",
            hoard,
            ExecLimits { memory: Some(24 * MIB), ..NONE },
            "used more than its limit of 24 MiB of memory; was killed by signal 9 (SIGKILL)",
        ),
    ] {
        let world = World::new();
        let (ending, _) = run(&world, script, limits).await;
        assert_eq!(ending.outcome, AttemptOutcome::Failed, "{name}: {ending:?}");
        let detail = ending.detail.unwrap_or_default();
        // What it said last comes behind it.
        let (what, _) = detail.split_once(LAST_WORDS).unwrap_or((&detail, ""));
        assert_eq!(what, said, "{name}");
    }
}

#[tokio::test]
async fn work_within_its_limits_notices_nothing_but_them() {
    let world = World::new();
    let limits = ExecLimits {
        memory: Some(64 * MIB),
        cpu_percent: None,
        cpu_seconds: Some(60),
        // As root there is nobody to keep it.
        processes: (!is_root()).then_some(50),
        files: Some(40),
        file_size: Some(MIB),
    };
    let script =
        "ulimit -n; ulimit -t; ulimit -d; ulimit -f; ls /proc/self/fd | wc -l; cut -d' ' -f5 /proc/$$/stat; echo $$";
    let (ending, log) = run(&world, script, limits).await;
    assert_eq!((ending.outcome, ending.detail), (AttemptOutcome::Succeeded, None));
    let said: Vec<&str> = log.split_whitespace().collect();
    let [files, seconds, data, blocks, open, group, pid] = said[..] else { panic!("{log}") };
    assert_eq!((files, seconds, data, blocks), ("40", "60", "65536", "2048"), "{log}");
    // The fourth is that of `ls` on the folder.
    assert_eq!((open, group), ("4", pid), "{log}");
}

#[tokio::test]
async fn the_supervisor_is_not_held_to_the_limits_of_its_work() {
    let world = World::new();
    let limits = ExecLimits { files: Some(16), file_size: Some(1), cpu_seconds: Some(1), ..NONE };
    // More output than the work itself could put into a file.
    let launch = world.script_with("echo much; until [ -e $W/go ]; do sleep 0.01; done", |operation| {
        exec(operation).limits = limits;
    });
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    until("the log has it", || world.log(attempt) == "much\n").await;
    let [pid] = supervisor(attempt)[..] else { panic!("one supervisor") };
    let held_to = fs::read_to_string(format!("/proc/{pid}/limits")).expect("/proc");
    for line in held_to.lines().filter(|line| line.starts_with("Max file size") || line.starts_with("Max cpu time")) {
        assert!(line.contains("unlimited"), "{line}");
    }
    fs::write(world.file("go"), "").expect("a file");
    assert_eq!(world.end(attempt).await.1.outcome, AttemptOutcome::Succeeded);
}

#[tokio::test]
async fn a_share_of_a_processor_without_a_cgroup_is_refused_and_not_left_out() {
    let world = World::new();
    let (ending, log) = run(&world, "echo begun", ExecLimits { cpu_percent: Some(50), ..NONE }).await;
    assert_eq!((ending.outcome, ending.exit_code, log.as_str()), (AttemptOutcome::Failed, None, ""));
    assert!(ending.detail.expect("a reason").contains("needs a cgroup that is delegated"));
}

/// One whose processes are counted: root's are not.
fn not_root(operation: &mut Operation) {
    exec(operation).cwd = Some("/".into());
    if is_root() {
        exec(operation).user = Some(Account::Id(STRANGER));
        exec(operation).group = Some(Account::Id(STRANGER));
    }
}

#[tokio::test]
async fn a_fork_bomb_is_found_out_and_stopped_and_the_machine_stands() {
    let world = open_world();
    // First that the kernel would stop it, whoever looks.
    let limited = |operation: &mut Operation| {
        not_root(operation);
        exec(operation).limits = ExecLimits { processes: Some(20), ..NONE };
    };
    let launch = world.script_with("sed -n 's/^Max processes *//p' /proc/self/limits", limited);
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!(ending.outcome, AttemptOutcome::Succeeded, "{ending:?}");
    let log = world.log(attempt);
    let most: u64 = log.split_whitespace().next().and_then(|most| most.parse().ok()).unwrap_or_else(|| panic!("{log}"));
    assert!(most < 10_000, "{most}");

    // Then a bomb: either it is seen, or it ended for want of processes before anybody looked.
    let launch = world.script_with("b() { b | b & }; b; sleep 2; exit 9", limited);
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!(ending.outcome, AttemptOutcome::Failed);
    let said = ending.detail.expect("a reason");
    let (what, _) = said.split_once(LAST_WORDS).unwrap_or((&said, ""));
    assert!(["exited with code 9", OVER].contains(&what), "{said}");
    assert_eq!(workers(attempt), NOBODY);
}

const LAST_WORDS: &str = "; its output ends with ";
const OVER: &str = "ran into its limit of 20 processes and threads; was killed by signal 9 (SIGKILL)";

#[tokio::test]
async fn more_processes_than_the_limit_are_seen() {
    let world = open_world();
    let limits = ExecLimits { processes: Some(20), ..NONE };
    for (count, outcome, said) in [(10, AttemptOutcome::Succeeded, None), (30, AttemptOutcome::Failed, Some(OVER))] {
        let script = format!("for i in $(seq {count}); do sleep 1 & done; wait; test {count} -lt 20 || sleep 1000");
        let launch = world.script_with(&script, |operation| {
            not_root(operation);
            exec(operation).limits = limits;
        });
        let attempt = launch.attempt;
        let (_, ending) = world.run(launch).await;
        assert_eq!((ending.outcome, ending.detail.as_deref()), (outcome, said), "{count}");
        assert_eq!(workers(attempt), NOBODY);
    }
}

#[tokio::test]
async fn a_limit_of_processes_that_nobody_could_keep_is_refused() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let (ending, log) = run(&world, "echo begun", ExecLimits { processes: Some(50), ..NONE }).await;
    assert_eq!((ending.outcome, ending.exit_code, log.as_str()), (AttemptOutcome::Failed, None, ""));
    assert!(ending.detail.expect("a reason").contains("nothing else stops root"));
}
