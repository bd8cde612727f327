//! What a process costs that holds schedules and has nothing to do.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the columns are.
pub(crate) const HEAD: &str = "                                  schedules  ready s  % of a core  resident MiB";

#[derive(Debug)]
pub(crate) struct Cost {
    ready: Duration,
    core: f64,
    resident: f64,
}

impl Cost {
    pub(crate) fn line(&self, name: &str, stored: usize) -> String {
        let Self { ready, core, resident } = self;
        format!("{name:34} {stored:>8} {:>8.3} {core:>12.2} {resident:>13.1}", ready.as_secs_f64())
    }
}

/// Starts this program anew with `--hold` and these arguments, waits until it
/// says that it is ready, and looks at what it uses from then on.
pub(crate) fn of(arguments: &[&str], during: Duration) -> Cost {
    let begin = Instant::now();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.arg("--hold").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready = line
        .trim()
        .strip_prefix("ready ")
        .map_or_else(|| begin.elapsed(), |text| Duration::from_secs_f64(text.parse().unwrap()));
    // What the start left to do is none of the cost of holding.
    std::thread::sleep(Duration::from_secs(2));
    let (before, start) = (processor(child.id()), Instant::now());
    std::thread::sleep(during);
    let core = (processor(child.id()) - before).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    let resident = resident(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    Cost { ready, core, resident }
}

/// The time of all its threads on a processor, to a nanosecond.
fn processor(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let spent = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// The memory of its own, in MiB: without what the kernel caches of files.
fn resident(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
}
