//! The second seed: dogs that bark, and orders that are cancelled.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{ask, get, is_document, is_problem, rex, serve, world};
use crate::service::client::{JSON, JSON_PATCH, MERGE, request};
use crate::service::{Service, until};

#[test]
fn b1_a_new_verb_is_not_implemented_and_a_known_one_is_not_allowed() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    is_problem(&ask(&service, &request("ACTION", "/v1/dogs/1/"), 501), "not-implemented");
    let not_allowed = ask(&service, &request("TRACE", "/v1/dogs/1/"), 405);
    assert_eq!(not_allowed.header("allow"), Some("DELETE, GET, HEAD, OPTIONS, PATCH, PUT"));
}

#[test]
fn b2_an_action_posted_to_a_dog_is_told_what_to_do_instead() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let answer = ask(&service, &request("POST", "/v1/dogs/1/").json(JSON, &json!({ "action": "bark" })), 405);
    assert!(answer.header("allow").is_some_and(|allow| !allow.contains("POST")));
    let problem = is_problem(&answer, "method-not-allowed");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("PATCH")), "{problem}");
    assert_eq!(problem["_links"]["barks"]["href"], "/v1/dogs/1/barks", "{problem}");
}

#[test]
fn b3_a_synchronous_bark_is_done_in_the_answer_and_leaves_no_record() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    // The token is nobody's business while nobody has to say who they are.
    let post = || request("POST", "/v1/dogs/1/emails").field("Authorization", "Basic bWU6c2VjcmV0");
    let done = ask(&service, &post(), 200);
    assert_eq!(done.json(), json!({ "sent": 1 }));
    assert_eq!(world.text("outbox"), "to rex@example.com: woof\n");
    until("no record is left", || get(&service, "/v1/dogs/1/emails").json()["items"] == json!([]));
    ask(&service, &request("GET", "/v1/dogs/1/emails/last"), 404);

    let later = ask(&service, &post().field("Prefer", "respond-async"), 202);
    assert_eq!(later.header("preference-applied"), Some("respond-async"));
    assert!(later.header("location").is_some());

    ask(&service, &request("PUT", "/v1/dogs/2").json(JSON, &json!({ "name": "Fox", "email": "nowhere" })), 201);
    ask(&service, &request("POST", "/v1/dogs/2/emails"), 502);
}

/// A bark that goes on until it is stopped.
fn long_bark(service: &Service) -> String {
    let body = json!({ "input": { "pause": 30 } });
    let bark = ask(service, &request("POST", "/v1/dogs/1/barks").json(JSON, &body), 202);
    bark.header("location").expect("a Location").to_owned()
}

#[test]
fn b4_an_asynchronous_bark_has_a_place_of_its_own_where_it_can_be_stopped() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let bark = ask(&service, &request("POST", "/v1/dogs/1/barks"), 202);
    let location = bark.header("location").expect("a Location").to_owned();
    assert!(location.starts_with("/v1/dogs/1/barks/"), "{location}");
    let id = bark.json()["id"].as_str().expect("an id").to_owned();
    assert!(location.ends_with(&id));
    service.until("it is done", &location, |bark| bark["phase"] == "succeeded");
    ask(&service, &request("DELETE", &location), 204);
    assert_eq!(get(&service, &location).json()["phase"], "succeeded");

    let long = long_bark(&service);
    service.until("it runs", &long, |bark| bark["phase"] == "running");
    let stopping = service.ask(&request("DELETE", &long));
    assert!([202, 204].contains(&stopping.status), "{}", stopping.text());
    service.until("it is stopped", &long, |bark| bark["phase"] == "canceled");
    ask(&service, &request("DELETE", &long), 204);
    assert_eq!(get(&service, &long).json()["phase"], "canceled");
}

#[test]
fn b5_a_synchronous_bark_that_counts_leads_to_the_dog_which_shows_the_count() {
    let world = world();
    let service = serve(&world);
    let created = rex(&service);
    let see = ask(&service, &request("POST", "/v1/dogs/1/counted"), 303);
    assert_eq!(see.header("location"), Some("/v1/dogs/1"));
    let dog = get(&service, "/v1/dogs/1");
    assert_eq!(dog.json()["barkCount"], 1);
    assert_eq!(dog.json()["status"]["generation"], 1, "an effect counts no generation");
    ask(
        &service,
        &request("PATCH", "/v1/dogs/1").json(MERGE, &json!({ "name": "R." })).field("If-Match", created.etag()),
        200,
    );
    let write =
        request("PATCH", "/v1/dogs/1").json(JSON_PATCH, &json!([{ "op": "add", "path": "/barkCount", "value": 9 }]));
    is_problem(&ask(&service, &write.field("If-Match", "*"), 422), "read-only");
}

