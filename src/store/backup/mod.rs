//! Backups: all rows of a store as they were at one moment, as a stream of bytes.
//!
//! ```text
//! heeler backup\r\n\0   what it is
//! u32                   the format
//! u64                   the newest revision of the store
//! r u64 u32 u32 … …     a row: its revision, the lengths of key and value, both; by their keys
//! e u64 [32]            the end: how many rows there are, and the SHA-256 of everything up to here
//! ```
//!
//! Numbers are big-endian. The change log is not part of it: whoever follows
//! that has to begin anew after a restore, because changes that they have seen
//! may be undone.
//!
//! # Guarantees
//! What was cut off or changed anywhere does not read as a backup.
//! # Not here
//! How a store is made of one: [`super::redb::restore`].

mod draft;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::io;

pub use draft::{Draft, remove_unfinished};
pub use read::{Reader, Summary, check};
pub use write::Backup;

use super::Rev;

/// What a backup begins with. A transfer that takes it for text breaks it.
pub const MAGIC: &[u8; 16] = b"heeler backup\r\n\0";

/// The newest format that this version reads, and the one that it writes.
pub const FORMAT_NEWEST: u32 = 1;

/// How far a restored store is ahead of what the backup knows, at least.
const RAISE: u64 = 1 << 32;

/// The bits of a revision that a second is worth: no store commits as often.
const SECOND_BITS: u32 = 32;

/// When those seconds begin: 2026-01-01T00:00:00Z.
const SECONDS_FROM: u64 = 1_767_225_600;

const ROW: u8 = b'r';
const END: u8 = b'e';

/// Why something is no backup that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It is something else.
    #[error("it is not a backup of Heeler")]
    Foreign,
    /// A newer version wrote it.
    #[error("the backup has format {found}, and this version reads formats up to {newest}: use a newer version")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest format that can be read.
        newest: u32,
    },
    /// Its end is missing.
    #[error("the backup ends too early: it was cut off")]
    Cut,
    /// It was changed after it was written.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// There is something else at its path, which is left alone.
    #[error("{0} is there already and is no backup: it is left alone")]
    Occupied(String),
    /// The file or its folder cannot be used.
    #[error("the file cannot be used")]
    Io(#[from] io::Error),
    /// What is to be backed up cannot be read.
    #[error(transparent)]
    Read(#[from] super::ReadError),
}

/// The revision that a restored store begins with: more than any that was ever
/// given out, so that no tag comes to name two states.
///
/// The backup does not know how far the store went on after it, nor what became
/// of stores that were made of it before. So the revision goes at least 2^32
/// beyond that of the backup and of the store that is `replaced`; and since no
/// store makes 2^32 revisions in a second, also beyond all that any can have
/// made by now, `unix_seconds`, as far as clocks can be trusted.
#[must_use]
pub fn raised(backup: Rev, replaced: Option<Rev>, unix_seconds: u64) -> Rev {
    let known = backup.max(replaced.unwrap_or_default());
    let seconds = unix_seconds.saturating_sub(SECONDS_FROM).min(u64::MAX >> SECOND_BITS);
    Rev(known.0.saturating_add(RAISE).max(seconds << SECOND_BITS))
}
