//! What a client may do to a connection, with a handler that is as simple as can be.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use heeler::http::{Server, ServerConfig};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::client::{Client, PATIENCE};

/// Deadlines that are short enough to wait for; those that a test is not
/// about are long enough not to be met.
pub(super) const SHORT: Duration = Duration::from_millis(200);

pub(super) fn patient() -> ServerConfig {
    ServerConfig {
        head: PATIENCE,
        idle: PATIENCE,
        stall: PATIENCE,
        ping: PATIENCE,
        drain: PATIENCE,
        ..ServerConfig::default()
    }
}

/// A server that answers `/large` with more than sockets hold, `/wait` once it
/// is told to, and everything else with what it was sent.
pub(super) struct Simple {
    pub(super) address: SocketAddr,
    /// One permit for each that may go on.
    pub(super) go_on: Arc<Semaphore>,
    /// One permit for each that waits, or has waited.
    pub(super) entered: Arc<Semaphore>,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) running: JoinHandle<()>,
}

pub(super) async fn simple(config: ServerConfig) -> Simple {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    let (go_on, entered) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (Arc::clone(&go_on), Arc::clone(&entered));
    let service = service_fn(move |request: Request<Incoming>| {
        let (go_on, entered) = gates.clone();
        async move {
            let path = request.uri().path().to_owned();
            let sent = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let body = match path.as_str() {
                "/large" => Bytes::from(vec![b'x'; 32 * 1024 * 1024]),
                "/wait" => {
                    entered.add_permits(1);
                    go_on.acquire().await.expect("never closed").forget();
                    Bytes::from_static(b"waited")
                }
                _ => sent,
            };
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        }
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(Server::new(config).run(vec![listener], service, async {
        stopped.await.unwrap_or_default();
    }));
    Simple { address, go_on, entered, stop, running }
}

impl Simple {
    pub(super) async fn ended(running: JoinHandle<()>) {
        tokio::time::timeout(PATIENCE, running).await.expect("ended in time").expect("no panic");
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_sends_a_request_is_closed() {
    let server = simple(ServerConfig { head: SHORT, ..patient() }).await;
    let mut silent = Client::connect(server.address).await;
    assert_eq!(silent.closed().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_drips_is_cut_off() {
    let server = simple(ServerConfig { head: SHORT, ..patient() }).await;
    let started = Instant::now();
    let mut slow = Client::connect(server.address).await;
    slow.send("GET / HTTP/1.1\r\nHost: ").await;
    // Each byte comes soon after the one before, and the whole never ends.
    while slow.is_quiet(SHORT / 8).await {
        slow.send("a").await;
        assert!(started.elapsed() < PATIENCE, "the server puts up with it");
    }
    assert!(started.elapsed() >= SHORT, "it was cut off before its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_head_that_stops_halfway_is_cut_off_before_an_idle_connection_would_be() {
    let server = simple(ServerConfig { head: SHORT, ..patient() }).await;
    let mut client = Client::connect(server.address).await;
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200);
    // Idle, it may stay for longer than a head may take.
    assert!(client.is_quiet(SHORT * 2).await);
    client.send("GET / HT").await;
    assert_eq!(client.closed().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_after_its_time() {
    let server = simple(ServerConfig { idle: SHORT, ..patient() }).await;
    let mut client = Client::connect(server.address).await;
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.closed().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_take_longer_than_its_head() {
    let server = simple(ServerConfig { head: SHORT, idle: SHORT, ..patient() }).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.is_quiet(SHORT * 3).await);
    server.go_on.add_permits(1);
    assert_eq!(client.answer().await.body, b"waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let server = simple(ServerConfig { stall: SHORT, connections_max: 1, ..patient() }).await;
    let mut lazy = Client::connect(server.address).await;
    lazy.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The only slot is free again once the lazy one is gone.
    let mut next = Client::connect(server.address).await;
    next.send(GET).await;
    assert_eq!(next.answer().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_waits_until_another_ends() {
    let server = simple(ServerConfig { connections_max: 1, ..patient() }).await;
    let mut first = Client::connect(server.address).await;
    first.send(GET).await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = Client::connect(server.address).await;
    second.send(GET).await;
    assert!(second.is_quiet(SHORT).await, "the second one was served beside the first");
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_follow_each_other_on_one_connection_also_when_they_are_sent_at_once() {
    let server = simple(patient()).await;
    let mut client = Client::connect(server.address).await;
    client.send(GET.repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_1_0_gets_its_answer_and_no_chunks() {
    let server = simple(patient()).await;
    let mut client = Client::connect(server.address).await;
    client.send("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(client.closed().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_431() {
    let server = simple(ServerConfig { head_bytes_max: 4096, ..patient() }).await;
    let mut client = Client::connect(server.address).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(5000))).await;
    assert_eq!(client.answer().await.status, 431);
    let mut many = Client::connect(server.address).await;
    many.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: x\r\n".repeat(200))).await;
    assert_eq!(many.answer().await.status, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_the_shutdown_is_answered_and_nothing_new_is_taken() {
    let server = simple(patient()).await;
    let mut busy = Client::connect(server.address).await;
    let mut idle = Client::connect(server.address).await;
    idle.send(GET).await;
    assert_eq!(idle.answer().await.status, 200);
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.entered.acquire().await.expect("never closed").forget();
    server.stop.send(()).expect("it runs");
    assert_eq!(idle.closed().await, b"");
    server.go_on.add_permits(1);
    assert_eq!(busy.answer().await.body, b"waited");
    assert_eq!(busy.closed().await, b"");
    Simple::ended(server.running).await;
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_within_the_drain_is_cut() {
    let server = simple(ServerConfig { drain: SHORT, ..patient() }).await;
    let mut busy = Client::connect(server.address).await;
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.entered.acquire().await.expect("never closed").forget();
    server.stop.send(()).expect("it runs");
    assert_eq!(busy.closed().await, b"");
    Simple::ended(server.running).await;
}