#[test]
fn b6_an_asynchronous_bark_leads_to_the_dog_once_it_is_done() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let body = json!({ "input": { "pause": 1 } });
    let bark = ask(&service, &request("POST", "/v1/dogs/1/counted-later").json(JSON, &body), 202);
    let location = bark.header("location").expect("a Location").to_owned();
    ask(&service, &request("GET", &location), 200);
    service.finished(&format!("/v1/jobs/{}", bark.json()["id"].as_str().expect("an id")));
    let done = ask(&service, &request("GET", &location), 303);
    assert_eq!(done.header("location"), Some("/v1/dogs/1"));
    assert_eq!(get(&service, "/v1/dogs/1").json()["barkCount"], 1);
}

#[test]
fn b7_a_bark_record_is_created_with_its_times() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let record = ask(&service, &request("POST", "/v1/dogs/1/records"), 201);
    let shown = get(&service, record.header("location").expect("a Location")).json();
    assert!(shown["created"].is_string() && shown["finished"].is_string(), "{shown}");
}

#[test]
fn b8_a_bark_record_is_created_in_the_background() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let record = ask(&service, &request("POST", "/v1/dogs/1/records").field("Prefer", "respond-async"), 202);
    let location = record.header("location").expect("a Location").to_owned();
    service.until("it is done", &location, |record| record["finished"].is_string());
}

#[test]
fn b9_a_bark_of_several_steps_shows_each_of_them() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let body = json!({ "input": { "pause": 1 } });
    let show = ask(&service, &request("POST", "/v1/dogs/1/performances").json(JSON, &body), 202);
    let location = show.header("location").expect("a Location").to_owned();
    for step in ["command", "notify"] {
        service.until(step, &location, |show| show["progress"]["message"] == step);
    }
    let done = service.until("it is done", &location, |show| show["phase"] == "succeeded");
    assert_eq!(done["result"]["notified"], true);
}

/// An order that is being fulfilled for as long as nobody stops it.
fn order(service: &Service) -> Value {
    let order = json!({ "item": "bone", "pause": 30, "canceled": false });
    ask(service, &request("PUT", "/order/123").json(JSON, &order), 201);
    service.until("it runs", "/order/123", |order| order["status"]["fulfilment"]["phase"] == "running")
}

#[test]
fn b10_an_order_is_cancelled_by_putting_it_cancelled_unless_a_rule_forbids() {
    let world = world();
    let service = serve(&world);
    let running = order(&service);
    let xml = request("PUT", "/order/123").body("text/xml", "<order><canceled>true</canceled></order>");
    let refused = ask(&service, &xml, 415);
    assert!(refused.header("accept").is_some_and(|types| types.contains("application/json")), "{refused:?}");
    let mut canceled = running;
    canceled["canceled"] = json!(true);
    let put = request("PUT", "/order/123").json(JSON, &canceled);
    let answer = ask(&service, &put, 200);
    assert_eq!(answer.json()["canceled"], true);
    service.until("it is stopped", "/order/123", |order| {
        order["status"]["fulfilment"]["last"]["phase"] == "canceled" && order["status"]["settled"] == true
    });

    let shipped = json!({ "item": "ball" });
    ask(&service, &request("PUT", "/order/124").json(JSON, &shipped).field("Prefer", "wait=20"), 201);
    assert_eq!(get(&service, "/order/124").json()["shipped"], true);
    let late = request("PUT", "/order/124").json(JSON, &json!({ "item": "ball", "canceled": true }));
    let problem = is_problem(&ask(&service, &late, 403), "rule");
    assert_eq!(problem["detail"], "a shipped order cannot be cancelled");
}

