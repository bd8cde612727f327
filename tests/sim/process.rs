//! One process of the service: its memory, its loops as single passes, and its
//! death between any two lines.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::task::noop_waker;
use heeler::api::{Api, AttemptLogs};
use heeler::domain::id::JobId;
use heeler::domain::patch::PatchLimits;
use heeler::domain::retention::Retention;
use heeler::domain::time::Timestamp;
use heeler::engine::{InHand, Next, RECORD_AGAIN, StepError, Steps};
use heeler::runner::{AttemptRef, Report};
use heeler::state::Claim;
use heeler::state::State;

use crate::oracle::Oracle;
use crate::store::SimStore;
use crate::world::lock;

/// What a task is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Duty {
    Client,
    Attempt,
    Pass(Pass),
}

/// One round of a loop of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pass {
    Attempts,
    Dispatch,
    Due,
    Sweep,
    /// A part of the housekeeping: it has no bell, and no place among the others.
    House,
}

/// For how long jobs are kept: not for long.
const KEPT: Retention = Retention {
    succeeded: Duration::from_secs(1),
    failed: Duration::from_secs(5),
    per_activity: 1,
    ticks: Duration::from_secs(10),
    log: Duration::from_secs(10),
};

/// How much a part of the housekeeping looks at: so little that there are several.
const ROWS: usize = 3;

pub(crate) const PASSES: [Pass; 4] = [Pass::Attempts, Pass::Dispatch, Pass::Due, Pass::Sweep];

/// Something that is under way.
pub(crate) struct Task {
    pub(crate) number: u64,
    pub(crate) duty: Duty,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

#[derive(Debug)]
struct NoLogs;

impl AttemptLogs for NoLogs {
    fn open(&self, _: JobId, _: u32) -> Option<(u64, std::fs::File)> {
        None
    }

    fn forget(&self, _: JobId) -> std::io::Result<()> {
        Ok(())
    }
}

type Spawned = Arc<Mutex<Vec<(Duty, Pin<Box<dyn Future<Output = ()> + Send>>)>>>;

/// A process, from its start to its death, which is to be dropped.
pub(crate) struct Process {
    pub(crate) state: State,
    pub(crate) api: Api,
    pub(crate) steps: Steps,
    pub(crate) store: Arc<SimStore>,
    pub(crate) number: u64,
    pub(crate) tasks: Vec<Task>,
    oracle: Arc<Mutex<Oracle>>,
    spawned: Spawned,
    /// The attempts that were found at the start are in hand, so others may be claimed.
    ready: Arc<AtomicBool>,
    /// How often the clock was set back when all that waits was looked at last.
    set_back: Arc<AtomicU64>,
    /// When a rate lets another attempt start.
    again: Arc<Mutex<Option<Timestamp>>>,
}

impl Process {
    pub(crate) fn new(
        state: State,
        steps: Steps,
        store: Arc<SimStore>,
        number: u64,
        oracle: Arc<Mutex<Oracle>>,
    ) -> Self {
        let api = Api::new(state.clone(), Arc::new(NoLogs), PatchLimits::default());
        Self {
            state,
            api,
            steps,
            store,
            number,
            tasks: Vec::new(),
            oracle,
            spawned: Arc::default(),
            ready: Arc::default(),
            set_back: Arc::default(),
            again: Arc::default(),
        }
    }

    pub(crate) fn spawn(&self, duty: Duty, future: impl Future<Output = ()> + Send + 'static) {
        lock(&self.spawned).push((duty, Box::pin(future)));
    }

    /// Takes up what was spawned.
    pub(crate) fn settle_in(&mut self, next_number: &mut u64) {
        for (duty, future) in std::mem::take(&mut *lock(&self.spawned)) {
            *next_number += 1;
            self.tasks.push(Task { number: *next_number, duty, future });
        }
    }

    /// Lets one task go on to its next point of waiting.
    pub(crate) fn poll(&mut self, index: usize) {
        let waker = noop_waker();
        let done = self.tasks[index].future.as_mut().poll(&mut Context::from_waker(&waker));
        if done == Poll::Ready(()) {
            self.tasks.remove(index);
        }
    }

    /// Whether a pass may begin: each loop takes one round at a time, and none
    /// claims before the first look at the attempts.
    pub(crate) fn may(&self, pass: Pass) -> bool {
        let busy = self.tasks.iter().any(|task| task.duty == Duty::Pass(pass));
        !busy && (pass == Pass::Attempts || self.ready.load(Ordering::Relaxed))
    }

    /// Whether its bell rang; hearing it stops it.
    pub(crate) fn hears(&self, pass: Pass) -> bool {
        let hints = self.state.hints();
        match pass {
            Pass::Attempts => hints.attempts.notified().now_or_never().is_some(),
            Pass::Dispatch => {
                let again = lock(&self.again).is_some_and(|at| at <= self.state.clock().now());
                hints.queue.notified().now_or_never().is_some() || again
            }
            Pass::Due => hints.timers.notified().now_or_never().is_some(),
            Pass::Sweep | Pass::House => false,
        }
    }

