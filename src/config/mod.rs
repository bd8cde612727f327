//! The configuration: one TOML file, and the files that it names.
//!
//! ```toml
//! [server]
//! listen = "127.0.0.1:7117"          # the default; an IP address and a port
//! url    = "https://heeler.example.com"  # where others reach it, who report of jobs; its address by default
//! hosts  = ["heeler.example.com"]    # further names under which it may be asked
//! [server.cors]
//! origins = ["https://app.example.com"]  # whose pages may ask; none by default
//!
//! [[auth.tokens]]                    # who may ask; without any, whoever reaches it
//! name   = "ui"
//! role   = "writer"                  # or "reader", "worker", "admin"
//! # of the token: printf %s "$token" | sha256sum
//! sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
//!
//! [store]
//! url = "redb:heeler.redb"           # the default; or "memory:", for trials: nothing survives
//!
//! [limits]                           # the defaults
//! running  = 64                      # attempts at once in this process
//! connections = 16384                # open at once, as far as the limit of open files goes
//! body     = "1MiB"                  # the largest body of a request
//! document = "1MiB"                  # the largest document
//! depth    = 64                      # nesting of a body or document
//! patch_operations = 1000            # operations in one patch
//! log      = "10MiB"                 # what is kept of the output of one attempt
//!
//! [retention]                        # the defaults
//! jobs  = { succeeded = "7d", failed = "30d", per_activity = 50 }  # how old a finished job gets, how many an activity has
//! ticks = "30d"                      # what was skipped, and why
//! log   = "7d"                       # the change log, for streams that are resumed; 100,000 commits at most
//!
//! [housekeeping]                     # the defaults: cron expressions, in UTC
//! retention = "*/10 * * * *"         # forgets what is older than that
//! log       = "5 * * * *"            # trims the change log
//! sweep     = "17 3 * * *"           # looks at every resource, should anything have been missed
//! # Further: makes a backup, none by default, and keeps the newest ones beside this file
//! backup    = "0 4 * * *"
//! backups   = { folder = "backups", keep = 7 }
//!
//! [secrets]                          # for `${secret.HOOK}`; read once, at the start, and shown nowhere
//! HOOK = { env = "HOOK_TOKEN" }      # or { file = "hook.token" }: its text, without a line end
//!
//! [operations.transcode]
//! description = "Transcode a video"
//! input  = "schemas/transcode.json"  # JSON Schema of the input
//! exec   = { command = ["ffmpeg", "-i", "${input.source}"], cwd = "media", env = { LANG = "C" } }
//! timeout = "30m"                    # of one attempt; none by default
//! grace   = "10s"                    # between being told to stop and being killed
//! retry   = { attempts = 3, backoff = "10s", factor = 2.0, max = "5m", never = [65] }
//! concurrency = 4                    # jobs of it at once; no limit by default
//! priority = 0                       # the highest first
//! on_unknown = "fail"                # or "retry"
//! on_failure = { merge = "{'runs': null}" }   # what the end of each of its jobs does
//!
//! [operations.notify]                # a request; POST of the job as a CloudEvent, unless `method` or `body` say otherwise
//! http = { url = "https://hooks.example.com/${resource.id}", headers = { X-Team = "a" }, response = "64KiB" }
//! # Further: signing = "HOOK", or ["NEW", "OLD"]; allow = ["10.0.0.0/8", "hooks.internal"]
//!
//! [operations.letter]                # a letter; needs `[mail]`
//! mail = { to = "${resource.email}", cc = ["a@example.com"], subject = "Woof", text = "…", html = "<p>…</p>" }
//!
//! [mail]
//! relay = "smtp+starttls://smtp.example.com:587"  # or smtp://…:25 (with `tls = "required"` or "none"), smtps://…:465
//! from  = "Heeler <heeler@example.com>"
//! user  = "heeler"                   # both or neither
//! password = "${secret.HOOK}"
//!
//! [operations.render]
//! worker = { lease = "30s" }         # outside workers pull its jobs; 30s is the default of how long they may be silent
//!
//! [operations.bark]
//! native = {}                        # a function of the program that embeds the service; what else stands here
//!                                    # counts before what the program says of it
//!
//! [collections.videos]
//! schema = "schemas/video.json"      # JSON Schema of the document
//! preconditions = "required"         # or "optional"
//! path = "/v1/videos"                # the default; any path that nothing else needs
//! id = "[a-z0-9-]+"                  # what an id looks like that a client chooses, of those that any id can be
//! observed = ["/runs"]               # members that effects write
//! retired = false                    # the default; true takes it out of service, with all that is in it
//! [collections.videos.activities.processing]
//! # of the jobs that were asked for: what is merged, what follows, or both
//! on_success = { merge = "{'runs': 1}", launch = { operation = "transcode", input = "{'of': job.id}" } }
//! editable = false                   # the default; true opens the list of its jobs to PUT and PATCH
//!
//! [aliases]                          # the same things under further paths
//! "/latest/{id}" = "/v1/videos/{id}/processing/last"
//! ```
//!
//! A size is a number of bytes or text with `KiB`, `MiB` or `GiB`. Relative
//! paths start at the file's folder; a program without a `/` is looked up in
//! `PATH`.
//!
//! # Guarantees
//! Everything that is wrong is reported at once, each with file, line, column
//! and what was expected, but never with a secret. Nothing in the file is ignored: a key that is not
//! understood is an error, and so is one that a later version will understand.
//! A configuration that is read holds only checked values and absolute paths.
//! # Not here
//! Environment and flags, which the command lays over these values, and whether
//! folders and programs exist.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::de::DeTable;

