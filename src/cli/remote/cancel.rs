//! `heeler cancel`: cancels jobs.

use http::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::args::CancelArgs;
use super::poll::{News, Poll};
use super::print::{line, text};
use super::session::Session;
use super::status::{self, Standing};
use super::target::{Target, encoded};
use crate::cli::client::Ask;
use crate::cli::exit::{Failure, Worst};
use crate::cli::output::complain;

pub(super) async fn run(session: &Session, args: &CancelArgs) -> Result<(), Failure> {
    let deadline = args.wait.wait.map(|wait| Instant::now() + wait);
    let mut worst = Worst::default();
    for target in &args.targets {
        let jobs = match jobs(session, target).await {
            Ok(jobs) => jobs,
            Err(failure) => {
                worst.note(&failure);
                continue;
            }
        };
        if jobs.is_empty() {
            complain(&format!("{target} has no unfinished jobs"));
        }
        // All are told to stop before any is waited for.
        for job in &jobs {
            if let Err(failure) = stop(session, job).await {
                worst.note(&failure);
            }
        }
        for job in &jobs {
            if let Err(failure) = tell(session, job, deadline).await {
                worst.note(&failure);
            }
        }
    }
    worst.verdict()
}

/// The jobs that are meant.
async fn jobs(session: &Session, target: &Target) -> Result<Vec<Target>, Failure> {
    let (name, activity) = match target {
        Target::Job(_) | Target::Jobs | Target::Collection(_) => return Ok(vec![target.clone()]),
        Target::Resource(name) => (name, None),
        Target::Activity(name, activity) => (name, Some(activity)),
    };
    // It says so if there is no such resource.
    session.read(&session.resource_path(name).await?).await?;
    let mut found = Vec::new();
    for phase in ["queued", "starting", "running"] {
        let filter = format!("collection={}&resource={}&phase={phase}", name.collection, encoded(&name.id));
        let mut next = Some(format!("/v1/jobs?{filter}&limit=1000"));
        while let Some(path) = next.take() {
            let page = session.read(&path).await?;
            let items = page["items"].as_array().into_iter().flatten();
            let meant = items.filter(|job| activity.is_none_or(|activity| job["activity"] == activity.as_str()));
            found.extend(meant.filter_map(|job| text(&job["id"]).parse().ok()).map(Target::Job));
            next = page["_links"]["next"]["href"].as_str().map(str::to_owned);
        }
    }
    // A job may have moved on from one phase to the next between two questions.
    let mut once: Vec<Target> = Vec::with_capacity(found.len());
    for job in found {
        if !once.contains(&job) {
            once.push(job);
        }
    }
    Ok(once)
}

async fn stop(session: &Session, job: &Target) -> Result<(), Failure> {
    let ask = Ask::new(Method::DELETE, session.path(job).await?);
    session.client.demand(&ask).await.map(|_| ()).map_err(|error| Failure::about(job, error))
}

/// Says where a job stands, once it has stopped if that is waited for.
async fn tell(session: &Session, job: &Target, deadline: Option<Instant>) -> Result<(), Failure> {
    let now = Instant::now();
    let mut poll = Poll::new(session, session.path(job).await?, deadline.unwrap_or(now + session.client.patience()));
    let mut shown = Value::Null;
    loop {
        match poll.next().await? {
            News::Is(news) => shown = news,
            // A job that leaves no record is gone when it is finished.
            News::Gone => return line(&format!("{job} is gone")),
            News::TimeIsUp => {
                return Err(Failure::TimedOut(format!("{job}: time is up: it is {}", status::phase(&shown))));
            }
        }
        let is_over = !matches!(status::job(&shown), Standing::Unsettled(_));
        if is_over || deadline.is_none() {
            return line(&format!("{job} {}", status::phase(&shown)));
        }
    }
}
