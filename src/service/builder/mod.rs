//! What a service is to be, before it is one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::error::Error;
use super::options::{CollectionOptions, OperationOptions};
use super::reach::{self, Exposure};
use super::{Heeler, judge_cron, supervise};
use crate::config::{self, Config, ConfigErrors, Declared, Limits, StoreUrl};
use crate::domain::catalog::OperationChoice;
use crate::domain::id::OperationName;
use crate::domain::near::did_you_mean;
use crate::domain::paths;
use crate::domain::retention::Retention;
use crate::runner::native::{DRAIN_DEFAULT, Function, Functions, NativeError, NativeJob};

/// Says what a service is to be; made by [`Heeler::builder`].
///
/// What the program sets here, such as the address and the store, counts before
/// what its configuration says, and that before the defaults. Of an operation
/// the configuration's word counts, so that operators can tune what a program
/// brings along.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it is told to `build`"]
pub struct Builder {
    source: Source,
    listen: Listen,
    store: Option<StoreUrl>,
    limits: Option<Limits>,
    retention: Option<Retention>,
    exposure: Exposure,
    drain: Option<Duration>,
    operations: Vec<(String, OperationOptions, Function)>,
    collections: Vec<(String, CollectionOptions)>,
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default)]
enum Source {
    /// There is none.
    #[default]
    Nothing,
    /// A file.
    File(PathBuf),
    /// The program.
    Text(String),
}

/// Where requests come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Listen {
    /// From the address that the configuration names.
    #[default]
    Configured,
    /// From this one.
    At(SocketAddr),
    /// From this program alone.
    Nowhere,
}

/// What a builder came to.
#[derive(Debug)]
pub(super) struct Built {
    /// What it was, to come to something again.
    pub(super) builder: Builder,
    pub(super) config: Config,
    pub(super) functions: Functions,
    pub(super) drain: Duration,
    /// Where it listens; nowhere when absent.
    pub(super) listen: Option<SocketAddr>,
}

