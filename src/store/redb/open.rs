//! Finds out what a file is, opens it if it is ours, creates it if it is not there.
//!
//! # Guarantees
//! A refused file is as it was, to the byte, whatever state its last owner left
//! it in: everything is looked at behind a [`Gate`]. A file that is not empty is
//! never taken for a new one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::redb::backends::FileBackend;
use ::redb::{CompactionError, Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageBackend, TableError};

use super::gate::Gate;
use super::lock::{Lock, beside, pause};
use super::tables::{FORMAT, FORMAT_NEWEST, LOG, META, REVISION, ROWS};
use super::{Check, Fault, FreeSpace, Options, group, read};
use crate::store::{OpenError, Rev};

/// How the files of the engine begin.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// How often the file is tried under our own lock while somebody else has it:
/// what a dead owner leaves behind for a moment holds the engine's lock, too.
const TRIES_MAX: u32 = 10;

/// A store that is ready to be used.
pub(super) struct Opened {
    /// The engine.
    pub(super) db: Database,
    /// The newest revision.
    pub(super) rev: Rev,
}

/// Why a file is not opened, yet without its name.
#[derive(Debug)]
enum Refusal {
    InUse,
    Foreign,
    Damaged(String),
    Newer(u64),
    Io(io::Error),
}

/// Opens or creates the store at a path, under its lock.
pub(super) fn at(path: &Path, options: &Options) -> Result<(Opened, Lock), OpenError> {
    let lock = Lock::take(path)?;
    Ok((tried(path, || find(path, options))?, lock))
}

/// Does something with the file at a path, under its lock, for as long as what
/// a dead owner left may have it.
fn tried<T>(path: &Path, work: impl Fn() -> Result<T, Refusal>) -> Result<T, OpenError> {
    let mut tries = 1;
    let done = loop {
        match work() {
            Err(Refusal::InUse) if tries < TRIES_MAX => {
                tries += 1;
                pause();
            }
            done => break done,
        }
    };
    done.map_err(|refusal| refusal.of(&path.display().to_string()))
}

fn find(path: &Path, options: &Options) -> Result<Opened, Refusal> {
    if !path.try_exists()? {
        create_at(path, options)?;
    }
    existing(backend_at(path)?, options)
}

fn backend_at(path: &Path) -> Result<FileBackend, Refusal> {
    if !fs::metadata(path)?.is_file() {
        return Err(Refusal::Foreign);
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    Ok(FileBackend::new(file)?)
}

/// Opens what is at a path to look at it: whatever is written to the engine
/// stays in memory.
pub(super) fn frozen(path: &Path, options: &Options) -> Result<Opened, OpenError> {
    tried(path, || verified(engine(&Gate::shut(backend_at(path)?), options)?))
}

/// Compacts the file at a path.
pub(super) fn compact(path: &Path, options: &Options) -> Result<(), OpenError> {
    tried(path, || {
        let mut db = existing(backend_at(path)?, options)?.db;
        let done = guarded(|| match db.compact() {
            Ok(_) => Ok(()),
            Err(CompactionError::Storage(error)) => Err(::redb::Error::from(error).into()),
            // Nobody else has it, and we have neither transactions nor savepoints.
            Err(error) => Err(Refusal::Io(io::Error::other(error))),
        });
        let closed = close(db).map_err(|fault| Refusal::Io(io::Error::other(fault)));
        done.and(closed)
    })
}

/// Makes an empty store in a backend.
pub(super) fn create_in(backend: impl StorageBackend, options: &Options, name: &str) -> Result<Database, OpenError> {
    create(backend, options).map_err(|refusal| refusal.of(name))
}

/// Opens the store in a backend, or creates it there if that is empty.
pub(super) fn over(backend: impl StorageBackend, name: &str, options: &Options) -> Result<Opened, OpenError> {
    let opened = match backend.len() {
        Ok(0) => create(backend, options).and_then(verified),
        Ok(_) => existing(backend, options),
        Err(error) => Err(Refusal::Io(error)),
    };
    opened.map_err(|refusal| refusal.of(name))
}

/// Closes the engine so that the next open finds nothing to repair.
pub(super) fn close(db: Database) -> Result<(), Fault> {
    match catch_unwind(AssertUnwindSafe(|| db.close())) {
        Ok(closed) => closed.map_err(|error| Fault::Engine(error.into())),
        Err(payload) => Err(Fault::panic(payload.as_ref())),
    }
}

/// Asks the file system of a file for its free bytes.
pub(super) fn free_space(path: &Path) -> FreeSpace {
    let path = path.to_owned();
    Arc::new(move || {
        let told = rustix::fs::statvfs(&path)?;
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    })
}

/// Creates a whole store under another name, then gives it its own.
fn create_at(path: &Path, options: &Options) -> Result<(), Refusal> {
    let unfinished = beside(path, ".new");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&unfinished)?;
    let db = create(FileBackend::new(file.try_clone()?)?, options)?;
    close(db).map_err(|fault| Refusal::Io(io::Error::other(fault)))?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Without this the name may be gone after a loss of power.
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn create(backend: impl StorageBackend, options: &Options) -> Result<Database, Refusal> {
    let db = guarded(|| Ok(builder(options).create_with_backend(backend)?))?;
    or_closed(db, |db| Ok(initialize(db, options)?)).map(|(db, ())| db)
}

fn initialize(db: &Database, options: &Options) -> Result<(), ::redb::Error> {
    let txn = group::begin(db, options)?;
    txn.open_table(ROWS)?;
    txn.open_table(LOG)?;
    let mut meta = txn.open_table(META)?;
    meta.insert(FORMAT, FORMAT_NEWEST)?;
    meta.insert(REVISION, 0)?;
    drop(meta);
    txn.commit()?;
    Ok(())
}

/// Opens what is not empty.
fn existing(backend: impl StorageBackend, options: &Options) -> Result<Opened, Refusal> {
    let gate = Gate::shut(backend);
    let opened = verified(engine(&gate, options)?)?;
    gate.open()?;
    Ok(opened)
}

/// The engine over what is behind a gate, if that is a file of it.
fn engine(gate: &Gate<impl StorageBackend>, options: &Options) -> Result<Database, Refusal> {
    let mut start = [0; MAGIC.len()];
    // The engine itself would take some of what it does not know for damaged.
    if gate.len()? < MAGIC.len() as u64 {
        return Err(Refusal::Foreign);
    }
    gate.read(0, &mut start)?;
    if start != MAGIC {
        return Err(Refusal::Foreign);
    }
    guarded(|| Ok(builder(options).create_with_backend(gate.clone())?))
}

fn builder(options: &Options) -> ::redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_bytes).set_check_integrity_on_open(matches!(options.check, Check::Whole));
    builder
}

