//! Another configuration for a service that goes on.
//!
//! # Guarantees
//! All of it counts, or nothing. What is being answered, stepped or run goes
//! on by what it began with; whatever begins after goes by the new one.
//! # Not here
//! What asks for it: a signal, or the embedding program.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::builder::Builder;
use super::error::Error;
use super::{declaring, http_config, patch_limits, reach};
use crate::api::Api;
use crate::config::{self, Changes, Config};
use crate::engine::Dials;
use crate::http::{Http, HttpConfig};
use crate::metrics::Metrics;
use crate::runner::Trust;
use crate::state::State;

/// Lets a service go by its configuration anew; made by
/// [`Heeler::reloader`](super::Heeler::reloader). Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reloader(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    builder: Builder,
    parts: Parts,
    /// What the service goes by; held by who reloads.
    now: Mutex<Config>,
}

/// What of a service goes by its configuration.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) state: State,
    pub(super) api: Api,
    pub(super) http: Http,
    pub(super) dials: Dials,
    pub(super) trust: Trust,
    pub(super) metrics: Metrics,
    /// Where it listens.
    pub(super) addresses: Vec<SocketAddr>,
    /// Where it is reached.
    pub(super) reached: SocketAddr,
}

impl Reloader {
    pub(super) fn new(builder: Builder, parts: Parts, now: Config) -> Self {
        Self(Arc::new(Inner { builder, parts, now: Mutex::new(now) }))
    }

    /// Reads the configuration and the files that it names anew, and goes by
    /// them from now on: all of it, or, after an error, nothing of it. Says
    /// what is another thing than before.
    ///
    /// ```
    /// use heeler::{Heeler, StoreUrl};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), heeler::Error> {
    /// let service = Heeler::builder().config_text("[collections.dogs]").store(StoreUrl::Memory).without_listener();
    /// let service = service.build().await?;
    /// assert!(service.reloader().reload().await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Configuration`], also where it differs in what is fixed until
    /// the next start: `server.listen`, `limits.connections`, `store` and
    /// `housekeeping`;
    /// [`Error::Declaration`], [`Error::Exposed`], [`Error::Undeclared`],
    /// [`Error::Store`].
    pub async fn reload(&self) -> Result<Changes, Error> {
        let Inner { builder, parts, now } = &*self.0;
        let mut now = now.lock().await;
        let builder = builder.clone();
        // Files are read meanwhile, and schemas compiled.
        let read = spawn_blocking(move || builder.judged()).await;
        let config = read.map_err(|error| Error::Broken(error.into()))??;
        config::judge_fixed(&now, &config).map_err(Error::Configuration)?;
        let catalog = declaring::catalog(&config, parts.reached);
        // Before anybody is held up: to count takes a while.
        declaring::judge(&parts.state, &catalog).await?;
        let held = parts.state.hold_creations().await.map_err(|error| Error::Store(error.into()))?;
        declaring::judge(&parts.state, &catalog).await?;
        let state = parts.state.declare(catalog, &held).await.map_err(|error| Error::Store(error.into()))?;
        // From here on nothing is waited for, so that nobody can give up half-way.
        drop(held);
        parts.dials.set(config.limits.running, config.retention);
        parts.trust.read_anew();
        let api = parts.api.over(state.clone(), patch_limits(&config.limits)).running_at_most(config.limits.running);
        let site = http_config(&config, parts.addresses.clone());
        parts.http.replace(api, HttpConfig { metrics: parts.metrics.clone(), ..site });
        reach::warn_if_open(&config);
        let changes = Changes::between(&now, &config);
        *now = config;
        declaring::follow(&state);
        state.hints().ring_for_all();
        Ok(changes)
    }
}
