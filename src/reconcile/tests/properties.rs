//! What holds whatever happens, in whatever order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{Event, Launch, Observed, Refused, job_list};
use super::world::{World, catalog, document, name};
use crate::domain::activity::{Activity, Overlap, Standing};
use crate::domain::catalog::ActivitySpec;
use crate::domain::condition::Reason;
use crate::domain::id::{ActivityName, JobId, Token};
use crate::domain::job::Grant;
use crate::domain::job::{AttemptOutcome, Ending, JobPhase, Refusal, TriggerKind};
use crate::domain::operation::Keep;
use crate::domain::time::Timestamp;
use crate::domain::version::Revision;

/// Which token a report names.
#[derive(Debug, Clone, Copy)]
enum Named {
    Newest,
    First,
    Foreign,
}

/// One turn of the world. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Turn {
    Put(Value),
    Delete,
    Post(&'static str, Keep),
    Keep(usize),
    Forget(usize),
    /// Cancels these, if they are not final, and launches those.
    Edit(Vec<usize>, Vec<&'static str>),
    Cancel(usize),
    Claim(usize),
    Start(usize, Named),
    Progress(usize, Named),
    End(usize, Named, AttemptOutcome),
    Pass(i64),
    Look,
    /// The operator withdraws this operation, or takes it back.
    Declare(&'static str),
}

fn any_activity() -> impl Strategy<Value = Value> {
    let operation = prop::sample::select(vec!["a", "b", "flaky", "strict"]);
    let input = prop::sample::select(vec![json!(null), json!({"n": 1}), json!({"n": "one"})]);
    let overlap = prop::sample::select(vec!["", "", "forbid", "queue", "replace", "allow"]);
    (operation, input, 0u8..3, overlap, prop::bool::weighted(0.2), prop::bool::weighted(0.15)).prop_map(
        |(operation, input, trigger, overlap, suspend, canceled)| {
            let mut activity = json!({"operation": operation});
            let members = [
                ("input", input.is_object(), input),
                ("trigger", trigger > 0, json!(trigger)),
                ("overlap", !overlap.is_empty(), json!(overlap)),
                ("suspend", suspend, json!(true)),
                ("canceled", canceled, json!(true)),
            ];
            for (member, _, value) in members.into_iter().filter(|(_, present, _)| *present) {
                activity[member] = value;
            }
            activity
        },
    )
}

fn any_document() -> impl Strategy<Value = Value> {
    let processing = prop::option::weighted(0.85, any_activity());
    let review = prop::option::weighted(0.2, any_activity());
    (processing, review, 0u8..3).prop_map(|(processing, review, title)| {
        let mut document = json!({"title": title});
        for (member, activity) in [("processing", processing), ("review", review)] {
            if let Some(activity) = activity {
                document[member] = activity;
            }
        }
        document
    })
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let named = || prop_oneof![8 => Just(Named::Newest), 1 => Just(Named::First), 1 => Just(Named::Foreign)];
    let outcome = prop_oneof![
        3 => Just(AttemptOutcome::Succeeded),
        3 => Just(AttemptOutcome::Failed),
        1 => Just(AttemptOutcome::TimedOut),
        1 => Just(AttemptOutcome::Lost),
        2 => Just(AttemptOutcome::Canceled),
    ];
    let keep = prop_oneof![2 => Just(Keep::Record), 1 => Just(Keep::Nothing)];
    prop_oneof![
        6 => any_document().prop_map(Turn::Put),
        1 => Just(Turn::Delete),
        3 => (prop::sample::select(vec!["a", "b", "flaky"]), keep).prop_map(|(operation, keep)| Turn::Post(operation, keep)),
        1 => (0usize..8).prop_map(Turn::Keep),
        2 => (0usize..8).prop_map(Turn::Forget),
        1 => (0usize..8).prop_map(Turn::Cancel),
        1 => (prop::collection::vec(0usize..8, 0..3), prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..3))
            .prop_map(|(cancel, launch)| Turn::Edit(cancel, launch)),
        8 => (0usize..8).prop_map(Turn::Claim),
        2 => (0usize..8, named()).prop_map(|(job, token)| Turn::Start(job, token)),
        1 => (0usize..8, named()).prop_map(|(job, token)| Turn::Progress(job, token)),
        6 => (0usize..8, named(), outcome).prop_map(|(job, token, outcome)| Turn::End(job, token, outcome)),
        3 => (-60_000i64..60_000).prop_map(Turn::Pass),
        2 => Just(Turn::Look),
        1 => prop::sample::select(vec!["a", "flaky"]).prop_map(Turn::Declare),
    ]
}

/// A world and what was seen of it.
struct Story {
    world: World,
    /// Changes that a newer one took the place of before they started.
    superseded: BTreeSet<JobId>,
    /// Per activity, what the document asked last, and how it stood.
    asked: BTreeMap<ActivityName, (String, Standing)>,
    /// How many jobs the changes so far can have asked for.
    asks: usize,
    /// The version of the list of jobs, and every one that there was.
    version: Option<Revision>,
    versions: BTreeSet<Revision>,
    /// Whether a job was to leave no record: the list is then as it was before it.
    forgets: bool,
}

impl Story {
    fn new() -> Self {
        Self {
            world: World::new(),
            superseded: BTreeSet::new(),
            asked: BTreeMap::new(),
            asks: 0,
            version: None,
            versions: BTreeSet::new(),
            forgets: false,
        }
    }

    fn turn(&mut self, turn: &Turn) {
        match turn {
            Turn::Pass(millis) => {
                self.world.now = Timestamp::from_millis(self.world.now.as_millis() + millis);
            }
            Turn::Declare(operation) => {
                if !self.world.withdraw(operation) {
                    self.world.catalog = catalog();
                }
            }
            Turn::Put(members) => self.put(members),
            Turn::Delete => drop(self.world.happen(Event::DeleteAsked)),
            Turn::Post(operation, keep) => drop(self.world.post_to_be(*keep, operation, json!({}))),
            Turn::Keep(n) => {
                if let Some(job) = self.choose(*n, |_| true) {
                    drop(self.world.happen(Event::Kept { job }));
                }
            }
            Turn::Forget(n) => {
                if let Some(job) = self.choose(*n, |_| true) {
                    drop(self.world.happen(Event::Forgotten { job }));
                }
            }
            Turn::Edit(cancel, launch) => self.edit(cancel, launch),
            Turn::Look => self.world.look(),
            Turn::Cancel(n) => {
                if let Some(job) = self.choose(*n, |_| true) {
                    drop(self.world.happen(Event::CancelAsked { job }));
                }
            }
            Turn::Claim(n) => {
                if let Some(job) = self.choose(*n, |phase| phase == JobPhase::Queued)
                    && self.world.happen(Event::Claimed { job, grant: Grant::default() }).is_ok()
                {
                    assert!(!self.superseded.contains(&job), "a superseded change started");
                }
            }
            Turn::Start(n, named) => self.report(*n, *named, |job, token| Event::Started { job, token }),
            Turn::Progress(n, named) => self.report(*n, *named, |job, token| Event::Progressed {
                job,
                token,
                fraction: Some(0.5),
                message: None,
            }),
            Turn::End(n, named, outcome) => self.report(*n, *named, |job, token| Event::Ended {
                job,
                token,
                ending: Box::new(Ending::new(*outcome)),
            }),
        }
        if self.world.state.desired.is_none() {
            self.asked.clear();
        }
        self.look_at_the_list();
        let launched = self.world.jobs.values().filter(|job| job.trigger.kind == TriggerKind::Change).count();
        assert!(launched <= self.asks, "{launched} jobs for {} asks", self.asks);
    }

    fn put(&mut self, members: &Value) {
        let before = self.world.state.clone();
        let event = Event::Changed {
            document: document(members),
            observed: Map::new(),
            fingerprint: [0; 32],
            restarts: Vec::new(),
        };
        if self.world.happen(event) == Err(Refused::Deleting) {
            return;
        }
        let after = self.world.state.desired.as_ref().expect("it was put");
        if let Some(before) = &before.desired {
            assert_eq!(after.generation, before.generation.next());
            assert!(after.updated > before.updated);
            assert_eq!((after.uid, after.created), (before.uid, before.created));
        }
        for name in [name("processing"), name("review")] {
            let Some(Ok(activity)) =
                members.get(name.as_str()).map(|member| Activity::parse(&ActivitySpec::new(name.clone()), member))
            else {
                self.asked.remove(&name);
                continue;
            };
            let now = (activity.digest(), activity.standing);
            let last = self.asked.insert(name.clone(), now.clone());
            let is_new = last.as_ref().is_none_or(|(digest, _)| *digest != now.0);
            let is_taken_back = last.is_some_and(|(_, standing)| standing == Standing::Canceled);
            self.asks += usize::from(is_new || is_taken_back);
            if is_new && activity.overlap != Some(Overlap::Allow) {
                let status = before.status(&name);
                let waited = status.iter().flat_map(|status| &status.active).filter(|job| {
                    job.attempt == 0 && job.phase == JobPhase::Queued && job.trigger == TriggerKind::Change
                });
                self.superseded.extend(waited.map(|job| job.id));
            }
        }
    }

    /// No version of a list of jobs ever comes back, as long as every job stays on it.
    fn look_at_the_list(&mut self) {
        self.forgets |= self.world.jobs.values().any(|job| !job.keep.is_record());
        if self.forgets {
            return;
        }
        let Some(desired) = &self.world.state.desired else { return };
        let activity = name("processing");
        let version = job_list::version(desired.uid, &activity, self.world.state.status(&activity));
        if self.version != Some(version) {
            assert!(self.versions.insert(version), "a list of jobs has the version of an older one");
            self.version = Some(version);
        }
    }

    /// All of an edit happens, or nothing.
    fn edit(&mut self, cancel: &[usize], launch: &[&str]) {
        let before = (self.world.state.clone(), self.world.jobs.keys().copied().collect::<BTreeSet<JobId>>());
        let cancel: Vec<JobId> = cancel.iter().filter_map(|n| self.choose(*n, |phase| !phase.is_final())).collect();
        let launch =
            launch.iter().map(|operation| Launch { operation: operation.parse().expect("a name"), input: json!({}) });
        let launch: Vec<Launch> = launch.collect();
        let asked = launch.len();
        let (activity, fingerprint) = (name("processing"), [1; 32]);
        let event = Event::JobsEdited { activity, cancel: cancel.clone(), launch, fingerprint };
        match self.world.happen(event) {
            Ok(()) => {
                let made = self
                    .world
                    .jobs
                    .values()
                    .filter(|job| !before.1.contains(&job.id) && job.trigger.kind == TriggerKind::Manual);
                assert_eq!(made.count(), asked, "as many jobs as were asked for");
                assert!(cancel.iter().all(|id| self.world.jobs[id].cancel.is_some()), "each is told to stop");
            }
            Err(_) => {
                assert_eq!(
                    (self.world.state.clone(), self.world.jobs.keys().copied().collect()),
                    before,
                    "a refusal changes nothing"
                )
            }
        }
    }

    /// The `n`th of the jobs in such a phase.
    fn choose(&self, n: usize, phase: impl Fn(JobPhase) -> bool) -> Option<JobId> {
        let jobs: Vec<JobId> = self.world.jobs.values().filter(|job| phase(job.phase)).map(|job| job.id).collect();
        jobs.get(n % jobs.len().max(1)).copied()
    }

    fn report(&mut self, n: usize, named: Named, event: impl FnOnce(JobId, Token) -> Event) {
        let Some(id) = self.choose(n, |_| true) else { return };
        let attempts = &self.world.jobs[&id].attempts;
        let newest = attempts.last().map(|attempt| attempt.token);
        let token = match named {
            Named::Newest => newest,
            Named::First => attempts.first().map(|attempt| attempt.token),
            Named::Foreign => None,
        };
        let token = token.unwrap_or(Token::from_bytes([0xff; 16]));
        let answer = self.world.happen(event(id, token));
        if newest != Some(token) {
            assert_eq!(answer, Err(Refused::Job(Refusal::StaleToken)));
        }
    }

    /// Goes on fairly: every job that may start does, and succeeds; time
    /// passes; what the operator withdrew is back.
    fn go_on(&mut self) -> Result<(), String> {
        self.world.catalog = catalog();
        self.world.look();
        for _ in 0..400 {
            if self.at_rest() {
                return Ok(());
            }
            let jobs = self.world.jobs.values();
            let attempting = jobs.clone().find(|job| job.phase.is_attempting()).map(|job| job.id);
            let observed = self.world.state.observed.as_ref().expect("it is not settled");
            let active = observed.activities.values().flat_map(|status| &status.active);
            let ready = active.clone().find(|job| job.ready.is_some()).map(|job| job.id);
            match (attempting, ready, observed.wake_at()) {
                (Some(job), _, _) => {
                    let job = &self.world.jobs[&job];
                    let canceling = job.phase == JobPhase::Canceling;
                    let outcome = if canceling { AttemptOutcome::Canceled } else { AttemptOutcome::Succeeded };
                    let token = job.attempts.last().expect("it was tried").token;
                    let ending = Ending::new(outcome);
                    let event = Event::Ended { job: job.id, token, ending: Box::new(ending) };
                    self.world.happen(event).map_err(|refused| refused.to_string())?;
                }
                (None, Some(job), _) => {
                    assert!(!self.superseded.contains(&job), "a superseded change started");
                    let event = Event::Claimed { job, grant: Grant::default() };
                    self.world.happen(event).map_err(|refused| refused.to_string())?;
                }
                (None, None, Some(at)) => {
                    self.world.now = self.world.now.max(at);
                    self.world.look();
                }
                (None, None, None) => return Err(format!("nothing can be done: {:?}", self.world.reason())),
            }
        }
        Err(format!("it does not come to rest: {:?}", self.world.reason()))
    }

    /// Whether nothing is left to do but what the document holds back.
    fn at_rest(&self) -> bool {
        let observed = self.world.state.observed.iter();
        let held = |reason| matches!(reason, Reason::Settled | Reason::Suspended | Reason::InvalidInput);
        let waiting = observed
            .clone()
            .flat_map(|observed: &Observed| &observed.activities)
            .any(|(name, status)| !status.active.is_empty() && !self.is_suspended(name));
        held(self.world.reason()) && !waiting
    }

    fn is_suspended(&self, name: &ActivityName) -> bool {
        self.world.state.wanted(name, &self.world.catalog).activity().is_some_and(|a| a.standing == Standing::Suspended)
    }
}

proptest! {
    /// What is checked at each step is in [`World::happen`] and [`Story::turn`].
    #[test]
    fn every_step_is_planned_sound_and_deterministic_and_a_fair_world_comes_to_rest(
        turns in prop::collection::vec(any_turn(), 1..60),
    ) {
        let mut story = Story::new();
        for turn in &turns {
            story.turn(turn);
        }
        story.world.pass(Duration::from_millis(1));
        prop_assert_eq!(story.go_on(), Ok(()));
    }
}
