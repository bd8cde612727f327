//! Jobs.

use serde_json::{Value, json};

use super::{UNTIL_GO, asked, hold, script, world};
use crate::service::client::{JSON, MERGE, request};
use crate::service::until;

const ACTIVITY: &str = "/v1/notes/42/processing";

fn body(text: &str) -> String {
    script(text).to_string()
}

#[test]
fn a_post_launches_one_and_shows_it_under_both_urls() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({ "processing": script("true") }));
    service.until("it settles", "/v1/notes/42", |note| note["status"]["settled"] == true);
    let empty = service.ask(&request("POST", ACTIVITY));
    assert_eq!(empty.status, 202, "an empty body: {}", empty.text());
    let job = empty.json();
    let id = job["id"].as_str().expect("an id");
    assert_eq!(empty.header("location"), Some(format!("{ACTIVITY}/{id}").as_str()));
    assert_eq!(
        (&job["input"], &job["trigger"]["kind"], &job["trigger"]["generation"]),
        (&json!({ "script": "true" }), &json!("manual"), &json!(1))
    );
    let last = service.ask(&request("POST", &format!("{ACTIVITY}/last")));
    assert_eq!(last.status, 202, "POST as above: {}", last.text());
    assert_ne!(last.json()["id"], job["id"], "two POSTs make two jobs");
    let merged = service.ask(&asked(
        &format!("POST {ACTIVITY}"),
        &["Prefer: wait=20"],
        r#"{"input":{"script":"exit 5","more":1}}"#,
    ));
    assert_eq!(merged.status, 200, "200 with the finished job: {}", merged.text());
    let merged = merged.json();
    assert_eq!((&merged["input"], &merged["phase"]), (&json!({ "script": "exit 5", "more": 1 }), &json!("failed")));
    assert_eq!(merged["attempts"][0]["exitCode"], 5);
    let (there, here) = (
        service.get(&format!("{ACTIVITY}/{}", merged["id"].as_str().expect("an id"))),
        service.get(&format!("/v1/jobs/{}", merged["id"].as_str().expect("an id"))),
    );
    assert_eq!((there.status, &there.body, there.etag()), (200, &here.body, here.etag()));
    for member in [
        "id",
        "resource",
        "activity",
        "operation",
        "input",
        "trigger",
        "phase",
        "canceled",
        "attempt",
        "attempts",
        "progress",
        "result",
        "error",
        "created",
        "started",
        "finished",
    ] {
        assert!(merged.get(member).is_some(), "{member}: {merged}");
    }
    for member in ["collection", "id", "href", "uid"] {
        assert!(merged["resource"][member].is_string(), "{member}: {merged}");
    }
    let newest = service.get(ACTIVITY).json();
    let ids: Vec<_> =
        newest["items"].as_array().expect("items").iter().map(|job| job["id"].as_str().expect("an id")).collect();
    assert!(ids.windows(2).all(|two| two[0] > two[1]), "newest first: {ids:?}");
    assert_eq!(ids.len(), 4);
    service.put("/v1/notes/43", &json!({}));
    hold(
        &service,
        &[
            ("202 when time is up", "POST /v1/notes/42/processing", &["Prefer: wait=0"], &body("sleep 0.1"), 202, ""),
            ("the document names no operation", "POST /v1/notes/43/processing", &[], "", 422, "invalid"),
            ("the body does", "POST /v1/notes/43/processing", &[], &body("true"), 202, ""),
            ("an unknown operation", "POST /v1/notes/43/processing", &[], r#"{"operation":"none"}"#, 422, "invalid"),
            ("an invalid input", "POST /v1/notes/43/processing", &[], r#"{"operation":"script"}"#, 422, "invalid"),
            ("an unknown member", "POST /v1/notes/43/processing", &[], r#"{"oper":"script"}"#, 422, "invalid"),
            ("of nothing", "POST /v1/notes/none/processing", &[], &body("true"), 404, "not-found"),
            (
                "another media type",
                "POST /v1/notes/43/processing",
                &["Content-Type: text/plain"],
                "x",
                415,
                "unsupported-media-type",
            ),
            ("of another resource", &format!("GET /v1/notes/43/processing/{id}"), &[], "", 404, "not-found"),
        ],
    );
}

#[test]
fn a_cancel_is_202_while_it_stops_and_then_204_or_200() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({}));
    let wishes = [("DELETE", true), ("DELETE", false), ("PATCH", true), ("PATCH", false)];
    for (method, under_resource) in wishes {
        let job = service.launch(ACTIVITY, &script("trap '' TERM; while :; do sleep 0.02; done"));
        service.until("it runs", &job, |job| job["phase"] == "running");
        let id = job.rsplit('/').next().expect("an id");
        let target = if under_resource { format!("{ACTIVITY}/{id}") } else { job.clone() };
        let wish = match method {
            "DELETE" => request("DELETE", &target),
            _ => request("PATCH", &target).json(MERGE, &json!({ "canceled": true })),
        };
        let stopping = service.ask(&wish);
        assert_eq!(
            (stopping.status, &stopping.json()["phase"], &stopping.json()["canceled"]),
            (202, &json!("canceling"), &json!(true)),
            "{method} {target}: {}",
            stopping.text()
        );
        assert_eq!(service.finished(&job)["phase"], "canceled");
        let done = service.ask(&wish);
        assert_eq!(done.status, if method == "DELETE" { 204 } else { 200 }, "{method} {target}: {}", done.text());
    }
    let finished = service.launch(ACTIVITY, &script("exit 0"));
    service.finished(&finished);
    assert_eq!(service.ask(&request("DELETE", &finished)).status, 204);
    let job = service.get(&finished).json();
    assert_eq!(
        (&job["phase"], &job["canceled"]),
        (&json!("succeeded"), &json!(false)),
        "it stays as it finished: {job}"
    );
    let patch = format!("PATCH {finished}");
    hold(
        &service,
        &[
            ("nothing else can be changed", &patch, &[], r#"{"phase":"failed"}"#, 422, "invalid"),
            ("a cancel is not taken back", &patch, &[], r#"{"canceled":false}"#, 422, "invalid"),
            (
                "a media type of patches",
                &patch,
                &["Content-Type: application/json-patch+json"],
                "[]",
                415,
                "unsupported-media-type",
            ),
            (
                "jobs honour a precondition",
                &patch,
                &["If-Match: \"999.999\""],
                r#"{"canceled":true}"#,
                412,
                "precondition-failed",
            ),
        ],
    );
}

#[test]
fn at_most_100_jobs_are_unfinished_and_20_are_shown() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({}));
    let post = asked(&format!("POST {ACTIVITY}"), &[], &body(UNTIL_GO));
    let ids: Vec<String> = (0..100)
        .map(|_| {
            let answer = service.ask(&post);
            assert_eq!(answer.status, 202, "{}", answer.text());
            answer.json()["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let refused = service.ask(&post);
    assert_eq!((refused.status, refused.problem().as_str()), (429, "too-many-jobs"), "{}", refused.text());
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    let processing = service.get("/v1/notes/42").json()["status"]["processing"].clone();
    assert_eq!(processing["activeCount"], 100);
    let shown: Vec<_> =
        processing["active"].as_array().expect("active").iter().map(|job| job["id"].as_str().expect("an id")).collect();
    assert_eq!(shown, ids.iter().take(20).collect::<Vec<_>>(), "the 20 oldest");
    world.write("go", "");
    assert_eq!(service.ask(&request("DELETE", "/v1/notes/42")).status, 202);
    until("they are gone", || service.get("/v1/notes/42").status == 404);
}

#[test]
fn results_and_progress_have_their_bounds() {
    let world = world();
    let service = world.start();
    let give = |bytes: usize| {
        format!(r#"printf '{{"result":"%s"}}\n' "$(head -c {} /dev/zero | tr '\0' x)" >>"$HEELER_EVENTS""#, bytes - 2)
    };
    for (bytes, kept, in_last) in [(4096, true, true), (4097, true, false), (65536, true, false), (65537, false, false)]
    {
        let note = request("PUT", "/v1/notes/42")
            .field("Prefer", "wait=30")
            .json(JSON, &json!({ "processing": script(&give(bytes)) }));
        let last = service.ask(&note).json()["status"]["processing"]["last"].clone();
        let job = service.get(&format!("{ACTIVITY}/last")).json();
        assert_eq!((&job["phase"], &last["id"]), (&json!("succeeded"), &job["id"]), "{bytes}: {last}");
        assert_eq!(job["result"].as_str().map(str::len), kept.then_some(bytes - 2), "{bytes}");
        assert_eq!(last["result"].is_string(), in_last, "{bytes}");
        assert_eq!(last["result"]["href"] == last["href"], kept && !in_last, "else a link: {bytes}");
        if !kept {
            let detail = job["attempts"][0]["detail"].as_str().unwrap_or_default();
            assert!(detail.contains("64 KiB"), "never silently dropped: {job}");
        }
    }
    let say = r#"m=$(head -c 2000 /dev/zero | tr '\0' x); echo "{\"progress\":{\"fraction\":null,\"message\":\"$m\"}}" >>"$HEELER_EVENTS""#;
    service.put("/v1/notes/42", &json!({ "processing": script(&format!("{say}; {UNTIL_GO}")) }));
    let has = |note: &Value| note["status"]["processing"]["progress"]["message"].is_string();
    let note = service.until("it says something", "/v1/notes/42", has);
    let message = note["status"]["processing"]["progress"]["message"].as_str().expect("a message");
    assert!(message.len() <= 1024 && message.starts_with("xxx"), "{} bytes", message.len());
    world.write("go", "");
}

#[test]
fn the_log_can_be_had_in_parts() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({}));
    let job = service.launch(ACTIVITY, &script("printf 0123456789; printf abcdef"));
    service.finished(&job);
    let log = format!("{job}/log");
    let whole = service.get(&log);
    assert_eq!((whole.text().as_str(), whole.header("accept-ranges")), ("200 0123456789abcdef", Some("bytes")));
    for (range, status, part, content_range) in [
        ("bytes=0-3", 206, "0123", Some("bytes 0-3/16")),
        ("bytes=10-", 206, "abcdef", Some("bytes 10-15/16")),
        ("bytes=-2", 206, "ef", Some("bytes 14-15/16")),
        ("bytes=4-99", 206, "456789abcdef", Some("bytes 4-15/16")),
        ("lines=1-2", 200, "0123456789abcdef", None),
        ("bytes=3-1", 200, "0123456789abcdef", None),
    ] {
        let answer = service.ask(&request("GET", &log).field("Range", range));
        assert_eq!(
            (answer.status, String::from_utf8_lossy(&answer.body).as_ref(), answer.header("content-range")),
            (status, part, content_range),
            "{range}"
        );
    }
    let tag = whole.etag().to_owned();
    for (field, value, status) in [
        ("If-Range", tag.as_str(), 206),
        ("If-Range", "\"1.15\"", 200),
        ("If-Range", "Fri, 01 Jan 2100 00:00:00 GMT", 200),
        ("If-None-Match", &tag, 304),
        ("If-None-Match", "\"1.15\"", 206),
    ] {
        let answer = service.ask(&request("GET", &log).field("Range", "bytes=0-3").field(field, value));
        assert_eq!((answer.status, answer.etag()), (status, tag.as_str()), "{field}: {value}");
    }
    let beyond = service.ask(&request("GET", &log).field("Range", "bytes=16-"));
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */16")));
    let head = service.ask(&request("HEAD", &log));
    assert_eq!((head.status, head.header("content-length")), (200, Some("16")));
    let silent = service.launch(ACTIVITY, &script("true"));
    service.finished(&silent);
    let nothing = service.get(&format!("{silent}/log"));
    assert!(
        matches!(nothing.status, 200 | 404) && (nothing.status == 404 || nothing.body.is_empty()),
        "{}",
        nothing.text()
    );
}

#[test]
fn the_log_has_another_tag_when_it_is_longer() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({}));
    let job = service.launch(ACTIVITY, &script(&format!("echo a; {UNTIL_GO}; echo b")));
    let log = format!("{job}/log");
    until("it says something", || service.get(&log).body == b"a\n");
    let first = service.get(&log).etag().to_owned();
    world.write("go", "");
    service.finished(&job);
    let then = service.ask(&request("GET", &log).field("If-None-Match", &first));
    assert_eq!(then.text(), "200 a\nb\n");
    assert_ne!(then.etag(), first);
}

