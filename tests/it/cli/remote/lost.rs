//! Answers that are lost, late, or for later.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::peer::{Peer, reply};
use crate::cli::world::{Ended, Running, World, end_of};

const JOB: &str = "01a1fd8c-6ce8-7d0a-912b-8ee8928edf24";

fn run(peer: &Peer, arguments: &[&str]) -> Ended {
    let world = World::with("");
    end_of(world.heeler(arguments).env("HEELER_SERVER", &peer.url))
}

#[test]
fn a_change_whose_answer_is_lost_is_sent_again_with_its_key() {
    let mut times = 0;
    let peer = Peer::start(move |_, stream| {
        times += 1;
        match times {
            1 => {}
            2 => drop(stream.write_all(b"HTTP/1.1 20")),
            3 => reply(stream, "503 Service Unavailable", &json!({ "type": "/problems/outcome-unknown" })),
            4 => reply(stream, "409 Conflict", &json!({ "type": "/problems/idempotency-key-in-flight" })),
            _ => reply(stream, "202 Accepted", &json!({ "id": JOB, "phase": "queued" })),
        }
    });
    let ended = run(&peer, &["run", "videos/42"]);
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("jobs/{JOB} queued\n")), "{}", ended.stderr);
    let asked = peer.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked.iter().all(|asked| asked.line() == "POST /v1/videos/42/processing"), "{asked:?}");
    let keys: Vec<_> = asked.iter().map(|asked| asked.header("idempotency-key")).collect();
    assert!(keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[test]
fn a_change_that_is_never_answered_ends_with_7_and_its_outcome_is_said_to_be_unknown() {
    let peer = Peer::start(|_, _| {});
    let ended = run(&peer, &["run", "videos/42", "--request-timeout", "1s"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), ""));
    let said =
        format!("heeler: the outcome of POST /v1/videos/42/processing is unknown: {} did not answer: ", peer.url);
    assert!(ended.stderr.starts_with(&said), "{ended:?}");
    let asked = peer.asked();
    assert!(asked.len() > 1 && asked.len() < 20, "it asks again, and not all the time: {}", asked.len());

    let ended = run(&peer, &["get", "videos/42", "--request-timeout", "300ms"]);
    assert_eq!(ended.code, Some(7));
    assert!(ended.stderr.starts_with(&format!("heeler: {} did not answer: ", peer.url)), "{ended:?}");
}

#[test]
fn a_service_that_goes_on_failing_ends_with_7() {
    let peer = Peer::start(|_, stream| reply(stream, "500 Internal Server Error", &json!({ "title": "It failed" })));
    let ended = run(&peer, &["get", "videos/42"]);
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.stderr.contains("500 Internal Server Error: It failed"), "{ended:?}");
}

#[test]
fn a_service_that_is_stopped_while_something_is_waited_for_is_asked_again() {
    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    let peer = Peer::start(move |_, stream| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => reply(stream, "200 OK", &json!({ "phase": "running" })),
        1 => drop(stream.write_all(b"HTTP/1.1 304 Not Modified\r\nETag: \"1.1\"\r\nConnection: close\r\n\r\n")),
        2 => {}
        3 => reply(stream, "503 Service Unavailable", &json!({ "type": "/problems/stopping" })),
        _ => {
            let body = r#"{"phase":"succeeded"}"#;
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nETag: \"2.2\"\r\nContent-Length: {length}\r\n\r\n{body}");
        }
    });
    let ended = run(&peer, &["wait", JOB]);
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("jobs/{JOB} succeeded\n")), "{}", ended.stderr);
    let asked = peer.asked();
    assert_eq!((asked[0].header("if-none-match"), asked[0].header("prefer")), (None, None));
    for asked in &asked[1..] {
        assert_eq!((asked.header("if-none-match"), asked.header("prefer")), (Some("\"1.1\""), Some("wait=30")));
    }
}

#[test]
fn a_log_that_is_followed_goes_on_after_a_lost_connection_without_a_repeat() {
    let mut logs = 0;
    let peer = Peer::start(move |asked, stream| {
        if !asked.line().contains("/log") {
            let phase = if logs < 3 { "running" } else { "succeeded" };
            return reply(stream, "200 OK", &json!({ "phase": phase, "attempt": 1 }));
        }
        logs += 1;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
        let text = match logs {
            // Cut off in the middle, then ended with the service, then whole.
            1 => "Transfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n4",
            2 => "Connection: close\r\n\r\none\ntwo",
            _ => "Connection: close\r\n\r\none\ntwo\nthree\n",
        };
        let _ = stream.write_all(format!("{head}{text}").as_bytes());
    });
    let ended = run(&peer, &["logs", JOB, "-f"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "one\ntwo\nthree\n"), "{}", ended.stderr);
    assert!(peer.asked().iter().any(|asked| asked.line().ends_with("/log?attempt=1&follow=true")));
}

#[test]
fn a_log_is_followed_through_a_kill_of_the_service() {
    let world = World::with(
        "[operations.slow]\nexec = { command = [\"sh\", \"-c\", \"echo one; until test -e go; do sleep 0.02; done; echo two\"], \
         cwd = \".\" }\n[collections.videos]\n",
    );
    let service = world.serve(&[]);
    let address = service.address().to_owned();
    let heeler = |arguments: &[&str]| {
        let mut command = world.heeler(arguments);
        command.env("HEELER_SERVER", format!("http://{address}"));
        command
    };
    world.write("42.json", r#"{"processing":{"operation":"slow"}}"#);
    assert_eq!(end_of(&mut heeler(&["apply", "--as", "videos/42", "42.json"])).code, Some(0));
    let logs = Running::start(&mut heeler(&["logs", "videos/42", "-f"]));
    assert_eq!(logs.first_line, "one\n");
    service.signal(rustix::process::Signal::KILL);
    assert_eq!(service.end().code, None);
    let _again = Running::start(&mut world.heeler(&["serve", "--listen", &address]));
    world.write("go", "");
    let ended = logs.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "two\n"), "{ended:?}");
}
