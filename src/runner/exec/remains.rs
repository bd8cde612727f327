//! What is left in the world of an attempt whose supervisor is gone.
//!
//! Its processes are no longer anybody's children, but carry its token in
//! their environment. A process that threw its environment away and whose
//! parent is gone is found only where the attempt had a cgroup.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::processes::{self, Process};

/// How often the machine is searched: a process that cannot be killed must
/// not hold up the answer for ever.
const PASSES_MAX: u32 = 200;

/// The time between two searches, in which killed processes go away.
const PASS_PAUSE: Duration = Duration::from_millis(5);

/// Kills every process of the attempt with this token and what descends from it.
///
/// Blocks for at most about [`PASSES_MAX`] searches of `/proc`.
#[expect(clippy::disallowed_methods, reason = "it runs on a thread for what blocks")]
pub(super) fn kill(token: &str) {
    let mut quiet = 0;
    for _ in 0..PASSES_MAX {
        let found = find(token);
        // A process can be born between being looked for and its parent's
        // death, so the second quiet search is the one that counts.
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        if quiet == 2 {
            return;
        }
        for process in found {
            process.signal(Signal::KILL);
        }
        thread::sleep(PASS_PAUSE);
    }
    tracing::warn!("processes of a lost attempt could not be killed");
}

fn find(token: &str) -> Vec<Process> {
    let Ok(all) = processes::all() else { return Vec::new() };
    let mark = format!("HEELER_TOKEN={token}");
    let (mut marked, others): (Vec<_>, Vec<_>) =
        all.iter().copied().partition(|process| has_variable(process.pid, mark.as_bytes()));
    let children = processes::descendants(&all, |pid| marked.iter().any(|process| process.pid == pid));
    marked.extend(children.into_iter().filter(|child| others.contains(child)));
    marked
}

fn has_variable(pid: Pid, variable: &[u8]) -> bool {
    fs::read(format!("/proc/{}/environ", pid.as_raw_pid()))
        .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|entry| entry == variable))
}
