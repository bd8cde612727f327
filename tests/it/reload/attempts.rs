//! Attempts are what they were started as, and the next one is as declared by then.

use serde_json::json;

use super::{NOTES, Reloading, UNTIL_GO, script};
use crate::service::until;

#[test]
fn who_runs_ends_as_it_began_and_the_next_attempt_runs_the_new_command() {
    let old = script("bark", &format!("echo old >> said; {UNTIL_GO}; echo end of old >> said"), "");
    let new = script("bark", "echo new >> said", "timeout = \"1m\"");
    let it = Reloading::new(&format!("{old}{NOTES}"));
    let first = it.launch("a", "bark", &json!({}));
    until("it runs", || it.world.text("said") == "old\n");
    assert_eq!(it.reload(&format!("{new}{NOTES}")), "changed operations.bark");
    let second = it.launch("b", "bark", &json!({}));
    assert_eq!(it.service.finished(&second)["phase"], "succeeded");
    assert_eq!(it.service.get(&first).json()["phase"], "running");
    assert_eq!(it.world.text("said"), "old\nnew\n");
    it.world.write("go", "");
    assert_eq!(it.service.finished(&first)["phase"], "succeeded");
    assert_eq!(it.world.text("said"), "old\nnew\nend of old\n");
}

#[test]
fn another_attempt_of_the_same_job_runs_the_new_command() {
    let retry = "retry = { attempts = 2, backoff = \"10ms\" }";
    let old = script("bark", &format!("echo old >> said; {UNTIL_GO}; exit 1"), retry);
    let new = script("bark", "echo new >> said", retry);
    let it = Reloading::new(&format!("{old}{NOTES}"));
    let job = it.launch("a", "bark", &json!({}));
    until("it runs", || it.world.text("said") == "old\n");
    it.reload(&format!("{new}{NOTES}"));
    it.world.write("go", "");
    let job = it.service.finished(&job);
    assert_eq!(
        (job["phase"].as_str(), job["attempts"].as_array().map(Vec::len)),
        (Some("succeeded"), Some(2)),
        "{job}"
    );
    assert_eq!(it.world.text("said"), "old\nnew\n");
}

#[test]
fn secrets_are_read_anew_and_an_attempt_keeps_those_that_it_has() {
    let tell = script("tell", &format!("{UNTIL_GO}; echo \"$HOOK\" >> said"), "")
        .replace("cwd = \".\" }", "cwd = \".\", env = { HOOK = \"${secret.HOOK}\" } }");
    let configuration = format!("[secrets]\nHOOK = {{ file = \"hook\" }}\n{tell}{NOTES}");
    let it = Reloading::new(NOTES);
    it.world.write("hook", "first");
    assert_eq!(it.reload(&configuration), "added operations.tell; changed secrets");
    let first = it.launch("a", "tell", &json!({}));
    it.service.until("it runs", &first, |job| job["phase"] == "running");
    it.world.write("hook", "second");
    assert_eq!(it.reload(&configuration), "changed secrets");
    let second = it.launch("b", "tell", &json!({}));
    it.service.until("it runs", &second, |job| job["phase"] == "running");
    it.world.write("go", "");
    it.service.finished(&first);
    it.service.finished(&second);
    let mut said: Vec<String> = it.world.text("said").lines().map(str::to_owned).collect();
    said.sort();
    assert_eq!(said, ["first", "second"]);
    assert!(!it.world.text("service.log").contains("second"), "no secret is logged");
}
