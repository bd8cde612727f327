//! An operation: a kind of work that the operator declared.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::effect::Effects;
use super::expression::Template;
use super::id::OperationName;
use super::limit::{Concurrency, Rate};
use super::outward::{HttpSpec, MailSpec};
use super::retry::RetryPolicy;
use super::schema::Schema;

/// A kind of work that clients can ask for by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The name that clients use.
    pub name: OperationName,
    /// One line for people.
    pub description: Option<String>,
    /// What `input` must look like; anything when absent.
    pub input: Option<Arc<Schema>>,
    /// What does the work.
    pub runner: RunnerSpec,
    /// The longest that one attempt may take; unbounded when absent.
    pub timeout: Option<Duration>,
    /// How long an attempt that is told to stop has before it is killed.
    pub grace: Duration,
    /// When a failed attempt is followed by another.
    pub retry: RetryPolicy,
    /// How many attempts a document can ask for at most, 1 to
    /// [`ATTEMPTS_MAX`](super::retry::ATTEMPTS_MAX).
    pub attempts_max: u32,
    /// How many jobs of this operation run at once; unbounded when absent.
    pub concurrency: Option<Concurrency>,
    /// How many attempts of it start within a time; unbounded when absent.
    pub rate: Option<Rate>,
    /// The longest from the making of a job to its end; unbounded when absent.
    pub deadline: Option<Duration>,
    /// The longest from the making of a job to its first attempt; unbounded when absent.
    pub start_deadline: Option<Duration>,
    /// Orders waiting jobs of all operations, highest first.
    pub priority: i32,
    /// What becomes of an attempt whose fate cannot be known.
    pub on_unknown: OnUnknown,
    /// How a POST for a job of this operation is answered.
    pub reply: Reply,
    /// Whether a finished job that was answered synchronously leaves a record.
    pub keep: Keep,
    /// What the ends of its jobs do, whoever asked for them.
    pub effects: Effects,
}

/// How a POST for a job is answered, and where its job leads once it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply {
    /// When the POST is answered.
    pub mode: ReplyMode,
    /// What a GET of the finished job under its resource gives.
    pub complete: Complete,
}

/// When a POST for a job is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyMode {
    /// At once, with 202.
    #[default]
    Async,
    /// When the job is done, with this status if it did its work.
    Sync(SyncStatus),
}

/// The status of a synchronous answer about a job that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncStatus {
    /// 200 with the result.
    #[default]
    Ok,
    /// 201 with the job and where it is.
    Created,
    /// 204.
    NoContent,
    /// 303 to the resource.
    SeeOther,
}

/// What a GET of a finished job under its resource gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Complete {
    /// The job.
    #[default]
    Job,
    /// 303 to the resource.
    Resource,
}

/// Whether a finished job that was answered synchronously leaves a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// As every job does.
    #[default]
    Record,
    /// None.
    Nothing,
}

impl Keep {
    /// Whether it is as nearly always.
    #[must_use]
    pub const fn is_record(&self) -> bool {
        matches!(self, Self::Record)
    }
}

impl Operation {
    /// How long a stopped attempt has, unless the operation says otherwise.
    pub const GRACE_DEFAULT: Duration = Duration::from_secs(10);

    /// The longest attempt where a document asks for one: it can ask for a
    /// shorter one than the operator allows, and not for a longer one.
    #[must_use]
    pub fn timeout_within(&self, asked: Option<Duration>) -> Option<Duration> {
        asked.into_iter().chain(self.timeout).min()
    }

    /// How long a synchronous answer waits for a job that has no `timeout`:
    /// about as long as clients and proxies do.
    pub const ANSWER_DEFAULT: Duration = Duration::from_secs(60);
}

/// What does the work of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum RunnerSpec {
    /// A program on this machine.
    Exec(ExecSpec),
    /// A request to another service.
    Http(Box<HttpSpec>),
    /// A letter.
    Mail(Box<MailSpec>),
    /// A worker outside, which pulls the jobs.
    Worker(WorkerSpec),
    /// A function of the program that embeds the service.
    Native,
}

impl RunnerSpec {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> RunnerKind {
        match self {
            Self::Exec(_) => RunnerKind::Exec,
            Self::Http(_) => RunnerKind::Http,
            Self::Mail(_) => RunnerKind::Mail,
            Self::Worker(_) => RunnerKind::Worker,
            Self::Native => RunnerKind::Native,
        }
    }
}

/// The kinds of what does the work of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunnerKind {
    /// A program on this machine.
    #[default]
    Exec,
    /// A request to another service.
    Http,
    /// A letter.
    Mail,
    /// A worker outside, which pulls the jobs.
    Worker,
    /// A function of the program that embeds the service.
    Native,
}

impl RunnerKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Exec, Self::Http, Self::Mail, Self::Worker, Self::Native];

    /// Whether it is the kind that every attempt had once.
    #[must_use]
    pub const fn is_exec(&self) -> bool {
        matches!(self, Self::Exec)
    }

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Http => "http",
            Self::Mail => "mail",
            Self::Worker => "worker",
            Self::Native => "native",
        }
    }
}

/// What workers are told of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerSpec {
    /// How long a sign of life of a worker holds.
    pub lease: Duration,
}

/// A program and how it is started. There is never a shell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExecSpec {
    /// The program and its arguments; each template becomes exactly one argument.
    pub command: Vec<Template>,
    /// The working directory, already absolute; the scratch folder when absent.
    pub cwd: Option<PathBuf>,
    /// The environment, beside the variables that Heeler sets.
    pub env: BTreeMap<String, Template>,
    /// Files that hold secrets, by their names, for as long as an attempt runs.
    pub secrets: BTreeMap<String, Template>,
    /// Whether each attempt has an empty folder of its own.
    pub scratch: Scratch,
    /// How much an attempt may use.
    pub limits: ExecLimits,
    /// Whom the program runs as; the user of the service when absent.
    pub user: Option<Account>,
    /// Its group; that of the user when absent.
    pub group: Option<Account>,
}

/// Whether each attempt has an empty folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scratch {
    /// None.
    #[default]
    None,
    /// One, which goes with the attempt.
    Folder,
}

/// How much an attempt of a program may use; without bound where absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecLimits {
    /// Bytes of memory, all its processes together.
    pub memory: Option<u64>,
    /// Percent of one processor, all its processes together.
    pub cpu_percent: Option<u32>,
    /// Seconds of processor time of each of its processes.
    pub cpu_seconds: Option<u64>,
    /// Processes at once.
    pub processes: Option<u32>,
    /// Open files of each of its processes.
    pub files: Option<u64>,
    /// Bytes of each file that it writes.
    pub file_size: Option<u64>,
}

/// A user or a group of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// By its number.
    Id(u32),
    /// By its name.
    Name(String),
}

/// What becomes of an attempt whose fate cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// The job is `lost`: at most one launch.
    Fail,
    /// Another attempt is made, while there are any left: at least one launch.
    Retry,
}
