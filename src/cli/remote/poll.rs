//! Waits for something to become another, by asking with its tag.
//!
//! # Guarantees
//! A service that holds its answer until there is news is asked once for each
//! piece of news; one that answers at once is asked with growing pauses. A
//! service that goes away is waited for as long as the client is patient.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::session::{Session, json_of};
use super::status::{self, Standing};
use super::target::Target;
use crate::cli::client::{Ask, Belief, Nobody};
use crate::cli::exit::Failure;

/// How long the service is asked to hold an answer: less than what cuts off idle connections.
const HOLD: Duration = Duration::from_secs(30);

/// An answer without news that came sooner was not held.
const HELD: Duration = Duration::from_secs(1);

/// The pauses between questions that are not held.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What there is to say of something that is waited for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// It is another one now.
    Is(Value),
    /// It is not there, or no longer.
    Gone,
    /// Time is up.
    TimeIsUp,
}

/// Asks about one thing again and again.
#[derive(Debug)]
pub(super) struct Poll<'s> {
    session: &'s Session,
    path: String,
    deadline: Instant,
    tag: Option<String>,
    nobody: Nobody,
    pause: Duration,
}

impl<'s> Poll<'s> {
    pub(super) fn new(session: &'s Session, path: String, deadline: Instant) -> Self {
        Self { session, path, deadline, tag: None, nobody: Nobody::IsAnError, pause: PAUSE }
    }

    /// How it is, and then whenever it is another one.
    pub(super) async fn next(&mut self) -> Result<News, Failure> {
        loop {
            let begun = Instant::now();
            let left = self.deadline.saturating_duration_since(begun);
            if left.is_zero() {
                return Ok(News::TimeIsUp);
            }
            let ask = Ask::get(&self.path).when_nobody_is_there(self.nobody);
            let tag = self.tag.clone();
            let ask = match &tag {
                // In the first place it is of interest how it is.
                None => ask,
                Some(tag) => ask.believing(Belief::Has(tag)).waiting(left.min(HOLD)),
            };
            // One answer is always waited for: time may be short, but not the reason to know nothing.
            let client = &self.session.client;
            let sent = match &self.tag {
                None => Ok(client.send(&ask).await),
                Some(_) => timeout_at(self.deadline, client.send(&ask)).await,
            };
            let Ok(reply) = sent else { return Ok(News::TimeIsUp) };
            let reply = reply?;
            self.nobody = Nobody::IsWaitedFor;
            match reply.status {
                StatusCode::NOT_FOUND => return Ok(News::Gone),
                StatusCode::NOT_MODIFIED => {}
                _ => {
                    let reply = client.accept(&ask, reply)?;
                    let is_new = reply.etag.is_none() || reply.etag != self.tag;
                    self.tag.clone_from(&reply.etag);
                    if is_new {
                        return json_of(&self.path, &reply).map(News::Is);
                    }
                }
            }
            if begun.elapsed() < HELD {
                sleep(self.pause.min(self.deadline.saturating_duration_since(Instant::now()))).await;
                self.pause = (self.pause * 2).min(PAUSE_MAX);
            } else {
                self.pause = PAUSE;
            }
        }
    }
}

/// Waits until a resource is settled or a job is finished; what to say of it.
pub(super) async fn done(session: &Session, target: &Target, deadline: Instant) -> Result<String, Failure> {
    let mut poll = Poll::new(session, session.path(target).await?, deadline);
    let mut standing = "it is not known how it is".to_owned();
    loop {
        let shown = match poll.next().await? {
            News::Is(shown) => shown,
            News::Gone => return Err(Failure::Refused(format!("{target} does not exist"))),
            News::TimeIsUp => return Err(Failure::TimedOut(format!("{target}: time is up: {standing}"))),
        };
        let stands = match target {
            Target::Job(_) => status::job(&shown),
            Target::Resource(_) | Target::Activity(..) | Target::Collection(_) | Target::Jobs => {
                status::resource(&shown)
            }
        };
        match stands {
            Standing::Succeeded(words) => return Ok(words),
            Standing::Failed(failed) => return Err(Failure::Jobs(format!("{target}: {}", failed.join("; ")))),
            Standing::Unsettled(why) => standing = why,
        }
    }
}

/// Waits until something is gone.
pub(super) async fn gone(session: &Session, target: &Target, deadline: Instant) -> Result<(), Failure> {
    let mut poll = Poll::new(session, session.path(target).await?, deadline);
    let mut uid = None;
    loop {
        match poll.next().await? {
            News::Gone => return Ok(()),
            News::TimeIsUp => {
                return Err(Failure::TimedOut(format!("{target}: time is up: its jobs have not stopped")));
            }
            News::Is(shown) => {
                // Somebody may have created it anew.
                let now = status::of(&shown)["uid"].clone();
                if uid.get_or_insert_with(|| now.clone()) != &now {
                    return Ok(());
                }
            }
        }
    }
}
