//! When the house is kept: the one place that knows `tokio-cron-scheduler`.
//!
//! The scheduler only wakes. It sees a tick late, sees it twice or not at all
//! without harm, since what is done is found in the store and not in the tick;
//! which is also why no schedule of a resource may ever come here.
//!
//! # Guarantees
//! Runs of one chore never overlap: one that meets the one before it is
//! skipped, and counted as that. A run that fails is logged, and the next one
//! comes; a store that fails ends the service, as everywhere.
//! # Not here
//! What the chores do ([`super::chores`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::{debug, error, info};

use super::chores::Part;
use super::run::Engine;
use super::{StepError, Steps};
use crate::domain::retention::Retention;
use crate::metrics::{Counter, Gauge, Metrics, Summary};
use crate::state::backup::BackupShelf;

/// How many rows of the index of jobs a part of the retention reads.
const ROWS_AT_ONCE: usize = 1_000;

/// How many resources the full sweep looks at in a [`SWEEP_PACE`]: it is a
/// safety net, and everything else goes first.
const SWEPT_AT_ONCE: usize = 500;

/// How long the full sweep pauses after each part.
const SWEEP_PACE: Duration = Duration::from_secs(1);

/// When the house is kept, for how long what is in it, and where that is counted.
#[derive(Debug, Clone)]
pub struct Housekeeping {
    /// When jobs and what became of ticks are forgotten: a cron expression, as all of these.
    pub retention: String,
    /// When the change log is trimmed.
    pub log: String,
    /// When every resource is looked at.
    pub sweep: String,
    /// When backups are made, if they are.
    pub backup: Option<BackupPlan>,
    /// For how long what is over is remembered.
    pub kept: Retention,
    /// Where runs are counted.
    pub metrics: Metrics,
}

/// When backups are made, and where they are kept.
#[derive(Debug, Clone)]
pub struct BackupPlan {
    /// When.
    pub at: String,
    /// Where, and how many.
    pub shelf: BackupShelf,
}

/// Something that is done now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chore {
    /// Forgets jobs.
    Retention,
    /// Forgets what became of ticks.
    Ticks,
    /// Trims the change log.
    Log,
    /// Looks at every resource.
    Sweep,
    /// Makes a backup.
    Backup,
}

impl Chore {
    const ALL: [Self; 5] = [Self::Retention, Self::Ticks, Self::Log, Self::Sweep, Self::Backup];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Ticks => "ticks",
            Self::Log => "log",
            Self::Sweep => "sweep",
            Self::Backup => "backup",
        }
    }
}

/// A text that says no times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCron {
    /// It has too few or too many fields.
    #[error("expected five fields (minute, hour, day, month, weekday) or six (a second before them)")]
    Fields,
    /// One of its fields is none.
    #[error("one of its fields cannot be read")]
    Field,
    /// There is no such day.
    #[error("no such time ever comes")]
    Never,
}

/// Judges a cron expression by the parser that runs it.
///
/// # Errors
/// [`NotCron`]: it says no times.
pub fn judge_cron(text: &str) -> Result<(), NotCron> {
    let mut job = alarm(&six_fields(text)?, &Arc::default(), &Counter::default()).map_err(|_| NotCron::Field)?;
    let next = job.job_data().map_err(|_| NotCron::Field)?.next_tick;
    if next == 0 { Err(NotCron::Never) } else { Ok(()) }
}

/// The expression with a field for the second.
fn six_fields(text: &str) -> Result<String, NotCron> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    match fields.len() {
        5 => Ok(format!("0 {}", fields.join(" "))),
        6 => Ok(fields.join(" ")),
        _ => Err(NotCron::Fields),
    }
}

/// What wakes a chore.
#[derive(Debug, Default)]
struct Bell {
    wake: Notify,
    busy: AtomicBool,
}

/// Rings a bell whenever it is time, in UTC, but not while its chore is under way.
fn alarm(cron: &str, bell: &Arc<Bell>, skipped: &Counter) -> Result<Job, JobSchedulerError> {
    let (bell, skipped) = (Arc::clone(bell), skipped.clone());
    Job::new_async(cron, move |_, _| {
        if bell.busy.load(Ordering::Relaxed) {
            skipped.add(1);
            info!("a run of the housekeeping is skipped: the one before it goes on");
        } else {
            bell.wake.notify_one();
        }
        Box::pin(async {})
    })
}

/// What is counted of a chore.
#[derive(Debug)]
struct Counts {
    done: Counter,
    failed: Counter,
    skipped: Counter,
    seconds: Summary,
    last: Gauge,
    items: Counter,
}

impl Counts {
    fn of(chore: Chore, metrics: &Metrics) -> Self {
        let kind = ("kind", chore.as_str());
        let runs = |outcome| {
            let help = "Runs of the housekeeping, by how they ended.";
            metrics.counter("heeler_housekeeping_runs_total", help, &[kind, ("outcome", outcome)])
        };
        Self {
            done: runs("done"),
            failed: runs("failed"),
            skipped: runs("skipped"),
            seconds: metrics.summary("heeler_housekeeping_seconds", "How long runs of the housekeeping took.", &[kind]),
            last: metrics.gauge(
                "heeler_housekeeping_last_run_timestamp_seconds",
                "When the last run of the housekeeping was done; 0 before the first one.",
                &[kind],
            ),
            items: metrics.counter(
                "heeler_housekeeping_items_total",
                "Jobs forgotten (retention), rows of ledgers forgotten (ticks), revisions of the change log forgotten (log), resources looked at (sweep), rows in backups (backup).",
                &[kind],
            ),
        }
    }
}