    pub(crate) fn begin(&self, pass: Pass) {
        let hand = Hand { steps: self.steps.clone(), state: self.state.clone(), spawned: Arc::clone(&self.spawned) };
        let hand = Worker { hand, oracle: Arc::clone(&self.oracle), store: Arc::clone(&self.store) };
        let ready = Arc::clone(&self.ready);
        let set_back = Arc::clone(&self.set_back);
        let again = Arc::clone(&self.again);
        self.spawn(Duty::Pass(pass), async move {
            let result = match pass {
                Pass::Attempts => {
                    let result = hand.attempts_pass().await;
                    ready.store(result.is_ok(), Ordering::Relaxed);
                    result
                }
                Pass::Dispatch => hand.dispatch_pass(&again).await,
                Pass::Due => hand.due_pass(&set_back).await,
                Pass::Sweep => match hand.hand.steps.sweep().await {
                    Ok(()) => hand.hand.steps.forget_answers().await,
                    failed => failed,
                },
                Pass::House => match hand.hand.steps.retain_some(&KEPT, ROWS).await {
                    Ok(_) => hand.hand.steps.sweep_some(ROWS).await.map(drop),
                    Err(failed) => Err(failed),
                },
            };
            hand.judge(result);
        });
    }

    /// A report arrives once more, or much too late.
    pub(crate) fn hear_again(&self, attempt: AttemptRef, report: Report) {
        let hand = Hand { steps: self.steps.clone(), state: self.state.clone(), spawned: Arc::clone(&self.spawned) };
        let hand = Worker { hand, oracle: Arc::clone(&self.oracle), store: Arc::clone(&self.store) };
        self.spawn(Duty::Attempt, async move {
            let result = hand.hand.steps.hear(attempt, report).await.map(drop);
            hand.judge(result);
        });
    }
}

#[derive(Clone)]
struct Hand {
    steps: Steps,
    state: State,
    spawned: Spawned,
}

/// What a task of the engine holds.
#[derive(Clone)]
struct Worker {
    hand: Hand,
    oracle: Arc<Mutex<Oracle>>,
    store: Arc<SimStore>,
}

impl Worker {
    /// A step fails only for now, or because the store has stopped.
    fn judge(&self, result: Result<(), StepError>) {
        match result {
            Ok(()) => {}
            Err(StepError::Later(_)) => lock(&self.oracle).count("steps left for later"),
            Err(StepError::Store(_)) if self.store.has_stopped() => lock(&self.oracle).count("steps that met the end"),
            Err(StepError::Store(error) | StepError::Backup(error) | StepError::Housekeeping(error)) => {
                lock(&self.oracle).say(format!("a step failed: {error:?}"))
            }
        }
    }

    fn spawn(&self, work: impl Future<Output = Result<(), StepError>> + Send + 'static, in_hand: InHand) {
        let worker = self.clone();
        let task = async move {
            let result = work.await;
            worker.judge(result);
            drop(in_hand);
        };
        lock(&self.hand.spawned).push((Duty::Attempt, Box::pin(task)));
    }

    async fn due_pass(&self, set_back: &AtomicU64) -> Result<(), StepError> {
        self.hand.steps.due().await?;
        let seen = self.hand.state.set_back();
        if seen != set_back.swap(seen, Ordering::Relaxed) {
            lock(&self.oracle).count("looks at all that waits");
            self.hand.steps.look_at_waiting().await?;
        }
        Ok(())
    }

    async fn dispatch_pass(&self, again: &Mutex<Option<Timestamp>>) -> Result<(), StepError> {
        let found = self.hand.steps.claimable().await?;
        *lock(again) = found.again;
        for claim in found.claims {
            if let Some(in_hand) = self.hand.steps.take(claim.job) {
                let worker = self.clone();
                self.spawn(async move { worker.work(claim).await }, in_hand);
            }
        }
        Ok(())
    }

    async fn attempts_pass(&self) -> Result<(), StepError> {
        for row in self.hand.steps.attempts().await? {
            let Some(in_hand) = self.hand.steps.take(row.job) else {
                self.hand.steps.stop(&row).await?;
                continue;
            };
            let worker = self.clone();
            self.spawn(async move { worker.adopt(row.job).await }, in_hand);
        }
        Ok(())
    }

    /// One attempt from its claim to its end.
    async fn work(&self, claim: Claim) -> Result<(), StepError> {
        let Some(launch) = self.hand.steps.claim(&claim).await? else { return Ok(()) };
        match self.hand.steps.start(launch).await {
            Ok(next) => self.follow(next).await,
            Err(StepError::Later(_)) => self.adopt(claim.job).await,
            Err(error) => Err(error),
        }
    }

    async fn adopt(&self, job: JobId) -> Result<(), StepError> {
        loop {
            match self.hand.steps.adopt(job).await {
                Ok(next) => return self.follow(next).await,
                Err(StepError::Later(_)) => self.later().await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn later(&self) {
        lock(&self.oracle).count("steps left for later");
        self.hand.state.clock().sleep(RECORD_AGAIN).await;
    }

    async fn follow(&self, next: Next) -> Result<(), StepError> {
        let Next::Hear(attempt) = next else { return Ok(()) };
        loop {
            let report = self.hand.steps.next_report(attempt).await;
            let ended = matches!(report, Report::Ended(_));
            self.record(attempt, report).await?;
            if ended {
                return Ok(());
            }
        }
    }

    async fn record(&self, attempt: AttemptRef, report: Report) -> Result<(), StepError> {
        loop {
            match self.hand.steps.hear(attempt, report.clone()).await {
                Err(StepError::Later(_)) => self.later().await,
                done => return done.map(drop),
            }
        }
    }
}
