//! Reads the sources and fails where one of the rules of ARCHITECTURE.md is
//! broken: which room may know which, which foreign crate belongs where, what
//! the pure rooms never do, and how every file is kept.
//!
//! The scanner knows comments, strings, `use` groups and inline paths. It does
//! not know macros, and needs not to.

mod edges;
mod scan;

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a file of code: what one can hold in mind.
const LINES_MAX: usize = 600;

/// Folders of the project with text that people write.
const FOLDERS: [&str; 5] = ["src", "tests", "benches", "examples", ".ci"];

/// Kinds of files that are not text that people write.
const GENERATED: [&str; 3] = ["snap", "lock", "txt"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the project, its path from the root with `/`.
#[derive(Debug, Clone)]
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

fn sources() -> Vec<Source> {
    let mut paths: Vec<PathBuf> = FOLDERS.iter().flat_map(|folder| files_below(&root().join(folder))).collect();
    let top = fs::read_dir(root()).expect("the root").map(|entry| entry.expect("an entry").path());
    paths.extend(top.filter(|path| path.is_file()));
    paths.sort();
    let wanted =
        paths.iter().filter(|path| !GENERATED.iter().any(|kind| path.extension().is_some_and(|is| is == *kind)));
    let read = wanted.filter_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        let path = path.strip_prefix(root()).expect("below the root").to_str().expect("UTF-8").to_owned();
        Some(Source { path, text })
    });
    read.collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// What is wrong with how a file is kept, whatever it holds.