mod activities;
mod auth;
mod changes;
mod collections;
mod cors;
mod declared;
mod effects;
mod error;
mod exec;
mod files;
mod fixed;
mod housekeeping;
mod mounts;
mod operations;
mod outward;
mod replies;
mod rules;
mod secrets;
mod section;
mod server;
mod templates;
mod worker;

pub use changes::Changes;
pub use declared::Declared;
pub use error::{ConfigError, ConfigErrors, ERRORS_MAX, Place};
pub use fixed::{Places, judge as judge_fixed};
pub use housekeeping::{BACKUPS_KEPT_MAX, Backups, Housekeeping, JudgeCron, PER_ACTIVITY_MAX};
pub use secrets::SECRET_BYTES_MAX;
pub use server::{
    BYTES_MAX, BYTES_MIN, CONNECTIONS_MAX, DEPTH_MAX, LOG_BYTES_MAX, Limits, PATCH_OPERATIONS_MAX, ParseStoreUrlError,
    RUNNING_MAX, Server, StoreUrl,
};

use crate::domain::catalog::Catalog;
use crate::domain::outward::Relay;
use crate::domain::principal::Access;
use crate::domain::retention::Retention;
use crate::domain::secret::{Secrets, Surroundings};
use error::Report;
use files::Files;
use section::{Keys, Section};
use templates::Templates;

/// The largest file that is read, the configuration's or a schema's.
///
/// People write these files; a larger one was named by mistake.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the operator wants.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where and as what the service answers.
    pub server: Server,
    /// Where resources and jobs are kept.
    pub store: StoreUrl,
    /// How much is taken from clients and done at once.
    pub limits: Limits,
    /// Who may ask.
    pub access: Access,
    /// The collections and operations.
    pub catalog: Catalog,
    /// For how long what is over is remembered.
    pub retention: Retention,
    /// When the service keeps its house.
    pub housekeeping: Housekeeping,
    /// Who takes letters, if anybody.
    pub relay: Option<Relay>,
    /// What templates can refer to beside jobs.
    pub surroundings: Surroundings,
    /// Where in the file stands what is fixed once a service has started.
    pub places: Places,
}

const ROOT: Keys = Keys {
    known: &[
        "server",
        "store",
        "limits",
        "auth",
        "operations",
        "collections",
        "aliases",
        "retention",
        "housekeeping",
        "secrets",
        "mail",
    ],
    later: &[],
};

/// Reads a configuration file and the schema files that it names; `cron` judges
/// the expressions in it.
///
/// # Errors
/// The file cannot be read, or anything in it is wrong: all of it.
pub fn load(path: &Path, cron: &JudgeCron<'_>) -> Result<Config, ConfigErrors> {
    load_with(path, cron, &Declared::default())
}

