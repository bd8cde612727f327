//! Jobs, measured: from a PATCH to the start of its job, durable enqueues one
//! by one, and no-op jobs worked off a second, against `BullMQ` and Graphile
//! Worker with the same work in the same run.
//!
//! `cargo bench --bench jobs` prints a table and the ratios, which alone mean
//! something: absolute figures move with the machine. A peer needs its server
//! and its package, and is left out with a word where one is missing:
//!
//! ```text
//! HEELER_BENCH_PEERS=FOLDER        with node_modules: npm install bullmq graphile-worker pg
//! HEELER_BENCH_REDIS=HOST:PORT     127.0.0.1:16379; redis-server --appendonly yes --appendfsync always
//! HEELER_BENCH_POSTGRES=HOST:PORT  127.0.0.1:15432, trust authentication, a database `graphile`
//! HEELER_BENCH_JOBS=5000           jobs worked off
//! HEELER_BENCH_STARTS=100          starts measured
//! HEELER_BENCH_ROUNDS=3            everybody in turn, the median counts
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark is for reading")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where it stopped")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and starts what it measures")]

mod client;
mod heeler;
mod peer;

use std::time::Duration;

/// What is measured, and how much of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// Starts that are measured, one after the other.
    pub(crate) starts: usize,
    /// Jobs that are enqueued one by one, and then worked off.
    pub(crate) jobs: usize,
}

/// What came of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// From the call that enqueues to the start of the job, in milliseconds.
    pub(crate) start_p50: f64,
    pub(crate) start_p99: f64,
    /// Durable enqueues a second, one job in a call, by so many callers at once.
    pub(crate) enqueues: f64,
    /// No-op jobs a second.
    pub(crate) jobs: f64,
}

/// How many callers enqueue at once.
pub(crate) const CALLERS: usize = 16;

/// How many jobs run at once: as by default, and more than any peer has use for.
pub(crate) const RUNNING: usize = 64;

/// The pause between two starts that are measured: each finds everybody idle.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

type Measure = fn(Amount) -> Result<Figures, String>;

fn main() {
    let amount = Amount { starts: setting("HEELER_BENCH_STARTS", 100), jobs: setting("HEELER_BENCH_JOBS", 5000) };
    let rounds = setting("HEELER_BENCH_ROUNDS", 3);
    let contestants: [(&str, Measure); 3] = [
        ("heeler", |amount| Ok(heeler::measure(amount))),
        ("BullMQ", |amount| peer::measure("bullmq", amount)),
        ("Graphile Worker", |amount| peer::measure("graphile", amount)),
    ];
    let mut figures = vec![Vec::new(); contestants.len()];
    let mut missing = vec![None; contestants.len()];
    // Round by round, so that a change of the machine's speed meets them all.
    for _ in 0..rounds {
        for (index, (_, measure)) in contestants.iter().enumerate() {
            if missing[index].is_some() {
                continue;
            }
            match measure(amount) {
                Ok(found) => figures[index].push(found),
                Err(why) => missing[index] = Some(why),
            }
        }
    }
    println!("{} starts, {} jobs, {CALLERS} callers, the median of {rounds} rounds", amount.starts, amount.jobs);
    println!("{:<18}{:>14}{:>14}{:>14}{:>14}", "", "start p50 ms", "start p99 ms", "enqueues/s", "jobs/s");
    let medians: Vec<Option<Figures>> = figures.iter().map(|figures| median(figures)).collect();
    for (index, (name, _)) in contestants.iter().enumerate() {
        match (&missing[index], medians[index]) {
            (None, Some(Figures { start_p50, start_p99, enqueues, jobs })) => {
                println!("{name:<18}{start_p50:>14.2}{start_p99:>14.2}{enqueues:>14.0}{jobs:>14.0}");
            }
            (Some(why), _) => println!("{name:<18}left out: {why}"),
            (None, None) => println!("{name:<18}left out: no rounds"),
        }
    }
    let Some(own) = medians[0] else { return };
    for (index, (name, _)) in contestants.iter().enumerate().skip(1) {
        if let (None, Some(other)) = (&missing[index], medians[index]) {
            println!(
                "heeler / {name}: start p50 {:.2}, start p99 {:.2}, enqueues {:.2}, jobs {:.2}",
                own.start_p50 / other.start_p50,
                own.start_p99 / other.start_p99,
                own.enqueues / other.enqueues,
                own.jobs / other.jobs,
            );
        }
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The median of each figure; nothing of no rounds.
fn median(rounds: &[Figures]) -> Option<Figures> {
    let of = |figure: fn(&Figures) -> f64| Some(quantile(&mut rounds.iter().map(figure).collect::<Vec<_>>(), 0.5));
    rounds.first()?;
    Some(Figures {
        start_p50: of(|figures| figures.start_p50)?,
        start_p99: of(|figures| figures.start_p99)?,
        enqueues: of(|figures| figures.enqueues)?,
        jobs: of(|figures| figures.jobs)?,
    })
}

/// The value below which that part of them is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "few values")]
pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * part) as usize).min(values.len() - 1)]
}
