//! Programs that outlive the service need a supervisor, and that is the same
//! program, started anew: it has to know that before it does anything else.

use std::env::args_os;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::Error;
use crate::config::Config;
use crate::domain::operation::{Operation, RunnerKind};
use crate::runner::exec;

/// Whether this program would know.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Becomes the supervisor of a program of an `exec` operation, if that is what
/// this process was started as, and gives the code to exit with.
///
/// A program that embeds a service with `exec` operations calls it first of
/// all, while it has one thread; without `exec` operations it need not.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = heeler::supervise_if_asked() {
///         return code;
///     }
///     // … build a service and serve
///     ExitCode::SUCCESS
/// }
/// ```
#[must_use = "a supervisor has to end with this code"]
pub fn supervise_if_asked() -> Option<ExitCode> {
    ASKED.store(true, Ordering::Relaxed);
    exec::supervise_if_asked(args_os().skip(1))
}

/// Refuses `exec` operations in a program that, started as their supervisor,
/// would do whatever else it does, over and over.
pub(super) fn judge(config: &Config) -> Result<(), Error> {
    let needs_one = |operation: &&std::sync::Arc<Operation>| operation.runner.kind() == RunnerKind::Exec;
    match config.catalog.operations.values().find(needs_one) {
        Some(operation) if !ASKED.load(Ordering::Relaxed) => Err(Error::Declaration(vec![format!(
            "the operation `{}` is `exec`, and this program cannot supervise programs: let `main` call \
             `heeler::supervise_if_asked()` first",
            operation.name
        )])),
        Some(_) | None => Ok(()),
    }
}
