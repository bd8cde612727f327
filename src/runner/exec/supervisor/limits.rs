//! How much the work may use, and whether it wanted more.
//!
//! # Guarantees
//! A limit is kept by the kernel, in the cgroup of the attempt, where there is
//! one with the controller that it needs. Elsewhere each process has its part
//! of it (`setrlimit`), and what all of them use together is looked at ten
//! times a second: a burst can be over a limit for that long, but for processes
//! not by more than [`PROCESSES_SLACK`]. A limit that nobody could keep is
//! refused.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{geteuid, setpriority_process};

use super::tree;
use crate::domain::operation::ExecLimits;
use crate::runner::exec::cgroup::{Controller, Group};
use crate::runner::exec::processes::{self, Process};
use crate::runner::exec::record::{End, Spec};
use crate::runner::exec::step::Bound;

/// The time between two looks at what the work uses.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much longer than a look the time to the next one is at least: on a
/// machine with very many processes a look takes its time.
const REST_PER_LOOK: u32 = 10;

/// How many processes a user can have beyond those that there are and those of
/// the limit. The kernel counts all of a user, those of other attempts too, so
/// that is no measure of one attempt; but it stops whoever forks faster than
/// anybody looks.
const PROCESSES_SLACK: u64 = 256;

/// The time of which a share of a processor is a share, in microseconds: what
/// the kernel takes where nobody says.
const CPU_PERIOD_US: u64 = 100_000;

/// The highest priority there is.
const PRIORITY: i32 = -20;

const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// What a shell adds to a signal that ended a process of it.
const SHELL_SIGNAL: i32 = 128;

/// The limits of one attempt, in force.
#[derive(Debug)]
pub(super) struct Enforcement {
    limits: ExecLimits,
    open_files: Option<u64>,
    group: Option<PathBuf>,
    /// Whom the work runs as.
    user: u32,
    /// Those that nobody else sees to.
    watched: ExecLimits,
    look_at: Instant,
    reached: Option<String>,
}

impl Enforcement {
    /// Makes the cgroup, if the attempt is to have one, and finds out who sees
    /// to which limit.
    ///
    /// # Errors
    /// A limit that nobody could keep, for people.
    pub(super) fn begin(spec: &Spec) -> Result<Self, String> {
        let limits = spec.limits;
        let mut left = limits;
        if let Some(path) = &spec.temporary.cgroup {
            let group = Group::at(path);
            group.make().map_err(|error| format!("its cgroup cannot be made: {error}"))?;
            hand_over(&mut left, group).map_err(|error| format!("a limit of its cgroup cannot be set: {error}"))?;
        }
        if left.cpu_percent.is_some() {
            return Err(
                "the limit `cpu` needs a cgroup that is delegated to the service (`Delegate=yes` of systemd); leave it out, or use `cpu_time`"
                    .to_owned(),
            );
        }
        let watched = ExecLimits { memory: left.memory, processes: left.processes, ..ExecLimits::default() };
        let user = spec.run_as.map_or_else(|| geteuid().as_raw(), |run_as| run_as.uid);
        if watched.processes.is_some() && user == 0 {
            return Err(
                "the limit `processes` needs a cgroup that is delegated to the service (`Delegate=yes` of systemd), or a `user`: nothing else stops root from starting more"
                    .to_owned(),
            );
        }
        let group = spec.temporary.cgroup.clone();
        let open_files = spec.open_files;
        Ok(Self { limits, open_files, group, user, watched, look_at: Instant::now(), reached: None })
    }

    /// What each process has to be held to by itself.
    pub(super) fn bounds(&self) -> Vec<Bound> {
        let ExecLimits { cpu_seconds, files, file_size, .. } = self.limits;
        let bounds = [
            files.map(Bound::Files).or(self.open_files.map(Bound::FilesForNow)),
            file_size.map(Bound::FileSize),
            cpu_seconds.map(Bound::Cpu),
            self.watched
                .processes
                .map(|most| Bound::Processes(processes::threads_of(self.user) + u64::from(most) + PROCESSES_SLACK)),
            // The last one: from then on there may be no memory for anything else.
            self.watched.memory.map(Bound::Data),
        ];
        bounds.into_iter().flatten().collect()
    }

