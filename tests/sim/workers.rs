//! Workers outside: they ask for jobs, report of them, fall silent, and come
//! back when somebody else has their job.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heeler::api::{Api, ApiError, ChangeRequest, Intent, LeaseRequest, work_report};
use heeler::domain::id::JobId;
use heeler::domain::job::{Attempt, AttemptOutcome, Job};
use heeler::domain::precondition::{Preconditions, Strictness};
use serde_json::{Map, Value, json};

use crate::oracle::Oracle;
use crate::world::{Dice, LEASED, lock};

/// What was given to workers, and what they made of it.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    /// Every lease that a worker ever heard of, the newest last.
    pub(crate) leases: Vec<(JobId, String)>,
    /// Every end that a worker ever sent, whether or not it arrived.
    said: BTreeSet<(String, String)>,
    /// The ends that were accepted, by their tokens.
    accepted: BTreeMap<String, String>,
}

/// What a worker says of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Word {
    Progress,
    Succeeded,
    Failed,
    FailedForGood,
    Canceled,
}

pub(crate) const WORDS: [Word; 7] = [
    Word::Progress,
    Word::Progress,
    Word::Succeeded,
    Word::Succeeded,
    Word::Failed,
    Word::FailedForGood,
    Word::Canceled,
];

impl Word {
    fn body(self, token: &str) -> Map<String, Value> {
        let body = match self {
            Self::Progress => json!({"token": token, "progress": {"fraction": 0.5}}),
            Self::Succeeded => json!({"token": token, "phase": "succeeded", "result": {"by": "a worker"}}),
            Self::Failed => json!({"token": token, "phase": "failed", "error": {"reason": "Busy"}}),
            Self::FailedForGood => json!({"token": token, "phase": "failed", "error": {"reason": "Gone"}}),
            Self::Canceled => json!({"token": token, "phase": "canceled"}),
        };
        body.as_object().expect("an object").clone()
    }

    const fn outcome(self) -> Option<AttemptOutcome> {
        match self {
            Self::Progress => None,
            Self::Succeeded => Some(AttemptOutcome::Succeeded),
            Self::Failed | Self::FailedForGood => Some(AttemptOutcome::Failed),
            Self::Canceled => Some(AttemptOutcome::Canceled),
        }
    }
}

/// A worker asks for jobs. Dropped, it never hears of those that it was given.
pub(crate) async fn ask(api: Api, oracle: Arc<Mutex<Oracle>>) -> Vec<(JobId, String)> {
    let request = LeaseRequest { worker: "w".to_owned(), max: 2, wait: Duration::ZERO };
    let operation = LEASED.parse().expect("a name");
    let leases = match api.lease(&operation, &request, std::future::pending()).await {
        Ok(leases) => leases,
        Err(error) => {
            lock(&oracle).judge_refusal(&error);
            return Vec::new();
        }
    };
    let mut oracle = lock(&oracle);
    let mut given = Vec::new();
    for lease in leases {
        let id = lease.shown["job"]["id"].as_str().and_then(|id| id.parse().ok());
        let token = lease.shown["token"].as_str().map(str::to_owned);
        let (Some(id), Some(token)) = (id, token) else {
            oracle.say(format!("a lease reads {}", lease.shown));
            continue;
        };
        oracle.count("leases");
        if oracle.attempt(id, &token).is_none_or(|attempt| attempt.remote.is_none()) {
            oracle.say(format!("a worker was given job {id}, and no such attempt is recorded"));
        }
        if oracle.workers.leases.iter().any(|(_, other)| *other == token) {
            oracle.say(format!("two workers were given job {id} with one token"));
        }
        given.push((id, token));
    }
    oracle.workers.leases.extend(given.iter().cloned());
    given
}

