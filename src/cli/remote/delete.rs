//! `heeler delete`: deletes resources.

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::args::DeleteArgs;
use super::poll;
use super::print::line;
use super::session::Session;
use super::target::{ResourceName, Target};
use crate::cli::client::{Ask, Belief};
use crate::cli::exit::{Failure, Worst};

pub(super) async fn run(session: &Session, args: &DeleteArgs) -> Result<(), Failure> {
    if args.if_match.is_some() && args.targets.len() != 1 {
        let words = format!("`--if-match` is about one resource: there are {}", args.targets.len());
        return Err(Failure::Usage(words));
    }
    let deadline = args.wait.wait.map(|wait| Instant::now() + wait);
    let mut worst = Worst::default();
    for name in &args.targets {
        if let Err(failure) = delete(session, name, args.if_match.as_deref(), deadline).await {
            worst.note(&failure);
        }
    }
    worst.verdict()
}

async fn delete(
    session: &Session,
    name: &ResourceName,
    tag: Option<&str>,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    let path = session.resource_path(name).await?;
    let ask = Ask::new(Method::DELETE, path).believing(Belief::IsStill(tag.unwrap_or("*")));
    let reply = session.client.demand(&ask).await.map_err(|error| Failure::about(name, error))?;
    if reply.status == StatusCode::ACCEPTED {
        let Some(deadline) = deadline else { return line(&format!("{name} deleting")) };
        poll::gone(session, &Target::Resource(name.clone()), deadline).await?;
    }
    line(&format!("{name} deleted"))
}
