//! `watch`, against a peer that speaks the stream as a service does.

use std::io::Write as _;
use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::peer::{Peer, reply};
use crate::cli::world::{Running, World, end_of};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// A video whose work is like that.
fn video(id: &str, phase: &str, fraction: Option<f64>) -> Value {
    let mut work = json!({ "phase": phase });
    if let Some(fraction) = fraction {
        work["progress"] = json!({ "fraction": fraction, "message": "frame 300" });
    }
    let settled = phase != "running";
    json!({ "id": id, "status": { "uid": "u", "settled": settled, "processing": work } })
}

/// Sends a stream, which ends with the connection.
fn send(stream: &mut TcpStream, events: &[(&str, Option<&str>, Value)]) {
    let mut text = format!("{HEAD}retry: 10\n\n: hello\n\n");
    for (kind, id, data) in events {
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        text.push_str(&format!("event: {kind}\n{id}data: {data}\n\n"));
    }
    let _ = stream.write_all(text.as_bytes());
}

/// Ends in the middle of a snapshot, then at a place, then where history is lost, and then stays.
fn eventful() -> Peer {
    let mut times = 0;
    let mut open = Vec::new();
    Peer::start(move |_, stream| {
        times += 1;
        match times {
            1 => send(stream, &[("put", None, video("42", "idle", None)), ("sync", Some("812-0"), json!({}))]),
            2 => send(
                stream,
                &[
                    ("sync", Some("812-0"), json!({ "revision": 812 })),
                    ("put", Some("813-0"), video("42", "running", Some(0.42))),
                    ("delete", Some("815-0"), json!({ "id": "7" })),
                ],
            ),
            3 => {}
            4 => reply(stream, "503 Service Unavailable", &json!({ "type": "/problems/stopping" })),
            _ => {
                send(
                    stream,
                    &[
                        ("reset", None, json!({})),
                        ("put", None, video("42", "succeeded", None)),
                        ("sync", Some("900-0"), json!({ "revision": 900 })),
                    ],
                );
                open.push(stream.try_clone().expect("a handle"));
            }
        }
    })
}

#[test]
fn changes_are_lines_and_a_lost_stream_goes_on_where_it_was() {
    let world = World::with("");
    let peer = eventful();
    let mut watch = Running::start(&mut world.heeler(&["watch", "videos", "--server", &peer.url]));
    assert_eq!(watch.first_line, "videos/42 idle\n");
    assert_eq!(watch.line_with(""), "videos/42 running 42 %: frame 300\n");
    assert_eq!(watch.line_with(""), "videos/7 deleted\n");
    assert_eq!(watch.line_with(""), "videos/42 succeeded\n");
    watch.signal(Signal::INT);
    let ended = watch.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(130), ""), "{ended:?}");
    assert_eq!(ended.stderr, "some changes are no longer known: what follows is how everything is now\n");
    let asked: Vec<_> = (0..5).map(|_| peer.next()).collect();
    let places: Vec<_> = asked.iter().map(|asked| asked.header("last-event-id")).collect();
    assert_eq!(places, [None, Some("812-0"), Some("815-0"), Some("815-0"), Some("815-0")]);
    assert!(asked.iter().all(|asked| asked.line() == "GET /v1/videos"), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.header("accept") == Some("text/event-stream")), "{asked:?}");
}

#[test]
fn programs_get_each_event_whole() {
    let world = World::with("");
    let peer = eventful();
    let mut watch = Running::start(&mut world.heeler(&["watch", "videos/42", "-o", "json", "--server", &peer.url]));
    let parsed = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON");
    let first = parsed(&watch.first_line);
    assert_eq!(first, json!({ "event": "put", "data": video("42", "idle", None) }));
    let kinds: Vec<String> = (0..7)
        .map(|_| parsed(&watch.line_with("")))
        .map(|event| format!("{} {}", event["event"].as_str().unwrap_or("?"), event["id"].as_str().unwrap_or("-")))
        .collect();
    let expected = ["sync 812-0", "sync 812-0", "put 813-0", "delete 815-0", "reset -", "put -", "sync 900-0"];
    assert_eq!(kinds, expected);
}

#[test]
fn what_is_not_there_or_does_not_stream_is_an_error() {
    let world = World::with("");
    for (status, body, said) in [
        ("404 Not Found", json!({ "title": "There is nothing here" }), "404 Not Found: There is nothing here"),
        ("200 OK", json!({ "items": [] }), "GET /v1/videos was answered with 200 OK"),
    ] {
        let peer = Peer::start(move |_, stream| reply(stream, status, &body));
        let ended = end_of(&mut world.heeler(&["watch", "videos", "--server", &peer.url]));
        assert!(ended.code == Some(2) && ended.stderr.contains(said), "{ended:?}");
    }
    let peer = Peer::start(|_, stream| send(stream, &[]));
    let ended = end_of(&mut world.heeler(&["watch", "videos", "--server", &peer.url, "--request-timeout", "200ms"]));
    assert_eq!(ended.code, Some(7), "a stream that never says anything is none: {ended:?}");
}

#[test]
fn who_no_longer_reads_ends_it() {
    let peer = Peer::start(|_, stream| {
        let events: Vec<_> = (0..100).map(|_| ("put", Some("1-0"), video("42", "idle", None))).collect();
        send(stream, &events);
    });
    let world = World::with("");
    let heeler = env!("CARGO_BIN_EXE_heeler");
    let script = format!("set -o pipefail; timeout 60 '{heeler}' watch videos --server {} | head -n 1", peer.url);
    let ended = end_of(std::process::Command::new("bash").arg("-c").arg(script).current_dir(world.path()));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "videos/42 idle\n", ""));
}
