//! Lays flags and environment over the file, and judges what comes out.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use tracing::warn;

use super::args::{CheckArgs, InsecureArg, OpenapiArgs, ServeArgs};
use super::exit::Failure;
use super::serve;
use crate::config::{self, Config, ConfigErrors, Place};
use crate::domain::principal::Access;

/// Who may reach the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Programs on this machine.
    Loopback,
    /// Whoever the network lets.
    Any,
}

impl Reach {
    /// Where everybody is asked who they are, or nobody and that is meant, any
    /// address will do.
    const fn of(access: &Access, insecure: &InsecureArg) -> Self {
        match access {
            Access::Anyone if !insecure.insecure => Self::Loopback,
            Access::Anyone | Access::Holders(_) => Self::Any,
        }
    }

    /// Refuses an address that others can reach, where they should not; `at` is
    /// where the file names it.
    pub(super) fn judge(self, address: SocketAddr, at: Option<&Place>) -> Result<(), Failure> {
        if self == Self::Any || is_loopback(address.ip()) {
            return Ok(());
        }
        let exposed = Failure::Exposed { address };
        Err(match at {
            None => exposed,
            Some(place) => Failure::Configuration(ConfigErrors::later(place, format!("`server.listen`: {exposed}"))),
        })
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    // `::ffff:127.0.0.1` is a loopback address, too.
    ip.to_canonical().is_loopback()
}

/// Reads a configuration file.
pub(super) fn load(path: &Path) -> Result<Config, Failure> {
    config::load(path, &serve::judge_cron).map_err(Failure::Configuration)
}

/// What `openapi` describes.
pub(super) fn for_openapi(args: &OpenapiArgs) -> Result<Config, Failure> {
    load(&args.config.config)
}

/// What `serve` goes by.
pub(super) fn for_serve(args: &ServeArgs) -> Result<Config, Failure> {
    let mut config = load(&args.config.config)?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
        config.server.listen_at = None;
    }
    if let Some(store) = &args.store {
        config.store = store.clone();
    }
    judge_listen(&config, &args.insecure)?;
    if matches!(config.access, Access::Anyone) && !is_loopback(config.server.listen.ip()) {
        warn!(address = %config.server.listen, "everybody who reaches this address can change everything");
    }
    Ok(config)
}

/// What `serve` would find in the file.
pub(super) fn for_check(args: &CheckArgs) -> Result<Config, Failure> {
    let config = load(&args.config.config)?;
    judge_listen(&config, &args.insecure)?;
    Ok(config)
}

fn judge_listen(config: &Config, insecure: &InsecureArg) -> Result<(), Failure> {
    Reach::of(&config.access, insecure).judge(config.server.listen, config.server.listen_at.as_ref())
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
            let address = address.parse().expect("an address");
            assert_eq!(Reach::Loopback.judge(address, None).is_ok(), loopback, "{address}");
            assert!(Reach::Any.judge(address, None).is_ok(), "{address}");
        }
    }
}
