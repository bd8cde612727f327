//! What became of jobs and attempts in this process, counted where it is
//! committed; and what waits, counted when somebody asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{COUNTED_MAX, State, StateError, keys};
use crate::domain::id::{JobId, OperationName};
use crate::domain::job::{AttemptOutcome, Job, JobPhase, TriggerKind};
use crate::domain::time::Timestamp;
use crate::metrics::{Counter, Gauge, Histogram, Metrics, Present, WORK};
use crate::reconcile::ResourceState;
use crate::store::Order;

/// How long what waits counts as counted: whoever asks more often is told the
/// same again, so that no scraper can make the store work.
pub const WAITING_KEPT: Duration = Duration::from_secs(5);

/// What counts for jobs whose operation is no longer declared: no operation
/// has this name.
const UNDECLARED: &str = "?";

/// How many jobs are read at once to be counted: each can be a megabyte.
const CHUNK: usize = 100;

/// What is counted of jobs.
#[derive(Debug)]
pub(super) struct JobCounts {
    operations: BTreeMap<OperationName, OfOperation>,
    undeclared: OfOperation,
    /// When what waits was counted.
    waiting: Mutex<Option<Instant>>,
}

/// What is counted of the jobs of one operation.
#[derive(Debug)]
struct OfOperation {
    created: [Counter; TriggerKind::ALL.len()],
    finished: [Counter; 4],
    started: Counter,
    attempts: [Counter; AttemptOutcome::ALL.len()],
    running: Present,
    waiting: Gauge,
    oldest: Gauge,
    wait: Histogram,
    run: Histogram,
}

const FINAL: [JobPhase; 4] = [JobPhase::Succeeded, JobPhase::Failed, JobPhase::Canceled, JobPhase::Lost];

impl OfOperation {
    fn of(metrics: &Metrics, operation: &str) -> Self {
        let of = [("operation", operation)];
        let created = TriggerKind::ALL.map(|kind| {
            let help = "Jobs that were made, by what triggered them.";
            metrics.counter("heeler_jobs_created_total", help, &[of[0], ("trigger", kind.as_str())])
        });
        let finished = FINAL.map(|phase| {
            let help = "Jobs that became final, by how.";
            metrics.counter("heeler_jobs_finished_total", help, &[of[0], ("outcome", phase.as_str())])
        });
        let attempts = AttemptOutcome::ALL.map(|outcome| {
            let help = "Attempts that ended, by how.";
            metrics.counter("heeler_attempts_finished_total", help, &[of[0], ("outcome", outcome.as_str())])
        });
        Self {
            created,
            finished,
            started: metrics.counter(
                "heeler_attempts_started_total",
                "Attempts that were recorded to be started.",
                &of,
            ),
            attempts,
            running: metrics.present("heeler_jobs_running", "Jobs of which an attempt may exist in the world.", &of),
            waiting: metrics.gauge(
                "heeler_jobs_waiting",
                "Jobs that may be claimed; 10000 stands for that many or more. Counted at most every 5 s.",
                &of,
            ),
            oldest: metrics.gauge(
                "heeler_jobs_waiting_oldest_seconds",
                "For how long the oldest of them may have been claimed; 0 if there is none.",
                &of,
            ),
            wait: metrics.histogram(
                "heeler_job_wait_seconds",
                "From the making of a job to its first attempt.",
                &of,
                WORK,
            ),
            run: metrics.histogram("heeler_attempt_duration_seconds", "How long attempts took.", &of, WORK),
        }
    }

    fn count(&self, before: Option<&Job>, after: &Job) {
        if before.is_none() {
            self.created[index(&TriggerKind::ALL, after.trigger.kind)].add(1);
        }
        let known = before.map_or(0, |before| before.attempts.len());
        let open = before.is_some_and(|before| before.current().is_some());
        for (number, attempt) in after.attempts.iter().enumerate().skip(known.saturating_sub(usize::from(open))) {
            if number >= known {
                self.started.add(1);
                self.running.come(1);
            }
            if number == 0 && known == 0 {
                self.wait.took(attempt.started.since(after.created));
            }
            if let Some(outcome) = attempt.outcome {
                self.attempts[index(&AttemptOutcome::ALL, outcome)].add(1);
                self.running.gone(1);
                self.run.took(attempt.finished.unwrap_or(attempt.started).since(attempt.started));
            }
        }
        if after.phase.is_final() && before.is_none_or(|before| !before.phase.is_final()) {
            self.finished[index(&FINAL, after.phase)].add(1);
        }
    }
}

