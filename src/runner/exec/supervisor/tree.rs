//! The tree of the work, and how it is brought to an end.
//!
//! This process is the subreaper of the tree: whoever loses its parent becomes
//! our child, so everything that descends from us is of the work, and without
//! a child of our own nothing is left. New sessions, process groups and double
//! forks change nothing about that.

use std::collections::HashSet;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, wait};

use crate::runner::exec::processes::{self, Process};

/// How often the tree is searched again for processes born meanwhile. A tree
/// that outruns this is met again by the next kill.
const PASSES_MAX: u32 = 50;

/// A child that has ended, or that there is none.
#[derive(Debug)]
pub(super) enum Reaped {
    /// This one, so.
    Child(Pid, WaitStatus),
    /// None has ended, but there are some.
    NoneYet,
    /// There is no child: nothing of the tree is left.
    NoneLeft,
}

/// Reaps a child that has ended.
pub(super) fn reap() -> Reaped {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => return Reaped::Child(pid, status),
            Ok(None) => return Reaped::NoneYet,
            Err(Errno::INTR) => {}
            // The only other error is that there are no children.
            Err(_) => return Reaped::NoneLeft,
        }
    }
}

/// Asks every process of the tree to end.
pub(super) fn terminate() {
    signal_all(Signal::TERM, Some(Signal::CONT));
}

/// Kills every process of the tree that there is now.
pub(super) fn kill() {
    // A tree that forks faster than it is killed fills its own places again.
    // Frozen, it keeps them, and cannot grow while it is looked through.
    for process in signal_all(Signal::STOP, None) {
        process.signal(Signal::KILL);
    }
}

/// Signals each process once, and looks again until no new ones appear. A
/// stopped process would not notice: `then` wakes it.
fn signal_all(signal: Signal, then: Option<Signal>) -> HashSet<Process> {
    let mut met = HashSet::new();
    let mut told = HashSet::new();
    let mut quiet = 0;
    for _ in 0..PASSES_MAX {
        let new: Vec<Process> = members().into_iter().filter(|process| met.insert(process.identity())).collect();
        for process in &new {
            process.signal(signal);
            if let Some(then) = then {
                process.signal(then);
            }
        }
        // One quiet look can miss a process whose parent died during it.
        quiet = if new.is_empty() { quiet + 1 } else { 0 };
        told.extend(new);
        if quiet == 2 {
            break;
        }
    }
    told
}

/// Every living process of the tree.
pub(super) fn members() -> Vec<Process> {
    // Without /proc there would not even be a supervisor: a failure passes.
    processes::all().map_or_else(|_| Vec::new(), |all| processes::descendants(&all, |pid| pid == getpid()))
}
