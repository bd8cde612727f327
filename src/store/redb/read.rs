//! Reads: each in one snapshot that ends with it, but for those that are asked
//! for as such.
//!
//! # Guarantees
//! No snapshot outlives its call, so none makes the file grow, unless somebody
//! wants to [`Keep`] one.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::redb::{AccessGuard, Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageError};
use bytes::Bytes;

use super::tables::{FORGOTTEN_N, FORGOTTEN_REV, LOG, META, REVISION, ROWS, entry, log_key, position};
use super::{Fault, Shared};
use crate::store::{Cause, Changes, Entry, Key, KeyRange, Order, PAGE_BYTES_MAX, Page, Position, ReadError, Rev};

/// What was committed at some moment, and the revision of that where it is known.
pub(super) struct Snapshot {
    txn: ReadTransaction,
    rev: Option<Rev>,
}

impl Snapshot {
    /// Takes one. Where no commit was under way meanwhile, the newest committed
    /// revision is that of the snapshot, and the file need not be asked for it.
    fn take(shared: &Shared, db: &Database) -> Result<Self, ::redb::Error> {
        let before = shared.turns.quiet();
        let rev = *shared.committed.borrow();
        let txn = db.begin_read()?;
        let known = before.is_some() && before == shared.turns.quiet();
        Ok(Self { txn, rev: known.then_some(rev) })
    }

    fn revision(&self) -> Result<Rev, ::redb::Error> {
        self.rev.map_or_else(|| revision(&self.txn), Ok)
    }
}

/// Reads in one snapshot; an error or a panic of the engine is a cause.
///
/// It panics on some damaged files, and a reader must not fall with it.
pub(super) fn snapshot<T>(
    shared: &Shared,
    read: impl FnOnce(&Snapshot) -> Result<T, ::redb::Error>,
) -> Result<T, Cause> {
    let db = shared.db();
    let Some(db) = db.as_ref() else {
        return Err(Arc::new(Fault::Closed));
    };
    caught(Some(shared), || read(&Snapshot::take(shared, db)?))
}

/// Asks the engine; an error or a panic of it is a cause.
fn caught<T>(shared: Option<&Shared>, read: impl FnOnce() -> Result<T, ::redb::Error>) -> Result<T, Cause> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => {
            let broken = matches!(error, ::redb::Error::Io(_) | ::redb::Error::PreviousIo);
            let cause: Cause = Arc::new(Fault::Engine(error));
            // The engine does nothing more after such an error, so neither does the store.
            if let Some(shared) = shared.filter(|_| broken) {
                shared.fail(Arc::clone(&cause));
            }
            Err(cause)
        }
        Err(payload) => Err(Arc::new(Fault::panic(payload.as_ref()))),
    }
}

/// A snapshot that somebody keeps.
pub(super) struct Keep {
    snapshot: Snapshot,
    rev: Rev,
    /// The store that it is of, unless nobody writes to that.
    shared: Option<Arc<Shared>>,
}

impl Keep {
    /// One of a store that goes on.
    pub(super) fn of(shared: &Arc<Shared>) -> Result<Self, Cause> {
        let db = shared.db();
        let Some(db) = db.as_ref() else {
            return Err(Arc::new(Fault::Closed));
        };
        let (snapshot, rev) = caught(Some(shared), || {
            let snapshot = Snapshot::take(shared, db)?;
            let rev = snapshot.revision()?;
            Ok((snapshot, rev))
        })?;
        Ok(Self { snapshot, rev, shared: Some(Arc::clone(shared)) })
    }

    /// One of an engine that nobody writes to.
    pub(super) fn of_engine(db: &Database, rev: Rev) -> Result<Self, Cause> {
        let txn = caught(None, || Ok(db.begin_read()?))?;
        Ok(Self { snapshot: Snapshot { txn, rev: Some(rev) }, rev, shared: None })
    }

    fn read<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T, ::redb::Error>) -> Result<T, ReadError> {
        caught(self.shared.as_deref(), || read(&self.snapshot)).map_err(ReadError::Storage)
    }
}

impl std::fmt::Debug for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keep").field("rev", &self.rev).finish_non_exhaustive()
    }
}

impl crate::store::Snapshot for Keep {
    fn rev(&self) -> Rev {
        self.rev
    }

