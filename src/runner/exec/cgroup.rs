//! Control groups, version 2: where one is delegated to the service, each
//! attempt has one of its own below it.
//!
//! # Guarantees
//! Nothing is ever changed outside what was delegated: a cgroup that the
//! service can write only because it is root, or that it shares with others,
//! such as that of a terminal, is left alone.
//! # Assumptions
//! The service manager delegates as systemd does (`Delegate=yes`), or the
//! service is alone in the cgroup namespace of a container.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{Access, AtFlags, CWD, accessat, getxattr};
use rustix::process::{geteuid, getpid};

/// What the processes of the service go into: a cgroup that has controllers
/// for its children can have no processes of its own. systemd puts a service
/// there itself with `DelegateSubgroup=service`.
const SERVICE: &str = "service";

/// The controllers that limits need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// How often a cgroup is tried to be removed: what was killed in it needs a
/// moment to be gone.
const REMOVES_MAX: u32 = 100;

/// The time between two of these tries.
const REMOVE_AGAIN: Duration = Duration::from_millis(5);

/// The cgroup of one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'p>(&'p Path);

impl<'p> Group<'p> {
    /// The cgroup at a path, whether it exists or not.
    pub(super) const fn at(path: &'p Path) -> Self {
        Self(path)
    }

    pub(super) fn make(self) -> io::Result<()> {
        fs::create_dir(self.0)
    }

    /// Sets a limit, if there is a controller for it, and says whether there is.
    pub(super) fn set(self, file: &str, value: &str) -> io::Result<Controller> {
        let path = self.0.join(file);
        if !path.exists() {
            return Ok(Controller::Absent);
        }
        fs::write(path, value)?;
        Ok(Controller::There)
    }

    /// How often something happened, by one of the files of events.
    pub(super) fn count(self, file: &str, event: &str) -> u64 {
        let text = fs::read_to_string(self.0.join(file)).unwrap_or_default();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == event).and_then(|(_, count)| count.trim().parse().ok()).unwrap_or(0)
    }

    /// Moves the process that calls into it.
    pub(super) fn join(self) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), "0")
    }

    /// Kills every process in it, at once.
    pub(super) fn kill(self) {
        // Kernels before 5.14 cannot; then processes are killed one by one.
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
    }

    /// Removes it, with what the work made below it.
    #[expect(clippy::disallowed_methods, reason = "it runs in a supervisor, or on a thread for what blocks")]
    pub(super) fn remove(self) {
        for _ in 0..REMOVES_MAX {
            match remove_below(self.0) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => thread::sleep(REMOVE_AGAIN),
                Ok(()) | Err(_) => return,
            }
        }
    }
}

/// Whether the controller of a limit is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    /// The limit is set.
    There,
    /// It has to be seen to in another way.
    Absent,
}

fn remove_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_below(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

/// The cgroup that is delegated to this process, made ready for children with
/// limits; `None` where there is none.
///
/// Moves this process into a child of it, if it is alone there.
#[must_use]
pub fn delegated() -> Option<PathBuf> {
    let own = own_path(&fs::read_to_string("/proc/self/cgroup").ok()?)?.to_owned();
    let here = mounted(&fs::read_to_string("/proc/self/mountinfo").ok()?, &own)?;
    let base = match here.parent() {
        Some(parent) if here.ends_with(SERVICE) && is_delegated(parent, "") => parent.to_owned(),
        Some(_) | None if is_delegated(&here, &own) => here,
        Some(_) | None => return None,
    };
    make_ready(&base).ok()?;
    Some(base)
}

/// The path of a process in the hierarchy of version 2.
fn own_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Where that path is in the file system.
fn mounted(mountinfo: &str, own: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        if !kind.starts_with("cgroup2 ") {
            return None;
        }
        let mut fields = fields.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new(own).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

/// Whether a cgroup was given to us, and is not only in our reach; `own` is its
/// path, if it is that of this process.
fn is_delegated(cgroup: &Path, own: &str) -> bool {
    let writable = ["", "cgroup.procs", "cgroup.subtree_control"]
        .iter()
        .all(|file| accessat(CWD, cgroup.join(file), Access::WRITE_OK, AtFlags::empty()).is_ok());
    let is_marked = ["trusted.delegate", "user.delegate"].iter().any(|name| {
        let mut value = [0; 8];
        getxattr(cgroup, *name, &mut value[..]).is_ok_and(|length| value[..length] == *b"1")
    });
    let user = geteuid();
    let is_ours = !user.is_root() && fs::metadata(cgroup).is_ok_and(|found| found.uid() == user.as_raw());
    // The root of a namespace; that of the machine has no type.
    let is_container = own == "/" && cgroup.join("cgroup.type").exists();
    writable && (is_marked || is_ours || is_container)
}

fn make_ready(base: &Path) -> io::Result<()> {
    let service = base.join(SERVICE);
    let me = getpid().as_raw_pid().to_string();
    let others = fs::read_to_string(base.join("cgroup.procs"))?;
    if others.lines().any(|process| process != me) {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    match fs::create_dir(&service) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    if !others.is_empty() {
        Group::at(&service).join()?;
    }
    let there = fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
    for controller in there.split_whitespace().filter(|name| CONTROLLERS.contains(name)) {
        // Without it its limits are seen to in another way.
        let _ = fs::write(base.join("cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_of_a_process_is_found_where_it_is_mounted() {
        let hybrid = "9:name=systemd:/\n4:memory:/x\n0::/system.slice/heeler.service\n";
        assert_eq!(own_path(hybrid), Some("/system.slice/heeler.service"));
        assert_eq!(own_path("4:memory:/x\n"), None);
        let mounts = "30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs rw\n\
                      31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = mounted(mounts, "/system.slice/heeler.service");
        assert_eq!(found.as_deref(), Some(Path::new("/sys/fs/cgroup/unified/system.slice/heeler.service")));
        let bound = "31 30 0:27 /docker/7 /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(mounted(bound, "/docker/7/a").as_deref(), Some(Path::new("/sys/fs/cgroup/a")));
        assert_eq!(mounted(bound, "/elsewhere"), None);
    }

    #[test]
    fn a_folder_that_is_no_cgroup_is_not_delegated() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(!is_delegated(folder.path(), "/"));
    }

    #[test]
    fn events_are_counted_by_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("memory.events"), "low 0\noom 3\noom_kill 2\n").expect("a file");
        let group = Group::at(folder.path());
        assert_eq!((group.count("memory.events", "oom_kill"), group.count("memory.events", "max")), (2, 0));
        assert_eq!(group.count("pids.events", "max"), 0);
        assert_eq!(group.set("pids.max", "5").expect("no file"), Controller::Absent);
        assert_eq!(group.set("memory.events", "5").expect("a file"), Controller::There);
    }
}
