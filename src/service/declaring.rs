//! What is done with declarations before and when they begin to count: the
//! same at a start and at a reload.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::error::Error;
use super::undeclared;
use crate::config::Config;
use crate::domain::catalog::Catalog;
use crate::domain::means::Means;
use crate::state::State;

/// What a service declares by this configuration that is reached there.
pub(super) fn catalog(config: &Config, reached_at: SocketAddr) -> Arc<Catalog> {
    let means = Means {
        surroundings: config.surroundings.clone(),
        relay: config.relay.clone(),
        public: config.server.url.clone().unwrap_or_else(|| format!("http://{}", reached(reached_at))),
        log_bytes_max: config.limits.log_bytes as u64,
    };
    Arc::new(Catalog { means: Arc::new(means), ..config.catalog.clone() })
}

/// Judges declarations by what is stored, before they count.
///
/// # Errors
/// [`Error::Undeclared`], [`Error::Store`].
pub(super) async fn judge(state: &State, catalog: &Catalog) -> Result<(), Error> {
    undeclared::refuse(state, catalog).await
}

/// Sees to what follows from declarations, now that they count: jobs that wait
/// may wait by other limits and priorities, so whatever is not settled is looked at,
/// and so is everything of which something else is declared than before.
pub(super) fn follow(state: &State) {
    state.hints().unsettled.notify_one();
    state.hints().declarations.notify_one();
}

/// Where a service is reached that listens there: on every address is on this machine, too.
const fn reached(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), address.port()),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}
