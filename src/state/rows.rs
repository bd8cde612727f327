//! The rows that a state is stored as: a pure function of it, indexes included.
//!
//! A commit writes the difference between the rows before and after, so no
//! index can be forgotten.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{keys, record};
use crate::domain::id::Uid;
use crate::domain::job::Job;
use crate::reconcile::{ActiveJob, ResourceState};
use crate::store::{Key, Op};

/// Every row of a resource that its state accounts for: its document, its
/// observed state, its jobs as far as they are in the state, and their indexes.
#[must_use]
pub fn rows_of(state: &ResourceState) -> BTreeMap<Key, Bytes> {
    let mut rows = index_rows(state);
    if let Some(desired) = &state.desired {
        rows.insert(keys::desired(&state.key), record::encode_desired(desired));
    }
    if let Some(observed) = &state.observed {
        rows.insert(keys::observed(&state.key), record::encode_observed(observed));
    }
    for job in state.jobs.values() {
        rows.insert(keys::job(job.id), record::encode_job(job));
    }
    rows.extend(state.desired.iter().flat_map(|desired| ledger_rows(state, desired.uid)));
    rows
}

/// The rows of the ledger that what happened last has written.
fn ledger_rows(state: &ResourceState, uid: Uid) -> impl Iterator<Item = (Key, Bytes)> {
    let ledger = state.ledger.iter();
    ledger.map(move |((activity, at), outcome)| (keys::tick(uid, activity, *at), record::encode_tick(outcome)))
}

/// What turns the rows of one state of a resource into those of a later one.
///
/// What did not change is not encoded either: a change of a document that
/// leads to no decision is one row.
pub(super) fn difference(before: &ResourceState, after: &ResourceState) -> Vec<Op> {
    let mut ops = Vec::new();
    if after.desired != before.desired {
        ops.push(match &after.desired {
            Some(desired) => Op::Put(keys::desired(&after.key), record::encode_desired(desired)),
            None => Op::Delete(keys::desired(&after.key)),
        });
    }
    let observed_alone = ops.len();
    if after.observed != before.observed {
        ops.push(match &after.observed {
            Some(observed) => Op::Put(keys::observed(&after.key), record::encode_observed(observed)),
            None => Op::Delete(keys::observed(&after.key)),
        });
    }
    let changed = after.jobs.values().filter(|job| before.jobs.get(&job.id) != Some(job));
    ops.extend(changed.map(|job| Op::Put(keys::job(job.id), record::encode_job(job))));
    let forgotten = before.jobs.keys().filter(|id| !after.jobs.contains_key(id));
    ops.extend(forgotten.map(|id| Op::Delete(keys::job(*id))));
    // What had its time before the resource went belongs to the one that was there.
    let desired = after.desired.as_ref().or(before.desired.as_ref());
    let ticks = desired.iter().flat_map(|desired| ledger_rows(after, desired.uid));
    ops.extend(ticks.map(|(row, value)| Op::Put(row, value)));
    // Indexes are made of observed state and jobs, and of nothing else.
    if ops.len() > observed_alone {
        let old = index_rows(before);
        let mut new = index_rows(after);
        ops.extend(old.keys().filter(|row| !new.contains_key(row)).cloned().map(Op::Delete));
        new.retain(|row, value| old.get(row) != Some(value));
        ops.extend(new.into_iter().map(|(row, value)| Op::Put(row, value)));
    }
    ops
}

/// The index rows alone.
fn index_rows(state: &ResourceState) -> BTreeMap<Key, Bytes> {
    let mut rows = BTreeMap::new();
    for job in state.jobs.values() {
        rows.insert(keys::job_of_activity(job.uid, &job.activity, job.id), Bytes::new());
        index_attempt(state, job, &mut rows);
        if job.is_to_be_forgotten() {
            rows.insert(keys::unkept(job.id), record::encode_key(&state.key));
        }
    }
    let Some(observed) = &state.observed else { return rows };
    for active in observed.activities.values().flat_map(|status| &status.active) {
        index_queue(state, active, &mut rows);
    }
    if let Some(at) = observed.wake_at() {
        rows.insert(keys::due(at, &state.key), Bytes::new());
    }
    if !observed.settlement.reason.is_settled() {
        rows.insert(keys::unsettled(&state.key), Bytes::new());
    }
    rows
}

fn index_attempt(state: &ResourceState, job: &Job, rows: &mut BTreeMap<Key, Bytes>) {
    let Some(attempt) = job.current() else { return };
    let value =
        record::AttemptValue { resource: state.key.clone(), phase: job.phase, is_remote: attempt.remote.is_some() };
    rows.insert(keys::attempt(job.id), record::encode_attempt(&value));
    if let Some(slot) = attempt.slot {
        rows.insert(
            keys::slot(&job.operation, attempt.limit_key.as_ref(), slot),
            Bytes::copy_from_slice(job.id.as_bytes()),
        );
    }
}

fn index_queue(state: &ResourceState, active: &ActiveJob, rows: &mut BTreeMap<Key, Bytes>) {
    if let (Some(ready), Some(job)) = (&active.ready, state.jobs.get(&active.id)) {
        let key = keys::queued(&job.operation, ready.limit_key.as_ref(), ready.priority, ready.at, job.id);
        rows.insert(key, record::encode_key(&state.key));
    }
}
