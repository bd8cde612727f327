//! Attempts that are one exchange with somebody else: what they have in common.
//!
//! # Guarantees
//! Nothing is sent before it is noted on the disk that it may have been, and
//! what came of it is noted before it is told. So, after a kill at any instant,
//! an attempt was provably never sent, or its end is known, or nobody can know.
//! # Not here
//! What is sent.

mod journal;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::journal::{Found, Journal};
use super::{AttemptRef, Probe, Report};
use crate::clock::Clock;
use crate::domain::id::JobId;
use crate::domain::job::{AttemptOutcome, Ending, Remote};

/// What an attempt says, once and for all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Said {
    /// Somebody goes on with it.
    Accepted(Remote),
    /// It is over.
    Ended(Ending),
}

/// What an attempt has of whoever looks after it.
#[derive(Debug)]
pub(super) struct Desk {
    /// Cancelled when the attempt is to stop.
    pub(super) stop: CancellationToken,
    journal: Journal,
}

impl Desk {
    /// Notes that from now on something may have been sent.
    ///
    /// # Errors
    /// It cannot be noted, and so nothing may be sent: how the attempt ends.
    pub(super) async fn sending(&self) -> Result<(), Ending> {
        self.journal.sending().await.map_err(|error| {
            let detail =
                Some(format!("nothing was sent: that it is cannot be noted in the folder of attempts: {error}"));
            Ending { detail, ..Ending::new(AttemptOutcome::Failed) }
        })
    }
}

/// One attempt, until what it says was heard.
#[derive(Debug)]
struct Errand {
    said: watch::Sender<Option<Heard>>,
    stop: CancellationToken,
}

#[derive(Debug, Clone)]
struct Heard {
    said: Said,
    /// Whether the journal says the same.
    is_noted: bool,
}

/// The attempts of a runner.
#[derive(Debug)]
pub(super) struct Errands {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<AttemptRef, Arc<Errand>>>,
    is_closed: AtomicBool,
}

/// How long the end of the process waits for answers that are due: most come
/// by then, and nobody knows what became of the others.
const CLOSE: Duration = Duration::from_secs(4);

impl Errands {
    /// Those that are noted below a root, and those to come.
    pub(super) fn new(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { root, clock, known: Mutex::default(), is_closed: AtomicBool::new(false) }
    }

    /// Does the work of an attempt, unless that was begun before.
    #[expect(clippy::disallowed_methods, reason = "`next_report` waits for what it says, whatever becomes of it")]
    pub(super) async fn start<W>(&self, attempt: AttemptRef, work: impl FnOnce(Desk) -> W)
    where
        W: Future<Output = Said> + Send + 'static,
    {
        let journal = self.journal(attempt);
        if journal.read().await != Found::Nothing || self.is_closed.load(Ordering::Relaxed) {
            return;
        }
        let errand = Arc::new(Errand { said: watch::Sender::new(None), stop: CancellationToken::new() });
        let is_new = match self.known().entry(attempt) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Arc::clone(&errand));
                true
            }
        };
        if is_new {
            let work = AssertUnwindSafe(work(Desk { stop: errand.stop.clone(), journal: journal.clone() }));
            let clock = Arc::clone(&self.clock);
            tokio::spawn(async move {
                let mut said = work.catch_unwind().await.unwrap_or_else(|_| Said::Ended(unknown()));
                if let Said::Ended(ending) = &mut said {
                    ending.finished = Some(clock.now());
                }
                let is_noted = journal.note(&said).await.is_ok();
                errand.said.send_replace(Some(Heard { said, is_noted }));
            });
        }
    }

    /// What became of an attempt.
    pub(super) async fn probe(&self, attempt: AttemptRef) -> Probe {
        if self.known().contains_key(&attempt) {
            return Probe::Running;
        }
        match self.journal(attempt).read().await {
            Found::Nothing => Probe::NeverStarted,
            Found::Sending => Probe::Ended(unknown()),
            Found::Said(Said::Accepted(_)) => Probe::Running,
            Found::Said(Said::Ended(ending)) => Probe::Ended(ending),
        }
    }

    /// Waits for what an attempt says. After that it says the same again.
    pub(super) async fn next_report(&self, attempt: AttemptRef) -> Report {
        let errand = self.known().get(&attempt).map(Arc::clone);
        let Some(errand) = errand else {
            return match self.journal(attempt).read().await {
                Found::Said(said) => report(said),
                Found::Sending | Found::Nothing => Report::Ended(unknown()),
            };
        };
        let mut said = errand.said.subscribe();
        let heard = said.wait_for(Option::is_some).await.ok().and_then(|heard| heard.clone());
        let Some(Heard { said, is_noted }) = heard else { return Report::Ended(unknown()) };
        if is_noted {
            // The journal tells whoever asks again.
            self.known().remove(&attempt);
        }
        report(said)
    }

    /// Tells an attempt to stop.
    pub(super) fn stop(&self, attempt: AttemptRef) {
        if let Some(errand) = self.known().get(&attempt) {
            errand.stop.cancel();
        }
    }

    /// Whether an attempt goes on without this process: one that is under way does not.
    pub(super) fn outlives(&self, attempt: AttemptRef) -> bool {
        !self.known().contains_key(&attempt)
    }

    /// Begins nothing any more, and waits for what is under way, for at most [`CLOSE`].
    pub(super) async fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        let under_way: Vec<_> = self.known().values().map(|errand| errand.said.subscribe()).collect();
        let all = async {
            for mut said in under_way {
                let _ = said.wait_for(Option::is_some).await;
            }
        };
        let _ = tokio::time::timeout(CLOSE, all).await;
    }

    /// Removes what is kept of a job.
    pub(super) async fn forget(&self, job: JobId) -> io::Result<()> {
        self.known().retain(|attempt, _| attempt.job != job);
        journal::forget(&self.root, job).await
    }

    fn journal(&self, attempt: AttemptRef) -> Journal {
        Journal::new(&self.root, attempt)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<AttemptRef, Arc<Errand>>> {
        self.known.lock().expect("no holder of this lock panics")
    }
}

fn report(said: Said) -> Report {
    match said {
        Said::Accepted(remote) => Report::Accepted(remote),
        Said::Ended(ending) => Report::Ended(ending),
    }
}

fn unknown() -> Ending {
    let detail = "the service went down after it began to send, and before it heard what came of that";
    Ending { detail: Some(detail.to_owned()), ..Ending::new(AttemptOutcome::Lost) }
}
