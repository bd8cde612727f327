//! What the service and a supervisor tell each other through files.
//!
//! Both may be of different versions: a service that was replaced finds the
//! supervisors of the one before. So members are only ever added, with a
//! default, and unknown ones are ignored.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::temporary::Temporary;
use super::user::RunAs;
use crate::domain::operation::ExecLimits;

/// What a supervisor is to do. It stays in the folder as long as that does.
#[derive(Serialize, Deserialize)]
pub(super) struct Spec {
    /// Tells this folder from an abandoned one of the same attempt.
    pub(super) nonce: String,
    /// The program and its arguments, at least one.
    pub(super) command: Vec<String>,
    /// The working directory, absolute.
    pub(super) cwd: PathBuf,
    /// The longest that the work may take.
    pub(super) timeout_ms: Option<u64>,
    /// The time between SIGTERM and SIGKILL.
    pub(super) grace_ms: u64,
    /// What of its output is kept.
    pub(super) log_bytes_max: u64,
    /// What it has only for as long as it runs.
    #[serde(default)]
    pub(super) temporary: Temporary,
    /// How much it may use.
    #[serde(default)]
    pub(super) limits: ExecLimits,
    /// How many files it can have open, if its limits do not say.
    #[serde(default)]
    pub(super) open_files: Option<u64>,
    /// Whom it runs as, if not as the service.
    #[serde(default)]
    pub(super) run_as: Option<RunAs>,
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec").field("cwd", &self.cwd).finish_non_exhaustive()
    }
}

/// What only a supervisor is told, and never through a file on a disk: it may
/// hold secrets. Never printed.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Private {
    /// The whole environment of the work.
    pub(super) env: BTreeMap<String, String>,
    /// Its secrets as files, by their names.
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, String>,
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Private").finish_non_exhaustive()
    }
}

impl Spec {
    /// The longest that the work may take.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }

    /// The time between SIGTERM and SIGKILL.
    pub(super) const fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
}

/// How an attempt ended; written once, when nothing of it is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exit {
    /// What became of its main process.
    pub(super) end: End,
    /// Who ended it.
    #[serde(default)]
    pub(super) cause: Cause,
    /// Whether all of its output was kept.
    #[serde(default)]
    pub(super) log: Kept,
    /// The limit that it ran into, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<String>,
}

impl Exit {
    /// The end of an attempt that nobody stopped.
    pub(super) const fn by_itself(end: End) -> Self {
        Self { end, cause: Cause::Own, log: Kept::Whole, limit: None }
    }
}

/// What became of the main process of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum End {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// It was never there, for this reason.
    Unstartable(String),
    /// Nobody can know, for this reason.
    Lost(String),
}

/// Who ended an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cause {
    /// It ended by itself.
    #[default]
    Own,
    /// It was told to stop before it ended.
    Stopped,
    /// It took longer than this many milliseconds.
    TimedOut(u64),
}

/// What of the output was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kept {
    /// All of it.
    #[default]
    Whole,
    /// The beginning.
    Cut,
}
