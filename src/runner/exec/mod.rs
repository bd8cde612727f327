//! Programs on this machine, in processes that outlive the service.
//!
//! Each attempt has a [supervisor](supervise) of its own and a folder below
//! one root; the service only reads the folder and talks to the supervisor
//! through a socket in it. A service that is started again finds everything
//! there.
//!
//! # Guarantees
//! An attempt is started at most once, across restarts and kill -9 of the
//! service. Its end is told when nothing of it is left: what it left in the
//! background goes with it. A fate is unknown only where the supervisor was
//! killed or the machine went down.
//! # Assumptions
//! One service at a time uses a root. `/proc` is mounted. Work that runs as the
//! user of the service is trusted with the folder of its attempt, and what it
//! makes run as another user can be neither stopped nor waited out, unless the
//! service runs as root.
//! # Not here
//! Which programs may run: the operator's file. When: [`crate::reconcile`].

mod attempt;
mod cgroup;
mod ending;
mod events;
mod folder;
mod last_words;
mod processes;
mod record;
mod remains;
mod render;
mod step;
#[expect(
    clippy::disallowed_methods,
    reason = "a process of its own, which has one thread, a folder it works in, and nobody else to serve"
)]
mod supervisor;
mod temporary;
mod user;
mod watch;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use self::attempt::{Attempt, Start};
pub use self::cgroup::delegated;
use self::folder::{Folder, INDEX, LOG};
use self::record::{Private, Spec};
pub use self::render::PATH_DEFAULT;
use self::render::Place;
use self::step::{BECOME, become_work};
pub use self::supervisor::supervise;
use self::temporary::{memory_folder, remove_tree};
use super::{AttemptRef, Launch, Probe, Report, Runner, StartError};
use crate::domain::id::JobId;

/// The hidden subcommand of the program that supervises.
pub const SUPERVISE: &str = "supervise";

/// Becomes the supervisor of an attempt, or its work, if that is what this
/// process was started as: to be asked first of all, with the arguments after the
/// program's name, while there is one thread.
#[must_use]
pub fn supervise_if_asked(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match arguments.as_slice() {
        [command, folder, nonce] if command == SUPERVISE => {
            Some(supervise(Path::new(folder), OsStr::to_str(nonce).unwrap_or_default()))
        }
        [command, plan, arguments @ ..] if command == BECOME => Some(become_work(plan, arguments)),
        _ => None,
    }
}

/// Where and with what an [`ExecRunner`] works.
#[derive(Debug, Clone)]
pub struct ExecConfig {
    /// The folder of all attempts. Made if it is not there, for this user only.
    pub root: PathBuf,
    /// A program that calls [`supervise_if_asked`].
    pub program: PathBuf,
    /// How many files the work can have open, where that is not as many as
    /// this process can and the operation does not say.
    pub open_files: Option<u64>,
    /// A folder that the system made for what this user runs, if it did.
    pub runtime: Option<PathBuf>,
    /// The cgroup below which each attempt gets one; see [`delegated`].
    pub cgroups: Option<PathBuf>,
}

impl ExecConfig {
    /// Attempts below `root`, supervised by the program that runs now, even
    /// when its file is replaced meanwhile.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            program: PathBuf::from("/proc/self/exe"),
            open_files: None,
            runtime: None,
            cgroups: None,
        }
    }
}

/// Runs operations as programs on this machine.
#[derive(Debug)]
pub struct ExecRunner {
    config: ExecConfig,
    /// Where secrets can be files without being on a disk.
    memory: Option<PathBuf>,
    /// Those that are started, asked about or followed, until their end was told.
    attempts: Mutex<HashMap<AttemptRef, Arc<Attempt>>>,
}

