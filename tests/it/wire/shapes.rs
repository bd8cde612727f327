//! Mounts, aliases, members, editable lists of jobs, queues and views, with
//! real jobs. The rows of the seeds are named by their ids.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use super::{SCRIPT_SCHEMA, hold, script};
use crate::service::client::{Answer, JSON, JSON_PATCH, request};
use crate::service::{Service, World, until};

const CONFIGURATION: &str = r#"
[operations.script]
description = "Run a script"
input = "script.json"
exec  = { command = ["sh", "-c", "${input.script}"] }
grace = "200ms"

[operations.single]
exec  = { command = ["sh", "-c", "until [ -e go ]; do sleep 0.02; done"] }
concurrency = 1

[collections.users]
path = "/api/v1/users"

[collections.orders]
path = "/order"
id = "[0-9]+"
preconditions = "optional"

[collections.dogs]
preconditions = "optional"
[collections.dogs.activities.barks]

[collections.tasks]
preconditions = "optional"
[collections.tasks.activities.processing]
editable = true

[aliases]
"/mostRecentTasks" = "/v1/tasks/main/processing"
"/users/{id}/mostRecentTasks" = "/api/v1/users/{id}/processing"
"/v1/dogs/{id}/bark" = "/v1/dogs/{id}/barks/last"
"#;

/// Work that reports again and again.
const REPORTS: &str = r#"n=0; while :; do n=$((n + 1));
    echo "{\"progress\": {\"message\": \"$n\"}}" >> "$HEELER_EVENTS"; sleep 0.05; done"#;

fn world() -> World {
    let world = World::new(CONFIGURATION);
    world.write("script.json", SCRIPT_SCHEMA);
    world
}

const LIST: &str = "/v1/tasks/main/processing";

fn patch_list(service: &Service, tag: &str, operations: &Value) -> Answer {
    service.ask(&request("PATCH", LIST).field("If-Match", tag).json(JSON_PATCH, operations))
}

