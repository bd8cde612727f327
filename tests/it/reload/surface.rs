//! What clients see of another configuration.

use heeler::domain::principal::TokenDigest;
use serde_json::json;

use super::{NOTES, Reloading, script};
use crate::service::client::{Answer, JSON, request};

const BARK: &str =
    "[operations.bark]\ndescription = \"Bark\"\ninput = \"bark.json\"\nexec = { command = [\"true\"], cwd = \".\" }\n";

/// The SHA-256 of `woof`.
const WOOF: &str = "1811bdd29f2cfe95e6e23402e2390fa1012708fc52ef8b8a29ee540b1c481534";

fn tag(answer: &Answer) -> &str {
    answer.header("etag").expect("a tag")
}

#[test]
fn a_new_operation_can_be_asked_for_and_is_wherever_operations_are() {
    let it = Reloading::new(NOTES);
    it.world.write("bark.json", r#"{"type":"object"}"#);
    let shown = ["/", "/openapi.json", "/schemas/notes"];
    let before = shown.map(|target| it.service.get(target));
    assert_eq!(it.asked_for("bark").status, 422);
    assert_eq!(it.service.get("/v1/operations/bark").status, 404);

    assert_eq!(it.reload(&format!("{BARK}{NOTES}")), "added operations.bark");
    let asked = it.asked_for("bark");
    assert_eq!(asked.status, 202, "{}", asked.text());
    let job = it.service.finished(&format!("/v1/jobs/{}", asked.json()["id"].as_str().expect("an id")));
    assert_eq!(job["phase"], "succeeded", "{job}");
    assert_eq!(it.service.get("/v1/operations/bark").json()["description"], "Bark");
    assert_eq!(it.service.get("/v1/operations").json()["items"][0]["name"], "bark");
    assert_eq!(it.service.get("/schemas/bark.input").status, 200);
    let counted = r#"heeler_jobs_finished_total{operation="bark",outcome="succeeded"} 1"#;
    assert!(it.service.get("/metrics").text().contains(counted));
    for (target, before) in shown.iter().zip(before) {
        let known = it.service.ask(&request("GET", target).field("If-None-Match", tag(&before)));
        assert_eq!(known.status, 200, "{target} is another one");
        assert!(known.text().contains("bark"), "{target}: {}", known.text());
        let again = it.service.ask(&request("GET", target).field("If-None-Match", tag(&known)));
        assert_eq!(again.status, 304, "{target}");
    }

    assert_eq!(it.reload(NOTES), "removed operations.bark");
    assert_eq!(it.asked_for("bark").status, 422);
    assert!(it.service.get("/metrics").text().contains(counted), "what was counted is not forgotten");
}

#[test]
fn collections_aliases_schemas_and_rules_come_change_and_go() {
    let it = Reloading::new(NOTES);
    assert_eq!(it.service.put("/v1/dogs/rex", &json!({})).status, 404);
    let dogs = format!("{NOTES}[collections.dogs]\nschema = \"dog.json\"\n[aliases]\n\"/hounds\" = \"/v1/dogs\"\n");
    it.world.write("dog.json", r#"{"type":"object","properties":{"name":{"type":"string"}}}"#);
    assert_eq!(it.reload(&dogs), "added collections.dogs; changed aliases");
    assert_eq!(it.service.put("/v1/dogs/rex", &json!({ "name": "Rex" })).status, 201);
    assert_eq!(it.service.get("/hounds").json()["items"][0]["name"], "Rex");

    // The same file that names another schema, in the file that it names.
    it.world.write("dog.json", r#"{"type":"object","required":["name"]}"#);
    assert_eq!(it.reload(&dogs), "changed collections.dogs");
    assert_eq!(it.service.put("/v1/dogs/bello", &json!({})).status, 422);
    let moved = format!("{NOTES}[collections.dogs]\npath = \"/dogs\"\n");
    assert_eq!(it.reload(&moved), "changed collections.dogs, aliases");
    assert_eq!(it.service.get("/hounds").status, 404);
    assert_eq!(it.service.get("/v1/dogs/rex").status, 404);
    assert_eq!(it.service.get("/dogs/rex").json()["name"], "Rex");
    assert_eq!(it.reload(&moved), "nothing is another");
}

#[test]
fn tokens_limits_and_origins_count_from_then_on() {
    let woof = TokenDigest::of(b"woof");
    let auth = format!("[[auth.tokens]]\nname = \"ada\"\nrole = \"admin\"\nsha256 = \"{WOOF}\"\n");
    assert_eq!(Ok(woof), WOOF.parse());
    let it = Reloading::new(NOTES);
    assert_eq!(it.service.get("/v1/notes").status, 200);
    assert_eq!(it.reload(&format!("{auth}{NOTES}")), "changed auth");
    assert_eq!(it.service.get("/v1/notes").status, 401);
    let known = request("GET", "/v1/notes").field("Authorization", "Bearer woof");
    assert_eq!(it.service.ask(&known).status, 200);
    let more = "[server.cors]\norigins = [\"https://app.example.com\"]\n[limits]\nbody = 1024\nrunning = 1\n";
    let more = format!("hosts = [\"heeler.example.com\"]\n{more}{NOTES}");
    assert_eq!(it.reload(&more), "changed auth, limits, server.cors, server.hosts");
    let page =
        request("GET", "/v1/notes").field("Host", "heeler.example.com").field("Origin", "https://app.example.com");
    let answer = it.service.ask(&page);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("https://app.example.com")));
    assert_eq!(it.service.put("/v1/notes/a", &json!({ "text": "x".repeat(2_000) })).status, 413);
}

#[test]
fn a_worker_that_waits_hears_of_what_is_declared_by_then() {
    let worker = "[operations.render]\nworker = { lease = \"40s\" }\n";
    let it = Reloading::new(&format!("{worker}{NOTES}"));
    std::thread::scope(|threads| {
        let lease = || {
            let body = json!({ "worker": "w", "wait": "20s" });
            it.service.ask(&request("POST", "/v1/operations/render/leases").json(JSON, &body))
        };
        let waiting = threads.spawn(lease);
        let other = worker.replace("40s", "50s");
        assert_eq!(it.reload(&format!("{other}{NOTES}")), "changed operations.render");
        it.launch("a", "render", &json!({}));
        let leased = waiting.join().expect("an answer");
        assert_eq!(leased.json()["items"].as_array().map(Vec::len), Some(1), "{}", leased.text());

        let waiting = threads.spawn(lease);
        it.reload(&format!("{}{NOTES}", script("render", "true", "")));
        let refused = waiting.join().expect("an answer");
        assert_eq!(refused.status, 409, "{}", refused.text());
    });
}
