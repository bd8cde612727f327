//! What the file holds: three tables and their encodings.
//!
//! The name and the types of [`META`] and its [`FORMAT`] are the same in every
//! format, for they are what tells a format from another.

use ::redb::TableDefinition;
use bytes::Bytes;

use crate::store::{Entry, Position, Rev};

/// The newest format that this version reads, and the one that it writes.
pub(super) const FORMAT_NEWEST: u64 = 1;

/// Numbers about the store itself.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("heeler.meta");

/// In [`META`]: the format of the file.
pub(super) const FORMAT: &str = "format";
/// In [`META`]: a revision that was the newest when no log entry said so. It
/// must outlive every row and every log entry.
pub(super) const REVISION: &str = "revision";
/// In [`META`]: the revision of the newest log entry that was forgotten.
pub(super) const FORGOTTEN_REV: &str = "forgotten-rev";
/// In [`META`]: the number of that entry within its revision.
pub(super) const FORGOTTEN_N: &str = "forgotten-n";

/// Keys to rows: the revision as 8 bytes, big-endian, then the value.
pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("heeler.rows");

/// Positions to log entries.
pub(super) const LOG: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("heeler.log");

/// How many bytes of a row come before its value.
pub(super) const STAMP: usize = size_of::<u64>();

/// The revision of a row.
pub(super) fn stamp(row: &[u8]) -> Result<Rev, ::redb::StorageError> {
    let (stamp, _) = row.split_first_chunk::<STAMP>().ok_or_else(too_short)?;
    Ok(Rev(u64::from_be_bytes(*stamp)))
}

/// A row as an entry, its value copied.
pub(super) fn entry(row: &[u8]) -> Result<Entry, ::redb::StorageError> {
    let (stamp, value) = row.split_first_chunk::<STAMP>().ok_or_else(too_short)?;
    Ok(Entry { rev: Rev(u64::from_be_bytes(*stamp)), value: Bytes::copy_from_slice(value) })
}

fn too_short() -> ::redb::StorageError {
    ::redb::StorageError::Corrupted("a row is shorter than its revision".to_owned())
}

/// A position as its key in [`LOG`].
pub(super) const fn log_key(at: Position) -> (u64, u32) {
    (at.rev.0, at.n)
}

/// A key of [`LOG`] as a position.
pub(super) const fn position((rev, n): (u64, u32)) -> Position {
    Position { rev: Rev(rev), n }
}
