//! The whole service with operations that others do.

use serde_json::{Value, json};

use super::peer::{Do, Peer, answer_with, json};
use super::relays::taking;
use crate::service::client::{MERGE, request};
use crate::service::{Service, World, until};

/// A canary: what it is in the environment appears nowhere.
const CANARY: &str = "canary-of-the-hook-and-long-enough";

fn world(operation: &str, more: &str) -> World {
    World::new(&format!(
        "[operations.work]\n{operation}\n[collections.videos]\n[secrets]\nHOOK = {{ env = \"HOOK_TOKEN\" }}\n{more}"
    ))
}

fn start(world: &World) -> Service {
    let mut command = world.command();
    // Nobody asks these.
    command.env("HOOK_TOKEN", CANARY).env("http_proxy", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9");
    world.start_by(command)
}

fn begin(service: &Service) -> String {
    service.put("/v1/videos/42", &json!({ "email": "ada@example.com" }));
    service.launch("/v1/videos/42/processing", &json!({ "operation": "work" }))
}

fn http(peer: &Peer) -> String {
    format!(
        "http = {{ url = \"{}\", signing = \"HOOK\", headers = {{ Authorization = \"Bearer ${{secret.HOOK}}\" }} }}\n\
         retry = {{ attempts = 3, backoff = \"10ms\" }}\ngrace = \"2s\"",
        peer.url("/s3cret-path")
    )
}

fn data(heard: &str) -> Value {
    let body = heard.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str::<Value>(body).unwrap_or_default()["data"].clone()
}

fn field<'h>(heard: &'h str, name: &str) -> &'h str {
    heard.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

