//! What this process decided of ticks, counted where it is committed.

use std::collections::BTreeMap;

use crate::domain::tick::SkipReason;
use crate::metrics::{Counter, Histogram, Metrics, WORK};
use crate::reconcile::{Observed, ResourceState};

/// How many ticks had which outcome, and how late those were that launched a job.
#[derive(Debug, Clone)]
pub(super) struct TickCounts {
    launched: Counter,
    skipped: BTreeMap<SkipReason, Counter>,
    lag: Histogram,
}

impl TickCounts {
    /// Registers what is counted.
    pub(super) fn of(metrics: &Metrics) -> Self {
        let ticks = |outcome, reason| {
            let help = "Ticks of schedules, by what became of them.";
            metrics.counter("heeler_ticks_total", help, &[("outcome", outcome), ("reason", reason)])
        };
        Self {
            launched: ticks("launched", ""),
            skipped: SkipReason::ALL.into_iter().map(|reason| (reason, ticks("skipped", reason.as_str()))).collect(),
            lag: metrics.histogram(
                "heeler_tick_lag_seconds",
                "How long after their ticks jobs were made, jitter included.",
                &[],
                WORK,
            ),
        }
    }

    /// Counts what a commit decided.
    pub(super) fn count(&self, before: &ResourceState, after: &ResourceState) {
        if after.ledger.is_empty() {
            return;
        }
        let (old, new) = (totals(before), totals(after));
        for (reason, counter) in &self.skipped {
            let [before, after] = [&old, &new].map(|totals| totals.get(reason).copied().unwrap_or_default());
            counter.add(after.saturating_sub(before));
        }
        for job in after.jobs.values().filter(|job| !before.jobs.contains_key(&job.id)) {
            if let Some(tick) = job.trigger.scheduled_for {
                self.launched.add(1);
                self.lag.observe(job.created.since(tick).as_secs_f64());
            }
        }
    }
}

fn totals(state: &ResourceState) -> BTreeMap<SkipReason, u64> {
    let mut totals = BTreeMap::new();
    for (_, scheduled) in state.observed.iter().flat_map(Observed::schedules) {
        for (reason, count) in &scheduled.skipped {
            *totals.entry(*reason).or_default() += count;
        }
    }
    totals
}
