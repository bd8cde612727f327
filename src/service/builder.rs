//! What a service is to be, before it is one.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::Error;
use super::reach::{self, Exposure};
use super::{Heeler, judge_cron};
use crate::config::{self, Config, StoreUrl};

/// Says what a service is to be; made by [`Heeler::builder`].
///
/// What the program says counts before what its configuration file says, and
/// that before the defaults.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is told to `build`"]
pub struct Builder {
    source: Source,
    listen: Option<SocketAddr>,
    store: Option<StoreUrl>,
    exposure: Exposure,
}

/// Where the configuration comes from.
#[derive(Debug, Default)]
enum Source {
    /// There is none.
    #[default]
    Nothing,
    /// A file.
    File(PathBuf),
}

impl Builder {
    /// Reads this configuration file, as `heeler serve --config` does.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Source::File(path.into());
        self
    }

    /// Listens there; port 0 takes any free one.
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Keeps everything there.
    pub fn store(mut self, url: StoreUrl) -> Self {
        self.store = Some(url);
        self
    }

    /// Takes an address that others can reach though nobody is asked who they
    /// are: there is no `[auth]`, and everybody can change everything.
    pub const fn exposed(mut self) -> Self {
        self.exposure = Exposure::Meant;
        self
    }

    /// What all that comes to, without opening or starting anything.
    ///
    /// # Errors
    /// [`Error::Configuration`], [`Error::Exposed`].
    pub fn check(&self) -> Result<Config, Error> {
        let mut config = match &self.source {
            Source::Nothing => Config::default(),
            Source::File(path) => config::load(path, &judge_cron).map_err(Error::Configuration)?,
        };
        if let Some(listen) = self.listen {
            config.server.listen = listen;
            config.server.listen_at = None;
        }
        if let Some(store) = &self.store {
            config.store = store.clone();
        }
        reach::judge(&config, self.exposure)?;
        Ok(config)
    }

    /// Opens the store and takes the address: clients can connect from then
    /// on, and are answered once the service [serves](Heeler::serve).
    ///
    /// # Errors
    /// Those of [`Self::check`], [`Error::Undeclared`], [`Error::Store`],
    /// [`Error::Address`].
    pub async fn build(self) -> Result<Heeler, Error> {
        Heeler::open(&self.check()?).await
    }
}
