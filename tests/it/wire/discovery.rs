//! From the home page to everything (`seeds.md` B2, B16), and pages for people.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{UNTIL_GO, asked, script, world};
use crate::service::Service;
use crate::service::client::request;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Where other pieces of the service are.
const ELSEWHERE: [&str; 2] = ["/openapi.json", "/schemas/"];

/// Every link in a representation that is to be read.
fn links(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let reads = members.get("templated") != Some(&json!(true)) && members.get("method").is_none();
            if let (Some(Value::String(href)), true) = (members.get("href"), reads) {
                found.insert(href.clone());
            }
            members.values().for_each(|member| links(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| links(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every link of a `Link` field.
fn linked(field: &str, found: &mut BTreeSet<String>) {
    found.extend(field.split('<').skip(1).filter_map(|rest| rest.split('>').next()).map(str::to_owned));
}

#[test]
fn b16_the_home_page_leads_to_everything_and_no_link_is_broken() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({ "processing": script("true") }));
    service.until("it settles", "/v1/notes/42", |note| note["status"]["settled"] == true);
    let (mut seen, mut open) = (BTreeSet::new(), BTreeSet::from(["/".to_owned()]));
    while let Some(target) = open.pop_first() {
        if ELSEWHERE.iter().any(|place| target.starts_with(place)) || !seen.insert(target.clone()) {
            continue;
        }
        let answer = service.get(&target);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        let mut found = BTreeSet::new();
        answer.header("link").into_iter().for_each(|field| linked(field, &mut found));
        if answer.header("content-type") == Some("application/json") {
            links(&answer.json(), &mut found);
        }
        open.extend(found.difference(&seen).cloned());
    }
    for reached in [
        "/v1/notes",
        "/v1/notes/42",
        "/v1/notes/42/processing",
        "/v1/notes/42/processing/form",
        "/v1/jobs",
        "/v1/operations/script",
        "/problems",
        "/problems/not-found",
        "/healthz",
    ] {
        assert!(seen.contains(reached), "{reached}: {seen:?}");
    }
}

#[test]
fn b16_the_templates_of_the_home_page_say_where_things_are() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({}));
    let job = service.launch("/v1/notes/42/processing", &script("true"));
    let job = job.rsplit('/').next().expect("an id");
    let home = service.get("/").json();
    let notes = &home["collections"][0];
    assert_eq!(notes["name"], "notes");
    for (relation, templates) in [
        ("item", notes),
        ("activity", notes),
        ("form", notes),
        ("last", notes),
        ("job", notes),
        ("job", &home),
        ("log", &home),
    ] {
        let template = templates["_links"][relation]["href"].as_str().expect("a template");
        let target = template.replace("{id}", "42").replace("{activity}", "processing").replace("{job}", job);
        assert_eq!(service.get(&target).status, 200, "{relation}: {target}");
    }
}

#[test]
fn b16_what_can_be_done_now_is_linked_and_can_be_done() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({ "processing": script(UNTIL_GO) }));
    let note = service.until("it runs", "/v1/notes/42", |note| note["status"]["processing"]["phase"] == "running");
    let act = |link: &Value| {
        let line = format!("{} {}", link["method"].as_str().expect("a method"), link["href"].as_str().expect("a path"));
        service.ask(&asked(&line, &[], "")).status
    };
    assert_eq!(act(&note["_links"]["run-now"]), 202, "{note}");
    assert_eq!(act(&note["_links"]["cancel"]), 202, "{note}");
    let suspended = json!({ "processing": { "operation": "script", "input": { "script": "true" }, "suspend": true } });
    let note = service.put("/v1/notes/43", &suspended).json();
    assert_eq!((note["_links"].get("run-now"), note["_links"].get("cancel")), (None, None), "{note}");
    assert_eq!(
        service.put("/v1/notes/43", &note).etag(),
        service.get("/v1/notes/43").etag(),
        "sent back as it was read"
    );
    let options = service.ask(&request("OPTIONS", "/v1/notes/42"));
    assert!(options.header("link").is_some_and(|link| link.contains("</schemas/notes>; rel=\"describedby\"")));
    assert!(options.header("allow").is_some() && options.header("accept-patch").is_some());
    world.write("go", "");
}

