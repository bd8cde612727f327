//! Where a service keeps things: the store, and beside it the folder of attempts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tracing::warn;

use super::error::Error;
use crate::config::StoreUrl;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::redb::{Options, RedbStore};

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
    pub(super) fn open(url: &StoreUrl) -> Result<Self, Error> {
        match url {
            StoreUrl::Redb(path) => {
                let store = RedbStore::open(path, Options::default()).map_err(|error| Error::Store(Box::new(error)))?;
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

/// `heeler.redb.attempts` beside `heeler.redb`.
fn attempts_of(store: &Path) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(".attempts");
    PathBuf::from(name)
}