impl Builder {
    /// Goes by this configuration file, as `heeler serve --config` does.
    ///
    /// ```no_run
    /// # use heeler::Heeler;
    /// let builder = Heeler::builder().config_file("heeler.toml");
    /// # let _ = builder;
    /// ```
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Source::File(path.into());
        self
    }

    /// Goes by this text, which says whatever a configuration file can say.
    /// Relative paths in it start at the current folder.
    ///
    /// ```
    /// # use heeler::Heeler;
    /// let builder = Heeler::builder().config_text(
    ///     r#"
    ///     [collections.dogs]
    ///     observed = ["/barkCount"]
    ///     "#,
    /// );
    /// assert!(builder.check().is_ok());
    /// ```
    pub fn config_text(mut self, text: impl Into<String>) -> Self {
        self.source = Source::Text(text.into());
        self
    }

    /// Lets a function of this program do the work of an operation.
    ///
    /// The function is called once for each attempt of a job, and gives the
    /// result of the job, or why there is none.
    ///
    /// ```
    /// # use heeler::{Heeler, NativeJob, NativeResult};
    /// #[derive(serde::Deserialize)]
    /// struct Bark {
    ///     times: u32,
    /// }
    ///
    /// async fn bark(job: NativeJob) -> NativeResult<u32> {
    ///     let Bark { times } = job.input()?;
    ///     for bark in 0..times {
    ///         job.progress(f64::from(bark) / f64::from(times), "Woof!");
    ///     }
    ///     Ok(times)
    /// }
    ///
    /// let builder = Heeler::builder().operation("bark", bark).operation("nothing", |_| async { NativeResult::Ok(()) });
    /// assert!(builder.check().is_ok());
    /// ```
    pub fn operation<F, Fut, T, E>(self, name: impl Into<String>, function: F) -> Self
    where
        F: Fn(NativeJob) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<NativeError>,
    {
        self.operation_with(name, OperationOptions::default(), function)
    }

    /// The same with limits, retries and whatever else there is to say of it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use heeler::{Heeler, NativeResult, OperationOptions};
    /// let options = OperationOptions::default().timeout(Duration::from_secs(30)).concurrency(4);
    /// let builder = Heeler::builder().operation_with("bark", options, |_| async { NativeResult::Ok("Woof!") });
    /// assert!(builder.check().is_ok());
    /// ```
    pub fn operation_with<F, Fut, T, E>(
        mut self,
        name: impl Into<String>,
        options: OperationOptions,
        function: F,
    ) -> Self
    where
        F: Fn(NativeJob) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<NativeError>,
    {
        self.operations.push((name.into(), options, Function::new(function)));
        self
    }

    /// Declares a collection, beside those of the configuration.
    ///
    /// ```
    /// # use heeler::{CollectionOptions, Heeler, NativeResult};
    /// let builder = Heeler::builder()
    ///     .operation("bark", |_| async { NativeResult::Ok(()) })
    ///     .collection("dogs", CollectionOptions::default().activity("barks", ["bark"]));
    /// assert!(builder.check().is_ok());
    /// ```
    pub fn collection(mut self, name: impl Into<String>, options: CollectionOptions) -> Self {
        self.collections.push((name.into(), options));
        self
    }

    /// Listens there; port 0 takes any free one, which
    /// [`Heeler::address`] then tells.
    ///
    /// ```
    /// # use heeler::Heeler;
    /// let builder = Heeler::builder().listen(([127, 0, 0, 1], 0).into());
    /// assert!(builder.check().is_ok());
    /// ```
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Listen::At(address);
        self
    }

    /// Listens nowhere: whoever asks is this program, through [`Heeler::client`].
    ///
    /// ```
    /// # use heeler::Heeler;
    /// let builder = Heeler::builder().without_listener();
    /// assert!(builder.check().is_ok());
    /// ```
    pub const fn without_listener(mut self) -> Self {
        self.listen = Listen::Nowhere;
        self
    }

    /// Keeps everything there; in `heeler.redb` unless something else is said.
    ///
    /// ```
    /// # use heeler::{Heeler, StoreUrl};
    /// let builder = Heeler::builder().store(StoreUrl::Redb("dogs.redb".into()));
    /// # let _ = builder;
    /// // For trials and tests: nothing survives the service.
    /// let builder = Heeler::builder().store(StoreUrl::Memory);
    /// # let _ = builder;
    /// ```
    pub fn store(mut self, url: StoreUrl) -> Self {
        self.store = Some(url);
        self
    }

    /// How much is taken from clients and done at once, in the place of all
    /// that the configuration says of it.
    ///
    /// ```
    /// # use heeler::{Heeler, Limits};
    /// let builder = Heeler::builder().limits(Limits { running: 8, ..Limits::default() });
    /// assert!(builder.check().is_ok());
    /// ```
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// For how long what is over is remembered, in the place of what the
    /// configuration says of it.
    ///
    /// ```
    /// # use heeler::{Heeler, Retention};
    /// let builder = Heeler::builder().retention(Retention { per_activity: 10, ..Retention::default() });
    /// assert!(builder.check().is_ok());
    /// ```
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// How long functions may go on after the service was told to stop; 10 s
    /// unless something else is said. What is not done by then is dropped, and
    /// its attempt fails with the reason `Interrupted`: the operation's `retry`
    /// says whether there is another one, after the next start.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use heeler::Heeler;
    /// let builder = Heeler::builder().drain(Duration::from_secs(25));
    /// # let _ = builder;
    /// ```
    pub const fn drain(mut self, time: Duration) -> Self {
        self.drain = Some(time);
        self
    }

    /// Takes an address that others can reach though nobody is asked who they
    /// are: there is no `[auth]`, and everybody can change everything.
    ///
    /// ```
    /// # use heeler::{Error, Heeler};
    /// let everywhere = || Heeler::builder().listen(([0, 0, 0, 0], 7117).into());
    /// assert!(matches!(everywhere().check(), Err(Error::Exposed { .. })));
    /// assert!(everywhere().exposed().check().is_ok());
    /// ```
    pub const fn exposed(mut self) -> Self {
        self.exposure = Exposure::Meant;
        self
    }

    /// Says whether all that holds together, without opening or starting anything.
    ///
    /// # Errors
    /// [`Error::Configuration`], [`Error::Declaration`], [`Error::Exposed`].
    pub fn check(&self) -> Result<(), Error> {
        self.config().map(drop)
    }

    /// Opens the store and takes the address: clients can connect from then
    /// on, and are answered once the service [serves](Heeler::serve).
    ///
    /// # Errors
    /// Those of [`Self::check`], [`Error::Undeclared`], [`Error::Store`],
    /// [`Error::Address`].
    pub async fn build(self) -> Result<Heeler, Error> {
        let config = self.judged()?;
        let listen = match self.listen {
            Listen::Nowhere => None,
            Listen::Configured | Listen::At(_) => Some(config.server.listen),
        };
        let functions =
            self.operations.iter().filter_map(|(name, _, function)| Some((name.parse().ok()?, function.clone())));
        let functions = functions.collect();
        let drain = self.drain.unwrap_or(DRAIN_DEFAULT);
        Heeler::open(Built { builder: self, config, functions, drain, listen }).await
    }

    /// What it comes to, for a service that does what is declared.
    ///
    /// # Errors
    /// As those of [`Self::check`].
    pub(super) fn judged(&self) -> Result<Config, Error> {
        let config = self.config()?;
        supervise::judge(&config)?;
        Ok(config)
    }

    /// What it comes to.
    ///
    /// # Errors
    /// As those of [`Self::check`].
    pub(crate) fn config(&self) -> Result<Config, Error> {
        let declared = self.declared()?;
        let mut config = self.read(&declared).map_err(Error::Configuration)?;
        let missing = missing(&declared, &config);
        if !missing.is_empty() {
            return Err(Error::Declaration(missing));
        }
        if let Listen::At(listen) = self.listen {
            config.server.listen = listen;
            config.server.listen_at = None;
        }
        if let Some(store) = &self.store {
            config.store = store.clone();
        }
        config.limits = self.limits.unwrap_or(config.limits);
        config.retention = self.retention.unwrap_or(config.retention);
        if self.listen != Listen::Nowhere {
            reach::judge(&config, self.exposure)?;
        }
        Ok(config)
    }

    fn read(&self, declared: &Declared) -> Result<Config, ConfigErrors> {
        let text = match &self.source {
            Source::File(path) => return config::load_with(path, &judge_cron, declared),
            Source::Nothing => "",
            Source::Text(text) => text,
        };
        // Where the current folder is unknown, whatever is looked for in it is not found.
        let here = std::path::absolute(".").unwrap_or_else(|_| Path::new("/").to_owned());
        config::read_text(text, &here, &judge_cron, declared)
    }

    /// What the program declares, if that holds together.
    fn declared(&self) -> Result<Declared, Error> {
        let mut problems = Vec::new();
        let mut declared = Declared::default();
        for (name, options, _) in &self.operations {
            if let Some(operation) = options.clone().declare(name, &mut problems) {
                add(&mut declared.operations, operation.name.clone(), operation, "operation", &mut problems);
            }
        }
        for (name, options) in &self.collections {
            let Some(collection) = options.clone().declare(name, &mut problems) else { continue };
            for other in declared.collections.values().filter(|other| other.name != collection.name) {
                if let Some(why) = paths::not_beside(&collection.path, &other.path, &other.name) {
                    problems
                        .push(format!("the collection `{name}`: it cannot be mounted at `{}`: {why}", collection.path));
                }
            }
            add(&mut declared.collections, collection.name.clone(), collection, "collection", &mut problems);
        }
        if let Some(Limits { running: 0, .. }) = self.limits {
            problems.push("the limit `running`: with 0 nothing ever runs: expected 1 at least".to_owned());
        }
        if let Some(Retention { per_activity: 0, .. }) = self.retention {
            problems.push("the retention `per_activity`: expected 1 at least".to_owned());
        }
        if problems.is_empty() { Ok(declared) } else { Err(Error::Declaration(problems)) }
    }
}

