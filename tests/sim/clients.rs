//! Clients: what they ask for, and what they remember.

use std::collections::BTreeMap;
use std::fmt;

use heeler::domain::id::{ActivityName, JobId, ResourceKey};
use heeler::domain::time::Timestamp;
use heeler::domain::version::{ETag, Revision};
use heeler::store::Rev;
use serde_json::{Map, Value, json};

use crate::history::Change;
use crate::oracle::Oracle;
use crate::schedules;
use crate::world::{ACTIVITIES, Dice, LOOSE, OPERATIONS, STRICT};

/// What a client asks for.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Get,
    Create(Change),
    Change(Change),
    Delete,
    Launch(ActivityName, Option<Value>),
    Cancel(JobId),
}

/// One request, which may be sent again as it is.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) key: ResourceKey,
    pub(crate) kind: Kind,
    pub(crate) if_match: Option<ETag>,
    pub(crate) if_absent: bool,
    pub(crate) fingerprint: [u8; 32],
    /// Its idempotency key.
    pub(crate) once: Option<String>,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.fingerprint[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        write!(f, "#{number} {} {:?}", self.key, self.kind)?;
        if let Some(key) = &self.once {
            write!(f, " once {key}")?;
        }
        match self.if_match {
            Some(etag) => write!(f, " if {etag}"),
            None if self.if_absent => f.write_str(" if absent"),
            None => Ok(()),
        }
    }
}

/// What clients remember.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    tags: BTreeMap<ResourceKey, Vec<ETag>>,
    pub(crate) created: Vec<ResourceKey>,
    unanswered: Vec<Request>,
    sent: u64,
}

impl Clients {
    /// Somebody thinks of a request, or sends one again that has no answer yet.
    /// Some of it is to recur where the time is given.
    pub(crate) fn think(
        &mut self,
        dice: &Dice,
        resources: usize,
        recurring: Option<Timestamp>,
        oracle: &Oracle,
    ) -> Request {
        if !self.unanswered.is_empty() && dice.happens(250) {
            return dice.pick(&self.unanswered).clone();
        }
        let key = self.key(dice, resources);
        let unknown = !self.tags.contains_key(&key) && dice.happens(600);
        let kind = match dice.below(20) {
            _ if unknown => Kind::Change(Change::Put(document(dice, recurring))),
            0..=2 => Kind::Get,
            3 => Kind::Create(Change::Put(document(dice, recurring))),
            4..=6 => Kind::Change(Change::Put(document(dice, recurring))),
            7..=11 => Kind::Change(Change::Merge(patch(dice, recurring))),
            12 => Kind::Change(Change::Set("n", json!(dice.below(4)))),
            13 => Kind::Delete,
            14..=16 => Kind::Launch(activity(dice), launch(dice)),
            _ => match oracle.jobs.keys().nth(dice.below(oracle.jobs.len().max(1))) {
                Some(job) => Kind::Cancel(*job),
                None => Kind::Get,
            },
        };
        // A tag that some client read last, or one from before.
        let tags = self.tags.get(&key).map_or(&[][..], Vec::as_slice);
        let recent = &tags[tags.len().saturating_sub(if dice.happens(700) { 1 } else { 3 })..];
        let if_match = if recent.is_empty() || dice.happens(200) { None } else { Some(*dice.pick(recent)) };
        let if_absent = if_match.is_none() && matches!(kind, Kind::Change(Change::Put(_))) && dice.happens(500);
        self.sent += 1;
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&self.sent.to_be_bytes());
        let once = (dice.happens(400) && !matches!(kind, Kind::Get)).then(|| self.sent.to_string());
        let request = match kind {
            Kind::Cancel(_) | Kind::Get | Kind::Create(_) => {
                Request { key, kind, if_match: None, if_absent: false, fingerprint, once }
            }
            Kind::Change(_) | Kind::Delete | Kind::Launch(..) => {
                Request { key, kind, if_match, if_absent, fingerprint, once }
            }
        };
        self.unanswered.push(request.clone());
        request
    }

    /// Somebody takes the schedules of a resource back, as it is after this change.
    pub(crate) fn take_back(&mut self, key: &ResourceKey, changed: Rev, activities: &[ActivityName]) -> Request {
        let without = |name: &ActivityName| (name.as_str().to_owned(), json!({"schedule": null}));
        let changed = Revision::from_number(changed.0);
        self.sent += 1;
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&self.sent.to_be_bytes());
        Request {
            key: key.clone(),
            kind: Kind::Change(Change::Merge(activities.iter().map(without).collect())),
            if_match: Some(ETag { changed, revision: changed }),
            if_absent: false,
            fingerprint,
            once: None,
        }
    }

    fn key(&self, dice: &Dice, resources: usize) -> ResourceKey {
        if !self.created.is_empty() && dice.happens(100) {
            return dice.pick(&self.created).clone();
        }
        let collection = if dice.happens(500) { STRICT } else { LOOSE };
        let id = ["a", "b", "c"][dice.below(resources)];
        ResourceKey { collection: collection.parse().expect("a name"), id: id.parse().expect("an id") }
    }

    pub(crate) fn answered(&mut self, request: &Request) {
        self.unanswered.retain(|other| other.fingerprint != request.fingerprint);
    }

    pub(crate) fn saw(&mut self, key: &ResourceKey, etag: ETag) {
        let tags = self.tags.entry(key.clone()).or_default();
        if tags.last() != Some(&etag) {
            tags.push(etag);
        }
    }
}

