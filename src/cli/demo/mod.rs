//! `heeler demo`: a service of its own, and a client that asks it for work on
//! real files, over real HTTP.
//!
//! # Guarantees
//! Everything is in one temporary folder, and the folder is removed at the end,
//! after the programs that run in it have been stopped.

mod folder;
mod screen;
mod wish;

use std::pin::pin;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::args::DemoArgs;
use super::client::{Ask, Belief, Client, ClientError, Reply};
use super::exit::Failure;
use super::output::say;
use super::serve;
use super::signals::Signals;
use crate::service::Heeler;
use folder::Folder;
use screen::Screen;
use wish::{Standing, Wish, wishes};

/// How often the client looks how far the work is. An answer without news
/// has no body, so that it costs next to nothing.
const LOOK: Duration = Duration::from_millis(150);

/// The longest that the work may take: some ten times what it takes on a slow machine.
const WORK: Duration = Duration::from_secs(120);

/// How long programs have to stop at the end: longer than their grace.
const STOP: Duration = Duration::from_secs(7);

/// Shows it.
pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let folder = Folder::create().map_err(|error| Failure::System(error.into()))?;
    serve::block_on(async {
        let service = Heeler::builder().config_file(folder.configuration()).listen(args.listen).build().await?;
        let Some(address) = service.address() else { return Ok(()) };
        let client = &Client::at(address);
        let mut signals = Signals::listen().map_err(|error| Failure::System(error.into()))?;
        say(&format!("listening on http://{address}, with everything in {}", folder.path().display()));
        let stop = CancellationToken::new();
        let mut running = pin!(service.serve(stop.cancelled()));
        let shown = async {
            let outcome = show(args, client).await;
            if !args.once && outcome.is_ok() {
                // It is seen; now it is there to be tried, until a signal.
                std::future::pending::<()>().await;
            }
            outcome
        };
        let outcome = tokio::select! {
            ended = &mut running => return Ok(ended?),
            _ = signals.next() => Ok(()),
            outcome = shown => outcome,
        };
        tokio::select! {
            ended = &mut running => return Ok(ended?),
            signal = signals.next() => signal.end_process(),
            _ = timeout(STOP, remove_all(client)) => stop.cancel(),
        }
        running.await?;
        outcome
    })
}

/// Asks for the work, shows its progress, and what came of it.
async fn show(args: &DemoArgs, client: &Client) -> Result<(), Failure> {
    let wishes = wishes();
    for wish in &wishes {
        ask(client, wish).await.map_err(unreachable)?;
    }
    say("");
    let standings = match timeout(WORK, watch(client, &wishes)).await {
        Ok(standings) => standings.map_err(unreachable)?,
        Err(_) => return Err(Failure::Jobs(format!("not done after {} s", WORK.as_secs()))),
    };
    let failed = standings.iter().filter(|standing| !standing.has_succeeded()).count();
    let (Some(wish), Some(standing)) = (wishes.first(), standings.first()) else { return Ok(()) };
    let reply = client.demand(&Ask::get(wish.path())).await.map_err(unreachable)?;
    say(&format!("\nGET {}\n{:#}", wish.path(), document(&reply).unwrap_or_default()));
    if failed > 0 {
        return Err(Failure::Jobs(format!("{failed} of {} jobs failed", standings.len())));
    }
    if !args.once {
        say(&how_to_go_on(client, wish, &reply, standing));
    }
    Ok(())
}

/// Creates the resource, then asks for work by changing it.
async fn ask(client: &Client, wish: &Wish) -> Result<(), ClientError> {
    let path = wish.path();
    let created = client.demand(&Ask::put(&path, &wish.document).believing(Belief::IsAbsent)).await?;
    let tag = created.etag.clone().unwrap_or_default();
    say(&format!("PUT   {path:18} {}\n      {}, ETag: {tag}", wish.document, created.status));
    let changed = client.demand(&Ask::merge(&path, &wish.patch).believing(Belief::IsStill(&tag))).await?;
    let new_tag = changed.etag.clone().unwrap_or_default();
    say(&format!("PATCH {path:18} If-Match: {tag} {}\n      {}, ETag: {new_tag}", wish.patch, changed.status));
    Ok(())
}

/// Looks until all are settled, and shows every step.
async fn watch(client: &Client, wishes: &[Wish]) -> Result<Vec<Standing>, ClientError> {
    let mut screen = Screen::new(wishes);
    let mut seen: Vec<Option<(String, Standing)>> = vec![None; wishes.len()];
    loop {
        for (at, wish) in wishes.iter().enumerate() {
            let belief = seen[at].as_ref().map_or(Belief::None, |(tag, _)| Belief::Has(tag));
            let reply = client.demand(&Ask::get(wish.path()).believing(belief)).await?;
            if reply.status == StatusCode::NOT_MODIFIED {
                continue;
            }
            let standing = Standing::read(&document(&reply).unwrap_or_default());
            screen.show(at, &standing);
            seen[at] = Some((reply.etag.unwrap_or_default(), standing));
        }
        if seen.iter().all(|seen| seen.as_ref().is_some_and(|(_, standing)| standing.settled)) {
            return Ok(seen.into_iter().flatten().map(|(_, standing)| standing).collect());
        }
        sleep(LOOK).await;
    }
}

/// Removes every resource, which stops what still runs for it.
async fn remove_all(client: &Client) -> Result<(), ClientError> {
    loop {
        let list = document(&client.demand(&Ask::get("/v1/files?limit=1000")).await?).unwrap_or_default();
        let ids = list["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str());
        let mut left = 0;
        for id in ids {
            // It may have gone meanwhile; whether it has, the next list says.
            let _ = client
                .demand(&Ask::new(Method::DELETE, format!("/v1/files/{id}")).believing(Belief::IsStill("*")))
                .await;
            left += 1;
        }
        if left == 0 {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

fn how_to_go_on(client: &Client, wish: &Wish, reply: &Reply, standing: &Standing) -> String {
    let resource = client.url(&wish.path());
    let tag = reply.etag.as_deref().unwrap_or("*");
    let log = client.url(&format!("/v1/jobs/{}/log", standing.job.as_deref().unwrap_or_default()));
    let patch = r#"{"processing":{"input":{"algorithm":"sha512"}}}"#;
    format!(
        "\nGo on by hand, in another terminal:\n\n  \
         curl -i {resource}\n\n  \
         curl -i -X PATCH {resource} \\\n    \
         -H 'If-Match: {tag}' -H 'Content-Type: application/merge-patch+json' \\\n    \
         -d '{patch}'\n\n  \
         curl {log}\n\n\
         Ctrl-C stops the service and removes the folder."
    )
}

fn document(reply: &Reply) -> Option<Value> {
    serde_json::from_slice(&reply.body).ok()
}

fn unreachable(error: ClientError) -> Failure {
    Failure::Unreachable(error.into())
}
