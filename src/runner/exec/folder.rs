//! The folder of an attempt: the evidence of what became of it.
//!
//! | file | says |
//! |---|---|
//! | `spec.json` | what is to be done; without it no supervisor begins |
//! | `job.json` | the standard input of the work |
//! | `lock` | held (flock) by the supervisor as long as it lives |
//! | `control` | the socket of the supervisor |
//! | `started` | durable before the work is spawned |
//! | `events`, `log` | what the work said |
//! | `log.index` | what of the log came from where, and when |
//! | `exit.json` | how it ended; durable, and written once |
//!
//! # Guarantees
//! Whoever holds the lock decides alone. A supervisor begins only if it finds
//! `spec.json` *after* it got the lock, and abandoning an attempt removes that
//! file under the lock: so an abandoned attempt never begins, however late its
//! supervisor comes.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::{End, Exit, Spec};
use crate::domain::id::JobId;
use crate::domain::time::Timestamp;

pub(super) const SPEC: &str = "spec.json";
pub(super) const JOB: &str = "job.json";
pub(super) const LOCK: &str = "lock";
pub(super) const CONTROL: &str = "control";
pub(super) const STARTED: &str = "started";
pub(super) const EVENTS: &str = "events";
pub(super) const LOG: &str = "log";
pub(super) const INDEX: &str = "log.index";
pub(super) const EXIT: &str = "exit.json";
const EXIT_NEW: &str = "exit.json.new";

/// What the folder says of its attempt.
#[derive(Debug)]
pub(super) enum Evidence {
    /// It is over.
    Ended(Exit),
    /// Its supervisor lives, and has noted the start of the work or has yet to.
    Alive(Noted),
    /// The work may have been started, and the supervisor is gone without a word.
    Deserted(File),
    /// The work was not started. While the lock, if there is one, is held, it cannot be.
    Unstarted(Option<File>),
}

/// Whether the start of the work is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// The work may exist.
    Started,
    /// The work does not exist yet.
    NotYet,
}

/// Where an attempt keeps its files.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder of this attempt below `root`, whether it exists or not.
    pub(super) fn new(root: &Path, job: JobId, number: u32) -> Self {
        Self(root.join(job.to_string()).join(number.to_string()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Reads the evidence, and takes the lock where nobody holds it.
    pub(super) fn evidence(&self) -> io::Result<Evidence> {
        if let Some(exit) = self.exit()? {
            return Ok(Evidence::Ended(exit));
        }
        let Some(lock) = found(File::open(self.file(LOCK)))? else {
            return Ok(Evidence::Unstarted(None));
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if self.is_started()? => return Ok(Evidence::Alive(Noted::Started)),
            Err(TryLockError::WouldBlock) => return Ok(Evidence::Alive(Noted::NotYet)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The supervisor may have ended between the first look and the lock.
        match self.exit()? {
            Some(exit) => Ok(Evidence::Ended(exit)),
            None if self.is_started()? => Ok(Evidence::Deserted(lock)),
            None => Ok(Evidence::Unstarted(Some(lock))),
        }
    }

    fn is_started(&self) -> io::Result<bool> {
        self.file(STARTED).try_exists()
    }

    /// How the attempt ended, if that is written.
    pub(super) fn exit(&self) -> io::Result<Option<Exit>> {
        let Some(bytes) = found(fs::read(self.file(EXIT)))? else { return Ok(None) };
        // It was written whole or not at all; what cannot be read was damaged later.
        let damaged = |error| Exit::by_itself(End::Lost(format!("the record of its end is damaged: {error}")));
        Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(damaged)))
    }

    /// When that was written.
    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        let written = fs::metadata(self.file(EXIT)).and_then(|exit| exit.modified()).ok()?;
        let since = written.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?))
    }

    /// Makes sure that the attempt is never started by a supervisor that was
    /// spawned before, and removes the folder. The lock must be held, if there is one.
    pub(super) fn abandon(&self, lock: Option<File>) -> io::Result<()> {
        // This is the step that counts.
        gone(fs::remove_file(self.file(SPEC)))?;
        for name in [JOB, EVENTS, CONTROL, LOG, INDEX, EXIT_NEW, LOCK] {
            gone(fs::remove_file(self.file(name)))?;
        }
        gone(fs::remove_dir_all(&self.0))?;
        drop(lock);
        Ok(())
    }

    /// Makes the folder with everything that a supervisor needs, and the
    /// socket that it is to listen on.
    pub(super) fn prepare(&self, spec: &Spec, job: &[u8]) -> io::Result<UnixListener> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        create(&self.file(JOB))?.write_all(job)?;
        create(&self.file(EVENTS))?;
        let listener = UnixListener::bind(self.control()?.path())?;
        // Whoever may be let through the folder has nothing to say to the supervisor.
        fs::set_permissions(self.file(CONTROL), fs::Permissions::from_mode(0o600))?;
        create(&self.file(LOCK))?;
        create(&self.file(SPEC))?.write_all(&json(spec)?)?;
        Ok(listener)
    }

    /// The socket of the supervisor under a name that is short enough for one.
    pub(super) fn control(&self) -> io::Result<Control> {
        Ok(Control(File::open(&self.0)?))
    }

    /// The file if it is one and not empty: the work can put other things in its place.
    pub(super) fn open_plain(&self, name: &str) -> Option<(u64, File)> {
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
        let flags = i32::try_from(flags.bits()).expect("the flags of open fit into an int");
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.file(name)).ok()?;
        let metadata = file.metadata().ok()?;
        (metadata.is_file() && metadata.len() > 0).then_some((metadata.len(), file))
    }
}

/// The way to the socket of a supervisor, while this exists.
#[derive(Debug)]
pub(super) struct Control(File);

impl Control {
    /// A path for bind and connect: theirs are limited to about 100 bytes, so
    /// it leads through the open folder.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{CONTROL}", self.0.as_raw_fd()))
    }
}

/// Makes a file that must not exist yet, for this user only.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Reads a JSON file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Writes how an attempt ended, durably, into its folder.
pub(super) fn write_exit(folder: &Path, exit: &Exit) -> io::Result<()> {
    // An end must not outlive the result that belongs to it.
    if let Some((_, events)) = Folder(folder.to_owned()).open_plain(EVENTS) {
        events.sync_data()?;
    }
    let new = folder.join(EXIT_NEW);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&json(exit)?)?;
    file.sync_all()?;
    fs::rename(&new, folder.join(EXIT))?;
    sync_folder(folder)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}

/// `None` for what is not there.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Having removed what is not there is having removed it.
fn gone(result: io::Result<()>) -> io::Result<()> {
    found(result).map(|_| ())
}
