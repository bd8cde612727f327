//! Lines for standard output and standard error.
//!
//! # Guarantees
//! Whoever reads no more of them stops nothing: a closed pipe is no error here.

use std::fmt;
use std::io::{self, Write as _};

/// Writes a line to standard output, at once.
pub(super) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes a line to standard error.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes to standard output, at once.
///
/// # Errors
/// Nobody reads it any more.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// So many things of a name, in words.
pub(super) fn counted<N: fmt::Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {what}{plural}")
}
