//! Who asks, and other origins.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{CONFIGURATION, SCRIPT_SCHEMA, VIDEO_SCHEMA, asked, hold};
use crate::service::World;
use crate::service::client::{Answer, Request};

const READER: &str = "Authorization: Bearer i-look";
const WRITER: &str = "Authorization: Bearer i-write";
const WORKER: &str = "Authorization: Bearer i-work";
const ADMIN: &str = "Authorization: Bearer i-rule";
/// `anybody:i-write`
const BASIC: &str = "Authorization: Basic YW55Ym9keTppLXdyaXRl";
const APP: &str = "Origin: https://app.example.com";
const EVIL: &str = "Origin: https://evil.example";

fn world() -> World {
    let tokens = [
        ("board", "reader", "i-look"),
        ("ui", "writer", "i-write"),
        ("w1", "worker", "i-work"),
        ("ops", "admin", "i-rule"),
    ];
    let tokens = tokens.map(|(name, role, token)| {
        let sha256: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[[auth.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\"\n")
    });
    let cors = "[server.cors]\norigins = [\"https://app.example.com\"]\n";
    let world = World::new(&format!("{cors}{}{CONFIGURATION}", tokens.concat()));
    world.write("script.json", SCRIPT_SCHEMA);
    world.write("video.json", VIDEO_SCHEMA);
    world
}

#[test]
fn who_asks_is_known_by_a_token_and_may_what_their_role_lets_them() {
    let world = world();
    let mut command = world.command();
    // All that there is to log.
    command.env("HEELER_LOG", "trace");
    let service = world.start_by(command);
    let merge = "Content-Type: application/merge-patch+json";
    hold(
        &service,
        &[
            ("none: 401", "GET /v1/notes", &[], "", 401, "unauthorized"),
            ("a wrong one: 401", "GET /v1/notes", &["Authorization: Bearer woof"], "", 401, "unauthorized"),
            ("no way to show one", "GET /v1/notes", &["Authorization: i-look"], "", 401, "unauthorized"),
            ("Bearer", "GET /v1/notes", &[READER], "", 200, ""),
            ("Basic with the token as the password", "PUT /v1/notes/42", &[BASIC], "{}", 201, ""),
            ("alive needs no token", "GET /healthz", &[], "", 200, ""),
            ("ready needs no token", "GET /readyz", &[], "", 200, ""),
            ("a role that may not: 403", "PUT /v1/notes/42", &[READER], "{}", 403, "forbidden"),
            ("a role that may not: 403", "PATCH /v1/notes/42", &[WORKER, merge], "{}", 403, "forbidden"),
            ("a role that may not: 403", "DELETE /v1/notes/42", &[READER], "", 403, "forbidden"),
            ("a role that may not: 403", "POST /v1/notes", &[READER], "{}", 403, "forbidden"),
            ("a role that may not: 403", "POST /v1/notes/42/processing", &[WORKER], "", 403, "forbidden"),
            ("a reader looks", "GET /v1/notes/42", &[READER], "", 200, ""),
            ("a worker looks", "GET /v1/jobs", &[WORKER], "", 200, ""),
            ("a writer changes", "PATCH /v1/notes/42", &[WRITER, merge], "{\"a\":1}", 200, ""),
            ("an admin does everything", "PUT /v1/notes/42", &[ADMIN], "{}", 200, ""),
            ("first the route", "GET /v1/none", &[], "", 404, "not-found"),
            ("first the route", "PUT /v1/jobs", &[], "{}", 405, "method-not-allowed"),
            ("then authentication", "PUT /v1/notes/42?x=1", &["Content-Type: text/x"], "?", 401, "unauthorized"),
            ("before the size", "PUT /v1/notes/42", &[READER], &"x".repeat(2_000_000), 403, "forbidden"),
            ("before existence", "GET /v1/notes/none", &[], "", 401, "unauthorized"),
        ],
    );
    let refused = service.get("/v1/notes");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"heeler\", Basic realm=\"heeler\""));
    service.terminate();
    let log = world.text("service.log");
    assert!(log.contains("answered"), "{log}");
    for token in ["i-look", "i-write", "i-work", "i-rule", "YW55Ym9keTppLXdyaXRl"] {
        assert!(!log.contains(token), "{log}");
    }
}

#[test]
fn a_change_is_the_very_same_one_only_of_the_same_principal() {
    let world = world();
    let service = world.start();
    let put = service.ask(&asked("PUT /v1/videos/42", &[WRITER], "{\"title\":\"a\"}"));
    let tag = format!("If-Match: {}", put.etag());
    let again = |who: &str| asked("PUT /v1/videos/42", &[who, &tag], "{\"title\":\"b\"}");
    assert_eq!(service.ask(&again(WRITER)).status, 200);
    for (who, applied) in [(WRITER, json!(true)), (BASIC, json!(true)), (ADMIN, json!(null))] {
        let retried = service.ask(&again(who));
        assert_eq!((retried.status, &retried.json()["alreadyApplied"]), (412, &applied), "{who}");
    }
}