#[test]
fn b11_a_member_of_an_order_has_a_place_of_its_own() {
    let world = world();
    let service = serve(&world);
    order(&service);
    let answer = ask(&service, &request("POST", "/order/123/canceled").body(JSON, "true"), 200);
    assert_eq!(answer.json(), json!(true));
    // While its work is being stopped, the tag moves.
    service.until("it is stopped", "/order/123", |order| order["status"]["settled"] == true);
    let member = get(&service, "/order/123/canceled");
    assert_eq!((member.json(), member.etag()), (json!(true), get(&service, "/order/123").etag()));
    ask(&service, &request("PUT", "/order/123/canceled").body(JSON, "true").field("Prefer", "return=minimal"), 204);
    ask(&service, &request("DELETE", "/order/123/canceled"), 204);
    ask(&service, &request("GET", "/order/123/canceled"), 404);
    is_problem(&ask(&service, &request("PUT", "/order/123/shipped").body(JSON, "true"), 422), "read-only");
}

#[test]
fn b12_a_query_never_selects_an_action() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    order(&service);
    is_problem(&ask(&service, &request("POST", "/order/123?do=cancel"), 405), "method-not-allowed");
    for (method, target) in [
        ("PUT", "/order/123?do=cancel"),
        ("DELETE", "/order/123?do=cancel"),
        ("POST", "/v1/dogs/1/barks?action=bark"),
        ("GET", "/v1/dogs/1?action=bark"),
    ] {
        is_problem(&ask(&service, &request(method, target), 400), "bad-request");
    }
    assert_eq!(get(&service, "/v1/dogs/1/barks").json()["items"], json!([]));
}

#[test]
fn b13_a_dog_shows_that_it_barks_while_it_does() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    assert_eq!(get(&service, "/v1/dogs/1").json()["barking"], false);
    let bark = long_bark(&service);
    service.until("it barks", "/v1/dogs/1", |dog| dog["barking"] == true);
    service.ask(&request("DELETE", &bark));
    service.until("it is quiet", "/v1/dogs/1", |dog| dog["barking"] == false);
}

#[test]
fn b14_what_is_deleted_twice_is_gone_the_second_time() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    ask(&service, &request("DELETE", "/v1/dogs/1").field("If-Match", "*"), 204);
    ask(&service, &request("DELETE", "/v1/dogs/1").field("If-Match", "*"), 404);
}

#[test]
fn b15_two_posts_make_two_barks_and_one_with_a_key() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let post = || request("POST", "/v1/dogs/1/barks");
    ask(&service, &post(), 202);
    ask(&service, &post(), 202);
    let first = ask(&service, &post().field("Idempotency-Key", "\"woof-1\""), 202);
    let again = ask(&service, &post().field("Idempotency-Key", "\"woof-1\""), 202);
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(get(&service, "/v1/dogs/1/barks").json()["items"].as_array().map(Vec::len), Some(3));
}

#[test]
fn b16_a_client_finds_its_way_from_the_home_page_to_a_statement() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let home = get(&service, "/");
    assert!(home.values("link").contains("rel="), "{home:?}");
    let home = home.json();
    let collections = home["collections"].as_array().expect("collections");
    let dogs = collections.iter().find(|collection| collection["name"] == "dogs").expect("the dogs");
    let list = get(&service, dogs["href"].as_str().expect("a place")).json();
    let at = list["items"][0]["_links"]["self"]["href"].as_str().expect("a place").to_owned();
    let dog = get(&service, &at);
    is_document(&dog);
    let links = dog.json()["_links"].clone();
    let described = get(&service, links["describedby"]["href"].as_str().expect("a schema")).json();
    assert!(described["properties"]["name"].is_object(), "{described}");
    let options = ask(&service, &request("OPTIONS", &at), 204);
    assert!(options.header("accept-patch").is_some() && options.header("allow").is_some());
    let run = links["run-now"].as_array().expect("one for each activity").clone();
    let bark = run.iter().find(|link| link["name"] == "barks").expect("it can bark now");
    assert_eq!(bark["method"], "POST");
    assert!(links["cancel"].is_null(), "nothing to cancel: {links}");
    ask(
        &service,
        &request("POST", bark["href"].as_str().expect("a place")).json(JSON, &json!({ "input": { "pause": 30 } })),
        202,
    );
    let busy = service.until("it barks", &at, |dog| !dog["_links"]["cancel"].is_null());
    let cancel = busy["_links"]["cancel"][0].clone();
    let stopped =
        service.ask(&request(cancel["method"].as_str().expect("a method"), cancel["href"].as_str().expect("a place")));
    assert!([202, 204].contains(&stopped.status));
}

