//! `heeler completions`: what a shell needs to complete the command.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::args::Cli;

/// Prints what completes the command in a shell.
pub(super) fn print(shell: Shell) {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "heeler", &mut script);
    // Whoever reads no more of it has what they wanted.
    let _ = io::stdout().lock().write_all(&script);
}
