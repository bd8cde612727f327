//! Signal after signal, with requests in flight.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use super::{DONE, NOTES, REFUSED, Reloading, script};
use crate::service::client::{JSON, request};
use crate::service::until;

/// How often each client asks at least.
const ROUNDS: usize = 60;

/// Two configurations, in each of which all is of one kind.
fn world(kind: &str) -> String {
    let operation = script(&format!("only-{kind}"), "true", "");
    let both = script(
        "both",
        &format!("printf '%s' '{{\"result\":\"{kind}\"}}' > \"$HEELER_EVENTS\""),
        "reply = { mode = \"sync\" }",
    );
    let collection = format!("[collections.of-{kind}]\npreconditions = \"optional\"\n");
    let id = format!("[collections.{kind}-only]\n");
    format!("{operation}{both}{NOTES}{collection}{id}[aliases]\n\"/now\" = \"/v1/of-{kind}\"\n")
}

#[test]
fn every_answer_is_of_the_old_or_of_the_new_and_none_fails() {
    let it = Reloading::new(&world("old"));
    let is_over = AtomicBool::new(false);
    let (asked, jobs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ask = |method: &str, target: &str| {
        asked.fetch_add(1, Ordering::Relaxed);
        it.service.ask(&request(method, target))
    };
    // What is there may keep its collection from going, and so the other world from coming.
    let said = || it.lines(DONE).len() + it.lines(REFUSED).len();
    thread::scope(|threads| {
        let reloads = threads.spawn(|| {
            let mut turn = 0;
            while !is_over.load(Ordering::Relaxed) {
                it.configure(&world(["new", "old"][turn % 2]));
                // Some of them while the one before is under way.
                let before = said();
                (0..=turn % 3).for_each(|_| it.hang_up());
                until("it reloads", || said() > before);
                turn += 1;
            }
            turn
        });
        let describes = threads.spawn(|| {
            let mut seen = [0, 0];
            for _ in 0..ROUNDS {
                let home = ask("GET", "/");
                let text = home.text();
                let of =
                    ["old", "new"].map(|kind| [format!("only-{kind}"), format!("of-{kind}"), format!("{kind}-only")]);
                let whole = of.each_ref().map(|names| names.iter().filter(|name| text.contains(name.as_str())).count());
                assert!(home.status == 200 && (whole == [3, 0] || whole == [0, 3]), "half of each: {whole:?} {text}");
                seen[usize::from(whole == [0, 3])] += 1;
                let openapi = ask("GET", "/openapi.json").text();
                let whole = ["old", "new"].map(|kind| openapi.contains(&format!("/v1/of-{kind}/")));
                assert!(whole[0] != whole[1], "half of each");
                let aliased = ask("GET", "/now");
                assert_eq!(aliased.status, 200, "{}", aliased.text());
            }
            seen
        });
        let creates = threads.spawn(|| {
            for round in 0..ROUNDS {
                for kind in ["old", "new"] {
                    let target = format!("/v1/of-{kind}/a{round}");
                    asked.fetch_add(1, Ordering::Relaxed);
                    let created = it.service.put(&target, &json!({}));
                    assert!(matches!(created.status, 201 | 404), "{}", created.text());
                    if created.status == 201 {
                        // What is there keeps its collection from going.
                        let gone = ask("DELETE", &target);
                        assert_eq!(gone.status, 204, "{}", gone.text());
                    }
                }
            }
        });
        let works = threads.spawn(|| {
            it.service.put("/v1/notes/a", &json!({}));
            for _ in 0..ROUNDS / 3 {
                let body = json!({ "operation": "both" });
                let done = it.service.ask(&request("POST", "/v1/notes/a/processing").json(JSON, &body));
                assert_eq!(done.status, 200, "{}", done.text());
                assert!(done.json() == "old" || done.json() == "new", "{}", done.text());
                jobs.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (created, worked, seen) = (creates.join(), works.join(), describes.join());
        is_over.store(true, Ordering::Relaxed);
        let turns = reloads.join().expect("it reloaded");
        created.and(worked).expect("it was answered");
        let seen = seen.expect("it was answered");
        assert!(turns > 3 && seen.iter().all(|seen| *seen > 0), "{turns} reloads, {seen:?}");
    });
    assert_eq!(jobs.load(Ordering::Relaxed), ROUNDS / 3);
    assert!(asked.load(Ordering::Relaxed) >= 4 * ROUNDS);
    let broken: Vec<String> = it.lines(" ERROR ").into_iter().filter(|line| !line.contains(REFUSED)).collect();
    assert!(broken.is_empty(), "{broken:?}");
}