#[test]
fn b17_an_english_statement_is_not_taken() {
    let world = world();
    let service = serve(&world);
    let tag = rex(&service).etag().to_owned();
    let statement = request("PATCH", "/v1/dogs/1")
        .body("text/plain", "bark once please")
        .field("Content-Language", "en")
        .field("If-Match", &tag);
    let refused = ask(&service, &statement, 415);
    assert!(refused.header("accept-patch").is_some());
    assert_eq!(refused.header("content-language"), None);
}

#[test]
fn b21_nothing_names_the_machinery_behind() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    ask(&service, &request("POST", "/v1/dogs/1/records"), 201);
    for target in ["/v1/dogs/1", "/v1/dogs/1/records", "/", "/v1/operations"] {
        let shown = get(&service, target).text().to_ascii_lowercase();
        for word in ["redb", "tokio", "cron", "warp", "bark.sh"] {
            assert!(!shown.contains(word), "{target} names {word}");
        }
    }
}

/// Sends bytes as they are, and reads all that comes back.
fn raw(service: &Service, bytes: &str) -> String {
    let mut stream = TcpStream::connect(service.address).expect("it listens");
    stream.write_all(bytes.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn b22_a_remote_procedure_call_finds_nothing_and_http_1_0_is_answered_as_it_asks() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    let call = |target: &str| {
        let body = "<?xml version=\"1.0\"?><methodCall><methodName>bark</methodName></methodCall>";
        raw(
            &service,
            &format!(
                "POST {target} HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
    };
    let nothing = call("/RPC2");
    assert!(nothing.starts_with("HTTP/1.0 404 ") || nothing.starts_with("HTTP/1.1 404 "), "{nothing}");
    assert!(!nothing.to_ascii_lowercase().contains("transfer-encoding"), "{nothing}");
    assert!(call("/v1/dogs/1/barks").contains(" 415 "));
}

#[test]
fn b24_the_last_bark_is_a_place_of_its_own() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    ask(&service, &request("GET", "/v1/dogs/1/bark"), 404);
    let bark = ask(&service, &request("POST", "/v1/dogs/1/bark"), 202);
    let last = get(&service, "/v1/dogs/1/bark").json();
    assert_eq!(last["id"], bark.json()["id"]);
    assert!(last["created"].is_string());
    let refused = ask(&service, &request("DELETE", "/v1/dogs/1/bark"), 405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
}

#[test]
fn b25_a_query_is_a_view_and_nothing_else() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    ask(&service, &request("POST", "/v1/dogs/1/records"), 201);
    let of = |target: &str| get(&service, target).json()["items"].as_array().map(Vec::len);
    assert_eq!(of("/v1/jobs?operation=record&phase=succeeded"), Some(1));
    assert_eq!(of("/v1/jobs?operation=record&phase=running"), Some(0));
    let view = get(&service, "/v1/dogs/1?fields=name");
    assert_eq!(view.json(), json!({ "id": "1", "name": "Rex" }));
    assert_eq!(view.etag(), get(&service, "/v1/dogs/1").etag());
    for target in ["/v1/dogs?q=rex", "/v1/dogs?page=10", "/v1/dogs?lang=en"] {
        is_problem(&ask(&service, &request("GET", target), 400), "bad-request");
    }
    ask(&service, &request("GET", "/search?q=dogs"), 404);
}

#[test]
fn b26_reading_ten_times_is_reading_once() {
    let world = world();
    let service = serve(&world);
    rex(&service);
    ask(&service, &request("POST", "/v1/dogs/1/records"), 201);
    for target in
        ["/", "/v1/dogs", "/v1/dogs/1", "/v1/dogs/1/records", "/v1/dogs/1/records/last", "/v1/jobs", "/v1/operations"]
    {
        let first = get(&service, target);
        for _ in 0..10 {
            assert_eq!(get(&service, target).body, first.body, "{target}");
        }
        let head = ask(&service, &request("HEAD", target), 200);
        assert!(head.body.is_empty());
        assert_eq!(head.header("etag"), first.header("etag"), "{target}");
        assert_eq!(head.header("content-length"), first.header("content-length"), "{target}");
    }
}
