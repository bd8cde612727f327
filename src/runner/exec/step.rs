//! The last step before the work: a process of this program that takes the
//! limits, the cgroup and the user of the work upon itself and then becomes it.
//!
//! The supervisor cannot do so in its place: it needs its own memory, files and
//! rights to the end, and between fork and exec nothing safe can be run.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::cgroup::Group;
use super::supervisor::refusal;
use super::user::RunAs;

/// The hidden subcommand of the program that becomes the work.
pub(super) const BECOME: &str = "become";

/// How much of a program tells whether it is text: shells look at as much.
const HEAD_BYTES: u64 = 256;

/// What the step does before it becomes the work.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Where it says why it could not.
    pub(super) refusal: i32,
    /// The cgroup to join.
    pub(super) cgroup: Option<PathBuf>,
    /// The limits to take on.
    pub(super) bounds: Vec<Bound>,
    /// Whom to run as.
    pub(super) run_as: Option<RunAs>,
    /// The file of the program.
    pub(super) program: PathBuf,
    /// The working directory.
    pub(super) cwd: PathBuf,
}

/// A limit of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Bound {
    /// Bytes of memory that can be written.
    Data(u64),
    /// Seconds of processor time.
    Cpu(u64),
    /// Open files.
    Files(u64),
    /// Open files, until it asks for more itself.
    FilesForNow(u64),
    /// Bytes of a file.
    FileSize(u64),
    /// Processes and threads of the user.
    Processes(u64),
}

impl Bound {
    fn apply(self) -> Result<(), String> {
        let (resource, wanted, slack) = match self {
            Self::Data(bytes) => (Resource::Data, bytes, 0),
            // A signal that says which limit it was, and a second later the end.
            Self::Cpu(seconds) => (Resource::Cpu, seconds, 1),
            Self::Files(count) => (Resource::Nofile, count, 0),
            Self::FilesForNow(count) => (Resource::Nofile, count, u64::MAX),
            Self::FileSize(bytes) => (Resource::Fsize, bytes, 0),
            Self::Processes(count) => (Resource::Nproc, count, 0),
        };
        // Never more than there was.
        let there = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Rlimit { current: Some(wanted.min(there)), maximum: Some(wanted.saturating_add(slack).min(there)) };
        setrlimit(resource, limit).map_err(|error| format!("a limit could not be set: {error}"))
    }
}

/// Where a step says why it could not become the work.
#[derive(Debug)]
pub(super) struct Refusal(File);

impl Refusal {
    /// An empty one, which a child of ours inherits.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self(File::from(memfd_create("refusal", MemfdFlags::empty())?)))
    }

    /// What it is called in a plan.
    pub(super) fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// What was said, if anything.
    pub(super) fn said(&self) -> Option<String> {
        let mut bytes = vec![0; 8192];
        let length = rustix::io::pread(self.as_fd(), &mut bytes, 0).ok().filter(|length| *length > 0)?;
        bytes.truncate(length);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Becomes the work with these arguments; returns only where it cannot.
pub(super) fn become_work(plan: &OsStr, arguments: &[OsString]) -> ExitCode {
    let Some(plan) = plan.to_str().and_then(|plan| serde_json::from_str::<Plan>(plan).ok()) else {
        return ExitCode::FAILURE;
    };
    let Ok(mut listener) = File::options().write(true).open(format!("/proc/self/fd/{}", plan.refusal)) else {
        return ExitCode::FAILURE;
    };
    close_fds::set_fds_cloexec(3, &[]);
    let said = plan.follow(arguments);
    // Nobody else could be told.
    let _ = listener.write_all(said.as_bytes());
    ExitCode::FAILURE
}

impl Plan {
    /// Why it could not be followed.
    fn follow(&self, arguments: &[OsString]) -> String {
        let Some((name, rest)) = arguments.split_first() else { return "there is no command".to_owned() };
        if let Some(path) = &self.cgroup
            && let Err(error) = Group::at(path).join()
        {
            return format!("its cgroup cannot be joined: {error}");
        }
        let mut command = Command::new(&self.program);
        command.arg0(name).args(rest).current_dir(&self.cwd);
        if let Some(RunAs { uid, gid }) = self.run_as {
            // That also lets go of every further group.
            command.gid(gid).uid(uid);
        }
        for bound in &self.bounds {
            if let Err(said) = bound.apply() {
                return said;
            }
        }
        if is_bare_script(&self.program) {
            return refusal(&self.program, &Errno::NOEXEC.into());
        }
        refusal(&self.program, &command.exec())
    }
}

/// Whether a file is text that names no interpreter: becoming it would mean a
/// shell, by a custom of old, and there is never a shell.
fn is_bare_script(program: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(program).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    let may_run = program.metadata().is_ok_and(|found| found.mode() & 0o111 != 0);
    // What cannot be read or run, and what is no text, is for the system to judge.
    may_run && read.is_ok() && !head.starts_with(b"#!") && !head.contains(&0)
}
