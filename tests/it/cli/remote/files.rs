//! `diff` and `apply`.

use serde_json::Value;

use super::peer::{Peer, reply};
use super::{Service, masked};
use crate::cli::world::{World, end_of};

#[test]
fn the_plan_is_shown_the_change_is_made_and_the_same_again_changes_nothing() {
    let service = Service::start();
    service
        .write("all/videos/42.json", r#"{"title":"Holiday","processing":{"operation":"nap","input":{"seconds":600}}}"#);
    service.write("all/dogs/rex.json", r#"{"name":"Rex"}"#);
    let plan = "dogs/rex is new\n  \
        + /name: \"Rex\"\n\
        videos/42 is new\n  \
        + /title: \"Holiday\"\n  \
        + /processing: {\"operation\":\"nap\",\"input\":{\"seconds\":600}}\n  \
        launches nap for processing, with {\"seconds\":600}\n";
    let diff = service.run(&["diff", "all"]);
    assert_eq!((diff.code, diff.stdout.as_str(), diff.stderr.as_str()), (Some(1), plan, ""));
    assert_eq!(service.done(&["apply", "all", "--dry-run"]), plan);
    assert_eq!(service.done(&["get", "videos"]), "", "nothing was changed");

    let applied = service.run(&["apply", "all"]);
    assert_eq!((applied.code, applied.stderr.as_str()), (Some(0), plan));
    assert_eq!(applied.stdout, "dogs/rex created\nvideos/42 created\n");
    let again = service.run(&["apply", "all"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
    assert_eq!(again.stdout, "dogs/rex unchanged\nvideos/42 unchanged\n");
    assert_eq!(service.done(&["diff", "all"]), "");

    service.write("copy.json", &service.run(&["get", "dogs/rex", "-o", "json"]).stdout);
    let copied = service.done(&["apply", "--as", "dogs/rex", "copy.json"]);
    assert_eq!(copied, "dogs/rex unchanged\n", "what was read can be sent back");

    // A member that is taken out of the file is taken out of the document, and what ran for it is cancelled.
    service.write("all/videos/42.json", r#"{"title":"Trip","tags":[1]}"#);
    let diff = masked(&service.run(&["diff", "all"]).stdout);
    assert_eq!(
        diff,
        "videos/42 differs\n  \
         ~ /title: \"Holiday\" -> \"Trip\"\n  \
         - /processing: {\"operation\":\"nap\",\"input\":{\"seconds\":600}}\n  \
         + /tags: [1]\n  \
         cancels jobs/ID of processing\n"
    );
    assert_eq!(service.done(&["diff", "--as", "dogs/rex", "all/dogs/rex.json"]), "");
    let applied = service.run(&["apply", "all", "-o", "json"]);
    let lines: Vec<Value> = applied.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&lines[0]["outcome"], &lines[1]["outcome"]), (&"unchanged".into(), &"changed".into()), "{lines:?}");
    assert_eq!(lines[1]["plan"]["cancel"][0]["activity"], "processing");
}

#[test]
fn a_merge_leaves_alone_what_it_does_not_name() {
    let service = Service::start();
    service.put("videos/42", r#"{"title":"Holiday","by":"Ada","year":1}"#);
    let merge = |name: &str, text: &str| {
        let ended = service.run_with(&["apply", "--merge", "--as", name, "-"], text);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    };
    assert_eq!(merge("videos/42", r#"{"year":null,"title":"Trip"}"#), "videos/42 changed\n");
    assert_eq!(merge("videos/42", r#"{"year":null,"title":"Trip"}"#), "videos/42 unchanged\n");
    assert_eq!(merge("videos/43", r#"{"year":null,"by":{"name":"Ada","born":null}}"#), "videos/43 created\n");
    for (name, expected) in [("videos/42", r#"{"title":"Trip","by":"Ada"}"#), ("videos/43", r#"{"by":{"name":"Ada"}}"#)]
    {
        let same = service.run_with(&["diff", "--as", name, "-"], expected);
        assert_eq!((same.code, same.stdout.as_str()), (Some(0), ""), "{name}");
    }
}

#[test]
fn where_one_file_is_refused_none_is_applied_and_all_mistakes_are_named() {
    let service = Service::start();
    service.write("videos/1.json", r#"{"title":"right"}"#);
    service.write("videos/2.json", r#"{"title":2}"#);
    service.write("videos/3.json", r#"{"title":3}"#);
    let refused = service.run(&["apply", "videos"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
    for id in [2, 3] {
        let said = format!("heeler: videos/{id}: PUT /v1/videos/{id}?dryRun=true was answered with 422");
        assert!(refused.stderr.contains(&said), "{refused:?}");
    }
    assert!(refused.stderr.contains("\n  /title: expected string, found number\n"), "{refused:?}");
    assert_eq!(service.done(&["get", "videos"]), "");

    service.write("videos/2.json", "{\n  \"title\": \"a\",\n  \"title\": \"b\"\n}");
    service.write("videos/3.json", "[]");
    let refused = service.run(&["diff", "videos"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("videos/2.json:3:9: the member `/title` occurs twice"), "{refused:?}");
    assert!(refused.stderr.contains("videos/3.json:1:1: expected a JSON object, found an array"), "{refused:?}");
    for (arguments, expected) in [
        (&["apply", "-"][..], "`-` has no name: say with `--as COLLECTION/ID` which resource it is"),
        (&["apply", "--as", "videos/1", "videos"], "are about one file: there are 3"),
        (&["apply", "videos/none.json"], "videos/none.json cannot be read: No such file"),
        (&["apply", "--if-match", "\"", "videos/1.json"], "expected a tag such as \"8.97\""),
    ] {
        let ended = service.run(arguments);
        assert!(ended.code == Some(2) && ended.stderr.contains(expected), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn it_waits_until_all_is_settled_and_the_exit_code_says_how() {
    let service = Service::start();
    for (id, activity, code, said) in [
        ("none", r#"{}"#, 0, "videos/none idle\n"),
        ("say", r#"{"processing":{"operation":"say"}}"#, 0, "videos/say succeeded\n"),
        (
            "fail",
            r#"{"processing":{"operation":"fail"}}"#,
            1,
            "heeler: videos/fail: processing failed: exited with code 3; its output ends with `no`\n",
        ),
        (
            "nap",
            r#"{"processing":{"operation":"nap","input":{"seconds":600}}}"#,
            6,
            "heeler: videos/nap: time is up: JobRunning: a job runs\n",
        ),
    ] {
        service.write(&format!("videos/{id}.json"), activity);
        let timeout = if code == 6 { "--wait=1500ms" } else { "--wait" };
        for outcome in ["created", "unchanged"] {
            let ended = service.run(&["apply", &format!("videos/{id}.json"), timeout]);
            assert_eq!(ended.code, Some(code), "{id}: {ended:?}");
            assert_eq!(ended.stdout, format!("videos/{id} {outcome}\n"));
            assert!(ended.stderr.ends_with(said), "{id}: {ended:?}");
        }
    }
}

#[test]
fn a_plan_is_applied_to_the_version_that_it_was_made_for_or_not_at_all() {
    let service = Service::start();
    service.put("videos/42", r#"{"title":"a"}"#);
    service.write("42.json", r#"{"title":"mine"}"#);
    let diff = service.run(&["diff", "--as", "videos/42", "42.json", "-o", "json"]);
    let plan: Value = serde_json::from_str(&diff.stdout).expect("JSON");
    let tag = plan["ifMatch"].as_str().expect("a tag").to_owned();
    service.put("videos/42", r#"{"title":"theirs"}"#);
    let arguments = ["apply", "--as", "videos/42", "42.json", "--if-match", &tag];
    let late = service.run(&arguments);
    assert_eq!((late.code, late.stdout.as_str()), (Some(5), ""), "{late:?}");
    assert!(late.stderr.starts_with("heeler: videos/42: conflict, nothing was changed: "), "{late:?}");
    assert!(service.done(&["get", "videos/42", "-o", "json"]).contains("\"theirs\""));
    service.put("videos/42", r#"{"title":"a"}"#);
    assert_eq!(service.run(&arguments).code, Some(5), "a version does not come back");
}

/// A service with one video, whose title is the second one once the change itself was refused.
fn moving(problem: Value, after: Value) -> Peer {
    let mut refused = false;
    Peer::start(move |asked, stream| match asked.line() {
        "GET /v1/videos/42" if refused && after.is_null() => reply(stream, "404 Not Found", &Value::Null),
        "GET /v1/videos/42" if refused => reply(stream, "200 OK", &after),
        "GET /v1/videos/42" => reply(stream, "200 OK", &serde_json::json!({ "id": "42", "title": "a", "by": "Ada" })),
        "PUT /v1/videos/42?dryRun=true" => {
            let changes = serde_json::json!([{ "op": "replace", "pointer": "/title", "from": "a", "to": "mine" }]);
            reply(stream, "200 OK", &serde_json::json!({ "changes": changes }));
        }
        _ => {
            refused = true;
            reply(stream, "412 Precondition Failed", &problem);
        }
    })
}

#[test]
fn who_was_faster_wins_and_what_they_changed_is_named() {
    let world = World::with("");
    world.write("42.json", r#"{"title":"mine"}"#);
    let failed = serde_json::json!({ "type": "/problems/precondition-failed", "title": "No", "status": 412 });
    let theirs = serde_json::json!({ "id": "42", "title": "theirs", "by": "Ada", "year": 7 });
    let mut applied = failed.clone();
    applied["alreadyApplied"] = true.into();
    for (name, problem, after, code, said) in [
        (
            "changed",
            failed.clone(),
            theirs.clone(),
            5,
            "heeler: videos/42: conflict, nothing was changed: somebody else changed /title, /year\n",
        ),
        (
            "deleted",
            failed,
            Value::Null,
            5,
            "heeler: videos/42: conflict, nothing was changed: somebody deleted it meanwhile\n",
        ),
        ("an answer was lost", applied, theirs, 0, "\n  ~ /title: \"a\" -> \"mine\"\n"),
    ] {
        let peer = moving(problem, after);
        let ended = end_of(&mut world.heeler(&["apply", "--as", "videos/42", "42.json", "--server", &peer.url]));
        assert_eq!(ended.code, Some(code), "{name}: {ended:?}");
        assert!(ended.stderr.ends_with(said), "{name}: {ended:?}");
        let asked = peer.asked();
        let put = asked.iter().find(|asked| asked.line() == "PUT /v1/videos/42").expect("it was tried");
        assert_eq!(put.header("if-match"), Some("\"1.1\""), "{name}");
        assert_eq!(put.body, r#"{"title":"mine"}"#);
    }
}
