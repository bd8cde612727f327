//! Letters.
//!
//! A letter is handed to the relay of the configuration, whole, to all of its
//! recipients or to none. Its `Message-ID` is made of the job's id, so that
//! programs which look for that see the letter of a second attempt as the same.
//!
//! # Guarantees
//! Nothing that an expression gives can become a header field, a recipient or
//! a command of its own. A password is sent over TLS alone, to who is
//! verified to be the relay. That a letter may have been taken is noted before
//! the relay has it: an attempt that is not noted was not sent.
//! # Not here
//! Delivery: a relay that takes a letter answers for it.

mod dialogue;
mod letter;
mod wire;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::letter::Letter;
use super::outward::{Desk, Errands, Said};
use super::{AttemptRef, Launch, Probe, Report, Runner, StartError, Trust};
use crate::clock::Clock;
use crate::domain::id::JobId;
use crate::domain::job::{AttemptOutcome, Ending, JobError};
use crate::domain::means::Means;
use crate::domain::outward::Relay;
use crate::domain::time::friendly;

/// How long handing over a letter takes at most, unless the operation has a
/// `timeout`: relays may look a sender up before they answer.
pub const HAND_OVER_DEFAULT: Duration = Duration::from_secs(60);

/// With what letters are sent.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// The folder in which is noted what was sent. It must be there.
    pub root: PathBuf,
    /// Whom to believe.
    pub trust: Trust,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Runs operations as letters.
#[derive(Debug)]
pub struct MailRunner {
    config: MailConfig,
    errands: Errands,
}

impl MailRunner {
    /// A runner for the attempts that are noted below the root, and new ones.
    #[must_use]
    pub fn new(config: MailConfig) -> Self {
        let errands = Errands::new(config.root.clone(), Arc::clone(&config.clock));
        Self { config, errands }
    }
}

/// Who takes a letter, and whom to believe that they are.
struct Office {
    relay: Relay,
    means: Arc<Means>,
    trust: Trust,
}

/// All that is needed to send a letter.
struct Order {
    letter: Letter,
    office: Office,
    patience: Duration,
    grace: Duration,
}

#[async_trait]
impl Runner for MailRunner {
    async fn start(&self, launch: Launch) -> Result<(), StartError> {
        let Some(relay) = launch.means.relay.clone() else {
            return Err(StartError { detail: "nobody takes letters: the file has no `[mail]`".to_owned() });
        };
        let letter = letter::letter(&launch, &relay, self.config.clock.now());
        let order = Order {
            letter: letter.map_err(|detail| StartError { detail })?,
            office: Office { relay, means: Arc::clone(&launch.means), trust: self.config.trust.clone() },
            patience: launch.timeout.unwrap_or(HAND_OVER_DEFAULT),
            grace: launch.operation.grace,
        };
        self.errands.start(launch.attempt, |desk| async move { Said::Ended(work(&order, &desk).await) }).await;
        Ok(())
    }

    async fn probe(&self, attempt: AttemptRef) -> Probe {
        self.errands.probe(attempt).await
    }

    async fn next_report(&self, attempt: AttemptRef) -> Report {
        self.errands.next_report(attempt).await
    }

    async fn stop(&self, attempt: AttemptRef) {
        self.errands.stop(attempt);
    }

    async fn forget(&self, job: JobId) -> io::Result<()> {
        self.errands.forget(job).await
    }

    fn outlives(&self, attempt: AttemptRef) -> bool {
        self.errands.outlives(attempt)
    }

    async fn close(&self) {
        self.errands.close().await;
    }
}

/// Hands one letter over, and says what came of it.
async fn work(order: &Order, desk: &Desk) -> Ending {
    let begun = tokio::time::Instant::now();
    let ready = tokio::select! {
        biased;
        () = desk.stop.cancelled() => return unsent(),
        ready = tokio::time::timeout(order.patience, dialogue::prepare(&order.office, &order.letter)) => ready,
    };
    let mut dialogue = match ready {
        Ok(Ok(dialogue)) => dialogue,
        Ok(Err(ending)) => return ending,
        Err(_) => {
            let detail =
                format!("the relay did not take the letter within {}; it was not sent", friendly(order.patience));
            return Ending { detail: Some(detail), ..Ending::new(AttemptOutcome::TimedOut) };
        }
    };
    if let Err(ending) = desk.sending().await {
        return ending;
    }
    if desk.stop.is_cancelled() {
        return unsent();
    }
    let left = order.patience.saturating_sub(begun.elapsed()).max(ANSWER_MIN);
    let given_up = async {
        desk.stop.cancelled().await;
        tokio::time::sleep(order.grace).await;
    };
    let ending = tokio::select! {
        biased;
        ending = dialogue.send(&order.office, &order.letter) => ending,
        () = given_up => unknown("it was stopped while the relay had the letter and had not answered"),
        () = tokio::time::sleep(left) => unknown("the relay had the letter, and did not answer in time"),
    };
    dialogue.leave().await;
    ending
}

/// How long an answer to the letter itself is waited for at least: without it
/// nobody knows.
const ANSWER_MIN: Duration = Duration::from_secs(5);

fn unsent() -> Ending {
    let detail = "it was stopped before the letter was sent";
    Ending { detail: Some(detail.to_owned()), ..Ending::new(AttemptOutcome::Canceled) }
}

fn unknown(why: &str) -> Ending {
    let detail = format!("{why}: it may have been sent");
    Ending { detail: Some(detail), ..Ending::new(AttemptOutcome::Lost) }
}

fn failed(reason: &str, message: String) -> Ending {
    let error = JobError { reason: reason.to_owned(), message: message.clone(), details: None };
    Ending { detail: Some(message), error: Some(error), ..Ending::new(AttemptOutcome::Failed) }
}
