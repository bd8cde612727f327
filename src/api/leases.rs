//! Workers outside ask for jobs: each is theirs for a while, and longer for as
//! long as they report.
//!
//! # Guarantees
//! A job is given to one worker alone, and its attempt is in the store, with
//! its token, before it is given. If the answer is lost, so is the lease, which
//! ends by itself.
//! # Not here
//! What workers report ([`super::reports`]); when a lease is over
//! ([`crate::reconcile`]).

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tracing::info;

use super::jobs::invalid;
use super::{Api, ApiError};
use crate::domain::id::{JobId, OperationName};
use crate::domain::job::{Grant, Remote};
use crate::domain::json::pointer;
use crate::domain::near::did_you_mean;
use crate::domain::operation::{Operation, RunnerSpec};
use crate::domain::time::{Timestamp, parse_duration};
use crate::state::{Applied, ApplyError, Claim, Claims, Decision, Event, Loaded, show_job};

/// The most jobs that a worker is given at once: all of them are in one answer.
pub const LEASES_MAX: usize = 100;

/// The longest that a worker waits for a job: proxies cut what takes longer.
pub const LEASE_WAIT_MAX: Duration = Duration::from_secs(60);

/// The longest name of a worker, in characters: each attempt keeps it.
const WORKER_CHARS_MAX: usize = 128;

/// How long to wait before jobs are looked for again that could not be taken.
const AGAIN: Duration = Duration::from_millis(100);

/// What a worker asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Who it is, as it calls itself.
    pub worker: String,
    /// How many jobs it takes at once.
    pub max: usize,
    /// How long it waits for the first one.
    pub wait: Duration,
}

/// A job that is a worker's for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// What the worker is given: the job, the token, and when the lease ends.
    pub shown: Value,
}

/// What is being given out now, so that nobody else is given it.
#[derive(Debug, Default)]
pub(super) struct Handing {
    /// Held by who looks for jobs, so that no two find the same one.
    turn: Mutex<()>,
    in_hand: std::sync::Mutex<BTreeSet<JobId>>,
}

impl Handing {
    fn jobs(&self) -> std::sync::MutexGuard<'_, BTreeSet<JobId>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a job is being given out, until this is dropped.
struct InHand(Arc<Handing>, JobId);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.jobs().remove(&self.1);
    }
}

/// What one look for jobs has found.
struct Found {
    leases: Vec<Lease>,
    /// Jobs that could not be taken, and may still be there.
    missed: bool,
    /// When the rate lets another one start.
    again: Option<Timestamp>,
}

impl Api {
    /// Gives jobs of an operation to a worker: at once those that there are, or
    /// else the first that comes while it waits. None where `stop` is sooner.
    ///
    /// # Errors
    /// `NotFound`, `NotOfWorkers`, those of every commit.
    pub async fn lease(
        &self,
        name: &OperationName,
        request: &LeaseRequest,
        stop: impl Future<Output = ()>,
    ) -> Result<Vec<Lease>, ApiError> {
        let clock = self.state.clock();
        let (mut stop, mut over) = (pin!(stop), pin!(clock.sleep(request.wait)));
        loop {
            // Bound before looking, so that a bell between the two is heard.
            let bell = self.state.hints().leases.notified();
            // Who waits hears of jobs as they are declared by then.
            let found = self.under_newest().look_for(name, request).await?;
            if !found.leases.is_empty() || request.wait.is_zero() {
                return Ok(found.leases);
            }
            let pause = match found.again {
                _ if found.missed => AGAIN,
                Some(at) => at.since(clock.now()).max(AGAIN),
                None => LEASE_WAIT_MAX,
            };
            tokio::select! {
                () = &mut stop => return Ok(Vec::new()),
                () = &mut over => return Ok(Vec::new()),
                () = bell, if !found.missed => {}
                () = clock.sleep(pause) => {}
            }
        }
    }

    /// Looks once, under the declarations of these use cases.
    async fn look_for(&self, name: &OperationName, request: &LeaseRequest) -> Result<Found, ApiError> {
        let unknown = || ApiError::NotFound { what: format!("the operation `{name}`") };
        let operation = self.catalog.operations.get(name).ok_or_else(unknown)?;
        let RunnerSpec::Worker(spec) = &operation.runner else {
            return Err(ApiError::NotOfWorkers { operation: name.clone() });
        };
        self.hand_out(operation, spec.lease, request).await
    }