/// What activities of the program are to run that is declared nowhere.
fn missing(declared: &Declared, config: &Config) -> Vec<String> {
    let mut missing = Vec::new();
    for collection in declared.collections.values() {
        for activity in &collection.activities {
            let named = match &activity.operations {
                OperationChoice::Any => &[][..],
                OperationChoice::Fixed(one) => std::slice::from_ref(one),
                OperationChoice::OneOf(several) => several,
            };
            for name in named.iter().filter(|name| !config.catalog.operations.contains_key(*name)) {
                let hint = did_you_mean(name.as_str(), config.catalog.operations.keys().map(OperationName::as_str));
                missing.push(format!(
                    "the collection `{}`: the activity `{}`: there is no operation `{name}`{hint}",
                    collection.name, activity.name
                ));
            }
        }
    }
    missing
}

/// Adds what there is once.
fn add<N: Ord + std::fmt::Display, T>(
    all: &mut BTreeMap<N, Arc<T>>,
    name: N,
    one: T,
    what: &str,
    problems: &mut Vec<String>,
) {
    match all.entry(name) {
        Entry::Vacant(place) => {
            place.insert(Arc::new(one));
        }
        Entry::Occupied(before) => problems.push(format!("the {what} `{}` is declared twice", before.key())),
    }
}

#[cfg(test)]
mod tests;