#[test]
fn a_request_is_made_again_until_it_is_answered_and_its_answer_is_the_result() {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
    let peer =
        Peer::new(vec![answer_with(busy), vec![Do::HearRequest], answer_with(&json("200 OK", r#"{"url":"x"}"#))]);
    let world = world(&http(&peer), "");
    let service = start(&world);
    let job = begin(&service);
    let done = service.finished(&job);
    assert_eq!((&done["phase"], &done["result"]), (&json!("succeeded"), &json!({"url": "x"})), "{done}");
    let attempts = done["attempts"].as_array().expect("attempts");
    assert_eq!(
        attempts.iter().map(|attempt| attempt["exitCode"].clone()).collect::<Vec<_>>(),
        [json!(503), json!(null), json!(null)]
    );
    let heard = peer.heard();
    let keys: Vec<&str> = heard.iter().map(|heard| field(heard, "idempotency-key")).collect();
    assert!(keys.len() == 3 && keys.iter().all(|key| job.ends_with(key) && !key.is_empty()), "{keys:?}");
    assert_ne!(data(&heard[0])["token"], data(&heard[1])["token"]);
    // Where it was sent, and with what, nobody hears of.
    let shown = format!("{done}{}{}", service.get("/v1/operations").text(), service.get("/v1/videos/42").text());
    for hidden in [CANARY, peer.address.to_string().as_str(), "/s3cret-path"] {
        assert!(!shown.contains(hidden) && !world.text("service.log").contains(hidden), "{hidden}: {shown}");
    }
}

#[test]
fn a_request_that_is_refused_is_made_once() {
    let peer = Peer::answering(&json("422 Unprocessable", r#"{"detail":"no such preset"}"#));
    let world = world(&http(&peer), "");
    let service = start(&world);
    let job = service.finished(&begin(&service));
    assert_eq!((&job["phase"], &job["error"]["reason"]), (&json!("failed"), &json!("Rejected")), "{job}");
    assert!(job["error"]["message"].as_str().is_some_and(|text| text.contains("no such preset")), "{job}");
    assert_eq!(peer.heard().len(), 1);
}

fn accepting(peer_says: &str) -> Vec<Do> {
    answer_with(&format!("HTTP/1.1 202 Accepted\r\n{peer_says}Content-Length: 0\r\n\r\n"))
}

#[test]
fn who_goes_on_reports_to_where_it_was_told_also_after_a_kill() {
    let peer = Peer::new(vec![accepting("")]);
    let world = world(&http(&peer), "");
    let service = start(&world);
    let job = begin(&service);
    service.until("it goes on", &job, |job| job["phase"] == "running");
    until("it was asked", || peer.heard().first().is_some_and(|heard| heard.contains("specversion")));
    let data = data(&peer.heard()[0]);
    assert_eq!(data["report"], format!("http://{}{job}", service.address));
    let token = data["token"].clone();
    let patch = |service: &Service, body: Value| service.ask(&request("PATCH", &job).json(MERGE, &body)).status;
    assert_eq!(patch(&service, json!({"token": token, "progress": {"fraction": 0.5}})), 200);
    service.kill();
    let service = start(&world);
    assert_eq!(patch(&service, json!({"token": "0".repeat(32), "phase": "succeeded"})), 409);
    assert_eq!(patch(&service, json!({"token": token, "phase": "succeeded", "result": 7})), 200);
    let done = service.finished(&job);
    assert_eq!((&done["phase"], &done["result"]), (&json!("succeeded"), &json!(7)), "{done}");
    assert_eq!(peer.heard().len(), 1);
}

#[test]
fn who_goes_on_is_asked_to_stop_where_it_said_also_after_a_kill() {
    let gone = answer_with("HTTP/1.1 204 No Content\r\n\r\n");
    let busy = answer_with("HTTP/1.1 500 Busy\r\nContent-Length: 0\r\n\r\n");
    for killed in [false, true] {
        let peer = Peer::new(vec![
            accepting("Location: /jobs/7\r\n"),
            if killed { busy.clone() } else { gone.clone() },
            gone.clone(),
        ]);
        let world = world(&http(&peer).replace("\"2s\"", "\"20s\""), "");
        let mut service = start(&world);
        let job = begin(&service);
        // It is recorded that it goes on, and where.
        service.until("it goes on", &job, |job| job["phase"] == "running");
        until("it was asked", || peer.heard().first().is_some_and(|heard| heard.contains("specversion")));
        let cancel = request("PATCH", &job).json(MERGE, &json!({ "canceled": true }));
        assert_eq!(service.ask(&cancel).status, 202);
        if killed {
            until("it was asked to stop", || peer.heard().len() > 1);
            service.kill();
            service = start(&world);
        }
        let done = service.finished(&job);
        assert_eq!(done["phase"], "canceled", "{done}");
        assert!(peer.heard().last().is_some_and(|heard| heard.starts_with("DELETE /jobs/7 ")), "{:?}", peer.heard());
    }
}

#[test]
fn after_a_kill_a_request_that_was_sent_is_lost_or_sent_again_as_the_operator_says() {
    for (policy, phase, requests) in [("fail", "lost", 1), ("retry", "succeeded", 2)] {
        let peer = Peer::new(vec![vec![Do::HearRequest, Do::Hang], answer_with(&json("200 OK", "1"))]);
        let world = world(&format!("{}\non_unknown = \"{policy}\"", http(&peer)), "");
        let service = start(&world);
        let job = begin(&service);
        until("it was sent", || peer.heard().first().is_some_and(|heard| heard.contains("specversion")));
        service.kill();
        let service = start(&world);
        let done = service.finished(&job);
        assert_eq!(done["phase"], phase, "{done}");
        assert_eq!(peer.heard().len(), requests);
        let keys: Vec<String> = peer.heard().iter().map(|heard| field(heard, "idempotency-key").to_owned()).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

#[test]
fn a_letter_is_sent_and_its_id_is_the_result() {
    let peer = Peer::new(vec![taking()]);
    let relay = format!("[mail]\nrelay = \"smtp://{}\"\nfrom = \"heeler@example.com\"\n", peer.address);
    let world = world("mail = { to = \"${resource.email}\", subject = \"Woof\", text = \"Hi\" }", &relay);
    let service = start(&world);
    let job = begin(&service);
    let done = service.finished(&job);
    let id = job.rsplit('/').next().expect("an id");
    assert_eq!(done["result"], json!({ "messageId": format!("<{id}@example.com>") }), "{done}");
    assert!(peer.heard()[0].contains("RCPT TO:<ada@example.com>"), "{:?}", peer.heard());
    assert!(service.terminate().success());
}
