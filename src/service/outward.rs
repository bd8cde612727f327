//! The runners whose work is done by others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::keeping::Keeping;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::operation::RunnerKind;
use crate::runner::http::{HttpConfig, HttpRunner, SystemResolver};
use crate::runner::mail::{MailConfig, MailRunner};
use crate::runner::{Runners, Trust};

/// Those of a service that listens there.
pub(super) fn runners(config: &Config, keeping: &Keeping, address: SocketAddr) -> Runners {
    let root = keeping.attempts().to_owned();
    let surroundings = Arc::new(config.surroundings.clone());
    let (trust, clock) = (Trust::of_the_machine(), Arc::new(SystemClock));
    let http = HttpRunner::new(HttpConfig {
        root: root.clone(),
        public: config.server.url.clone().unwrap_or_else(|| format!("http://{}", reached(address))),
        surroundings: Arc::clone(&surroundings),
        trust: trust.clone(),
        resolver: Arc::new(SystemResolver),
        clock: Arc::clone(&clock) as _,
    });
    let runners = Runners::default().with(RunnerKind::Http, Arc::new(http));
    match config.relay.clone() {
        None => runners,
        Some(relay) => {
            let mail = MailRunner::new(MailConfig { root, relay, surroundings, trust, clock });
            runners.with(RunnerKind::Mail, Arc::new(mail))
        }
    }
}

/// Where a service is reached that listens there: on every address is on this machine, too.
const fn reached(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), address.port()),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}
