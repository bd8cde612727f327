//! One attempt as the service knows it.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::cgroup::Group;
use super::ending::ending;
use super::events::Said;
use super::folder::{Evidence, Folder, Noted, SPEC, read_json, write_exit};
use super::last_words;
use super::record::{End, Exit, Private, Spec};
use super::remains;
use super::supervisor::STOP;
use super::watch::{Seen, Watch};
use crate::domain::job::Ending;
use crate::runner::{AttemptRef, Probe, Report};

/// How often what passes by itself is looked at again.
const AGAIN: Duration = Duration::from_millis(10);

/// How often a folder that cannot be read is tried: too many open files pass.
const UNREADABLE_TRIES_MAX: u32 = 100;

/// How often a supervisor is spawned that ends before it begins: a signal to
/// our process group can hit it before it has left that.
const SPAWNS_MAX: u32 = 3;

/// How often a stop is tried, against a supervisor with too many clients, or
/// one that is not run by a busy machine.
const STOP_TRIES_MAX: u32 = 100;

/// How long a supervisor has to hear it, in each of these tries.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// What an attempt is started with.
pub(super) struct Start {
    /// The program whose `supervise` supervises.
    pub(super) program: PathBuf,
    /// What the supervisor is told, or why it cannot be told.
    pub(super) spec: Result<(Spec, Private), String>,
    /// The job, as JSON.
    pub(super) job: Vec<u8>,
}

/// One attempt: its folder, and how far it was followed.
#[derive(Debug)]
pub(super) struct Attempt {
    folder: Folder,
    token: String,
    /// Held while the lock of the folder may be taken. The lock would turn
    /// away a supervisor that was just spawned.
    gate: Mutex<()>,
    watch: Mutex<Watch>,
    /// Its supervisor, if that is our child and not reaped.
    supervisor: std::sync::Mutex<Option<Child>>,
}

impl Attempt {
    pub(super) fn new(root: &Path, attempt: AttemptRef) -> Self {
        Self {
            folder: Folder::new(root, attempt.job, attempt.number),
            token: attempt.token.reveal(),
            gate: Mutex::new(()),
            watch: Mutex::new(Watch::default()),
            supervisor: std::sync::Mutex::new(None),
        }
    }

    pub(super) const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Starts the work, unless it was started before: on return that is noted.
    ///
    /// # Errors
    /// Why it does not exist. Where that cannot be known it is no error: then
    /// its reports will tell.
    pub(super) async fn start(&self, start: Start) -> Result<(), String> {
        let _gate = self.gate.lock().await;
        let start = Arc::new(start);
        let Evidence::Unstarted(mut lock) = self.settled_evidence().await.map_err(unusable)? else {
            return Ok(());
        };
        for _ in 0..SPAWNS_MAX {
            self.abandon(lock).await.map_err(unusable)?;
            let (folder, start) = (self.folder.clone(), Arc::clone(&start));
            let spawned = spawn_blocking(move || spawn(&folder, &start)).await;
            self.adopt(spawned.map_err(|error| error.to_string())??);
            if self.await_greeting().await == Greeting::Heard {
                return Ok(());
            }
            lock = match self.settled_evidence().await {
                Ok(Evidence::Unstarted(lock)) => lock,
                Ok(Evidence::Ended(_) | Evidence::Alive(_) | Evidence::Deserted(_)) | Err(_) => return Ok(()),
            };
        }
        match self.abandon(lock).await {
            Ok(()) => Err("its supervisor ended before it began; is the disk full, or memory short?".to_owned()),
            Err(_) => Ok(()),
        }
    }

    /// Waits until a supervisor that was just spawned has begun or is gone.
    async fn await_greeting(&self) -> Greeting {
        // Where it cannot be connected to it is gone.
        let mut supervisor = connect(&self.folder).await.ok();
        let heard = match &mut supervisor {
            Some(supervisor) => supervisor.read(&mut [0; 1]).await.unwrap_or_default(),
            None => 0,
        };
        // Somebody who waits already connects again.
        if let Ok(mut watch) = self.watch.try_lock() {
            watch.follow(supervisor);
        }
        if heard > 0 { Greeting::Heard } else { Greeting::Silence }
    }

