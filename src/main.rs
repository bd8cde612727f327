//! The program: its arguments in, its exit code out.

use std::env::args_os;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: a supervisor has one thread and nothing of the service.
    heeler::supervise_if_asked().unwrap_or_else(|| heeler::cli::run(args_os()))
}
