//! `heeler watch`: prints changes as they happen.
//!
//! # Guarantees
//! A connection that is lost is made again, and goes on after the last event
//! that had an id: no change is missed, and none is printed twice. How
//! everything is at first has no ids, and begins anew. What the service no longer
//! has, it says, and how everything is now.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::args::{Format, WatchArgs};
use super::print::{line, text};
use super::session::Session;
use super::status::{message, messages, phase, phases};
use super::target::Target;
use crate::cli::client::{ClientError, Event};
use crate::cli::exit::Failure;
use crate::cli::output::complain;

/// The pause before a lost connection is made again, unless the service names another.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause that a service is believed.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Where the stream was left.
#[derive(Debug, Default)]
struct Place {
    /// The last event that had an id.
    last: Option<String>,
    /// How long to wait before coming back, as the service would have it.
    pause: Option<Duration>,
    /// Whether there ever was a stream.
    begun: bool,
    /// Whether the last one said anything.
    heard: bool,
}

pub(super) async fn run(session: &Session, args: &WatchArgs) -> Result<(), Failure> {
    let path = session.path(&args.target).await?;
    let mut place = Place::default();
    let mut lost: Option<Instant> = None;
    loop {
        place.heard = false;
        let ended = follow(session, &path, args, &mut place).await;
        if place.heard {
            lost = None;
        }
        let since = *lost.get_or_insert_with(Instant::now);
        match ended {
            // The service stops, or starts anew.
            Ok(()) => {}
            Err(Failure::Client(ClientError::Lost { .. })) => {}
            Err(Failure::Client(ClientError::Connect { .. })) if place.begun => {}
            Err(failure) => return Err(failure),
        }
        if since.elapsed() > session.client.patience() {
            let words = format!("{} ends the stream again and again", session.client.server());
            return Err(Failure::Unreachable(words.into()));
        }
        sleep(place.pause.unwrap_or(PAUSE).min(PAUSE_MAX)).await;
    }
}

/// Prints one stream to its end.
async fn follow(session: &Session, path: &str, args: &WatchArgs, place: &mut Place) -> Result<(), Failure> {
    let mut stream = session.client.events(path, place.last.as_deref()).await?;
    place.begun = true;
    let lost = |source| Failure::Client(ClientError::Lost { server: session.client.server().clone(), source });
    loop {
        let next = stream.next().await.map_err(lost);
        place.pause = stream.retry().or(place.pause);
        let Some(event) = next? else { return Ok(()) };
        place.heard = true;
        print(&event, args)?;
        // What was reset has no place any more until the service names one.
        if event.kind == "reset" {
            place.last = None;
        }
        if event.id.is_some() {
            place.last = event.id;
        }
    }
}

fn print(event: &Event, args: &WatchArgs) -> Result<(), Failure> {
    let data: Value = serde_json::from_str(&event.data).unwrap_or(Value::Null);
    match args.output.output {
        Format::Json => {
            let mut shown = json!({ "event": event.kind });
            if let Some(id) = &event.id {
                shown["id"] = json!(id);
            }
            shown["data"] = data;
            line(&shown.to_string())
        }
        Format::Name if event.kind == "put" => line(&name(&args.target, &data)),
        Format::Table if event.kind == "put" => line(&words(&args.target, &data)),
        Format::Name | Format::Table if event.kind == "delete" => {
            line(&format!("{} deleted", name(&args.target, &data)))
        }
        Format::Name | Format::Table => {
            if event.kind == "reset" {
                complain("some changes are no longer known: what follows is how everything is now");
            }
            Ok(())
        }
    }
}

/// What an event is about.
fn name(target: &Target, data: &Value) -> String {
    match target {
        Target::Collection(collection) => format!("{collection}/{}", text(&data["id"])),
        Target::Jobs => format!("jobs/{}", text(&data["id"])),
        Target::Resource(_) | Target::Activity(..) | Target::Job(_) => target.to_string(),
    }
}

/// How something is now, in a line.
fn words(target: &Target, data: &Value) -> String {
    let name = name(target, data);
    let (standing, said) = match target {
        Target::Jobs | Target::Job(_) => {
            let resource = format!("{}/{}", text(&data["resource"]["collection"]), text(&data["resource"]["id"]));
            (format!("{} {resource} {}", text(&data["operation"]), phase(data)), message(data).into_iter().collect())
        }
        Target::Collection(_) | Target::Resource(_) | Target::Activity(..) => (phases(data), messages(data)),
    };
    let said: Vec<String> = said;
    let said = if said.is_empty() { String::new() } else { format!(": {}", said.join(", ")) };
    format!("{name} {standing}{said}").trim_end().to_owned()
}
