//! Heeler.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: a supervisor has one thread and nothing of the service.
    heeler::runner::exec::supervise_if_asked(std::env::args_os().skip(1)).unwrap_or(ExitCode::SUCCESS)
}
