//! `heeler run`: launches a job.

use serde_json::{Map, Value, json};

use super::args::{Format, RunArgs};
use super::files;
use super::print::{line, pretty, text};
use super::session::{Session, json_of};
use super::target::Target;
use super::{poll, status};
use crate::cli::client::Ask;
use crate::cli::exit::Failure;
use tokio::time::Instant;

pub(super) async fn run(session: &Session, args: &RunArgs) -> Result<(), Failure> {
    let input = args.input.as_deref().map(input).transpose()?;
    let path = session.path(&activity(session, &args.target).await?).await?;
    let mut wanted = Map::new();
    wanted.extend(args.operation.as_ref().map(|name| ("operation".to_owned(), json!(name.as_str()))));
    wanted.extend(input.map(|input| ("input".to_owned(), input)));
    // Operations may answer with their results; here the job is wanted, so that it can be waited for in any case.
    let ask = Ask::post(&path, &Value::Object(wanted)).preferring("respond-async");
    let launched = json_of(&path, &session.demand(&ask).await?)?;
    let id = text(&launched["id"]);
    let job = id.parse().map(Target::Job);
    let job = job.map_err(|_| Failure::Refused(format!("{path} was not answered with a job")))?;
    match (args.output.output, args.wait.wait) {
        (Format::Name, _) => line(&job.to_string())?,
        (Format::Table, _) => line(&format!("{job} {}", status::phase(&launched)))?,
        (Format::Json, None) => line(&pretty(&launched))?,
        (Format::Json, Some(_)) => {}
    }
    let Some(timeout) = args.wait.wait else { return Ok(()) };
    let ended = poll::done(session, &job, Instant::now() + timeout).await;
    match args.output.output {
        Format::Json => line(&pretty(&session.read(&session.path(&job).await?).await?))?,
        Format::Table if ended.is_ok() => {
            let done = session.read(&session.path(&job).await?).await?;
            let result = if done["result"].is_null() { String::new() } else { format!(": {}", done["result"]) };
            line(&format!("{job} succeeded{result}"))?;
        }
        Format::Table | Format::Name => {}
    }
    ended.map(|_| ())
}

/// The activity that is meant.
async fn activity(session: &Session, target: &Target) -> Result<Target, Failure> {
    match target {
        Target::Resource(name) => Ok(Target::Activity(name.clone(), session.only_activity(name).await?)),
        Target::Activity(..) | Target::Collection(_) | Target::Jobs | Target::Job(_) => Ok(target.clone()),
    }
}

/// Reads the input: JSON, or a file of it.
fn input(text: &str) -> Result<Value, Failure> {
    let read = match text.strip_prefix('@') {
        None => files::object("--input", text.as_bytes()),
        Some(path) => match std::fs::read(path) {
            Ok(bytes) => files::object(path, &bytes),
            Err(error) => Err(format!("{path} cannot be read: {error}")),
        },
    };
    read.map(Value::Object).map_err(Failure::Usage)
}
