//! Logs over HTTP, of programs that run: live, by stream, with times.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::service::client::request;
use crate::service::{DEADLINE, Service, World, until};

const CONFIGURATION: &str = r#"
[limits]
log = "64KiB"

[operations.work]
exec = { command = ["sh", "-c", "${input.script}"] }

[operations.single]
exec = { command = ["sh", "-c", "${input.script}"] }
concurrency = 1

[collections.things]
preconditions = "optional"
"#;

/// Says something on both streams, waits for words in between.
const TALKS: &str = "echo one; until [ -e a ]; do sleep 0.01; done; echo two >&2; until [ -e b ]; do sleep 0.01; done; \
                     printf 'three\\nfour'; exit 3";

/// A world where a job of that script runs, and its URL.
fn talking(operation: &str, script: &str) -> (World, Service, String) {
    let world = World::new(CONFIGURATION);
    let service = world.start();
    service.put("/v1/things/a", &json!({}));
    let body = json!({ "operation": operation, "input": { "script": script } });
    let job = service.launch("/v1/things/a/processing", &body);
    (world, service, job)
}

/// An answer that is read as it comes.
struct Stream {
    socket: TcpStream,
    heard: String,
}

impl Stream {
    fn open(service: &Service, target: &str, fields: &str) -> Self {
        let mut socket = TcpStream::connect(service.address).expect("it listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
        socket.write_all(head.as_bytes()).expect("it is sent");
        Self { socket, heard: String::new() }
    }

    /// Reads until something has come.
    fn until(&mut self, what: &str) {
        while !self.heard.contains(what) {
            let mut bytes = [0; 4096];
            let length = self.socket.read(&mut bytes).expect("it comes in time");
            assert!(length > 0, "{what} never came: {}", self.heard);
            self.heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    }

    /// Reads to the end, and gives the body without its chunks.
    fn body(mut self) -> String {
        self.until("\r\n\r\n");
        self.socket.read_to_string(&mut self.heard).expect("it ends in time");
        let (_, mut rest) = self.heard.split_once("\r\n\r\n").expect("a head");
        let mut body = String::new();
        while let Some((length, after)) = rest.split_once("\r\n") {
            let length = usize::from_str_radix(length, 16).expect("the length of a chunk");
            body.push_str(&after[..length]);
            rest = &after[length + 2..];
        }
        body
    }
}

#[test]
fn a_log_is_followed_from_its_beginning_to_the_end_of_its_attempt() {
    let (world, service, job) = talking("work", TALKS);
    let log = format!("{job}/log");
    let mut plain = Stream::open(&service, &format!("{log}?follow=true"), "");
    let mut errors = Stream::open(&service, &format!("{log}?follow=true&stream=stderr&timestamps=true"), "");
    plain.until("one\n");
    assert!(service.get(&job).json()["finished"].is_null());
    errors.until("\r\n\r\n");
    world.write("a", "");
    plain.until("two\n");
    errors.until("Z stderr two\n");
    assert!(!errors.heard.contains("one"), "{}", errors.heard);
    world.write("b", "");
    assert_eq!(plain.body(), "one\ntwo\nthree\nfour");
    assert!(errors.body().ends_with("Z stderr two\n"));
    assert_eq!(service.finished(&job)["phase"], "failed");
    // It is over: all of it at once.
    assert_eq!(service.get(&format!("{log}?follow=true")).text(), "200 one\ntwo\nthree\nfour");
}

#[test]
fn a_job_that_waits_is_followed_once_it_begins_and_one_that_never_does_to_its_end() {
    let (world, service, first) = talking("single", "until [ -e go ]; do sleep 0.01; done");
    let launch = |script: &str| {
        let body = json!({ "operation": "single", "input": { "script": script } });
        service.put("/v1/things/b", &json!({}));
        service.launch("/v1/things/b/processing", &body)
    };
    service.until("the first one runs", &first, |job| job["phase"] == "running");
    let second = launch("echo at last");
    let mut waiting = Stream::open(&service, &format!("{second}/log?follow=true"), "");
    waiting.until("\r\n\r\n");
    world.write("go", "");
    assert_eq!(waiting.body(), "at last\n");
    service.finished(&second);

    std::fs::remove_file(world.file("go")).expect("it is there");
    let body = json!({ "operation": "single", "input": { "script": "until [ -e go ]; do sleep 0.01; done" } });
    let blocker = service.launch("/v1/things/a/processing", &body);
    service.until("it runs", &blocker, |job| job["phase"] == "running");
    let never = launch("echo never");
    let mut waiting = Stream::open(&service, &format!("{never}/log?follow=true"), "");
    waiting.until("\r\n\r\n");
    assert_eq!(service.ask(&request("DELETE", &never)).status / 100, 2);
    assert_eq!(waiting.body(), "");
    world.write("go", "");
    service.finished(&blocker);
}

#[test]
fn who_follows_does_not_hold_up_the_end_of_the_service() {
    let (world, service, job) = talking("work", TALKS);
    let mut stream = Stream::open(&service, &format!("{job}/log?follow=true"), "");
    stream.until("one\n");
    let asked = Instant::now();
    assert_eq!(service.terminate().code(), Some(0), "{}", world.text("service.log"));
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    assert_eq!(stream.body(), "one\n");
}

#[test]
fn a_view_has_a_tag_of_its_own_and_no_parts_and_the_log_itself_stays_as_it_was() {
    let (world, service, job) = talking("work", TALKS);
    world.write("a", "");
    until("the second one came", || service.get(&format!("{job}/log")).text().contains("two"));
    world.write("b", "");
    service.finished(&job);
    let log = format!("{job}/log");
    let whole = service.get(&log);
    assert_eq!((whole.text().as_str(), whole.etag()), ("200 one\ntwo\nthree\nfour", "\"1.18\""));
    let part = service.ask(&request("GET", &log).field("Range", "bytes=4-6"));
    assert_eq!((part.text().as_str(), part.header("content-range")), ("206 two", Some("bytes 4-6/18")));

    for (query, text, tag) in [
        ("stream=stderr", "200 two\n", "\"1.18.all-stderr\""),
        ("stream=stdout", "200 one\nthree\nfour", "\"1.18.all-stdout\""),
        ("attempt=1&stream=stderr&timestamps=false", "200 two\n", "\"1.18.all-stderr\""),
    ] {
        let view = service.ask(&request("GET", &format!("{log}?{query}")).field("Range", "bytes=0-1"));
        assert_eq!((view.text().as_str(), view.etag()), (text, tag), "{query}");
        let again = service.ask(&request("GET", &format!("{log}?{query}")).field("If-None-Match", tag));
        assert_eq!(again.status, 304, "{query}");
    }
    let stamped = service.get(&format!("{log}?timestamps=true"));
    assert_eq!(stamped.etag(), "\"1.18.all-both-t\"");
    let text = String::from_utf8(stamped.body).expect("UTF-8");
    let told: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let words: Vec<&str> = told.iter().map(|(_, words)| *words).collect();
    assert_eq!(words, ["stdout one", "stderr two", "stdout three", "stdout four"]);
    let is_time = |text: &str| text.len() == "2026-11-21T10:00:00.123Z".len() && text.ends_with('Z');
    assert!(told.iter().all(|(at, _)| is_time(at)) && told.is_sorted_by_key(|(at, _)| *at), "{text}");
    for wrong in ["stream=both", "timestamps=yes", "follow=1", "tail=5"] {
        assert_eq!(service.get(&format!("{log}?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn a_browser_follows_by_events_and_goes_on_where_it_was() {
    let (world, service, job) = talking("work", TALKS);
    let log = format!("{job}/log");
    let accept = "Accept: text/event-stream\r\n";
    let mut events = Stream::open(&service, &log, accept);
    events.until("id: 1.4\ndata: one\n\n");
    assert!(events.heard.contains("content-type: text/event-stream\r\n"), "{}", events.heard);
    drop(events);
    world.write("a", "");
    let mut events = Stream::open(&service, &log, &format!("{accept}Last-Event-ID: 1.4\r\n"));
    events.until("id: 1.8\ndata: two\n\n");
    world.write("b", "");
    let body = events.body();
    let end = "id: 1.8\ndata: two\n\nid: 1.14\ndata: three\n\nid: 1.18\ndata: four\n\nevent: end\ndata:\n\n";
    assert_eq!(body, end);
    service.finished(&job);
    let with = |id: &str| {
        service.ask(&request("GET", &log).field("Accept", "text/event-stream").field("Last-Event-ID", id)).status
    };
    assert_eq!((with("1.18"), with("1.14"), with("18"), with("0.1"), with("1.x")), (204, 200, 400, 400, 400));
}

#[test]
fn a_log_that_is_cut_says_so_in_every_view() {
    let script = "yes | head -c 200000; echo end >&2";
    let (_world, service, job) = talking("work", script);
    service.finished(&job);
    let note = "[heeler: the output was cut here; a log holds 65536 bytes]\n";
    for query in ["", "?stream=stderr", "?stream=stdout", "?timestamps=true", "?follow=true"] {
        let log = service.get(&format!("{job}/log{query}"));
        assert!(log.text().ends_with(note), "{query}");
    }
    assert_eq!(service.get(&format!("{job}/log")).body.len(), 65_536 + 1 + note.len());
}
