//! A secret that is handed to the work, and nowhere else to be found.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::service::client::request;
use crate::service::processes::kill;
use crate::service::{Service, World, until};

/// No text of ours holds these.
const OF_THE_ENVIRONMENT: &str = "canary-9f2c7e51d3";
const OF_A_FILE: &str = "canary-0b8d46aa17";

const CONFIGURATION: &str = r#"
[secrets]
HOOK = { env = "HOOK_TOKEN" }
FILE = { file = "hook.token" }

# Proves that it has them, without saying them.
[operations.work.exec]
command = ["sh", "-c", "${input.script}"]
env = { HOOK = "${secret.HOOK}", FILE = "<${secret.FILE}>" }
secrets = { "hook.txt" = "${secret.HOOK}" }
scratch = true
cwd = "."

[operations.unset]
exec = { command = ["true"], env = { A = "${secret.HOOK}", B = "${env.NOT_SET_HERE}" } }

[operations.no-text]
exec = { command = ["true"], env = { A = "${int(secret.HOOK)}" } }

[operations.no-sum]
exec = { command = ["true"], env = { A = "${secret.HOOK + 1}" } }

[operations.no-program]
exec = { command = ["no-such-program"], env = { A = "${secret.HOOK}" } }

[collections.things]
preconditions = "optional"
"#;

/// What a job does that is never heard of again.
const LOST: &str = r#"cp "$HEELER_SECRETS/hook.txt" "$HEELER_SCRATCH"; echo "$HEELER_SECRETS" >begun; sleep 1000"#;

fn world() -> World {
    let world = World::new(CONFIGURATION);
    world.write("hook.token", &format!("{OF_A_FILE}\n"));
    world
}

fn command(world: &World) -> Command {
    let mut command = world.command();
    command.env("HOOK_TOKEN", OF_THE_ENVIRONMENT).env("HEELER_LOG", "trace");
    command
}

/// Runs a job of this operation to its end.
fn run(service: &Service, operation: &str, script: &str) -> serde_json::Value {
    let job =
        service.launch("/v1/things/a/processing", &json!({ "operation": operation, "input": { "script": script } }));
    service.finished(&job)
}

#[test]
fn a_secret_reaches_the_work_and_nothing_that_the_service_writes() {
    let world = world();
    let service = world.start_by(command(&world));
    service.put("/v1/things/a", &json!({}));
    let mut shown = Vec::new();

    let lengths = r#"echo "${#HOOK} ${#FILE} $(wc -c <"$HEELER_SECRETS/hook.txt")"
        cp "$HEELER_SECRETS/hook.txt" "$HEELER_SCRATCH"; echo '{"result": "done"}' >>"$HEELER_EVENTS"; exit 3"#;
    let job = run(&service, "work", lengths);
    assert_eq!(job["phase"], "failed", "{job}");
    let log = service.get(job["_links"]["log"]["href"].as_str().expect("a link"));
    assert_eq!(log.text(), "200 17 19 17\n", "both are there, with their brackets and without a line end");
    shown.push(log.text());
    for (operation, said) in [
        ("unset", "`B` of `env`: `${env.NOT_SET_HERE}` is not set in the environment of the service"),
        ("no-text", "cannot make anything of this string"),
        ("no-sum", "`+` does not take"),
        ("no-program", "was not found in PATH"),
    ] {
        let job = run(&service, operation, "");
        assert_eq!(job["phase"], "failed", "{job}");
        assert!(job.to_string().contains(said), "{operation}: {job}");
    }

    // One whose supervisor and service are killed under way.
    let job = json!({ "operation": "work", "input": { "script": LOST } });
    let lost = service.launch("/v1/things/a/processing", &job);
    until("it runs", || world.text("begun").ends_with('\n'));
    let secrets = world.text("begun");
    assert!(Path::new(secrets.trim()).join("hook.txt").exists());
    service.kill();
    world.supervisors().into_iter().for_each(kill);
    let service = world.start_by(command(&world));
    assert_eq!(service.finished(&lost)["phase"], "lost");
    assert!(!Path::new(secrets.trim()).exists());

    for target in [
        "/",
        "/v1/things",
        "/v1/things/a",
        "/v1/things/a/processing",
        "/v1/jobs",
        "/v1/operations",
        "/openapi.json",
        "/metrics",
        "/problems",
    ] {
        shown.push(service.get(target).text());
        shown.push(service.ask(&request("GET", target).field("Accept", "text/html")).text());
    }
    for words in [&["check", "--config", "heeler.toml"][..], &["openapi", "--config", "heeler.toml"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heeler"));
        command.args(words).current_dir(world.path()).env("HOOK_TOKEN", OF_THE_ENVIRONMENT).env("HEELER_LOG", "trace");
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        shown.push(format!("{output:?}"));
    }
    assert!(service.terminate().success());

    for canary in [OF_THE_ENVIRONMENT, OF_A_FILE] {
        assert!(shown.iter().all(|text| !text.contains(canary)), "{shown:#?}");
    }
    let written = files_below(world.path());
    assert!(written.iter().any(|path| path.ends_with("spec.json")), "{written:?}");
    assert!(written.iter().any(|path| path.ends_with("service.log")), "{written:?}");
    for path in written.iter().filter(|path| !path.ends_with("hook.token")) {
        let bytes = fs::read(path).expect("a file");
        for canary in [OF_THE_ENVIRONMENT, OF_A_FILE] {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{} holds a secret", path.display());
        }
    }
}

/// Every plain file below a folder.
fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            found.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}
