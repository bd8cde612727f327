//! The second seed, where it barks by the clock.

use serde_json::{Value, json};

use super::{ask, get, is_problem, rex, serve, world};
use crate::service::client::{JSON, request};
use crate::service::{Service, until};

/// A dog that is told to bark from now on, every so many minutes.
fn barking(service: &Service, frequency: u32) -> Value {
    let body = json!({ "barks": { "next": 0, "frequency": frequency } });
    ask(service, &request("PATCH", "/v1/dogs/1/").json(JSON, &body).field("If-Match", "*"), 200);
    dog(service, "it has barked", |dog| dog["status"]["settled"] == true && dog["barks"]["previous"][0].is_string())
}

fn dog(service: &Service, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    service.until(what, "/v1/dogs/1", is)
}

/// Milliseconds between two instants on the wire.
fn between(from: &Value, to: &Value) -> i64 {
    let millis = |at: &Value| {
        let at: heeler::domain::time::Timestamp = at.as_str().expect("an instant").parse().expect("an instant");
        at.as_millis()
    };
    millis(to) - millis(from)
}

#[test]
fn b18_a_patch_makes_the_dog_bark_now_and_again_and_again() {
    let world = world();
    let service = serve(&world);
    let created = rex(&service);
    let first = created.header("last-modified").expect("a date").to_owned();
    let body = json!({ "barks": { "next": 0, "frequency": 10 } });
    let array = request("PATCH", "/v1/dogs/1/").json(JSON, &json!([body])).field("If-Unmodified-Since", &first);
    assert_eq!(service.ask(&array).status, 415, "an array is never applied under this type");

    // A date holds from the second after it on, so that no update is lost.
    until("the second is over", || get(&service, "/v1/dogs/1").header("date") != Some(&first));
    let date = get(&service, "/v1/dogs/1").header("date").expect("a date").to_owned();
    let patch = request("PATCH", "/v1/dogs/1/").json(JSON, &body).field("If-Unmodified-Since", &date);
    let patched = ask(&service, &patch.clone().field("Prefer", "return=minimal"), 205);
    assert!(patched.body.is_empty(), "{patched:?}");
    let barked = dog(&service, "it has barked", |dog| dog["barkCount"] == 1);
    assert_eq!(barked["barks"]["frequency"], 10);
    let previous = barked["barks"]["previous"].as_array().expect("a list");
    assert_eq!(previous.len(), 1, "{barked}");
    assert_eq!(between(&previous[0], &barked["barks"]["next"]), 600_000);
    let received = between(&barked["status"]["updated"], &previous[0]);
    assert_eq!(received, 0, "`next: 0` is when it was received");
    let job = get(&service, "/v1/dogs/1/barks/last").json();
    assert_eq!((&job["trigger"]["kind"], &job["trigger"]["scheduledFor"]), (&json!("schedule"), &previous[0]));

    let again = ask(&service, &patch, 412);
    assert_eq!(again.json()["alreadyApplied"], true);
    let other = json!({ "barks": { "next": 0, "frequency": 5 } });
    ask(&service, &request("PATCH", "/v1/dogs/1").json(JSON, &other).field("If-Unmodified-Since", &first), 412);
    assert_eq!(get(&service, "/v1/dogs/1").json()["barkCount"], 1);
}

#[test]
fn b18_a_schedule_that_cannot_be_kept_is_refused_where_it_is_made() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    for (barks, about) in
        [(json!({ "next": 0, "frequency": 0 }), "1s"), (json!({ "next": "soon", "frequency": 10 }), "instant")]
    {
        let patch = request("PATCH", "/v1/dogs/1").json(JSON, &json!({ "barks": barks })).field("If-Match", "*");
        let problem = is_problem(&ask(&service, &patch, 422), "invalid");
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], "/barks", "{problem}");
        assert!(error["detail"].as_str().is_some_and(|detail| detail.contains(about)), "{problem}");
    }
    assert!(get(&service, "/v1/dogs/1").json().get("barks").is_none());
}

