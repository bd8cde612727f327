//! What transcripts cannot show: bodies that come late, long or in pieces, and
//! what becomes of the connection.

use std::pin::pin;
use std::time::Duration;

use heeler::http::HttpConfig;
use serde_json::json;

use super::client::Client;
use super::world::serve_with;

const JSON_PUT: &str = "PUT /v1/videos/42 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_is_sent() {
    let served = serve_with(HttpConfig { body_bytes_max: 100, ..HttpConfig::default() }).await;
    let mut client = Client::connect(served.address).await;
    client.send(format!("{JSON_PUT}Expect: 100-continue\r\nContent-Length: 101\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 413);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let served = serve_with(HttpConfig::default()).await;
    let mut client = Client::connect(served.address).await;
    client.send(format!("{JSON_PUT}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 100);
    client.send("{}").await;
    assert_eq!(client.answer().await.status, 201);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_measured_however_they_are_sent() {
    let served = serve_with(HttpConfig { body_bytes_max: 100, ..HttpConfig::default() }).await;
    for (length, status) in [(100, 201), (101, 413)] {
        let filler = "x".repeat(length - r#"{"a":""}"#.len());
        let body = format!(r#"{{"a":"{filler}"}}"#);
        let id = format!("PUT /v1/videos/{length}");
        let head = JSON_PUT.replace("PUT /v1/videos/42", &id);
        let mut known = Client::connect(served.address).await;
        known.send(format!("{head}Content-Length: {length}\r\n\r\n{body}")).await;
        assert_eq!(known.answer().await.status, status, "{length} bytes, announced");
        let head = JSON_PUT.replace("PUT /v1/videos/42", &format!("{id}-chunked"));
        let mut chunked = Client::connect(served.address).await;
        chunked.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
        for piece in body.as_bytes().chunks(30) {
            chunked.send(format!("{:x}\r\n", piece.len())).await;
            chunked.send(piece).await;
            chunked.send("\r\n").await;
        }
        chunked.send("0\r\n\r\n").await;
        assert_eq!(chunked.answer().await.status, status, "{length} bytes in chunks");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_the_midst_of_a_body_that_is_too_large_gets_to_see_413() {
    let served = serve_with(HttpConfig::default()).await;
    let mut client = Client::connect(served.address).await;
    client.send(format!("{JSON_PUT}Content-Length: 3000000\r\n\r\n")).await;
    client.send("x".repeat(3_000_000)).await;
    assert_eq!(client.answer().await.status, 413);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_408() {
    let config = HttpConfig { body: Duration::from_millis(200), ..HttpConfig::default() };
    let served = serve_with(config).await;
    let mut client = Client::connect(served.address).await;
    client.send(format!("{JSON_PUT}Content-Length: 10\r\n\r\n{{")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &answer.json()["type"]), (408, &json!("/problems/timeout")));
    assert_eq!(client.closed().await, b"");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_lengths_the_chunks_count_and_the_connection_ends() {
    let served = serve_with(HttpConfig::default()).await;
    for lengths in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"]
    {
        let mut client = Client::connect(served.address).await;
        // By the Content-Length, what follows the first four bytes would be a request of its own.
        let smuggled = "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.send(format!("{JSON_PUT}{lengths}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{smuggled}")).await;
        assert!(matches!(client.answer().await.status, 201 | 428), "{lengths}");
        assert_eq!(client.closed().await, b"", "{lengths}: the second request was served");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_ambiguous_is_400_and_the_end() {
    let served = serve_with(HttpConfig::default()).await;
    for fields in [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 3",
        "Content-Length: +2",
        "Content-Length: -1",
        "Content-Length: 0x2",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, identity",
        "X : 1",
        "X\t: 1",
        "X 1",
        ": 1",
        "X: a\0b",
    ] {
        let mut client = Client::connect(served.address).await;
        client.send(format!("{JSON_PUT}{fields}\r\n\r\n{{}}")).await;
        let heard = String::from_utf8(client.closed().await).expect("text");
        assert!(heard.starts_with("HTTP/1.1 400 "), "{fields:?}: {heard}");
        assert_eq!(heard.matches("HTTP/1.1").count(), 1, "{fields:?}: {heard}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() {
    let served = serve_with(HttpConfig::default()).await;
    let mut client = Client::connect(served.address).await;
    client.send(format!("{JSON_PUT}Content-Length: 9\r\n\r\n{{\"a\": 42}}")).await;
    assert_eq!(client.answer().await.status, 201);
    for path in [
        "/",
        "/healthz",
        "/readyz",
        "/problems/internal",
        "/v1/videos",
        "/v1/videos/42",
        "/v1/jobs",
        "/v1/operations",
        "/v1/none",
    ] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let mut get = client.answer().await;
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let head = client.read("HEAD").await.expect("an answer");
        assert!(!get.body.is_empty(), "{path}");
        get.body.clear();
        let but_its_times = |mut answer: super::client::Answer| {
            answer.headers.retain(|(name, _)| name != "date" && name != "server-timing");
            answer
        };
        assert_eq!(but_its_times(head), but_its_times(get), "{path}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body_also_when_it_would_be_compressed() {
    let served = serve_with(HttpConfig::default()).await;
    let mut client = Client::connect(served.address).await;
    let body = json!({ "text": "woof ".repeat(1000) }).to_string();
    client.send(format!("{JSON_PUT}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    assert_eq!(client.answer().await.status, 201);
    let zipped = "Host: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
    client.send(format!("GET /v1/videos/42 HTTP/1.1\r\n{zipped}")).await;
    let get = client.answer().await;
    client.send(format!("HEAD /v1/videos/42 HTTP/1.1\r\n{zipped}")).await;
    let head = client.read("HEAD").await.expect("an answer");
    assert!(get.body.len() < 1000, "{} bytes", get.body.len());
    for field in ["content-encoding", "content-length", "content-type", "etag", "vary"] {
        assert!(get.header(field).is_some(), "{field}");
        assert_eq!(head.header(field), get.header(field), "{field}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_where_the_time_of_its_request_went() {
    let served = serve_with(HttpConfig::default()).await;
    let mut client = Client::connect(served.address).await;
    let large = json!({ "text": "woof ".repeat(1000) }).to_string();
    let asked = r#"{"processing":{"operation":"transcode"}}"#;
    let merge = "Content-Type: application/merge-patch+json\r\n";
    for (line, fields, body, parts) in [
        ("PUT /v1/videos/42", "", large.as_str(), &["body", "lock", "load", "decide", "commit"][..]),
        ("GET /v1/videos/42", "", "", &["load"]),
        ("GET /v1/videos/42", "Accept-Encoding: gzip\r\n", "", &["load", "encode"]),
        ("GET /v1/videos", "", "", &["load"]),
        ("GET /v1/jobs", "", "", &["load"]),
        ("GET /healthz", "", "", &[]),
        ("GET /v1/none", "", "", &[]),
        ("PUT /v1/videos/42", "If-Match: \"0.0\"\r\n", "{}", &["body", "lock", "load", "decide"]),
        ("PUT /v1/videos/42", "If-Match: *\r\n", large.as_str(), &["body", "lock", "load", "decide"]),
        (
            "PATCH /v1/videos/42",
            "If-Match: *\r\nPrefer: wait=0\r\n",
            asked,
            &["body", "lock", "load", "decide", "commit", "wait"],
        ),
        ("DELETE /v1/videos/42", "If-Match: *\r\n", "", &["lock", "load", "decide", "commit"]),
    ] {
        let media = if line.starts_with("PATCH") { merge } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        client
            .send(format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\n{media}{fields}Content-Length: {length}\r\n\r\n{body}"
            ))
            .await;
        let answer = client.answer().await;
        let told = answer.header("server-timing").expect("a Server-Timing");
        let told: Vec<_> = told.split(", ").filter_map(|part| part.split_once(";dur=")).collect();
        let names: Vec<_> = told.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [parts, &["total"]].concat(), "{line} {fields:?}");
        let millis = |spent: &str| spent.parse::<f64>().expect("a number");
        let total = millis(told.last().expect("a total").1);
        // Rounding may put a twentieth onto each.
        assert!(told.iter().all(|(_, spent)| millis(spent) <= total + 0.1), "{line}: {told:?}");
    }
    served.stop().await;
}

/// One thread serves all: whoever occupies it holds everybody up.
#[tokio::test]
async fn a_large_answer_is_compressed_without_holding_anybody_up() {
    let served = serve_with(HttpConfig::default()).await;
    let mut large = Client::connect(served.address).await;
    for id in 0..8 {
        let numbers: Vec<u64> = (id..100_000 + id).map(|n| n * n % 999_983).collect();
        let body = json!({ "numbers": numbers }).to_string();
        let head = format!("PUT /v1/videos/{id} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
        large.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        assert_eq!(large.answer().await.status, 201);
    }
    let mut small = Client::connect(served.address).await;
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    small.send(health).await;
    assert_eq!(small.answer().await.status, 200);

    large.send("GET /v1/videos HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n").await;
    small.send(health).await;
    let mut list = pin!(large.answer());
    tokio::select! {
        biased;
        list = &mut list => panic!("{} bytes were there first", list.body.len()),
        health = small.answer() => assert_eq!(health.status, 200),
    }
    assert_eq!(list.await.header("content-encoding"), Some("gzip"));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_http_1_0_needs_no_host() {
    let served = serve_with(HttpConfig::default()).await;
    let mut client = Client::connect(served.address).await;
    client.send("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.closed().await, b"");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_does_not_become_the_next_request() {
    let served = serve_with(HttpConfig::default()).await;
    let mut client = Client::connect(served.address).await;
    let body = "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client
        .send(format!("PUT /v1/none HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
        .await;
    assert_eq!(client.answer().await.status, 404);
    client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(client.answer().await.json(), json!({ "status": "ok" }));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_resource_is_answered_when_the_service_stops() {
    let served = serve_with(HttpConfig::default()).await;
    let mut client = Client::connect(served.address).await;
    // Nothing starts the job, so that the resource does not settle.
    let body = r#"{"processing":{"operation":"transcode"}}"#;
    client.send(format!("{JSON_PUT}Prefer: wait=60\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    assert!(client.is_quiet(Duration::from_millis(200)).await, "nothing was waited for");
    served.stop().await;
    assert_eq!(client.answer().await.status, 201);
}
