//! The loops themselves, and the tasks that they wait for.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::attempts::Next;
use super::{
    CLOCK_LOOK, Dials, Housekeeping, InHand, PROGRESS_INTERVAL, RECORD_AGAIN, ROWS_MAX, SWEEP, StepError, Steps,
    UNHEARD, unless_refused,
};
use crate::domain::id::JobId;
use crate::runner::{AttemptRef, Report, Runner};
use crate::state::{Claim, Claims, Event, State};

/// How long attempts that are being started have at shutdown to get recorded
/// as started. One that does not is found and finished at the next start.
const DRAIN: Duration = Duration::from_secs(5);

/// How many resources one pass of a sweep looks at before it lets others go first.
const SWEEP_CHUNK: usize = 500;

/// How many answers one sweep forgets at most: some three thousand a second,
/// more than are remembered, and no sweep goes on without an end.
const FORGOTTEN_MAX: usize = 100_000;

/// What the engine is allowed.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Attempts at once in this process.
    pub running: usize,
    /// When the house is kept, and for how long what is in it.
    pub housekeeping: Housekeeping,
}

/// Finds what is to be done and does it, until told to stop.
#[derive(Debug)]
pub struct Engine {
    pub(super) steps: Steps,
    pub(super) housekeeping: Housekeeping,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Told when also those attempts are over that cannot outlive the process.
    closed: CancellationToken,
}

impl Engine {
    /// An engine over this state, with that runner.
    #[must_use]
    pub fn new(state: State, runner: Arc<dyn Runner>, config: EngineConfig) -> Self {
        let steps = Steps::with(state, runner, Dials::new(config.running, config.housekeeping.kept));
        let housekeeping = config.housekeeping;
        let (stop, closed) = (CancellationToken::new(), CancellationToken::new());
        Self { steps, housekeeping, tasks: TaskTracker::new(), stop, closed }
    }

    /// What of it can be set while it runs.
    #[must_use]
    pub fn dials(&self) -> Dials {
        self.steps.dials.clone()
    }

