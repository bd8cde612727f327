//! What is known on the disk of an attempt that sends something.
//!
//! # Guarantees
//! That something is being sent is durable before it is; what came of it is
//! whole or not there. It says nothing of what was sent.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{AttemptRef, Said};
use crate::domain::id::JobId;

/// The note on one attempt.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    root: PathBuf,
    folder: PathBuf,
    name: String,
}

/// What a note says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// There is none: nothing was sent.
    Nothing,
    /// Something may have been sent.
    Sending,
    /// What came of it.
    Said(Said),
}

impl Journal {
    pub(super) fn new(root: &Path, attempt: AttemptRef) -> Self {
        let folder = root.join(attempt.job.to_string());
        Self { root: root.to_owned(), folder, name: format!("{}.sent", attempt.number) }
    }

    /// Reads it. What cannot be read may have been sent.
    pub(super) async fn read(&self) -> Found {
        let path = self.folder.join(&self.name);
        blocking(move || match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_or(Found::Sending, Found::Said)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) => Err(error),
        })
        .await
        .unwrap_or(Found::Sending)
    }

    /// Makes it: something may be sent from now on.
    pub(super) async fn sending(&self) -> io::Result<()> {
        let Self { root, folder, name } = self.clone();
        blocking(move || {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => File::open(&root)?.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            open(&folder.join(name))?;
            // Its name is all that it says.
            File::open(&folder)?.sync_all()
        })
        .await
    }

    /// Notes what came of it. It is the store that makes it durable.
    pub(super) async fn note(&self, said: &Said) -> io::Result<()> {
        let Self { folder, name, .. } = self.clone();
        let text = serde_json::to_vec(said)?;
        blocking(move || {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let new = folder.join(format!("{name}.new"));
            open(&new)?.write_all(&text)?;
            fs::rename(new, folder.join(name))
        })
        .await
    }
}

/// Removes the notes on a job.
pub(super) async fn forget(root: &Path, job: JobId) -> io::Result<()> {
    let folder = root.join(job.to_string());
    blocking(move || match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    })
    .await
}

fn open(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
