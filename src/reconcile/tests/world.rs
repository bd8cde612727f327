//! One resource in a world of which everything is known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::{ActivityStatus, Event, Fate, Look, Observed, Refused, ResourceState, plan, step, violations};
use crate::domain::catalog::{ActivitySpec, Catalog, Collection, PreconditionPolicy};
use crate::domain::condition::Reason;
use crate::domain::document::Document;
use crate::domain::id::{ActivityName, JobId, ResourceKey, Token};
use crate::domain::job::Grant;
use crate::domain::job::{AttemptOutcome, Ending, Job};
use crate::domain::moment::{Moment, Past};
use crate::domain::operation::{ExecSpec, Keep, OnUnknown, Operation, Reply, RunnerSpec};
use crate::domain::retry::RetryPolicy;
use crate::domain::schema::Schema;
use crate::domain::tick::TickOutcome;
use crate::domain::time::Timestamp;

/// When a world begins: 2026-11-21T10:00:00Z.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_millis(1_795_255_200_000);

pub(crate) fn name(text: &str) -> ActivityName {
    text.parse().expect("a name")
}

pub(crate) fn key(id: &str) -> ResourceKey {
    ResourceKey { collection: "videos".parse().expect("a name"), id: id.parse().expect("an id") }
}

pub(crate) fn document(members: &Value) -> Document {
    Document::new(members.as_object().expect("an object").clone())
}

pub(crate) fn operation(name: &str) -> Operation {
    Operation {
        name: name.parse().expect("a name"),
        description: None,
        input: None,
        runner: RunnerSpec::Exec(ExecSpec::default()),
        timeout: None,
        grace: Operation::GRACE_DEFAULT,
        retry: RetryPolicy::default(),
        concurrency: None,
        attempts_max: 100,
        rate: None,
        deadline: None,
        start_deadline: None,
        priority: 0,
        on_unknown: OnUnknown::Fail,
        reply: Reply::default(),
        keep: Keep::default(),
        effects: crate::domain::effect::Effects::default(),
    }
}

/// Two activities and four operations: `a` and `b` are tried once, `flaky`
/// three times and again when lost, `strict` takes whole numbers `n` only.
pub(crate) fn catalog() -> Catalog {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let operations = [
        operation("a"),
        Operation { priority: 5, ..operation("b") },
        Operation {
            retry: RetryPolicy { attempts: 3, ..RetryPolicy::default() },
            on_unknown: OnUnknown::Retry,
            ..operation("flaky")
        },
        Operation { input: Some(Arc::new(Schema::compile(schema).expect("a schema"))), ..operation("strict") },
    ];
    let collection = Collection {
        preconditions: PreconditionPolicy::Optional,
        activities: vec![ActivitySpec::new(name("processing")), ActivitySpec::new(name("review"))],
        ..Collection::new("videos".parse().expect("a name"))
    };
    Catalog {
        collections: [(collection.name.clone(), Arc::new(collection))].into(),
        operations: operations.map(|operation| (operation.name.clone(), Arc::new(operation))).into(),
        ..Catalog::default()
    }
}

