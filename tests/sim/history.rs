//! What clients asked for, and what became of each document.

use std::collections::BTreeMap;

use heeler::domain::document::Desired;
use heeler::domain::id::ResourceKey;
use heeler::store::Rev;
use serde_json::{Map, Value};

use crate::clients::Request;
use crate::world::STRICT;

/// What a client wants to make of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// This.
    Put(Map<String, Value>),
    /// What a merge patch makes of it.
    Merge(Map<String, Value>),
    /// What a JSON Patch makes of it that sets one member.
    Set(&'static str, Value),
}

impl Change {
    /// The document after it; a model of its own.
    pub(crate) fn make(&self, before: Option<&Map<String, Value>>) -> Map<String, Value> {
        let mut after = before.cloned().unwrap_or_default();
        match self {
            Self::Put(members) => after.clone_from(members),
            Self::Merge(patch) => merge(&mut after, patch),
            Self::Set(member, value) => drop(after.insert((*member).to_owned(), value.clone())),
        }
        after
    }
}

fn merge(document: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (member, value) in patch {
        match value {
            Value::Null => drop(document.shift_remove(member)),
            Value::Object(inner) => {
                let place = document.entry(member.clone()).or_insert(Value::Null);
                let mut inside = place.as_object().cloned().unwrap_or_default();
                merge(&mut inside, inner);
                *place = Value::Object(inside);
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                document.insert(member.clone(), value.clone());
            }
        }
    }
}

/// What a client believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belief {
    /// Nothing.
    None,
    /// `If-Match` with a tag that names this change.
    ChangedAt(Rev),
    /// `If-None-Match: *`.
    Absent,
}

/// A request that was sent, once or more often.
#[derive(Debug)]
struct Sent {
    key: Option<ResourceKey>,
    change: Change,
    belief: Belief,
    is_keyed: bool,
    /// How often it was sent and has no answer, or none that says what happened.
    open: usize,
    /// Whether it was said not to have changed anything, by the last answer of all.
    refused: bool,
}

/// One state of a document, from a commit on; `None` when it is gone.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) rev: Rev,
    pub(crate) document: Option<Map<String, Value>>,
    pub(crate) fingerprint: [u8; 32],
}

/// What clients sent, and all that became of each document.
#[derive(Debug, Default)]
pub(crate) struct History {
    sent: BTreeMap<[u8; 32], Sent>,
    versions: BTreeMap<ResourceKey, Vec<Version>>,
    pub(crate) manual_jobs: usize,
    /// POSTs that may have launched a job.
    pub(crate) posts: usize,
}

impl History {
    /// A request is sent, with a key of its own or without one.
    pub(crate) fn send(&mut self, request: &Request, key: Option<&ResourceKey>, change: &Change, belief: Belief) {
        let fresh = Sent {
            key: key.cloned(),
            change: change.clone(),
            belief,
            is_keyed: request.once.is_some(),
            open: 0,
            refused: false,
        };
        let sent = self.sent.entry(request.fingerprint).or_insert(fresh);
        sent.open += 1;
        sent.refused = false;
    }

    /// Whether a request was sent with a key.
    pub(crate) fn is_keyed(&self, fingerprint: &[u8; 32]) -> bool {
        self.sent.get(fingerprint).is_some_and(|sent| sent.is_keyed)
    }

    /// It was answered that nothing was changed.
    pub(crate) fn refuse(&mut self, fingerprint: &[u8; 32]) {
        if let Some(sent) = self.sent.get_mut(fingerprint) {
            sent.open -= 1;
            sent.refused = sent.open == 0;
        }
    }

    /// It was answered that the document is as it was to be made.
    pub(crate) fn acknowledge(&mut self, fingerprint: &[u8; 32]) {
        if let Some(sent) = self.sent.get_mut(fingerprint) {
            sent.open -= 1;
        }
    }

    pub(crate) fn deleted(&mut self, key: &ResourceKey, rev: Rev) {
        let gone = Version { rev, document: None, fingerprint: [0; 32] };
        self.versions.entry(key.clone()).or_default().push(gone);
    }

    /// A document was changed; what is wrong with that.
    pub(crate) fn changed(
        &mut self,
        key: &ResourceKey,
        rev: Rev,
        before: Option<(Rev, &Map<String, Value>)>,
        after: &Desired,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let document = after.document.members();
        match self.sent.get_mut(&after.fingerprint) {
            None => wrong.push(format!("{key} changed, and nobody sent that")),
            Some(sent) => {
                if sent.key.as_ref().is_some_and(|sent| sent != key) {
                    wrong.push(format!("{key} changed by a request to {:?}", sent.key));
                }
                if sent.refused {
                    wrong.push(format!("{key} changed by a request that was refused"));
                }
                let believed = match sent.belief {
                    Belief::None => before.is_none() || key.collection.as_str() != STRICT,
                    Belief::ChangedAt(changed) => before.is_some_and(|(rev, _)| rev == changed),
                    Belief::Absent => before.is_none(),
                };
                if !believed {
                    let found = before.map(|(rev, _)| rev);
                    wrong.push(format!("an update of {key} is lost: {:?} was believed of {found:?}", sent.belief));
                }
                if sent.change.make(before.map(|(_, members)| members)) != *document {
                    wrong.push(format!("{key} is {document:?} after {:?}", sent.change));
                }
            }
        }
        if before.is_some_and(|(_, members)| members == document) {
            wrong.push(format!("{key} has a new generation, and nothing changed"));
        }
        let version = Version { rev, document: Some(document.clone()), fingerprint: after.fingerprint };
        self.versions.entry(key.clone()).or_default().push(version);
        wrong
    }

    /// The states of a document that held at some time after `since`, the
    /// first of them with the state that held then.
    pub(crate) fn since(&self, key: &ResourceKey, since: Rev) -> &[Version] {
        let versions = self.versions.get(key).map_or(&[][..], Vec::as_slice);
        let newer = versions.iter().position(|version| version.rev > since).unwrap_or(versions.len());
        &versions[newer.saturating_sub(1)..]
    }

    /// Whether there was no such document at some time after `since`.
    pub(crate) fn was_absent(&self, key: &ResourceKey, since: Rev) -> bool {
        let held = self.since(key, since);
        held.iter().any(|version| version.document.is_none()) || held.first().is_none_or(|first| first.rev > since)
    }
}