#[test]
fn b2_a_post_to_a_resource_is_405_and_says_what_to_do() {
    let world = world();
    let service = world.start();
    service.put("/v1/notes/42", &json!({}));
    for target in ["/v1/notes/42", "/v1/notes/42/"] {
        let answer = service.ask(&asked(&format!("POST {target}"), &[], r#"{"action":"bark"}"#));
        assert_eq!(answer.status, 405);
        assert_eq!(answer.header("allow"), Some("DELETE, GET, HEAD, OPTIONS, PATCH, PUT"));
        let problem = answer.json();
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("PATCH the document")), "{problem}");
        assert_eq!(problem["_links"]["processing"]["href"], "/v1/notes/42/processing");
    }
}

#[test]
fn every_type_of_problem_is_explained_to_programs_and_to_people() {
    let world = world();
    let service = world.start();
    let problems = service.get("/problems").json();
    let problems = problems["items"].as_array().expect("items");
    assert!(problems.len() > 20);
    for problem in problems {
        let target = problem["type"].as_str().expect("a path");
        assert_eq!(service.get(target).json(), *problem);
        let page = service.ask(&asked(&format!("GET {target}"), &[BROWSER], ""));
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{target}");
    }
}

/// What is read of a service, each as a page.
fn pages(service: &Service) -> Vec<String> {
    let job = service.launch("/v1/notes/42/processing", &script("true"));
    let id = job.rsplit('/').next().expect("an id");
    // What goes on while it is looked at has another tag each time.
    service.finished(&job);
    [
        "/",
        "/v1/notes",
        "/v1/notes/42",
        "/v1/notes/42/processing",
        "/v1/notes/42/processing/last",
        "/v1/notes/42/processing/form",
        &format!("/v1/notes/42/processing/{id}"),
        "/v1/jobs",
        &job,
        "/v1/operations",
        "/v1/operations/script",
        "/problems",
        "/v1/none",
        "/v1/notes/none",
        "/v1/notes?x=1",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn everything_that_is_read_is_a_page_for_a_browser_and_safe_to_look_at() {
    let world = world();
    let service = world.start();
    let hostile = "\"><script>alert(1)</script><a href='javascript:alert(1)'>";
    service.put("/v1/notes/42", &json!({ "title": hostile, "href": "javascript:alert(1)", hostile: [hostile] }));
    for target in pages(&service) {
        let json = service.get(&target);
        let page = service.ask(&asked(&format!("GET {target}"), &[BROWSER], ""));
        assert_eq!(page.status, json.status, "{target}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{target}: {}", page.text());
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let policy = page.header("content-security-policy").unwrap_or_default();
        for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{target}: {policy}");
        }
        assert!(page.header("vary").is_some_and(|vary| vary.contains("Accept")), "{target}");
        let text = page.text();
        assert!(!text.contains("<script") && !text.contains("=\"javascript:"), "{target}: {text}");
        let head = service.ask(&asked(&format!("HEAD {target}"), &[BROWSER], ""));
        assert_eq!((head.status, head.header("etag")), (page.status, page.header("etag")), "{target}");
        let Some(tag) = page.header("etag") else { continue };
        assert!(tag.ends_with("-h\""), "{target}: {tag}");
        let again = |accept: &str| {
            let none_match = format!("If-None-Match: {tag}");
            service.ask(&asked(&format!("GET {target}"), &[accept, &none_match], "")).status
        };
        assert_eq!(again(BROWSER), 304, "{target}");
        assert_ne!(again("Accept: application/json"), 304, "{target}: who holds the page does not hold the JSON");
    }
}
