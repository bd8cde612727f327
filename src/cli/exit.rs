//! How the command ends: each reason once, with its exit code and its words.
//!
//! # Guarantees
//! Nothing else of the program decides on an exit code.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::process::ExitCode;

use http::StatusCode;

use super::client::ClientError;
use super::output::complain;
use crate::service::{self, Cause, stock};

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done.
    Done = 0,
    /// A job failed; or there are differences, where these were asked for.
    JobFailed = 1,
    /// The command, the environment or the configuration is wrong, or the service refuses what was asked.
    Usage = 2,
    /// The store, or a backup of one, is in use, foreign, damaged or newer, or cannot be used at all.
    Store = 3,
    /// The address cannot be served.
    Address = 4,
    /// Somebody else changed what was to be changed.
    Conflict = 5,
    /// What was waited for did not happen in time.
    TimedOut = 6,
    /// Nobody answered, or it is unknown whether a change was made.
    Unreachable = 7,
    /// Stopped because it is unknown whether a commit was made.
    OutcomeUnknown = 70,
    /// Stopped because a part of the service broke, or the system refused what any program needs.
    Broken = 71,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Ends the process at once, as a signal with this number would have.
pub(super) fn by_signal(number: u8) -> ! {
    // As a shell reports it.
    std::process::exit(128 + i32::from(number))
}

/// What `--help` says about exit codes.
pub(super) const HELP: &str = "\
Exit codes:
   0  done
   1  a job failed; diff: something would change
   2  usage or configuration; the service refused
   3  the store, or a backup of one: in use, foreign, damaged or newer
   4  the address cannot be served
   5  conflict: somebody else changed it
   6  timed out
   7  no answer, or it is unknown whether a change was made
  70  stopped because the outcome of a commit is unknown
  71  stopped because a part of the service broke";

/// Why the command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A flag or a variable of the environment is wrong.
    #[error("{0}")]
    Usage(String),
    /// The service, or its configuration.
    #[error(transparent)]
    Service(#[from] service::Error),
    /// What the command itself needs of the system is not to be had.
    #[error("the system refused what is needed")]
    System(#[source] Cause),
    /// Jobs did not succeed.
    #[error("{0}")]
    Jobs(String),
    /// Something could not be done with a store as a whole.
    #[error(transparent)]
    Stock(#[from] stock::Error),
    /// A store is not as it should be.
    #[error("{0}")]
    Unsound(String),
    /// The service did not answer, or not as it should.
    #[error("no proper answer")]
    Unreachable(#[source] Cause),
    /// Asking the service came to nothing.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The same, of one of several things.
    #[error("{about}")]
    About {
        /// What it is about.
        about: String,
        #[source]
        source: ClientError,
    },
    /// What was asked for cannot be.
    #[error("{0}")]
    Refused(String),
    /// Somebody else was first.
    #[error("{0}")]
    Conflict(String),
    /// What was waited for did not happen in time.
    #[error("{0}")]
    TimedOut(String),
    /// All there is to say was said.
    #[error("that is all")]
    Said(Exit),
}

/// The gravest of the ways in which parts of a command ended.
#[derive(Debug, Default)]
pub(super) struct Worst(Option<Exit>);

impl Worst {
    /// Says how one part ended, and notes it.
    pub(super) fn note(&mut self, failure: &Failure) {
        let (words, exit) = (failure.words(), failure.exit());
        if !words.is_empty() {
            complain(&words);
        }
        self.0 = Some(self.0.map_or(exit, |worst| if exit.gravity() > worst.gravity() { exit } else { worst }));
    }

    /// How all of it ended; what there is to say of the parts was said.
    pub(super) fn verdict(self) -> Result<(), Failure> {
        self.0.map_or(Ok(()), |exit| Err(Failure::Said(exit)))
    }
}

impl Exit {
    /// What outweighs what: not to know is worse than to know of a failure.
    const fn gravity(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::JobFailed => 1,
            Self::TimedOut => 2,
            Self::Usage => 3,
            Self::Conflict => 4,
            Self::Unreachable => 5,
            Self::Store | Self::Address | Self::OutcomeUnknown | Self::Broken => 6,
        }
    }
}

impl Failure {
    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Service(error) => exit(error),
            Self::System(_) => Exit::Broken,
            Self::Jobs(_) => Exit::JobFailed,
            Self::Stock(error) => of_stock(error),
            Self::Unsound(_) => Exit::Store,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Client(error) | Self::About { source: error, .. } => answered(error),
            Self::Refused(_) => Exit::Usage,
            Self::Conflict(_) => Exit::Conflict,
            Self::TimedOut(_) => Exit::TimedOut,
            Self::Said(exit) => *exit,
        }
    }

    /// That asking the service about this came to nothing.
    pub(super) fn about(what: &impl fmt::Display, source: ClientError) -> Self {
        Self::About { about: what.to_string(), source }
    }

    /// What is said on standard error: itself and its causes, without a line
    /// end after the last line.
    pub(super) fn words(&self) -> String {
        if let Self::Said(_) = self {
            return String::new();
        }
        // The errors of a file stand alone, so that editors and people find the place.
        if let Self::Service(service::Error::Configuration(errors)) = self {
            return errors.to_string();
        }
        let mut words = format!("heeler: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            let _ = write!(words, ": {error}");
            cause = error.source();
        }
        words
    }
}

const fn of_stock(error: &stock::Error) -> Exit {
    use stock::{BackupError, Error};
    match error {
        Error::Exists { .. } | Error::Backup { source: BackupError::Occupied(_) | BackupError::Io(_), .. } => {
            Exit::Usage
        }
        Error::Open(_) | Error::Read(_) | Error::Restore(_) | Error::Backup { .. } => Exit::Store,
    }
}

fn answered(error: &ClientError) -> Exit {
    match error {
        ClientError::Connect { .. } | ClientError::Lost { .. } | ClientError::Unknown { .. } => Exit::Unreachable,
        ClientError::Malformed { .. } => Exit::Usage,
        ClientError::Unexpected { problem, .. } => match problem.status {
            StatusCode::PRECONDITION_FAILED => Exit::Conflict,
            // Of a service that fails it is not known what it did.
            status if status.is_server_error() => Exit::Unreachable,
            _ => Exit::Usage,
        },
    }
}

const fn exit(error: &service::Error) -> Exit {
    use service::Error;
    match error {
        Error::Configuration(_) | Error::Declaration(_) | Error::Exposed { .. } | Error::Undeclared(_) => Exit::Usage,
        Error::Store(_) => Exit::Store,
        Error::Address { .. } => Exit::Address,
        Error::OutcomeUnknown(_) => Exit::OutcomeUnknown,
        Error::Broken(_) => Exit::Broken,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn a_failure_says_all_its_causes_in_one_line() {
        let failure = Failure::Service(service::Error::Address {
            address: SocketAddr::from(([127, 0, 0, 1], 7117)),
            source: io::Error::from(io::ErrorKind::AddrInUse),
        });
        assert_eq!(failure.words(), "heeler: 127.0.0.1:7117 cannot be listened on: address in use");
        assert_eq!(failure.exit() as u8, 4);
    }
}
