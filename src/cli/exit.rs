//! How the command ends: each reason once, with its exit code and its words.
//!
//! # Guarantees
//! Nothing else of the program decides on an exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::service::{self, Cause, stock};

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done.
    Done = 0,
    /// A job failed.
    JobFailed = 1,
    /// The command, the environment or the configuration is wrong.
    Usage = 2,
    /// The store, or a backup of one, is in use, foreign, damaged or newer, or cannot be used at all.
    Store = 3,
    /// The address cannot be served.
    Address = 4,
    /// Nobody answered.
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
   1  demo: a job failed
   2  usage or configuration
   3  the store, or a backup of one: in use, foreign, damaged or newer
   4  the address cannot be served
   7  demo, backup: no answer
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
}

impl Failure {
    /// The exit code.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Service(error) => exit(error),
            Self::System(_) => Exit::Broken,
            Self::Jobs(_) => Exit::JobFailed,
            Self::Stock(error) => of_stock(error),
            Self::Unsound(_) => Exit::Store,
            Self::Unreachable(_) => Exit::Unreachable,
        }
    }

    /// What is said on standard error: itself and its causes, without a line
    /// end after the last line.
    pub(super) fn words(&self) -> String {
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