    fn get(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, ReadError> {
        self.read(|snapshot| get(snapshot, keys)).map(|(_, entries)| entries)
    }

    fn rows(&self, after: Option<&Key>, limit: usize) -> Result<Page, ReadError> {
        self.read(|snapshot| {
            let start = after.map_or(Bound::Unbounded, |key| Bound::Excluded(&key.0[..]));
            let mut rows = snapshot.txn.open_table(ROWS)?.range::<&[u8]>((start, Bound::Unbounded))?;
            let (rows, more) = page_of_rows(&mut rows, limit)?;
            Ok(Page { rev: self.rev, rows, more })
        })
    }

    fn log(&self, after: Position, limit: usize) -> Result<Changes, ReadError> {
        self.read(|snapshot| entries_after(&snapshot.txn, after, limit))
    }
}

/// The newest revision that a snapshot holds: that of the newest log entry,
/// unless a transaction without one came after it.
pub(super) fn revision(txn: &ReadTransaction) -> Result<Rev, ::redb::Error> {
    let logged = txn.open_table(LOG)?.last()?.map_or(0, |(at, _)| at.value().0);
    Ok(Rev(logged.max(meta(txn, REVISION)?)))
}

fn meta(txn: &ReadTransaction, name: &str) -> Result<u64, ::redb::Error> {
    Ok(txn.open_table(META)?.get(name)?.map_or(0, |number| number.value()))
}

/// The rows of some keys.
pub(super) fn get(snapshot: &Snapshot, keys: &[Key]) -> Result<(Rev, Vec<Option<Entry>>), ::redb::Error> {
    let rows = snapshot.txn.open_table(ROWS)?;
    let entries = keys
        .iter()
        .map(|key| rows.get(&key.0[..])?.map(|row| entry(row.value())).transpose())
        .collect::<Result<_, StorageError>>()?;
    Ok((snapshot.revision()?, entries))
}

/// Some rows of a range.
pub(super) fn scan(snapshot: &Snapshot, range: &KeyRange, order: Order, limit: usize) -> Result<Page, ::redb::Error> {
    let rev = snapshot.revision()?;
    if range.start >= range.end {
        return Ok(Page { rev, rows: Vec::new(), more: false });
    }
    let table = snapshot.txn.open_table(ROWS)?;
    let range = table.range::<&[u8]>(&range.start.0[..]..&range.end.0[..])?;
    let rows: &mut dyn Iterator<Item = _> = match order {
        Order::Ascending => &mut { range },
        Order::Descending => &mut range.rev(),
    };
    let (rows, more) = page_of_rows(rows, limit)?;
    Ok(Page { rev, rows, more })
}

type Row<'r> = (AccessGuard<'r, &'static [u8]>, AccessGuard<'r, &'static [u8]>);

fn page_of_rows(
    rows: &mut dyn Iterator<Item = Result<Row<'_>, StorageError>>,
    limit: usize,
) -> Result<(Vec<(Key, Entry)>, bool), StorageError> {
    page(
        rows,
        limit,
        |(key, row)| key.value().len() + row.value().len(),
        |(key, row)| Ok((Key(Bytes::copy_from_slice(key.value())), entry(row.value())?)),
    )
}

/// Some log entries after a position; `None` if one of them is forgotten.
pub(super) fn changes(snapshot: &Snapshot, after: Position, limit: usize) -> Result<Option<Changes>, ::redb::Error> {
    let txn = &snapshot.txn;
    let forgotten =
        Position { rev: Rev(meta(txn, FORGOTTEN_REV)?), n: u32::try_from(meta(txn, FORGOTTEN_N)?).unwrap_or(u32::MAX) };
    if after < forgotten {
        return Ok(None);
    }
    entries_after(txn, after, limit).map(Some)
}

fn entries_after(txn: &ReadTransaction, after: Position, limit: usize) -> Result<Changes, ::redb::Error> {
    let table = txn.open_table(LOG)?;
    let mut log = table.range((Bound::Excluded(log_key(after)), Bound::Unbounded))?;
    let (entries, more) = page(
        &mut log,
        limit,
        |(_, entry)| entry.value().len(),
        |(at, entry)| Ok((position(at.value()), Bytes::copy_from_slice(entry.value()))),
    )?;
    Ok(Changes { entries, more })
}

/// The first `limit` items, or as many as [`PAGE_BYTES_MAX`] allows but at
/// least one, and whether there are more. What is beyond is not copied.
fn page<I, T>(
    items: &mut dyn Iterator<Item = Result<I, StorageError>>,
    limit: usize,
    bytes: impl Fn(&I) -> usize,
    copy: impl Fn(&I) -> Result<T, StorageError>,
) -> Result<(Vec<T>, bool), StorageError> {
    let mut taken = Vec::new();
    let mut size = 0;
    for item in items {
        let item = item?;
        size += bytes(&item);
        if taken.len() == limit || (size > PAGE_BYTES_MAX && !taken.is_empty()) {
            return Ok((taken, true));
        }
        taken.push(copy(&item)?);
    }
    Ok((taken, false))
}
