//! Lists: their pages, and how those hold while others write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{hold, script, world};
use crate::service::Service;
use crate::service::client::{JSON, request};

/// All items of a list, page by page; checks that both links lead to the same place.
fn walk(service: &Service, first: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut target = first.to_owned();
    loop {
        let answer = service.get(&target);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = answer.json();
        assert_eq!(page["_links"]["self"]["href"], target);
        items.extend(page["items"].as_array().expect("items").iter().cloned());
        let Some(next) = page["_links"]["next"]["href"].as_str() else {
            assert!(!answer.values("link").contains("rel=\"next\""));
            return items;
        };
        assert!(answer.values("link").contains(&format!("<{next}>; rel=\"next\"")));
        target = next.to_owned();
    }
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().expect("an id")).collect()
}

#[test]
fn a_list_is_whole_representations_in_pages() {
    let world = world();
    let service = world.start();
    for n in 0..105 {
        service.put(&format!("/v1/notes/{n}"), &json!({ "n": n }));
    }
    let page = service.get("/v1/notes").json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(100), "default 100");
    let all = walk(&service, "/v1/notes?limit=10");
    assert_eq!(all.len(), 105);
    assert_eq!(ids(&all).into_iter().collect::<BTreeSet<_>>().len(), 105);
    assert_eq!(ids(&all), ids(&walk(&service, "/v1/notes?limit=1000")), "one order");
    assert_eq!(all[0], service.get(all[0]["_links"]["self"]["href"].as_str().expect("a link")).json());
    hold(
        &service,
        &[
            ("at most 1000", "GET /v1/notes?limit=1000", &[], "", 200, ""),
            ("at most 1000", "GET /v1/notes?limit=1001", &[], "", 400, "bad-request"),
            ("a number", "GET /v1/notes?limit=0", &[], "", 400, "bad-request"),
            ("a number", "GET /v1/notes?limit=x", &[], "", 400, "bad-request"),
            ("once", "GET /v1/notes?limit=1&limit=1", &[], "", 400, "bad-request"),
            ("a cursor of ours", "GET /v1/notes?cursor=x", &[], "", 400, "invalid-cursor"),
            ("a cursor of ours", "GET /v1/jobs?cursor=x", &[], "", 400, "invalid-cursor"),
            ("a phase that is one", "GET /v1/jobs?phase=done", &[], "", 400, "bad-request"),
        ],
    );
}

#[test]
fn the_tag_of_a_list_is_that_of_the_last_change_in_it() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/1", &json!({}));
    let before = service.get("/v1/notes");
    let asked = |tag: &str| service.ask(&request("GET", "/v1/notes").field("If-None-Match", tag)).status;
    service.put("/v1/videos/1", &json!({ "title": "another collection" }));
    assert_eq!(asked(before.etag()), 304);
    service.put("/v1/notes/1", &json!({ "processing": script("sleep 0.1") }));
    let changed = service.get("/v1/notes");
    assert_ne!(changed.etag(), before.etag());
    service.until("it settles", "/v1/notes/1", |note| note["status"]["settled"] == true);
    assert_eq!(asked(changed.etag()), 200, "progress is shown in the items");
    let settled = service.get("/v1/notes");
    service.ask(&request("DELETE", "/v1/notes/1"));
    assert_eq!(asked(settled.etag()), 200, "and so is that one is gone");
}

#[test]
fn a_page_ends_at_8_mib() {
    let world = world();
    let service = world.start();
    let text = "x".repeat(900_000);
    for n in 0..12 {
        assert_eq!(service.put(&format!("/v1/notes/{n:02}"), &json!({ "text": text })).status, 201);
    }
    let first = service.get("/v1/notes?limit=1000");
    assert!(first.body.len() <= 8 * 1024 * 1024 + 1_000_000, "{} bytes", first.body.len());
    let page = first.json();
    assert!(page["_links"]["next"]["href"].is_string());
    assert_eq!(ids(&walk(&service, "/v1/notes?limit=1000")).len(), 12);
}

#[test]
fn paging_is_stable_while_others_write() {
    let world = world();
    let service = world.start();
    for n in 0..60 {
        service.put(&format!("/v1/notes/stays-{n:03}"), &json!({ "n": n }));
    }
    let over = Arc::new(AtomicBool::new(false));
    let (address, writing) = (service.address, Arc::clone(&over));
    let writer = thread::spawn(move || {
        for n in 0_u32.. {
            if writing.load(Ordering::Relaxed) {
                return;
            }
            let (id, at) = (format!("/v1/notes/comes-{:02}", n % 40), format!("/v1/notes/stays-{:03}", n % 60));
            let goes = format!("/v1/notes/zzz-{:02}", n % 7);
            for write in [
                request("PUT", &id).json(JSON, &json!({ "n": n })),
                request("PUT", &at).json(JSON, &json!({ "n": n + 1000 })),
                request("PUT", &goes).json(JSON, &json!({})),
                request("DELETE", &goes),
                request("DELETE", &id),
            ] {
                write.send(address).expect("an answer");
            }
        }
    });
    for _ in 0..15 {
        let seen = walk(&service, "/v1/notes?limit=7");
        let seen = ids(&seen);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "none twice: {seen:?}");
        assert_eq!(seen.iter().filter(|id| id.starts_with("stays-")).count(), 60, "none missing: {seen:?}");
    }
    over.store(true, Ordering::Relaxed);
    writer.join().expect("the writer writes");
}
