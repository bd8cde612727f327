//! How the work is started: as a program, and with nothing but what it is given.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use heeler::domain::expression::Template;
use heeler::domain::job::AttemptOutcome;
use heeler::domain::operation::ExecLimits;
use heeler::runner::Runner;
use serde_json::{Value, json};

use super::world::{HOSTILE, World, exec};

#[tokio::test]
async fn an_argument_stays_one_argument_whatever_is_in_it() {
    let world = World::new();
    let launch = world.launch(&["printf", "[%s]", "${input.text}", "$(id)", "-${resource.size.width}-"]);
    let attempt = launch.attempt;
    let (_, ending) = world.run(launch).await;
    assert_eq!(ending.outcome, AttemptOutcome::Succeeded);
    assert_eq!(world.log(attempt), format!("[{HOSTILE}][$(id)][-3-]"));
    assert!(!world.file("x").exists());
}

#[tokio::test]
async fn the_environment_is_what_the_operation_and_heeler_say() {
    let world = World::new();
    let mut launch = world.launch(&["env"]);
    launch.job["trigger"]["scheduledFor"] = json!("2026-11-21T10:00:00Z");
    let attempt = launch.attempt;
    world.run(launch).await;
    let log = world.log(attempt);
    let env: BTreeMap<_, _> = log.lines().filter_map(|line| line.split_once('=')).collect();
    let folder = world.attempt(attempt);
    let events = folder.join("events");
    let expected = BTreeMap::from([
        ("HEELER_ATTEMPT", "1".to_owned()),
        ("HEELER_EVENTS", events.to_str().expect("UTF-8").to_owned()),
        ("HEELER_JOB", attempt.job.to_string()),
        ("HEELER_RESOURCE", "videos/42".to_owned()),
        ("HEELER_SCHEDULED_FOR", "2026-11-21T10:00:00Z".to_owned()),
        ("HEELER_TOKEN", attempt.token.reveal()),
        ("PATH", heeler::runner::exec::PATH_DEFAULT.to_owned()),
        ("W", world.file("").to_str().expect("UTF-8").trim_end_matches('/').to_owned()),
    ]);
    assert_eq!(env, expected.iter().map(|(name, value)| (*name, value.as_str())).collect());
}

#[tokio::test]
async fn the_environment_of_the_operation_replaces_path_but_not_what_is_heelers() {
    let world = World::new();
    let launch = world.script_with("echo $PATH $HEELER_ATTEMPT $HEELER_SCHEDULED_FOR", |operation| {
        for (name, text) in [("PATH", "/bin:/x"), ("HEELER_ATTEMPT", "7"), ("HEELER_SCHEDULED_FOR", "now")] {
            exec(operation).env.insert(name.to_owned(), Template::parse(text).expect("a template"));
        }
    });
    let attempt = launch.attempt;
    world.run(launch).await;
    assert_eq!(world.log(attempt), "/bin:/x 1\n");
}

#[tokio::test]
async fn the_job_is_on_standard_input() {
    let world = World::new();
    let launch = world.launch(&["cat"]);
    let (attempt, job) = (launch.attempt, launch.job.clone());
    world.run(launch).await;
    assert_eq!(serde_json::from_str::<Value>(&world.log(attempt)).expect("JSON"), job);
}

#[tokio::test]
async fn the_work_has_a_session_and_a_group_of_its_own_and_no_open_files() {
    let world = World::new();
    // Left open for children by whoever started the service.
    let inherited = fs::File::open("/dev/null").expect("a file");
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).expect("a flag");
    let launch = world.script("ls /proc/self/fd | wc -l; cut -d' ' -f5,6 /proc/$$/stat; echo $$");
    let attempt = launch.attempt;
    world.run(launch).await;
    let log = world.log(attempt);
    let numbers: Vec<i32> = log.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [files, group, session, pid] = numbers[..] else { panic!("{log}") };
    // The fourth is that of `ls` on the folder.
    assert_eq!(files, 4, "{log}");
    assert_eq!(group, pid);
    // Read, not asked for: in a container the leader of our session may be a process that has no number here.
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    let after_name = stat.rsplit_once(')').expect("a name").1;
    let ours: i32 = after_name.split_whitespace().nth(3).and_then(|field| field.parse().ok()).expect("a session");
    assert!(session != ours && session != pid, "{log}");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let world = World::new();
    let plain = world.file("plain");
    fs::write(&plain, "exit 0\n").expect("a file");
    let script = world.file("script");
    fs::write(&script, "exit 0\n").expect("a file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a mode");
    for (command, cwd, said) in [
        ("no-such-program", None, "the program `no-such-program` was not found in PATH"),
        ("/no/such", None, "the program `/no/such`, or the interpreter that its first line names, was not found"),
        (plain.to_str().expect("UTF-8"), None, "may not be executed"),
        (script.to_str().expect("UTF-8"), None, "is not a program; a script needs a first line"),
        ("true", Some("nowhere"), "nowhere` is not there; create it or change `cwd`"),
    ] {
        // With limits it is another process that finds it out.
        for limits in [ExecLimits::default(), ExecLimits { files: Some(64), ..ExecLimits::default() }] {
            let mut launch = world.launch(&[command]);
            let operation = std::sync::Arc::make_mut(&mut launch.operation);
            if let Some(cwd) = cwd {
                exec(operation).cwd = Some(world.file(cwd));
            }
            exec(operation).limits = limits;
            let (_, ending) = world.run(launch).await;
            assert_eq!((ending.outcome, ending.exit_code), (AttemptOutcome::Failed, None), "{command}");
            let detail = ending.detail.expect("a reason");
            assert!(detail.contains(said), "{command}: {detail}");
        }
    }
}

#[tokio::test]
async fn what_a_template_has_no_text_for_is_not_started() {
    let world = World::new();
    let mut launch = world.launch(&["touch", "${input.absent}"]);
    let attempt = launch.attempt;
    let error = world.runner.start(launch.clone()).await.expect_err("no such member");
    assert!(error.detail.contains("element 1 of `command`"), "{error}");
    assert!(!world.attempt(attempt).exists());
    launch.job["input"]["absent"] = json!("a\0b");
    let error = world.runner.start(launch).await.expect_err("no argument can hold it");
    assert!(error.detail.contains("NUL"), "{error}");
    assert!(!world.attempt(attempt).exists());
}
