//! A mixed run of events over a few resources, drawn from a seed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use heeler::clock::{Clock, Entropy};
use heeler::domain::catalog::{ActivitySpec, Catalog, Collection, PreconditionPolicy};
use heeler::domain::document::Document;
use heeler::domain::id::{JobId, ResourceKey, Token};
use heeler::domain::job::Grant;
use heeler::domain::job::{AttemptOutcome, Ending, Job};
use heeler::domain::limit::Concurrency;
use heeler::domain::operation::{ExecSpec, Keep, OnUnknown, Operation, Reply, RunnerSpec};
use heeler::domain::retry::RetryPolicy;
use heeler::domain::time::Timestamp;
use heeler::state::{Decision, Event, OnceName, OnceRecord, Remember, ResourceState, State, Subject};
use heeler::store::Store;
use serde_json::{Map, Value, json};

use crate::store::crash::images::Dice;

/// A clock that a workload turns, and seeds that never repeat.
#[derive(Debug)]
struct World {
    millis: AtomicI64,
    drawn: AtomicU64,
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.fetch_add(700, Ordering::Relaxed))
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

impl Entropy for World {
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        seed
    }
}

/// The state that a store holds, under the declarations of the workload.
///
/// Its clock begins anew: let only one of them write.
pub(crate) fn state_over(store: &Arc<dyn Store>) -> State {
    state_of_process(store, 0)
}

/// The same in the process of this number, which makes other ids than the others.
pub(crate) fn state_of_process(store: &Arc<dyn Store>, number: u32) -> State {
    let drawn = u64::from(number) << 32;
    let world = Arc::new(World { millis: 1_795_255_200_000.into(), drawn: drawn.into() });
    State::new(Arc::clone(store), world.clone(), world, Arc::new(catalog()))
}

fn catalog() -> Catalog {
    let operation = |name: &str, attempts, on_unknown| Operation {
        name: name.parse().expect("a name"),
        description: None,
        input: None,
        runner: RunnerSpec::Exec(ExecSpec::default()),
        timeout: None,
        grace: Operation::GRACE_DEFAULT,
        retry: RetryPolicy { attempts, backoff: Duration::from_secs(2), ..RetryPolicy::default() },
        concurrency: Some(Concurrency::of(4)),
        attempts_max: 100,
        rate: None,
        deadline: None,
        start_deadline: None,
        priority: 0,
        on_unknown,
        reply: Reply::default(),
        keep: Keep::default(),
        effects: heeler::domain::effect::Effects::default(),
    };
    let operations = [operation("once", 1, OnUnknown::Fail), operation("thrice", 3, OnUnknown::Retry)];
    let collection = Collection {
        preconditions: PreconditionPolicy::Optional,
        activities: vec![ActivitySpec::new("work".parse().expect("a name"))],
        ..Collection::new("c".parse().expect("a name"))
    };
    Catalog {
        collections: [(collection.name.clone(), Arc::new(collection))].into(),
        operations: operations.map(|operation| (operation.name.clone(), Arc::new(operation))).into(),
        ..Catalog::default()
    }
}

/// Who sends the keys of a workload.
pub(crate) const PRINCIPAL: &str = "workload";

/// Lets an event happen under the key of this number, which a document bears
/// as the fingerprint of its change. What is remembered names the generation.
async fn once(state: &State, key: &ResourceKey, event: Event, number: u8) -> bool {
    let name = OnceName { principal: PRINCIPAL.to_owned(), key: number.to_string() };
    let event = if let Event::Changed { document, observed, .. } = event {
        Event::Changed { document, observed, fingerprint: [number; 32], restarts: Vec::new() }
    } else {
        event
    };
    let write = |before: &ResourceState, after: &ResourceState, expires| {
        let desired = after.desired.as_ref().or(before.desired.as_ref()).expect("it is, or was there");
        OnceRecord {
            target: desired.generation.to_string(),
            digest: String::new(),
            status: 200,
            location: None,
            subject: Subject::Resource { key: after.key.clone(), uid: desired.uid },
            expires,
        }
    };
    let remember = Remember { name: &name, write: &write };
    let happen = |_: &_| Ok::<_, Infallible>(Decision::Happen(event.clone()));
    state.apply_once(key, event.job(), Some(&remember), happen).await.is_ok()
}

