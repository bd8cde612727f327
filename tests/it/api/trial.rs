//! A trial says beforehand what the change then does, whatever the resource is like.

use std::collections::BTreeSet;
use std::sync::Arc;

use heeler::api::{Api, ApiError, ChangeRequest, Intent, Trial};
use heeler::domain::diff::Change;
use heeler::domain::id::{JobId, ResourceKey};
use heeler::domain::job::Grant;
use heeler::domain::job::{AttemptOutcome, Ending, Job};
use heeler::domain::json;
use heeler::domain::patch::{PatchBody, PatchLimits, apply_patch};
use heeler::domain::precondition::{Strength, Strictness, Tag, TagList};
use heeler::state::{Event, ResourceState, State};
use heeler::store::Store;
use heeler::store::memory::MemoryStore;
use serde_json::{Map, Value, json};

use super::{api_over, change, key, launch};
use crate::state::workload::state_over;
use crate::store::crash::block_on;
use crate::store::crash::images::Dice;
use crate::store::rows;

/// What a client asks for.
#[derive(Debug, Clone)]
enum Asked {
    Put(Value),
    Merge(Value),
    Patch(Value),
    Delete,
    Launch(Value),
    Cancel(JobId),
}

/// Asks for it; what went wrong, if anything did.
async fn ask(api: &Api, key: &ResourceKey, asked: &Asked, request: &ChangeRequest) -> Result<(), ApiError> {
    match asked.clone() {
        Asked::Put(body) => api.put(key, body, request).await.map(drop),
        Asked::Merge(body) => api.patch(key, &PatchBody::merge(body).expect("an object"), request).await.map(drop),
        Asked::Patch(body) => api.patch(key, &PatchBody::json(body).expect("a patch"), request).await.map(drop),
        Asked::Delete => api.delete(key, request).await.map(drop),
        Asked::Launch(body) => {
            api.launch(key, &"work".parse().expect("a name"), &launch(Some(body)), request).await.map(drop)
        }
        Asked::Cancel(job) => api.cancel_job(job, request).await.map(drop),
    }
}

struct World {
    store: Arc<dyn Store>,
    state: State,
    api: Api,
    dice: Dice,
    /// What was foreseen, by kind.
    seen: BTreeSet<&'static str>,
}

