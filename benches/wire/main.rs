//! The wire, measured: GET and conditional durable PATCH of a 1 KiB resource,
//! against bare warp and against a reference server (warp, redb, group commit
//! and nothing else), all in one run.
//!
//! `cargo bench --bench wire` prints a table of requests a second and the
//! ratios, which alone mean something: absolute figures move with the machine.
//! `HEELER_BENCH_SECONDS` and `HEELER_BENCH_ROUNDS` make it longer.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark is for reading")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where it stopped")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and starts what it measures")]

mod load;
mod servers;

use std::io::Write;
use std::time::{Duration, Instant};

use load::{Target, Work, run};

/// How many resources each server holds: enough that a group of writes falls into many pages.
const RESOURCES: usize = 10_000;

/// What is measured: a name, the work and how many connections do it.
const CASES: [(&str, Work, usize); 4] = [
    ("GET, 64 connections", Work::Get, 64),
    ("GET, 1 connection", Work::Get, 1),
    ("PATCH, 64 connections", Work::Patch, 64),
    ("PATCH, 1 connection", Work::Patch, 1),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, kind, folder] = arguments.as_slice()
        && flag == "--serve"
    {
        servers::serve(kind, folder.as_ref());
        return;
    }
    let rounds = setting("HEELER_BENCH_ROUNDS", 3);
    let seconds = Duration::from_secs(setting("HEELER_BENCH_SECONDS", 3));
    let folder = tempfile::tempdir().unwrap();
    println!("{}", probe(folder.path()));
    let mut servers = servers::start(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for server in &servers {
        eprintln!("filling {}", server.name);
        runtime.block_on(load::fill(&server.target(), RESOURCES));
    }
    // The same bytes as Heeler sends.
    let body = runtime.block_on(load::body(&servers[0].target()));
    servers.push(servers::start_bare(folder.path(), &body));
    let targets: Vec<(&str, Target)> = servers.iter().map(|server| (server.name, server.target())).collect();
    for (case, work, connections) in CASES {
        measure(&runtime, case, work, connections, rounds, seconds, &targets);
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One case on every server in turn, round by round, so that a change of the
/// machine's speed meets them all.
fn measure(
    runtime: &tokio::runtime::Runtime,
    case: &str,
    work: Work,
    connections: usize,
    rounds: u64,
    seconds: Duration,
    targets: &[(&str, Target)],
) {
    let able: Vec<&(&str, Target)> =
        targets.iter().filter(|(_, target)| work == Work::Get || target.takes_patches).collect();
    let mut rates = vec![Vec::new(); able.len()];
    let mut latencies = vec![Vec::new(); able.len()];
    for _ in 0..rounds {
        for (index, (_, target)) in able.iter().enumerate() {
            let result = runtime.block_on(run(target, work, connections, RESOURCES, seconds));
            rates[index].push(result.rate);
            latencies[index].push(result.p99_us);
        }
    }
    println!("\n{case}");
    let ours = median(&mut rates[0].clone());
    for (index, (name, _)) in able.iter().enumerate() {
        let rate = median(&mut rates[index]);
        let p99 = median(&mut latencies[index]);
        println!("  {name:<12} {rate:>9.0}/s   p99 {:>8.2} ms   heeler is {:.2} of it", p99 / 1000.0, ours / rate);
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What one flush costs now. A durable figure with one connection says
/// something only while this is below 250 µs.
fn probe(folder: &std::path::Path) -> String {
    let mut file = std::fs::File::create(folder.join("probe")).unwrap();
    let mut times: Vec<f64> = (0..500)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&[7; 4096]).unwrap();
            file.sync_data().unwrap();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    format!("append 4 KiB and fdatasync: p50 {:.0} µs", median(&mut times))
}