    /// Takes what there is, each in a commit of its own, all side by side.
    async fn hand_out(
        &self,
        operation: &Operation,
        lease: Duration,
        request: &LeaseRequest,
    ) -> Result<Found, ApiError> {
        let turn = self.handing.turn.lock().await;
        let in_hand = |job| self.handing.jobs().contains(&job);
        let Claims { claims, again } = self.state.claims(operation, request.max, &in_hand).await?;
        let held: Vec<(InHand, Claim)> = claims
            .into_iter()
            .filter(|claim| self.handing.jobs().insert(claim.job))
            .map(|claim| (InHand(Arc::clone(&self.handing), claim.job), claim))
            .collect();
        drop(turn);
        let claimed = join_all(held.iter().map(|(_, claim)| self.take(claim, lease, &request.worker))).await;
        let missed = !held.is_empty();
        drop(held);
        let (mut leases, mut failed) = (Vec::new(), None);
        for claim in claimed {
            match claim {
                Ok(lease) => leases.extend(lease),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        // What is taken is given, whatever else went wrong.
        match failed.filter(|_| leases.is_empty()) {
            Some(error) => Err(error),
            None => Ok(Found { missed: missed && leases.is_empty(), leases, again }),
        }
    }

    /// Records that a worker has a job. `None` if it is no longer there to be had.
    async fn take(&self, claim: &Claim, lease: Duration, worker: &str) -> Result<Option<Lease>, ApiError> {
        let remote = Remote {
            worker: Some(worker.to_owned()),
            lease_ms: Some(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)),
            until: None,
            location: None,
        };
        let grant = Grant { remote: Some(remote), ..claim.grant.clone() };
        let Some(applied) = self.happens(claim, Event::Claimed { job: claim.job, grant }).await? else {
            return Ok(None);
        };
        let Some(job) = applied.state.jobs.get(&claim.job) else { return Ok(None) };
        let Some(attempt) = job.current() else { return Ok(None) };
        if let Some(ending) = job.ending_unstarted(&self.catalog).filter(|_| job.phase.is_stopping()) {
            // A tick that came with the claim replaced the job: it ends before it begins.
            let event = Event::Ended { job: job.id, token: attempt.token, ending: Box::new(ending) };
            return self.happens(claim, event).await.map(|_| None);
        }
        info!(job = %job.id, worker, attempt = attempt.number, "leased");
        let expires = attempt.remote.as_ref().and_then(|remote| remote.until);
        let shown = json!({ "job": show_job(job, &self.catalog), "token": attempt.token.reveal(), "expires": expires });
        Ok(Some(Lease { shown }))
    }
}

impl Api {
    /// What a job is after an event; `None` if it is too late for that.
    async fn happens(&self, claim: &Claim, event: Event) -> Result<Option<Applied>, ApiError> {
        let happen = |_: &Loaded| Ok(Decision::Happen(event.clone()));
        match self.state.apply(&claim.resource, Some(claim.job), happen).await {
            Ok(applied) => Ok(Some(applied)),
            Err(ApplyError::Refused(_) | ApplyError::Busy) => Ok(None),
            Err(error) => Err(self.refusal(&claim.resource, error, None)),
        }
    }
}

/// Several leases, as they are answered.
#[must_use]
pub fn leases_body(leases: Vec<Lease>) -> Bytes {
    let items: Vec<Value> = leases.into_iter().map(|lease| lease.shown).collect();
    json!({ "items": items }).to_string().into()
}

/// Reads what a worker asks for.
///
/// # Errors
/// `Invalid`
pub fn lease_request(body: &Map<String, Value>) -> Result<LeaseRequest, ApiError> {
    const MEMBERS: [&str; 3] = ["worker", "max", "wait"];
    if let Some(member) = body.keys().find(|member| !MEMBERS.contains(&member.as_str())) {
        let hint = did_you_mean(member, MEMBERS);
        let pointer = pointer(&[member]);
        return Err(invalid(&pointer, &format!("who asks for jobs says `worker`, `max` and `wait`{hint}")));
    }
    let name = "expected the name of the worker: 1 to 128 characters, none of them a control character";
    let worker = body.get("worker").and_then(Value::as_str).ok_or_else(|| invalid("/worker", name))?;
    if worker.trim().is_empty() || worker.chars().count() > WORKER_CHARS_MAX || worker.chars().any(char::is_control) {
        return Err(invalid("/worker", name));
    }
    let max = body.get("max").map_or(Some(1), |max| max.as_u64().and_then(|max| usize::try_from(max).ok()));
    let max = max
        .filter(|max| (1..=LEASES_MAX).contains(max))
        .ok_or_else(|| invalid("/max", &format!("expected an integer from 1 to {LEASES_MAX}")))?;
    let wait = match body.get("wait") {
        None => Some(Duration::ZERO),
        Some(wait) => wait.as_str().and_then(|text| parse_duration(text).ok()),
    };
    let wait = wait
        .filter(|wait| *wait <= LEASE_WAIT_MAX)
        .ok_or_else(|| invalid("/wait", "expected a duration from \"0s\" to \"60s\""))?;
    Ok(LeaseRequest { worker: worker.to_owned(), max, wait })
}