impl World {
    fn new(seed: u64) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let state = state_over(&store);
        Self { api: api_over(&state), store, state, dice: Dice(seed), seen: BTreeSet::new() }
    }

    fn draw(&mut self, bound: u64) -> usize {
        usize::try_from(self.dice.below(bound)).expect("it is small")
    }

    fn asked(&mut self, jobs: &[JobId]) -> Asked {
        let overlap = ["replace", "queue", "forbid", "allow"][self.draw(4)];
        let operation = ["once", "once", "thrice", "thrice", "none"][self.draw(5)];
        let standing = ["canceled", "suspend", "title"][self.draw(3)];
        let work =
            json!({"operation": operation, "trigger": self.draw(3), "overlap": overlap, "input": {"n": self.draw(2)}});
        let mut document = json!({"title": self.draw(2), "list": [1, self.draw(3)], "work": work});
        if standing != "title" && self.draw(3) == 0 {
            document["work"][standing] = json!(true);
        }
        match (self.draw(12), jobs) {
            (0, _) => Asked::Delete,
            (1, _) => Asked::Merge(json!({"work": null})),
            (2, _) => Asked::Merge(json!({"work": {"trigger": self.draw(9)}, "list": null})),
            (3, _) => Asked::Patch(json!([{"op": "add", "path": "/list/-", "value": self.draw(9)}])),
            (4, _) => Asked::Put(json!({"title": [self.draw(2)]})),
            (5 | 6, _) => Asked::Launch(json!({"operation": operation, "input": {"m": self.draw(9)}})),
            (7, [job, ..]) => Asked::Cancel(*job),
            (_, _) => Asked::Put(document),
        }
    }

    /// Lets the jobs get on in some way.
    async fn work(&mut self, key: &ResourceKey, state: &ResourceState) {
        for job in state.jobs.values() {
            let ending = |outcome| Ending::new(outcome);
            let token = job.current().map(|attempt| attempt.token);
            let event = match (self.draw(4), token) {
                (0, Some(token)) => {
                    Event::Ended { job: job.id, token, ending: Box::new(ending(AttemptOutcome::Canceled)) }
                }
                (1, Some(token)) => {
                    Event::Ended { job: job.id, token, ending: Box::new(ending(AttemptOutcome::Failed)) }
                }
                (1 | 2, None) => Event::Claimed { job: job.id, grant: Grant::default() },
                _ => continue,
            };
            // It may not be its turn.
            drop(self.state.happen(key, event).await);
        }
    }

    async fn turn(&mut self) {
        let key = key(["x", "y"][self.draw(2)]);
        let before = self.state.resource_state(&key, None).await.expect("it reads");
        let jobs: Vec<JobId> = before.jobs.keys().copied().collect();
        let asked = self.asked(&jobs);
        let stored = rows(&*self.store).await;
        let trial =
            ask(&self.api, &key, &asked, &change(Intent::Try)).await.expect_err("a trial ends in what it found");
        assert_eq!(rows(&*self.store).await, stored, "a trial stores nothing");
        let mut request = change(Intent::Make);
        let foreseen = if let ApiError::Tried(trial) = trial {
            request.preconditions.if_match = trial.if_match.map(|etag| {
                let opaque = etag.to_string().trim_matches('"').to_owned();
                TagList::Tags(vec![Tag { strength: Strength::Strong, opaque }])
            });
            request.strictness = Strictness::WholeTag;
            Ok(*trial)
        } else {
            Err(trial.to_string())
        };
        let made = ask(&self.api, &key, &asked, &request).await;
        match (foreseen, made) {
            (Err(foreseen), Err(refused)) => {
                assert_eq!(foreseen, refused.to_string(), "{asked:?}");
                self.seen.insert("a refusal");
            }
            (Ok(trial), Ok(())) => {
                let after = self.state.resource_state(&key, None).await.expect("it reads");
                self.came_true(&asked, &before, &after, &trial).await;
            }
            (foreseen, made) => panic!("{asked:?}: {foreseen:?}, and then {made:?}"),
        }
        let now = self.state.resource_state(&key, None).await.expect("it reads");
        self.work(&key, &now).await;
    }

    async fn came_true(&mut self, asked: &Asked, before: &ResourceState, after: &ResourceState, trial: &Trial) {
        let members = |state: &ResourceState| state.desired.as_ref().map(|desired| desired.document.members().clone());
        let (old, new) = (members(before), members(after).filter(|_| !matches!(asked, Asked::Delete)));
        let foreseen = trial.document.clone().map(|document| {
            let mut document = document.as_object().expect("an object").clone();
            assert_eq!(document.shift_remove("id"), Some(json!(before.key.id.as_str())));
            document
        });
        assert_eq!(foreseen, new, "{asked:?}");
        let patch = PatchBody::Json(trial.changes.iter().map(Change::operation).collect());
        let changed = apply_patch(&Value::Object(old.unwrap_or_default()), &patch, &PatchLimits::default());
        let new = Value::Object(new.unwrap_or_default());
        assert!(json::equal(&changed.expect("it applies"), &new), "{asked:?}: {:?}", trial.changes);

        let launched: Vec<_> =
            after.jobs.values().filter(|job| !before.jobs.contains_key(&job.id)).map(shown).collect();
        let foreseen: Vec<_> =
            trial.launch.iter().map(|job| json!([job.activity, job.operation, job.input, job.trigger])).collect();
        assert_eq!(foreseen, launched, "{asked:?}");
        let mut canceled = Vec::new();
        for job in before.jobs.values().filter(|job| job.cancel.is_none()) {
            let (now, _) = self.state.job(job.id).await.expect("it reads").expect("jobs are kept");
            canceled.extend(now.cancel.is_some().then_some((now.activity, now.id)));
        }
        assert_eq!(trial.cancel, canceled, "{asked:?}");
        self.seen.extend([
            if launched.is_empty() { "no launch" } else { "a launch" },
            if canceled.is_empty() { "no cancel" } else { "a cancel" },
            if trial.changes.is_empty() { "no change" } else { "a change" },
            if trial.if_match.is_some() { "a tag" } else { "no tag" },
            if trial.document.is_some() { "a document" } else { "no document" },
        ]);
    }
}

fn shown(job: &Job) -> Value {
    json!([job.activity, job.operation, job.input, job.trigger.kind])
}

#[test]
fn what_a_trial_says_comes_true() {
    let mut seen = BTreeSet::new();
    for seed in 0..16 {
        block_on(async {
            let mut world = World::new(seed);
            for _ in 0..60 {
                world.turn().await;
            }
            seen.append(&mut world.seen);
        });
    }
    assert_eq!(seen.len(), 11, "{seen:?}");
}

#[test]
fn a_creation_without_an_id_is_tried_without_one() {
    block_on(async {
        let world = World::new(0);
        let tried = world.api.create(&super::collection(), json!({"a": 1}), &change(Intent::Try)).await;
        let Err(ApiError::Tried(trial)) = tried else { panic!("{tried:?}") };
        assert_eq!((trial.document, trial.if_match), (Some(json!({"a": 1})), None));
        let next: Map<String, Value> =
            trial.next.into_iter().map(|(name, ticks)| (name.to_string(), json!(ticks.len()))).collect();
        assert_eq!(Value::Object(next), json!({"work": 0}));
    });
}
