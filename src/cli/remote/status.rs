//! What a representation says of its work.
//!
//! # Guarantees
//! Whatever is missing or of another shape is taken for nothing, never for
//! success.

use serde_json::{Map, Value};

use super::print::{plain, text};

/// The members that the service adds, beside its status.
const ADDED: [&str; 2] = ["id", "_links"];

/// How work stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It goes on, because of that.
    Unsettled(String),
    /// All that was asked for is done; in words, what became of it.
    Succeeded(String),
    /// It is over, and this went wrong.
    Failed(Vec<String>),
}

/// The status of a resource: ours is the one that says whether it is settled.
pub(super) fn of(resource: &Value) -> &Value {
    name_of(resource).map_or(&Value::Null, |name| &resource[name])
}

/// The name of the status of a resource. Operators can rename it, and then a
/// document may have another member `status`; ours comes last.
fn name_of(resource: &Value) -> Option<&str> {
    let is_ours = |value: &Value| value["settled"].is_boolean() && value["uid"].is_string();
    resource.as_object()?.iter().rev().find(|(_, value)| is_ours(value)).map(|(name, _)| name.as_str())
}

/// What clients and effects wrote: the representation without what the service adds.
pub(super) fn document(resource: &Value) -> Map<String, Value> {
    let status = name_of(resource);
    let members = resource.as_object().into_iter().flatten();
    let is_theirs = |name: &str| !ADDED.contains(&name) && Some(name) != status;
    members.filter(|(name, _)| is_theirs(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The activities of a resource, and how each stands.
fn activities(resource: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = of(resource).as_object().into_iter().flatten();
    members.filter(|(_, value)| value["phase"].is_string()).map(|(name, value)| (name.as_str(), value))
}

/// The phase of a job or an activity, with how far it got.
pub(super) fn phase(shown: &Value) -> String {
    let phase = text(&shown["phase"]);
    match shown["progress"]["fraction"].as_f64() {
        Some(fraction) if phase == "running" => format!("{phase} {:.0} %", fraction * 100.0),
        Some(_) | None => phase,
    }
}

/// The phases of a resource, in a few words.
pub(super) fn phases(resource: &Value) -> String {
    let all: Vec<(&str, String)> = activities(resource).map(|(name, shown)| (name, phase(shown))).collect();
    match all.as_slice() {
        [] => String::new(),
        [(_, phase)] => phase.clone(),
        several => several.iter().map(|(name, phase)| format!("{name}: {phase}")).collect::<Vec<_>>().join(", "),
    }
}

/// What work says of its progress, if anything.
pub(super) fn message(shown: &Value) -> Option<String> {
    shown["progress"]["message"].as_str().filter(|message| !message.is_empty()).map(plain)
}

/// The messages of all activities at work.
pub(super) fn messages(resource: &Value) -> Vec<String> {
    activities(resource)
        .filter(|(_, shown)| shown["phase"] == "running")
        .filter_map(|(_, shown)| message(shown))
        .collect()
}

/// How the work of a resource stands.
pub(super) fn resource(resource: &Value) -> Standing {
    let status = of(resource);
    if status["settled"] != true {
        let condition = status["conditions"].as_array().into_iter().flatten().find(|it| it["type"] == "Settled");
        let said = condition.map(|it| format!("{}: {}", text(&it["reason"]), text(&it["message"])));
        return Standing::Unsettled(said.unwrap_or_else(|| "it does not say that it is settled".to_owned()));
    }
    let failed: Vec<String> = activities(resource)
        .filter_map(|(name, shown)| {
            let is_as_asked = shown["effective"]["canceled"] != false;
            match shown["phase"].as_str() {
                Some("failed") => Some(format!("{name} {}", why(&shown["last"]))),
                Some("canceled") if !is_as_asked => Some(format!("{name} was cancelled")),
                Some(_) | None => None,
            }
        })
        .collect();
    if failed.is_empty() { Standing::Succeeded(phases(resource)) } else { Standing::Failed(failed) }
}

/// How a job stands.
pub(super) fn job(job: &Value) -> Standing {
    match job["phase"].as_str() {
        Some("succeeded") => Standing::Succeeded("succeeded".to_owned()),
        Some("failed" | "lost") => Standing::Failed(vec![why(job)]),
        Some("canceled") => Standing::Failed(vec!["was cancelled".to_owned()]),
        Some(_) | None => Standing::Unsettled(phase(job)),
    }
}

/// Why a job that is over did not do its work.
fn why(job: &Value) -> String {
    let phase = match job["phase"].as_str() {
        Some("lost") => "is lost",
        Some(_) | None => "failed",
    };
    let error = &job["error"];
    let said = [&error["reason"], &error["message"]].into_iter().map(text);
    // The general reason says no more than the phase.
    let said: Vec<String> = said.filter(|part| !part.is_empty() && part != "Failed").collect();
    if said.is_empty() { phase.to_owned() } else { format!("{phase}: {}", said.join(": ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(settled: bool, activities: &Value) -> Value {
        let conditions = json!([{ "type": "Settled", "reason": "JobRunning", "message": "a job runs" }]);
        let mut status = json!({ "uid": "u", "settled": settled, "conditions": conditions });
        for (name, shown) in activities.as_object().expect("activities") {
            status[name] = shown.clone();
        }
        json!({ "id": "42", "title": "Holiday", "status": status, "_links": {} })
    }

    #[test]
    fn only_what_says_that_it_succeeded_has() {
        let failed = json!({ "phase": "failed", "effective": { "canceled": false },
            "last": { "phase": "failed", "error": { "reason": "ExitCode", "message": "exited with 3" } } });
        let unsettled = Standing::Unsettled("JobRunning: a job runs".to_owned());
        let fails = |words: &str| Standing::Failed(vec![words.to_owned()]);
        for (name, shown, standing) in [
            ("unsettled", with(false, &json!({ "processing": failed })), unsettled),
            ("idle", with(true, &json!({ "processing": { "phase": "idle" } })), Standing::Succeeded("idle".to_owned())),
            (
                "failed",
                with(true, &json!({ "processing": failed })),
                fails("processing failed: ExitCode: exited with 3"),
            ),
            (
                "cancelled by somebody",
                with(true, &json!({ "barks": { "phase": "canceled", "effective": { "canceled": false } } })),
                fails("barks was cancelled"),
            ),
            (
                "cancelled by its document",
                with(true, &json!({ "barks": { "phase": "canceled", "effective": { "canceled": true } } })),
                Standing::Succeeded("canceled".to_owned()),
            ),
            (
                "none of ours",
                json!({ "settled": true }),
                Standing::Unsettled("it does not say that it is settled".to_owned()),
            ),
        ] {
            assert_eq!(resource(&shown), standing, "{name}");
        }
        assert_eq!(job(&json!({ "phase": "lost" })), fails("is lost"));
        assert_eq!(job(&json!({ "phase": "canceled" })), fails("was cancelled"));
        assert_eq!(job(&json!({})), Standing::Unsettled(String::new()));
    }

    #[test]
    fn a_status_under_another_name_is_found_and_one_of_the_document_is_left_alone() {
        let ours = json!({ "uid": "u", "settled": true, "processing": { "phase": "idle" } });
        let resource = json!({ "id": "1", "status": "paid", "_status": ours, "_links": {} });
        assert_eq!(of(&resource), &ours);
        assert_eq!(Value::Object(document(&resource)), json!({ "status": "paid" }));
    }
}
