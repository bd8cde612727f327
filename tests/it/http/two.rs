//! HTTP/2 with prior knowledge: what a client that works gets, and what becomes
//! of one that does not mean well.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use heeler::http::{HttpConfig, ServerConfig};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use super::client::{Client, PATIENCE};
use super::connections::{SHORT, Simple, patient, simple};
use super::world::serve_with;

const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

const ENHANCE_YOUR_CALM: u32 = 0xb;

/// `:method: GET`, `:scheme: http`, `:path: /` and `:authority: a`, in HPACK.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// How a connection of HTTP/2 begins, with these settings.
fn hello(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    [PREFACE.as_bytes(), &frame(SETTINGS, 0, 0, &payload)].concat()
}

/// The frames that came: type, stream and payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while bytes.len() >= 9 {
        let length = usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
        let stream = u32::from_be_bytes(bytes[5..9].try_into().expect("four bytes"));
        let end = bytes.len().min(9 + length);
        frames.push((bytes[3], stream, bytes[9..end].to_vec()));
        bytes = &bytes[end..];
    }
    frames
}

/// The reason with which a server ended a connection, if it gave one.
fn goaway(bytes: &[u8]) -> Option<u32> {
    let goaway = frames(bytes).into_iter().rev().find(|(kind, ..)| *kind == GOAWAY)?;
    Some(u32::from_be_bytes(goaway.2[4..8].try_into().expect("four bytes")))
}

#[derive(Debug, Clone, Copy)]
struct Spawn;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

/// A client that works, and its connection, which ends when the server ends it.
async fn connect<B>(address: SocketAddr) -> (SendRequest<B>, JoinHandle<hyper::Result<()>>)
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (client, connection) = handshake(Spawn, TokioIo::new(stream)).await.expect("HTTP/2");
    (client, tokio::spawn(connection))
}

fn request(method: &str, address: SocketAddr, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let uri = format!("http://{address}{path}");
    let request = Request::builder().method(method).uri(uri).header("Content-Type", "application/json");
    request.body(Full::new(body.into())).expect("a request")
}