/// Sees to it that an opened file is a store that this version reads.
fn verified(db: Database) -> Result<Opened, Refusal> {
    let (db, rev) = or_closed(db, |db| inspect(&db.begin_read().map_err(::redb::Error::from)?))?;
    Ok(Opened { db, rev })
}

/// Gives the engine back, or closes it if the work with it fails: dropping an
/// engine that panicked may panic again.
fn or_closed<T>(db: Database, work: impl FnOnce(&Database) -> Result<T, Refusal>) -> Result<(Database, T), Refusal> {
    match guarded(|| work(&db)) {
        Ok(done) => Ok((db, done)),
        Err(refusal) => {
            // The refusal is what counts, not what closing reports.
            let _ = close(db);
            Err(refusal)
        }
    }
}

fn inspect(txn: &ReadTransaction) -> Result<Rev, Refusal> {
    let meta = match txn.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(::redb::Error::from(error).into()),
        // Any other error says that there is no such table.
        Err(_) => return Err(Refusal::Foreign),
    };
    let number = |name: &str| -> Result<u64, Refusal> {
        let found = meta.get(name).map_err(::redb::Error::from)?;
        Ok(found.ok_or_else(|| Refusal::Damaged(format!("its {name} is missing")))?.value())
    };
    match number(FORMAT)? {
        FORMAT_NEWEST => {}
        newer if newer > FORMAT_NEWEST => return Err(Refusal::Newer(newer)),
        older => return Err(Refusal::Damaged(format!("there is no format {older}"))),
    }
    number(REVISION)?;
    txn.open_table(ROWS).map_err(|error| Refusal::Damaged(error.to_string()))?;
    txn.open_table(LOG).map_err(|error| Refusal::Damaged(error.to_string()))?;
    Ok(read::revision(txn)?)
}

/// Calls the engine, which panics on some damaged files.
fn guarded<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|payload| Err(Refusal::Damaged(Fault::panic(payload.as_ref()).to_string())))
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        // What the engine reports where a file ends too early or makes no sense.
        if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) {
            Self::Damaged(error.to_string())
        } else {
            Self::Io(error)
        }
    }
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        if let DatabaseError::DatabaseAlreadyOpen = error {
            // Under our own lock only someone else's program can hold the engine's.
            return Self::InUse;
        }
        ::redb::Error::from(error).into()
    }
}

impl From<::redb::Error> for Refusal {
    fn from(error: ::redb::Error) -> Self {
        if let ::redb::Error::Io(error) = error { error.into() } else { Self::Damaged(error.to_string()) }
    }
}

impl Refusal {
    fn of(self, path: &str) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::InUse => OpenError::InUse { path, owner: String::new() },
            Self::Foreign => OpenError::Foreign { path },
            Self::Damaged(detail) => OpenError::Damaged { path, detail },
            Self::Newer(found) => OpenError::Newer { path, found, newest: FORMAT_NEWEST },
            Self::Io(source) => OpenError::Io { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_of_a_file_is_learned_from_its_file_system() {
        let file = tempfile::NamedTempFile::new().expect("there is room for a file");
        let free = free_space(file.path());
        assert!(free().expect("it can be asked") > 0);
        file.close().expect("it can be removed");
        free().expect_err("there is no such file");
    }
}