    /// Reaps the supervisor, which is gone or about to go, so that it does not
    /// stay as a zombie. What its exit code says the folder says better.
    pub(super) fn reap(&self) {
        if let Some(mut child) = self.supervisor().take() {
            spawn_blocking(move || child.wait());
        }
    }

    fn adopt(&self, supervisor: Child) {
        self.reap();
        *self.supervisor() = Some(supervisor);
    }

    fn supervisor(&self) -> MutexGuard<'_, Option<Child>> {
        self.supervisor.lock().expect("no holder of this lock panics")
    }

    /// What became of it; without any evidence it is made sure that it never starts.
    pub(super) async fn probe(&self) -> Probe {
        let _gate = self.gate.lock().await;
        match self.settled_evidence().await {
            Ok(Evidence::Ended(exit)) => Probe::Ended(self.ending(&exit).await),
            Ok(Evidence::Alive(_)) => Probe::Running,
            Ok(Evidence::Deserted(lock)) => Probe::Ended(self.ending(&self.lose(lock).await).await),
            Ok(Evidence::Unstarted(lock)) => match self.abandon(lock).await {
                Ok(()) => Probe::NeverStarted,
                Err(_) => Probe::Running,
            },
            // Nothing is known, and it may well be running: its reports will tell.
            Err(_) => Probe::Running,
        }
    }

    /// The next thing that it says. Dropping the future loses nothing.
    pub(super) async fn next_report(&self) -> Report {
        let mut watch = self.watch.lock().await;
        loop {
            match watch.next(&self.folder).await {
                Seen::Progress(progress) => {
                    return Report::Progress { fraction: progress.fraction, message: progress.message };
                }
                Seen::Disconnected => {
                    if let Some(exit) = self.settle().await {
                        watch.ended(exit);
                    } else {
                        tokio::time::sleep(AGAIN).await;
                    }
                }
                Seen::Ended(exit, said) => return Report::Ended(self.ended(&exit, said)),
            }
        }
    }

    /// Tells it to stop, once the start that may be under way is done.
    pub(super) async fn stop(&self) {
        let _gate = self.gate.lock().await;
        for _ in 0..STOP_TRIES_MAX {
            match connect(&self.folder).await {
                Ok(supervisor) => match timeout(STOP_TIME_MAX, tell_to_stop(supervisor)).await {
                    Ok(()) => return,
                    Err(_) => tracing::debug!("a supervisor does not answer yet"),
                },
                // Nobody is there to be told; what that means its reports say.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return,
                Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "a stop did not arrive"),
            }
            tokio::time::sleep(AGAIN).await;
        }
        tracing::warn!("an attempt could not be told to stop");
    }

    /// The end, if its supervisor is gone.
    async fn settle(&self) -> Option<Exit> {
        let _gate = self.gate.lock().await;
        match self.evidence().await {
            Ok(Evidence::Ended(exit)) => Some(exit),
            Ok(Evidence::Deserted(lock)) => Some(self.lose(lock).await),
            // It was said to be started, but there is no record: it must not start now.
            Ok(Evidence::Unstarted(lock)) => match self.abandon(lock).await {
                Ok(()) => Some(lost()),
                Err(_) => None,
            },
            Ok(Evidence::Alive(_)) | Err(_) => None,
        }
    }

    /// Kills what is left of it, and notes for good that its fate is unknown.
    async fn lose(&self, lock: File) -> Exit {
        let (folder, token) = (self.folder.clone(), self.token.clone());
        let note = move || {
            let spec = read_json::<Spec>(&folder.file(SPEC));
            let temporary = spec.map(|spec| spec.temporary).unwrap_or_default();
            if let Some(path) = &temporary.cgroup {
                Group::at(path).kill();
            }
            remains::kill(&token);
            temporary.remove();
            // If this fails the same is found out again.
            let _ = write_exit(folder.path(), &lost());
            drop(lock);
        };
        // It cannot fail but by a panic, and would change nothing about the fate.
        let _ = spawn_blocking(note).await;
        lost()
    }

    async fn abandon(&self, lock: Option<File>) -> io::Result<()> {
        let folder = self.folder.clone();
        spawn_blocking(move || folder.abandon(lock)).await?
    }

    /// The evidence once a supervisor that has begun has noted the start, or is gone.
    async fn settled_evidence(&self) -> io::Result<Evidence> {
        let mut tries = 0;
        loop {
            match self.evidence().await {
                Ok(Evidence::Alive(Noted::NotYet)) => {}
                Err(error) if tries == UNREADABLE_TRIES_MAX => return Err(error),
                Err(_) => tries += 1,
                decided @ Ok(_) => return decided,
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn evidence(&self) -> io::Result<Evidence> {
        let folder = self.folder.clone();
        spawn_blocking(move || folder.evidence()).await?
    }

    async fn ending(&self, exit: &Exit) -> Ending {
        // Not the watch of ours: who follows it may be waiting for our gate.
        let said = Watch::default().last_said(&self.folder).await;
        self.ended(exit, said)
    }

    /// The ending, with the time at which it was written down: it may be heard
    /// of much later.
    fn ended(&self, exit: &Exit, said: Said) -> Ending {
        Ending { finished: self.folder.ended_at(), ..ending(exit, said, || last_words::of(&self.folder)) }
    }
}

/// What a supervisor said first.
#[derive(Debug, PartialEq, Eq)]
enum Greeting {
    /// That the work is started.
    Heard,
    /// Nothing; the folder knows more.
    Silence,
}

fn lost() -> Exit {
    Exit::by_itself(End::Lost("its supervisor is gone without saying how it ended".to_owned()))
}

/// Connects to the supervisor of a folder.
pub(super) async fn connect(folder: &Folder) -> io::Result<UnixStream> {
    let control = folder.control()?;
    UnixStream::connect(control.path()).await
}

/// Says it, and waits until the other side has heard it or is gone.
async fn tell_to_stop(mut supervisor: UnixStream) {
    // Whatever fails, it fails because the supervisor has just ended.
    let _ = supervisor.write_all(STOP).await;
    let _ = supervisor.shutdown().await;
    while supervisor.read(&mut [0; 64]).await.is_ok_and(|length| length > 0) {}
}

/// Makes the folder, and spawns a supervisor for it. An error leaves nothing.
fn spawn(folder: &Folder, start: &Start) -> Result<Child, String> {
    let (spec, private) = start.spec.as_ref().map_err(Clone::clone)?;
    let private = whisper(private).map_err(|error| format!("what only its supervisor is told: {error}"))?;
    let spawned = folder.prepare(spec, &start.job).map_err(unusable).and_then(|listener| {
        // Not the runtime's command: that can fail when the process is there already.
        let mut command = Command::new(&start.program);
        command.arg(super::SUPERVISE).arg(folder.path()).arg(&spec.nonce).env_clear();
        command.stdin(OwnedFd::from(listener)).stdout(private).stderr(Stdio::null());
        command.spawn().map_err(|error| format!("its supervisor could not be spawned: {error}"))
    });
    // Nobody will come for the folder, so what cannot be removed does no harm.
    spawned.inspect_err(|_| drop(folder.abandon(None)))
}

/// A file in memory with what may be on no disk.
fn whisper(private: &Private) -> io::Result<File> {
    let mut file = File::from(memfd_create("heeler", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(private)?)?;
    Ok(file)
}

fn unusable(error: io::Error) -> String {
    format!("the folder of the attempt cannot be used: {error}")
}
