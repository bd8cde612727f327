//! What can be said to the subcommands that ask a service.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::target::{self, ResourceName, Target};
use crate::cli::client::Server;
use crate::domain::id::{ActivityName, CollectionName, OperationName};
use crate::domain::job::JobPhase;
use crate::domain::time::parse_duration;

/// The subcommands that ask a service over HTTP.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RemoteCommand {
    /// Show resources or jobs
    #[command(after_help = "\
Examples:
  heeler get videos                 all of a collection, as a table
  heeler get videos/42 -o json      one resource, as it is
  heeler get jobs/0198c0de-…        one job")]
    Get(GetArgs),
    /// Show what applying files would change, down to the jobs
    ///
    /// Nothing is changed. The exit code is 0 where nothing would be, and 1 where something would.
    #[command(after_help = FILES_HELP)]
    Diff(DiffArgs),
    /// Make resources what files say
    ///
    /// Shows on standard error what changes, and which jobs that starts or cancels; then makes the changes, each on the
    /// very version that was shown. A resource that somebody changed in between is left alone, and the exit code is 5. Where the
    /// service refuses any of the files, none is applied.
    ///
    /// A file is the whole document: members that it lacks are removed, as the plan shows. With `--merge` it is a merge
    /// patch (RFC 7396): what it does not name is left alone, and `null` removes.
    #[command(after_help = FILES_HELP)]
    Apply(ApplyArgs),
    /// Edit a resource in `$VISUAL` or `$EDITOR`
    ///
    /// What you save is sent on the version that you saw. If somebody else changed it meanwhile, nothing is changed, the
    /// exit code is 5, and your text is kept in a file.
    Edit(EditArgs),
    /// Delete resources, which cancels their jobs
    #[command(after_help = "\
Examples:
  heeler delete videos/42 --wait    and wait until its jobs have stopped and it is gone")]
    Delete(DeleteArgs),
    /// Launch a job
    #[command(after_help = "\
Examples:
  heeler run videos/42                                      what its document asks for
  heeler run videos/42 --operation transcode --input '{\"preset\": \"720p\"}' --wait
  heeler run dogs/rex/barks -o name                         of one activity of several; prints jobs/ID")]
    Run(RunArgs),
    /// Cancel jobs
    ///
    /// A job by its id, or all unfinished jobs of a resource or of one of its activities. Documents stay as they are.
    #[command(after_help = "\
Examples:
  heeler cancel jobs/0198c0de-…
  heeler cancel videos/42 --wait    all jobs of a resource, and wait until they have stopped")]
    Cancel(CancelArgs),
    /// Print what a job wrote
    #[command(after_help = "\
Examples:
  heeler logs jobs/0198c0de-… -f            on and on, until the job is finished
  heeler logs videos/42 --stream stderr     the newest job of a resource")]
    Logs(LogsArgs),
    /// List jobs
    #[command(after_help = "\
Examples:
  heeler jobs --phase running
  heeler jobs --collection videos --resource 42 --limit 5")]
    Jobs(JobsArgs),
    /// Wait until resources are settled, or jobs finished
    ///
    /// The exit code is 0 if all work succeeded, 1 if a job failed, was cancelled or is lost, and 6 if time is up.
    #[command(after_help = "\
Examples:
  heeler wait videos/42 --timeout 5m
  heeler wait jobs/0198c0de-…")]
    Wait(WaitArgs),
    /// Print changes as they happen, a line each
    ///
    /// First how everything is, then each change, until Ctrl-C. A lost connection is made again, and goes on where it was.
    #[command(after_help = "\
Examples:
  heeler watch videos
  heeler watch videos/42 -o json    a line of JSON each: {\"event\": \"put\", \"id\": …, \"data\": …}
  heeler watch jobs                 all jobs")]
    Watch(WatchArgs),
}

const FILES_HELP: &str = "\
Files:
  One JSON object each: what the client owns of the document, or what `get -o json` printed.
  A file's name is the id, and its folder the collection: videos/42.json is videos/42, wherever
  that folder is. Of a folder, all *.json in it and below are taken, but for hidden ones.
  `--as` says which resource a file of another name is; `-` is standard input.