#[test]
fn pages_of_listed_origins_may_ask_and_read_and_no_others() {
    let world = world();
    let service = world.start();
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    let names = |answer: &Answer, field: &str| -> Vec<String> {
        answer.header(field).unwrap_or_default().split(", ").map(str::to_ascii_lowercase).collect()
    };
    let preflight = |target: &str, origin: &str, method: &str| -> Request {
        let method = format!("Access-Control-Request-Method: {method}");
        asked(&format!("OPTIONS {target}"), &[origin, &method, "Access-Control-Request-Headers: if-match"], "")
    };
    for (target, method) in [
        ("/v1/notes/42", "PATCH"),
        ("/v1/notes/42", "PUT"),
        ("/v1/notes/42?dryRun=true", "DELETE"),
        ("/v1/notes?limit=10", "GET"),
        ("/v1/notes/42/processing", "POST"),
    ] {
        let answer = service.ask(&preflight(target, APP, method));
        assert_eq!((answer.status, allowed(&answer).as_deref()), (204, Some("https://app.example.com")), "{target}");
        assert!(names(&answer, "access-control-allow-methods").contains(&method.to_ascii_lowercase()), "{target}");
        let sent = names(&answer, "access-control-allow-headers");
        for field in ["if-match", "if-none-match", "if-unmodified-since", "idempotency-key", "prefer", "last-event-id"]
            .into_iter()
            .chain(["authorization", "content-type"])
        {
            assert!(sent.contains(&field.to_owned()), "{field}");
        }
        assert_eq!(allowed(&service.ask(&preflight(target, EVIL, method))), None, "{target}");
    }
    let tag = "If-None-Match: *";
    for (line, fields, body, status) in [
        ("PUT /v1/notes/42", &[APP, WRITER][..], "{}", 201),
        ("GET /v1/notes/42", &[APP, WRITER], "", 200),
        ("GET /v1/notes/42", &[APP, WRITER, tag], "", 304),
        ("PUT /v1/notes/42", &[APP, WRITER, tag], "{}", 412),
        ("GET /v1/notes/42", &[APP], "", 401),
        ("PUT /v1/notes/42", &[APP, READER], "{}", 403),
        ("GET /v1/notes/none", &[APP, WRITER], "", 404),
        ("PUT /v1/notes/42", &[APP, WRITER, "Content-Type: text/x"], "?", 415),
    ] {
        let answer = service.ask(&asked(line, fields, body));
        assert_eq!(answer.status, status, "{line} {fields:?}: {}", answer.text());
        assert_eq!(allowed(&answer).as_deref(), Some("https://app.example.com"), "{line} {fields:?}");
        let exposed = names(&answer, "access-control-expose-headers");
        for field in ["etag", "location", "link", "last-modified", "preference-applied", "retry-after"]
            .into_iter()
            .chain(["idempotent-replayed", "allow", "accept-patch"])
        {
            assert!(exposed.contains(&field.to_owned()), "{line}: {field}");
        }
        assert!(names(&answer, "vary").contains(&"origin".to_owned()), "{line}");
    }
    for (line, fields, body, status) in [
        ("PUT /v1/notes/42", &[EVIL, WRITER][..], "{}", 403),
        ("PUT /v1/notes/42", &["Sec-Fetch-Site: cross-site", WRITER], "{}", 403),
        ("PUT /v1/notes/42", &["Origin: null", WRITER], "{}", 403),
        ("GET /v1/notes/42", &[EVIL, WRITER], "", 200),
    ] {
        let answer = service.ask(&asked(line, fields, body));
        assert_eq!((answer.status, allowed(&answer)), (status, None), "{line} {fields:?}");
        assert!(names(&answer, "vary").contains(&"origin".to_owned()), "a cache must know: {line}");
    }
}

#[test]
fn the_tag_of_a_compressed_body_is_strong_and_its_own() {
    let world = super::world();
    let service = world.start();
    let text = json!({ "text": "woof ".repeat(1000) });
    let plain = service.put("/v1/notes/42", &text);
    let zipped = service.ask(&asked("GET /v1/notes/42", &["Accept-Encoding: gzip"], ""));
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert_eq!(zipped.etag(), format!("{}-gz\"", plain.etag().trim_end_matches('"')));
    assert!(zipped.body.len() * 5 < plain.body.len(), "{} bytes", zipped.body.len());
    for answer in [&plain, &zipped] {
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("Accept-Encoding")));
    }
    let known = format!("If-None-Match: {}", zipped.etag());
    for (accepted, status) in [("Accept-Encoding: gzip", 304), ("Accept-Encoding: gzip;q=0", 200)] {
        let answer = service.ask(&asked("GET /v1/notes/42", &[accepted, &known], ""));
        assert_eq!(answer.status, status, "{accepted}");
    }
    // A save names what was read, also as a compressing proxy makes it.
    let read = format!("If-Match: W/{}", zipped.etag());
    for (body, status) in [("{\"n\":1}", 200), ("{\"n\":2}", 412)] {
        assert_eq!(service.ask(&asked("PATCH /v1/notes/42", &[&read], body)).status, status, "{body}");
    }
}
