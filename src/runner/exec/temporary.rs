//! What an attempt has only for as long as it runs: a scratch folder, its
//! secrets as files, a cgroup.
//!
//! # Guarantees
//! Where they are is written down before they are made, so that whoever notes
//! the end of an attempt can remove them, also after a kill of everybody else.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat, statfs};
use serde::{Deserialize, Serialize};

use super::cgroup::Group;
use super::record::Private;
use super::user::RunAs;

/// What `statfs` says of a file system in memory.
const TMPFS: u64 = 0x0102_1994;

/// Where an attempt has what it has only for as long as it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Temporary {
    /// An empty folder.
    pub(super) scratch: Option<PathBuf>,
    /// A folder with a file for each secret.
    pub(super) secrets: Option<PathBuf>,
    /// A cgroup with all its processes.
    pub(super) cgroup: Option<PathBuf>,
}

impl Temporary {
    /// Makes the folders, for the user of the work.
    pub(super) fn make(&self, private: &Private, run_as: Option<RunAs>) -> Result<(), String> {
        if let Some(path) = &self.scratch {
            folder(path, run_as).map_err(|error| format!("the scratch folder cannot be made: {error}"))?;
        }
        if let Some(path) = &self.secrets {
            secrets(path, private, run_as)
                .map_err(|error| format!("secrets cannot be handed over as files: {error}"))?;
        }
        Ok(())
    }

    /// Removes all of it, however much there is. What cannot be removed now
    /// goes when the job is forgotten.
    pub(super) fn remove(&self) {
        for path in [&self.secrets, &self.scratch].into_iter().flatten() {
            if let Err(error) = remove_tree(path) {
                tracing::warn!(error = &error as &dyn std::error::Error, "a folder of an attempt is left");
            }
        }
        if let Some(path) = &self.cgroup {
            Group::at(path).remove();
        }
    }
}

fn secrets(path: &Path, private: &Private, run_as: Option<RunAs>) -> io::Result<()> {
    folder(path, run_as)?;
    for (name, text) in &private.secrets {
        let path = path.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path)?;
        file.write_all(text.as_bytes())?;
        if let Some(run_as) = run_as {
            run_as.own(&path)?;
        }
    }
    Ok(())
}

/// Makes a folder that is not there yet, for one user only.
fn folder(path: &Path, run_as: Option<RunAs>) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    run_as.map_or(Ok(()), |run_as| run_as.own(path))
}

/// A folder in memory that this user can write into, and the work reach.
pub(super) fn memory_folder(runtime: Option<&Path>) -> Option<PathBuf> {
    // First what every user can reach; that of a login is closed to others.
    let candidates = [Some(Path::new("/dev/shm")), runtime].into_iter().flatten();
    let mut usable = candidates.filter(|path| {
        let is_memory = statfs(*path).is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|kind| kind == TMPFS));
        path.is_absolute()
            && is_memory
            && accessat(CWD, *path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty()).is_ok()
    });
    usable.next().map(Path::to_owned)
}

/// Removes a folder with everything in it, whatever modes the work gave it.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    let remove = || match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    match remove() {
        // Root is not held up by modes, and must not follow where others could lead it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && !rustix::process::geteuid().is_root() => {
            open_up(path);
            remove()
        }
        done => done,
    }
}

/// Gives every folder below a mode that lets us empty it.
fn open_up(folder: &Path) {
    // What cannot be changed is found out by whoever removes it.
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_made_is_removed_and_again() {
        let root = tempfile::tempdir().expect("a folder");
        let temporary = Temporary {
            scratch: Some(root.path().join("scratch")),
            secrets: Some(root.path().join("secrets")),
            cgroup: None,
        };
        let private =
            Private { secrets: [("token".to_owned(), "text".to_owned())].into_iter().collect(), ..Private::default() };
        temporary.make(&private, None).expect("it can be made");
        let token = root.path().join("secrets/token");
        assert_eq!(fs::read_to_string(&token).expect("a file"), "text");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(
            (mode(&token), mode(&root.path().join("secrets")), mode(&root.path().join("scratch"))),
            (0o400, 0o700, 0o700)
        );
        fs::create_dir_all(root.path().join("scratch/a/b")).expect("a folder");
        fs::set_permissions(root.path().join("scratch/a"), Permissions::from_mode(0o000)).expect("a mode");
        assert!(temporary.make(&private, None).is_err(), "what is there already belongs to somebody else");
        temporary.remove();
        temporary.remove();
        assert_eq!(fs::read_dir(root.path()).expect("a folder").count(), 0);
    }
}
