//! What the service tells those who run it: lines on standard error.
//!
//! # Guarantees
//! A panic anywhere is logged as an error before anything comes of it.
//! # Not here
//! Documents, tokens and bodies: no line may hold them.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, with colours on a terminal unless `NO_COLOR` is set.
    Human,
    /// One JSON object each.
    Json,
}

/// Starts to write lines, those that the filter lets through: a level, or
/// levels by module, such as `warn,heeler::engine=debug`.
///
/// Where something else in the process writes lines already, that goes on.
///
/// # Errors
/// The filter makes no sense.
pub fn start(filter: &str, format: Format) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = match format {
        Format::Human => lines.with_ansi(wants_colours()).try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn wants_colours() -> bool {
    // An empty variable counts as none: https://no-color.org.
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        panic.place = place,
        panic.backtrace = backtrace,
        "a defect in Heeler: {}",
        panic.payload_as_str().unwrap_or("a panic without a message")
    );
}