Examples:
  heeler diff resources/            what would change
  heeler apply resources/ --wait    apply everything below, and wait until it is settled
  heeler apply --as videos/42 -     from standard input";

/// Where the service is, and who asks.
#[derive(Debug, Args)]
pub(in crate::cli) struct ServerArgs {
    /// The service; https is spoken by the authorities that this machine trusts
    #[arg(long, value_name = "URL", env = "HEELER_SERVER", hide_env_values = true)]
    #[arg(default_value = "http://127.0.0.1:7117", help_heading = "Service")]
    pub(super) server: Server,
    /// Show the token in this file; without it that in the environment variable HEELER_TOKEN, if there is one
    #[arg(long, value_name = "FILE", help_heading = "Service")]
    pub(super) token_file: Option<PathBuf>,
    /// How long to go on asking where no answer comes; a change is made once, however often it is sent
    #[arg(long, value_name = "DURATION", env = "HEELER_REQUEST_TIMEOUT", hide_env_values = true)]
    #[arg(default_value = "30s", value_parser = duration, help_heading = "Service")]
    pub(super) request_timeout: Duration,
}

/// How what is found is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines for people
    Table,
    /// The documents
    Json,
    /// `COLLECTION/ID` or `jobs/ID`, a line each
    Name,
}

#[derive(Debug, Args)]
pub(super) struct OutputArg {
    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(super) output: Format,
}

/// Whether, and for how long, to wait for what follows.
#[derive(Debug, Args)]
pub(super) struct WaitArg {
    /// Wait until it is done, for at most so long; for 10m where nothing is said
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "10m")]
    #[arg(value_parser = duration)]
    pub(super) wait: Option<Duration>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct GetArgs {
    /// `COLLECTION`, `COLLECTION/ID`, `jobs` or `jobs/ID`
    #[arg(value_name = "TARGET", value_parser = target::anything_listed)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) output: OutputArg,
    /// At most so many items; without it, all
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one)]
    pub(super) limit: Option<u64>,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// Which files, and what they stand for.
