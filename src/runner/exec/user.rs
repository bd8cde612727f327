//! Whom the work runs as.
//!
//! # Assumptions
//! Names are those of `/etc/passwd` and `/etc/group`. Users that come from
//! elsewhere are named by their numbers.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use crate::domain::operation::Account;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A user and a group that the service does not run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunAs {
    /// The number of the user.
    pub(super) uid: u32,
    /// The number of the group; there are no others.
    pub(super) gid: u32,
}

impl RunAs {
    /// Who is meant; `None` for whom the service runs as anyway.
    ///
    /// # Errors
    /// There is no such user or group, or the service may not do so; for people.
    pub(super) fn resolve(user: Option<&Account>, group: Option<&Account>) -> Result<Option<Self>, String> {
        if user.is_none() && group.is_none() {
            return Ok(None);
        }
        let own = Self { uid: geteuid().as_raw(), gid: getegid().as_raw() };
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let wanted = wanted(user, group, own, &read(PASSWD), &read(GROUP))?;
        if wanted == own {
            return Ok(None);
        }
        if own.uid != 0 {
            return Err(format!(
                "the work is to run as user {} and group {}, which only a service that runs as root can do: this one runs as user {} and group {}",
                wanted.uid, wanted.gid, own.uid, own.gid
            ));
        }
        Ok(Some(wanted))
    }

    /// Makes the user the owner of a file or a folder.
    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Lets the user reach what is theirs in the folder of the attempt, which
    /// is the current one: that folder, its job's and the root of all.
    pub(super) fn let_through(self, own: &[&str]) -> Result<(), String> {
        let unusable = |error: io::Error| format!("the folder of the attempt cannot be used: {error}");
        for folder in [".", "..", "../.."] {
            // To be passed through, not to be looked into.
            fs::set_permissions(folder, Permissions::from_mode(0o711)).map_err(unusable)?;
        }
        own.iter().try_for_each(|path| self.own(Path::new(path))).map_err(unusable)?;
        let here = std::env::current_dir().map_err(unusable)?;
        match self.shut_out_at(&here) {
            None => Ok(()),
            Some(folder) => Err(format!(
                "user {} cannot pass through the folder `{}` to what belongs to the attempt; let others enter it (`chmod o+x`) or keep the store elsewhere",
                self.uid,
                folder.display()
            )),
        }
    }

    /// The outermost folder on the way that the user cannot enter.
    fn shut_out_at(self, path: &Path) -> Option<PathBuf> {
        let mut folders: Vec<&Path> = path.ancestors().collect();
        folders.reverse();
        let shut = folders.into_iter().find(|folder| !fs::metadata(folder).is_ok_and(|found| self.may_enter(&found)));
        shut.map(Path::to_owned)
    }

    fn may_enter(self, folder: &fs::Metadata) -> bool {
        let bit = match (folder.uid() == self.uid, folder.gid() == self.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        self.uid == 0 || folder.mode() & bit != 0
    }
}

/// The numbers of who is meant; `own` are those of the service.
fn wanted(
    user: Option<&Account>,
    group: Option<&Account>,
    own: RunAs,
    passwd: &str,
    groups: &str,
) -> Result<RunAs, String> {
    let (uid, primary) = match user {
        None => (own.uid, Some(own.gid)),
        Some(Account::Id(uid)) => {
            let known = entries(passwd).find(|entry| entry.get(2).and_then(|id| id.parse().ok()) == Some(*uid));
            (*uid, known.and_then(|entry| entry.get(3)?.parse().ok()))
        }
        Some(Account::Name(name)) => {
            let known = entries(passwd).find(|entry| entry.first() == Some(&name.as_str()));
            let known = known.and_then(|entry| Some((entry.get(2)?.parse().ok()?, entry.get(3)?.parse().ok())));
            known.ok_or_else(|| unknown("user", name, PASSWD))?
        }
    };
    let gid = match group {
        Some(Account::Id(gid)) => *gid,
        Some(Account::Name(name)) => {
            let known = entries(groups).find(|entry| entry.first() == Some(&name.as_str()));
            known.and_then(|entry| entry.get(2)?.parse().ok()).ok_or_else(|| unknown("group", name, GROUP))?
        }
        None => primary.ok_or_else(|| {
            format!("user {uid} is not in `{PASSWD}`, so nobody knows its group; name one with `group`")
        })?,
    };
    Ok(RunAs { uid, gid })
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

fn unknown(what: &str, name: &str, file: &str) -> String {
    format!("there is no {what} `{name}` in `{file}`; create it, or name one by its number")
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:n:/:/bin/false\nbroken:x\n";
    const GROUPS: &str = "root:x:0:\naudio:x:29:a,b\n";
    const OWN: RunAs = RunAs { uid: 7, gid: 8 };

    #[test]
    fn a_user_brings_its_group_unless_one_is_named() {
        let name = |name: &str| Some(Account::Name(name.to_owned()));
        for (user, group, want) in [
            (name("nobody"), None, (65534, 65533)),
            (name("nobody"), name("audio"), (65534, 29)),
            (Some(Account::Id(65534)), None, (65534, 65533)),
            (Some(Account::Id(5)), Some(Account::Id(6)), (5, 6)),
            (None, name("audio"), (7, 29)),
        ] {
            let found = wanted(user.as_ref(), group.as_ref(), OWN, USERS, GROUPS).expect("they are there");
            assert_eq!((found.uid, found.gid), want, "{user:?} {group:?}");
        }
        for (user, group, want) in [
            (name("nobdy"), None, "there is no user `nobdy` in `/etc/passwd`"),
            (name("broken"), None, "there is no user `broken`"),
            (name("nobody"), name("adio"), "there is no group `adio` in `/etc/group`"),
            (Some(Account::Id(5)), None, "user 5 is not in `/etc/passwd`"),
        ] {
            let error = wanted(user.as_ref(), group.as_ref(), OWN, USERS, GROUPS).expect_err("it is not there");
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn the_outermost_folder_that_is_shut_is_named() {
        let root = tempfile::tempdir().expect("a folder");
        fs::set_permissions(root.path(), Permissions::from_mode(0o711)).expect("a mode");
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).expect("a folder");
        let stranger = RunAs { uid: 54_321, gid: 54_321 };
        fs::set_permissions(root.path().join("a"), Permissions::from_mode(0o710)).expect("a mode");
        let shut = stranger.shut_out_at(&inner);
        fs::set_permissions(root.path().join("a"), Permissions::from_mode(0o711)).expect("a mode");
        fs::set_permissions(&inner, Permissions::from_mode(0o711)).expect("a mode");
        assert_eq!((shut, stranger.shut_out_at(&inner)), (Some(root.path().join("a")), None));
    }
}