#[test]
fn a_collection_is_where_it_is_mounted_and_nowhere_else() {
    let world = world();
    let service = world.start();
    hold(
        &service,
        &[
            ("A1: a list", "GET /api/v1/users", &[], "", 200, ""),
            ("A1: with a limit", "GET /api/v1/users?limit=1", &[], "", 200, ""),
            ("A3: create", "POST /api/v1/users", &[], "{}", 201, ""),
            ("A3: and so it is", "PUT /api/v1/users/ada", &[], r#"{"name":"Ada"}"#, 201, ""),
            ("A2: read", "GET /api/v1/users/ada/", &[], "", 200, ""),
            ("A4: a change needs a precondition", "PATCH /api/v1/users/ada", &[], "{}", 428, "precondition-required"),
            ("not by its name", "GET /v1/users", &[], "", 404, "not-found"),
            ("not by its name", "PUT /v1/users/ada", &[], "{}", 404, "not-found"),
            ("above it is nothing", "GET /api/v1", &[], "", 404, "not-found"),
            ("B10: at the root", "PUT /order/123", &[], r#"{"canceled":false}"#, 201, ""),
            ("an id of another shape", "PUT /order/abc", &[], "{}", 400, "invalid-id"),
            ("is not there", "GET /order/abc", &[], "", 404, "not-found"),
            ("an id that is none", "PUT /order/a%2Fb", &[], "{}", 400, "invalid-id"),
            ("the service chooses as it likes", "POST /order", &[], "{}", 201, ""),
            ("405 judged before the query", "POST /order/123?do=cancel", &[], "{}", 405, "method-not-allowed"),
            ("B11: a member", "GET /order/123/canceled", &[], "", 200, ""),
            ("B11: written by POST", "POST /order/123/canceled", &[], "true", 200, ""),
            ("B12: a query selects no action", "POST /order/123/canceled?do=cancel", &[], "true", 400, "bad-request"),
            ("B12: whatever it is called", "POST /order/123/canceled?action=bark", &[], "true", 400, "bad-request"),
            ("B11: removed", "DELETE /order/123/canceled", &[], "", 204, ""),
            ("B11: and gone", "GET /order/123/canceled", &[], "", 404, "not-found"),
            ("A10: an alias", "GET /users/ada/mostRecentTasks", &[], "", 200, ""),
            ("A10: of one resource", "GET /users/eve/mostRecentTasks", &[], "", 404, "not-found"),
            ("A7: not there yet", "GET /mostRecentTasks", &[], "", 404, "not-found"),
            ("B24: a dog", "PUT /v1/dogs/1", &[], "{}", 201, ""),
            ("B24: that never barked", "GET /v1/dogs/1/bark", &[], "", 404, "not-found"),
            ("B24: barks", "POST /v1/dogs/1/bark", &[], r#"{"operation":"script","input":{"script":"true"}}"#, 202, ""),
            ("B24: did bark", "GET /v1/dogs/1/bark", &[], "", 200, ""),
            ("B24: does not apply", "DELETE /v1/dogs/1/bark", &[], "", 405, "method-not-allowed"),
            ("PATCH does not apply to a member", "PATCH /order/123/canceled", &[], "{}", 405, "method-not-allowed"),
        ],
    );
    let created = service.ask(&request("POST", "/api/v1/users").json(JSON, &json!({ "name": "Eve" })));
    let location = created.header("location").expect("a location");
    assert!(location.starts_with("/api/v1/users/"), "{location}");
    assert_eq!(service.get(location).json()["name"], "Eve");
    let refused = service.ask(&request("DELETE", "/v1/dogs/1/bark"));
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
    let barked = service.get("/v1/dogs/1/bark").json();
    assert_eq!(barked["_links"]["activity"]["href"], "/v1/dogs/1/barks", "the links are those of what it stands for");
}

#[test]
fn of_racing_writers_of_members_exactly_one_wins() {
    let world = world();
    let service = world.start();
    let members = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let put = service.put("/api/v1/users/ada", &json!({}));
    let (address, tag) = (service.address, put.etag().to_owned());
    let writers = members.map(|member| {
        let write =
            request("PUT", &format!("/api/v1/users/ada/{member}")).field("If-Match", &tag).json(JSON, &json!(1));
        thread::spawn(move || write.send(address).expect("an answer"))
    });
    let answers = writers.map(|writer| writer.join().expect("it writes"));
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), members.len() - 1, "{statuses:?}");
    assert!(answers.iter().all(|answer| answer.json()["alreadyApplied"].is_null()), "each is another request");
    let user = service.get("/api/v1/users/ada");
    assert_eq!(members.iter().filter(|member| user.json()[**member] == 1).count(), 1);
    let won = answers.iter().find(|answer| answer.status == 201).expect("one won");
    assert_eq!(won.etag(), user.etag(), "the tag is the document's");
}

#[test]
fn a_member_waits_and_holds_as_the_document_does() {
    let world = world();
    let service = world.start();
    service.put("/v1/dogs/1", &json!({ "barks": script(super::UNTIL_GO) }));
    let dog = "/v1/dogs/1";
    until("it runs", || service.get(dog).json()["status"]["barks"]["phase"] == "running");
    let phase = service.get("/v1/dogs/1/status/barks/phase");
    assert_eq!((phase.status, phase.json()), (200, json!("running")));
    let tag = service.get("/v1/dogs/1/status").etag().to_owned();
    let write = request("PUT", "/v1/dogs/1/name").field("If-Match", &tag).field("Prefer", "wait=1");
    let named = service.ask(&write.json(JSON, &json!("Rex")));
    assert_eq!((named.status, named.json()), (201, json!("Rex")), "while it runs");
    assert_eq!(named.header("preference-applied"), Some("wait=1"));
    world.write("go", "");
    service.until("it settles", dog, |dog| dog["status"]["settled"] == true);
    assert_eq!(service.ask(&request("GET", "/v1/dogs/1/name").field("If-None-Match", named.etag())).status, 200);
}

/// A11
#[test]
fn the_list_of_jobs_is_edited_while_they_report() {
    let world = world();
    let service = world.start();
    service.put("/v1/tasks/main", &json!({}));
    let empty = service.get(LIST);
    let started =
        patch_list(&service, empty.etag(), &json!([{ "op": "add", "path": "/items/-", "value": script(REPORTS) }]));
    assert_eq!(started.status, 200, "{}", started.text());
    let items = started.json()["items"].as_array().expect("items").clone();
    assert_eq!(items.len(), 1);
    let job = format!("/v1/jobs/{}", items[0]["id"].as_str().expect("an id"));
    let report = |n: &str| service.until("it reports", &job, |job| job["progress"]["message"].as_str() > Some(n));
    report("0");
    let seen = service.get(LIST);
    until("the list moves", || service.get(LIST).etag() != seen.etag());
    let mut wanted = seen.json();
    wanted["items"].as_array_mut().expect("items").insert(0, script("true"));
    let put = |tag: &str, list: &Value| service.ask(&request("PUT", LIST).field("If-Match", tag).json(JSON, list));
    let added = put(seen.etag(), &wanted);
    assert_eq!(added.status, 200, "the tag holds while jobs report, and old progress is an echo: {}", added.text());
    assert_eq!(added.json()["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(service.get(&job).json()["canceled"], false, "its item is untouched");
    assert_eq!(put(seen.etag(), &wanted).status, 412, "and no longer once a job was added");
    let late = put(seen.etag(), &wanted);
    assert_eq!(late.json()["etag"].as_str(), late.header("etag"), "which says what holds now");
    let stopped = patch_list(&service, "*", &json!([{ "op": "remove", "path": "/items/1" }]));
    assert_eq!(stopped.status, 200, "{}", stopped.text());
    assert_eq!(service.finished(&job)["phase"], "canceled");
    until("nothing is left of it", || world.workers().is_empty());
}

/// A11
#[test]
fn of_racing_editors_of_a_list_exactly_one_wins() {
    let world = world();
    let service = world.start();
    service.put("/v1/tasks/main", &json!({}));
    let (address, tag) = (service.address, service.get(LIST).etag().to_owned());
    let editors = [(); 8].map(|()| {
        let edit = json!([{ "op": "add", "path": "/items/-", "value": script("true") }, { "op": "add", "path": "/items/-", "value": script("true") }]);
        let edit = request("PATCH", LIST).field("If-Match", &tag).json(JSON_PATCH, &edit);
        thread::spawn(move || edit.send(address).expect("an answer").status)
    });
    let mut statuses = editors.map(|editor| editor.join().expect("it edits"));
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    assert_eq!(service.get(LIST).json()["items"].as_array().map(Vec::len), Some(2), "all of it, once");
    // Who takes any list has its edit made to the one that is there then.
    let editors = [(); 8].map(|()| {
        let edit = json!([{ "op": "add", "path": "/items/0", "value": script("true") }]);
        let edit = request("PATCH", LIST).field("If-Match", "*").json(JSON_PATCH, &edit);
        thread::spawn(move || edit.send(address).expect("an answer").status)
    });
    assert_eq!(editors.map(|editor| editor.join().expect("it edits")), [200; 8]);
    assert_eq!(service.get(LIST).json()["items"].as_array().map(Vec::len), Some(10), "each of them, once");
}

#[test]
fn the_queue_says_why_a_job_waits() {
    let world = world();
    let service = world.start();
    let ask = |id: &str| {
        service.put(&format!("/v1/dogs/{id}"), &json!({}));
        service.launch(&format!("/v1/dogs/{id}/barks"), &json!({ "operation": "single" }))
    };
    let first = ask("1");
    until("it runs", || service.get(&first).json()["phase"] == "running");
    let (second, third) = (ask("2"), ask("3"));
    let queue = |job: &str| service.get(&format!("{job}/queue"));
    let waits = queue(&third);
    assert_eq!(waits.header("cache-control"), Some("no-store"));
    let members: BTreeSet<String> = waits.json().as_object().expect("an object").keys().cloned().collect();
    assert_eq!(members, ["limit", "position", "reason", "since"].map(str::to_owned).into());
    assert_eq!(waits.json()["since"], service.get(&third).json()["created"]);
    for (job, position) in [(&second, 1), (&third, 2)] {
        let waits = queue(job).json();
        assert_eq!((&waits["reason"], &waits["position"]), (&json!("Concurrency"), &json!(position)), "{waits}");
        assert_eq!(waits["limit"], 1);
    }
    let load = service.get("/v1/operations/single");
    assert_eq!(load.header("cache-control"), Some("no-store"));
    assert_eq!((&load.json()["running"], &load.json()["waiting"]), (&json!(1), &json!(2)));
    let all = service.get("/v1/operations").json();
    let script = all["items"].as_array().expect("items").iter().find(|item| item["name"] == "script").expect("it");
    assert_eq!((&script["running"], &script["waiting"]), (&json!(0), &json!(0)));
    let runs = queue(&first);
    assert_eq!((runs.status, runs.problem().as_str()), (404, "not-found"));
    assert!(runs.json()["detail"].as_str().is_some_and(|detail| detail.contains("running")), "{}", runs.text());
    service.ask(
        &request("PATCH", "/v1/dogs/3").json(JSON, &json!({ "barks": { "operation": "single", "suspend": true } })),
    );
    let held = queue(&third).json();
    assert_eq!((&held["reason"], &held["position"]), (&json!("Suspended"), &Value::Null));
    world.write("go", "");
    service.finished(&second);
    assert_eq!(queue(&second).status, 404);
}

#[test]
fn a_view_shows_what_is_asked_for_under_the_tag_of_the_version() {
    let world = world();
    let service = world.start();
    let put = service.put("/order/1", &json!({ "title": "one", "deep": { "x": 1, "y": [2, 3] } }));
    service.put("/order/2", &json!({ "title": "two" }));
    for (fields, seen) in [
        ("title", json!({ "id": "1", "title": "one" })),
        ("/deep/x,none", json!({ "id": "1", "deep": { "x": 1 } })),
        ("deep", json!({ "id": "1", "deep": { "x": 1, "y": [2, 3] } })),
        ("%2Fdeep%2Fy%2F0", json!({ "id": "1", "deep": { "y": [2, 3] } })),
        ("/status/settled", json!({ "id": "1", "status": { "settled": true } })),
    ] {
        let target = format!("/order/1?fields={fields}");
        let view = service.get(&target);
        assert_eq!(view.json(), seen, "{fields}");
        assert_eq!(view.etag(), put.etag(), "{fields}");
        assert_eq!(service.ask(&request("GET", &target).field("If-None-Match", put.etag())).status, 304, "{fields}");
    }
    let page = service.get("/order?fields=title&limit=1").json();
    assert_eq!(page["items"], json!([{ "id": "1", "title": "one" }]));
    let next = page["_links"]["next"]["href"].as_str().expect("a next page");
    assert_eq!(
        service.get(next).json()["items"],
        json!([{ "id": "2", "title": "two" }]),
        "the next page is the same view"
    );
    hold(
        &service,
        &[
            ("nothing is no choice", "GET /order/1?fields=", &[], "", 400, "bad-request"),
            ("once", "GET /order/1?fields=a&fields=b", &[], "", 400, "bad-request"),
            ("anything else is 400", "GET /order/1?page=10", &[], "", 400, "bad-request"),
            ("anything else is 400", "GET /order?q=x", &[], "", 400, "bad-request"),
            ("no view of a change", "PUT /order/1?fields=title", &[], "{}", 400, "bad-request"),
        ],
    );
}
