//! The ledger of schedules against the calendar, through kills of the service.

use serde_json::{Value, json};

use heeler::domain::time::Timestamp;

use crate::service::{Service, World, until};

const CONFIGURATION: &str = r#"
[operations.work]
exec = { command = ["sh", "-c", "echo $HEELER_SCHEDULED_FOR >>\"ran-${resource.id}\""] }

[collections.things]
preconditions = "optional"
"#;

/// How often the service is killed while ticks fall due.
const KILLS: usize = 6;

fn schedules() -> [(&'static str, Value); 5] {
    [
        ("latest", json!({ "schedule": { "every": "1s", "start": "now" } })),
        ("skip", json!({ "schedule": { "every": "1s", "missed": "skip" } })),
        ("all", json!({ "schedule": { "every": "1s", "missed": "all" }, "overlap": "allow" })),
        ("queue", json!({ "schedule": { "every": "1s", "jitter": "500ms" }, "overlap": "queue" })),
        (
            "cron",
            json!({ "schedule": { "cron": "* * * * * *", "timezone": "Australia/Lord_Howe" }, "overlap": "replace" }),
        ),
    ]
}

fn millis(at: &Value) -> i64 {
    at.as_str().and_then(|text| text.parse::<Timestamp>().ok()).expect("an instant").as_millis()
}

/// Every row of the ledger of a thing, the oldest first, page by page.
fn ledger(service: &Service, id: &str) -> Vec<Value> {
    let mut target = format!("/v1/things/{id}/processing/ticks?limit=3");
    let mut rows = Vec::new();
    loop {
        let page = service.get(&target).json();
        rows.extend(page["items"].as_array().expect("a list").iter().cloned());
        match page["_links"]["next"]["href"].as_str() {
            Some(next) => target = next.to_owned(),
            None => break,
        }
    }
    rows.reverse();
    rows
}

/// Checks that each second has one outcome, and gives the ticks that launched a job.
fn accounted_for(id: &str, rows: &[Value]) -> Vec<i64> {
    let mut launched = Vec::new();
    let mut next = millis(&rows.first().expect("there were ticks")["scheduledFor"]);
    for row in rows {
        let from = millis(&row["scheduledFor"]);
        assert_eq!(from, next, "{id}: a tick is missing, or there twice: {row}");
        let until = if row["until"].is_null() { from } else { millis(&row["until"]) };
        assert_eq!(row["count"], json!((until - from) / 1000 + 1), "{id}: {row}");
        if row["outcome"] == "launched" {
            launched.push(from);
        }
        next = until + 1000;
    }
    launched
}

#[test]
fn each_tick_has_one_outcome_and_at_most_one_job_however_often_the_service_is_killed() {
    let world = World::new(CONFIGURATION);
    let mut service = world.start();
    for (id, more) in schedules() {
        let mut activity = json!({ "operation": "work" });
        activity.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        assert_eq!(service.put(&format!("/v1/things/{id}"), &json!({ "processing": activity })).status, 201);
    }
    for _ in 0..KILLS {
        let seen = ledger(&service, "cron").len();
        until("a tick is decided", || ledger(&service, "cron").len() > seen);
        // The ticks of all fall due in about the same moments; the kill comes among them.
        service.kill();
        service = world.start();
    }
    let counted = service.get("/metrics").text();
    assert!(counted.contains("heeler_ticks_total{outcome=\"skipped\",reason=\"overlap\"}"), "{counted}");
    assert!(counted.contains("heeler_tick_lag_seconds_sum"), "{counted}");
    for (id, _) in schedules() {
        let last = |thing: &Value| thing["status"]["processing"]["ticks"]["launched"].as_u64() > Some(KILLS as u64);
        service.until("it goes on", &format!("/v1/things/{id}"), last);
        let suspend = json!({ "processing": { "suspend": true } });
        let patch = crate::service::client::request("PATCH", &format!("/v1/things/{id}"));
        assert_eq!(service.ask(&patch.json(crate::service::client::MERGE, &suspend)).status, 200);
        // What waits for its start goes on waiting while it is suspended.
        let settled = |thing: &Value| {
            let active = thing["status"]["processing"]["active"].as_array();
            active.is_some_and(|active| active.iter().all(|job| job["phase"] == "queued"))
        };
        let thing = service.until("its jobs end", &format!("/v1/things/{id}"), settled);
        // What passes while it is suspended has its row as well.
        let rows = ledger(&service, id);
        let launched = accounted_for(id, &rows);
        let jobs = service.get(&format!("/v1/things/{id}/processing?limit=1000")).json();
        let mut made: Vec<i64> = jobs["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|job| {
                assert_eq!(job["trigger"]["kind"], "schedule", "{job}");
                millis(&job["trigger"]["scheduledFor"])
            })
            .collect();
        made.sort_unstable();
        assert_eq!(made, launched, "{id}: a job for each, and no other");
        let status = &thing["status"]["processing"]["ticks"];
        assert!(status["launched"].as_u64() <= Some(launched.len() as u64), "{status}");
        // `replace` may stop one before it begins, but none ever runs twice.
        let mut ran: Vec<String> = world.text(&format!("ran-{id}")).lines().map(str::to_owned).collect();
        let times = ran.len();
        ran.dedup();
        assert_eq!(ran.len(), times, "{id}: {ran:?}");
    }
}