    /// Sees to it that whoever looks gets to look, however many processes want
    /// to run. To be called once the work is spawned, which must not gain by it.
    pub(super) fn stand_out(&self) {
        if self.wake().is_some() {
            // Only root may. Others have their turn when it comes.
            let _ = setpriority_process(None, PRIORITY);
        }
    }

    /// When to look next; never where the kernel sees to everything.
    pub(super) fn wake(&self) -> Option<Instant> {
        let is_watching = self.watched != ExecLimits::default() && self.reached.is_none();
        is_watching.then_some(self.look_at)
    }

    /// Looks, if it is time, and says whether the work is over a limit.
    pub(super) fn look(&mut self, now: Instant) -> Found {
        if self.wake().is_none_or(|at| now < at) {
            return Found::Within;
        }
        let tree = tree::members();
        let threads: u64 = tree.iter().map(|process| u64::from(process.threads)).sum();
        self.reached = match (self.watched.processes, self.watched.memory) {
            (Some(most), _) if threads > u64::from(most) => Some(too_many(most)),
            (_, Some(most)) if is_over(&tree, most) => Some(too_much(most)),
            _ => None,
        };
        let after = Instant::now();
        self.look_at = after + LOOK_EVERY.max((after - now) * REST_PER_LOOK);
        if self.reached.is_some() { Found::Over } else { Found::Within }
    }

    /// Kills what is in the cgroup.
    pub(super) fn kill(&self) {
        if let Some(path) = &self.group {
            Group::at(path).kill();
        }
    }

    /// The limit that the work ran into, after an end of its own.
    pub(super) fn verdict(&self, end: &End) -> Option<String> {
        if self.reached.is_some() || matches!(end, End::Exited(0)) {
            return self.reached.clone();
        }
        let ended_by = |signal| *end == End::Killed(signal) || *end == End::Exited(SHELL_SIGNAL + signal);
        let happened = |file, event| self.group.as_ref().is_some_and(|path| Group::at(path).count(file, event) > 0);
        let ExecLimits { memory, cpu_seconds, processes, file_size, .. } = self.limits;
        let by_kernel = memory.filter(|_| self.watched.memory.is_none());
        if let Some(most) = by_kernel.filter(|_| happened("memory.events", "oom_kill")) {
            return Some(too_much(most));
        }
        if let Some(most) = cpu_seconds.filter(|_| ended_by(SIGXCPU)) {
            return Some(format!("used more than its limit of {:?} of processor time", Duration::from_secs(most)));
        }
        if let Some(most) = file_size.filter(|_| ended_by(SIGXFSZ)) {
            return Some(format!("wrote a file larger than its limit of {}", size(most)));
        }
        if let Some(most) = processes.filter(|_| happened("pids.events", "max")) {
            return Some(too_many(most));
        }
        // What is refused here the program hears, and nobody else.
        self.watched.memory.map(|most| format!("was limited to {} of memory", size(most)))
    }
}

/// Hands limits over to a cgroup, as far as it has the controllers, and leaves
/// the others.
fn hand_over(limits: &mut ExecLimits, group: Group<'_>) -> io::Result<()> {
    if let Some(bytes) = limits.memory
        && group.set("memory.max", &bytes.to_string())? == Controller::There
    {
        // Memory is memory: no more of it on a disk, and no half of a tree goes on.
        group.set("memory.swap.max", "0")?;
        group.set("memory.oom.group", "1")?;
        limits.memory = None;
    }
    if let Some(count) = limits.processes
        && group.set("pids.max", &count.to_string())? == Controller::There
    {
        limits.processes = None;
    }
    if let Some(percent) = limits.cpu_percent
        && group.set("cpu.max", &format!("{} {CPU_PERIOD_US}", u64::from(percent) * CPU_PERIOD_US / 100))?
            == Controller::There
    {
        limits.cpu_percent = None;
    }
    Ok(())
}

/// Whether the work keeps within its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Within,
    Over,
}

fn too_many(most: u32) -> String {
    format!("ran into its limit of {most} processes and threads")
}

fn too_much(most: u64) -> String {
    format!("used more than its limit of {} of memory", size(most))
}

/// Whether these processes use more memory than that together.
fn is_over(tree: &[Process], most: u64) -> bool {
    let sum = |read: fn(&Process) -> u64| tree.iter().map(read).fold(0, u64::saturating_add);
    // What several of them share is counted for each here, and once there;
    // which takes longer.
    sum(resident) > most && sum(proportional) > most
}

