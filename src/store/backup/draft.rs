//! A backup on its way into a file.
//!
//! # Guarantees
//! Under its name there is a whole backup that was read again after it was
//! written, or whatever was there before; never a part of one, whenever the
//! process or the power goes. What is no backup is never replaced.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::read::{Summary, check};
use super::{BackupError, MAGIC};

/// What the names of files end with that are no backups yet.
const UNFINISHED: &str = ".partial";

/// A backup that is being written beside its place. Dropped, it is gone.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// Begins one that will be at this path.
    ///
    /// # Errors
    /// [`BackupError::Occupied`]: something else is there. Or the folder cannot
    /// be written to.
    pub fn new(path: &Path) -> Result<Self, BackupError> {
        if !is_free(path)? {
            return Err(BackupError::Occupied(path.display().to_string()));
        }
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let file = tempfile::Builder::new().prefix(&unfinished(name)).suffix(UNFINISHED).tempfile_in(folder(path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends a part.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, part: &[u8]) -> io::Result<()> {
        self.file.write_all(part)
    }

    /// Reads what was written, and gives it its name if it is a whole backup.
    ///
    /// # Errors
    /// It is not whole, or cannot be put in its place; it is gone then.
    pub fn finish(mut self) -> Result<Summary, BackupError> {
        self.file.as_file().sync_all()?;
        self.file.rewind()?;
        let summary = check(BufReader::new(self.file.as_file()))?;
        self.file.persist(&self.path).map_err(|error| error.error)?;
        // Without this the name may be gone after a loss of power.
        File::open(folder(&self.path))?.sync_all()?;
        Ok(summary)
    }
}

/// Removes what earlier attempts at backups with such names have left when they
/// were killed. Of each name, only one may be under way at a time.
///
/// # Errors
/// The folder cannot be read.
pub fn remove_unfinished(folder: &Path, names_begin: &str) -> io::Result<()> {
    let begin = unfinished(OsStr::new(names_begin));
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with(&begin) && name.ends_with(UNFINISHED) {
            // Who cannot remove it now can do so the next time.
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

fn unfinished(name: &OsStr) -> String {
    format!(".{}", name.to_string_lossy())
}

/// Whether a backup may be put there: nothing is, or an older one.
fn is_free(path: &Path) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Ok(false);
    }
    let mut start = [0; MAGIC.len()];
    match io::Read::read_exact(&mut file, &mut start) {
        Ok(()) => Ok(start == *MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
