//! From an operation and a job to what a supervisor is told.

use std::collections::BTreeMap;

use serde_json::Value;

use super::record::{Private, Spec};
use crate::domain::expression::{Scope, Template};
use crate::domain::operation::{ExecSpec, RunnerSpec};
use crate::domain::secret::Surroundings;
use crate::runner::Launch;

/// Where programs are looked up, unless the operation says otherwise.
pub const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What of a spec is not in the launch.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Tells the folder from an abandoned one.
    pub(super) nonce: String,
    /// Where the work writes its events.
    pub(super) events: &'a str,
    /// How much of its output is kept.
    pub(super) log_bytes_max: u64,
}

/// What the supervisor of this attempt is told.
///
/// # Errors
/// A template has no text for this job, or one that no program can be given:
/// which, for people.
pub(super) fn spec(launch: &Launch, surroundings: &Surroundings, place: Place<'_>) -> Result<(Spec, Private), String> {
    let RunnerSpec::Exec(exec) = &launch.operation.runner else {
        return Err(format!("the operation `{}` is no longer a program", launch.operation.name));
    };
    let scope = scope(launch, surroundings);
    let private = Private { env: env(exec, launch, &scope, place.events)? };
    let spec = Spec {
        nonce: place.nonce,
        command: command(exec, &scope)?,
        cwd: exec.cwd.clone(),
        timeout_ms: launch.timeout.map(millis),
        grace_ms: millis(launch.operation.grace),
        log_bytes_max: place.log_bytes_max,
    };
    Ok((spec, private))
}

fn command(exec: &ExecSpec, scope: &Scope<'_>) -> Result<Vec<String>, String> {
    let render = |(index, template): (usize, &Template)| {
        let text = template.render(scope).map_err(|error| format!("element {index} of `command`: {error}"))?;
        without_nul(text).ok_or_else(|| format!("element {index} of `command` has a NUL character"))
    };
    exec.command.iter().enumerate().map(render).collect()
}

fn env(exec: &ExecSpec, launch: &Launch, scope: &Scope<'_>, events: &str) -> Result<BTreeMap<String, String>, String> {
    let mut env = BTreeMap::from([("PATH".to_owned(), PATH_DEFAULT.to_owned())]);
    for (name, template) in &exec.env {
        let text = template.render(scope).map_err(|error| format!("`{name}` of `env`: {error}"))?;
        let text = without_nul(text).ok_or_else(|| format!("`{name}` of `env` has a NUL character"))?;
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("`{name}` of `env` cannot be the name of a variable"));
        }
        env.insert(name.clone(), text);
    }
    // Ours are last: the work can rely on them.
    let ours = [
        ("HEELER_JOB", Some(launch.attempt.job.to_string())),
        ("HEELER_ATTEMPT", Some(launch.attempt.number.to_string())),
        ("HEELER_TOKEN", Some(launch.attempt.token.reveal())),
        ("HEELER_EVENTS", Some(events.to_owned())),
        ("HEELER_RESOURCE", resource(&launch.job)),
        ("HEELER_SCHEDULED_FOR", scheduled_for(&launch.job)),
    ];
    for (name, value) in ours {
        match value {
            Some(value) => drop(env.insert(name.to_owned(), value)),
            None => drop(env.remove(name)),
        }
    }
    Ok(env)
}

fn scope<'a>(launch: &'a Launch, surroundings: &'a Surroundings) -> Scope<'a> {
    Scope {
        input: launch.job.get("input").unwrap_or(&Value::Null),
        resource: &launch.resource,
        job: &launch.job,
        secret: &surroundings.secrets,
        env: &surroundings.env,
    }
}

/// `collection/id` of the resource that the job belongs to.
fn resource(job: &Value) -> Option<String> {
    let member = |name: &str| job.pointer(&format!("/resource/{name}")).and_then(Value::as_str);
    without_nul(format!("{}/{}", member("collection")?, member("id")?))
}

fn scheduled_for(job: &Value) -> Option<String> {
    without_nul(job.pointer("/trigger/scheduledFor")?.as_str()?.to_owned())
}

fn without_nul(text: String) -> Option<String> {
    (!text.contains('\0')).then_some(text)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
