//! `[server]`, `[store]` and `[limits]`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::cors;
use super::error::{Place, Report};
use super::outward;
use super::section::{Field, Keys, Section};

/// Where and as what the service answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The address that is listened on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where the file says so, if it does.
    pub listen_at: Option<Place>,
    /// Where others reach it, without a path, where that is another place.
    pub url: Option<String>,
    /// Host names under which it may be asked, beside its address and
    /// localhost; in lower case, with a port where one was given.
    pub hosts: Vec<String>,
    /// The origins whose pages may ask, as browsers spell them.
    pub origins: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7117)),
            listen_at: None,
            url: None,
            hosts: Vec::new(),
            origins: Vec::new(),
        }
    }
}

/// Where resources and jobs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// In a file of this process; the path is absolute if the base was.
    Redb(PathBuf),
    /// In memory, for trials: nothing survives the process.
    Memory,
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseStoreUrlError {
    /// The scheme is missing or unknown.
    #[error("`{0}` names no store that is known here: expected `redb:PATH` or `memory:`")]
    UnknownScheme(String),
    /// `redb:` without a path.
    #[error("`redb:` needs the path of a file, such as `redb:heeler.redb`")]
    NoPath,
    /// `memory:` with something behind it.
    #[error("`{0}`: nothing can follow `memory:`")]
    MemoryHasNoPath(String),
}

impl StoreUrl {
    /// Where things are kept unless something else is said.
    pub const DEFAULT: &str = "redb:heeler.redb";

    /// Reads `redb:PATH` or `memory:`; a relative path starts at `base`.
    ///
    /// # Errors
    /// Another scheme, or a path that is missing or too many.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ParseStoreUrlError> {
        match text.split_once(':') {
            Some(("redb", "")) => Err(ParseStoreUrlError::NoPath),
            Some(("redb", path)) => Ok(Self::Redb(base.join(path).components().collect())),
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("memory", _)) => Err(ParseStoreUrlError::MemoryHasNoPath(text.to_owned())),
            Some(_) | None => Err(ParseStoreUrlError::UnknownScheme(text.to_owned())),
        }
    }
}

impl Default for StoreUrl {
    /// [`Self::DEFAULT`], in the folder of the process.
    fn default() -> Self {
        Self::Redb(PathBuf::from("heeler.redb"))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redb(path) => write!(f, "redb:{}", path.display()),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

/// How much is taken from clients and done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Attempts that run at once in this process, from 1.
    pub running: usize,
    /// Connections that are open at once, from 1, as far as there can be as
    /// many open files.
    pub connections: usize,
    /// The largest body of a request, in bytes.
    pub body_bytes: usize,
    /// The largest document, in bytes.
    pub document_bytes: usize,
    /// How deep arrays and objects can be nested in a body or document.
    pub depth: usize,
    /// The most operations in one patch.
    pub patch_operations: usize,
    /// How much of what an attempt writes is kept, in bytes.
    pub log_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            running: 64,
            connections: 16_384,
            body_bytes: 1024 * 1024,
            document_bytes: 1024 * 1024,
            depth: 64,
            patch_operations: 1_000,
            log_bytes: 10 * 1024 * 1024,
        }
    }
}

/// The most that `running` can be. Each running attempt holds files and
/// processes, and a machine has some tens of thousands of them.
pub const RUNNING_MAX: i64 = 10_000;

/// The most that `connections` can be: each is an open file, and no system has
/// as many.
pub const CONNECTIONS_MAX: i64 = 1_000_000;

/// The largest that a log can be allowed to be: it is on the disk, once for each
/// attempt that is remembered.
pub const LOG_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// The largest that a body or document can be allowed to be. A request is held
/// in memory as a whole, several times over while it is patched.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The smallest, so that the service stays usable.
pub const BYTES_MIN: usize = 1024;

/// The deepest nesting that can be allowed. The JSON parser stops at 128, and
/// what is shown wraps a document in a few levels more.
pub const DEPTH_MAX: i64 = 100;

/// The most operations in one patch that can be allowed. Each is checked
/// against the whole document.
pub const PATCH_OPERATIONS_MAX: i64 = 100_000;

const SERVER: Keys = Keys { known: &["listen", "url", "hosts", "cors"], later: &[] };
const STORE: Keys = Keys { known: &["url"], later: &[] };
const LIMITS: Keys =
    Keys { known: &["running", "connections", "body", "document", "depth", "patch_operations", "log"], later: &[] };

pub(super) fn server(root: &Section<'_>, report: &mut Report<'_>) -> Server {
    let mut server = Server::default();
    let Some(section) = root.table("server", report) else { return server };
    section.check_keys(SERVER, report);
    if let Some(field) = section.get("listen")
        && let Some(listen) = address(&field, report)
    {
        server.listen = listen;
        server.listen_at = Some(report.place(field.span.start));
    }
    server.url = section.get("url").and_then(|field| outward::origin(&field, report));
    let hosts = section.get("hosts").and_then(|field| field.elements("an array of host names", report));
    server.hosts = hosts.unwrap_or_default().iter().filter_map(|field| host(field, report)).collect();
    server.origins = cors::origins(&section, report);
    server
}

fn address(field: &Field<'_>, report: &mut Report<'_>) -> Option<SocketAddr> {
    const WHAT: &str = "an IP address and a port such as \"127.0.0.1:7117\"";
    let text = field.text(WHAT, report)?;
    text.parse().map_or_else(|_| field.refuse(format!("`{text}` cannot be listened on: expected {WHAT}"), report), Some)
}

fn host(field: &Field<'_>, report: &mut Report<'_>) -> Option<String> {
    const WHAT: &str = "a host name such as \"heeler.example.com\", without scheme or path";
    let text = field.text(WHAT, report)?;
    let possible = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if text.is_empty() || !text.bytes().all(possible) {
        return field.refuse(format!("`{text}` is not a host: expected {WHAT}"), report);
    }
    Some(text.to_ascii_lowercase())
}

pub(super) fn store(root: &Section<'_>, base: &Path, report: &mut Report<'_>) -> StoreUrl {
    let default = StoreUrl::Redb(base.join("heeler.redb"));
    let Some(section) = root.table("store", report) else { return default };
    section.check_keys(STORE, report);
    let Some(field) = section.get("url") else { return default };
    let url = field
        .text("a store such as \"redb:heeler.redb\"", report)
        .and_then(|text| StoreUrl::parse(text, base).map_or_else(|error| field.refuse(error, report), Some));
    url.unwrap_or(default)
}

pub(super) fn limits(root: &Section<'_>, report: &mut Report<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(section) = root.table("limits", report) else { return limits };
    section.check_keys(LIMITS, report);
    let mut count = |name, most, limit: &mut usize| {
        let given = section.get(name).and_then(|field| field.integer(1..=most, report));
        if let Some(number) = given.and_then(|number| usize::try_from(number).ok()) {
            *limit = number;
        }
    };
    count("running", RUNNING_MAX, &mut limits.running);
    count("connections", CONNECTIONS_MAX, &mut limits.connections);
    count("depth", DEPTH_MAX, &mut limits.depth);
    count("patch_operations", PATCH_OPERATIONS_MAX, &mut limits.patch_operations);
    let mut size = |name, most, limit: &mut usize| {
        if let Some(bytes) = section.get(name).and_then(|field| field.bytes(BYTES_MIN..=most, report)) {
            *limit = bytes;
        }
    };
    size("body", BYTES_MAX, &mut limits.body_bytes);
    size("document", BYTES_MAX, &mut limits.document_bytes);
    size("log", LOG_BYTES_MAX, &mut limits.log_bytes);
    limits
}