#[test]
fn who_waits_for_any_job_to_end_is_told_so() {
    let world = world();
    let service = world.start();
    let ask = |id: usize| {
        service.put(&format!("/v1/notes/{id}"), &json!({}));
        service.launch(&format!("/v1/notes/{id}/processing"), &script(UNTIL_GO))
    };
    let running: Vec<String> = (0..4).map(ask).collect();
    for job in &running {
        until("it runs", || service.get(job).json()["phase"] == "running");
    }
    let (waits, behind) = (ask(4), ask(4));
    let queue = |job: &str| service.get(&format!("{job}/queue")).json();
    let first = queue(&waits);
    assert_eq!((&first["reason"], &first["limit"], &first["position"]), (&json!("Capacity"), &json!(4), &json!(1)));
    let second = queue(&behind);
    assert_eq!((&second["reason"], &second["limit"]), (&json!("Order"), &json!(null)), "{second}");
    world.write("go", "");
    service.finished(&behind);
}

#[test]
fn all_jobs_can_be_filtered() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({ "processing": script("true") }));
    service.put("/v1/notes/43", &json!({ "processing": script("exit 1") }));
    service.put("/v1/videos/42", &json!({ "title": "x", "processing": script("true") }));
    for target in ["/v1/notes/42", "/v1/notes/43", "/v1/videos/42"] {
        service.until("it settles", target, |shown| shown["status"]["settled"] == true);
    }
    for (query, count) in [
        ("", 3),
        ("?collection=notes", 2),
        ("?resource=42", 2),
        ("?collection=notes&resource=42", 1),
        ("?phase=failed", 1),
        ("?phase=running", 0),
        ("?operation=script", 3),
        ("?operation=none", 0),
    ] {
        let jobs = service.get(&format!("/v1/jobs{query}")).json();
        assert_eq!(jobs["items"].as_array().map(Vec::len), Some(count), "{query}: {jobs}");
    }
}