fn resident(process: &Process) -> u64 {
    kilobytes(process, "status", "VmRSS:").unwrap_or(0)
}

fn proportional(process: &Process) -> u64 {
    kilobytes(process, "smaps_rollup", "Pss:").unwrap_or_else(|| resident(process))
}

fn kilobytes(process: &Process, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/{file}", process.pid.as_raw_pid())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A number of bytes in the largest unit that divides it.
fn size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enforcement(limits: ExecLimits) -> Enforcement {
        let watched = ExecLimits { memory: limits.memory, processes: limits.processes, ..ExecLimits::default() };
        Enforcement { limits, open_files: None, group: None, user: 1, watched, look_at: Instant::now(), reached: None }
    }

    #[test]
    fn the_end_says_which_limit_it_was() {
        let cpu = ExecLimits { cpu_seconds: Some(90), ..ExecLimits::default() };
        let file = ExecLimits { file_size: Some(1 << 20), ..ExecLimits::default() };
        let memory = ExecLimits { memory: Some(1 << 29), ..ExecLimits::default() };
        for (limits, end, want) in [
            (cpu, End::Killed(24), Some("used more than its limit of 90s of processor time")),
            (cpu, End::Exited(152), Some("used more than its limit of 90s of processor time")),
            (cpu, End::Exited(1), None),
            (file, End::Killed(25), Some("wrote a file larger than its limit of 1 MiB")),
            (file, End::Exited(153), Some("wrote a file larger than its limit of 1 MiB")),
            (ExecLimits::default(), End::Killed(25), None),
            (memory, End::Exited(1), Some("was limited to 512 MiB of memory")),
            (memory, End::Exited(0), None),
        ] {
            assert_eq!(enforcement(limits).verdict(&end).as_deref(), want, "{end:?} {limits:?}");
        }
    }

    #[test]
    fn a_cgroup_takes_what_it_has_controllers_for() {
        let all =
            ExecLimits { memory: Some(4096), cpu_percent: Some(150), processes: Some(5), ..ExecLimits::default() };
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
        let mut left = all;
        hand_over(&mut left, Group::at(folder.path())).expect("there is nothing to be written");
        assert_eq!(left, all);
        for name in ["memory.max", "memory.swap.max", "memory.oom.group", "cpu.max"] {
            fs::write(folder.path().join(name), "max").expect("a file");
        }
        hand_over(&mut left, Group::at(folder.path())).expect("it can be written");
        assert_eq!(left, ExecLimits { processes: Some(5), ..ExecLimits::default() });
        assert_eq!(["memory.max", "memory.swap.max", "memory.oom.group"].map(file), ["4096", "0", "1"]);
        assert_eq!(file("cpu.max"), "150000 100000");
        fs::write(folder.path().join("pids.max"), "max").expect("a file");
        hand_over(&mut left, Group::at(folder.path())).expect("it can be written");
        assert_eq!((left, file("pids.max").as_str()), (ExecLimits::default(), "5"));
    }

    #[test]
    fn what_happened_in_a_cgroup_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let limits = ExecLimits { memory: Some(1 << 20), processes: Some(5), ..ExecLimits::default() };
        let mut kept = enforcement(limits);
        kept.watched = ExecLimits::default();
        kept.group = Some(folder.path().to_owned());
        assert_eq!(kept.verdict(&End::Killed(9)), None);
        fs::write(folder.path().join("pids.events"), "max 2\n").expect("a file");
        assert_eq!(kept.verdict(&End::Exited(1)).as_deref(), Some("ran into its limit of 5 processes and threads"));
        fs::write(folder.path().join("memory.events"), "oom 1\noom_kill 1\n").expect("a file");
        assert_eq!(kept.verdict(&End::Killed(9)).as_deref(), Some("used more than its limit of 1 MiB of memory"));
        assert_eq!(kept.verdict(&End::Exited(0)), None, "it coped");
    }

    #[test]
    fn memory_of_this_process_is_counted() {
        let me = rustix::process::getpid();
        let all = crate::runner::exec::processes::all().expect("/proc");
        let mine: Vec<Process> = all.into_iter().filter(|process| process.pid == me).collect();
        assert!(is_over(&mine, 1024) && !is_over(&mine, 1 << 40));
        assert!(proportional(&mine[0]) <= resident(&mine[0]).saturating_mul(2), "about the same");
    }
}
