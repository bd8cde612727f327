//! What a stream says, on each of the places that have one.

use serde_json::{Value, json};

use super::{note, watch, world};
use crate::service::client::request;
use crate::watching::events::{Events, place};

/// Starts a job on a note and gives its URL.
fn launch(service: &crate::service::Service, id: &str, script: &str) -> String {
    let body = json!({ "operation": "work", "input": { "script": script } });
    service.launch(&format!("/v1/notes/{id}/processing"), &body)
}

#[test]
fn a_resource_is_told_as_it_is_and_then_each_change_until_it_is_gone_and_after_it_comes_back() {
    let (_world, service) = world();
    note(&service, "a", "one");
    note(&service, "b", "another");
    let mut stream = watch(&service, "/v1/notes/a");
    assert!(stream.head.contains("cache-control: no-store\r\n"), "{}", stream.head);
    let (present, sync) = stream.present();
    let shown = service.get("/v1/notes/a").json();
    assert_eq!(present.iter().map(|event| (&event.id, &event.data)).collect::<Vec<_>>(), [(&None, &shown)]);
    assert_eq!(sync.data["revision"], sync.place().0);
    note(&service, "b", "not this one");
    note(&service, "a", "two");
    let event = stream.event();
    assert_eq!((event.name.as_str(), &event.data["text"]), ("put", &json!("two")));
    assert!(event.place() > sync.place());
    assert_eq!(event.data, service.get("/v1/notes/a").json());
    service.ask(&request("DELETE", "/v1/notes/a"));
    let gone = stream.event();
    assert_eq!((gone.name.as_str(), &gone.data), ("delete", &json!({ "id": "a" })));
    note(&service, "a", "three");
    let back = stream.event();
    assert_eq!((back.name.as_str(), &back.data["text"]), ("put", &json!("three")));
    assert!(back.place() > gone.place());
    assert_eq!(service.ask(&request("GET", "/v1/notes/none").field("Accept", "text/event-stream")).status, 404);
}

#[test]
fn a_collection_is_told_page_by_page_and_goes_on_where_its_list_was_read() {
    let (_world, service) = world();
    for n in 0..250 {
        note(&service, &format!("n{n:03}"), "x");
    }
    let list = service.get("/v1/notes?limit=1000").json();
    let revision = list["revision"].as_u64().expect("the revision it was read at");
    let mut stream = watch(&service, "/v1/notes");
    let (present, _) = stream.present();
    let items: Vec<Value> = present.into_iter().map(|event| event.data).collect();
    assert_eq!(json!(items), list["items"]);

    note(&service, "n100", "y");
    service.ask(&request("DELETE", "/v1/notes/n007"));
    let told = |stream: &mut Events| -> Vec<(String, Value, Value)> {
        let events = [stream.event(), stream.event()];
        events.map(|event| (event.name, event.data["id"].clone(), event.data["text"].clone())).to_vec()
    };
    let expected = [("put".into(), json!("n100"), json!("y")), ("delete".into(), json!("n007"), json!(null))];
    assert_eq!(told(&mut stream), expected);

    // From the list on: what came since, and then the mark.
    let mut since = watch(&service, &format!("/v1/notes?after={revision}"));
    let missed = since.present().0;
    let missed: Vec<_> = missed.iter().map(|event| (event.name.as_str(), event.data["id"].clone())).collect();
    assert_eq!(missed, [("put", json!("n100")), ("delete", json!("n007"))]);

    let mut some = watch(&service, "/v1/notes?fields=id,text");
    assert_eq!(some.event().data, json!({ "id": "n000", "text": "x" }));
}

