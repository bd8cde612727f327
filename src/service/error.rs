//! Why there is no service, or no longer one.

use std::io;
use std::net::SocketAddr;

use crate::config::ConfigErrors;
use crate::domain::id::CollectionName;

/// An error of a part that whoever handles it need not know.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a service cannot be had, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is wrong: all that is wrong with it, each with its place.
    #[error(transparent)]
    Configuration(ConfigErrors),
    /// What the program itself declares is wrong: all that is wrong with it.
    #[error("{}", .0.join("\n"))]
    Declaration(Vec<String>),
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
}

fn undeclared(collections: &[(CollectionName, u64)]) -> String {
    let held: Vec<String> = collections
        .iter()
        .map(|(name, count)| format!("`{name}` ({count} {})", if *count == 1 { "resource" } else { "resources" }))
        .collect();
    format!(
        "the configuration does not declare collections that still hold resources: {}; declare them as before, take them out of service with `retired = true`, or delete their resources first",
        held.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_that_would_be_lost_are_counted() {
        let name = |name: &str| name.parse().expect("a name");
        let error = Error::Undeclared(vec![(name("dogs"), 1), (name("videos"), 1200)]);
        insta::assert_snapshot!(error, @"the configuration does not declare collections that still hold resources: `dogs` (1 resource), `videos` (1200 resources); declare them as before, take them out of service with `retired = true`, or delete their resources first");
    }
}
