//! One runner that is many: each attempt goes to the one of its kind.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::{AttemptRef, Launch, Probe, Recall, Report, Runner, StartError};
use crate::domain::id::JobId;
use crate::domain::job::{AttemptOutcome, Ending};
use crate::domain::operation::RunnerKind;

/// The runners of a service, by what they run.
#[derive(Debug, Clone, Default)]
pub struct Runners(BTreeMap<RunnerKind, Arc<dyn Runner>>);

impl Runners {
    /// With another one, in the place of one of that kind.
    #[must_use]
    pub fn with(mut self, kind: RunnerKind, runner: Arc<dyn Runner>) -> Self {
        self.0.insert(kind, runner);
        self
    }

    fn of(&self, attempt: AttemptRef) -> Option<&Arc<dyn Runner>> {
        self.0.get(&attempt.runner)
    }
}

/// What nobody here can say anything of.
fn lost(attempt: AttemptRef) -> Ending {
    let detail = format!("nothing in this service runs what is `{}`, so nobody knows", attempt.runner.as_str());
    Ending { detail: Some(detail), ..Ending::new(AttemptOutcome::Lost) }
}

#[async_trait]
impl Runner for Runners {
    async fn start(&self, launch: Launch) -> Result<(), StartError> {
        match self.of(launch.attempt) {
            Some(runner) => runner.start(launch).await,
            None => {
                let kind = launch.attempt.runner.as_str();
                Err(StartError { detail: format!("nothing in this service runs what is `{kind}`") })
            }
        }
    }

    async fn probe(&self, attempt: AttemptRef) -> Probe {
        match self.of(attempt) {
            Some(runner) => runner.probe(attempt).await,
            None => Probe::Ended(lost(attempt)),
        }
    }

    async fn probe_unrecorded(&self, attempt: AttemptRef) -> Probe {
        match self.of(attempt) {
            Some(runner) => runner.probe_unrecorded(attempt).await,
            None => Probe::Ended(lost(attempt)),
        }
    }

    async fn next_report(&self, attempt: AttemptRef) -> Report {
        match self.of(attempt) {
            Some(runner) => runner.next_report(attempt).await,
            None => Report::Ended(lost(attempt)),
        }
    }

    async fn stop(&self, attempt: AttemptRef) {
        if let Some(runner) = self.of(attempt) {
            runner.stop(attempt).await;
        }
    }

    async fn recall(&self, recall: Recall) -> Ending {
        match self.of(recall.attempt) {
            Some(runner) => runner.recall(recall).await,
            None => lost(recall.attempt),
        }
    }

    async fn forget(&self, job: JobId) -> io::Result<()> {
        for runner in self.0.values() {
            runner.forget(job).await?;
        }
        Ok(())
    }

    fn outlives(&self, attempt: AttemptRef) -> bool {
        self.of(attempt).is_none_or(|runner| runner.outlives(attempt))
    }

    async fn close(&self) {
        join_all(self.0.values().map(|runner| runner.close())).await;
    }
}
