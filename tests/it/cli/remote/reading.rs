//! `get` and `jobs`.

use base64::Engine as _;
use serde_json::Value;

use super::Service;
use crate::cli::world::{World, end_of};
use crate::outward::relays::tls_peer;

#[test]
fn resources_and_jobs_are_tables_documents_or_names() {
    let service = Service::start();
    service.put("videos/42", r#"{"title":"Holiday","processing":{"operation":"say"}}"#);
    service.put("videos/7", "{}");
    service.put("dogs/rex", "{}");
    service.done(&["wait", "videos/42"]);
    assert_eq!(
        service.done(&["get", "videos"]),
        "ID  SETTLED  PHASE      UPDATED\n\
         42  yes      succeeded  TIME\n\
         7   yes      idle       TIME\n"
    );
    assert_eq!(
        service.done(&["get", "dogs/rex"]),
        "ID   SETTLED  PHASE                      UPDATED\n\
         rex  yes      barks: idle, tricks: idle  TIME\n",
        "a collection is found wherever it is mounted"
    );
    // The columns are as wide as the id of a job.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        words(&service.done(&["jobs"])),
        "ID RESOURCE ACTIVITY OPERATION PHASE CREATED ID videos/42 processing say succeeded TIME"
    );
    assert_eq!(service.done(&["get", "videos", "-o", "name"]), "videos/42\nvideos/7\n");
    assert_eq!(service.done(&["get", "jobs", "-o", "name"]), "jobs/ID\n");
    let shown: Value = serde_json::from_str(&service.done(&["get", "videos/42", "-o", "json"])).expect("JSON");
    assert_eq!((&shown["title"], &shown["status"]["settled"]), (&"Holiday".into(), &true.into()));
    let none: Value = serde_json::from_str(&service.done(&["get", "stones", "-o", "json"])).expect("JSON");
    assert_eq!(none, serde_json::json!({ "items": [] }));
    assert_eq!(service.done(&["get", "stones"]), "");
}

#[test]
fn a_list_is_read_to_its_end_or_as_far_as_is_asked_for() {
    let service = Service::start();
    for id in 0..501 {
        service.write(&format!("stones/{id:03}.json"), "{}");
    }
    assert_eq!(service.done(&["apply", "stones", "-o", "name"]).lines().count(), 501);
    let names = service.done(&["get", "stones", "-o", "name"]);
    assert_eq!((names.lines().count(), names.lines().last()), (501, Some("stones/500")), "more than a page");
    assert_eq!(service.done(&["get", "stones", "-o", "name", "--limit", "2"]), "stones/000\nstones/001\n");
    let all: Value = serde_json::from_str(&service.done(&["get", "stones", "-o", "json"])).expect("one document");
    assert_eq!(all["items"].as_array().map(Vec::len), Some(501));
}

