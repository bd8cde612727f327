//! Jobs that leave no record, and whose end nobody hears.

use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::engine::UNHEARD;
use heeler::http::HttpConfig;
use serde_json::{Value, json};

use super::client::Client;
use super::world::{Served, serve_with};

const ENDED: Ending = Ending::new(AttemptOutcome::Succeeded);

async fn get(served: &Served, target: &str) -> Value {
    let mut client = Client::connect(served.address).await;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    client.answer().await.json()
}

/// Posts for a job that leaves no record, and goes away once it is there.
async fn post_and_leave(served: &Served) {
    let mut client = Client::connect(served.address).await;
    let body = r#"{"operation":"whisper"}"#;
    let head = "POST /v1/dogs/1/tricks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    client.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    let mut commits = served.commits();
    while get(served, "/v1/jobs").await["items"] == json!([]) {
        commits.changed().await.expect("the store is there");
    }
}

async fn served() -> Served {
    let served = serve_with(HttpConfig::default()).await;
    let mut client = Client::connect(served.address).await;
    let head = "PUT /v1/dogs/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    client.send(format!("{head}Content-Length: 2\r\n\r\n{{}}")).await;
    assert_eq!(client.answer().await.status, 201);
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_end_nobody_hears_is_forgotten_after_a_while() {
    let served = served().await;
    post_and_leave(&served).await;
    served.start_jobs().await;
    served.forget_unheard().await;
    assert_eq!(get(&served, "/v1/jobs").await["items"][0]["phase"], "running", "one that runs is not forgotten");
    served.end_jobs(ENDED).await;
    served.forget_unheard().await;
    // Each look at the clock takes it a second further.
    let mut looks = 1;
    while get(&served, "/v1/jobs").await["items"] != json!([]) {
        served.forget_unheard().await;
        looks += 1;
        assert!(looks < UNHEARD.as_secs() + 10, "it is never forgotten");
    }
    assert!(looks >= UNHEARD.as_secs(), "it is forgotten after {looks} s: whoever waits for it may not have heard");
    assert_eq!(get(&served, "/v1/dogs/1").await["status"]["tricks"]["last"], Value::Null);
    served.stop().await;
}
