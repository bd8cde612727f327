//! A service from its first line to its end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::world::{DEADLINE, NOTES, Running, World, ask, ask_with, until};

#[test]
fn one_line_says_where_and_then_it_answers() {
    let world = World::with(NOTES);
    let service = world.serve(&[]);
    assert!(service.first_line.starts_with("listening on http://127.0.0.1:"), "{}", service.first_line);
    assert!(!service.address().ends_with(":0"), "the real port is shown");
    assert!(ask(service.address(), "GET /healthz", "").starts_with("HTTP/1.1 200 "));
    assert!(ask(service.address(), "GET /readyz", "").starts_with("HTTP/1.1 200 "));
    service.signal(Signal::TERM);
    let ended = service.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "", "nothing but the one line");
    assert!(ended.stderr.contains("stopped"), "{ended:?}");
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart_and_after_a_kill() {
    let world = World::with(NOTES);
    for (signal, code, id) in [(Signal::INT, Some(0), "a"), (Signal::KILL, None, "b"), (Signal::TERM, Some(0), "c")] {
        let service = world.serve(&[]);
        let answer = ask(service.address(), &format!("PUT /v1/notes/{id}"), r#"{"text":"kept"}"#);
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        service.signal(signal);
        assert_eq!(service.end().code, code, "{signal:?}");
    }
    let service = world.serve(&[]);
    for id in ["a", "b", "c"] {
        assert!(ask(service.address(), &format!("GET /v1/notes/{id}"), "").contains(r#""text":"kept""#), "{id}");
    }
}

#[test]
fn memory_keeps_nothing_and_leaves_nothing() {
    let world = World::with(NOTES);
    let service = world.serve(&["--store", "memory:"]);
    assert!(ask(service.address(), "PUT /v1/notes/a", "{}").starts_with("HTTP/1.1 201 "));
    service.signal(Signal::TERM);
    assert_eq!(service.end().code, Some(0));
    let left: Vec<_> = std::fs::read_dir(world.path()).expect("the folder").collect();
    assert_eq!(left.len(), 1, "only the configuration is left: {left:?}");
}

#[test]
fn logs_are_json_when_asked_for_and_what_the_filter_lets_through() {
    let world = World::with(NOTES);
    let service = world.serve(&["--log-format", "json"]);
    service.signal(Signal::TERM);
    let ended = service.end();
    for line in ended.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert!(line["message"].is_string() && line["level"] == "INFO", "{line}");
    }
    assert!(ended.stderr.lines().count() >= 2, "{ended:?}");

    let service = world.serve(&["--log", "error"]);
    service.signal(Signal::TERM);
    assert_eq!(service.end().stderr, "");
}

#[test]
fn a_slow_request_is_logged_with_where_its_time_went_and_without_what_it_said() {
    let world = World::with(NOTES);
    let service = world.serve(&["--log-format", "json"]);
    let mut stream = TcpStream::connect(service.address()).expect("a connection");
    let head = "PUT /v1/notes/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Authorization: Bearer open-sesame\r\nConnection: close\r\nContent-Length: 17\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    // Nothing comes while the body does not.
    stream.set_read_timeout(Some(Duration::from_millis(1_100))).expect("a deadline");
    assert!(stream.read(&mut [0]).is_err());
    stream.write_all(br#"{"note":"secret"}"#).expect("sent");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(ask(service.address(), "GET /v1/notes/a", "").starts_with("HTTP/1.1 200 "));
    service.signal(Signal::TERM);
    let logged = service.end().stderr;
    let slow: Vec<serde_json::Value> = logged
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .filter(|line: &serde_json::Value| line["message"] == "a slow request")
        .collect();
    let [slow] = &slow[..] else { panic!("one request was slow: {logged}") };
    assert_eq!(
        (&slow["level"], &slow["http.method"], &slow["http.route"], &slow["http.status"]),
        (&"INFO".into(), &"PUT".into(), &"/v1/{collection}/{id}".into(), &201.into())
    );
    for part in ["time.body_ms", "time.total_ms"] {
        assert!(slow[part].as_u64().is_some_and(|millis| millis >= 1_000), "{part}: {slow}");
    }
    assert!(slow["time.commit_ms"].is_u64() && slow["time.wait_ms"].is_null(), "{slow}");
    assert!(!logged.contains("sesame") && !logged.contains("secret"), "{logged}");
}

#[test]
fn at_the_end_who_waits_is_answered_and_programs_go_on() {
    let nap = "[operations.nap]\nexec = { command = [\"sleep\", \"600\"] }\n";
    let world = World::with(&format!("{nap}{NOTES}"));
    let service = world.serve(&[]);
    let address = service.address().to_owned();
    let created = ask(&address, "PUT /v1/notes/a", "{}");
    assert!(created.starts_with("HTTP/1.1 201 "), "{created}");
    let client = thread::spawn({
        let address = address.clone();
        move || ask_with(&address, "POST /v1/notes/a/processing", "Prefer: wait=600\r\n", r#"{"operation":"nap"}"#)
    });
    until("the job runs", || ask(&address, "GET /v1/notes/a", "").contains(r#""phase":"running""#));
    service.signal(Signal::TERM);
    assert_eq!(service.end().code, Some(0));
    let answer = client.join().expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");

    // The next owner finds the program, and stops it when its resource goes.
    let service = world.serve(&[]);
    let address = service.address();
    assert!(ask(address, "GET /v1/notes/a", "").contains(r#""phase":"running""#));
    assert!(ask(address, "DELETE /v1/notes/a", "").starts_with("HTTP/1.1 202 "));
    until("the resource is gone", || ask(address, "GET /v1/notes/a", "").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_store_that_fails_under_way_ends_with_70_and_can_be_opened_again() {
    let world = World::with(NOTES);
    let service = world.serve(&[]);
    let kept = ask(service.address(), "PUT /v1/notes/kept", "{}");
    assert!(kept.starts_with("HTTP/1.1 201 "), "{kept}");
    service.signal(Signal::TERM);
    assert_eq!(service.end().code, Some(0));

    // No file may grow from here on, so the disk fails at the first large document.
    let blocks = std::fs::metadata(world.path().join("heeler.redb")).expect("the store").len() / 512;
    let script =
        format!("ulimit -f {blocks}; trap '' XFSZ; exec '{}' serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_heeler"));
    let mut limited = Command::new("sh");
    let service = Running::start(limited.args(["-c", &script]).current_dir(world.path()));
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000_000));
    let answer = ask(service.address(), "PUT /v1/notes/large", &large);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let ended = service.end();
    assert_eq!(ended.code, Some(70), "{ended:?}");
    assert!(ended.stderr.contains("the store failed"), "{ended:?}");

    let service = world.serve(&[]);
    assert!(ask(service.address(), "GET /v1/notes/kept", "").starts_with("HTTP/1.1 200 "));
}
