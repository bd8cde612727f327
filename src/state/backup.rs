//! Backups of a store that is in use.
//!
//! # Guarantees
//! A backup is the store as it was at one moment. At most [`BACKUPS_MAX`] are
//! under way at once.
//! # Not here
//! How fast whoever reads one has to be.

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};

use super::State;
use super::lookup::StateError;
use crate::domain::time::Timestamp;
use crate::store::backup::{self, Draft};
pub use crate::store::backup::{BackupError, Summary};

/// The most backups at once that are asked for from outside: each makes the
/// store keep all that it held when it began.
pub const BACKUPS_MAX: usize = 1;

/// What the names of backups end with that the service makes by itself.
const SUFFIX: &str = ".backup";

/// A backup under way. Others wait for it to be dropped.
#[derive(Debug)]
pub struct Backup {
    parts: backup::Backup,
    _turn: OwnedSemaphorePermit,
}

impl Backup {
    /// The next part, a page of rows at most; `None` after the last one. It blocks.
    ///
    /// # Errors
    /// The store failed: what came so far is no backup.
    pub fn next_part(&mut self) -> Result<Option<bytes::Bytes>, StateError> {
        Ok(self.parts.next_part()?)
    }
}

/// Where the service keeps backups that it makes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupShelf {
    /// The folder; it is made where it is not there.
    pub folder: PathBuf,
    /// How their names begin, by which those of this store are known.
    pub name: String,
    /// How many are kept, the newest ones, from 1.
    pub keep: usize,
}

impl State {
    /// Begins a backup, once those before it are done.
    ///
    /// # Errors
    /// The store failed.
    pub async fn begin_backup(&self) -> Result<Backup, StateError> {
        let turns = std::sync::Arc::clone(&self.backups);
        let turn = turns.acquire_owned().await.expect("nobody closes it");
        Ok(Backup { parts: backup::Backup::new(self.store.snapshot().await?), _turn: turn })
    }

    /// Makes a backup on a shelf, and removes the oldest ones there that are
    /// more than it holds. Dropped, it leaves nothing behind.
    ///
    /// # Errors
    /// There is none; those that were there are as before.
    pub async fn shelve_backup(&self, shelf: &BackupShelf) -> Result<Summary, BackupError> {
        let _turn: SemaphorePermit<'_> = self.backups.acquire().await.expect("nobody closes it");
        let path = shelf.folder.join(format!("{}{}{SUFFIX}", shelf.begin(), stamp(self.clock.now())));
        let begun = shelf.clone();
        let mut draft = blocking(move || {
            std::fs::create_dir_all(&begun.folder)?;
            backup::remove_unfinished(&begun.folder, &begun.begin())?;
            Draft::new(&path)
        })
        .await?;
        let mut parts = backup::Backup::new(self.store.snapshot().await?);
        loop {
            // Part by part, so that nothing goes on for long that nobody waits for any more.
            let more;
            (draft, parts, more) = blocking(move || {
                let part = parts.next_part()?;
                if let Some(part) = &part {
                    draft.write(part)?;
                }
                Ok((draft, parts, part.is_some()))
            })
            .await?;
            if !more {
                break;
            }
        }
        drop(parts);
        let summary = blocking(move || draft.finish()).await?;
        let shelf = shelf.clone();
        blocking(move || Ok(shelf.tidy()?)).await?;
        Ok(summary)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(BackupError::Io(io::Error::other(error))))
}

impl BackupShelf {
    fn begin(&self) -> String {
        format!("{}-", self.name)
    }

    /// Removes the oldest backups that are too many.
    fn tidy(&self) -> io::Result<()> {
        let mut own = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if self.is_own(&path) {
                own.push(path);
            }
        }
        // Their names sort as their instants.
        own.sort();
        let many = own.len().saturating_sub(self.keep);
        own.into_iter().take(many).try_for_each(std::fs::remove_file)
    }

    /// Whether a file has a name that only a backup of this store is given.
    fn is_own(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let at = name.strip_prefix(&self.begin()).and_then(|rest| rest.strip_suffix(SUFFIX));
        at.is_some_and(|at| at.len() == STAMP.len() && at.bytes().zip(STAMP.bytes()).all(fits))
    }
}

/// What an instant looks like in a name; a digit stands for any.
const STAMP: &str = "00000000T000000.000Z";

fn fits((found, like): (u8, u8)) -> bool {
    found == like || (like == b'0' && found.is_ascii_digit())
}

/// An instant as a part of a name: those of later ones sort behind it.
#[must_use]
pub fn stamp(at: Timestamp) -> String {
    at.to_string().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_given_here_are_those_of_backups() {
        let shelf = BackupShelf { folder: PathBuf::from("/"), name: "dogs".to_owned(), keep: 1 };
        let at = stamp(Timestamp::from_millis(1_795_255_200_123));
        assert_eq!(at, "20261121T100000.123Z");
        for (name, own) in [
            (format!("dogs-{at}.backup"), true),
            (format!("cats-{at}.backup"), false),
            (format!("dogs-{at}.backup.old"), false),
            (format!("dogs-old-{at}.backup"), false),
            ("dogs-before-the-flood.backup".to_owned(), false),
            ("dogs-.backup".to_owned(), false),
            (format!(".dogs-{at}.backup"), false),
        ] {
            assert_eq!(shelf.is_own(Path::new(&name)), own, "{name}");
        }
    }
}