async fn whole(answer: hyper::Result<Response<Incoming>>) -> Response<Bytes> {
    let (head, body) = answer.expect("an answer").into_parts();
    let body = timeout(PATIENCE, body.collect()).await.expect("a body in time").expect("a body").to_bytes();
    Response::from_parts(head, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_resource_is_served_over_http_2() {
    let served = serve_with(HttpConfig::default()).await;
    let (mut client, _) = connect(served.address).await;
    let created = whole(client.send_request(request("PUT", served.address, "/v1/videos/42", "{\"a\":1}")).await).await;
    assert_eq!((created.status().as_u16(), &created.headers()["etag"]), (201, &"\"1.1\"".parse().expect("a value")));
    let get = whole(client.send_request(request("GET", served.address, "/v1/videos/42", "")).await).await;
    assert_eq!(get.body(), created.body());
    let head = whole(client.send_request(request("HEAD", served.address, "/v1/videos/42", "")).await).await;
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    for field in ["content-length", "content-type", "etag", "vary", "last-modified"] {
        assert_eq!(head.headers().get(field), get.headers().get(field), "{field}");
    }
    assert_eq!(get.headers()["content-length"], get.body().len().to_string());

    let elsewhere = Request::get("http://evil.example/").body(Full::new(Bytes::new())).expect("a request");
    assert_eq!(whole(client.send_request(elsewhere).await).await.status().as_u16(), 421);
    let mut one = Client::connect(served.address).await;
    one.send("GET /v1/videos/42 HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(one.answer().await.body, get.body().as_ref(), "on the same port");
    drop(client);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_path_is_answered() {
    let served = serve_with(HttpConfig::default()).await;
    let (mut client, _) = connect(served.address).await;
    let tunnel = Request::connect("localhost:80").body(Full::new(Bytes::new())).expect("a request");
    let answer = whole(client.send_request(tunnel).await).await;
    assert_eq!(answer.status().as_u16(), 405);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let everything = Request::options(format!("http://{}", served.address));
    let everything = everything.body(Full::new(Bytes::new())).expect("a request");
    assert_eq!(whole(client.send_request(everything).await).await.status().as_u16(), 204);
    drop(client);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_are_under_way_at_once_and_no_more_than_there_may_be() {
    let server = simple(ServerConfig { streams_max: 10, ..patient() }).await;
    let (mut client, _) = connect(server.address).await;
    // With the first answer, the client knows how many there may be.
    whole(client.send_request(request("GET", server.address, "/", "")).await).await;
    let mut answers = JoinSet::new();
    for at in 0..30 {
        let waiting = client.send_request(request("GET", server.address, "/wait", at.to_string()));
        answers.spawn(async { whole(waiting.await).await.body().clone() });
    }
    for _ in 0..10 {
        timeout(PATIENCE, server.entered.acquire()).await.expect("in time").expect("open").forget();
    }
    let eleventh = timeout(SHORT, server.entered.acquire()).await;
    assert!(eleventh.is_err(), "more than ten are under way");
    server.go_on.add_permits(30);
    while let Some(body) = timeout(PATIENCE, answers.join_next()).await.expect("in time") {
        assert_eq!(body.expect("no panic"), "waited");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_connections_together_no_more_requests_are_under_way_than_there_may_be() {
    let server = simple(ServerConfig { connections_max: 2, ..patient() }).await;
    let (mut client, _) = connect(server.address).await;
    client.ready().await.expect("a connection");
    let mut answers = JoinSet::new();
    for _ in 0..3 {
        let waiting = client.send_request(request("GET", server.address, "/wait", ""));
        answers.spawn(async { whole(waiting.await).await });
    }
    for _ in 0..2 {
        timeout(PATIENCE, server.entered.acquire()).await.expect("in time").expect("open").forget();
    }
    assert!(timeout(SHORT, server.entered.acquire()).await.is_err(), "more than two are under way");
    server.go_on.add_permits(3);
    while let Some(answer) = timeout(PATIENCE, answers.join_next()).await.expect("in time") {
        assert_eq!(answer.expect("no panic").status().as_u16(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_comes_whole_and_a_small_one_beside_it() {
    let server = simple(patient()).await;
    let (mut client, _) = connect(server.address).await;
    client.ready().await.expect("a connection");
    let large = client.send_request(request("GET", server.address, "/large", "")).await.expect("an answer");
    // Nobody reads the large one yet.
    let small = whole(client.send_request(request("GET", server.address, "/", "small")).await).await;
    assert_eq!(small.body(), "small");
    assert_eq!(whole(Ok(large)).await.body().len(), 32 * 1024 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_preface_is_cut_off_like_half_a_head() {
    let server = simple(ServerConfig { head: SHORT, ..patient() }).await;
    for length in [1, 10, PREFACE.len() - 1] {
        let mut client = Client::connect(server.address).await;
        client.send(&PREFACE[..length]).await;
        assert_eq!(client.closed().await, b"", "{length} bytes");
    }
    for rest in [&hello(&[])[PREFACE.len()..][..5], &hello(&[])[PREFACE.len()..]] {
        let mut client = Client::connect(server.address).await;
        client.send([PREFACE.as_bytes(), rest].concat()).await;
        let heard = client.closed().await;
        assert!(frames(&heard).iter().all(|(kind, ..)| [SETTINGS, WINDOW_UPDATE].contains(kind)), "{heard:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_like_a_preface_is_http_1() {
    let server = simple(patient()).await;
    for method in ["P", "PR", "PRI", "PUT", "POST"] {
        let mut client = Client::connect(server.address).await;
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}")).await;
        assert_eq!(client.answer().await.status, 200, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_fields_that_drips_is_cut_off() {
    let server = simple(ServerConfig { head: SHORT, ..patient() }).await;
    let started = Instant::now();
    let mut slow = Client::connect(server.address).await;
    slow.send(hello(&[])).await;
    // A first request, so that the connection is not new any more.
    slow.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET)).await;
    slow.send(frame(HEADERS, END_STREAM, 3, GET)).await;
    slow.send(&frame(CONTINUATION, 0, 3, &[b'x'; 10_000])[..9]).await;
    // Each byte comes soon after the one before.
    while slow.is_open_for(SHORT / 8).await {
        slow.send_if_open("x").await;
        assert!(started.elapsed() < PATIENCE, "the server puts up with it");
    }
    assert!(started.elapsed() >= SHORT, "it was cut off before its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_told_to_go_and_then_closed() {
    let server = simple(ServerConfig { idle: SHORT, ..patient() }).await;
    let (mut client, connection) = connect(server.address).await;
    let answer = whole(client.send_request(request("GET", server.address, "/", "a")).await).await;
    assert_eq!(answer.body(), "a");
    // It ends well: it was told.
    timeout(PATIENCE, connection).await.expect("closed in time").expect("no panic").expect("a good end");

    // One that does not listen is closed all the same.
    let server = simple(ServerConfig { idle: SHORT, head: SHORT, ..patient() }).await;
    let mut deaf = Client::connect(server.address).await;
    deaf.send([hello(&[]), frame(HEADERS, END_HEADERS | END_STREAM, 1, GET)].concat()).await;
    assert_eq!(goaway(&deaf.closed().await), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_a_request_under_way_is_not_idle() {
    let server = simple(ServerConfig { idle: SHORT, head: SHORT, ..patient() }).await;
    let (mut client, _) = connect(server.address).await;
    let waiting = tokio::spawn(client.send_request(request("GET", server.address, "/wait", "")));
    timeout(PATIENCE, server.entered.acquire()).await.expect("in time").expect("open").forget();
    assert!(timeout(SHORT * 3, server.entered.acquire()).await.is_err());
    server.go_on.add_permits(1);
    assert_eq!(whole(waiting.await.expect("no panic")).await.body(), "waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_no_longer_says_that_it_is_there_is_given_up() {
    let server = simple(ServerConfig { ping: SHORT, ..patient() }).await;
    let (mut client, _) = connect(server.address).await;
    let waiting = tokio::spawn(client.send_request(request("GET", server.address, "/wait", "")));
    timeout(PATIENCE, server.entered.acquire()).await.expect("in time").expect("open").forget();
    let mut deaf = Client::connect(server.address).await;
    let wait = [&GET[..2], b"\x04\x05/wait", &GET[3..]].concat();
    deaf.send([hello(&[]), frame(HEADERS, END_HEADERS | END_STREAM, 1, &wait)].concat()).await;
    let heard = deaf.closed().await;
    assert!(frames(&heard).iter().any(|(kind, ..)| *kind == PING), "it was asked: {heard:?}");
    // Meanwhile the other one was asked as often.
    server.go_on.add_permits(2);
    assert_eq!(whole(waiting.await.expect("no panic")).await.body(), "waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_makes_room_for_is_given_up_alone() {
    let server = simple(ServerConfig { stall: SHORT, ..patient() }).await;
    let mut lazy = Client::connect(server.address).await;
    // No room for any body, ever.
    lazy.send(hello(&[(0x4, 0)])).await;
    lazy.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&GET[..2], b"\x04\x06/large", &GET[3..]].concat())).await;
    let reset = lazy.until(|bytes| frames(bytes).iter().any(|(kind, stream, _)| (*kind, *stream) == (RST_STREAM, 1)));
    reset.await;
    lazy.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, GET)).await;
    let answered = lazy.until(|bytes| frames(bytes).iter().any(|(kind, stream, _)| (*kind, *stream) == (HEADERS, 3)));
    answered.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_requests_back_at_once_again_and_again_is_cut_off() {
    let server = simple(patient()).await;
    let mut flood = hello(&[]);
    for stream in (1..2001).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, GET));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let mut client = Client::connect(server.address).await;
    client.send_if_open(flood).await;
    assert_eq!(goaway(&client.closed().await), Some(ENHANCE_YOUR_CALM));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_requests_back_one_by_one_is_cut_off_as_well() {
    let server = simple(patient()).await;
    let mut client = Client::connect(server.address).await;
    client.send(hello(&[])).await;
    let mut taken_back = 0;
    while client.is_open() {
        let stream = 1 + 2 * taken_back;
        client.send_if_open(frame(HEADERS, END_HEADERS | END_STREAM, stream, GET)).await;
        client.send_if_open(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())).await;
        taken_back += 1;
        assert!(taken_back < 20_000, "the server puts up with it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_fields_without_end_is_cut_off() {
    let server = simple(patient()).await;
    // A field that is not indexed: `x: xx…`.
    let field = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x01][..], &[b'x'; 256]].concat();
    for piece in [&b""[..], b"x", &field] {
        let mut client = Client::connect(server.address).await;
        client.send(hello(&[])).await;
        client.send(frame(HEADERS, END_STREAM, 1, GET)).await;
        let mut sent = 0;
        while client.is_open() {
            client.send_if_open(frame(CONTINUATION, 0, 1, piece)).await;
            sent += 1;
            assert!(sent < 100_000, "the server puts up with it: {} bytes each", piece.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn talk_without_end_is_cut_off() {
    let server = simple(patient()).await;
    for (what, talk) in [
        ("pings", frame(PING, 0, 0, &[0; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[])),
        ("priorities", frame(0x2, 0, 1, &[0, 0, 0, 0, 1])),
        ("what nobody knows", frame(0xfe, 0, 0, b"woof")),
    ] {
        let mut client = Client::connect(server.address).await;
        client.send(hello(&[])).await;
        let mut sent = 0;
        while client.is_open() {
            client.send_if_open(talk.repeat(100)).await;
            sent += 1;
            assert!(sent < 10_000, "the server puts up with {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_431_and_the_connection_goes_on() {
    let server = simple(ServerConfig { head_bytes_max: 4096, ..patient() }).await;
    let (mut client, _) = connect(server.address).await;
    let mut large = request("GET", server.address, "/", "");
    for at in 0..5 {
        let name: http::HeaderName = format!("x-{at}").parse().expect("a name");
        large.headers_mut().insert(name, "x".repeat(1000).parse().expect("a value"));
    }
    // The server may say so beforehand, and then the client does not even send it.
    if let Ok(answer) = client.send_request(large).await {
        assert_eq!(answer.status().as_u16(), 431);
    }
    let small = whole(client.send_request(request("GET", server.address, "/", "a")).await).await;
    assert_eq!(small.body(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_408_over_http_2_too() {
    let config = HttpConfig { body: SHORT, ..HttpConfig::default() };
    let served = serve_with(config).await;
    let (mut client, _) = connect(served.address).await;
    let never = http_body_util::StreamBody::new(futures_util::stream::pending::<Result<_, Infallible>>());
    let put =
        Request::put(format!("http://{}/v1/videos/42", served.address)).header("Content-Type", "application/json");
    let put = put.body(never.map_frame(|frame: hyper::body::Frame<Bytes>| frame).boxed()).expect("a request");
    let answer = whole(client.send_request(put).await).await;
    assert_eq!(answer.status().as_u16(), 408);
    let body: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
    assert_eq!(body["type"], json!("/problems/timeout"));
    drop(client);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_413_over_http_2_too() {
    let served = serve_with(HttpConfig { body_bytes_max: 100, ..HttpConfig::default() }).await;
    let (mut client, _) = connect(served.address).await;
    for (length, status) in [(100, 201), (101, 413), (3_000_000, 413)] {
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        let put = request("PUT", served.address, &format!("/v1/videos/{length}"), body);
        assert_eq!(whole(client.send_request(put).await).await.status().as_u16(), status, "{length}");
    }
    drop(client);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_the_shutdown_is_answered_and_the_peer_is_told_to_go() {
    let server = simple(patient()).await;
    let (mut busy, connection) = connect(server.address).await;
    let (mut idle, idle_connection) = connect(server.address).await;
    assert_eq!(whole(idle.send_request(request("GET", server.address, "/", "a")).await).await.body(), "a");
    let waiting = tokio::spawn(busy.send_request(request("GET", server.address, "/wait", "")));
    timeout(PATIENCE, server.entered.acquire()).await.expect("in time").expect("open").forget();
    server.stop.send(()).expect("it runs");
    timeout(PATIENCE, idle_connection).await.expect("closed in time").expect("no panic").expect("a good end");
    server.go_on.add_permits(1);
    assert_eq!(whole(waiting.await.expect("no panic")).await.body(), "waited");
    timeout(PATIENCE, connection).await.expect("closed in time").expect("no panic").expect("a good end");
    Simple::ended(server.running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_within_the_drain_is_cut() {
    let server = simple(ServerConfig { drain: SHORT, ..patient() }).await;
    let (mut busy, _) = connect(server.address).await;
    let waiting = tokio::spawn(busy.send_request(request("GET", server.address, "/wait", "")));
    timeout(PATIENCE, server.entered.acquire()).await.expect("in time").expect("open").forget();
    let mut deaf = Client::connect(server.address).await;
    deaf.send([hello(&[]), frame(HEADERS, END_HEADERS | END_STREAM, 1, GET)].concat()).await;
    deaf.until(|bytes| frames(bytes).iter().any(|(kind, ..)| *kind == DATA || *kind == HEADERS)).await;
    server.stop.send(()).expect("it runs");
    assert!(waiting.await.expect("no panic").is_err());
    deaf.closed().await;
    Simple::ended(server.running).await;
}
