//! Where a service keeps things: the store, and beside it the folder of attempts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tracing::warn;

use super::error::Error;
use crate::config::StoreUrl;
use crate::metrics::{AT_ONCE, MOMENTS, Metrics};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::redb::{Flush, Flushed, Options, RedbStore};

/// An open store and its folder of attempts.
#[derive(Debug)]
pub(super) enum Keeping {
    /// In a file, with the attempts beside it.
    File { store: Arc<RedbStore>, attempts: PathBuf },
    /// In memory, with the attempts in a folder that is removed at the end.
    Memory { store: Arc<MemoryStore>, attempts: TempDir },
}

impl Keeping {
    /// Opens, or creates, what the URL names.
    pub(super) fn open(url: &StoreUrl, metrics: &Metrics) -> Result<Self, Error> {
        let flushed = counting(metrics);
        match url {
            StoreUrl::Redb(path) => {
                let store = RedbStore::open(path, Options { flushed: Some(flushed), ..Options::default() })
                    .map_err(|error| Error::Store(Box::new(error)))?;
                Ok(Self::File { store: Arc::new(store), attempts: attempts_of(path) })
            }
            StoreUrl::Memory => {
                let attempts = tempfile::Builder::new().prefix("heeler-").tempdir();
                let attempts = attempts.map_err(|error| Error::Store(error.into()))?;
                Ok(Self::Memory { store: Arc::new(MemoryStore::new()), attempts })
            }
        }
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File { store, .. } => Arc::clone(store) as Arc<dyn Store>,
            Self::Memory { store, .. } => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    pub(super) fn attempts(&self) -> &Path {
        match self {
            Self::File { attempts, .. } => attempts,
            Self::Memory { attempts, .. } => attempts.path(),
        }
    }

    /// Closes the store, so that the next start finds nothing to repair.
    pub(super) fn close(self) {
        if let Self::File { store, .. } = self
            && let Err(cause) = store.close()
        {
            // Whatever was acknowledged is kept: the next start repairs the rest.
            warn!(error = &*cause as &dyn std::error::Error, "the store was not closed in order");
        }
    }
}

/// What a store is called among others: its file without what tells its kind.
pub(super) fn name_of(url: &StoreUrl) -> String {
    match url {
        StoreUrl::Redb(path) => path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        StoreUrl::Memory => "memory".to_owned(),
    }
}

/// `heeler.redb.attempts` beside `heeler.redb`.
fn attempts_of(store: &Path) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(".attempts");
    PathBuf::from(name)
}

/// Counts what is flushed.
fn counting(metrics: &Metrics) -> Flushed {
    let commits = metrics.counter("heeler_commits_total", "Transactions that were made durable.", &[]);
    let sizes =
        metrics.histogram("heeler_commit_batch_size", "How many transactions one flush made durable.", &[], AT_ONCE);
    let times = metrics.histogram(
        "heeler_commit_duration_seconds",
        "How long flushes took: judging, writing, and the disk.",
        &[],
        MOMENTS,
    );
    Arc::new(move |flush: Flush| {
        commits.add(flush.transactions as u64);
        #[expect(clippy::cast_precision_loss, reason = "a group is at most some thousands")]
        sizes.observe(flush.transactions as f64);
        times.took(flush.took);
    })
}