#[test]
fn a_job_is_told_until_its_end_and_all_jobs_as_far_as_they_pass() {
    let (world, service) = world();
    note(&service, "a", "one");
    let mut all = watch(&service, "/v1/jobs");
    let mut running = watch(&service, "/v1/jobs?phase=running");
    let mut others = watch(&service, "/v1/jobs?resource=other");
    for stream in [&mut all, &mut running, &mut others] {
        assert_eq!(stream.present().0, []);
    }
    let says = |fraction: &str| format!("echo '{{\"progress\":{{\"fraction\":{fraction}}}}}' >> $HEELER_EVENTS");
    let job = launch(&service, "a", &format!("{}; until [ -e go ]; do sleep 0.02; done", says("0.5")));
    let mut one = watch(&service, &job);
    one.until(|event| event.data["progress"]["fraction"] == json!(0.5));
    world.write("go", "");
    let end = one.until(|event| event.data["phase"] == "succeeded");
    assert_eq!(end.data, service.finished(&job));

    let id = end.data["id"].clone();
    let last = all.until(|event| event.data["phase"] == "succeeded");
    assert_eq!(last.data, end.data);
    let ran = running.until(|event| event.name == "put");
    assert_eq!((&ran.data["id"], &ran.data["phase"]), (&id, &json!("running")));
    assert_eq!(running.until(|event| event.name == "delete").data, json!({ "id": id }));
    note(&service, "other", "x");
    let other = launch(&service, "other", "true");
    assert_eq!(others.event().data["resource"]["id"], "other");
    service.finished(&other);
}

#[test]
fn who_was_cut_off_goes_on_strictly_after_what_came_last() {
    let (_world, service) = world();
    note(&service, "a", "one");
    let mut stream = watch(&service, "/v1/notes");
    stream.present();
    note(&service, "a", "two");
    stream.event();
    let last = stream.last.clone().expect("an id");
    drop(stream);
    note(&service, "b", "three");
    note(&service, "a", "four");
    let resume = |field: &str| Events::open(service.address, "/v1/notes?after=1-0", field);
    // Where it was lost says more than where it began.
    let mut stream = resume(&format!("Last-Event-ID: {last}\r\n"));
    let missed: Vec<_> = stream.present().0.into_iter().map(|event| event.data["text"].clone()).collect();
    assert_eq!(missed, ["three", "four"]);
    // A place that never was: what is known there is worth nothing.
    let mut stream = resume("Last-Event-ID: 4000000000-0\r\n");
    assert_eq!(stream.event().name, "reset");
    let present: Vec<_> = stream.present().0.into_iter().map(|event| event.data["text"].clone()).collect();
    assert_eq!(present, ["four", "three"]);
    // Some send it empty.
    assert_eq!(Events::open(service.address, "/v1/notes", "Last-Event-ID: \r\n").present().0.len(), 2);
    let bad = Events::try_open(service.address, "/v1/notes", "Last-Event-ID: yesterday\r\n");
    assert!(bad.head.starts_with("HTTP/1.1 400 "), "{}", bad.head);
}

#[test]
fn events_are_for_who_would_rather_have_them_and_a_page_of_another_origin_may() {
    let (_world, service) = world();
    note(&service, "a", "one");
    let ask = |accept: &str| service.ask(&request("GET", "/v1/notes/a").field("Accept", accept));
    for accept in ["text/event-stream, application/json", "*/*", "text/event-stream;q=0.5, application/json"] {
        assert_eq!(ask(accept).header("content-type"), Some("application/json"), "{accept}");
    }
    let refused = service.ask(&request("GET", "/v1/operations").field("Accept", "text/event-stream"));
    assert_eq!(refused.status, 406);
    let stream = Events::open(service.address, "/v1/notes/a", "Origin: https://app.example.com\r\n");
    assert!(stream.head.contains("access-control-allow-origin: https://app.example.com\r\n"), "{}", stream.head);
    // A preflight may ask for the header field that a resumed stream sends.
    let preflight = request("OPTIONS", "/v1/notes/a")
        .field("Origin", "https://app.example.com")
        .field("Access-Control-Request-Method", "GET")
        .field("Access-Control-Request-Headers", "last-event-id");
    let preflight = service.ask(&preflight);
    assert!(preflight.values("access-control-allow-headers").to_lowercase().contains("last-event-id"));
}

#[test]
fn a_stream_with_nothing_to_tell_says_that_it_is_still_there_and_how_far_that_holds() {
    let (_world, service) = world();
    note(&service, "a", "one");
    let mut stream = watch(&service, "/v1/notes/a");
    let sync = stream.present().1.place();
    note(&service, "b", "of no concern");
    stream.comment();
    let told = place(stream.last.as_deref().expect("an id"));
    assert!(told > sync, "{told:?} after {sync:?}");
    note(&service, "a", "two");
    let event = stream.event();
    assert_eq!(event.data["text"], "two");
    assert!(event.place() > told);
}