impl ExecRunner {
    /// A runner for the attempts below a root, old and new.
    ///
    /// Files that this process inherited open are kept from its children from
    /// now on: an attempt that outlives the service must not hold, say, a lock
    /// of the shell that started it.
    ///
    /// # Errors
    /// The root cannot be made.
    pub fn new(mut config: ExecConfig) -> io::Result<Self> {
        close_fds::set_fds_cloexec_threadsafe(3, &[]);
        config.root = std::path::absolute(config.root)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&config.root)?;
        if let Some(parent) = config.root.parent() {
            folder::sync_folder(parent)?;
        }
        let memory = memory_folder(config.runtime.as_deref());
        Ok(Self { config, memory, attempts: Mutex::default() })
    }

    /// Removes everything that is kept of a job. None of its attempts may run,
    /// or ever be started again.
    ///
    /// # Errors
    /// Something could not be removed.
    pub fn forget(&self, job: JobId) -> io::Result<()> {
        self.known().retain(|attempt, _| attempt.job != job);
        remove_tree(&self.config.root.join(job.to_string()))
    }

    /// What an attempt wrote: its length in bytes now, and the file that holds
    /// it. `None` if it wrote nothing, or it is no longer kept.
    #[must_use]
    pub fn log(&self, job: JobId, number: u32) -> Option<(u64, File)> {
        Folder::new(&self.config.root, job, number).open_plain(LOG)
    }

    /// The index of that: see [`crate::domain::log`].
    #[must_use]
    pub fn log_index(&self, job: JobId, number: u32) -> Option<(u64, File)> {
        Folder::new(&self.config.root, job, number).open_plain(INDEX)
    }

    fn attempt(&self, attempt: AttemptRef) -> Arc<Attempt> {
        let make = || Arc::new(Attempt::new(&self.config.root, attempt));
        Arc::clone(self.known().entry(attempt).or_insert_with(make))
    }

    /// Lets go of an attempt that is over; its folder tells whoever asks again.
    fn done_with(&self, attempt: AttemptRef) {
        if let Some(attempt) = self.known().remove(&attempt) {
            attempt.reap();
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<AttemptRef, Arc<Attempt>>> {
        self.attempts.lock().expect("no holder of this lock panics")
    }

    fn spec(&self, launch: &Launch, folder: &Folder) -> Result<(Spec, Private), String> {
        let place = Place {
            nonce: nonce()?,
            folder,
            memory: self.memory.as_deref(),
            cgroups: self.config.cgroups.as_deref(),
            open_files: self.config.open_files,
        };
        render::spec(launch, place)
    }
}

#[async_trait]
impl Runner for ExecRunner {
    #[expect(clippy::disallowed_methods, reason = "what is spawned is awaited; it only must not be dropped half done")]
    async fn start(&self, launch: Launch) -> Result<(), StartError> {
        let attempt = self.attempt(launch.attempt);
        let spec = self.spec(&launch, attempt.folder());
        let start = Start { program: self.config.program.clone(), spec, job: launch.job.to_string().into_bytes() };
        // A task of its own: half a start must not be left where nobody waits any more.
        let started = tokio::spawn(async move { attempt.start(start).await });
        let started = started.await.unwrap_or_else(|error| Err(error.to_string()));
        started.map_err(|detail| {
            self.done_with(launch.attempt);
            StartError { detail }
        })
    }

    async fn probe(&self, attempt: AttemptRef) -> Probe {
        let found = self.attempt(attempt).probe().await;
        if found != Probe::Running {
            self.done_with(attempt);
        }
        found
    }

    async fn next_report(&self, attempt: AttemptRef) -> Report {
        let report = self.attempt(attempt).next_report().await;
        if matches!(report, Report::Ended(_)) {
            self.done_with(attempt);
        }
        report
    }

    async fn stop(&self, attempt: AttemptRef) {
        self.attempt(attempt).stop().await;
    }

    async fn forget(&self, job: JobId) -> io::Result<()> {
        Self::forget(self, job)
    }
}

/// A text that no two folders share.
fn nonce() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
    Ok(u128::from_ne_bytes(bytes).to_string())
}
