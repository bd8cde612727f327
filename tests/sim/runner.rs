//! The world of attempts, which outlives the service, and a runner that acts in it.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use heeler::domain::id::{JobId, OperationName};
use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::domain::limit::LimitKey;
use heeler::runner::{AttemptRef, Launch, Probe, Report, Runner, StartError};

use crate::oracle::Oracle;
use crate::planted::Planted;
use crate::store::Disk;
use crate::world::{Dice, lock, turn};

/// One attempt in the world.
#[derive(Debug)]
pub(crate) struct Lived {
    pub(crate) attempt: AttemptRef,
    pub(crate) operation: OperationName,
    /// What it is counted by.
    pub(crate) limit_key: Option<LimitKey>,
    pub(crate) life: Life,
    said: VecDeque<Report>,
}

/// Where an attempt in the world stands.
#[derive(Debug, PartialEq)]
pub(crate) enum Life {
    /// It goes on.
    Live,
    /// It was told to stop, and has not.
    Stopping,
    /// It is over.
    Over(Ending),
}

impl Life {
    pub(crate) fn goes_on(&self) -> bool {
        matches!(self, Self::Live | Self::Stopping)
    }
}

/// Every attempt that ever was.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) all: BTreeMap<(JobId, u32), Lived>,
}

/// What an attempt does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    Progress,
    Succeed,
    Fail,
    FailForGood,
    TimeOut,
    Vanish,
    Stop,
}

pub(crate) const DEEDS: [Deed; 9] = [
    Deed::Progress,
    Deed::Progress,
    Deed::Succeed,
    Deed::Succeed,
    Deed::Fail,
    Deed::FailForGood,
    Deed::TimeOut,
    Deed::Vanish,
    Deed::Stop,
];

impl Attempts {
    /// Those that go on.
    pub(crate) fn live(&self) -> Vec<(JobId, u32)> {
        self.all.iter().filter(|(_, lived)| lived.life.goes_on()).map(|(at, _)| *at).collect()
    }

    /// How many go on of an operation, of those that are counted by the same.
    pub(crate) fn live_of(&self, operation: &OperationName, key: Option<&LimitKey>) -> usize {
        let of = |lived: &&Lived| lived.operation == *operation && lived.limit_key.as_ref() == key;
        self.all.values().filter(|lived| lived.life.goes_on()).filter(of).count()
    }

    /// An attempt does something. One that is not told to stop does not stop.
    pub(crate) fn act(&mut self, at: (JobId, u32), deed: Deed) {
        let Some(lived) = self.all.get_mut(&at).filter(|lived| lived.life.goes_on()) else { return };
        let over = |outcome, exit_code, result| Life::Over(Ending { exit_code, result, ..Ending::new(outcome) });
        lived.life = match deed {
            Deed::Progress => {
                lived.said.push_back(Report::Progress { fraction: Some(0.5), message: Some("half way".to_owned()) });
                return;
            }
            Deed::Succeed => over(AttemptOutcome::Succeeded, Some(0), Some(serde_json::json!({"done": at.1}))),
            Deed::Fail => over(AttemptOutcome::Failed, Some(1), None),
            Deed::FailForGood => over(AttemptOutcome::Failed, Some(65), None),
            Deed::TimeOut => over(AttemptOutcome::TimedOut, None, None),
            Deed::Vanish => over(AttemptOutcome::Lost, None, None),
            Deed::Stop if lived.life == Life::Stopping => over(AttemptOutcome::Canceled, None, None),
            Deed::Stop => return,
        };
    }

    /// What an attempt says last, if it is over.
    pub(crate) fn ending(&self, at: (JobId, u32)) -> Option<&Ending> {
        match &self.all.get(&at)?.life {
            Life::Live | Life::Stopping => None,
            Life::Over(ending) => Some(ending),
        }
    }
}

/// The runner of one process.
#[derive(Debug)]
pub(crate) struct SimRunner {
    pub(crate) attempts: Arc<Mutex<Attempts>>,
    pub(crate) oracle: Arc<Mutex<Oracle>>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) dice: Arc<Dice>,
    pub(crate) planted: Planted,
}

impl SimRunner {
    fn begin(&self, launch: &Launch) {
        let mut attempts = lock(&self.attempts);
        let at = (launch.attempt.job, launch.attempt.number);
        if attempts.all.contains_key(&at) && self.planted != Planted::StartsTwice {
            return;
        }
        let mut oracle = lock(&self.oracle);
        let current = oracle.job(launch.attempt.job).and_then(|job| job.current());
        let lived = Lived {
            attempt: launch.attempt,
            operation: launch.operation.name.clone(),
            limit_key: current.and_then(|attempt| attempt.limit_key.clone()),
            life: Life::Live,
            said: VecDeque::new(),
        };
        attempts.all.insert(at, lived);
        drop(attempts);
        oracle.started(launch, &lock(&self.attempts));
    }
}

#[async_trait]
impl Runner for SimRunner {
    async fn start(&self, launch: Launch) -> Result<(), StartError> {
        turn().await;
        let at = (launch.attempt.job, launch.attempt.number);
        let fails = self.dice.happens(lock(&self.disk.faults).start);
        if fails && !lock(&self.attempts).all.contains_key(&at) {
            lock(&self.oracle).count("starts that failed");
            return Err(StartError { detail: "there is no such program".to_owned() });
        }
        self.begin(&launch);
        turn().await;
        Ok(())
    }

    async fn probe(&self, attempt: AttemptRef) -> Probe {
        turn().await;
        let attempts = lock(&self.attempts);
        match attempts.all.get(&(attempt.job, attempt.number)).map(|lived| &lived.life) {
            None => Probe::NeverStarted,
            Some(_) if self.planted == Planted::StartsTwice => Probe::NeverStarted,
            Some(Life::Live | Life::Stopping) => Probe::Running,
            Some(Life::Over(ending)) => Probe::Ended(ending.clone()),
        }
    }

    async fn next_report(&self, attempt: AttemptRef) -> Report {
        poll_fn(|_| {
            let mut attempts = lock(&self.attempts);
            let Some(lived) = attempts.all.get_mut(&(attempt.job, attempt.number)) else { return Poll::Pending };
            if let Some(report) = lived.said.pop_front() {
                return Poll::Ready(report);
            }
            match &lived.life {
                Life::Live | Life::Stopping => Poll::Pending,
                Life::Over(ending) => Poll::Ready(Report::Ended(ending.clone())),
            }
        })
        .await
    }

    async fn stop(&self, attempt: AttemptRef) {
        turn().await;
        if self.planted == Planted::NeverStops {
            return;
        }
        let mut attempts = lock(&self.attempts);
        if let Some(lived) = attempts.all.get_mut(&(attempt.job, attempt.number))
            && lived.life == Life::Live
        {
            lived.life = Life::Stopping;
        }
    }

    async fn forget(&self, job: JobId) -> std::io::Result<()> {
        turn().await;
        let mut oracle = lock(&self.oracle);
        if oracle.job(job).is_some_and(|job| !job.phase.is_final()) {
            oracle.say(format!("the attempts of job {job} were forgotten before its end"));
        }
        drop(oracle);
        lock(&self.attempts).all.retain(|(of, _), _| *of != job);
        Ok(())
    }
}
