//! Starts attempts that are recorded, hears what they say, stops them, and
//! finds them again after a restart.

use std::sync::Arc;

use serde_json::Value;

use super::{ROWS_MAX, StepError, Steps, unless_refused};
use crate::domain::catalog::Catalog;
use crate::domain::id::JobId;
use crate::domain::job::{Ending, Job};
use crate::runner::{AttemptRef, Launch, Probe, Recall, Report};
use crate::state::{AttemptRow, Event, ResourceState, show_job, show_state};

/// What is left to do for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It goes on: hear what it says.
    Hear(AttemptRef),
    /// Nothing.
    Over,
}

impl Steps {
    /// Starts an attempt that is recorded.
    ///
    /// # Errors
    /// What came of it cannot be recorded.
    pub async fn start(&self, launch: Launch) -> Result<Next, StepError> {
        let attempt = launch.attempt;
        match self.runner.start(launch).await {
            Ok(()) => self.started(attempt).await,
            Err(error) => self.hear(attempt, Report::Ended(Ending::failed_to_start(error.detail))).await,
        }
    }

    /// Records that an attempt exists; stops it if its job was cancelled meanwhile.
    async fn started(&self, attempt: AttemptRef) -> Result<Next, StepError> {
        let Some((job, _)) = self.state().job(attempt.job).await? else { return Ok(Next::Over) };
        let event = Event::Started { job: job.id, token: attempt.token };
        let recorded = unless_refused(self.state().happen(&job.resource, event).await)?;
        if recorded.is_none() {
            self.stop_if_wanted(attempt).await?;
        }
        Ok(Next::Hear(attempt))
    }

    async fn stop_if_wanted(&self, attempt: AttemptRef) -> Result<(), StepError> {
        if let Some((job, _)) = self.state().job(attempt.job).await?
            && job.phase.is_stopping()
        {
            self.runner.stop(attempt).await;
        }
        Ok(())
    }

    /// Records what an attempt says. A report of an attempt that is no longer
    /// the current one changes nothing.
    ///
    /// # Errors
    /// It cannot be recorded.
    pub async fn hear(&self, attempt: AttemptRef, report: Report) -> Result<Next, StepError> {
        let Some((job, _)) = self.state().job(attempt.job).await? else { return Ok(Next::Over) };
        let (event, next) = match report {
            Report::Progress { fraction, message } => {
                (Event::Progressed { job: job.id, token: attempt.token, fraction, message }, Next::Hear(attempt))
            }
            Report::Accepted(remote) => {
                let event = Event::Accepted { job: job.id, token: attempt.token, remote };
                unless_refused(self.state().happen(&job.resource, event).await)?;
                return self.recall(job.id).await;
            }
            Report::Ended(ending) => {
                (Event::Ended { job: job.id, token: attempt.token, ending: Box::new(ending) }, Next::Over)
            }
        };
        unless_refused(self.state().happen(&job.resource, event).await)?;
        Ok(next)
    }

    /// Asks those outside who do the work of an attempt to stop, if that is what
    /// is recorded, and records what came of it. Who does it reports by himself
    /// otherwise.
    async fn recall(&self, job: JobId) -> Result<Next, StepError> {
        let Some((job, _)) = self.state().job(job).await? else { return Ok(Next::Over) };
        let (Some(asked), Some(attempt)) = (job.recalled_at(), attempt_of(&job)) else { return Ok(Next::Over) };
        let location = job.current().and_then(|attempt| attempt.remote.as_ref()?.location.clone());
        let newest = self.state();
        let state = newest.resource_state(&job.resource, Some(job.id)).await?;
        let launch = launch_of(&state, job.id, newest.catalog());
        let ending = self.runner.recall(Recall { attempt, location, asked, launch }).await;
        let event = Event::Ended { job: job.id, token: attempt.token, ending: Box::new(ending) };
        unless_refused(self.state().happen(&job.resource, event).await)?;
        Ok(Next::Over)
    }

    /// What the next report of an attempt is.
    pub async fn next_report(&self, attempt: AttemptRef) -> Report {
        self.runner.next_report(attempt).await
    }

    /// Whether an attempt goes on when this process ends.
    #[must_use]
    pub fn outlives(&self, attempt: AttemptRef) -> bool {
        self.runner.outlives(attempt)
    }

    /// Ends what cannot outlive this process; what it reports is still to be heard.
    pub async fn close(&self) {
        self.runner.close().await;
    }

    /// Every attempt that may exist in the world and is looked after here. Who
    /// does the work of others outside reports by himself, until he is to stop
    /// or is given up.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn attempts(&self) -> Result<Vec<AttemptRow>, StepError> {
        Ok(self.state().attempts_here(ROWS_MAX).await?)
    }

    /// Tells an attempt to stop, if that is what is recorded.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn stop(&self, row: &AttemptRow) -> Result<(), StepError> {
        if !row.phase.is_stopping() {
            return Ok(());
        }
        match self.state().job(row.job).await?.and_then(|(job, _)| attempt_of(&job)) {
            Some(attempt) => self.stop_if_wanted(attempt).await,
            None => Ok(()),
        }
    }

    /// Finds out what became of an attempt that nobody here looks after, and
    /// takes it up where it is.
    ///
    /// # Errors
    /// What came of it cannot be recorded.
    pub async fn adopt(&self, job: JobId) -> Result<Next, StepError> {
        let Some((job, _)) = self.state().job(job).await? else { return Ok(Next::Over) };
        let Some(attempt) = attempt_of(&job) else { return Ok(Next::Over) };
        if job.current().is_some_and(|attempt| attempt.remote.is_some()) {
            return self.recall(job.id).await;
        }
        let found = match job.is_start_recorded() {
            true => self.runner.probe(attempt).await,
            false => self.runner.probe_unrecorded(attempt).await,
        };
        match found {
            Probe::Running => {
                let next = self.started(attempt).await?;
                self.stop_if_wanted(attempt).await?;
                Ok(next)
            }
            Probe::Ended(ending) => self.hear(attempt, Report::Ended(ending)).await,
            Probe::NeverStarted => self.start_late(&job, attempt).await,
        }
    }

    /// Starts an attempt whose start was recorded before a restart and not made.
    async fn start_late(&self, job: &Job, attempt: AttemptRef) -> Result<Next, StepError> {
        let newest = self.state();
        let catalog = newest.catalog();
        if let Some(ending) = job.ending_unstarted(catalog) {
            return self.hear(attempt, Report::Ended(ending)).await;
        }
        let state = newest.resource_state(&job.resource, Some(job.id)).await?;
        match launch_of(&state, job.id, catalog) {
            Some(launch) => self.start(launch).await,
            // It changed meanwhile, and whoever changed it sees to it.
            None => Ok(Next::Over),
        }
    }
}

fn attempt_of(job: &Job) -> Option<AttemptRef> {
    let attempt = job.current()?;
    Some(AttemptRef { job: job.id, number: attempt.number, token: attempt.token, runner: attempt.runner })
}

/// All that is needed to start the current attempt of a job.
pub(super) fn launch_of(state: &ResourceState, job: JobId, catalog: &Catalog) -> Option<Launch> {
    let job = state.jobs.get(&job)?;
    let operation = catalog.operations.get(&job.operation)?;
    let shown = show_state(state, catalog);
    Some(Launch {
        attempt: attempt_of(job)?,
        operation: Arc::clone(operation),
        means: Arc::clone(&catalog.means),
        timeout: job.timeout(operation),
        job: serde_json::json!(show_job(job, catalog)),
        resource: serde_json::from_slice(&shown).unwrap_or(Value::Null),
    })
}
