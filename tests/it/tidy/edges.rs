//! Which room may know which, and which foreign crate belongs where.

use super::Source;
use super::scan::{Path, code_of, paths, words};

/// What each room may know beside itself.
const ROOMS: [(&str, &[&str]); 14] = [
    ("domain", &[]),
    ("reconcile", &["domain"]),
    ("store", &[]),
    ("clock", &["domain"]),
    ("state", &["domain", "reconcile", "store", "clock", "metrics"]),
    ("runner", &["domain", "clock"]),
    ("engine", &["domain", "reconcile", "state", "runner", "clock", "metrics"]),
    ("api", &["domain", "state", "store", "clock"]),
    ("http", &["api", "domain", "metrics"]),
    ("config", &["domain"]),
    ("telemetry", &[]),
    ("metrics", &[]),
    ("service", &[]),
    ("cli", &["service", "domain", "config", "telemetry", "clock"]),
];

/// The one place that sees everything, and those that only pass on to rooms.
const SEE_EVERYTHING: [&str; 3] = ["src/service/", "src/main.rs", "src/lib.rs"];

/// Rooms that take the world as values.
const PURE: [&str; 2] = ["domain", "reconcile"];

/// What belongs into some places only.
const HOMES: [(&str, &[&str]); 20] = [
    ("warp", &["src/http/"]),
    ("redb", &["src/store/redb/"]),
    ("json_patch", &["src/domain/patch"]),
    ("jsonschema", &["src/domain/schema"]),
    ("cel", &["src/domain/expression/"]),
    ("regex", &["src/domain/expression/"]),
    ("croner", &["src/domain/schedule/cron/"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("indicatif", &["src/cli/"]),
    ("toml", &["src/config/"]),
    ("tokio_cron_scheduler", &["src/engine/housekeeping.rs"]),
    ("flate2", &["src/http/coding.rs"]),
    ("hyper", &["src/http/", "src/cli/client", "src/cli/fetch.rs", "src/runner/http/"]),
    ("lettre", &["src/runner/mail/"]),
    ("tokio_rustls", &["src/runner/"]),
    ("rustls_native_certs", &["src/runner/trust.rs"]),
    ("ring", &["src/runner/"]),
    ("tracing_subscriber", &["src/telemetry.rs"]),
    ("getrandom", &["src/clock.rs", "src/runner/exec/"]),
];

/// What a pure room never names.
const IMPURE: [&str; 25] = [
    "tokio",
    "tokio_cron_scheduler",
    "tokio_util",
    "futures_util",
    "async_trait",
    "warp",
    "hyper",
    "hyper_util",
    "redb",
    "tracing",
    "clap",
    "rustix",
    "tempfile",
    "getrandom",
    "std::fs",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "jiff::Timestamp::now",
];

/// The edges that a file breaks, each with its place.
pub(super) fn broken(source: &Source) -> Vec<String> {
    let Some(module) = source.path.strip_prefix("src/").filter(|_| source.is_rust() && !is_test(&source.path)) else {
        return Vec::new();
    };
    let module: Vec<&str> = module.trim_end_matches(".rs").trim_end_matches("/mod").split('/').collect();
    let room = module[0];
    let code = code_of(&source.text);
    let code = without_tests(&code);
    let mut found = Vec::new();
    for path in paths(code) {
        let findings = [edge(&source.path, &module, &path), home(&source.path, &path), purity(room, &path)];
        // A crate that is impure and far from home is one finding.
        found.extend(findings.into_iter().flatten().next_back().map(|what| (path.line, what)));
    }
    if PURE.contains(&room) {
        let waits = words(code).filter(|(_, word)| word == "async" || word == "await");
        found.extend(waits.map(|(line, word)| (line, format!("`{room}` is pure: no {word}"))));
    }
    found.into_iter().map(|(line, what)| format!("{}:{line}: {what}", source.path)).collect()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The code up to the unit tests at its end: they may build what they need.
fn without_tests(code: &str) -> &str {
    let mut from = 0;
    while let Some(at) = code[from..].find("#[cfg(test)]").map(|at| from + at) {
        let rest = &code[at..];
        let opened = rest.find('{').unwrap_or(rest.len());
        if rest[..opened].contains("mod ") && !rest[..opened].contains(';') {
            return &code[..at];
        }
        from = at + 1;
    }
    code
}

fn edge(file: &str, module: &[&str], path: &Path) -> Option<String> {
    let (room, known) = (module[0], room_of(module, path)?);
    let (_, may) = ROOMS.iter().find(|(name, _)| *name == room)?;
    let is_room = ROOMS.iter().any(|(name, _)| *name == known);
    if !is_room || known == room || may.contains(&known) || SEE_EVERYTHING.iter().any(|place| file.starts_with(place)) {
        return None;
    }
    Some(format!("`{room}` may not know `{known}`"))
}

/// The room that a path leads into, if it starts at the crate or climbs up to it.
fn room_of<'p>(module: &[&str], path: &'p Path) -> Option<&'p str> {
    let segments = &path.segments;
    let supers = segments.iter().take_while(|segment| *segment == "super").count();
    let at = match segments[0].as_str() {
        "crate" | "heeler" => 1,
        "super" if supers >= module.len() => supers,
        _ => return None,
    };
    segments.get(at).map(String::as_str)
}

fn home(file: &str, path: &Path) -> Option<String> {
    let (name, homes) = HOMES.iter().find(|(name, _)| path.segments[0] == *name)?;
    if homes.iter().any(|home| file.starts_with(home)) {
        return None;
    }
    Some(format!("`{name}` belongs into {}", homes.join(", ")))
}

fn purity(room: &str, path: &Path) -> Option<String> {
    if !PURE.contains(&room) {
        return None;
    }
    let path = path.segments.join("::");
    let named = |name: &&&str| path == **name || path.starts_with(&format!("{name}::"));
    IMPURE.iter().find(named).map(|name| format!("`{room}` is pure: no {name}"))
}
