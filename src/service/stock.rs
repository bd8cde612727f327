//! What is done with a store as a whole: backed up, restored, verified, compacted.
//!
//! # Guarantees
//! A store that a service uses is left alone, and so is anything that is none.
//! # Not here
//! The backup of a store that is in use: the service itself serves it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::domain::time::Timestamp;
use crate::state::backup::stamp;
use crate::state::verify;
pub use crate::state::verify::{Counts, Finding};
pub use crate::store::OpenError;
use crate::store::ReadError;
use crate::store::backup::{Backup, Reader, raised};
pub use crate::store::backup::{BackupError, Draft, Summary};
use crate::store::redb::Check;
pub use crate::store::redb::offline::Sizes;
use crate::store::redb::offline::{self, Offline};
pub use crate::store::redb::restore::Restored;
use crate::store::redb::restore::{self, Placing, RestoreError};

/// How much of a file is read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Why something was not done with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A backup cannot be used or made.
    #[error("{}", path.display())]
    Backup {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: BackupError,
    },
    /// There is something where a restored store should go.
    #[error("{path} is there already: to put it aside and restore in its place, say so")]
    Exists {
        /// Where.
        path: String,
    },
    /// A restored store cannot be made.
    #[error(transparent)]
    Restore(RestoreError),
}

/// Makes a backup of a store that nobody uses.
///
/// # Errors
/// There is none; whatever was at the path is there as before.
pub fn back_up(store: &Path, to: &Path) -> Result<Summary, Error> {
    // Whoever names the wrong file hears so before the store is read.
    let mut draft = draft(to)?;
    let offline = Offline::open(store, Check::Quick)?;
    let mut backup = Backup::new(offline.snapshot()?);
    while let Some(part) = backup.next_part()? {
        draft.write(&part).map_err(|error| of_backup(to, error.into()))?;
    }
    draft.finish().map_err(|error| of_backup(to, error))
}

/// Begins a backup at a path, for somebody who has its bytes from elsewhere.
///
/// # Errors
/// None can be there.
pub fn draft(to: &Path) -> Result<Draft, Error> {
    Draft::new(to).map_err(|error| of_backup(to, error))
}

/// What went wrong with the backup at a path.
#[must_use]
pub fn of_backup(path: &Path, source: BackupError) -> Error {
    Error::Backup { path: path.to_owned(), source }
}

/// What becomes of a store where a restored one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// It is left alone, and nothing is restored.
    Keep,
    /// It is put aside.
    PutAside,
}

/// Makes a store of a backup.
///
/// # Errors
/// It is not made; whatever was at its path is there as before.
pub fn restore(from: &Path, store: &Path, present: Present, now: Timestamp) -> Result<Restored, Error> {
    let wrong = |source| of_backup(from, source);
    let file = File::open(from).map_err(|error| wrong(error.into()))?;
    let backup = Reader::new(buffered(file)).map_err(wrong)?;
    let aside = format!(".before-{}", stamp(now));
    let placing = match present {
        Present::Keep => Placing::New,
        Present::PutAside => Placing::Replace(&aside),
    };
    let seconds = u64::try_from(now.as_millis() / 1000).unwrap_or_default();
    restore::restore(store, backup, placing, |backup, replaced| raised(backup, replaced, seconds)).map_err(|error| {
        match error {
            RestoreError::Backup(source) => wrong(source),
            RestoreError::Exists { path } => Error::Exists { path },
            RestoreError::Open(error) => Error::Open(error),
            error @ RestoreError::Make { .. } => Error::Restore(error),
        }
    })
}

fn buffered(from: impl Read) -> BufReader<impl Read> {
    BufReader::with_capacity(BUFFER_BYTES, from)
}

/// Looks at everything in a store that nobody uses, and tells each finding.
/// Nothing of it is changed.
///
/// # Errors
/// It cannot be read, or not even opened.
pub fn verify(store: &Path, tell: &mut dyn FnMut(&Finding)) -> Result<Counts, Error> {
    let offline = Offline::open(store, Check::Whole)?;
    let snapshot = offline.snapshot()?;
    Ok(verify::verify(&*snapshot, tell)?)
}

/// Gives back to the disk what a store that nobody uses holds and does not need.
///
/// # Errors
/// It cannot be opened or written.
pub fn compact(store: &Path) -> Result<Sizes, Error> {
    Ok(offline::compact(store)?)
}
