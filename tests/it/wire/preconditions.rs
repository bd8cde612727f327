//! Versions and preconditions, and once only.

use std::thread;

use serde_json::{Value, json};

use super::{UNTIL_GO, asked, hold, script, world};
use crate::service::client::{Answer, JSON, MERGE, request};
use crate::service::{Service, until};

const VIDEO: &str = "/v1/videos/42";

/// A precondition, or several, on a change of a video, and the status.
fn change(service: &Service, method: &str, fields: &[&str], body: &str) -> Answer {
    service.ask(&asked(&format!("{method} {VIDEO}"), fields, body))
}

fn tagged(name: &str, value: &str) -> String {
    format!("{name}: {value}")
}

#[test]
fn a_tag_holds_while_the_desired_state_is_current_whatever_the_status_did_since() {
    let world = world();
    let service = world.start();
    let document = json!({ "title": "a", "processing": script(UNTIL_GO) });
    let first = service.put(VIDEO, &document);
    let running =
        service.until("it runs", VIDEO, |video| video["status"]["processing"]["active"][0]["phase"] == "running");
    let now = service.get(VIDEO);
    assert_ne!(now.etag(), first.etag(), "anything visible moves the tag");
    let changed = |tag: &str| tag.trim_matches('"').split('.').next().expect("a part").to_owned();
    assert_eq!(changed(now.etag()), changed(first.etag()), "only a change moves the first part");
    assert_eq!(now.header("last-modified"), first.header("last-modified"), "of the last desired change");
    assert_eq!(running["status"]["generation"], 1);
    let get = |tag: &str| service.ask(&asked(&format!("GET {VIDEO}"), &[&tagged("If-None-Match", tag)], "")).status;
    assert_eq!((get(first.etag()), get(now.etag())), (200, 304), "compares the whole tag");
    let old = tagged("If-Match", first.etag());
    let strict = change(&service, "PATCH", &[&old, "Prefer: handling=strict"], r#"{"title":"b"}"#);
    assert_eq!(strict.status, 412, "handling=strict compares the whole tag: {}", strict.text());
    let edited = change(&service, "PATCH", &[&old], r#"{"title":"b"}"#);
    assert_eq!(edited.status, 200, "a save never fails because a job progressed: {}", edited.text());
    assert_eq!(edited.json()["status"]["processing"]["phase"], "running", "changing anything else asks for nothing");
    assert_ne!(changed(edited.etag()), changed(first.etag()));
    let strict = [&tagged("If-Match", edited.etag()), "Prefer: handling=strict"];
    let edited = change(&service, "PATCH", &strict.map(AsRef::as_ref), r#"{"title":"c"}"#);
    assert_eq!(
        (edited.status, edited.header("preference-applied")),
        (200, Some("handling=strict")),
        "{}",
        edited.text()
    );
    let lost = change(&service, "PATCH", &[&old], r#"{"title":"d"}"#);
    assert_eq!((lost.status, lost.problem().as_str()), (412, "precondition-failed"));
    assert_eq!(lost.json()["etag"], lost.etag(), "the current tag in the header and in the body");
    assert_eq!(service.get(VIDEO).json()["title"], "c");
    world.write("go", "");
}

#[test]
fn preconditions_are_required_honoured_and_judged_in_order() {
    let world = world();
    let service = world.start();
    let (put, patch, delete) = ("PUT /v1/videos/42", "PATCH /v1/videos/42", "DELETE /v1/videos/42");
    let title = r#"{"title":"a"}"#;
    hold(
        &service,
        &[
            ("`*` means exists: PUT 412", put, &["If-Match: *"], title, 412, "precondition-failed"),
            ("PUT of a tag of nothing", put, &["If-Match: \"999.999\""], title, 412, "precondition-failed"),
            ("PATCH and DELETE 404", patch, &["If-Match: *"], title, 404, "not-found"),
            ("PATCH and DELETE 404", delete, &["If-Match: *"], "", 404, "not-found"),
            ("PATCH of an absent id", patch, &[], title, 404, "not-found"),
            ("DELETE of what is gone", delete, &[], "", 404, "not-found"),
            ("size before existence", patch, &["Content-Type: text/x"], title, 415, "unsupported-media-type"),
            ("syntax before existence", patch, &[], "{", 400, "malformed"),
            ("creating needs none", put, &[], title, 201, ""),
            ("with none: 428", put, &[], title, 428, "precondition-required"),
            ("with none: 428", patch, &[], title, 428, "precondition-required"),
            ("with none: 428", delete, &[], "", 428, "precondition-required"),
            (
                "reading dates are no precondition",
                delete,
                &["If-Modified-Since: Sat, 21 Nov 2026 10:00:00 GMT"],
                "",
                428,
                "precondition-required",
            ),
            (
                "a date that is none is none",
                delete,
                &["If-Unmodified-Since: tomorrow"],
                "",
                428,
                "precondition-required",
            ),
            ("allowed when optional", "PUT /v1/notes/1", &[], "{}", 201, ""),
            ("allowed when optional", "PUT /v1/notes/1", &[], r#"{"a":1}"#, 200, ""),
            ("`If-None-Match: *` creates only", put, &["If-None-Match: *"], title, 412, "precondition-failed"),
            ("creates", "PUT /v1/videos/43", &["If-None-Match: *"], title, 201, ""),
            (
                "creates once",
                "PUT /v1/videos/43",
                &["If-None-Match: *"],
                r#"{"title":"b"}"#,
                412,
                "precondition-failed",
            ),
            (
                "412 before 409",
                patch,
                &["If-Match: \"999.999\"", "Content-Type: application/json-patch+json"],
                r#"[{"op":"remove","path":"/none"}]"#,
                412,
                "precondition-failed",
            ),
            ("412 before 422", put, &["If-Match: \"999.999\""], r#"{"title":7}"#, 412, "precondition-failed"),
            (
                "409",
                patch,
                &["If-Match: *", "Content-Type: application/json-patch+json"],
                r#"[{"op":"remove","path":"/none"}]"#,
                409,
                "patch-conflict",
            ),
            ("422", put, &["If-Match: *"], r#"{"title":7}"#, 422, "invalid"),
            ("not a tag", put, &["If-Match: 1.1"], title, 400, "bad-request"),
            ("a stranger", put, &["If-Match: \"x\", \"y\""], title, 412, "precondition-failed"),
            (
                "If-Match outweighs the date",
                patch,
                &["If-Match: *", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"],
                "{}",
                200,
                "",
            ),
            (
                "the date alone",
                patch,
                &["If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"],
                "{}",
                412,
                "precondition-failed",
            ),
            ("a date in the future", patch, &["If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT"], "{}", 200, ""),
            (
                "jobs honour one that is sent",
                "POST /v1/videos/42/processing",
                &["If-Match: \"999.999\""],
                r#"{"operation":"script","input":{"script":"true"}}"#,
                412,
                "precondition-failed",
            ),
            (
                "jobs never need one",
                "POST /v1/videos/42/processing",
                &[],
                r#"{"operation":"script","input":{"script":"true"}}"#,
                202,
                "",
            ),
        ],
    );
    service.until("it settles", VIDEO, |video| video["status"]["settled"] == true);
    let tag = service.get(VIDEO).etag().to_owned();
    let inner = tag.trim_matches('"');
    for (name, value) in [
        ("a W/ prefix is ignored", format!("W/{tag}")),
        ("the suffix is ignored", format!("\"{inner}-gz\"")),
        ("the suffix is ignored", format!("\"{inner}-h\"")),
        ("one of several", format!("\"999.999\", {tag}")),
    ] {
        let answer = change(&service, "PATCH", &[&tagged("If-Match", &value)], "{}");
        assert_eq!((answer.status, answer.etag()), (200, tag.as_str()), "{name}: {}", answer.text());
    }
    let none = change(&service, "PATCH", &[&tagged("If-None-Match", &tag)], "{}");
    assert_eq!(none.status, 412, "If-None-Match that names the current version");
}

#[test]
fn a_date_of_one_second_never_loses_an_update() {
    let world = world();
    let service = world.start();
    let created = service.put(VIDEO, &json!({ "title": "a" }));
    let date = created.header("last-modified").expect("a date").to_owned();
    let by_date = |title: &str| {
        change(&service, "PATCH", &[&tagged("If-Unmodified-Since", &date)], &json!({ "title": title }).to_string())
    };
    assert_eq!(by_date("b").status, 412, "the last change fell into the named second");
    let later =
        |from: &str| service.ask(&asked(&format!("GET {VIDEO}"), &[&tagged("If-Modified-Since", from)], "")).status;
    assert_eq!((later(&date), later("Thu, 01 Jan 1970 00:00:00 GMT")), (304, 200));
    let future = ["If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT"];
    assert_eq!(change(&service, "PATCH", &future, r#"{"title":"c"}"#).status, 200);
    let again = change(&service, "PATCH", &future, r#"{"title":"c"}"#);
    assert_eq!((again.status, &again.json()["alreadyApplied"]), (412, &json!(true)), "before its date is looked at");
}

#[test]
fn a_lost_answer_is_a_412_that_says_that_it_was_applied() {
    let world = world();
    let mut service = world.start();
    let tag = service.put(VIDEO, &json!({ "title": "a" })).etag().to_owned();
    let if_match = tagged("If-Match", &tag);
    let write = |service: &Service, body: &str| change(service, "PATCH", &[&if_match], body);
    let done = write(&service, r#"{"title":"b"}"#);
    assert_eq!(done.status, 200);
    for round in ["at once", "after a kill"] {
        let again = write(&service, r#"{"title":"b"}"#);
        assert_eq!(
            (again.status, &again.json()["alreadyApplied"], again.etag()),
            (412, &json!(true), done.etag()),
            "{round}: {}",
            again.text()
        );
        for (name, other) in [
            ("another body", write(&service, r#"{"title":"b" }"#)),
            ("another method", change(&service, "PUT", &[&if_match], r#"{"title":"b"}"#)),
            (
                "another media type",
                change(&service, "PATCH", &[&if_match, "Content-Type: application/json"], r#"{"title":"b"}"#),
            ),
            (
                "another precondition",
                change(&service, "PATCH", &[&format!("{if_match}, \"999.999\"")], r#"{"title":"b"}"#),
            ),
        ] {
            assert_eq!(other.status, 412, "{round}: {name}");
            assert_ne!(other.json()["alreadyApplied"], true, "{round}: {name}");
        }
        service.kill();
        service = world.start();
    }
    let create = |service: &Service| change(service, "PUT", &["If-None-Match: *"], r#"{"title":"x"}"#);
    service.ask(&asked(&format!("DELETE {VIDEO}"), &["If-Match: *"], ""));
    assert_eq!(create(&service).status, 201);
    assert_eq!(create(&service).json()["alreadyApplied"], true);
}

#[test]
fn of_racing_writers_with_the_same_tag_exactly_one_wins_also_with_the_same_bytes() {
    const WRITERS: usize = 8;
    let world = world();
    let service = world.start();
    let mut tag = service.put(VIDEO, &json!({ "title": "a", "n": 0 })).etag().to_owned();
    let address = service.address;
    for round in 1..=10 {
        let write = request("PATCH", VIDEO).field("If-Match", &tag).json(MERGE, &json!({ "n": round }));
        let racers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let write = write.clone();
                thread::spawn(move || write.send(address).expect("an answer").status)
            })
            .collect();
        let mut statuses: Vec<u16> = racers.into_iter().map(|racer| racer.join().expect("a status")).collect();
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (200, &[412; WRITERS - 1][..]), "round {round}");
        let now = service.get(VIDEO);
        assert_eq!(now.json()["status"]["generation"], 1 + round, "round {round}");
        tag = now.etag().to_owned();
    }
}

#[test]
fn a_change_that_changes_nothing_moves_nothing() {
    let world = world();
    let service = world.start();
    let body = json!({ "title": "a", "n": 1, "processing": script("true") });
    service.put(VIDEO, &body);
    until("it settles", || service.get(VIDEO).json()["status"]["settled"] == true);
    let before = service.get(VIDEO);
    let tag = tagged("If-Match", before.etag());
    let equal = r#"{"n":1.0,"processing":{"input":{"script":"true"},"operation":"script"},"title":"a"}"#;
    for (method, fields, sent, status) in [
        ("PUT", vec![tag.as_str()], equal.to_owned(), 200),
        ("PUT", vec![&tag], String::from_utf8(before.body.clone()).expect("UTF-8"), 200),
        ("PATCH", vec![&tag], "{}".to_owned(), 200),
        ("PATCH", vec![&tag, "Prefer: return=minimal"], r#"{"n":1}"#.to_owned(), 204),
        ("PATCH", vec![&tag, "Content-Type: application/json-patch+json"], "[]".to_owned(), 200),
    ] {
        let answer = change(&service, method, &fields, &sent);
        assert_eq!((answer.status, answer.etag()), (status, before.etag()), "{method} {sent}: {}", answer.text());
    }
    let after = service.get(VIDEO);
    assert_eq!((after.etag(), &after.body), (before.etag(), &before.body));
    let jobs: Value = service.get("/v1/videos/42/processing").json();
    assert_eq!(jobs["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn dates_and_tags_hold_across_a_restart() {
    let world = world();
    let service = world.start();
    let before = service.put(VIDEO, &json!({ "title": "a" }));
    let list = service.get("/v1/videos");
    service.kill();
    let service = world.start();
    let after = service.get(VIDEO);
    assert_eq!((after.etag(), &after.body), (before.etag(), &before.body));
    let still = service.get("/v1/videos");
    assert_eq!(still.json()["items"], list.json()["items"]);
    let edit = request("PUT", VIDEO).field("If-Match", before.etag()).json(JSON, &json!({ "title": "b" }));
    assert_eq!(service.ask(&edit).status, 200);
    let moved = service.get("/v1/videos");
    assert!(moved.etag() != list.etag() && moved.etag() != still.etag(), "{moved:?}");
}
