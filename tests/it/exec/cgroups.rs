//! Attempts in cgroups, where this machine lets us make one. It need not have
//! controllers: that processes are told apart and killed by it needs none.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use heeler::domain::job::AttemptOutcome;
use heeler::runner::Runner;
use rustix::fs::{XattrFlags, setxattr};
use serde_json::json;

use super::world::{World, inhabitants, kill, supervisor, until};
use crate::service;

/// A cgroup for tests, where this machine lets us make one.
fn cgroup(name: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let point = mounts.lines().find(|line| line.contains(" cgroup2 "))?.split(' ').nth(1)?;
    let path = Path::new(point).join(format!("heeler-test-{}-{name}", std::process::id()));
    fs::create_dir(&path).ok().map(|()| path)
}

#[tokio::test]
async fn where_there_are_cgroups_nobody_gets_out_of_theirs() {
    let Some(base) = cgroup("runner") else { return };
    let world = World::in_cgroups(Some(base.clone()));
    // Without its environment and its parent only the cgroup tells whose it is.
    let script = "env -i setsid -f sleep 1000; grep ^0: /proc/self/cgroup; touch $W/ready; sleep 1000";
    let launch = world.script(script);
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    until("the work is ready", || world.file("ready").exists()).await;
    let group = base.join(format!("attempt-{}-1", attempt.job));
    assert!(group.is_dir());
    until("the log has it", || world.log(attempt).contains(&format!("/attempt-{}-1\n", attempt.job))).await;
    supervisor(attempt).into_iter().for_each(kill);
    let (_, ending) = world.end(attempt).await;
    assert_eq!(ending.outcome, AttemptOutcome::Lost);
    assert!(!group.exists());
    assert_eq!(inhabitants(&world), 0);

    let launch = world.script("env -i setsid -f sleep 1000; exit 3");
    let group = base.join(format!("attempt-{}-1", launch.attempt.job));
    let (_, ending) = world.run(launch).await;
    assert_eq!(ending.exit_code, Some(3));
    assert!(!group.exists());
    assert_eq!(inhabitants(&world), 0);
    fs::remove_dir(&base).expect("it is empty");
}

const CONFIGURATION: &str = r#"
[operations.work]
exec = { command = ["sh", "-c", "${input.script}"] }

[collections.things]
preconditions = "optional"
"#;

/// The service, started in this cgroup as a service manager does it.
fn started_in(world: &service::World, cgroup: &Path) -> service::Service {
    let mut command = Command::new("sh");
    let join = format!(r#"echo $$ >"{}/cgroup.procs" && exec "$0" serve"#, cgroup.display());
    command.arg("-c").arg(join).arg(env!("CARGO_BIN_EXE_heeler")).current_dir(world.path());
    command.env("HEELER_LOG", "warn").stdin(Stdio::null()).process_group(0);
    world.start_by(command)
}

#[test]
fn a_service_to_which_one_is_delegated_gives_each_attempt_its_own() {
    let Some(base) = cgroup("service") else { return };
    let members = |group: &Path| fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let world = service::World::new(CONFIGURATION);
    let run = |service: &service::Service| {
        service.put("/v1/things/a", &json!({}));
        let script = "grep ^0: /proc/self/cgroup";
        let job =
            service.launch("/v1/things/a/processing", &json!({ "operation": "work", "input": { "script": script } }));
        assert_eq!(service.finished(&job)["phase"], "succeeded");
        let id = job.rsplit('/').next().expect("an id").to_owned();
        (
            service.get(&format!("{job}/log")).text(),
            format!("{}/attempt-{id}-1\n", base.file_name().expect("a name").display()),
        )
    };

    // Root can write everywhere, and leaves alone what was not given to it.
    let service = started_in(&world, &base);
    let (log, own) = run(&service);
    assert!(!log.ends_with(&own), "{log}");
    assert_eq!(members(&base).trim(), service.pid().to_string());
    assert!(service.terminate().success());

    if setxattr(&base, "trusted.delegate", b"1", XattrFlags::CREATE).is_ok() {
        // As it is started by itself, and by systemd with `DelegateSubgroup=service`.
        for start in [base.clone(), base.join("service")] {
            let service = started_in(&world, &start);
            let (log, own) = run(&service);
            assert!(log.ends_with(&own), "{log} {own}");
            assert_eq!(members(&base), "");
            assert!(members(&base.join("service")).lines().any(|pid| pid == service.pid().to_string()));
            assert!(service.terminate().success());
        }
        // Where somebody else is, too, nothing is moved.
        let mut other = Command::new("sleep").arg("1000").spawn().expect("it can be spawned");
        fs::write(base.join("cgroup.procs"), other.id().to_string()).expect("it can be moved");
        let service = started_in(&world, &base);
        let (log, own) = run(&service);
        assert!(!log.ends_with(&own), "{log}");
        assert!(service.terminate().success());
        other.kill().and_then(|()| other.wait()).expect("it ends");
        fs::remove_dir(base.join("service")).expect("it is empty");
    }
    fs::remove_dir(&base).expect("it is empty");
}
