//! What the ends of jobs do: to members of the document, and the jobs that follow.

use serde_json::{Value, json};

use super::UNTIL_GO;
use crate::service::client::{JSON, MERGE, request};
use crate::service::{Service, World};

const CONFIGURATION: &str = r#"
[operations.script]
exec = { command = ["sh", "-c", "${input.script}"] }

[operations.notify]
input = "notify.json"
exec  = { command = ["sh", "-c", "cat >> told; echo >> told"] }

[operations.fragile]
exec  = { command = ["sh", "-c", "echo out of luck; exit 5"] }
reply = { mode = "sync" }

[operations.again]
exec = { command = ["true"] }
on_success = { launch = { operation = "again" } }

[collections.videos]
preconditions = "optional"
observed = ["/runs", "/pages"]
[collections.videos.activities.processing]
on_success = { merge = "{'runs': (has(self.runs) ? self.runs : 0) + 1}", launch = { operation = "notify", input = "{'of': job.id, 'n': self.runs}" } }
on_failure = { launch = { operation = "notify", input = "{'of': job.id, 'why': job.error.message}" } }
[collections.videos.activities.loop]
"#;

const NOTIFY_SCHEMA: &str =
    r#"{"type":"object","properties":{"n":{"type":"integer","maximum":2}},"additionalProperties":true}"#;

const VIDEO: &str = "/v1/videos/42";

fn world() -> World {
    let world = World::new(CONFIGURATION);
    world.write("notify.json", NOTIFY_SCHEMA);
    world
}

fn script(script: &str) -> Value {
    json!({ "processing": { "operation": "script", "input": { "script": script } } })
}

fn settled(service: &Service) -> Value {
    service.until("it settles", VIDEO, |video| video["status"]["settled"] == true)
}

fn jobs(service: &Service, activity: &str) -> Vec<Value> {
    let list = service.get(&format!("{VIDEO}/{activity}?limit=1000")).json();
    list["items"].as_array().expect("items").iter().rev().cloned().collect()
}

#[test]
fn a_job_is_followed_by_another_whatever_became_of_it() {
    let world = world();
    let service = world.start();
    for (number, (text, input)) in
        [("true", json!({ "n": 1 })), ("exit 3", json!({ "why": "exited with code 3" }))].into_iter().enumerate()
    {
        service.put(VIDEO, &script(text));
        settled(&service);
        let jobs = jobs(&service, "processing");
        assert_eq!(jobs.len(), 2 * (number + 1), "{jobs:?}");
        let [asked, followed] = &jobs[2 * number..] else { panic!("two jobs") };
        assert_eq!(
            followed["trigger"],
            json!({ "kind": "follow", "generation": number + 1, "job": asked["id"], "depth": 1 }),
            "{followed}"
        );
        let mut given = input;
        given["of"] = asked["id"].clone();
        assert_eq!((&followed["operation"], &followed["input"]), (&json!("notify"), &given));
        assert_eq!(followed["phase"], "succeeded");
    }
    let video = service.get(VIDEO).json();
    assert_eq!((&video["runs"], &video["status"]["generation"]), (&json!(1), &json!(2)), "{video}");
    // The work that was asked for failed, although somebody was told so.
    assert_eq!(video["status"]["processing"]["phase"], "failed", "{video}");
    assert_eq!(world.text("told").lines().count(), 2);
}

#[test]
fn what_follows_disturbs_no_editor_and_what_cannot_is_a_condition() {
    let world = world();
    let service = world.start();
    let tag = service.put(VIDEO, &script("true")).etag().to_owned();
    settled(&service);
    let edit = |tag: &str, text: &str| {
        service.ask(
            &request("PATCH", VIDEO)
                .field("If-Match", tag)
                .field("Prefer", "return=representation")
                .json(MERGE, &script(text)),
        )
    };
    let answer = edit(&tag, "exit 0");
    assert_eq!(answer.status, 200, "{}", answer.text());
    settled(&service);
    let answer = edit(answer.etag(), "exit 00");
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The third run is more than `notify` takes.
    let video = settled(&service);
    assert_eq!((&video["runs"], &video["status"]["processing"]["phase"]), (&json!(3), &json!("succeeded")), "{video}");
    let condition = &video["status"]["conditions"][1];
    assert_eq!(condition["type"], "EffectRefused", "{video}");
    let message = condition["message"].as_str().unwrap_or_default();
    assert!(message.contains("no `notify` follows") && message.contains("`/n`"), "{message}");
    assert_eq!(jobs(&service, "processing").len(), 5);
}

