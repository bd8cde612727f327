//! Stored schedules, measured: a storm of ticks in one second, and what it
//! costs to hold many schedules that are not due, against tokio-cron-scheduler
//! with the same schedules in the same run.
//!
//! `cargo bench --bench schedules` prints a table; only what stands side by
//! side in it means something. `HEELER_BENCH_STORM` (10,000 ticks) and
//! `HEELER_BENCH_STORED` (1,000,000 schedules) make it smaller or larger.
#![expect(clippy::print_stdout, reason = "a benchmark is for reading")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where it stopped")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and starts what it measures")]

mod cost;
mod heeler;
mod peer;
mod storm;

use std::path::Path;
use std::time::Duration;

/// How many schedules the peer holds where it is asked what holding them costs:
/// more would take it minutes to be told of.
const PEER_STORED: usize = 100_000;

/// How long the cost of holding schedules is measured.
const IDLE: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "--hold", "heeler", path] => heeler::hold(Path::new(path)),
        [_, "--hold", "peer", count] => peer::hold(count.parse().unwrap()),
        _ => measure(),
    }
}

fn measure() {
    let ticks = setting("HEELER_BENCH_STORM", 10_000);
    let stored = setting("HEELER_BENCH_STORED", 1_000_000);
    println!("{ticks} ticks in one second, an idle loop of jobs behind them");
    println!("{}", storm::HEAD);
    println!("{}", heeler::storm(ticks).line("heeler, recorded durably"));
    println!("{}", peer::storm(ticks).line("tokio-cron-scheduler, in memory"));
    println!("\nholding schedules that are not due, for {} s", IDLE.as_secs());
    println!("{}", cost::HEAD);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heeler.redb");
    heeler::fill(&path, stored);
    println!("{}", cost::of(&["heeler", path.to_str().unwrap()], IDLE).line("heeler", stored));
    let count = PEER_STORED.min(stored);
    println!("{}", cost::of(&["peer", &count.to_string()], IDLE).line("tokio-cron-scheduler", count));
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
