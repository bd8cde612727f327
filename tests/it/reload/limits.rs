//! Limits and priorities count for those that wait already.

use serde_json::{Value, json};

use super::{NOTES, Reloading, UNTIL_GO, script};
use crate::service::until;

fn nap(more: &str) -> String {
    format!("{}{NOTES}", script("nap", UNTIL_GO, more))
}

fn running(it: &Reloading) -> Value {
    it.service.get("/v1/operations/nap").json()["running"].clone()
}

#[test]
fn more_room_lets_those_start_that_wait_and_less_room_drains() {
    let it = Reloading::new(&nap("concurrency = 1"));
    let jobs: Vec<String> = ["a", "b", "c", "d"].map(|id| it.launch(id, "nap", &json!({}))).to_vec();
    until("one runs", || running(&it) == 1);
    assert_eq!(it.service.get("/v1/operations/nap").json()["waiting"], 3);
    it.reload(&nap("concurrency = 3"));
    until("three run", || running(&it) == 3);
    assert_eq!(it.service.get("/v1/operations/nap").json()["waiting"], 1);

    // Less room than there are: nobody is stopped, and nobody starts until it is kept.
    it.reload(&nap("concurrency = 2"));
    let waiting = jobs.iter().find(|job| it.service.get(job).json()["phase"] == "queued").expect("one waits");
    let one = jobs.iter().find(|job| it.service.get(job).json()["phase"] == "running").expect("one runs");
    let canceled = it.service.ask(&crate::service::client::request("DELETE", one));
    assert!(matches!(canceled.status, 200 | 202), "{}", canceled.text());
    it.service.finished(one);
    assert_eq!(it.service.get(waiting).json()["phase"], "queued");
    let queue = it.service.get(&format!("{waiting}/queue")).json();
    assert_eq!((&queue["reason"], &queue["limit"]), (&json!("Concurrency"), &json!(2)), "{queue}");

    it.reload(&nap(""));
    it.service.until("the last one runs", waiting, |job| job["phase"] == "running");
    it.world.write("go", "");
    for job in &jobs {
        it.service.finished(job);
    }
}

#[test]
fn who_waits_is_counted_by_what_the_new_file_says() {
    let per = "concurrency = { limit = 1, per = \"input.owner\" }";
    let it = Reloading::new(&nap("concurrency = 1"));
    let ada = json!({ "owner": "ada" });
    let jobs: Vec<String> = ["a", "b"].map(|id| it.launch(id, "nap", &ada)).to_vec();
    let other = it.launch("c", "nap", &json!({ "owner": "bob" }));
    until("one runs", || running(&it) == 1);
    it.reload(&nap(per));
    // What ran already is counted by what it was started by.
    it.service.until("another owner's runs", &other, |job| job["phase"] == "running");
    it.service.until("one more of the first runs", &jobs[1], |job| job["phase"] == "running");
    it.world.write("go", "");
    for job in jobs.iter().chain([&other]) {
        it.service.finished(job);
    }
}

#[test]
fn the_priority_of_those_that_wait_is_that_of_the_new_file() {
    let both = |low: i32| {
        let low = script("low", "echo low >> said", &format!("priority = {low}"));
        format!(
            "[limits]\nrunning = 1\n{low}{}{}{NOTES}",
            script("high", "echo high >> said", "priority = 5"),
            script("nap", UNTIL_GO, "")
        )
    };
    let it = Reloading::new(&both(0));
    let nap = it.launch("n", "nap", &json!({}));
    it.service.until("it holds the only place", &nap, |job| job["phase"] == "running");
    let waiting = [("a", "high"), ("b", "low"), ("c", "low"), ("d", "high")];
    let jobs = waiting.map(|(id, operation)| it.launch(id, operation, &json!({})));
    // Whoever is given another place has another tag.
    let tags = || ["b", "c"].map(|id| it.service.get(&format!("/v1/notes/{id}")).header("etag").map(str::to_owned));
    let before = tags();
    it.reload(&both(9));
    until("they have other places", || tags().iter().zip(&before).all(|(now, before)| now != before));
    it.world.write("go", "");
    for job in &jobs {
        it.service.finished(job);
    }
    assert_eq!(it.world.text("said"), "low\nlow\nhigh\nhigh\n");
}

#[test]
fn how_many_run_at_all_is_that_of_the_new_file() {
    let it = Reloading::new(&format!("[limits]\nrunning = 1\n{}", nap("")));
    let jobs = ["a", "b", "c"].map(|id| it.launch(id, "nap", &json!({})));
    until("one runs", || running(&it) == 1);
    let waits = |job: &String| it.service.get(&format!("{job}/queue")).json()["reason"] == "Capacity";
    assert_eq!(jobs.iter().filter(|job| waits(job)).count(), 2);
    assert_eq!(it.reload(&format!("[limits]\nrunning = 3\n{}", nap(""))), "changed limits");
    until("three run", || running(&it) == 3);
    it.world.write("go", "");
    for job in &jobs {
        it.service.finished(job);
    }
}