#[test]
fn b19_the_dog_shows_its_barks_and_what_is_sent_back_changes_nothing() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let shown = barking(&service, 10);
    let barks = &shown["barks"];
    assert_eq!(barks.as_object().map(|barks| barks.len()), Some(3), "{barks}");
    assert_eq!(barks["next"], shown["status"]["barks"]["next"]);
    assert_eq!(shown["status"]["barks"]["upcoming"].as_array().map(Vec::len), Some(5));

    let same = |answer: &Value| {
        assert_eq!((&answer["barks"], &answer["status"]["generation"]), (barks, &shown["status"]["generation"]));
    };
    let put = |body: &Value| request("PUT", "/v1/dogs/1").json(JSON, body).field("If-Match", "*");
    same(&ask(&service, &put(&shown), 200).json());
    // One tick later the one that was read before is still an echo.
    let mut stale = shown.clone();
    stale["barks"]["next"] = barks["previous"][0].clone();
    same(&ask(&service, &put(&stale), 200).json());
    stale["barks"]["next"] = shown["status"]["barks"]["upcoming"][3].clone();
    same(&ask(&service, &put(&stale), 200).json());
    let patch = json!({ "barks": { "next": barks["next"], "frequency": 10 } });
    same(&ask(&service, &request("PATCH", "/v1/dogs/1").json(JSON, &patch).field("If-Match", "*"), 200).json());

    // Any other instant is what the client wants now.
    let wish = json!({ "barks": { "next": "2099-01-01T00:00:00Z" } });
    ask(&service, &request("PATCH", "/v1/dogs/1").json(JSON, &wish).field("If-Match", "*"), 200);
    let moved = get(&service, "/v1/dogs/1").json();
    assert_eq!(moved["barks"]["next"], "2099-01-01T00:00:00.000Z");
    assert_eq!(moved["barks"]["previous"], barks["previous"], "what was is still so");
}

#[test]
fn b19_next_zero_restarts_the_dog_however_often_it_is_patched() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    barking(&service, 10);
    let patch = || request("PATCH", "/v1/dogs/1").json(JSON, &json!({ "barks": { "next": 0 } })).field("If-Match", "*");
    ask(&service, &patch(), 200);
    let again = dog(&service, "it barks again", |dog| dog["barkCount"] == 2);
    let previous = &again["barks"]["previous"];
    assert!(between(&previous[0], &previous[1]) > 0, "{previous}");
    assert_eq!(between(&previous[1], &again["barks"]["next"]), 600_000, "and counts from there");
}

#[test]
fn b20_it_barks_every_ten_minutes_from_the_change_on_and_without_an_end() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let shown = barking(&service, 10);
    let upcoming = shown["status"]["barks"]["upcoming"].as_array().expect("a list");
    let mut last = &shown["status"]["updated"];
    for tick in upcoming {
        assert_eq!(between(last, tick), 600_000, "{upcoming:?}");
        last = tick;
    }
    // Without `next` there is no schedule, and nothing barks.
    let silent = json!({ "barks": { "next": null } });
    ask(&service, &request("PATCH", "/v1/dogs/1").json(JSON, &silent).field("If-Match", "*"), 200);
    let silent = get(&service, "/v1/dogs/1").json();
    assert_eq!(silent["status"]["barks"]["upcoming"], json!([]), "{silent}");
}

#[test]
fn b23_a_document_that_is_put_twice_has_one_effect() {
    let world = world();
    let service = serve(&world);
    let body = json!({ "name": "Rex", "email": "rex@example.com", "barks": { "next": 0, "frequency": 10 } });
    let create = request("PUT", "/v1/dogs/1").json(JSON, &body).field("If-None-Match", "*");
    ask(&service, &create, 201);
    assert_eq!(ask(&service, &create, 412).json()["alreadyApplied"], true);
    let barked = dog(&service, "it has barked", |dog| dog["barkCount"] == 1);
    let again = ask(&service, &request("PUT", "/v1/dogs/1").json(JSON, &body).field("If-Match", "*"), 200).json();
    assert_eq!((&again["barks"], &again["status"]["generation"]), (&barked["barks"], &json!(1)));
    assert_eq!(get(&service, "/v1/dogs/1/barks").json()["items"].as_array().map(Vec::len), Some(1));
}
