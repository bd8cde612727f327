//! The workers of the examples do what they say.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::zombies::start;
use crate::service::client::request;
use crate::service::{Service, World, until};

const SCRIPTS: [&str; 2] = ["worker.py", "worker.sh"];

/// The configuration beside them, with a lease that a test can wait for.
fn world() -> World {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workers/heeler.toml");
    let text = std::fs::read_to_string(path).expect("the configuration of the example");
    let hurried = text.replace("lease = \"30s\"", "lease = \"5s\"").replace("backoff = \"5s\"", "backoff = \"0s\"");
    assert_ne!(text, hurried, "the example is another one");
    World::new(&hurried)
}

fn text(service: &Service, id: &str, input: &Value) -> String {
    let path = format!("/v1/texts/{id}");
    let answer = service.put(&path, &json!({ "processing": { "operation": "count", "input": input } }));
    answer.json()["status"]["processing"]["active"][0]["href"].as_str().expect("a job").to_owned()
}

/// Fails at the first attempt, then gives back what it was given.
const LINE: &str = r#"input=$(cat)
case $input in
*hold*) touch held; while [ -e held ]; do sleep 0.02; done ;;
*fail*) echo "no way" >&2; exit 7 ;;
esac
printf '{"bytes": %s}\n' ${#input}"#;

#[test]
fn the_workers_of_the_examples_do_the_work_and_say_how_it_ended() {
    for script in SCRIPTS {
        let world = world();
        let service = world.start();
        let worker = start(&world, &service, (script, "w"), "count", LINE);
        let job = service.finished(&text(&service, "a", &json!({ "text": "woof \"token\":\"x\"\n" })));
        assert_eq!(
            (&job["phase"], &job["attempts"][0]["worker"]),
            (&json!("succeeded"), &json!("w")),
            "{script}: {job}"
        );
        assert!(job["result"]["bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{script}: {job}");
        let job = service.finished(&text(&service, "b", &json!({ "text": "fail" })));
        assert_eq!((&job["phase"], &job["attempt"]), (&json!("failed"), &json!(3)), "{script}: {job}");
        assert_eq!(job["error"], json!({ "reason": "Exit7", "message": "no way" }), "{script}: {job}");
        // One that takes longer than its lease is kept by signs of life.
        let held = text(&service, "c", &json!({ "text": "hold" }));
        until("it has begun", || world.file("held").exists());
        let first = service.get(&held).header("etag").map(str::to_owned);
        until("it gives signs of life", || {
            let now = service.get(&held);
            assert_eq!(now.json()["attempt"], 1, "{script}: {}", world.text("w.log"));
            now.header("etag").map(str::to_owned) != first
        });
        let asked = service.ask(&request("DELETE", &held));
        assert_eq!(asked.status, 202, "{script}: {}", asked.text());
        let job = service.finished(&held);
        assert_eq!(
            (&job["phase"], &job["attempts"][0]["outcome"]),
            (&json!("canceled"), &json!("canceled")),
            "{script}: {job}"
        );
        // Nothing is at hand: it ends at once.
        worker.signal(Signal::TERM);
        let mut worker = worker;
        until("the worker ends", || worker.0.try_wait().expect("it can be waited for").is_some());
    }
}

#[test]
fn a_worker_goes_on_while_the_service_is_away() {
    for script in SCRIPTS {
        let world = world();
        let service = world.start();
        let address = service.address;
        let _worker = start(&world, &service, (script, "w"), "count", LINE);
        let held = text(&service, "a", &json!({ "text": "hold" }));
        until("it has begun", || world.file("held").exists());
        service.kill();
        std::fs::remove_file(world.file("held")).expect("it is held");
        until("it cannot say that it is done", || world.text("w.log").contains("cannot say"));
        let mut command = world.command();
        command.args(["--listen", &address.to_string()]);
        let service = world.start_by(command);
        let job = service.finished(&held);
        assert_eq!((&job["phase"], &job["attempt"]), (&json!("succeeded"), &json!(1)), "{script}: {job}");
        let job = service.finished(&text(&service, "b", &json!({ "text": "woof" })));
        assert_eq!(job["phase"], "succeeded", "{script}: {job}");
    }
}
