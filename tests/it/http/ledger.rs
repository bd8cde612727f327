//! Ledgers as clients read them: page by page, under tags, and as their schema says.

use heeler::domain::id::ResourceKey;
use heeler::domain::schema::Schema;
use heeler::http::HttpConfig;
use heeler::http::openapi::type_schemas;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::transcripts::ending;
use super::world::{Served, serve_with};

/// Asks for something, with these lines after the first one.
async fn ask(served: &Served, method: &str, target: &str, rest: &str) -> Answer {
    let mut client = Client::connect(served.address).await;
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{rest}")).await;
    client.answer().await
}

async fn get(served: &Served, target: &str) -> Answer {
    ask(served, "GET", target, "\r\n").await
}

fn video() -> ResourceKey {
    ResourceKey { collection: "videos".parse().expect("a name"), id: "42".parse().expect("an id") }
}

/// A video that is transcoded each hour.
async fn served() -> Served {
    let served = serve_with(HttpConfig::default()).await;
    let processing = json!({ "operation": "transcode", "schedule": { "cron": "0 * * * *" } });
    let body = json!({ "processing": processing }).to_string();
    let length = body.len();
    let rest = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
    assert_eq!(ask(&served, "PUT", "/v1/videos/42", &rest).await.status, 201);
    served
}

/// Lets hours go by, at each of which the video is looked at; in odd ones nothing runs any more.
async fn hours(served: &Served, hours: std::ops::RangeInclusive<u32>) {
    for hour in hours {
        let at = format!("2026-11-21T{hour}:00:00Z").parse().expect("an instant");
        served.look(at, &video()).await;
        if hour % 2 == 0 {
            served.start_jobs().await;
            served.end_jobs(ending("succeeded")).await;
        }
    }
}

const TICKS: &str = "/v1/videos/42/processing/ticks";

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_over_a_ledger_has_every_row_once_and_the_newest_first() {
    let served = served().await;
    hours(&served, 11..=22).await;
    let whole = get(&served, TICKS).await;
    let items = whole.json()["items"].clone();
    let seen: Vec<_> = items.as_array().expect("items").iter().map(|item| item["outcome"].as_str()).collect();
    // Every other tick meets the job of the one before it.
    assert_eq!(seen, [["skipped", "launched"]; 6].concat().iter().map(|word| Some(*word)).collect::<Vec<_>>());
    assert_eq!(whole.header("link"), None);
    for limit in [1, 2, 5, 12, 13] {
        let (mut walked, mut next) = (Vec::new(), Some(format!("{TICKS}?limit={limit}")));
        while let Some(target) = next {
            let answer = get(&served, &target).await;
            let page = answer.json();
            walked.extend(page["items"].as_array().expect("items").iter().cloned());
            next = page["_links"]["next"]["href"].as_str().map(str::to_owned);
            let link = next.as_ref().map(|next| format!("<{next}>; rel=\"next\""));
            assert_eq!(answer.header("link"), link.as_deref());
            assert_eq!(page["_links"]["self"]["href"], target.as_str());
        }
        assert_eq!(Value::from(walked), items, "{limit}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tag_of_a_ledger_is_another_one_whenever_its_rows_are() {
    let served = served().await;
    hours(&served, 11..=13).await;
    let before = get(&served, TICKS).await;
    let tag = before.header("etag").expect("a tag").to_owned();
    let again = |tag: &str| format!("If-None-Match: {tag}\r\n\r\n");
    assert_eq!(ask(&served, "GET", TICKS, &again(&tag)).await.status, 304);
    // To forget a row is no change of the resource.
    let resource = get(&served, "/v1/videos/42").await.header("etag").map(str::to_owned);
    assert_eq!(served.forget_ticks("2026-11-21T11:30:00Z".parse().expect("an instant")).await, 1);
    assert_eq!(get(&served, "/v1/videos/42").await.header("etag").map(str::to_owned), resource);
    let fewer = ask(&served, "GET", TICKS, &again(&tag)).await;
    assert_eq!((fewer.status, fewer.json()["items"].as_array().map(Vec::len)), (200, Some(2)));
    let tag = fewer.header("etag").expect("a tag").to_owned();
    hours(&served, 14..=14).await;
    assert_eq!(ask(&served, "GET", TICKS, &again(&tag)).await.status, 200);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_of_ticks_is_as_the_schemas_say() {
    let served = served().await;
    hours(&served, 11..=12).await;
    // Nobody looks for a while.
    hours(&served, 18..=18).await;
    let schema = |name: &str| Schema::compile(type_schemas()[name].clone()).expect("a schema");
    let page = get(&served, TICKS).await.json();
    for item in page["items"].as_array().expect("items") {
        assert_eq!(schema("heeler.Tick").validate(item), [], "{item}");
    }
    let runs: Vec<_> = page["items"].as_array().expect("items").iter().map(|item| &item["count"]).collect();
    assert_eq!(runs, [1, 5, 1, 1]);
    let video = get(&served, "/v1/videos/42").await.json();
    assert_eq!(schema("heeler.Status").validate(&video["status"]), []);
    assert_eq!(schema("heeler.ResourceLinks").validate(&video["_links"]), []);
    let job = get(&served, "/v1/videos/42/processing/last").await.json();
    assert_eq!(schema("heeler.Job").validate(&job), []);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runner_is_told_for_which_tick_a_job_is() {
    let served = served().await;
    let at = "2026-11-21T11:00:07Z".parse().expect("an instant");
    served.look(at, &video()).await;
    let launches = served.launches().await;
    let told: Vec<_> = launches.iter().map(|launch| &launch.job["trigger"]).collect();
    assert_eq!(told, [&json!({ "kind": "schedule", "scheduledFor": "2026-11-21T11:00:00.000Z", "generation": 1 })]);
    served.stop().await;
}
