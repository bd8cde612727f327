//! The README's tour, run as it stands there.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

const README: &str = include_str!("../../README.md");

/// The shell of a section, its fences taken off.
fn shell_of(section: &str) -> String {
    let text = README.split("\n## ").find(|part| part.starts_with(section)).expect("the section is there");
    let mut blocks = Vec::new();
    for part in text.split("```sh\n").skip(1) {
        blocks.push(part.split("```").next().expect("a fence is closed"));
    }
    blocks.join("\n")
}

/// A port that stays free until the tour listens on it: below those that the
/// system gives to the connections of all the other tests.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("it is below ten thousand");
    (first..32_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// Runs a script as a reader would type it, each service waited for until it answers.
fn run(script: &str, folder: &Path, port: u16) -> String {
    let heeler = Path::new(env!("CARGO_BIN_EXE_heeler"));
    let path = std::env::var("PATH").expect("a PATH");
    let ready = format!(
        "for _ in $(seq 200); do curl -sf http://127.0.0.1:{port}/readyz >/dev/null && break; sleep 0.05; done"
    );
    let script = script.replace("heeler serve &", &format!("heeler serve >>served 2>>log &\n{ready}"));
    // A reader types the next line when the process is gone.
    let script = script.replace("kill -9 $!", "kill -9 $!; wait $! || true");
    let script =
        format!("set -e\ntrap 'kill $! 2>/dev/null || true' EXIT\n{script}\n").replace("7117", &port.to_string());
    let output = Command::new("bash")
        .arg("-c")
        .arg(&script)
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", heeler.parent().expect("a folder").display()))
        .env("HEELER_LISTEN", format!("127.0.0.1:{port}"))
        .env("HEELER_SERVER", format!("http://127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    said
}

/// The configurations in a section.
fn blocks(section: &str) -> Vec<&'static str> {
    let text = README.split("\n## ").find(|part| part.starts_with(section)).expect("the section is there");
    text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Has a configuration judged.
fn check(configuration: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("heeler.toml"), configuration).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_heeler")).arg("check").current_dir(folder.path()).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_tour_of_the_readme_goes_as_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = run(&shell_of("A tour of five minutes"), folder.path(), free_port());
    for (what, expected) in [
        ("the document is created", "HTTP/1.1 201 Created"),
        ("the work is done in the answer", r#""phase":"succeeded""#),
        ("the log is what the program wrote", "  /etc/passwd\n"),
        ("the retry is told that it was made", r#""alreadyApplied":true"#),
        ("the dry run names the job", r#""plan":{"launch":[{"activity":"processing","operation":"nap""#),
        ("the job is stopped", r#""phase":"canceled""#),
        ("a job is launched by hand", "HTTP/1.1 202 Accepted"),
        ("a tick is launched", r#""outcome":"launched","reason":null"#),
        ("the plan names the job", "  launches digest for processing, with {\"file\":\"/etc/passwd\"}\n"),
        ("a file becomes a document", "files/users created\nID "),
        ("its job is done", "users   yes      succeeded"),
        ("the document is gone", "HTTP/1.1 204 No Content"),
    ] {
        assert!(said.contains(expected), "{what}: {said}");
    }
    let after_the_kill = said.rsplit("HTTP/1.1 202 Accepted").next().expect("a part");
    assert!(after_the_kill.contains(r#""attempt":1,"attempts":[{"number":1"#), "{after_the_kill}");
    assert!(after_the_kill.contains(r#""outcome":"succeeded","exitCode":0"#), "{after_the_kill}");
}

#[test]
fn the_configuration_of_a_document_with_its_own_shape_is_right() {
    let blocks = blocks("The operator's file");
    check(blocks[0]);
    check(blocks[1]);
}

#[test]
fn the_configuration_of_workers_is_right() {
    check(blocks("Workers")[0]);
}

#[test]
fn the_configuration_of_what_others_do_is_right() {
    let configuration = blocks("Work that other services do")[0];
    let secrets = "HOOK = { env = \"PATH\" }\nSMTP = { env = \"PATH\" }";
    let (before, rest) = configuration.split_once("HOOK = ").expect("secrets");
    let (_, after) = rest.split_once("\n\n").expect("an end of them");
    check(&format!("{before}{secrets}\n\n{after}"));
}

#[test]
fn the_configuration_of_what_is_kept_is_right() {
    let blocks = blocks("Answers, faces, and what is kept");
    check(blocks.iter().find(|block| block.contains("[retention]")).expect("it is there"));
}

#[test]
fn the_schedule_that_shows_every_member_is_one_and_so_is_the_mapped_one() {
    let section =
        README.split("\n## ").find(|part| part.starts_with("Work by the clock")).expect("the section is there");
    let shown = section.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let shown: serde_json::Value = serde_json::from_str(&format!("{{{shown}}}")).expect("a member");
    heeler::domain::schedule::Schedule::parse(&shown["schedule"]).expect("a schedule");
    check(blocks("Work by the clock")[0]);
}
