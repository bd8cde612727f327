//! The processes of this machine, read from `/proc`, and signals to them.
//!
//! # Guarantees
//! A signal reaches the process that was seen or none: its start time is
//! compared again behind a pidfd, so a reused process id is never hit.
//! # Not here
//! Which processes are to go, and how patiently: [`super::supervisor`] for a
//! living tree, [`super::remains`] for what a lost one left.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::{fs, io};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    /// Its id, which another process may have later.
    pub(super) pid: Pid,
    /// The id of its parent at that time; 0 for none.
    parent: i32,
    /// When it started, in clock ticks since the boot: with the id, its identity.
    started: u64,
    /// How many threads it has.
    pub(super) threads: u32,
}

impl Process {
    /// What tells it apart from every other process since the boot.
    pub(super) const fn identity(&self) -> (Pid, u64) {
        (self.pid, self.started)
    }

    /// Sends it a signal, unless it is gone. What may not be signalled stays.
    pub(super) fn signal(&self, signal: Signal) {
        let Ok(pidfd) = pidfd_open(self.pid, PidfdFlags::empty()) else { return };
        if read(self.pid).is_some_and(|now| now.identity() == self.identity()) {
            // It can end at any time; then there is nothing to do.
            let _ = pidfd_send_signal(&pidfd, signal);
        }
    }
}

/// Every process that has not ended.
pub(super) fn all() -> io::Result<Vec<Process>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
        .filter_map(read)
        .collect())
}

/// How many threads a user has, all processes together.
pub(super) fn threads_of(user: u32) -> u64 {
    let all = all().unwrap_or_default();
    let is_theirs = |process: &&Process| {
        fs::metadata(format!("/proc/{}", process.pid.as_raw_pid())).is_ok_and(|found| found.uid() == user)
    };
    all.iter().filter(is_theirs).map(|process| u64::from(process.threads)).sum()
}

/// Those of `processes` that descend from one that is a root, without the roots.
pub(super) fn descendants(processes: &[Process], is_root: impl Fn(Pid) -> bool) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in processes {
        children.entry(process.parent).or_default().push(*process);
    }
    let roots = children.keys().copied().filter(|&pid| Pid::from_raw(pid).is_some_and(&is_root));
    let mut open: Vec<i32> = roots.collect();
    let mut found = Vec::new();
    while let Some(parent) = open.pop() {
        // Taking the children out ends the walk whatever the parents say.
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child.pid.as_raw_pid());
            if !is_root(child.pid) {
                found.push(child);
            }
        }
    }
    found
}

/// Reads one process; `None` when it is gone or a zombie.
fn read(pid: Pid) -> Option<Process> {
    parse(pid, &fs::read(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?)
}

/// Reads a `stat` line: the fields follow the name, which can hold anything.
fn parse(pid: Pid, stat: &[u8]) -> Option<Process> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let mut fields = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // The state is field 3 of proc(5), the parent 4, the threads 20, the start time 22.
    let threads: u32 = fields.nth(15)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    // A process whose first thread has ended looks dead while others go on.
    let is_dead = matches!(state, "Z" | "X") && threads <= 1;
    (!is_dead).then_some(Process { pid, parent, started, threads })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).expect("not zero")
    }

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let line = b"7 (a) S 9 (b)) S 5 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 2 3";
        assert_eq!(parse(pid(7), line), Some(Process { pid: pid(7), parent: 5, started: 12345, threads: 1 }));
        for bad in [&b""[..], b"7 (a", b"7 (a) S", b"7 (a) S x"] {
            assert_eq!(parse(pid(7), bad), None);
        }
    }

    #[test]
    fn a_zombie_is_gone_but_not_while_other_threads_of_it_run() {
        let with_threads = |threads| format!("7 (a) Z 5 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 {threads} 0 12345 1");
        assert_eq!(parse(pid(7), with_threads(1).as_bytes()), None);
        assert!(parse(pid(7), with_threads(2).as_bytes()).is_some());
    }

    #[test]
    fn descendants_are_found_through_every_generation_and_no_others() {
        let seen: Vec<_> = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 6)]
            .map(|(child, parent)| Process { pid: pid(child), parent, started: 0, threads: 1 })
            .to_vec();
        let mut found: Vec<_> = descendants(&seen, |root| root == pid(2)).iter().map(|p| p.pid.as_raw_pid()).collect();
        found.sort_unstable();
        assert_eq!(found, [3, 4]);
    }

    #[test]
    fn this_process_is_among_all() {
        let me = rustix::process::getpid();
        assert!(all().expect("/proc").iter().any(|process| process.pid == me));
    }
}
