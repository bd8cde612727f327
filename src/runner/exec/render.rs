//! From an operation and a job to what a supervisor is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::folder::{EVENTS, Folder};
use super::record::{Private, Spec};
use super::temporary::Temporary;
use super::user::RunAs;
use crate::domain::expression::{Scope, Template};
use crate::domain::operation::{ExecSpec, RunnerSpec, Scratch};
use crate::runner::Launch;

/// Where programs are looked up, unless the operation says otherwise.
pub const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The folders of an attempt that are there only while it runs.
const SCRATCH: &str = "scratch";
const SECRETS: &str = "secrets";

/// What of a spec is not in the launch.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Tells the folder from an abandoned one.
    pub(super) nonce: String,
    /// The folder of the attempt.
    pub(super) folder: &'a Folder,
    /// A folder in memory, for secrets; in that of the attempt where there is none.
    pub(super) memory: Option<&'a Path>,
    /// The cgroup below which attempts have theirs.
    pub(super) cgroups: Option<&'a Path>,
    /// How many files it can have open, if the operation does not say.
    pub(super) open_files: Option<u64>,
}

impl Place<'_> {
    /// Where an attempt of that operation has what it needs only while it runs.
    fn temporary(&self, exec: &ExecSpec, launch: &Launch) -> Temporary {
        let scratch = match exec.scratch {
            Scratch::Folder => Some(self.folder.file(SCRATCH)),
            Scratch::None => None,
        };
        let secrets = || match self.memory {
            Some(memory) => memory.join(format!("heeler-{}", self.nonce)),
            None => self.folder.file(SECRETS),
        };
        let attempt = launch.attempt;
        Temporary {
            scratch,
            secrets: (!exec.secrets.is_empty()).then(secrets),
            cgroup: self.cgroups.map(|base| base.join(format!("attempt-{}-{}", attempt.job, attempt.number))),
        }
    }
}

/// What the supervisor of this attempt is told.
///
/// # Errors
/// A template has no text for this job, or one that no program can be given:
/// which, for people.
pub(super) fn spec(launch: &Launch, place: Place<'_>) -> Result<(Spec, Private), String> {
    let RunnerSpec::Exec(exec) = &launch.operation.runner else {
        return Err(format!("the operation `{}` is no longer a program", launch.operation.name));
    };
    let scope = scope(launch);
    let temporary = place.temporary(exec, launch);
    let cwd = exec.cwd.as_ref().or(temporary.scratch.as_ref());
    let cwd = cwd.ok_or("the operation has neither a working directory nor a scratch folder")?.clone();
    let env = env(
        exec,
        launch,
        &scope,
        &[
            ("HEELER_EVENTS", Some(&place.folder.file(EVENTS))),
            ("HEELER_SCRATCH", temporary.scratch.as_ref()),
            ("HEELER_SECRETS", temporary.secrets.as_ref()),
        ],
    )?;
    let private = Private { env, secrets: secrets(exec, &scope)? };
    let spec = Spec {
        command: command(exec, &scope)?,
        cwd,
        run_as: RunAs::resolve(exec.user.as_ref(), exec.group.as_ref())?,
        limits: exec.limits,
        open_files: place.open_files,
        temporary,
        timeout_ms: launch.timeout.map(millis),
        grace_ms: millis(launch.operation.grace),
        log_bytes_max: launch.means.log_bytes_max,
        nonce: place.nonce,
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

fn env(
    exec: &ExecSpec,
    launch: &Launch,
    scope: &Scope<'_>,
    paths: &[(&str, Option<&PathBuf>)],
) -> Result<BTreeMap<String, String>, String> {
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
        ("HEELER_RESOURCE", resource(&launch.job)),
        ("HEELER_SCHEDULED_FOR", scheduled_for(&launch.job)),
    ];
    for (name, value) in ours {
        match value {
            Some(value) => drop(env.insert(name.to_owned(), value)),
            None => drop(env.remove(name)),
        }
    }
    for (name, path) in paths {
        match path {
            Some(path) => drop(env.insert((*name).to_owned(), text_of(path)?)),
            None => drop(env.remove(*name)),
        }
    }
    Ok(env)
}

fn secrets(exec: &ExecSpec, scope: &Scope<'_>) -> Result<BTreeMap<String, String>, String> {
    let render = |(name, template): (&String, &Template)| {
        let text = template.render(scope).map_err(|error| format!("`{name}` of `secrets`: {error}"))?;
        Ok((name.clone(), text))
    };
    exec.secrets.iter().map(render).collect()
}

fn text_of(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("the path `{}` is not UTF-8", path.display()))
}

fn scope(launch: &Launch) -> Scope<'_> {
    let surroundings = &launch.means.surroundings;
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
