//! Backups of a service that is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use heeler::store::backup::check;
use serde_json::json;

use crate::cli::world::{Running, World as Program, ask, ask_with};
use crate::service::client::{JSON, request};
use crate::service::{World, until};

const CONFIGURATION: &str = r#"
[operations.work]
exec  = { command = ["sh", "-c", "${input.script}"] }
grace = "300ms"
[operations.single]
exec        = { command = ["sh", "-c", "${input.script}"] }
concurrency = 1
[collections.things]
preconditions = "optional"
"#;

/// Runs the command in the folder of a world.
fn run(world: &World, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_heeler"));
    let output = command.args(arguments).current_dir(world.path()).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

const WRITERS: u64 = 3;
const DOCUMENTS: u64 = 4;

/// What the clients have heard so far.
#[derive(Debug, Default)]
struct Heard {
    /// The newest number of each document that was acknowledged.
    acknowledged: BTreeMap<String, u64>,
    /// Every tag of each document.
    tags: BTreeSet<(String, String)>,
}

#[test]
fn a_backup_under_writers_restores_to_all_that_was_acknowledged_before_it_and_no_tag_comes_again() {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    let heard = Arc::new(Mutex::new(Heard::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (heard, stop, address) = (Arc::clone(&heard), Arc::clone(&stop), service.address);
            thread::spawn(move || {
                for n in 1_u64.. {
                    let path = format!("/v1/things/{writer}-{}", n % DOCUMENTS);
                    let work = json!({ "operation": "work", "input": { "script": "true" }, "trigger": n / 16 });
                    let put = request("PUT", &path).json(JSON, &json!({ "n": n, "processing": work }));
                    let answer = put.send(address).expect("an answer");
                    assert!(answer.status < 300, "{}", answer.text());
                    let mut heard = heard.lock().expect("nobody panics");
                    heard.tags.insert((path.clone(), answer.etag().to_owned()));
                    heard.acknowledged.insert(path, n);
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
        })
        .collect();
    let written = || heard.lock().expect("nobody panics").acknowledged.values().sum::<u64>();
    until("there is something to keep", || written() > 200);
    let before = heard.lock().expect("nobody panics").acknowledged.clone();
    run(&world, &["backup", "--server", &format!("http://{}", service.address), "a.backup"]);
    let during = written();
    until("they write on", || written() > during + 100);
    stop.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().expect("it ends"));
    service.terminate();

    run(&world, &["restore", "a.backup", "--replace"]);
    assert!(run(&world, &["verify"]).contains("is sound"));
    let service = world.start();
    let heard = heard.lock().expect("nobody panics");
    let mut older = 0;
    for (path, n) in before {
        let kept = service.get(&path).json();
        let kept_n = kept["n"].as_u64().expect("a number");
        assert!(kept_n >= n, "{n} was acknowledged before, and {path} is at {kept_n}");
        assert!(kept_n <= heard.acknowledged[&path] + DOCUMENTS);
        older += usize::from(kept_n < heard.acknowledged[&path]);
        for n in 0..30 {
            let answer = service.put(&path, &json!({ "again": n }));
            let tag = (path.clone(), answer.etag().to_owned());
            assert!(!heard.tags.contains(&tag), "{tag:?} was given out before");
        }
    }
    assert!(older > 0, "nothing was written after the backup");
}

#[test]
fn what_ran_when_the_backup_was_made_is_found_on_the_same_machine_and_nothing_runs_twice() {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    let work = |name: &str| {
        let script = format!("echo {name} >>runs; until [ -e go ]; do sleep 0.02; done");
        json!({ "processing": { "operation": "single", "input": { "script": script } } })
    };
    service.put("/v1/things/a", &work("a"));
    until("it runs", || world.text("runs") == "a\n");
    // Queued when the backup is made, and done after it.
    service.put("/v1/things/b", &work("b"));
    run(&world, &["backup", "--server", &service.address.to_string(), "a.backup"]);
    world.write("go", "");
    service.until("all is done", "/v1/things/b", |thing| thing["status"]["settled"] == true);
    assert_eq!(world.text("runs"), "a\nb\n");
    service.terminate();
    run(&world, &["restore", "a.backup", "--replace"]);
    let service = world.start();
    for thing in ["a", "b"] {
        let path = format!("/v1/things/{thing}");
        let thing = service.until("it settles", &path, |thing| thing["status"]["settled"] == true);
        assert_eq!(thing["status"]["processing"]["phase"], "succeeded", "{thing}");
    }
    assert_eq!(world.text("runs"), "a\nb\n", "what was done is not done again");
}

#[test]
fn on_another_machine_what_ran_is_lost_and_its_slot_is_free() {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    let work = |script: &str| json!({ "processing": { "operation": "single", "input": { "script": script } } });
    service.put("/v1/things/a", &work("touch begun; until [ -e go ]; do sleep 0.02; done"));
    until("it runs", || world.file("begun").exists());
    run(&world, &["backup", "--server", &service.address.to_string(), "a.backup"]);

    let other = World::new(CONFIGURATION);
    std::fs::copy(world.file("a.backup"), other.file("a.backup")).expect("there is room");
    run(&other, &["restore", "a.backup"]);
    let elsewhere = other.start();
    let thing = elsewhere.until("it settles", "/v1/things/a", |thing| thing["status"]["settled"] == true);
    assert_eq!(thing["status"]["processing"]["last"]["phase"], "lost", "{thing}");
    elsewhere.put("/v1/things/b", &work("true"));
    let thing = elsewhere.until("it settles", "/v1/things/b", |thing| thing["status"]["settled"] == true);
    assert_eq!(thing["status"]["processing"]["phase"], "succeeded", "{thing}");
    world.write("go", "");
    service.until("where it runs it goes on", "/v1/things/a", |thing| thing["status"]["settled"] == true);
}

#[test]
fn the_service_of_the_file_is_asked_where_the_store_is_in_use() {
    // A free port, as far as anybody can know.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let notes = "[collections.notes]\npreconditions = \"optional\"\n";
    let world = Program::with(&format!("[server]\nlisten = \"127.0.0.1:{port}\"\n{notes}"));
    let service = Running::start(&mut world.heeler(&["serve"]));
    assert!(ask(service.address(), "PUT /v1/notes/a", "{}").starts_with("HTTP/1.1 201 "));
    let ended = world.run(&["backup", "a.backup"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = world.run(&["backup", "--offline", "b.backup"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""));
    assert!(ended.stderr.contains("is in use by another process (pid "), "{}", ended.stderr);
    assert!(!world.path().join("b.backup").exists());
    for command in ["verify", "compact"] {
        assert_eq!(world.run(&[command]).code, Some(3), "{command}");
    }
    assert_eq!(world.run(&["restore", "a.backup", "--replace"]).code, Some(3));
    assert!(ask(service.address(), "GET /v1/notes/a", "").starts_with("HTTP/1.1 200 "));
}

/// Tokens `r` and `a`, of a reader and an admin.
const TOKENS: &str = r#"
[[auth.tokens]]
name = "looks"
role = "reader"
sha256 = "454349e422f05297191ead13e21d3db520e5abef52055e4964b82fb213f593a1"
[[auth.tokens]]
name = "keeps"
role = "admin"
sha256 = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
[collections.notes]
"#;

#[test]
fn only_an_admin_gets_a_backup() {
    let world = Program::with(TOKENS);
    let service = world.serve(&[]);
    let server = format!("http://{}", service.address());
    for (token, code) in [(None, Some(2)), (Some("r"), Some(2)), (Some("a"), Some(0))] {
        let mut command = world.heeler(&["backup", "--server", &server, "a.backup"]);
        if let Some(token) = token {
            command.env("HEELER_TOKEN", token);
        }
        let ended = crate::cli::world::end_of(&mut command);
        assert_eq!(ended.code, code, "{token:?}: {}", ended.stderr);
        assert_eq!(world.path().join("a.backup").exists(), token == Some("a"));
        assert!(code == Some(0) || ended.stderr.contains("needs the token of an admin"), "{}", ended.stderr);
    }
    let head = ask_with(service.address(), "HEAD /v1/admin/backup", "Authorization: Bearer a\r\n", "");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/octet-stream"), "{head}");
}

#[test]
fn without_tokens_a_backup_is_for_loopback_addresses_alone() {
    let world = Program::with("[collections.notes]\n");
    let service = Running::start(&mut world.heeler(&["serve", "--listen", "0.0.0.0:0", "--insecure"]));
    let address = service.address().replace("0.0.0.0", "127.0.0.1");
    let answer = ask(&address, "GET /v1/admin/backup", "");
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("for loopback addresses"), "{answer}");
}

#[test]
fn a_service_that_ends_breaks_a_backup_off_and_what_was_read_is_none() {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    let large = "x".repeat(900_000);
    for n in 0..24 {
        assert_eq!(service.put(&format!("/v1/things/{n}"), &json!({ "text": large })).status, 201);
    }
    let mut stream = TcpStream::connect(service.address).expect("a connection");
    write!(stream, "GET /v1/admin/backup HTTP/1.1\r\nHost: {}\r\n\r\n", service.address).expect("it is sent");
    let mut read = vec![0; 200_000];
    stream.read_exact(&mut read).expect("the first of it");
    // Whoever reads no more holds nobody up.
    assert_eq!(service.terminate().code(), Some(0));
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "it does not end as if it were whole");
    drop(world.start());
    assert!(check(&read[..]).is_err());
}