#[test]
fn a_circle_of_follow_ups_ends_and_a_chain_shows_its_links() {
    let world = world();
    let service = world.start();
    service.put(VIDEO, &json!({ "loop": { "operation": "again" } }));
    let video = settled(&service);
    let jobs = jobs(&service, "loop");
    assert_eq!(jobs.len(), 9, "{jobs:?}");
    for (depth, pair) in (1..).zip(jobs.windows(2)) {
        assert_eq!((&pair[1]["trigger"]["job"], &pair[1]["trigger"]["depth"]), (&pair[0]["id"], &json!(depth)));
    }
    assert_eq!(video["status"]["conditions"][1]["type"], "EffectRefused", "{video}");
}

#[test]
fn a_job_that_is_stopped_is_followed_by_none() {
    let world = world();
    let service = world.start();
    service.put(VIDEO, &script(&format!("trap 'exit 0' TERM; {UNTIL_GO}")));
    service.until("it runs", VIDEO, |video| video["status"]["processing"]["phase"] == "running");
    let job = jobs(&service, "processing")[0]["id"].as_str().expect("an id").to_owned();
    service.ask(&request("DELETE", &format!("/v1/jobs/{job}")));
    settled(&service);
    assert_eq!((jobs(&service, "processing").len(), world.text("told").as_str()), (1, ""));
}

#[test]
fn the_work_writes_observed_members_itself_and_nothing_else() {
    let world = world();
    let service = world.start();
    let event = |text: &str| format!("echo '{text}' >>\"$HEELER_EVENTS\"");
    let pages = |pages: u32| event(&format!(r#"{{"patch":[{{"op":"add","path":"/pages","value":{pages}}}]}}"#));
    let tag = service.put(VIDEO, &script(&format!("{}; {}; exit 3", pages(1), pages(2)))).etag().to_owned();
    let video = settled(&service);
    // The patches of a failed job count, and `on_success` does not.
    assert_eq!((&video["pages"], &video["runs"], &video["status"]["generation"]), (&json!(2), &Value::Null, &json!(1)));

    let foreign = event(r#"{"patch":[{"op":"replace","path":"/processing/operation","value":"notify"}]}"#);
    let patch = script(&format!("{}; {foreign}", pages(3)));
    let answer = service.ask(&request("PATCH", VIDEO).field("If-Match", &tag).json(MERGE, &patch));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let video = settled(&service);
    assert_eq!((&video["pages"], &video["runs"]), (&json!(2), &json!(1)), "all or nothing, and before the rest");
    assert_eq!(video["processing"]["operation"], "script", "{video}");
    let condition = &video["status"]["conditions"][1];
    assert_eq!(condition["type"], "EffectRefused", "{video}");
    assert!(condition["message"].as_str().is_some_and(|text| text.contains("`/processing/operation`")), "{condition}");
    assert_eq!(video["status"]["processing"]["phase"], "succeeded", "{video}");
}

#[test]
fn a_failed_job_says_why_and_where_to_read_more() {
    let world = world();
    let service = world.start();
    service.put(VIDEO, &json!({}));
    let failed = |text: &str| {
        let job =
            service.launch(&format!("{VIDEO}/loop"), &json!({ "operation": "script", "input": { "script": text } }));
        service.finished(&job)
    };
    let job = failed("echo working; echo 'cp: no such file' >&2; echo; exit 3");
    assert_eq!(
        job["error"],
        json!({ "reason": "Failed", "message": "exited with code 3; its output ends with `cp: no such file`" })
    );
    let event =
        r#"echo '{"error":{"reason":"NoSpace","message":"the disk is full","details":{"free":0}}}' >>"$HEELER_EVENTS""#;
    let job = failed(&format!("{event}; exit 4"));
    let said = json!({ "reason": "NoSpace", "message": "the disk is full", "details": { "free": 0 } });
    assert_eq!((&job["error"], &job["attempts"][0]["exitCode"]), (&said, &json!(4)));
    let last = &service.get(VIDEO).json()["status"]["loop"]["last"];
    assert_eq!(last["error"], said, "{last}");
    assert_eq!(failed(event)["error"], Value::Null, "it succeeded all the same");
    let large = r#"(printf '{"result":"'; head -c 65536 /dev/zero | tr '\0' x; echo '"}') >>"$HEELER_EVENTS""#;
    let job = failed(large);
    assert_eq!((&job["phase"], &job["result"]), (&json!("succeeded"), &Value::Null));
    let detail = job["attempts"][0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("larger than 64 KiB"), "{detail}");

    let answer = service.ask(&request("POST", &format!("{VIDEO}/loop")).json(JSON, &json!({ "operation": "fragile" })));
    assert_eq!((answer.status, answer.problem().as_str()), (502, "job-failed"), "{}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["detail"], "the job failed: exited with code 5; its output ends with `out of luck`");
    let log = service.get(problem["log"]["href"].as_str().expect("a link"));
    assert_eq!(String::from_utf8_lossy(&log.body), "out of luck\n");
}