#[test]
fn jobs_are_filtered_by_the_service() {
    let service = Service::start();
    service.put("videos/42", "{}");
    for operation in ["say", "fail"] {
        service.run(&["run", "videos/42", "--operation", operation, "--wait"]);
    }
    let count = |arguments: &[&str]| service.done(&[&["jobs", "-o", "name"], arguments].concat()).lines().count();
    for (arguments, expected) in [
        (&[][..], 2),
        (&["--phase", "failed"], 1),
        (&["--operation", "say"], 1),
        (&["--operation", "say", "--phase", "failed"], 0),
        (&["--collection", "videos", "--resource", "42"], 2),
        (&["--resource", "43"], 0),
        (&["--limit", "1"], 1),
    ] {
        assert_eq!(count(arguments), expected, "{arguments:?}");
    }
    let wrong = service.run(&["jobs", "--phase", "done"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("expected one of queued, starting"), "{wrong:?}");
}

#[test]
fn what_is_not_there_or_makes_no_sense_ends_with_2_and_says_why() {
    let service = Service::start();
    for (arguments, expected) in [
        (&["get", "vidoes"][..], "has no collection `vidoes`; did you mean `videos`?"),
        (&["get", "videos/42"], "404 Not Found"),
        (&["get", "jobs/7"], "`7` is not the id of a job"),
        (&["get", "videos/42/processing"], "expected `COLLECTION`, `COLLECTION/ID`, `jobs` or `jobs/ID`"),
        (&["get", "videos", "--limit", "0"], "expected a number from 1"),
        (&["get", "videos", "-o", "yaml"], "[possible values: table, json, name]"),
        (&["wait", "videos"], "expected `COLLECTION/ID` or `jobs/ID`"),
        (&["wait", "videos/42"], "videos/42 does not exist"),
        (&["delete", "videos/42"], "404 Not Found"),
        (&["run", "stones/1"], "resources in `stones` have no activities"),
        (&["run", "dogs/rex"], "`dogs/rex` has several activities: say `dogs/rex/barks` or `dogs/rex/tricks`"),
        (&["logs", "videos/42"], "videos/42/processing has no jobs"),
        (
            &["get", "videos", "--server", "localhost:7117"],
            "expected the URL of a service such as http://127.0.0.1:7117",
        ),
        (&["get", "videos", "--request-timeout", "soon"], "expected a duration such as 30s"),
    ] {
        let ended = service.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_and_is_never_said() {
    let service = Service::with(&format!(
        "[collections.videos]\n[[auth.tokens]]\nname = \"ui\"\nrole = \"reader\"\nsha256 = \"{}\"\n",
        "d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7"
    ));
    service.write("token", "open-sesame\n");
    let with = |arguments: &[&str], token: &str| {
        end_of(service.heeler(&[&["get", "videos"], arguments].concat()).env("HEELER_TOKEN", token))
    };
    for (arguments, token, code, expected) in [
        (&[][..], "open-sesame", 0, ""),
        (&["--token-file", "token"], "open-barley", 0, ""),
        (&[], "", 2, "401 Unauthorized"),
        (&[], "open-barley", 2, "401 Unauthorized"),
        (&["--token-file", "none"], "open-sesame", 2, "none cannot be read: No such file"),
        (&[], "open sesame", 2, "HEELER_TOKEN holds no token: expected visible characters"),
    ] {
        let ended = with(arguments, token);
        assert_eq!(ended.code, Some(code), "{arguments:?} {token}: {ended:?}");
        assert!(ended.stderr.contains(expected) && !ended.stderr.contains("sesame"), "{ended:?}");
    }
    let told = with(&["--token", "x"], "");
    assert!(told.stderr.contains("unexpected argument '--token'"), "a command line can be read by everybody: {told:?}");
}

#[test]
fn https_is_spoken_with_whom_the_machine_trusts_and_nobody_else() {
    let body = r#"{"collections":[{"name":"videos","href":"/v1/videos"}],"items":[{"id":"42"}]}"#;
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    let (address, authority) = tls_peer("localhost", answer);
    let world = World::with("");
    let encoded = base64::engine::general_purpose::STANDARD.encode(authority);
    let lines: Vec<_> = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    world.write("ours.pem", &format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")));
    let get = |host: &str| {
        let server = format!("https://{host}:{}", address.port());
        let mut command = world.heeler(&["get", "videos", "-o", "name", "--server", &server]);
        end_of(command.env("SSL_CERT_FILE", "ours.pem").env_remove("SSL_CERT_DIR"))
    };
    let trusted = get("localhost");
    assert_eq!((trusted.code, trusted.stdout.as_str()), (Some(0), "videos/42\n"), "{trusted:?}");
    let other = get("127.0.0.1");
    assert_eq!((other.code, other.stdout.as_str()), (Some(7), ""), "it is not who it should be");
    assert!(other.stderr.contains("cannot be reached: invalid peer certificate"), "{other:?}");
}

#[test]
fn nobody_there_ends_with_7_at_once() {
    let world = World::with("");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let ended = world.run(&["get", "videos", "--server", &format!("http://{free}"), "--request-timeout", "1h"]);
    let expected = format!("heeler: http://{free} cannot be reached: Connection refused (os error 111)\n");
    assert_eq!((ended.code, ended.stderr), (Some(7), expected));
}
