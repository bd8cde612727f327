//! The processes of this machine that belong to one store.

use std::fs;
use std::path::Path;

/// The living processes of the work of a store below `folder`: those that
/// carry a job in their environment.
pub(crate) fn workers(folder: &Path) -> Vec<i32> {
    let events = format!("HEELER_EVENTS={}/", folder.display()).into_bytes();
    processes(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut entries = environment.split(|&byte| byte == 0);
        entries.any(|entry| entry.starts_with(&events)) && !is_dead(pid)
    })
}

/// The living supervisors of attempts below `folder`.
pub(crate) fn supervisors(folder: &Path) -> Vec<i32> {
    let below = format!("{}/", folder.display());
    processes(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut arguments = line.split('\0').skip(1);
        arguments.next() == Some("supervise")
            && arguments.next().is_some_and(|attempt| attempt.starts_with(&below))
            && !is_dead(pid)
    })
}

fn processes(matches: impl Fn(i32) -> bool) -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| matches(pid)).collect()
}

fn is_dead(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with(['Z', 'X']) || rest.is_empty())
}

/// Kills a process at once, if it has not ended.
pub(crate) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}
