//! The program: its arguments in, its exit code out.

use std::env::args_os;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: a supervisor has one thread and nothing of the service.
    heeler::runner::exec::supervise_if_asked(args_os().skip(1)).unwrap_or_else(|| heeler::cli::run(args_os()))
}
