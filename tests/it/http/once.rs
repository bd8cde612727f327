//! One key, one change: requests that race under one key, that wait, and whose
//! clients hang up.

use std::time::Duration;

use futures_util::future::join_all;
use heeler::http::HttpConfig;
use serde_json::Value;

use super::client::{Answer, Client, PATIENCE};
use super::transcripts::ending;
use super::world::{Served, serve_with};

const VIDEO: &str = "/v1/videos/42";
const ASKING: &str = r#"{"processing":{"operation":"transcode"}}"#;

/// A request with a key, or with none where that is empty.
fn request(line: &str, key: &str, fields: &str, body: &str) -> String {
    let key = if key.is_empty() { String::new() } else { format!("Idempotency-Key: {key}\r\n") };
    let body = match body {
        "" => "\r\n".to_owned(),
        _ => format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
    };
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{key}{fields}{body}")
}

async fn ask(served: &Served, request: &str) -> Answer {
    let mut client = Client::connect(served.address).await;
    client.send(request).await;
    client.answer().await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

/// Asks until the first request with the key is no longer in its way.
async fn ask_until_answered(served: &Served, request: &str) -> Answer {
    let asking = async {
        loop {
            let answer = ask(served, request).await;
            if answer.status != 409 {
                return answer;
            }
            assert_eq!(answer.json()["type"], "/problems/idempotency-key-in-flight");
            assert_eq!(answer.header("retry-after"), Some("1"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time")
}

async fn items(served: &Served, list: &str) -> Vec<Value> {
    let list = ask(served, &request(&format!("GET {list}"), "", "", "")).await.json();
    list["items"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_requests_that_race_under_one_key_one_makes_the_change() {
    const RACERS: usize = 16;
    let served = serve_with(HttpConfig::default()).await;
    ask(&served, &request(&format!("PUT {VIDEO}"), "", "", ASKING)).await;
    for round in 0..10 {
        for (line, body, list) in
            [("POST /v1/videos", "{}", "/v1/videos?limit=1000"), ("POST /v1/videos/42/processing", "", "/v1/jobs")]
        {
            let before = items(&served, list).await.len();
            let sent = request(line, &format!("{round}{line}").replace(' ', "-"), "", body);
            let answers = join_all((0..RACERS).map(|_| ask(&served, &sent))).await;
            assert_eq!(items(&served, list).await.len(), before + 1, "{line}");
            let good: Vec<_> = answers.iter().filter(|answer| answer.status < 300).collect();
            assert_eq!(good.iter().filter(|answer| !is_replayed(answer)).count(), 1, "{line}: {answers:?}");
            assert!(answers.iter().all(|answer| answer.status < 300 || answer.status == 409), "{line}: {answers:?}");
            let again = ask(&served, &sent).await;
            assert!(is_replayed(&again), "{line}: {again:?}");
            for answer in good {
                let said = |answer: &Answer| (answer.status, answer.header("location").map(str::to_owned));
                assert_eq!(said(answer), said(&again), "{line}");
            }
        }
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_is_not_answered_yet_and_the_same_status_is_replayed_when_it_is() {
    let served = serve_with(HttpConfig::default()).await;
    ask(&served, &request(&format!("PUT {VIDEO}"), "", "", "{}")).await;
    let operation = r#"{"operation":"transcode"}"#;
    let launch = |key: &str, wait: &str| request(&format!("POST {VIDEO}/processing"), key, wait, operation);
    let mut first = Client::connect(served.address).await;
    first.send(launch("a", "Prefer: wait=60\r\n")).await;
    wait_for_jobs(&served, 1).await;
    let meanwhile = ask(&served, &launch("a", "")).await;
    assert_eq!((meanwhile.status, meanwhile.header("retry-after")), (409, Some("1")), "{meanwhile:?}");
    assert_eq!(meanwhile.json()["type"], "/problems/idempotency-key-in-flight");
    served.start_jobs().await;
    served.end_jobs(ending("succeeded")).await;
    let first = first.answer().await;
    assert_eq!((first.status, &first.json()["phase"]), (200, &Value::from("succeeded")));
    let again = ask(&served, &launch("a", "")).await;
    assert_eq!((again.status, is_replayed(&again), &again.body), (200, true, &first.body));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("etag"), first.header("etag"));
    // The other way round: 202 it was, and 202 it is, though the job is done and the wait would be over.
    let first = ask(&served, &launch("b", "Prefer: wait=0\r\n")).await;
    assert_eq!(first.status, 202);
    served.start_jobs().await;
    served.end_jobs(ending("succeeded")).await;
    let again = ask(&served, &launch("b", "Prefer: wait=60\r\n")).await;
    assert_eq!((again.status, &again.json()["phase"]), (202, &Value::from("succeeded")), "{again:?}");
    assert_eq!(items(&served, "/v1/jobs").await.len(), 2);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_while_it_waits_gets_its_answer_when_it_comes_back() {
    let served = serve_with(HttpConfig::default()).await;
    ask(&served, &request(&format!("PUT {VIDEO}"), "", "", "{}")).await;
    let launch =
        request(&format!("POST {VIDEO}/processing"), "a", "Prefer: wait=60\r\n", r#"{"operation":"transcode"}"#);
    let mut first = Client::connect(served.address).await;
    first.send(&launch).await;
    wait_for_jobs(&served, 1).await;
    drop(first);
    let again = ask_until_answered(&served, &launch.replace("wait=60", "wait=0")).await;
    assert_eq!((again.status, is_replayed(&again)), (202, true), "{again:?}");
    assert_eq!(items(&served, "/v1/jobs").await.len(), 1);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_waits_as_the_first_request_would_have() {
    let served = serve_with(HttpConfig::default()).await;
    let put = |wait: &str| request(&format!("PUT {VIDEO}"), "a", wait, ASKING);
    assert_eq!(ask(&served, &put("")).await.status, 201);
    let mut again = Client::connect(served.address).await;
    again.send(put("Prefer: wait=60\r\n")).await;
    assert!(again.is_quiet(Duration::from_millis(100)).await, "nothing was waited for");
    served.start_jobs().await;
    served.end_jobs(ending("succeeded")).await;
    let again = again.answer().await;
    assert_eq!((again.status, is_replayed(&again)), (201, true));
    assert_eq!(again.json()["status"]["settled"], true);
    assert_eq!(again.header("preference-applied"), Some("wait=60"));
    served.stop().await;
}

/// A body in pieces, a body that is too large and one of no media type that is
/// taken are read once, and judged as without a key.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_changes_nothing_about_how_bodies_are_judged() {
    let served = serve_with(HttpConfig { body_bytes_max: 100, ..HttpConfig::default() }).await;
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(100));
    for (line, body, media, status) in [
        ("PUT /v1/videos/1", "{}", "application/json", 201),
        ("PUT /v1/videos/2", &large, "application/json", 413),
        ("PUT /v1/videos/3", "{}", "text/plain", 415),
        ("PUT /v1/videos/4", "{", "application/json", 400),
        ("PATCH /v1/videos/5", "[]", "application/json", 415),
        ("POST /v1/videos/6", "{}", "application/json", 405),
        ("PUT /v1/films/7", "{}", "application/json", 404),
    ] {
        for key in ["", "Idempotency-Key: k\r\n"] {
            let line = if key.is_empty() { line.to_owned() } else { format!("{line}-k") };
            let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{key}Content-Type: {media}\r\n");
            let mut chunked = Client::connect(served.address).await;
            chunked.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
            for piece in body.as_bytes().chunks(1.max(body.len() / 2)) {
                chunked.send(format!("{:x}\r\n", piece.len())).await;
                chunked.send(piece).await;
                chunked.send("\r\n").await;
            }
            chunked.send("0\r\n\r\n").await;
            assert_eq!(chunked.answer().await.status, status, "{line}");
        }
    }
    served.stop().await;
}

async fn wait_for_jobs(served: &Served, count: usize) {
    let waiting = async {
        while items(served, "/v1/jobs").await.len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("jobs in time");
}
