//! Functions of the program that embeds the service.
//!
//! An attempt lives and dies with the process. It begins when its start is
//! recorded, not before: what a store says is starting when a new process
//! opens it never began, and what it says has started may have done anything.
//!
//! # Guarantees
//! A function is called at most once for each attempt. A panic of it is its
//! failure and nobody else's. The end of an attempt is told when its future is
//! gone.
//! # Assumptions
//! Functions wait: one that keeps its thread busy can be neither stopped nor
//! ended, and what it spawned goes on without it.
//! # Not here
//! Which function does the work of which operation: [`crate::service`].

mod attempt;
mod error;
mod function;
mod job;
mod log;
mod said;

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::attempt::{Attempt, Fresh};
pub use self::error::NativeError;
pub use self::function::{Function, Functions};
pub use self::job::NativeJob;
use self::log::Log;
pub use self::log::LogWriter;
use self::said::Said;
use super::{AttemptRef, Launch, Probe, Report, Runner, StartError};
use crate::domain::id::JobId;
use crate::domain::job::{AttemptOutcome, Ending};

/// What a function returns.
pub type NativeResult<T = ()> = Result<T, NativeError>;

/// How long attempts have at the end of the service, unless somebody says otherwise.
pub const DRAIN_DEFAULT: Duration = Duration::from_secs(10);

/// How long a dropped function has to be gone before the service ends without it.
const LAST: Duration = Duration::from_secs(1);

/// How many ends are remembered after they were told, for when they could not
/// be recorded: many times the recordings that are under way at once.
const TOLD_MAX: usize = 1024;

/// The file that holds the log of an attempt.
const LOG: &str = "log";

/// With what a [`NativeRunner`] works.
#[derive(Debug, Clone)]
pub struct NativeConfig {
    /// The folder of all attempts, for their logs.
    pub root: PathBuf,
    /// How long attempts have to end by themselves when the service ends.
    pub drain: Duration,
    /// What can be called.
    pub functions: Functions,
}

impl NativeConfig {
    /// These functions, with their logs below `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, functions: Functions) -> Self {
        Self { root: root.into(), drain: DRAIN_DEFAULT, functions }
    }
}

/// Runs operations as functions of this program.
#[derive(Debug)]
pub struct NativeRunner {
    config: NativeConfig,
    known: Mutex<Known>,
    /// Counts the attempts that are not over.
    counted: TaskTracker,
    /// Told when the service is about to end.
    stopping: CancellationToken,
    /// Told when attempts can wait no longer.
    over: CancellationToken,
}

/// The attempts of this process.
#[derive(Debug, Default)]
struct Known {
    attempts: HashMap<AttemptRef, Arc<Attempt>>,
    /// Those whose end was told, the oldest first.
    told: VecDeque<AttemptRef>,
}

impl NativeRunner {
    /// A runner for these functions.
    #[must_use]
    pub fn new(config: NativeConfig) -> Self {
        let (stopping, over) = (CancellationToken::new(), CancellationToken::new());
        Self { config, known: Mutex::default(), counted: TaskTracker::new(), stopping, over }
    }

    /// Drops all functions where they are, without waiting for them.
    pub fn abandon(&self) {
        self.stopping.cancel();
        self.over.cancel();
    }

    /// What an attempt wrote: its length in bytes now, and the file that holds
    /// it. `None` if it wrote nothing, or it is no longer kept.
    #[must_use]
    pub fn log(&self, job: JobId, number: u32) -> Option<(u64, File)> {
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).expect("the flags of open fit into an int");
        let path = log_of(&self.config.root, job, number);
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
        let metadata = file.metadata().ok()?;
        (metadata.is_file() && metadata.len() > 0).then_some((metadata.len(), file))
    }

    fn make(&self, launch: Launch, function: Function) -> Attempt {
        let AttemptRef { job, number, .. } = launch.attempt;
        let log = Log::new(log_of(&self.config.root, job, number), launch.means.log_bytes_max);
        let (timeout, grace) = (launch.timeout, launch.operation.grace);
        let said = Arc::new(Said::default());
        let job = NativeJob::new(launch, self.stopping.clone(), Arc::clone(&said), log);
        let (over, counted) = (self.over.clone(), self.counted.token());
        Attempt::new(said, Fresh { function, job, timeout, grace, over, counted })
    }

    fn find(&self, attempt: AttemptRef) -> Option<Arc<Attempt>> {
        self.known().attempts.get(&attempt).cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this process can say of an attempt; `None` where it never heard of it.
    fn heard_of(&self, attempt: AttemptRef) -> Option<Probe> {
        let known = self.find(attempt)?;
        Some(known.said.ending().map_or(Probe::Running, Probe::Ended))
    }
}

impl Known {
    /// Notes that an end was told. It is forgotten after some more of them.
    fn told(&mut self, attempt: AttemptRef) {
        if self.told.contains(&attempt) {
            return;
        }
        self.told.push_back(attempt);
        if self.told.len() > TOLD_MAX
            && let Some(oldest) = self.told.pop_front()
        {
            self.attempts.remove(&oldest);
        }
    }
}

/// Where the log of an attempt is.
fn log_of(root: &Path, job: JobId, number: u32) -> PathBuf {
    root.join(job.to_string()).join(number.to_string()).join(LOG)
}

/// What became of an attempt of another process that may have begun.
fn lost() -> Ending {
    let detail = "the process that it ran in is gone without saying how it ended".to_owned();
    Ending { detail: Some(detail), ..Ending::new(AttemptOutcome::Lost) }
}

#[async_trait]
impl Runner for NativeRunner {
    async fn start(&self, launch: Launch) -> Result<(), StartError> {
        let name = &launch.operation.name;
        let Some(function) = self.config.functions.get(name).cloned() else {
            return Err(StartError { detail: format!("this program has no function for `{name}`") });
        };
        let attempt = launch.attempt;
        self.known().attempts.entry(attempt).or_insert_with(|| Arc::new(self.make(launch, function)));
        Ok(())
    }

    async fn probe(&self, attempt: AttemptRef) -> Probe {
        self.heard_of(attempt).unwrap_or_else(|| Probe::Ended(lost()))
    }

    async fn probe_unrecorded(&self, attempt: AttemptRef) -> Probe {
        self.heard_of(attempt).unwrap_or(Probe::NeverStarted)
    }

    async fn next_report(&self, attempt: AttemptRef) -> Report {
        let Some(known) = self.find(attempt) else { return Report::Ended(lost()) };
        let report = known.next_report().await;
        if matches!(report, Report::Ended(_)) {
            self.known().told(attempt);
        }
        report
    }

    async fn stop(&self, attempt: AttemptRef) {
        if let Some(known) = self.find(attempt) {
            known.stop();
        }
    }

    async fn forget(&self, job: JobId) -> io::Result<()> {
        match fs::remove_dir_all(self.config.root.join(job.to_string())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn outlives(&self, _attempt: AttemptRef) -> bool {
        false
    }

    async fn close(&self) {
        self.stopping.cancel();
        self.counted.close();
        if timeout(self.config.drain, self.counted.wait()).await.is_ok() {
            return;
        }
        self.over.cancel();
        if timeout(LAST, self.counted.wait()).await.is_err() {
            warn!(attempts = self.counted.len(), "functions that never wait go down with the service, and are lost");
        }
    }
}