fn activity(dice: &Dice) -> ActivityName {
    dice.pick(&ACTIVITIES).parse().expect("a name")
}

/// Rather the one with the tightest limit.
fn operation(dice: &Dice) -> &'static str {
    OPERATIONS[if dice.happens(300) { 0 } else { dice.below(OPERATIONS.len()) }]
}

fn wish(dice: &Dice, recurring: Option<Timestamp>) -> Value {
    let mut wish = json!({"operation": operation(dice), "input": {"v": dice.below(3)}});
    let optional = [
        ("trigger", json!(dice.below(3)), 300),
        ("overlap", json!(dice.pick(&["forbid", "queue", "replace", "allow"])), 500),
        ("suspend", json!(true), 120),
        ("canceled", json!(true), 120),
        ("retry", json!({"attempts": 1 + dice.below(3), "backoff": "1s"}), 300),
        ("timeout", json!("5m"), 200),
    ];
    for (member, value, per_mille) in optional {
        if dice.happens(per_mille) {
            wish[member] = value;
        }
    }
    if let Some(now) = recurring.filter(|_| dice.happens(750)) {
        wish["schedule"] = schedules::think(dice, now);
        schedules::bound(&mut wish, dice);
    }
    wish
}

fn document(dice: &Dice, recurring: Option<Timestamp>) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("n".to_owned(), json!(dice.below(4)));
    for (name, per_mille) in ACTIVITIES.into_iter().zip([800, 600]) {
        if dice.happens(per_mille) {
            document.insert(name.to_owned(), wish(dice, recurring));
        }
    }
    document
}

fn patch(dice: &Dice, recurring: Option<Timestamp>) -> Map<String, Value> {
    let flag = if dice.happens(500) { json!(true) } else { Value::Null };
    let inner = match dice.below(if recurring.is_some() { 12 } else { 7 }) {
        0 => return Map::from_iter([("n".to_owned(), json!(dice.below(4)))]),
        1 => json!({"suspend": flag}),
        2 => json!({"canceled": flag}),
        3 => json!({"trigger": dice.below(3)}),
        4 => json!({"input": {"v": dice.below(3)}}),
        5 => Value::Null,
        6 => wish(dice, recurring),
        7 => json!({"schedule": null}),
        8 => json!({"schedule": {"limit": if dice.happens(500) { json!(1 + dice.below(4)) } else { Value::Null }}}),
        9 => json!({"overlap": dice.pick(&["forbid", "queue", "replace", "allow"])}),
        10 => json!({"schedule": {"missed": dice.pick(&["skip", "latest"])}}),
        _ => json!({"schedule": {"every": dice.pick(&["3s", "90s", "2h"])}}),
    };
    Map::from_iter([(activity(dice).as_str().to_owned(), inner)])
}

fn launch(dice: &Dice) -> Option<Value> {
    match dice.below(3) {
        0 => None,
        1 => Some(json!({"operation": operation(dice)})),
        _ => Some(json!({"operation": operation(dice), "input": {"w": 1}})),
    }
}
