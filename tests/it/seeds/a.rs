//! The first seed: users, and a background job enqueued for one of them.

use serde_json::json;

use super::{ada, ask, get, is_document, is_problem, serve, tasks, world};
use crate::service::client::{JSON, JSON_PATCH, MERGE, request};
use crate::service::{Service, until};

#[test]
fn a1_get_api_v1_users_lists_them_page_by_page() {
    let world = world();
    let service = serve(&world);
    for name in ["ada", "bob", "cid"] {
        let user = json!({ "name": name });
        ask(&service, &request("PUT", &format!("/api/v1/users/{name}")).json(JSON, &user), 201);
    }
    let first = get(&service, "/api/v1/users?limit=2");
    let link = first.values("link");
    let next = first.json()["_links"]["next"]["href"].as_str().expect("a next page").to_owned();
    assert!(link.contains(&format!("<{next}>; rel=\"next\"")), "{link}");
    assert!(next.starts_with("/api/v1/users?"), "{next}");
    assert!(first.header("etag").is_some());
    let second = get(&service, &next);
    let names: Vec<_> = [first.json(), second.json()]
        .iter()
        .flat_map(|page| page["items"].as_array().expect("items").clone())
        .map(|item| item["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(names, ["ada", "bob", "cid"]);
    ask(&service, &request("GET", "/v1/users"), 404);
}

#[test]
fn a2_get_a_user_shows_desired_and_observed_state() {
    let world = world();
    let service = serve(&world);
    ada(&service);
    let answer = get(&service, "/api/v1/users/ada");
    is_document(&answer);
    let user = answer.json();
    assert_eq!((&user["name"], &user["status"]["settled"]), (&json!("Ada"), &json!(true)));
    assert_eq!(user["_links"]["self"]["href"], "/api/v1/users/ada");
    ask(&service, &request("GET", "/api/v1/users/ada").field("If-None-Match", answer.etag()), 304);
    is_problem(&ask(&service, &request("GET", "/api/v1/users/nobody"), 404), "not-found");
}

#[test]
fn a3_post_creates_a_user_once_per_key() {
    let world = world();
    let service = serve(&world);
    let post = |name: &str| {
        let create = request("POST", "/api/v1/users").json(JSON, &json!({ "name": name }));
        create.field("Idempotency-Key", "\"8e03978e\"")
    };
    let first = ask(&service, &post("Ada"), 201);
    assert!(first.header("etag").is_some() && first.header("last-modified").is_some());
    let location = first.header("location").expect("a Location").to_owned();
    assert!(location.contains("/api/v1/users/"), "{location}");
    let again = ask(&service, &post("Ada"), 201);
    assert_eq!(again.header("location"), Some(location.as_str()));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.json()["id"], first.json()["id"]);
    ask(&service, &post("Bob"), 422);
    assert_eq!(get(&service, "/api/v1/users").json()["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a4_patch_changes_a_user_or_says_why_not() {
    let world = world();
    let service = serve(&world);
    let tag = ada(&service).etag().to_owned();
    let patch = || request("PATCH", "/api/v1/users/ada");
    let changed = ask(&service, &patch().json(MERGE, &json!({ "name": "Ada L." })).field("If-Match", &tag), 200);
    is_document(&changed);
    let minimal = patch().json(MERGE, &json!({ "name": "Ada" })).field("If-Match", changed.etag());
    let minimal = ask(&service, &minimal.field("Prefer", "return=minimal"), 204);
    assert_eq!(minimal.header("preference-applied"), Some("return=minimal"));
    let now = minimal.etag().to_owned();
    let named = |media, body: &serde_json::Value| patch().json(media, body).field("If-Match", &now);
    is_problem(&ask(&service, &patch().json(MERGE, &json!({})).field("If-Match", &tag), 412), "precondition-failed");
    is_problem(&ask(&service, &patch().json(MERGE, &json!({ "name": "x" })), 428), "precondition-required");
    let missing = json!([{ "op": "add", "path": "/a/b", "value": 1 }]);
    let conflict = is_problem(&ask(&service, &named(JSON_PATCH, &missing), 409), "patch-conflict");
    assert_eq!(conflict["pointer"], "/a");
    is_problem(&ask(&service, &named(MERGE, &json!({ "name": 7 })), 422), "invalid");
    let xml = ask(&service, &patch().body("text/xml", "<name/>").field("If-Match", &now), 415);
    assert!(xml.header("accept-patch").is_some_and(|types| types.contains("application/merge-patch+json")));
}

#[test]
fn a5_delete_waits_for_what_runs() {
    let world = world();
    let service = serve(&world);
    let idle = ada(&service).etag().to_owned();
    ask(&service, &request("DELETE", "/api/v1/users/ada").field("If-Match", "\"0.0\""), 412);
    ask(&service, &request("DELETE", "/api/v1/users/ada").field("If-Match", &idle), 204);
    ask(&service, &request("DELETE", "/api/v1/users/ada").field("If-Match", &idle), 404);

    ada(&service);
    let body = json!({ "operation": "transcode", "input": { "preset": "720p", "pause": 30 } });
    let job = service.launch("/api/v1/users/ada/processing", &body);
    service.until("it runs", &job, |job| job["phase"] == "running");
    let deleting = ask(&service, &request("DELETE", "/api/v1/users/ada").field("If-Match", "*"), 202);
    assert!(deleting.json()["status"]["deletion"].is_object(), "{}", deleting.text());
    until("it is gone", || service.get("/api/v1/users/ada").status == 404);
    assert_eq!(service.finished(&job)["phase"], "canceled");
}

/// The user's processing, once it is no longer under way.
fn processed(service: &Service) -> serde_json::Value {
    let user = service.until("it settles", "/api/v1/users/ada", |user| user["status"]["settled"] == true);
    user["status"]["processing"].clone()
}

#[test]
fn a6_a_patch_starts_the_processing_of_a_users_data_once() {
    let world = world();
    let service = serve(&world);
    let tag = ada(&service).etag().to_owned();
    let body = json!({ "processing": { "operation": "transcode", "input": { "preset": "1080p" } } });
    let patch = request("PATCH", "/api/v1/users/ada").json(MERGE, &body);
    let changed = ask(&service, &patch.clone().field("If-Match", &tag), 200);
    assert_eq!(changed.json()["processing"], body["processing"]);
    let status = processed(&service);
    assert_eq!((&status["phase"], &status["last"]["result"]["preset"]), (&json!("succeeded"), &json!("1080p")));
    assert!(status["last"]["href"].as_str().is_some_and(|href| href.starts_with("/v1/jobs/")), "{status}");
    let same = ask(&service, &patch.field("If-Match", changed.etag()), 200);
    assert_eq!(same.json()["status"]["generation"], changed.json()["status"]["generation"]);
    let jobs = get(&service, "/api/v1/users/ada/processing").json();
    assert_eq!(jobs["items"].as_array().map(Vec::len), Some(1), "{jobs}");
}

#[test]
fn a7_the_most_recent_tasks_are_a_list_that_starts_nothing() {
    let world = world();
    let service = serve(&world);
    tasks(&service);
    for _ in 0..10 {
        assert_eq!(get(&service, "/mostRecentTasks").json()["items"], json!([]));
    }
    for preset in ["720p", "1080p"] {
        service.launch("/mostRecentTasks", &json!({ "operation": "transcode", "input": { "preset": preset } }));
    }
    let items = get(&service, "/mostRecentTasks").json()["items"].clone();
    let presets: Vec<_> = items.as_array().expect("items").iter().map(|job| &job["input"]["preset"]).collect();
    assert_eq!(presets, ["1080p", "720p"], "the newest first");
}

#[test]
fn a8_the_form_describes_how_a_task_is_asked_for() {
    let world = world();
    let service = serve(&world);
    tasks(&service);
    let form = get(&service, "/newTaskForm").json();
    assert_eq!((&form["method"], &form["mediaType"]), (&json!("POST"), &json!("application/json")));
    assert!(form["target"].is_string() && form["schema"].is_object(), "{form}");
    let page = ask(&service, &request("GET", "/newTaskForm").field("Accept", "text/html"), 200);
    assert!(page.header("content-type").is_some_and(|media| media.starts_with("text/html")));
    let html = String::from_utf8(page.body.clone()).expect("UTF-8");
    assert!(html.contains("<form") && html.contains("method=\"post\"") && html.contains("action=\""), "{html}");
}

#[test]
fn a9_a_task_is_posted_as_json_or_as_a_form_and_is_in_the_next_list() {
    let world = world();
    let service = serve(&world);
    tasks(&service);
    let before = get(&service, "/mostRecentTasks").etag().to_owned();
    let json = request("POST", "/mostRecentTasks")
        .json(JSON, &json!({ "operation": "transcode", "input": { "preset": "720p" } }));
    let form = request("POST", "/mostRecentTasks")
        .body("application/x-www-form-urlencoded", "_operation=transcode&preset=1080p");
    for post in [json, form] {
        let task = ask(&service, &post, 202);
        let location = task.header("location").expect("a Location").to_owned();
        let list = get(&service, "/mostRecentTasks");
        assert_eq!(list.json()["items"][0]["id"], task.json()["id"]);
        assert_ne!(list.etag(), before);
        assert_eq!(get(&service, &location).json()["id"], task.json()["id"]);
    }
}

#[test]
fn a10_each_user_has_a_list_and_a_form() {
    let world = world();
    let service = serve(&world);
    ada(&service);
    let target = get(&service, "/users/ada/newTaskForm").json()["target"].as_str().expect("a target").to_owned();
    let body = json!({ "operation": "transcode", "input": { "preset": "720p" } });
    let task = ask(&service, &request("POST", &target).json(JSON, &body), 202);
    let list = get(&service, "/users/ada/mostRecentTasks").json();
    assert_eq!(list["items"][0]["id"], task.json()["id"]);
    ask(&service, &request("GET", "/users/nobody/mostRecentTasks"), 404);
}

#[test]
fn a11_the_list_of_tasks_is_edited_as_a_document() {
    let world = world();
    let service = serve(&world);
    tasks(&service);
    let long = json!({ "operation": "transcode", "input": { "preset": "720p", "pause": 30 } });
    let short = json!({ "operation": "transcode", "input": { "preset": "1080p" } });
    let add = |value| json!([{ "op": "add", "path": "/items/-", "value": value }]);
    let patch = |body: &serde_json::Value| {
        let tag = get(&service, "/mostRecentTasks").etag().to_owned();
        request("PATCH", "/mostRecentTasks").json(JSON_PATCH, body).field("If-Match", &tag)
    };
    ask(&service, &patch(&add(long)), 200);
    let running = get(&service, "/mostRecentTasks").json()["items"][0].clone();
    let href = format!("/v1/jobs/{}", running["id"].as_str().expect("an id"));
    service.until("it runs", &href, |job| job["phase"] == "running");

    // A whole list: what is new is started, what is unchanged is untouched.
    let list = get(&service, "/mostRecentTasks");
    let mut whole = list.json();
    whole["items"].as_array_mut().expect("items").push(short);
    ask(&service, &request("PUT", "/mostRecentTasks").json(JSON, &whole), 428);
    ask(&service, &request("PUT", "/mostRecentTasks").json(JSON, &whole).field("If-Match", list.etag()), 200);
    let items = get(&service, "/mostRecentTasks").json()["items"].as_array().expect("items").clone();
    assert_eq!(items.len(), 2, "{items:?}");
    let old = items.iter().position(|item| item["id"] == running["id"]).expect("it kept its id");
    assert_eq!(items[old]["canceled"], false);

    // Removing a running item cancels it.
    ask(&service, &patch(&json!([{ "op": "remove", "path": format!("/items/{old}") }])), 200);
    assert_eq!(service.finished(&href)["phase"], "canceled");
    ask(&service, &request("PUT", "/api/v1/users/ada/processing").json(JSON, &whole), 405);
}

#[test]
fn a12_the_target_of_the_form_is_all_that_a_client_needs() {
    let world = world();
    let service = serve(&world);
    tasks(&service);
    let form = get(&service, "/newTaskForm").json();
    let (method, target) = (form["method"].as_str().expect("a method"), form["target"].as_str().expect("a target"));
    let body = json!({ "operation": "transcode", "input": { "preset": "720p" } });
    let task = ask(&service, &request(method, target).json(form["mediaType"].as_str().expect("a type"), &body), 202);
    assert_eq!(get(&service, "/mostRecentTasks").json()["items"][0]["id"], task.json()["id"]);
}
