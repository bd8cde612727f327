//! A store that nobody serves: looked at without changing it, or compacted.
//!
//! # Guarantees
//! While it is in hand it is in use, as that of a service. To look at one
//! changes nothing of it, not even where it was not closed: what the engine
//! would repair it repairs in memory.

use std::fs;
use std::io;
use std::path::Path;

use ::redb::Database;

use super::lock::Lock;
use super::read::Keep;
use super::{Check, Options, open};
use crate::store::{OpenError, ReadError, Rev, Snapshot};

/// A store that is looked at.
pub struct Offline {
    /// `None` once it is dropped.
    db: Option<Database>,
    rev: Rev,
    /// Given up last.
    _lock: Lock,
}

impl Offline {
    /// Opens the store at a path, which must be there, to look at it.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub fn open(path: &Path, check: Check) -> Result<Self, OpenError> {
        let lock = there(path).and_then(|()| Lock::take(path))?;
        let opened = open::frozen(path, &Options { check, ..Options::default() })?;
        Ok(Self { db: Some(opened.db), rev: opened.rev, _lock: lock })
    }

    /// Everything that it holds. To be dropped before it.
    ///
    /// # Errors
    /// The storage failed.
    pub fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        let db = self.db.as_ref().expect("it is open until it is dropped");
        Ok(Box::new(Keep::of_engine(db, self.rev).map_err(ReadError::Storage)?))
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        // What closing would write is held back as everything is.
        let _ = self.db.take().map(open::close);
    }
}

impl std::fmt::Debug for Offline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offline").field("rev", &self.rev).finish_non_exhaustive()
    }
}

/// The size of a file before and after something, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Gives back to the disk what the file at a path holds room for and does not need.
///
/// It is done in transactions of the engine: killed in between, the store is
/// what it was, and the next open takes longer.
///
/// # Errors
/// As [`OpenError`] says.
pub fn compact(path: &Path) -> Result<Sizes, OpenError> {
    let _lock = there(path).and_then(|()| Lock::take(path))?;
    let failed = |source| OpenError::Io { path: path.display().to_string(), source };
    let size = || fs::metadata(path).map(|found| found.len()).map_err(failed);
    let before = size()?;
    open::compact(path, &Options::default())?;
    Ok(Sizes { before, after: size()? })
}

/// Sees to it that there is something at a path, before a lock is left beside it.
fn there(path: &Path) -> Result<(), OpenError> {
    let found = path.try_exists().and_then(|found| if found { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) });
    found.map_err(|source| OpenError::Io { path: path.display().to_string(), source })
}
