//! What a function is handed, and what it can say.

use std::io::Write as _;

use heeler::{NativeError, NativeJob, NativeResult};
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::{builder, start};
use crate::service::client::{JSON, request};

#[test]
fn a_function_gets_its_job_and_gives_the_result() {
    async fn work(job: NativeJob) -> NativeResult<Value> {
        let token = job.token();
        Ok(json!({
            "id": job.id(), "attempt": job.attempt(), "token": token.len(), "name": job.resource()["name"],
            "input": job.input::<Value>()?, "operation": job.job()["operation"], "stop": job.is_canceled(),
            "end": job.is_stopping(), "debug": format!("{job:?}").contains(&token),
        }))
    }
    let service = start(builder().operation("work", work));
    let job = service.run("work", &json!({ "times": 3 }));
    assert_eq!(job["phase"], "succeeded", "{job}");
    let expected = json!({
        "id": job["id"], "attempt": 1, "token": 32, "name": "Rex", "input": { "times": 3 }, "operation": "work",
        "stop": false, "end": false, "debug": false,
    });
    assert_eq!(job["result"], expected);
}

#[test]
fn progress_is_shown_while_a_function_works_and_nonsense_is_brought_into_bounds() {
    for (fraction, message, expected) in [
        (Some(0.25), "a quarter", json!([0.25, "a quarter"])),
        (Some(7.0), "", json!([1.0, null])),
        (Some(f64::NAN), "somewhere", json!([null, "somewhere"])),
        (None, "no idea", json!([null, "no idea"])),
    ] {
        let work = move |job: NativeJob| async move {
            job.progress(fraction, message);
            job.canceled().await;
            NativeResult::Ok(())
        };
        let service = start(builder().operation("work", work));
        let job = service.launch("work", &json!({}));
        let shown = service.until("progress", &job, |job| !job["progress"].is_null());
        assert_eq!(json!([shown["progress"]["fraction"], shown["progress"]["message"]]), expected);
        service.cancel(&job);
        assert_eq!(service.finished(&job)["phase"], "canceled");
    }
}

#[test]
fn what_a_function_logs_can_be_read_and_is_forgotten_with_its_job() {
    let work = |job: NativeJob| async move {
        job.log("woof");
        let mut writer = job.log_writer();
        write!(writer, "half a line, ").and_then(|()| writeln!(writer, "and the rest"))?;
        NativeResult::Ok(())
    };
    let service = start(builder().operation("work", work).operation("quiet", |_| async { NativeResult::Ok(()) }));
    let job = service.launch("work", &json!({}));
    assert_eq!(service.finished(&job)["phase"], "succeeded");
    let log = service.get(&format!("{job}/log"));
    assert_eq!((log.status, log.body.as_slice()), (200, b"woof\nhalf a line, and the rest\n".as_slice()));
    let part = service.ask(&request("GET", &format!("{job}/log")).field("Range", "bytes=0-3"));
    assert_eq!((part.status, part.body.as_slice()), (206, b"woof".as_slice()));
    let quiet = service.launch("quiet", &json!({}));
    service.finished(&quiet);
    assert!(service.get(&format!("{quiet}/log")).body.is_empty());
}

#[test]
fn a_job_whose_input_is_not_what_the_function_expects_fails_for_good() {
    #[derive(Deserialize)]
    struct Bark {
        times: u32,
    }
    let options = super::world::retried(3);
    let work = |job: NativeJob| async move { NativeResult::Ok(job.input::<Bark>()?.times) };
    let service = start(builder().operation_with("work", options, work));
    let job = service.run("work", &json!({ "times": "often" }));
    assert_eq!(
        (job["phase"].as_str(), job["error"]["reason"].as_str(), job["attempt"].as_u64()),
        (Some("failed"), Some("InvalidInput"), Some(1)),
        "{job}"
    );
    let message = job["error"]["message"].as_str().expect("a message");
    assert!(message.contains("expected u32"), "{message}");
    assert_eq!(service.run("work", &json!({ "times": 2 }))["result"], 2);
}

#[test]
fn the_document_shows_the_work_of_a_function_as_that_of_any_operation() {
    let service = start(builder().operation("bark", |_| async { NativeResult::Ok("Woof!") }));
    let put = request("PUT", "/v1/dogs/rex").field("Prefer", "wait=20");
    let answer = service.ask(&put.json(JSON, &json!({ "name": "Rex", "barks": { "operation": "bark" } })));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let status = &answer.json()["status"];
    assert_eq!(status["settled"], true, "{status}");
    assert_eq!(status["barks"]["last"]["result"], "Woof!", "{status}");
}

#[test]
fn what_caused_an_error_is_not_shown_to_clients() {
    #[derive(Debug, thiserror::Error)]
    #[error("the dog cannot be fetched")]
    struct Outer(#[source] std::io::Error);
    let work = |_| async {
        let cause = std::io::Error::other("postgres://dogs:canary@db.internal is down");
        Err::<(), _>(Outer(cause))
    };
    let plain = |_| async { Err::<(), _>("no dog") };
    let long = |_| async { Err::<(), _>(NativeError::new("x".repeat(100_000)).reason("y".repeat(100_000))) };
    let service = start(builder().operation("work", work).operation("plain", plain).operation("long", long));
    let job = service.run("work", &json!({}));
    let error = json!({ "reason": "Failed", "message": "the dog cannot be fetched" });
    assert_eq!(job["error"], error, "{job}");
    let everything = [job.to_string(), service.get("/v1/dogs/rex").text(), service.get("/v1/jobs").text()].concat();
    assert!(!everything.contains("canary"), "{everything}");
    assert_eq!(service.run("plain", &json!({}))["error"]["message"], "no dog");
    let long = service.run("long", &json!({}));
    let length = |member: &str| long["error"][member].as_str().map(str::len);
    assert_eq!((length("message"), length("reason")), (Some(1024), Some(64)));
}

#[test]
fn a_failure_can_say_more_for_programs() {
    let work = |_| async { Err::<(), _>(NativeError::new("no dog").details(json!({ "missing": "rex" }))) };
    let much = |_| async { Err::<(), _>(NativeError::new("no dog").details("x".repeat(5000))) };
    let service = start(builder().operation("work", work).operation("much", much));
    assert_eq!(service.run("work", &json!({}))["error"]["details"], json!({ "missing": "rex" }));
    let much = service.run("much", &json!({}));
    assert_eq!(much["error"]["details"], Value::Null, "{much}");
    assert!(much["error"]["message"].as_str().is_some_and(|words| words.contains("details were dropped")), "{much}");
}

#[test]
fn a_function_writes_observed_members_and_no_others() {
    let dogs = heeler::CollectionOptions::default().optional_preconditions().observed("/barkCount");
    let work = |job: NativeJob| async move {
        job.patch(json!([{ "op": "add", "path": job.job()["input"]["path"], "value": 1 }]));
        NativeResult::Ok(())
    };
    let service = start(builder().collection("cats", dogs).operation("work", work));
    let document = |path: &str| {
        let put = request("PUT", &format!("/v1/cats{path}")).field("Prefer", "wait=20");
        let work = json!({ "processing": { "operation": "work", "input": { "path": path } } });
        let answer = service.ask(&put.json(JSON, &work));
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    };
    let (written, refused) = (document("/barkCount"), document("/name"));
    assert_eq!((&written["barkCount"], &refused["name"]), (&json!(1), &Value::Null));
    assert_eq!(refused["status"]["processing"]["last"]["phase"], "succeeded", "{refused}");
    assert!(refused["status"]["conditions"].to_string().contains("EffectRefused"), "{refused}");
}
