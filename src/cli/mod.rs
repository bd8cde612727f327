//! The command: what was asked for becomes what is done, and how that went
//! becomes an exit code.
//!
//! # Guarantees
//! Standard output holds what was asked for and nothing else; everything else
//! goes to standard error. Every way to end is in [`exit`].
//! # Not here
//! The service itself, which [`crate::service`] puts together.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

mod args;
mod backup;
mod check;
mod client;
mod completions;
mod demo;
mod describe;
mod exit;
mod fetch;
mod output;
mod remote;
mod serve;
mod settings;
mod signals;
mod stock;
mod token;

use args::{Cli, Command, LogArgs, LogFormat};
use exit::{Exit, Failure};

use crate::telemetry::{self, Format};

/// What is logged unless something else is said.
const LOG_DEFAULT: &str = "info,tokio_cron_scheduler=warn";

/// A demo shows what it does itself.
const LOG_DEFAULT_OF_DEMO: &str = "warn";

/// Does what the arguments, the program's name first, ask for.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Asking for help is an error without being one. A closed pipe is none of ours.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    match obey(&cli.command) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            let words = failure.words();
            if !words.is_empty() {
                output::complain(&words);
            }
            failure.exit().into()
        }
    }
}

fn obey(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => {
            start_logs(&args.log, LOG_DEFAULT)?;
            serve::run(settings::for_serve(args))
        }
        Command::Demo(args) => {
            start_logs(&args.log, LOG_DEFAULT_OF_DEMO)?;
            demo::run(args)
        }
        Command::Check(args) => check::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => stock::restore(args),
        Command::Verify(args) => stock::verify(args),
        Command::Compact(args) => stock::compact(args),
        Command::Completions(args) => {
            completions::print(args.shell);
            Ok(())
        }
        Command::Remote(command) => remote::run(command),
        Command::Openapi(args) => {
            let config = settings::for_openapi(args)?;
            match &args.into {
                None => describe::print(&config),
                Some(folder) => describe::write(&config, folder)?,
            }
            Ok(())
        }
    }
}

fn start_logs(args: &LogArgs, default: &str) -> Result<(), Failure> {
    let format = match args.log_format {
        LogFormat::Human => Format::Human,
        LogFormat::Json => Format::Json,
    };
    telemetry::start(args.log.as_deref().unwrap_or(default), format).map_err(|error| {
        Failure::Usage(format!("`{}` is no log filter: {error}", args.log.as_deref().unwrap_or(default)))
    })
}
