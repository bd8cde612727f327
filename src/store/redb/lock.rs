//! Keeps a second owner away from a file.
//!
//! # Guarantees
//! At most one owner at a time, in this process or any other on this machine.
//! The lock goes with its owner's process, however that ends, at the latest a
//! moment after it: see [`TRIES_MAX`].

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::store::OpenError;

/// The most bytes of a lock file that are read: a process id and its line end.
const PID_BYTES_MAX: u64 = 20;

/// How often a lock is tried whose owner is gone. Between its fork and its exec
/// a process holds open whatever its parent had open; so where the owner is
/// killed while it starts a program, that program has the lock for a moment.
const TRIES_MAX: u32 = 200;

/// The time between two of these tries.
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// The lock of a file, held until it is dropped.
///
/// Its file stays: to remove it would let two owners hold two files of one name.
#[derive(Debug)]
pub(super) struct Lock {
    _held: File,
}

impl Lock {
    /// Takes the lock of the file at `path`, and writes down who has it.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: path.display().to_string(), source };
        let beside = beside(path, ".lock");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&beside).map_err(failed)?;
        let mut tries = 1;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let owner = owner(&mut file);
                    if tries == TRIES_MAX || !owner.is_some_and(is_gone) {
                        let owner = owner.map_or_else(String::new, |pid| format!(" (pid {})", pid.as_raw_pid()));
                        return Err(OpenError::InUse { path: path.display().to_string(), owner });
                    }
                    tries += 1;
                    pause();
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        sign(&mut file).map_err(failed)?;
        Ok(Self { _held: file })
    }
}

/// Waits before something is tried again that a dead owner may still have.
#[expect(clippy::disallowed_methods, reason = "opening blocks its thread, and nothing tells when a lock goes")]
pub(super) fn pause() {
    thread::sleep(TRY_AGAIN);
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Who took a lock last; nothing where it has not been written yet.
fn owner(file: &mut File) -> Option<Pid> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

fn is_gone(owner: Pid) -> bool {
    test_kill_process(owner) == Err(Errno::SRCH)
}

/// The path with something appended to its last part.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
