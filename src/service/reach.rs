//! Who may reach the service.

use std::net::{IpAddr, SocketAddr};

use tracing::warn;

use super::error::Error;
use crate::config::{Config, ConfigErrors, Place};
use crate::domain::principal::Access;

/// Whether it is meant that everybody who reaches the service can do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Exposure {
    /// It is not: without tokens, only programs on this machine may reach it.
    #[default]
    Refused,
    /// It is.
    Meant,
}

/// Refuses an address that others can reach where nobody is asked who they are.
pub(super) fn judge(config: &Config, exposure: Exposure) -> Result<(), Error> {
    let address = config.server.listen;
    if exposure == Exposure::Meant || is_guarded(&config.access) || is_loopback(address.ip()) {
        return Ok(());
    }
    Err(exposed(address, config.server.listen_at.as_ref()))
}

/// Says so where everybody who reaches the service can change everything.
pub(super) fn warn_if_open(config: &Config) {
    if is_open(config) {
        warn!(address = %config.server.listen, "everybody who reaches this address can change everything");
    }
}

/// Whether everybody who reaches the service can change everything.
fn is_open(config: &Config) -> bool {
    !is_guarded(&config.access) && !is_loopback(config.server.listen.ip())
}

const fn is_guarded(access: &Access) -> bool {
    match access {
        Access::Anyone => false,
        Access::Holders(_) => true,
    }
}

/// `at` is where the file names the address, if it does.
fn exposed(address: SocketAddr, at: Option<&Place>) -> Error {
    let exposed = Error::Exposed { address };
    match at {
        None => exposed,
        Some(place) => Error::Configuration(ConfigErrors::later(place, format!("`server.listen`: {exposed}"))),
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    // `::ffff:127.0.0.1` is a loopback address, too.
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_served_unless_it_is_meant() {
        for (address, loopback) in [
            ("127.0.0.1:0", true),
            ("127.9.9.9:7117", true),
            ("[::1]:7117", true),
            ("[::ffff:127.0.0.1]:7117", true),
            ("0.0.0.0:7117", false),
            ("[::]:7117", false),
            ("192.168.0.1:7117", false),
        ] {
            let mut config = Config::default();
            config.server.listen = address.parse().expect("an address");
            assert_eq!(judge(&config, Exposure::Refused).is_ok(), loopback, "{address}");
            assert!(judge(&config, Exposure::Meant).is_ok(), "{address}");
            assert_eq!(is_open(&config), !loopback, "{address}");
        }
    }
}
