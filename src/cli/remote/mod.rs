//! The subcommands that ask a service over HTTP.
//!
//! # Guarantees
//! Data goes to standard output, everything else to standard error. Every write
//! has an `Idempotency-Key`, and can be sent again until it is answered. Ctrl-C
//! ends with 130.

mod apply;
mod args;
mod cancel;
mod delete;
mod diff;
mod edit;
mod files;
mod get;
mod jobs;
mod logs;
mod plan;
mod poll;
mod print;
mod run;
mod session;
mod status;
mod target;
mod wait;
mod watch;

use std::pin::pin;

use super::exit::Failure;
use super::serve;
use super::signals::{Signal, Signals};
use session::Session;

pub(super) use args::RemoteCommand;

/// Does what is asked for.
pub(super) fn run(command: &RemoteCommand) -> Result<(), Failure> {
    let session = Session::new(command.server())?;
    serve::block_on(async {
        let mut signals = Signals::listen().map_err(|error| Failure::System(error.into()))?;
        let mut work = pin!(obey(&session, command));
        loop {
            tokio::select! {
                done = &mut work => return done,
                signal = signals.next() => {
                    // Ctrl-C is for the program that has the terminal.
                    if !(signal == Signal::Interrupt && session.terminal_is_lent.get()) {
                        signal.end_process();
                    }
                }
            }
        }
    })
}

async fn obey(session: &Session, command: &RemoteCommand) -> Result<(), Failure> {
    match command {
        RemoteCommand::Get(args) => get::run(session, args).await,
        RemoteCommand::Diff(args) => diff::run(session, args).await,
        RemoteCommand::Apply(args) => apply::run(session, args).await,
        RemoteCommand::Edit(args) => edit::run(session, args).await,
        RemoteCommand::Delete(args) => delete::run(session, args).await,
        RemoteCommand::Run(args) => run::run(session, args).await,
        RemoteCommand::Cancel(args) => cancel::run(session, args).await,
        RemoteCommand::Logs(args) => logs::run(session, args).await,
        RemoteCommand::Jobs(args) => jobs::run(session, args).await,
        RemoteCommand::Wait(args) => wait::run(session, args).await,
        RemoteCommand::Watch(args) => watch::run(session, args).await,
    }
}
