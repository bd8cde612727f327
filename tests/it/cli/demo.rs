//! The demo, as whoever has just installed the program runs it.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::world::{NOTES, Running, World, ask, ask_with};

fn left_in(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path()).expect("the folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

#[test]
fn it_shows_progress_and_the_document_and_leaves_nothing() {
    let world = World::with(NOTES);
    let ended = world.run(&["demo", "--once"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);

    for id in ["program", "text", "shell"] {
        let lines = ended.stdout.lines().filter(|line| line.starts_with(&format!("files/{id} ")));
        let percents: Vec<u32> = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse().ok()).collect();
        assert!(percents.is_sorted() && percents.last() == Some(&100), "{id}: {percents:?}");
        assert!(percents.iter().any(|percent| (1..100).contains(percent)), "{id}: {percents:?}");
    }
    let (_, document) = ended.stdout.split_once("\nGET /v1/files/program\n").expect("the document is shown");
    let document: Value = serde_json::from_str(document).expect("a document and nothing after it");
    let digest = document.pointer("/status/processing/last/result/digest").and_then(Value::as_str);
    assert_eq!(digest, Some(sha256_of(env!("CARGO_BIN_EXE_heeler")).as_str()), "the digest is that of the file");
    assert_eq!(left_in(&world), ["heeler.toml"], "the folder is removed");
}

/// As the system itself tells it.
fn sha256_of(path: &str) -> String {
    let output = std::process::Command::new("sha256sum").arg(path).output().expect("sha256sum runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.split_whitespace().next().expect("a digest").to_owned()
}

#[test]
fn the_requests_that_it_prints_can_be_made_until_a_signal() {
    let world = World::with(NOTES);
    let mut demo = Running::start(&mut world.heeler(&["demo"]));
    let tag = demo.line_with("-H 'If-Match: ");
    let tag = tag.split('\'').nth(1).expect("a header");
    let patch = demo.line_with("-d '");
    let patch = patch.split('\'').nth(1).expect("a patch");
    let headers = format!("{tag}\r\nPrefer: wait=60\r\n");
    let answer = ask_with(demo.address(), "PATCH /v1/files/program", &headers, patch);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""algorithm":"sha512","digest""#), "{answer}");

    let log = demo.line_with("/log");
    let path = log.split_once(demo.address()).expect("the address").1.trim();
    let answer = ask(demo.address(), &format!("GET {path}"), "");
    assert!(answer.contains("sha256 of "), "{answer}");

    demo.line_with("Ctrl-C");
    demo.signal(Signal::INT);
    assert_eq!(demo.end().code, Some(0));
    assert_eq!(left_in(&world), ["heeler.toml"]);
}

#[test]
fn a_signal_in_the_middle_stops_the_programs_first() {
    let world = World::with(NOTES);
    let mut demo = Running::start(&mut world.heeler(&["demo"]));
    demo.line_with("% ");
    demo.signal(Signal::TERM);
    let ended = demo.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(left_in(&world), ["heeler.toml"]);
}

#[test]
fn it_listens_where_it_is_told_but_only_on_loopback() {
    let world = World::with(NOTES);
    let ended = world.run(&["demo", "--once", "--listen", "0.0.0.0:0"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(left_in(&world), ["heeler.toml"]);
}