/// Where something stands among all of its kind.
fn index<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter().position(|other| *other == one).unwrap_or_default()
}

impl JobCounts {
    /// Registers what is counted.
    pub(super) fn of<'n>(metrics: &Metrics, operations: impl Iterator<Item = &'n OperationName>) -> Self {
        let of = |name: &OperationName| (name.clone(), OfOperation::of(metrics, name.as_str()));
        let operations = operations.map(of).collect();
        Self { operations, undeclared: OfOperation::of(metrics, UNDECLARED), waiting: Mutex::default() }
    }

    /// The same with further operations. Those that are no longer declared stay:
    /// jobs of them may be there, and what was counted is not forgotten.
    pub(super) fn with<'n>(&'n self, metrics: &Metrics, further: impl Iterator<Item = &'n OperationName>) -> Self {
        Self::of(metrics, self.operations.keys().chain(further))
    }

    /// Notes that an attempt is now counted by the name of its operation, which
    /// was declared nowhere when the attempt was first seen.
    pub(super) fn counted_from_now(&self, operation: &OperationName) {
        self.undeclared.running.gone(1);
        self.counts(operation).running.come(1);
    }

    /// Counts what a commit decided.
    pub(super) fn count(&self, before: &ResourceState, after: &ResourceState) {
        for job in after.jobs.values() {
            let known = before.jobs.get(&job.id);
            if known != Some(job) {
                self.counts(&job.operation).count(known, job);
            }
        }
    }

    fn counts(&self, operation: &OperationName) -> &OfOperation {
        self.operations.get(operation).unwrap_or(&self.undeclared)
    }

    /// Whether what waits is to be counted now; whoever hears so is to do it.
    fn is_due(&self, now: Instant) -> bool {
        let mut counted = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let due = counted.is_none_or(|counted| now.saturating_duration_since(counted) >= WAITING_KEPT);
        if due {
            *counted = Some(now);
        }
        due
    }
}

impl State {
    /// Counts the attempts that may exist from before this process began, once,
    /// before anything else happens: those that come and go are counted after.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn count_running(&self) -> Result<(), StateError> {
        let attempts: Vec<JobId> = self.attempts(COUNTED_MAX).await?.into_iter().map(|row| row.job).collect();
        for chunk in attempts.chunks(CHUNK) {
            for (job, _) in self.jobs(chunk).await?.into_iter().flatten() {
                self.edition.jobs.counts(&job.operation).running.come(1);
            }
        }
        Ok(())
    }

    /// The operations of attempts, one for each, that were counted as those of
    /// no operation and will be by its name.
    pub(super) async fn running_uncounted(
        &self,
        before: &JobCounts,
        after: &JobCounts,
    ) -> Result<Vec<OperationName>, StateError> {
        let is_new = |operation: &OperationName| {
            after.operations.contains_key(operation) && !before.operations.contains_key(operation)
        };
        let mut found = Vec::new();
        if !after.operations.keys().any(is_new) {
            return Ok(found);
        }
        let attempts: Vec<JobId> = self.attempts(COUNTED_MAX).await?.into_iter().map(|row| row.job).collect();
        for chunk in attempts.chunks(CHUNK) {
            let jobs = self.jobs(chunk).await?.into_iter().flatten().map(|(job, _)| job.operation);
            found.extend(jobs.filter(is_new));
        }
        Ok(found)
    }

    /// Counts what waits for its start, unless that was done a moment ago: of
    /// each operation at most [`COUNTED_MAX`] rows of its index, which hold
    /// nothing but a name.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn count_waiting(&self) -> Result<(), StateError> {
        if !self.edition.jobs.is_due(self.clock().instant()) {
            return Ok(());
        }
        let now = self.clock().now();
        for (operation, counts) in &self.edition.jobs.operations {
            let (mut waiting, mut oldest): (usize, Option<Timestamp>) = (0, None);
            for range in [keys::queue_of(operation, None), keys::queues_of_keys(operation, None)] {
                let rows = self.store().scan(range, Order::Ascending, COUNTED_MAX).await?.rows;
                waiting = (waiting + rows.len()).min(COUNTED_MAX);
                oldest = rows.iter().filter_map(|(key, _)| keys::queued_since(key)).chain(oldest).min();
            }
            #[expect(clippy::cast_precision_loss, reason = "it is at most ten thousand")]
            counts.waiting.set(waiting as f64);
            counts.oldest.set(oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64()));
        }
        Ok(())
    }
}
