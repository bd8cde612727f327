//! `heeler logs`: prints what a job wrote.
//!
//! # Guarantees
//! A log only ever grows, so that what was printed before a connection was lost
//! is left out of what comes after it: nothing is printed twice, and nothing is missing.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::args::LogsArgs;
use super::print::{bytes, text};
use super::session::{Session, json_of};
use super::status::{self, Standing};
use super::target::Target;
use crate::cli::client::ClientError;
use crate::cli::exit::Failure;
use crate::cli::output::complain;

/// The pause before a job is looked at again that has no more to say and is not finished.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn run(session: &Session, args: &LogsArgs) -> Result<(), Failure> {
    let job = session.path(&newest(session, &args.target).await?).await?;
    if !args.follow {
        let attempt = args.attempt.map(|number| format!("attempt={number}"));
        return print(session, &log(&job, args, attempt), &mut 0).await;
    }
    let mut attempt = attempt_of(&session.read(&job).await?).max(1);
    let mut printed = 0;
    let mut lost: Option<Instant> = None;
    loop {
        let parts = [format!("attempt={attempt}"), "follow=true".to_owned()];
        let before = printed;
        let ended = match attempt_of(&session.read_again(&job).await?) {
            // There is nothing to follow yet by a number: whoever asks for none waits for the first one.
            0 => print(session, &log(&job, args, ["follow=true".to_owned()]), &mut printed).await,
            _ => print(session, &log(&job, args, parts), &mut printed).await,
        };
        if printed > before {
            lost = None;
        }
        if let Err(failure) = ended {
            let since = *lost.get_or_insert_with(Instant::now);
            let is_lost = matches!(failure, Failure::Client(ClientError::Connect { .. } | ClientError::Lost { .. }));
            if !is_lost || since.elapsed() > session.client.patience() {
                return Err(failure);
            }
            sleep(PAUSE).await;
            continue;
        }
        let shown = session.read_again(&job).await?;
        if attempt_of(&shown) > attempt {
            attempt += 1;
            printed = 0;
            complain(&format!("attempt {attempt}"));
        } else if matches!(status::job(&shown), Standing::Unsettled(_)) {
            sleep(PAUSE).await;
        } else {
            return Ok(());
        }
    }
}

/// The job that is meant.
async fn newest(session: &Session, target: &Target) -> Result<Target, Failure> {
    let activity = match target {
        Target::Job(_) | Target::Jobs | Target::Collection(_) => return Ok(target.clone()),
        Target::Resource(name) => Target::Activity(name.clone(), session.only_activity(name).await?),
        Target::Activity(..) => target.clone(),
    };
    let path = format!("{}/last", session.path(&activity).await?);
    let Some(reply) = session.find(&path).await? else {
        return Err(Failure::Refused(format!("{activity} has no jobs")));
    };
    let id = text(&json_of(&path, &reply)?["id"]);
    id.parse().map(Target::Job).map_err(|_| Failure::Refused(format!("{path} is no job")))
}

fn attempt_of(job: &Value) -> u64 {
    job["attempt"].as_u64().unwrap_or(0)
}

fn log(job: &str, args: &LogsArgs, parts: impl IntoIterator<Item = String>) -> String {
    let mut query: Vec<String> = parts.into_iter().collect();
    query.extend(args.stream.map(|stream| format!("stream={}", stream.as_str())));
    query.extend(args.timestamps.then(|| "timestamps=true".to_owned()));
    if query.is_empty() { format!("{job}/log") } else { format!("{job}/log?{}", query.join("&")) }
}

/// Prints what is there, but for what was printed before.
async fn print(session: &Session, path: &str, printed: &mut usize) -> Result<(), Failure> {
    let mut stream = session.client.bytes(path).await?;
    let mut skip = *printed;
    let lost = |source| Failure::Client(ClientError::Lost { server: session.client.server().clone(), source });
    while let Some(piece) = stream.next().await.map_err(lost)? {
        let known = skip.min(piece.len());
        skip -= known;
        bytes(&piece[known..])?;
        *printed += piece.len() - known;
    }
    Ok(())
}