/// The same where the program declares something, too.
///
/// # Errors
/// As those of [`load`].
pub fn load_with(path: &Path, cron: &JudgeCron<'_>, declared: &Declared) -> Result<Config, ConfigErrors> {
    let unreadable = |error: io::Error| ConfigErrors::whole_file(path, format!("cannot be read: {error}"));
    let text = read_file(path).map_err(unreadable)?;
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let base = absolute.parent().unwrap_or(&absolute);
    parse_with(&text, path, base, Outside { read: &read_file, env: &environment(), cron }, declared)
}

/// Reads the text of a configuration that is in no file; relative paths start
/// at `base`, which is absolute.
///
/// # Errors
/// As those of [`parse`].
pub fn read_text(text: &str, base: &Path, cron: &JudgeCron<'_>, declared: &Declared) -> Result<Config, ConfigErrors> {
    parse_with(text, Path::new(TEXT), base, Outside { read: &read_file, env: &environment(), cron }, declared)
}

/// The environment of the process. A variable that is no text is left out: no
/// template could use it.
fn environment() -> Secrets {
    let variables = std::env::vars_os();
    variables.filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?))).collect()
}

/// What errors call a configuration that is in no file.
const TEXT: &str = "(configuration)";

/// What a configuration is read with, and does not know itself.
#[derive(Clone, Copy)]
pub struct Outside<'o> {
    /// Gives the text of a file that the configuration names.
    pub read: &'o dyn Fn(&Path) -> io::Result<String>,
    /// The environment of the service.
    pub env: &'o Secrets,
    /// Judges cron expressions.
    pub cron: &'o JudgeCron<'o>,
}

/// Reads the text of a configuration.
///
/// `file` is what errors call it, `base` is the absolute folder at which
/// relative paths start.
///
/// # Errors
/// Anything in it is wrong: all of it. Where the text is not TOML, only that.
pub fn parse(text: &str, file: &Path, base: &Path, outside: Outside<'_>) -> Result<Config, ConfigErrors> {
    parse_with(text, file, base, outside, &Declared::default())
}

/// The same where the program declares something, too.
///
/// # Errors
/// As those of [`parse`].
pub fn parse_with(
    text: &str,
    file: &Path,
    base: &Path,
    outside: Outside<'_>,
    declared: &Declared,
) -> Result<Config, ConfigErrors> {
    let mut report = Report::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            report.error(&error.span().unwrap_or_default(), error.message());
        }
        return Err(report.into_errors());
    }
    let root = Section::root(table.get_ref());
    let mut files = Files::new(base, outside.read);
    root.check_keys(ROOT, &mut report);
    let (known, secrets) = secrets::secrets(&root, outside.env, &files, &mut report);
    let templates = Templates::new(known);
    let surroundings = Surroundings { secrets, env: outside.env.clone() };
    let secrets = &surroundings.secrets;
    let operations = operations::operations(&root, &templates, secrets, &mut files, &mut report);
    let relay = outward::relay(&root, &templates, &surroundings, &mut report);
    let operations = declared::operations(&root, operations, declared, &mut report);
    let collections = collections::collections(&root, &operations, &mut files, &mut report);
    let collections = declared::collections(&root, collections, declared, &mut report);
    let mut catalog = Catalog { collections, operations, ..Catalog::default() };
    mounts::judge(&root, &catalog.collections, &mut report);
    catalog.aliases = mounts::aliases(&root, &catalog, &mut report);
    // What is out of service keeps its place until it is back.
    catalog.retire();
    let config = Config {
        server: server::server(&root, &mut report),
        store: server::store(&root, base, &mut report),
        limits: server::limits(&root, &mut report),
        access: auth::access(&root, &mut report),
        catalog,
        retention: housekeeping::retention(&root, &mut report),
        housekeeping: housekeeping::housekeeping(&root, base, outside.cron, &mut report),
        relay,
        surroundings,
        places: fixed::places(&root, &report),
    };
    if report.is_empty() { Ok(config) } else { Err(report.into_errors()) }
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if !u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let read = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = read.split(|byte| *byte == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
    })
}