/// The scheduler under way.
pub(super) struct Alarms(JobScheduler);

impl Alarms {
    /// Nothing rings any more.
    pub(super) async fn stop(mut self) {
        // Without a handler of its own, which there is none of, it cannot fail.
        let _ = self.0.shutdown().await;
    }
}

impl Engine {
    /// Starts to keep the house.
    #[expect(clippy::disallowed_methods, reason = "the engine is the one place that spawns")]
    pub(super) async fn keep_house(
        self: &Arc<Self>,
        loops: &mut JoinSet<Result<(), StepError>>,
    ) -> Result<Alarms, StepError> {
        let broken = |error: JobSchedulerError| StepError::Housekeeping(Box::new(error));
        let mut scheduler = JobScheduler::new().await.map_err(broken)?;
        scheduler.init().await.map_err(broken)?;
        for chore in Chore::ALL {
            let house = &self.housekeeping;
            let cron = match chore {
                Chore::Retention | Chore::Ticks => &house.retention,
                Chore::Log => &house.log,
                Chore::Sweep => &house.sweep,
                Chore::Backup => match &house.backup {
                    Some(plan) => &plan.at,
                    None => continue,
                },
            };
            let cron = six_fields(cron).map_err(|error| StepError::Housekeeping(Box::new(error)))?;
            let (bell, counts) = (Arc::default(), Counts::of(chore, &house.metrics));
            let alarm = alarm(&cron, &bell, &counts.skipped).map_err(broken)?;
            let engine = Arc::clone(self);
            loops.spawn(async move { engine.keep_at(chore, &bell, &counts).await });
            scheduler.add(alarm).await.map_err(broken)?;
        }
        scheduler.start().await.map_err(broken)?;
        Ok(Alarms(scheduler))
    }

    /// Does a chore whenever its bell rings.
    async fn keep_at(&self, chore: Chore, bell: &Bell, counts: &Counts) -> Result<(), StepError> {
        if chore == Chore::Sweep && self.steps.is_half_swept().await? {
            bell.wake.notify_one();
        }
        loop {
            self.rung(chore, bell).await;
            bell.busy.store(true, Ordering::Relaxed);
            let result = self.steps.do_chore(chore, &self.housekeeping, &self.steps.dials.kept(), counts).await;
            bell.busy.store(false, Ordering::Relaxed);
            result?;
        }
    }

    /// Waits until it is time for a chore; for the full sweep that is also when
    /// something else was declared.
    async fn rung(&self, chore: Chore, bell: &Bell) {
        match chore {
            Chore::Sweep => tokio::select! {
                () = bell.wake.notified() => {}
                () = self.steps.base.hints().everything.notified() => {}
            },
            Chore::Retention | Chore::Ticks | Chore::Log | Chore::Backup => bell.wake.notified().await,
        }
    }
}

impl Steps {
    /// One run of a chore, from its beginning to its end.
    async fn do_chore(
        &self,
        chore: Chore,
        house: &Housekeeping,
        kept: &Retention,
        counts: &Counts,
    ) -> Result<(), StepError> {
        let started = Instant::now();
        let mut all = Part::default();
        let result = loop {
            let part = match chore {
                Chore::Retention => self.retain_some(kept, ROWS_AT_ONCE).await,
                Chore::Ticks => self.forget_some_ticks(kept, ROWS_AT_ONCE).await,
                Chore::Log => self.trim_log(kept).await,
                Chore::Sweep => self.sweep_some(SWEPT_AT_ONCE).await,
                Chore::Backup => match &house.backup {
                    Some(plan) => self.back_up(&plan.shelf).await,
                    None => Ok(Part::default()),
                },
            };
            match part {
                Ok(part) => {
                    all.looked_at += part.looked_at;
                    all.done += part.done;
                    counts.items.add(part.done);
                    if !part.more {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
            if chore == Chore::Sweep {
                self.base.clock().sleep(SWEEP_PACE).await;
            }
        };
        let duration = started.elapsed();
        counts.seconds.observe(duration.as_secs_f64());
        let (kind, duration_ms) = (chore.as_str(), u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        let Part { looked_at, done, .. } = all;
        match result {
            Ok(()) => {
                counts.done.add(1);
                counts.last.set(self.base.clock().now().as_millis() as f64 / 1000.0);
                if done > 0 {
                    info!(kind, looked_at, done, duration_ms, "housekeeping");
                } else {
                    debug!(kind, looked_at, done, duration_ms, "housekeeping");
                }
                Ok(())
            }
            Err(error @ (StepError::Later(_) | StepError::Backup(_) | StepError::Housekeeping(_))) => {
                counts.failed.add(1);
                error!(
                    kind,
                    looked_at,
                    done,
                    duration_ms,
                    error = &error as &dyn std::error::Error,
                    "housekeeping failed"
                );
                Ok(())
            }
            Err(error @ StepError::Store(_)) => {
                counts.failed.add(1);
                Err(error)
            }
        }
    }
}
