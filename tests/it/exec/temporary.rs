//! What an attempt has only while it runs: secrets as files, a scratch folder.

use std::fs;
use std::path::{Path, PathBuf};

use heeler::domain::job::AttemptOutcome;
use heeler::domain::operation::{Operation, Scratch};
use heeler::runner::Runner;

use super::world::{SECRET, World, exec, kill, supervisor, template, until};

fn with_both(operation: &mut Operation) {
    let exec = exec(operation);
    exec.secrets.insert("token".to_owned(), template("<${secret.TOKEN}>"));
    exec.secrets.insert("plain.txt".to_owned(), template("plain"));
    exec.scratch = Scratch::Folder;
}

#[tokio::test]
async fn secrets_are_files_that_only_the_work_can_read_and_only_while_it_runs() {
    let world = World::new();
    let script = r#"cd "$HEELER_SECRETS" && cat token && echo && stat -c '%a %n' . * && pwd >$W/where"#;
    let launch = world.script_with(script, with_both);
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!(ending.outcome, AttemptOutcome::Succeeded, "{ending:?}");
    assert_eq!(world.log(attempt), format!("<{SECRET}>\n700 .\n400 plain.txt\n400 token\n"));
    let place = PathBuf::from(world.text("where").trim());
    assert!(place.is_absolute() && !place.exists(), "{place:?}");
    let on_disk = place.starts_with(world.file(""));
    assert_eq!(on_disk, !Path::new("/dev/shm").exists(), "in memory where there is any: {place:?}");
    let spec = fs::read_to_string(world.attempt(attempt).join("spec.json")).expect("a file");
    assert!(!spec.contains(SECRET), "{spec}");
}

#[tokio::test]
async fn a_scratch_folder_is_empty_at_first_and_gone_at_last_whatever_is_in_it() {
    let world = World::new();
    let script = r#"pwd; echo "$HEELER_SCRATCH"; ls -A; mkdir -p a/b && echo x >a/b/c && ln -s / root && chmod 000 a"#;
    for number in [1, 2] {
        let mut launch = world.script_with(script, |operation| {
            with_both(operation);
            exec(operation).cwd = None;
        });
        launch.attempt.number = number;
        let attempt = launch.attempt;
        let (_, ending) = world.run(launch).await;
        assert_eq!(ending.outcome, AttemptOutcome::Succeeded, "{ending:?}");
        let scratch = world.attempt(attempt).join("scratch");
        let path = scratch.display();
        assert_eq!(world.log(attempt), format!("{path}\n{path}\n"));
        assert!(!scratch.exists());
    }
}

#[tokio::test]
async fn a_working_directory_that_is_named_stays_the_one() {
    let world = World::new();
    let launch = world.script_with(r#"pwd; cd "$HEELER_SCRATCH""#, with_both);
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!(ending.outcome, AttemptOutcome::Succeeded, "{ending:?}");
    assert_eq!(Path::new(world.log(attempt).trim()), world.file("").components().collect::<PathBuf>());
}

#[tokio::test]
async fn work_that_has_neither_is_not_told_of_them() {
    let world = World::new();
    let launch = world.script("env");
    let attempt = launch.attempt;
    world.run(launch).await;
    let log = world.log(attempt);
    assert!(!log.contains("HEELER_SCRATCH") && !log.contains("HEELER_SECRETS"), "{log}");
}

#[tokio::test]
async fn both_are_gone_after_a_kill_of_supervisor_and_service() {
    let world = World::new();
    let script = r#"echo "$HEELER_SECRETS" >$W/where; touch "$HEELER_SCRATCH/file"; touch $W/ready; sleep 1000"#;
    let launch = world.script_with(script, with_both);
    let attempt = launch.attempt;
    world.runner.start(launch).await.expect("it starts");
    until("the work is ready", || world.file("ready").exists()).await;
    let scratch = world.attempt(attempt).join("scratch");
    let secrets = PathBuf::from(world.text("where").trim());
    assert!(scratch.join("file").exists() && secrets.join("token").exists());
    supervisor(attempt).into_iter().for_each(kill);
    let world = world.restart();
    let (_, ending) = world.end(attempt).await;
    assert_eq!(ending.outcome, AttemptOutcome::Lost);
    assert!(!scratch.exists() && !secrets.exists(), "{secrets:?}");
}

#[tokio::test]
async fn what_cannot_be_started_leaves_neither() {
    let world = World::new();
    let mut launch = world.launch(&["no-such-program"]);
    with_both(std::sync::Arc::make_mut(&mut launch.operation));
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!(ending.outcome, AttemptOutcome::Failed);
    assert!(!world.attempt(attempt).join("scratch").exists());
}
