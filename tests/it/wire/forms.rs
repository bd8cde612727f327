//! How to ask for a job (`seeds.md` A8, A9, A12), by a program that builds what
//! it is told to, and by a browser that knows no script.

use serde_json::{Value, json};

use super::{asked, hold};
use crate::service::client::{Answer, request};
use crate::service::{Service, World};

const CONFIGURATION: &str = r#"
[operations.transcode]
description = "Transcode a video"
input = "transcode.json"
exec  = { command = ["true", "${input.preset}"] }

[operations.any]
exec  = { command = ["true"] }

[collections.videos]
preconditions = "optional"
"#;

const SCHEMA: &str = r##"{
  "$ref": "#/$defs/transcode",
  "$defs": { "transcode": {
    "type": "object", "required": ["preset"], "additionalProperties": false,
    "properties": {
      "preset": { "enum": ["1080p", "720p"], "title": "Preset" },
      "passes": { "type": "integer", "minimum": 1, "default": 2 },
      "fast": { "type": "boolean" },
      "tags": { "type": "array", "items": { "type": "string" } }
    } } }
}"##;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

fn world() -> World {
    let world = World::new(CONFIGURATION);
    world.write("transcode.json", SCHEMA);
    world
}

fn browse(service: &Service, target: &str) -> Answer {
    service.ask(&asked(&format!("GET {target}"), &[BROWSER], ""))
}

/// The values of an attribute, in the order of the page.
fn all(page: &str, attribute: &str) -> Vec<String> {
    let start = format!(" {attribute}=\"");
    let values = page.split(&start).skip(1);
    values.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn a8_and_a12_a_program_asks_as_the_form_says() {
    let world = world();
    let service = world.start();
    service.put("/v1/videos/42", &json!({}));
    let form = service.get("/v1/videos/42").json()["_links"]["form"]["href"].as_str().expect("a link").to_owned();
    let form = service.get(&form).json();
    for member in ["method", "target", "mediaType", "schema"] {
        assert!(!form[member].is_null(), "{member}: {form}");
    }
    assert_eq!(form["schema"]["properties"]["operation"]["enum"], json!(["any", "transcode"]));
    let line = format!("{} {}", form["method"].as_str().expect("text"), form["target"].as_str().expect("text"));
    let media = format!("Content-Type: {}", form["mediaType"].as_str().expect("text"));
    let body = json!({ "operation": "transcode", "input": { "preset": "720p" } }).to_string();
    let answer = service.ask(&asked(&line, &[&media], &body));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let list = service.get(form["target"].as_str().expect("text")).json();
    assert_eq!(list["items"][0]["id"], answer.json()["id"], "the next GET of the list contains it");
}

#[test]
fn a8_and_a9_a_browser_finds_the_form_fills_it_in_and_sees_the_job() {
    let world = world();
    let service = world.start();
    service.put("/v1/videos/42", &json!({}));
    let resource = browse(&service, "/v1/videos/42").text();
    let form = all(&resource, "href").into_iter().find(|href| href.ends_with("/form")).expect("a link to the form");
    let page = browse(&service, &form);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let page = page.text();
    assert_eq!(all(&page, "method"), ["post", "post"], "{page}");
    assert_eq!(all(&page, "name")[1..], ["_operation", "_operation", "preset", "passes", "fast", "tags"], "{page}");
    assert!(page.contains("name=\"passes\" type=\"number\" step=\"1\" value=\"2\" min=\"1\""), "{page}");
    let target = &all(&page, "action")[1];
    let sent = "_operation=transcode&preset=720p&passes=3&fast=true&tags=";
    let answer = service.ask(&asked(&format!("POST {target}"), &[FORM, BROWSER, "Origin: http://localhost"], sent));
    assert_eq!(answer.status, 303, "{}", answer.text());
    let job = answer.header("location").expect("where the job is").to_owned();
    let page = browse(&service, &job);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<dd>720p</dd>"), "{}", page.text());
    assert_eq!(service.get(&job).json()["input"], json!({ "fast": true, "passes": 3, "preset": "720p" }));
    assert_eq!(service.get(target).json()["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn form_bodies_are_taken_on_activities_alone() {
    let world = world();
    let service = world.start();
    service.put("/v1/videos/42", &json!({}));
    let activity = "POST /v1/videos/42/processing";
    let media = "unsupported-media-type";
    hold(
        &service,
        &[
            ("on the activity", activity, &[FORM], "_operation=any&x=1", 202, ""),
            ("and on its last", "POST /v1/videos/42/processing/last", &[FORM], "_operation=any", 202, ""),
            ("with a charset", activity, &[&format!("{FORM}; charset=utf-8")], "_operation=any", 202, ""),
            ("not on a collection", "POST /v1/videos", &[FORM], "a=1", 415, media),
            ("not on a resource", "PUT /v1/videos/42", &[FORM], "a=1", 415, media),
            ("not in a patch", "PATCH /v1/videos/42", &[FORM], "a=1", 415, media),
            (
                "each field as the schema says",
                activity,
                &[FORM],
                "_operation=transcode&preset=1080p&passes=x",
                422,
                "invalid",
            ),
            ("what is required", activity, &[FORM], "_operation=transcode&passes=1", 422, "invalid"),
            ("nothing else", activity, &[FORM], "_operation=transcode&preset=1080p&other=1", 422, "invalid"),
            ("an operation that is not there", activity, &[FORM], "_operation=none", 422, "invalid"),
            ("no operation", activity, &[FORM], "preset=1080p", 422, "invalid"),
            ("not UTF-8", activity, &[FORM], "_operation=%ff", 400, "malformed"),
            (
                "of another site",
                activity,
                &[FORM, "Origin: https://evil.example"],
                "_operation=any",
                403,
                "cross-origin",
            ),
        ],
    );
    let jobs = service.get("/v1/videos/42/processing").json();
    assert_eq!(jobs["items"][2]["input"], json!({ "x": "1" }), "{jobs}");
    let large = format!("_operation=any&x={}", "x".repeat(2 * 1024 * 1024));
    hold(&service, &[("bounded as every body", activity, &[FORM], &large, 413, "too-large")]);
}

#[test]
fn a_form_that_is_asked_for_with_head_starts_nothing() {
    let world = world();
    let service = world.start();
    service.put("/v1/videos/42", &json!({}));
    for _ in 0..10 {
        assert_eq!(service.ask(&request("HEAD", "/v1/videos/42/processing/form")).status, 200);
        assert_eq!(service.get("/v1/videos/42/processing/form").status, 200);
    }
    assert_eq!(service.get("/v1/jobs").json()["items"], Value::Array(Vec::new()));
}