    /// Runs until `shutdown`, then lets go of all attempts that outlive the
    /// process, and hears the others until their end.
    ///
    /// # Errors
    /// A loop died, or the store failed: the service cannot do its work any more.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), StepError> {
        let engine = Arc::new(self);
        // Before anything is claimed, so that what runs already counts.
        engine.attempts_pass().await?;
        let mut loops = JoinSet::new();
        engine.spawn_loops(&mut loops);
        let alarms = engine.keep_house(&mut loops).await?;
        let mut shutdown = pin!(shutdown);
        let result = tokio::select! {
            () = &mut shutdown => Ok(()),
            Some(ended) = loops.join_next() => match ended {
                Ok(result) => result,
                Err(died) => Err(StepError::Store(Box::new(died))),
            },
        };
        engine.stop.cancel();
        // First of all, so that nothing more is claimed.
        loops.shutdown().await;
        engine.tasks.close();
        engine.steps.close().await;
        engine.closed.cancel();
        if tokio::time::timeout(DRAIN, engine.tasks.wait()).await.is_err() {
            warn!("some attempts were still being started; they are looked for at the next start");
        }
        alarms.stop().await;
        result
    }

    #[expect(clippy::disallowed_methods, reason = "the engine is the one place that spawns")]
    fn spawn_loops(self: &Arc<Self>, loops: &mut JoinSet<Result<(), StepError>>) {
        let engine = Arc::clone(self);
        loops.spawn(async move { engine.dispatch().await });
        let engine = Arc::clone(self);
        loops.spawn(async move { engine.look_after_attempts().await });
        let engine = Arc::clone(self);
        loops.spawn(async move { engine.keep_time().await });
        let engine = Arc::clone(self);
        loops.spawn(async move { engine.sweep().await });
        let engine = Arc::clone(self);
        loops.spawn(async move { engine.announce().await });
        let engine = Arc::clone(self);
        loops.spawn(async move { engine.heed_declarations().await });
    }

    /// Tells those who watch what was committed.
    async fn announce(self: Arc<Self>) -> Result<(), StepError> {
        let mut commits = self.steps.base.store().committed();
        loop {
            // Marked before reading: a commit meanwhile is one more look.
            commits.borrow_and_update();
            while self.steps.base.deal().await? {}
            if commits.changed().await.is_err() {
                // The store has stopped, and others say so.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Claims what may be claimed, whenever there is something.
    async fn dispatch(self: Arc<Self>) -> Result<(), StepError> {
        loop {
            // Bound before looking, so that a bell between the two is heard.
            let bell = self.steps.base.hints().queue.notified();
            let Claims { claims, again } = self.steps.claimable().await?;
            for claim in claims {
                if let Some(in_hand) = self.steps.take(claim.job) {
                    self.spawn_claim(claim, in_hand);
                }
            }
            let wait = again.map_or(SWEEP, |at| at.since(self.steps.base.clock().now()).min(SWEEP));
            self.wait(bell, wait).await;
        }
    }

    fn spawn_claim(self: &Arc<Self>, claim: Claim, in_hand: InHand) {
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            let job = claim.job;
            if let Err(error) = engine.work(&claim).await {
                error!(%job, error = &error as &dyn std::error::Error, "the job is left for the next look");
            }
            drop(in_hand);
        });
    }

    /// One attempt from its claim to its end.
    async fn work(&self, claim: &Claim) -> Result<(), StepError> {
        let launch = match self.steps.claim(claim).await {
            Ok(Some(launch)) => launch,
            Ok(None) => return Ok(()),
            // In hand meanwhile: giving it back rings the bell for the next try.
            Err(StepError::Later(why)) => {
                self.later(claim.job, &why).await;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        info!(job = %claim.job, resource = %claim.resource, attempt = launch.attempt.number, "starting");
        match self.steps.start(launch).await {
            Ok(next) => self.follow(next).await,
            // It was started, or could not be, and neither is recorded: as after a restart.
            Err(StepError::Later(why)) => {
                self.later(claim.job, &why).await;
                self.adopt(claim.job).await
            }
            Err(error) => Err(error),
        }
    }

    /// Takes an attempt up where it is, for as long as that takes. It stays in
    /// hand meanwhile, so that it counts as one that may be running.
    async fn adopt(&self, job: JobId) -> Result<(), StepError> {
        while !self.stop.is_cancelled() {
            match self.steps.adopt(job).await {
                Ok(next) => return self.follow(next).await,
                Err(StepError::Later(why)) => self.later(job, &why).await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits before something is recorded again, but not beyond the end.
    async fn later(&self, job: JobId, why: &str) {
        warn!(%job, why, "recorded again later");
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.sleep(RECORD_AGAIN) => {}
        }
    }

    /// Hears an attempt until its end, and commits progress at most once a [`PROGRESS_INTERVAL`].
    async fn follow(&self, next: Next) -> Result<(), StepError> {
        let Next::Hear(attempt) = next else { return Ok(()) };
        let mut latest = None;
        let mut pause = None;
        loop {
            tokio::select! {
                biased;
                () = self.let_go(attempt) => return Ok(()),
                () = over(&mut pause) => pause = None,
                report = self.steps.next_report(attempt) => match report {
                    Report::Progress { .. } => latest = Some(report),
                    Report::Accepted(_) | Report::Ended(_) => return self.record(attempt, report).await,
                },
                // Last, so that an end that was just told is recorded.
                () = self.closed.cancelled() => return Ok(()),
            }
            if pause.is_none()
                && let Some(report) = latest.take()
            {
                self.record(attempt, report).await?;
                pause = Some(self.steps.base.clock().sleep(PROGRESS_INTERVAL));
            }
        }
    }

    /// Records what an attempt says, for as long as it takes.
    async fn record(&self, attempt: AttemptRef, report: Report) -> Result<(), StepError> {
        loop {
            match self.steps.hear(attempt, report.clone()).await {
                Ok(Next::Over) => {
                    info!(job = %attempt.job, attempt = attempt.number, "ended");
                    return Ok(());
                }
                Ok(Next::Hear(_)) => return Ok(()),
                // The next start finds out anew.
                Err(StepError::Later(_)) if self.stop.is_cancelled() => return Ok(()),
                Err(StepError::Later(why)) => self.later(attempt.job, &why).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until an attempt can be left alone: at the end, if it goes on
    /// without this process.
    async fn let_go(&self, attempt: AttemptRef) {
        if self.steps.outlives(attempt) { self.stop.cancelled().await } else { std::future::pending().await }
    }

    /// Stops what is to be stopped, and takes up what nobody looks after.
    async fn look_after_attempts(self: Arc<Self>) -> Result<(), StepError> {
        loop {
            let bell = self.steps.base.hints().attempts.notified();
            self.attempts_pass().await?;
            self.wait(bell, SWEEP).await;
        }
    }

    async fn attempts_pass(self: &Arc<Self>) -> Result<(), StepError> {
        for row in self.steps.attempts().await? {
            let Some(in_hand) = self.steps.take(row.job) else {
                self.steps.stop(&row).await?;
                continue;
            };
            let engine = Arc::clone(self);
            self.tasks.spawn(async move {
                if let Err(error) = engine.adopt(row.job).await {
                    error!(job = %row.job, error = &error as &dyn std::error::Error, "the job is left for the next look");
                }
                drop(in_hand);
            });
        }
        Ok(())
    }

    /// Looks at each resource again when it is due.
    async fn keep_time(self: Arc<Self>) -> Result<(), StepError> {
        let mut set_back = 0;
        loop {
            let bell = self.steps.base.hints().timers.notified();
            let wait = self.steps.due().await?.map_or(CLOCK_LOOK, |wait| wait.min(CLOCK_LOOK));
            self.steps.base.settle_doubts().await;
            let seen = self.steps.base.set_back();
            if seen != set_back {
                set_back = seen;
                self.steps.look_at_waiting().await?;
            }
            self.wait(bell, wait).await;
        }
    }

    /// Looks at each unsettled resource again, whether or not anybody was
    /// woken; at the start and whenever something else is declared first of all.
    async fn sweep(self: Arc<Self>) -> Result<(), StepError> {
        loop {
            // Bound before looking, so that a bell between the two is heard.
            let unsettled = &self.steps.base.hints().unsettled;
            let mut bell = pin!(unsettled.notified());
            // What was declared before this look is seen by it.
            if bell.as_mut().enable() {
                bell.set(unsettled.notified());
            }
            self.steps.sweep().await?;
            self.steps.forget_unheard().await?;
            self.steps.bound_log(&self.steps.dials.kept()).await?;
            self.steps.forget_answers().await?;
            self.wait(bell, SWEEP).await;
        }
    }

    /// Looks at what is stored under other declarations than these: at the
    /// start, and whenever there are others.
    async fn heed_declarations(self: Arc<Self>) -> Result<(), StepError> {
        loop {
            let bell = self.steps.base.hints().declarations.notified();
            self.steps.heed_declarations().await?;
            bell.await;
        }
    }

    async fn wait(&self, bell: impl Future<Output = ()>, at_most: Duration) {
        tokio::select! {
            () = bell => {}
            () = self.sleep(at_most) => {}
        }
    }

    async fn sleep(&self, duration: Duration) {
        self.steps.base.clock().sleep(duration).await;
    }
}

/// Waits until a pause is over; for ever where there is none.
async fn over(pause: &mut Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>>) {
    match pause {
        Some(pause) => pause.await,
        None => std::future::pending().await,
    }
}

impl Steps {
    /// Looks again at every resource that is not settled.
    ///
    /// # Errors
    /// The store failed.
    pub async fn sweep(&self) -> Result<(), StepError> {
        let mut after = None;
        loop {
            let keys = self.base.unsettled(after.as_ref(), SWEEP_CHUNK.min(ROWS_MAX)).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = Some(last.clone());
            for key in &keys {
                self.look(key).await?;
            }
        }
    }

    /// Forgets the jobs that were to leave no record and that nobody heard the
    /// end of: who asked for them, or the service itself, went away.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_unheard(&self) -> Result<(), StepError> {
        let now = self.base.clock().now();
        for (id, resource) in self.base.unkept(ROWS_MAX).await? {
            let Some((job, _)) = self.base.job(id).await? else { continue };
            if job.finished.is_none_or(|at| now < at.after(UNHEARD)) {
                continue;
            }
            // The record goes last: while it is there, the rest is found again.
            if let Err(error) = self.runner.forget(id).await {
                warn!(job = %id, error = &error as &dyn std::error::Error, "something is left of a job");
                continue;
            }
            match unless_refused(self.state().happen(&resource, Event::Forgotten { job: id }).await) {
                Ok(_) | Err(StepError::Later(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Forgets answers to idempotency keys that have expired, at most
    /// [`FORGOTTEN_MAX`] of them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_answers(&self) -> Result<(), StepError> {
        for _ in 0..FORGOTTEN_MAX / SWEEP_CHUNK {
            if self.base.forget_expired(SWEEP_CHUNK).await? < SWEEP_CHUNK {
                break;
            }
        }
        Ok(())
    }

    pub(super) async fn look(&self, key: &crate::domain::id::ResourceKey) -> Result<(), StepError> {
        match unless_refused(self.state().happen(key, Event::Looked).await) {
            Ok(_) | Err(StepError::Later(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
