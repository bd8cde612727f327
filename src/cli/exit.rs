//! How the command ends: each reason once, with its exit code and its words.
//!
//! # Guarantees
//! Nothing else of the program decides on an exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use crate::config::ConfigErrors;
use crate::domain::id::CollectionName;

/// An error of a room that this one does not know.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

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
    /// The store is in use, foreign, damaged or newer, or cannot be used at all.
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
   3  the store: in use, foreign, damaged or newer
   4  the address cannot be served
   7  demo: no answer
  70  stopped because the outcome of a commit is unknown
  71  stopped because a part of the service broke";

/// Why the command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The configuration file is wrong.
    #[error(transparent)]
    Configuration(ConfigErrors),
    /// A flag or a variable of the environment is wrong.
    #[error("{0}")]
    Usage(String),
    /// The address can be reached by others, and nobody would be asked who they are.
    #[error(
        "{address} is not a loopback address, and everybody who reaches it could change everything: give out tokens under `[auth]`, listen on 127.0.0.1 behind a proxy that knows who asks, or say --insecure"
    )]
    Exposed {
        /// The address.
        address: SocketAddr,
    },
    /// Collections that are not declared hold resources.
    #[error("{}", undeclared(.0))]
    Undeclared(Vec<(CollectionName, u64)>),
    /// The store cannot be used.
    #[error("the store cannot be used")]
    Store(#[source] Cause),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store failed under way.
    #[error("the store failed, and the last changes may or may not have been kept: start again to see")]
    OutcomeUnknown(#[source] Cause),
    /// A part of the service ended that should not have.
    #[error("a part of the service broke")]
    Broken(#[source] Cause),
    /// Jobs did not succeed.
    #[error("{0}")]
    Jobs(String),
    /// The service did not answer, or not as it should.
    #[error("no proper answer")]
    Unreachable(#[source] Cause),
}

impl Failure {
    /// The exit code.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Configuration(_) | Self::Usage(_) | Self::Exposed { .. } | Self::Undeclared(_) => Exit::Usage,
            Self::Store(_) => Exit::Store,
            Self::Address { .. } => Exit::Address,
            Self::OutcomeUnknown(_) => Exit::OutcomeUnknown,
            Self::Broken(_) => Exit::Broken,
            Self::Jobs(_) => Exit::JobFailed,
            Self::Unreachable(_) => Exit::Unreachable,
        }
    }

    /// What is said on standard error: itself and its causes, without a line
    /// end after the last line.
    pub(super) fn words(&self) -> String {
        // The errors of a file stand alone, so that editors and people find the place.
        if let Self::Configuration(errors) = self {
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

fn undeclared(collections: &[(CollectionName, u64)]) -> String {
    let held: Vec<String> = collections
        .iter()
        .map(|(name, count)| format!("`{name}` ({count} {})", if *count == 1 { "resource" } else { "resources" }))
        .collect();
    format!(
        "the configuration does not declare collections that still hold resources: {}; declare them as before, or delete their resources first",
        held.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_all_its_causes_in_one_line() {
        let failure = Failure::Address {
            address: SocketAddr::from(([127, 0, 0, 1], 7117)),
            source: io::Error::from(io::ErrorKind::AddrInUse),
        };
        assert_eq!(failure.words(), "heeler: 127.0.0.1:7117 cannot be listened on: address in use");
        assert_eq!(failure.exit() as u8, 4);
    }

    #[test]
    fn collections_that_would_be_lost_are_counted() {
        let name = |name: &str| name.parse().expect("a name");
        let failure = Failure::Undeclared(vec![(name("dogs"), 1), (name("videos"), 1200)]);
        insta::assert_snapshot!(failure.words(), @"heeler: the configuration does not declare collections that still hold resources: `dogs` (1 resource), `videos` (1200 resources); declare them as before, or delete their resources first");
    }
}
