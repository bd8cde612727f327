//! Work that runs as somebody else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use heeler::domain::job::AttemptOutcome;
use heeler::domain::operation::{Account, ExecLimits, Operation, Scratch};
use heeler::runner::Runner;
use serde_json::json;

use super::world::{NOBODY, SECRET, World, exec, template, until, workers};

/// Somebody whom no machine knows.
pub(super) const STRANGER: u32 = 54_321;

fn as_stranger(operation: &mut Operation) {
    let exec = exec(operation);
    exec.user = Some(Account::Id(STRANGER));
    exec.group = Some(Account::Id(STRANGER));
    exec.scratch = Scratch::Folder;
    exec.cwd = None;
    exec.secrets.insert("token".to_owned(), template("${secret.TOKEN}"));
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A world that others can pass through.
pub(super) fn open_world() -> World {
    let world = World::new();
    fs::set_permissions(world.file(""), Permissions::from_mode(0o755)).expect("a mode");
    world
}

#[tokio::test]
async fn only_root_can_run_work_as_somebody_else_and_anybody_as_themselves() {
    let world = World::new();
    let own = rustix::process::geteuid().as_raw();
    let launch = world.script_with("id -u", |operation| exec(operation).user = Some(Account::Id(own)));
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!((ending.outcome, world.log(attempt)), (AttemptOutcome::Succeeded, format!("{own}\n")));
    if !is_root() {
        let error = world.runner.start(world.script_with("id -u", as_stranger)).await.expect_err("it may not");
        assert!(error.detail.contains("only a service that runs as root can do"), "{error}");
    }
    let nobody = Account::Name("no-such-user".to_owned());
    let launch = world.script_with("id -u", |operation| exec(operation).user = Some(nobody));
    let error = world.runner.start(launch).await.expect_err("there is none");
    assert!(error.detail.contains("there is no user `no-such-user`"), "{error}");
}

#[tokio::test]
async fn work_of_another_user_has_what_is_its_own_and_nothing_of_ours() {
    if !is_root() {
        return;
    }
    let world = open_world();
    let script = r#"id -u; id -g; id -G
        cat "$HEELER_SECRETS/token"; echo
        touch here && ls -A
        echo to-stderr >/dev/stderr
        wc -c </dev/stdin >/dev/null
        cat ../spec.json ../log ../../../1/events 2>/dev/null
        ls .. 2>/dev/null
        echo '{"result": 7}' >>"$HEELER_EVENTS""#;
    for limits in [ExecLimits::default(), ExecLimits { files: Some(64), ..ExecLimits::default() }] {
        let launch = world.script_with(script, |operation| {
            as_stranger(operation);
            exec(operation).limits = limits;
        });
        let attempt = launch.attempt;
        let (_, ending) = world.run(launch).await;
        assert_eq!((ending.outcome, ending.result.clone()), (AttemptOutcome::Succeeded, Some(json!(7))), "{ending:?}");
        let mut said: Vec<String> = world.log(attempt).lines().map(str::to_owned).collect();
        said.sort_unstable();
        let id = STRANGER.to_string();
        let mut expected = [&id, &id, &id, SECRET, "here", "to-stderr"].map(str::to_owned);
        expected.sort_unstable();
        assert_eq!(said, expected);
        assert!(!world.attempt(attempt).join("scratch").exists());
    }
}

#[tokio::test]
async fn a_folder_that_the_user_cannot_pass_is_named() {
    if !is_root() {
        return;
    }
    let world = World::new();
    fs::set_permissions(world.file(""), Permissions::from_mode(0o700)).expect("a mode");
    let (_, ending) = world.run(world.script_with("true", as_stranger)).await;
    assert_eq!((ending.outcome, ending.exit_code), (AttemptOutcome::Failed, None));
    let detail = ending.detail.expect("a reason");
    let folder = world.file("").components().collect::<std::path::PathBuf>();
    assert!(detail.contains(&format!("cannot pass through the folder `{}`", folder.display())), "{detail}");
}

#[tokio::test]
async fn a_working_directory_that_is_not_for_the_user_is_no_start() {
    if !is_root() {
        return;
    }
    let world = open_world();
    let private = world.file("private");
    fs::create_dir(&private).expect("a folder");
    fs::set_permissions(&private, Permissions::from_mode(0o700)).expect("a mode");
    let launch = world.script_with("true", |operation| {
        as_stranger(operation);
        exec(operation).cwd = Some(private);
    });
    let (_, ending) = world.run(launch).await;
    assert_eq!((ending.outcome, ending.exit_code), (AttemptOutcome::Failed, None));
    assert!(ending.detail.expect("a reason").contains("or its working directory not be entered"));
}

#[tokio::test]
async fn work_of_another_user_is_stopped_as_any_other() {
    if !is_root() {
        return;
    }
    let world = open_world();
    let script =
        r#"trap '' TERM; setsid sh -c "trap '' TERM; sleep 1000; sleep 1000" & echo ready; sleep 1000; sleep 1000"#;
    let launch = world.script_with(script, |operation| {
        as_stranger(operation);
        operation.grace = Duration::from_millis(200);
    });
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    until("it says so", || world.log(attempt) == "ready\n").await;
    world.runner.stop(attempt).await;
    let (_, ending) = world.end(attempt).await;
    assert_eq!(ending.outcome, AttemptOutcome::Canceled);
    assert_eq!(workers(attempt), NOBODY);
}
