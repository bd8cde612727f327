//! Clients that know what they were told, and hold the service to it.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Choices, DOCUMENTS, Scene, WRITERS};
use crate::service::client::{Answer, JSON, JSON_PATCH, MERGE, Request, request};

/// The time between two requests of one client.
const PAUSE_MS: u64 = 30;

/// What one writer, the only one, knows about a document.
#[derive(Debug)]
pub(super) struct Belief {
    pub(super) target: String,
    /// What it can be: one thing, or another one after each change whose
    /// answer was lost. `None` is a resource that is gone or going.
    possible: Vec<Option<Value>>,
    /// The tag of the only thing that it can be, if it exists.
    etag: Option<String>,
}

impl Belief {
    /// Whether this can be the answer to GET.
    pub(super) fn admits(&self, answer: &Answer) -> bool {
        self.possible.contains(&shown(answer))
    }
}

/// The client's members of what was shown; `None` if it is gone or going.
fn shown(answer: &Answer) -> Option<Value> {
    if answer.status == 404 {
        return None;
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut document = answer.json();
    let members = document.as_object_mut().expect("a representation is an object");
    let status = members.remove("status").expect("a representation has a status");
    members.retain(|name, _| name != "id" && name != "_links");
    status.get("deletion").is_none_or(Value::is_null).then_some(document)
}

/// Changes documents until it is over; what they are then.
pub(super) fn write(scene: &Scene, number: u64, mut choices: Choices) -> Vec<Belief> {
    let mut beliefs: Vec<_> = (0..DOCUMENTS).map(|document| target(number, document)).map(unknown).collect();
    let mut n = 0;
    while !scene.is_over() {
        n += 1;
        let at = usize::try_from(choices.below(DOCUMENTS)).expect("an index fits");
        step(scene, &mut beliefs[at], n, &mut choices);
        choices.pause(PAUSE_MS);
    }
    beliefs
}

fn target(writer: u64, document: u64) -> String {
    format!("/v1/things/{writer}-{document}")
}

fn unknown(target: String) -> Belief {
    Belief { target, possible: vec![None], etag: None }
}

/// One change, and before it a look if it is not known what there is.
fn step(scene: &Scene, belief: &mut Belief, n: u64, choices: &mut Choices) {
    if belief.etag.is_none() {
        let Ok(answer) = request("GET", &belief.target).send(scene.address()) else { return };
        assert!(belief.admits(&answer), "{belief:?} is not {}", answer.text());
        let found = shown(&answer);
        belief.etag = found.is_some().then(|| answer.etag().to_owned());
        belief.possible = vec![found];
    }
    let before = belief.possible.first().cloned().flatten();
    let (change, after) = change(belief, before.as_ref(), n, choices);
    match change.send(scene.address()) {
        Ok(answer) => heard(belief, &change, after, &answer),
        Err(_) => unheard(belief, after),
    }
}

/// A change, and what the document is after it.
fn change(belief: &Belief, before: Option<&Value>, n: u64, choices: &mut Choices) -> (Request, Option<Value>) {
    let Some(before) = before else {
        let document = json!({ "n": n });
        let put = request("PUT", &belief.target).field("If-None-Match", "*").json(JSON, &document);
        return (put, Some(document));
    };
    let tag = belief.etag.as_deref().expect("what exists has a tag");
    let tagged = |method: &str| request(method, &belief.target).field("If-Match", tag);
    let mut document = before.clone();
    document["n"] = json!(n);
    match choices.below(20) {
        0 => (tagged("DELETE"), None),
        1..3 => {
            document["processing"] = activity(choices);
            (tagged("PUT").json(JSON, &document), Some(document))
        }
        3..5 => {
            let activity = activity(choices);
            document["processing"] = activity.clone();
            let patch = json!([{ "op": "add", "path": "/n", "value": n }, { "op": "add", "path": "/processing", "value": activity }]);
            (tagged("PATCH").json(JSON_PATCH, &patch), Some(document))
        }
        5 => {
            document.as_object_mut().expect("a document is an object").remove("processing");
            (tagged("PATCH").json(MERGE, &json!({ "n": n, "processing": null })), Some(document))
        }
        _ => (tagged("PATCH").json(MERGE, &json!({ "n": n })), Some(document)),
    }
}

fn activity(choices: &mut Choices) -> Value {
    let operation = *choices.of(&["work", "work", "again", "tries", "single"]);
    json!({ "operation": operation, "input": input(choices) })
}

fn input(choices: &mut Choices) -> Value {
    let kind = *choices.of(&["plain", "plain", "plain", "stubborn", "forks", "worst"]);
    let pause = choices.below(300);
    json!({ "kind": kind, "pause": format!("0.{pause:03}"), "code": choices.of(&[0, 0, 0, 1, 65]) })
}

/// It was answered. Nobody else changes the document, so a tag never fails.
fn heard(belief: &mut Belief, change: &Request, after: Option<Value>, answer: &Answer) {
    let is_gone = belief.possible == [None];
    match (answer.status, &after) {
        (200 | 201, Some(_)) => {
            let mut told = answer.clone();
            told.status = 200;
            assert_eq!(shown(&told), after, "{change:?}");
            belief.etag = Some(answer.etag().to_owned());
            belief.possible = vec![after];
        }
        (202 | 204, None) => {
            belief.etag = None;
            belief.possible = vec![None];
        }
        // It is still going: what takes its place has to wait.
        (409 | 412, Some(_)) if is_gone => {}
        // The service is on its way down.
        (503, _) => unheard(belief, after),
        _ => panic!("{belief:?}: {change:?}: {}", answer.text()),
    }
}

/// It may have happened, or not.
fn unheard(belief: &mut Belief, after: Option<Value>) {
    belief.etag = None;
    belief.possible.push(after);
}

/// Launches and cancels jobs until it is over.
pub(super) fn launch(scene: &Scene, mut choices: Choices) {
    let mut known: Vec<String> = Vec::new();
    while !scene.is_over() {
        choices.pause(PAUSE_MS);
        let at = choices.below(known.len() as u64 + 4);
        let done = match known.get(usize::try_from(at).expect("an index fits")) {
            Some(job) => cancel(scene, job, &mut choices),
            None => post(scene, &mut choices).map(|job| known.extend(job)),
        };
        if done.is_err() {
            // There is no service now; there will be one soon.
            std::thread::sleep(Duration::from_millis(20));
        }
        if known.len() > 8 {
            known.remove(0);
        }
    }
}

fn post(scene: &Scene, choices: &mut Choices) -> io::Result<Option<String>> {
    let target = target(choices.below(WRITERS), choices.below(DOCUMENTS));
    let operation = *choices.of(&["work", "again", "tries", "single"]);
    let body = json!({ "operation": operation, "input": input(choices) });
    let answer = request("POST", &format!("{target}/processing")).json(JSON, &body).send(scene.address())?;
    match answer.status {
        202 => {
            let id = answer.json()["id"].as_str().expect("a job has an id").to_owned();
            scene.acknowledged().launched.push(id.clone());
            Ok(Some(id))
        }
        404 | 409 | 429 | 503 => Ok(None),
        _ => panic!("{}", answer.text()),
    }
}

fn cancel(scene: &Scene, job: &str, choices: &mut Choices) -> io::Result<()> {
    let target = format!("/v1/jobs/{job}");
    let wish = if choices.below(2) == 0 {
        request("DELETE", &target)
    } else {
        request("PATCH", &target).json(MERGE, &json!({ "canceled": true }))
    };
    let answer = wish.send(scene.address())?;
    match answer.status {
        202 => scene.acknowledged().canceled.push(job.to_owned()),
        200 | 204 | 503 => {}
        _ => panic!("{job}: {}", answer.text()),
    }
    Ok(())
}