/// What happens next is drawn from a seed and from what is stored.
#[derive(Debug)]
pub(crate) struct Workload {
    dice: Dice,
    /// How many events were taken.
    pub(crate) happened: usize,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: Dice(seed), happened: 0 }
    }

    /// Lets one event happen, or one be refused; the resource that it was about.
    pub(crate) async fn turn(&mut self, state: &State) -> ResourceKey {
        let id = ["x", "y", "z"][usize::try_from(self.dice.below(3)).expect("it is small")];
        let key = ResourceKey { collection: "c".parse().expect("a name"), id: id.parse().expect("an id") };
        if let Some((job, resource)) =
            state.unkept(1).await.expect("it reads").pop().filter(|_| self.dice.below(4) == 0)
        {
            if state.happen(&resource, Event::Forgotten { job }).await.is_ok() {
                self.happened += 1;
            }
            return resource;
        }
        let stored = state.resource_state(&key, None).await.expect("it reads");
        let jobs: Vec<&Job> = stored.jobs.values().collect();
        let event = self.event(&jobs);
        let happened = if event != Event::Looked && self.dice.below(3) == 0 {
            let number = u8::try_from(1 + self.dice.below(60)).expect("it is small");
            once(state, &key, event, number).await
        } else {
            state.happen(&key, event).await.is_ok()
        };
        self.happened += usize::from(happened);
        key
    }

    fn event(&mut self, jobs: &[&Job]) -> Event {
        let roll = self.dice.below(20);
        let slot = Some(u32::try_from(self.dice.below(4)).expect("it is small"));
        let chosen = self.dice.below(jobs.len().max(1) as u64);
        let job = jobs.get(usize::try_from(chosen).expect("it is small"));
        match (roll, job) {
            (0, _) => Event::DeleteAsked,
            (1..=2, _) => Event::Looked,
            (3..=4, _) => Event::Launched {
                activity: "work".parse().expect("a name"),
                operation: "once".parse().expect("a name"),
                input: json!({}),
                keep: if slot < Some(2) { Keep::Nothing } else { Keep::Record },
            },
            (5..=9, Some(job)) => Event::Claimed { job: job.id, grant: Grant { slot, ..Grant::default() } },
            (10..=15, Some(job)) => self.report(job.id, job.attempts.last().map(|attempt| attempt.token)),
            (16, Some(job)) => Event::CancelAsked { job: job.id },
            (17, Some(job)) => Event::Kept { job: job.id },
            (_, _) => self.changed(),
        }
    }

    fn report(&mut self, job: JobId, token: Option<Token>) -> Event {
        let token = token.unwrap_or(Token::from_bytes([9; 16]));
        let outcome = match self.dice.below(8) {
            0 => return Event::Started { job, token },
            1 => return Event::Progressed { job, token, fraction: Some(0.5), message: Some("half".to_owned()) },
            2..=3 => AttemptOutcome::Succeeded,
            4..=5 => AttemptOutcome::Failed,
            6 => AttemptOutcome::Canceled,
            _ => AttemptOutcome::Lost,
        };
        Event::Ended { job, token, ending: Box::new(Ending { result: Some(json!(1)), ..Ending::new(outcome) }) }
    }

    fn changed(&mut self) -> Event {
        let mut members = json!({"title": "x".repeat(usize::try_from(self.dice.below(400)).expect("it is small"))});
        let operation = ["once", "thrice"][usize::try_from(self.dice.below(2)).expect("it is small")];
        let overlap =
            ["replace", "queue", "forbid", "allow"][usize::try_from(self.dice.below(4)).expect("it is small")];
        if self.dice.below(6) > 0 {
            members["work"] = json!({"operation": operation, "trigger": self.dice.below(3), "overlap": overlap});
            match self.dice.below(10) {
                0 => members["work"]["suspend"] = Value::Bool(true),
                1 => members["work"]["canceled"] = Value::Bool(true),
                _ => {}
            }
        }
        let members = members.as_object().expect("an object").clone();
        Event::Changed {
            document: Document::new(members),
            observed: Map::new(),
            fingerprint: [0; 32],
            restarts: Vec::new(),
        }
    }
}
