//! Many streams at once, and one that nobody reads.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::events::Events;
use super::{note, watch, world};
use crate::service::{DEADLINE, Service};

/// How many streams are open, unless `WATCH_STREAMS` says otherwise: with
/// 10,000 it is the measurement of the README.
const STREAMS: usize = 300;

/// What a stream may cost in memory, with its connection: room for the buffers
/// of both, in the debug build too.
const STREAM_BYTES_MAX: u64 = 128 * 1024;

/// What is resident of the service, in bytes.
fn resident(service: &Service) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is told");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// How much time of processors the service has used, in milliseconds.
fn used(service: &Service) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", service.pid())).expect("it runs");
    let after = stat.rsplit_once(") ").expect("a name").1;
    let fields: Vec<&str> = after.split(' ').collect();
    [11, 12].iter().map(|field| fields[*field].parse::<u64>().expect("ticks") * 10).sum()
}

fn open(service: &Service, target: &str) -> TcpStream {
    let mut socket = TcpStream::connect(service.address).expect("it listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    socket.write_all(head.as_bytes()).expect("it is sent");
    socket
}

/// Reads until something came; all that came.
fn until(socket: &mut TcpStream, what: &str) -> String {
    let mut heard = String::new();
    while !heard.contains(what) {
        let mut bytes = [0; 8192];
        let length = socket.read(&mut bytes).expect("it comes in time");
        assert!(length > 0, "{what} never came: {heard}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    heard
}

#[test]
#[expect(clippy::print_stderr, reason = "it is a measurement, too")]
fn many_streams_are_open_at_once_and_a_change_costs_what_those_cost_who_watch_it() {
    let count = std::env::var("WATCH_STREAMS").ok().and_then(|count| count.parse().ok()).unwrap_or(STREAMS);
    let (_world, service) = world();
    note(&service, "quiet", "nobody changes it");
    note(&service, "busy", "everybody does");
    let before = resident(&service);
    // A hundredth watches what changes.
    let of = |n: usize| if n.is_multiple_of(100) { "busy" } else { "quiet" };
    let opening = Instant::now();
    let mut streams: Vec<TcpStream> = (0..count).map(|n| open(&service, &format!("/v1/notes/{}", of(n)))).collect();
    for socket in &mut streams {
        until(socket, "event: sync");
    }
    let (opened, grown) = (opening.elapsed(), resident(&service).saturating_sub(before));
    assert_eq!(service.metric("heeler_watchers{kind=\"resource\"}"), count as f64);
    let each = grown / count as u64;
    assert!(each < STREAM_BYTES_MAX, "{each} bytes a stream");

    let (changes, cpu, changing) = (20, used(&service), Instant::now());
    for n in 0..changes {
        note(&service, "busy", &format!("change {n}"));
        for (_, socket) in streams.iter_mut().enumerate().filter(|(n, _)| of(*n) == "busy") {
            until(socket, &format!("change {n}\""));
        }
    }
    let (changed, cpu) = (changing.elapsed() / changes, (used(&service) - cpu) / u64::from(changes));
    let (seen, all) = (count.div_ceil(100), Instant::now());
    note(&service, "quiet", "somebody did");
    for (_, socket) in streams.iter_mut().enumerate().filter(|(n, _)| of(*n) == "quiet") {
        until(socket, "somebody did");
    }
    eprintln!(
        "{count} streams: open in {opened:?}, {each} bytes each; a change that {seen} of them watch: {changed:?}, \
         {cpu} ms of processors; one that all others watch: {:?}",
        all.elapsed()
    );
    drop(streams);
    service.until_metric("heeler_watchers{kind=\"resource\"}", |open| open == 0.0);
}

#[test]
fn a_stream_that_nobody_reads_costs_no_more_than_its_buffers() {
    let (_world, service) = world();
    note(&service, "a", "one");
    let (mut lazy, mut keen) = (watch(&service, "/v1/notes"), watch(&service, "/v1/notes"));
    for stream in [&mut lazy, &mut keen] {
        stream.present();
    }
    let text = "x".repeat(200_000);
    let before = resident(&service);
    let mut last = (0, 0);
    for n in 0..200 {
        note(&service, &format!("n{}", n % 20), &format!("{n} {text}"));
        last = keen.event().place();
    }
    let grown = resident(&service).saturating_sub(before);
    // What was written is 40 MB; that much is not waiting anywhere.
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes");
    // Nor is it lost for who reads on at last, or was cut off meanwhile: each
    // of them, as it is now.
    let mut known = BTreeMap::new();
    while known.values().max() != Some(&last) {
        let Some(event) = lazy.next() else {
            let field = format!("Last-Event-ID: {}\r\n", lazy.last.expect("it had one"));
            lazy = Events::open(service.address, "/v1/notes", &field);
            continue;
        };
        if event.name == "put" {
            let text = event.data["text"].as_str().expect("a text");
            let n = text.split(' ').next().expect("a number").to_owned();
            known.insert((event.data["id"].to_string(), n), event.place());
        }
    }
    for n in 180..200 {
        let id = format!("\"n{}\"", n % 20);
        assert!(known.contains_key(&(id, n.to_string())), "{n}");
    }
}