/// A resource, what is declared, and the time.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) state: ResourceState,
    /// Every job that there ever was.
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) catalog: Catalog,
    pub(crate) now: Timestamp,
    /// How time went, where that is not steadily.
    pub(crate) past: Option<Past>,
    /// Every row of the ledger of `processing`.
    pub(crate) ledger: BTreeMap<Timestamp, TickOutcome>,
    seed: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let state = ResourceState::absent(key("42"));
        let (jobs, ledger) = (BTreeMap::new(), BTreeMap::new());
        Self { state, jobs, catalog: catalog(), now: BEGINNING, past: None, ledger, seed: 0 }
    }

    /// A world in which the document was just put.
    pub(crate) fn with(members: &Value) -> Self {
        let mut world = Self::new();
        world.put(members);
        world
    }

    /// Lets an event happen, to the state as it would be loaded, and checks what always holds.
    pub(crate) fn happen(&mut self, event: Event) -> Result<(), Refused> {
        let mut loaded = self.state.clone();
        loaded.jobs = self.jobs.clone();
        let about = |id: &JobId| event.job() == Some(*id) || event.expired().contains(id);
        loaded.jobs.retain(|id, job| !job.phase.is_final() || about(id));
        self.seed += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        let past = self.past.unwrap_or_else(|| Past::steady(self.now));
        let moment = Moment::new(self.now, seed).after(Past { wall: self.now, ..past });
        let known = loaded.observed.iter().map(|observed| observed.latest);
        let latest = known.chain(loaded.desired.iter().map(|desired| desired.updated)).fold(self.now, Timestamp::max);
        let after = step(loaded.clone(), event.clone(), &self.catalog, moment.clone());
        assert_eq!(after, step(loaded, event.clone(), &self.catalog, moment), "it decides differently the second time");
        let after = after?;
        assert_eq!(violations(&after), Vec::<String>::new());
        let look = Look { now: latest, past: Past { wall: self.now, ..past }, closing: false };
        let again = plan(&after, &self.catalog, look);
        assert_eq!(again.actions, vec![], "it is not planned");
        assert_eq!(again.wake_at, after.observed.as_ref().and_then(Observed::wake_at), "a timer lies in the past");
        let noted = after.observed.as_ref().is_none_or(|observed| observed.latest >= latest);
        assert!(noted || after.observed == self.state.observed, "what happened now is not noted as the latest");
        if let Event::Forgotten { job } = &event {
            self.jobs.remove(job);
        }
        for id in event.expired().iter().filter(|id| !after.jobs.contains_key(id)) {
            self.jobs.remove(id);
        }
        for (id, job) in &after.jobs {
            let before = self.jobs.insert(*id, job.clone());
            assert!(before.is_none_or(|before| !before.phase.is_final() || before == *job), "a final job changed");
        }
        for ((activity, tick), outcome) in &after.ledger {
            if *activity == name("processing") {
                self.record(*tick, *outcome);
            }
        }
        self.state = after;
        Ok(())
    }

    /// Notes a row of the ledger. Only a run of skipped ticks can be written
    /// again, and then it is longer.
    fn record(&mut self, tick: Timestamp, outcome: TickOutcome) {
        let before = self.ledger.insert(tick, outcome);
        let grown = match (before, outcome) {
            (None, _) => true,
            (Some(TickOutcome::Skipped(old)), TickOutcome::Skipped(new)) => {
                old.reason == new.reason && old.count < new.count && old.until < new.until
            }
            (Some(_), _) => false,
        };
        assert!(grown, "the outcome of {tick} was {before:?} and is {outcome:?}");
        let later = self.ledger.range(tick.next()..).next();
        assert_eq!(later, None, "a tick was decided after {tick}");
    }

    pub(crate) fn put(&mut self, members: &Value) {
        let event = Event::Changed {
            document: document(members),
            observed: Map::new(),
            fingerprint: [0; 32],
            restarts: Vec::new(),
        };
        self.happen(event).expect("it can be changed");
    }

    /// The operator no longer declares an operation; whether there was one.
    pub(crate) fn withdraw(&mut self, operation: &str) -> bool {
        let operation = operation.parse().expect("a name");
        self.catalog.operations.remove(&operation).is_some()
    }

    /// What is declared of the collection.
    pub(crate) fn declared(&self) -> Collection {
        self.catalog.declared(&self.state.key.collection).expect("it is declared").clone()
    }

    /// The operator declares the collection anew; nobody has looked since.
    pub(crate) fn declare(&mut self, collection: Collection) {
        let catalog = &mut self.catalog;
        catalog.retired.remove(&collection.name);
        catalog.collections.insert(collection.name.clone(), Arc::new(collection));
        catalog.retire();
    }

    /// What was declared anew is heeded.
    pub(crate) fn heed(&mut self) {
        self.happen(Event::Redeclared).expect("that is always possible");
    }

    pub(crate) fn look(&mut self) {
        self.happen(Event::Looked).expect("looking is always possible");
    }

    /// Looks while the clock shows less than what happened before; how long it
    /// is until the next timer, in seconds.
    pub(crate) fn look_back(&mut self) -> Option<u64> {
        let past = Past { wall: self.now, ..self.past.unwrap_or_else(|| Past::steady(self.now)) };
        let moment = Moment::new(self.now, [9; 32]).after(past);
        let after = step(self.state.clone(), Event::Looked, &self.catalog, moment).expect("looking is always possible");
        assert_eq!(violations(&after), Vec::<String>::new());
        self.jobs.extend(after.jobs.iter().map(|(id, job)| (*id, job.clone())));
        self.state = after;
        let at = self.state.observed.as_ref().and_then(Observed::wake_at)?;
        Some(at.since(self.now).as_secs())
    }

    pub(crate) fn post(&mut self, operation: &str, input: Value) -> Result<(), Refused> {
        self.post_to_be(Keep::Record, operation, input)
    }

    pub(crate) fn post_to_be(&mut self, keep: Keep, operation: &str, input: Value) -> Result<(), Refused> {
        let operation = operation.parse().expect("a name");
        self.happen(Event::Launched { activity: name("processing"), operation, input, keep })
    }

    pub(crate) fn cancel(&mut self, number: usize) -> Result<(), Refused> {
        self.happen(Event::CancelAsked { job: self.id(number) })
    }

    pub(crate) fn claim(&mut self, number: usize) -> Result<(), Refused> {
        self.happen(Event::Claimed { job: self.id(number), grant: Grant::default() })
    }

    pub(crate) fn end(&mut self, number: usize, outcome: AttemptOutcome) -> Result<(), Refused> {
        self.end_with(number, Ending::new(outcome))
    }

    pub(crate) fn end_with(&mut self, number: usize, ending: Ending) -> Result<(), Refused> {
        self.happen(Event::Ended { job: self.id(number), token: self.token(number), ending: Box::new(ending) })
    }

    /// Claims a job and lets it succeed.
    pub(crate) fn work(&mut self, number: usize) {
        self.claim(number).expect("it is ready");
        self.end(number, AttemptOutcome::Succeeded).expect("it runs");
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }

    /// The id of a job, counted from 0 as they were made.
    pub(crate) fn id(&self, number: usize) -> JobId {
        *self.jobs.keys().nth(number).expect("there is such a job")
    }

    pub(crate) fn job(&self, number: usize) -> &Job {
        &self.jobs[&self.id(number)]
    }

    /// The token of the newest attempt of a job.
    pub(crate) fn token(&self, number: usize) -> Token {
        self.job(number).attempts.last().expect("it was tried").token
    }

    pub(crate) fn status(&self) -> &ActivityStatus {
        self.state.status(&name("processing")).expect("something was decided")
    }

    pub(crate) fn fate(&self) -> Option<Fate> {
        Some(self.state.status(&name("processing"))?.asked.as_ref()?.fate)
    }

    pub(crate) fn reason(&self) -> Reason {
        self.state.observed.as_ref().map_or(Reason::Settled, |observed| observed.settlement.reason)
    }

    /// Every job in the order in which they were made: its phase, `*` if it
    /// may be claimed, and why it was cancelled.
    pub(crate) fn story(&self) -> String {
        let words = self.jobs.values().map(|job| {
            let active = self.state.status(&job.activity).map(|status| status.active.as_slice()).unwrap_or_default();
            let ready = active.iter().any(|active| active.id == job.id && active.ready.is_some());
            let reason = job.cancel.as_ref().map(|cancel| format!(" ({})", cancel.reason.as_str()));
            format!("{}{}{}", job.phase.as_str(), if ready { "*" } else { "" }, reason.unwrap_or_default())
        });
        words.collect::<Vec<_>>().join(", ")
    }
}
