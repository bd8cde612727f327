//! A store made of a backup.
//!
//! # Guarantees
//! At the path there is the store that was there before, or a whole restored
//! one, whenever the process or the power goes. Nothing is put in place before
//! the whole backup was read and found in order. The rows keep their revisions,
//! the next one is beyond all that were ever given out, and the change log
//! begins anew: who followed the old one is told so.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ::redb::Database;
use ::redb::backends::FileBackend;

use super::lock::{Lock, beside};
use super::tables::{FORGOTTEN_N, FORGOTTEN_REV, META, REVISION, ROWS, STAMP};
use super::{Fault, Options, group, open};
use crate::store::backup::{BackupError, Reader, Summary};
use crate::store::{Cause, Entry, Key, OpenError, Rev};

/// The most bytes of rows that are written in one transaction: they are in memory until then.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// The most rows of such a transaction, for the same reason.
const BATCH_ROWS_MAX: usize = 50_000;

/// Where a restored store goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing<'a> {
    /// Where nothing is.
    New,
    /// Also where something is, which is kept beside it with this at the end of its name.
    Replace(&'a str),
}

/// What was made of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup held.
    pub backup: Summary,
    /// The revision of the restored store.
    pub rev: Rev,
    /// Where what was there before is now.
    pub aside: Option<PathBuf>,
}

/// Why nothing was restored. Whatever was at the path is there as before.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something is there already.
    #[error("{path} is there already")]
    Exists {
        /// The store.
        path: String,
    },
    /// The backup cannot be used.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The store that is there cannot be replaced now.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be written or put in place.
    #[error("{path} cannot be made")]
    Make {
        /// The store.
        path: String,
        /// Why.
        #[source]
        source: Cause,
    },
}

/// Makes the store at a path of a backup; `raise` says which revision it begins
/// with, given that of the backup and of the store that is replaced, if that reads.
///
/// # Errors
/// As [`RestoreError`] says.
pub fn restore(
    path: &Path,
    mut backup: Reader<impl Read>,
    placing: Placing<'_>,
    raise: impl FnOnce(Rev, Option<Rev>) -> Rev,
) -> Result<Restored, RestoreError> {
    let io = |source: io::Error| make(path, source);
    let _lock = Lock::take(path)?;
    let there = path.try_exists().map_err(io)?;
    let replaced = match placing {
        Placing::New if there => return Err(RestoreError::Exists { path: path.display().to_string() }),
        Placing::Replace(_) if there => revision_of(path)?,
        Placing::New | Placing::Replace(_) => None,
    };
    // The name that creating a store uses, too: both do so under the lock alone.
    let unfinished = Unfinished(beside(path, ".new"));
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&unfinished.0).map_err(io)?;
    let engine = |fault: Fault| make(path, fault);
    let failed = |error: ::redb::Error| engine(Fault::Engine(error));
    let backend = file
        .try_clone()
        .map_err(io)
        .and_then(|file| FileBackend::new(file).map_err(|error| failed(::redb::Error::from(error))))?;
    let options = Options::default();
    let db = open::create_in(backend, &options, &path.display().to_string())?;
    let written = fill(&db, &mut backup, &options, path);
    let rev = raise(backup.rev(), replaced);
    let written = written.and_then(|()| begin_at(&db, rev, &options).map_err(failed));
    let closed = open::close(db).map_err(engine);
    written.and(closed)?;
    file.sync_all().map_err(io)?;
    let aside = match placing {
        Placing::Replace(suffix) if there => {
            let aside = beside(path, suffix);
            // A second name, and not another one: so there is a store at the path all the time.
            fs::hard_link(path, &aside).map_err(io)?;
            Some(aside)
        }
        Placing::New | Placing::Replace(_) => None,
    };
    if let Err(error) = fs::rename(&unfinished.0, path) {
        aside.iter().for_each(|aside| drop(fs::remove_file(aside)));
        return Err(io(error));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Without this the names may be gone after a loss of power.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(Restored { backup: backup.summary(), rev, aside })
}

fn make(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> RestoreError {
    RestoreError::Make { path: path.display().to_string(), source: std::sync::Arc::new(source) }
}

/// A file that is removed unless it was given another name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The newest revision of what is to be replaced; nothing where it does not read.
fn revision_of(path: &Path) -> Result<Option<Rev>, OpenError> {
    match open::frozen(path, &Options::default()) {
        Ok(opened) => {
            // It is only looked at, so closing it changes nothing that could fail to be kept.
            let _ = open::close(opened.db);
            Ok(Some(opened.rev))
        }
        Err(error @ (OpenError::InUse { .. } | OpenError::Newer { .. } | OpenError::Io { .. })) => Err(error),
        Err(OpenError::Foreign { .. } | OpenError::Damaged { .. }) => Ok(None),
    }
}

/// Writes all rows of a backup, up to its end.
fn fill(db: &Database, backup: &mut Reader<impl Read>, options: &Options, path: &Path) -> Result<(), RestoreError> {
    loop {
        let (mut rows, mut bytes, mut more) = (Vec::new(), 0, true);
        while more && bytes < BATCH_BYTES_MAX && rows.len() < BATCH_ROWS_MAX {
            match backup.next_row()? {
                Some((key, entry)) => {
                    bytes += key.0.len() + entry.value.len();
                    rows.push((key, entry));
                }
                None => more = false,
            }
        }
        put(db, &rows, options).map_err(|error| make(path, Fault::Engine(error)))?;
        if !more {
            return Ok(());
        }
    }
}

fn put(db: &Database, rows: &[(Key, Entry)], options: &Options) -> Result<(), ::redb::Error> {
    let txn = group::begin(db, options)?;
    {
        let mut table = txn.open_table(ROWS)?;
        for (key, entry) in rows {
            let mut place = table.insert_reserve(&key.0[..], STAMP + entry.value.len())?;
            let (stamp, rest) = place.as_mut().split_at_mut(STAMP);
            stamp.copy_from_slice(&entry.rev.0.to_be_bytes());
            rest.copy_from_slice(&entry.value);
        }
    }
    Ok(txn.commit()?)
}

/// Sets the newest revision, and that nothing of the change log up to it is known.
fn begin_at(db: &Database, rev: Rev, options: &Options) -> Result<(), ::redb::Error> {
    let txn = group::begin(db, options)?;
    {
        let mut meta = txn.open_table(META)?;
        meta.insert(REVISION, rev.0)?;
        meta.insert(FORGOTTEN_REV, rev.0)?;
        meta.insert(FORGOTTEN_N, 0)?;
    }
    Ok(txn.commit()?)
}