/// A worker reports of a job, whoever has it now.
pub(crate) async fn report(api: Api, (job, token): (JobId, String), word: Word, oracle: Arc<Mutex<Oracle>>) {
    if let Some(outcome) = word.outcome() {
        lock(&oracle).workers.said.insert((token.clone(), format!("{outcome:?}")));
    }
    let report = work_report(&word.body(&token)).expect("it is a report");
    let request = ChangeRequest {
        preconditions: Preconditions::NONE,
        strictness: Strictness::DesiredState,
        fingerprint: [0; 32],
        intent: Intent::Make,
        once: None,
    };
    let answer = api.report(job, &report, &request).await;
    let mut oracle = lock(&oracle);
    match answer {
        Ok(_) => oracle.judge_report(job, token, word),
        Err(ApiError::StaleToken) => oracle.count("stale reports"),
        // Nobody asked it to stop, or the job is forgotten.
        Err(ApiError::Invalid { .. } | ApiError::NotFound { .. }) => oracle.count("refused reports"),
        Err(error) => oracle.judge_refusal(&error),
    }
}

/// Workers that ask for jobs and do them.
pub(crate) async fn labor(api: Api, oracle: Arc<Mutex<Oracle>>) {
    for lease in ask(api.clone(), Arc::clone(&oracle)).await {
        let stops = lock(&oracle).job(lease.0).is_some_and(|job| job.cancel.is_some());
        let word = if stops { Word::Canceled } else { Word::Succeeded };
        report(api.clone(), lease, word, Arc::clone(&oracle)).await;
    }
}

/// Of which job a worker says what: rather of the newest, and of what it had before as well.
pub(crate) fn think(dice: &Dice, leases: &[(JobId, String)]) -> Option<((JobId, String), Word)> {
    let recent = leases.len().saturating_sub(4);
    let index = if dice.happens(700) { recent + dice.below(leases.len() - recent) } else { dice.below(leases.len()) };
    Some((leases.get(index)?.clone(), *dice.pick(&WORDS)))
}

impl Oracle {
    fn attempt(&self, job: JobId, token: &str) -> Option<&Attempt> {
        self.job(job)?.attempts.iter().find(|attempt| attempt.token.reveal() == token)
    }

    /// P15: of each attempt at most one end is accepted, and it is recorded as it was said.
    fn judge_report(&mut self, job: JobId, token: String, word: Word) {
        self.count("reports");
        let Some(outcome) = word.outcome() else { return };
        let recorded = self.attempt(job, &token).and_then(|attempt| attempt.outcome);
        if self.job(job).is_some() && recorded != Some(outcome) {
            self.say(format!("job {job} was accepted as {outcome:?}, and is recorded as {recorded:?}"));
        }
        let said = format!("{word:?}");
        if self.workers.accepted.get(&token).is_some_and(|before| *before == said) {
            self.count("reports that were made twice");
        }
        if let Some(before) = self.workers.accepted.insert(token, said).filter(|before| *before != format!("{word:?}"))
        {
            self.say(format!("job {job} was accepted as {before} and as {word:?}"));
        }
    }

    fn judge_refusal(&mut self, error: &ApiError) {
        if matches!(error, ApiError::OutcomeUnknown | ApiError::Busy | ApiError::DiskFull | ApiError::Stopping) {
            self.count("workers that were sent away");
        } else {
            self.say(format!("a worker was answered: {error:?}"));
        }
    }

    /// What ends outside was said by who has its token, or nobody was heard of in time.
    pub(crate) fn check_remote_end(&mut self, job: &Job, attempt: &Attempt) {
        self.count("ends outside");
        let Some(outcome) = attempt.outcome else { return };
        let said = self.workers.said.contains(&(attempt.token.reveal(), format!("{outcome:?}")));
        let until = attempt.remote.as_ref().and_then(|remote| remote.until);
        let given_up = until.zip(attempt.finished).is_some_and(|(until, finished)| until <= finished);
        let good = match outcome {
            AttemptOutcome::Succeeded | AttemptOutcome::Failed => said,
            AttemptOutcome::Canceled => said || job.cancel.is_some(),
            AttemptOutcome::Lost => given_up,
            AttemptOutcome::TimedOut => true,
        };
        if outcome == AttemptOutcome::Lost {
            self.count("leases that ended");
        }
        if !good {
            let at = attempt.finished;
            self.say(format!("job {} is recorded as {outcome:?} at {at:?}, its lease until {until:?}", job.id));
        }
    }
}