#[derive(Debug, Args)]
pub(super) struct FilesArgs {
    /// Files or folders; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// The resource that the one file is
    #[arg(long = "as", value_name = "COLLECTION/ID", value_parser = target::resource)]
    pub(super) named: Option<ResourceName>,
    /// Files are merge patches: what they do not name is left alone
    #[arg(long)]
    pub(super) merge: bool,
    /// Only on this version of the one resource: its tag, as `diff -o json` names it (`ifMatch`)
    #[arg(long, value_name = "TAG", value_parser = tag)]
    pub(super) if_match: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArgs {
    #[command(flatten)]
    pub(super) files: FilesArgs,
    #[command(flatten)]
    pub(super) output: OutputArg,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ApplyArgs {
    #[command(flatten)]
    pub(super) files: FilesArgs,
    /// Only show what would change, on standard output
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) wait: WaitArg,
    #[command(flatten)]
    pub(super) output: OutputArg,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EditArgs {
    /// The resource
    #[arg(value_name = "COLLECTION/ID", value_parser = target::resource)]
    pub(super) target: ResourceName,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeleteArgs {
    /// The resources
    #[arg(value_name = "COLLECTION/ID", required = true, value_parser = target::resource)]
    pub(super) targets: Vec<ResourceName>,
    /// Only on this version of the one resource
    #[arg(long, value_name = "TAG", value_parser = tag)]
    pub(super) if_match: Option<String>,
    #[command(flatten)]
    pub(super) wait: WaitArg,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// The resource, and the activity where it has several
    #[arg(value_name = "COLLECTION/ID[/ACTIVITY]", value_parser = target::resource_or_activity)]
    pub(super) target: Target,
    /// The operation, where it is not that of the document
    #[arg(long, value_name = "NAME")]
    pub(super) operation: Option<OperationName>,
    /// JSON that is merged over the input that the document names; `@FILE` reads it from a file
    #[arg(long, value_name = "JSON")]
    pub(super) input: Option<String>,
    #[command(flatten)]
    pub(super) wait: WaitArg,
    #[command(flatten)]
    pub(super) output: OutputArg,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CancelArgs {
    /// `jobs/ID`, `COLLECTION/ID` or `COLLECTION/ID/ACTIVITY`
    #[arg(value_name = "TARGET", required = true, value_parser = target::work)]
    pub(super) targets: Vec<Target>,
    #[command(flatten)]
    pub(super) wait: WaitArg,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LogsArgs {
    /// `jobs/ID`, or `COLLECTION/ID[/ACTIVITY]` for the newest job there
    #[arg(value_name = "TARGET", value_parser = target::work)]
    pub(super) target: Target,
    /// Go on until the job is finished, through all its attempts
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Only what was written there
    #[arg(long, value_name = "STREAM")]
    pub(super) stream: Option<LogStream>,
    /// Say of each line when it was written, and where
    #[arg(long)]
    pub(super) timestamps: bool,
    /// Another attempt than the newest
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one, conflicts_with = "follow")]
    pub(super) attempt: Option<u64>,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// Where programs write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogStream {
    /// Standard output
    Stdout,
    /// Standard error
    Stderr,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JobsArgs {
    /// Jobs of this operation
    #[arg(long, value_name = "NAME")]
    pub(super) operation: Option<OperationName>,
    /// Jobs in this phase
    #[arg(long, value_name = "PHASE", value_parser = phase)]
    pub(super) phase: Option<JobPhase>,
    /// Jobs of resources in this collection
    #[arg(long, value_name = "NAME")]
    pub(super) collection: Option<CollectionName>,
    /// Jobs of resources with this id
    #[arg(long, value_name = "ID")]
    pub(super) resource: Option<String>,
    /// At most so many; without it, all
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one)]
    pub(super) limit: Option<u64>,
    #[command(flatten)]
    pub(super) output: OutputArg,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WaitArgs {
    /// `COLLECTION/ID` or `jobs/ID`
    #[arg(value_name = "TARGET", required = true, value_parser = target::resource_or_job)]
    pub(super) targets: Vec<Target>,
    /// The longest to wait, for all of them together
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub(super) timeout: Duration,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WatchArgs {
    /// `COLLECTION`, `COLLECTION/ID`, `jobs` or `jobs/ID`
    #[arg(value_name = "TARGET", value_parser = target::anything_listed)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) output: OutputArg,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

impl LogStream {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl RemoteCommand {
    pub(super) const fn server(&self) -> &ServerArgs {
        match self {
            Self::Get(args) => &args.server,
            Self::Diff(args) => &args.server,
            Self::Apply(args) => &args.server,
            Self::Edit(args) => &args.server,
            Self::Delete(args) => &args.server,
            Self::Run(args) => &args.server,
            Self::Cancel(args) => &args.server,
            Self::Logs(args) => &args.server,
            Self::Jobs(args) => &args.server,
            Self::Wait(args) => &args.server,
            Self::Watch(args) => &args.server,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|_| "expected a duration such as 30s, 5m or 1h 30m".to_owned())
}

fn at_least_one(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected a number from 1".to_owned())
}

fn phase(text: &str) -> Result<JobPhase, String> {
    JobPhase::from_word(text)
        .ok_or_else(|| format!("expected one of {}", JobPhase::ALL.map(JobPhase::as_str).join(", ")))
}

/// Reads a tag as it is sent; shells like to eat the quotes.
fn tag(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_tag = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    match bare {
        "*" => Ok("*".to_owned()),
        bare if is_tag => Ok(format!("\"{bare}\"")),
        _ => Err("expected a tag such as \"8.97\"".to_owned()),
    }
}

/// Reads the name of an activity.
pub(super) fn activity(text: &str) -> Result<ActivityName, String> {
    text.parse().map_err(|error| format!("{error}"))
}