fn untidy(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut finding = |line: usize, what: String| found.push(format!("{}:{line}: {what}", source.path));
    for (number, line) in (1..).zip(source.text.lines()) {
        // Spelled in parts, so that this file is no finding itself.
        for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
            if words(line).any(|found| found == word) {
                finding(number, format!("{word}: what is not done is not announced in the code"));
            }
        }
        for place in [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")] {
            if line.contains(place) {
                finding(number, format!("a path of one machine: {place}"));
            }
        }
    }
    if source.is_rust() {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            finding(lines, format!("{lines} lines, more than {LINES_MAX}: make it a folder"));
        }
        if !source.text.starts_with("//!") {
            finding(1, "a module opens by saying what it is for: `//! …`".to_owned());
        }
        for (number, line) in (1..).zip(scan::code_of(&source.text).lines()) {
            let line: String = line.split_whitespace().collect();
            if line.contains("#[allow(") || line.contains("#![allow(") {
                finding(number, "`allow`: say `expect`, with a reason".to_owned());
            }
        }
    }
    found
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn report(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn every_room_knows_only_what_it_may() {
    let sources = sources();
    assert!(sources.len() > 50, "the sources are found");
    report(&sources.iter().flat_map(edges::broken).collect::<Vec<_>>());
}

#[test]
fn every_file_is_kept_in_order() {
    report(&sources().iter().flat_map(untidy).collect::<Vec<_>>());
}

#[test]
fn every_way_of_breaking_an_edge_is_seen() {
    for (path, code, expected) in [
        ("src/domain/id.rs", "use crate::state::State;", "`domain` may not know `state`"),
        ("src/domain/id.rs", "use crate::{reconcile::Plan, domain::id};", "`domain` may not know `reconcile`"),
        ("src/domain/id.rs", "fn f(x: &crate::store::Key) {}", "`domain` may not know `store`"),
        ("src/domain/id.rs", "use super::super::api::Api;", "`domain` may not know `api`"),
        ("src/domain/mod.rs", "use super::http::Http;", "`domain` may not know `http`"),
        ("src/store/redb/mod.rs", "use super::super::super::domain;", "`store` may not know `domain`"),
        ("src/store/memory.rs", "use crate::domain::id::Id;", "`store` may not know `domain`"),
        ("src/reconcile/plan.rs", "use crate::runner::Runner;", "`reconcile` may not know `runner`"),
        ("src/runner/exec/mod.rs", "use crate::state::State;", "`runner` may not know `state`"),
        ("src/api/jobs.rs", "use crate::engine::Engine;", "`api` may not know `engine`"),
        ("src/engine/run.rs", "use crate::store::Txn;", "`engine` may not know `store`"),
        ("src/http/reply.rs", "let x = crate::state::State::new();", "`http` may not know `state`"),
        ("src/config/mod.rs", "use crate::cli::args;", "`config` may not know `cli`"),
        ("src/cli/demo/mod.rs", "use crate::engine::Engine;", "`cli` may not know `engine`"),
        ("src/config/mod.rs", "use crate::service::Heeler;", "`config` may not know `service`"),
        ("src/state/keys.rs", "use warp::Filter;", "`warp` belongs into src/http/"),
        ("src/state/keys.rs", "use ::redb::Database;", "`redb` belongs into src/store/redb/"),
        ("src/store/mod.rs", "fn f() -> redb::Error {}", "`redb` belongs into src/store/redb/"),
        ("src/domain/change.rs", "use json_patch::Patch;", "`json_patch` belongs into src/domain/patch"),
        ("src/domain/schedule/ticks.rs", "use croner::Cron;", "`croner` belongs into src/domain/schedule/cron/"),
        ("src/config/files.rs", "jsonschema::validator_for(&x)", "`jsonschema` belongs into src/domain/schema"),
        ("src/main.rs", "use clap::Parser;", "`clap` belongs into src/cli/"),
        ("src/domain/id.rs", "use std::{fmt, fs};", "`domain` is pure: no std::fs"),
        ("src/domain/id.rs", "use std::{time::{Duration, Instant}};", "`domain` is pure: no std::time::Instant"),
        ("src/reconcile/step.rs", "std::net::TcpStream::connect(x)", "`reconcile` is pure: no std::net"),
        ("src/reconcile/step.rs", "use tokio::sync::Mutex;", "`reconcile` is pure: no tokio"),
        ("src/domain/id.rs", "tracing::info!(\"x\");", "`domain` is pure: no tracing"),
        ("src/domain/id.rs", "pub async fn f() {}", "`domain` is pure: no async"),
        ("src/domain/id.rs", "let x = y.await;", "`domain` is pure: no await"),
    ] {
        let found = edges::broken(&planted(path, code));
        assert_eq!(found, [format!("{path}:3: {expected}")], "{code}");
    }
}

#[test]
fn what_is_allowed_is_no_finding() {
    for (path, code) in [
        ("src/domain/id.rs", "use crate::domain::time; use super::version::ETag; use std::{fmt, time::Duration};"),
        (
            "src/domain/id.rs",
            "// use crate::state::State;\n/* async */ let x = \"crate::state::State\"; let y = r#\"async\"#;",
        ),
        ("src/domain/id.rs", "/// See [`crate::state::State`].\nfn f<'a>(x: &'a str, c: char) -> bool { c == '\"' }"),
        ("src/domain/id.rs", "#[cfg(test)]\nmod tests {\n    use crate::store::Key;\n    use std::fs;\n}"),
        ("src/service/mod.rs", "use crate::engine::Engine; use crate::store::redb::RedbStore;"),
        ("src/store/mod.rs", "pub mod redb;"),
        ("src/store/redb/mod.rs", "use ::redb::Database; use super::super::Key;"),
        ("src/http/mod.rs", "use http::Request; use warp::Filter; use crate::api::Api;"),
        ("src/api/mod.rs", "let http = 1; let warp = http.redb();"),
        ("tests/it/http/mod.rs", "use heeler::store::Key;"),
    ] {
        assert_eq!(edges::broken(&planted(path, code)), [] as [String; 0], "{code}");
    }
}

#[test]
fn what_is_untidy_is_seen() {
    let long = "//! Long.\n".to_owned() + &"\n".repeat(LINES_MAX);
    for (text, expected) in [
        ("fn f() {}\n", "src/x.rs:1: a module opens by saying what it is for: `//! …`"),
        (
            concat!("//! X.\n// TO", "DO: more\n"),
            concat!("src/x.rs:2: TO", "DO: what is not done is not announced in the code"),
        ),
        ("//! X.\n#![allow(missing_docs)]\n", "src/x.rs:2: `allow`: say `expect`, with a reason"),
        ("//! X.\n#[allow(dead_code, reason = \"x\")]\n", "src/x.rs:2: `allow`: say `expect`, with a reason"),
        (
            concat!("//! X.\nconst P: &str = \"/ho", "me/x\";\n"),
            concat!("src/x.rs:2: a path of one machine: /ho", "me/"),
        ),
        (&long, "src/x.rs:601: 601 lines, more than 600: make it a folder"),
    ] {
        assert_eq!(untidy(&Source { path: "src/x.rs".to_owned(), text: text.to_owned() }), [expected]);
    }
    let comment = "//! X.\n// `#[allow(x)]` is not for us.\n";
    assert_eq!(untidy(&Source { path: "src/x.rs".to_owned(), text: comment.to_owned() }), [] as [String; 0]);
}

fn planted(path: &str, code: &str) -> Source {
    Source { path: path.to_owned(), text: format!("//! A module.\n\n{code}\n") }
}
