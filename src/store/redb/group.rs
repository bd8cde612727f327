//! Judges a group of transactions and writes what applies, in one flush.
//!
//! # Guarantees
//! Nothing is written before the whole group has been judged; a transaction
//! sees those before it in the group. Rows are written in the order of their
//! keys, each at most once, which is what a B-tree likes best.

use std::cell::Cell;
use std::collections::BTreeMap;

use ::redb::{Database, Durability, ReadableDatabase, WriteTransaction};
use bytes::Bytes;

use super::queue::{Commit, Forgotten};
use super::tables::{FORGOTTEN_N, FORGOTTEN_REV, LOG, META, REVISION, ROWS, STAMP, log_key, stamp};
use super::{Options, Recovery};
use crate::store::{Key, Op, Position, Rev, Txn};

/// The most log entries that are forgotten in one turn of the writer.
///
/// A compaction must not hold up the commits behind it for long.
const FORGET_MAX: usize = 4096;

/// How far a turn of the writer has come. It outlives a panic in the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing that was done can be found after a restart.
    Before,
    /// The commit has begun: after a failure it may be found or not.
    Committing,
}

/// What is to become of one transaction of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is applied under this revision.
    Apply(Rev),
    /// This guard of it does not hold.
    Conflict(usize),
}

/// What a group writes.
#[derive(Debug)]
pub(super) struct Plan {
    /// One for each transaction.
    pub(super) verdicts: Vec<Verdict>,
    /// The revision of the last that applies, or the one before the group.
    pub(super) rev: Rev,
    rows: BTreeMap<Key, Option<(Rev, Bytes)>>,
    log: Vec<(Position, Bytes)>,
}

impl Plan {
    /// Whether no transaction applies.
    pub(super) fn is_empty(&self) -> bool {
        self.applied() == 0
    }

    /// How many transactions apply.
    pub(super) fn applied(&self) -> usize {
        self.verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Apply(_))).count()
    }
}

/// Judges each transaction of a group against what is committed and those
/// before it. `rev` is the newest committed revision.
pub(super) fn judge(db: &Database, group: &[Commit], rev: Rev) -> Result<Plan, ::redb::Error> {
    let rows = db.begin_read()?.open_table(ROWS)?;
    let mut plan = Plan { verdicts: Vec::with_capacity(group.len()), rev, rows: BTreeMap::new(), log: Vec::new() };
    for Commit { txn, .. } in group {
        let broken = txn.broken_guard(|key| match plan.rows.get(key) {
            Some(pending) => Ok(pending.as_ref().map(|(rev, _)| *rev)),
            None => rows.get(&key.0[..])?.map(|row| stamp(row.value())).transpose(),
        })?;
        let verdict = match broken {
            Some(guard) => Verdict::Conflict(guard),
            None => Verdict::Apply(plan.admit(txn)),
        };
        plan.verdicts.push(verdict);
    }
    Ok(plan)
}

impl Plan {
    fn admit(&mut self, txn: &Txn) -> Rev {
        let rev = Rev(self.rev.0 + 1);
        self.rev = rev;
        for op in &txn.ops {
            match op {
                Op::Put(key, value) => self.rows.insert(key.clone(), Some((rev, value.clone()))),
                Op::Delete(key) => self.rows.insert(key.clone(), None),
            };
        }
        self.log.extend((0..).zip(&txn.log).map(|(n, entry)| (Position { rev, n }, entry.clone())));
        rev
    }
}

/// Writes a plan and makes it durable.
pub(super) fn write(db: &Database, plan: &Plan, options: &Options, phase: &Cell<Phase>) -> Result<(), ::redb::Error> {
    let txn = begin(db, options)?;
    {
        let mut rows = txn.open_table(ROWS)?;
        for (key, row) in &plan.rows {
            match row {
                Some((rev, value)) => {
                    let mut place = rows.insert_reserve(&key.0[..], STAMP + value.len())?;
                    let (stamp, rest) = place.as_mut().split_at_mut(STAMP);
                    stamp.copy_from_slice(&rev.0.to_be_bytes());
                    rest.copy_from_slice(value);
                }
                None => drop(rows.remove(&key.0[..])?),
            }
        }
        if !plan.log.is_empty() {
            let mut log = txn.open_table(LOG)?;
            for (at, entry) in &plan.log {
                log.insert(log_key(*at), &entry[..])?;
            }
        }
        // The log says it already, where it ends with this group: a page less to flush.
        if plan.log.last().is_none_or(|(at, _)| at.rev < plan.rev) {
            txn.open_table(META)?.insert(REVISION, plan.rev.0)?;
        }
    }
    commit(txn, phase)
}

/// Forgets the oldest log entries of transactions before `before`.
///
/// `rev` is the newest committed revision, which must outlive its log entry.
pub(super) fn forget(
    db: &Database,
    before: Rev,
    rev: Rev,
    options: &Options,
    phase: &Cell<Phase>,
) -> Result<Forgotten, ::redb::Error> {
    let (newest, forgotten) = {
        let log = db.begin_read()?.open_table(LOG)?;
        let mut old = log.range(..log_key(Position { rev: before, n: 0 }))?;
        let mut newest = None;
        for entry in old.by_ref().take(FORGET_MAX) {
            newest = Some(entry?.0.value());
        }
        (newest, if old.next().is_some() { Forgotten::Part } else { Forgotten::All })
    };
    let Some(newest) = newest else {
        return Ok(Forgotten::All);
    };
    let txn = begin(db, options)?;
    {
        txn.open_table(LOG)?.retain_in(..=newest, |_, _| false)?;
        let mut meta = txn.open_table(META)?;
        meta.insert(REVISION, rev.0)?;
        meta.insert(FORGOTTEN_REV, newest.0)?;
        meta.insert(FORGOTTEN_N, u64::from(newest.1))?;
    }
    commit(txn, phase)?;
    Ok(forgotten)
}

/// Begins a transaction whose commit is a flush.
///
/// Two-phase, because documents come from strangers: a checksum that can be
/// forged must not be what decides whether a commit took place.
pub(super) fn begin(db: &Database, options: &Options) -> Result<WriteTransaction, ::redb::Error> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(matches!(options.recovery, Recovery::Prepared));
    Ok(txn)
}

fn commit(txn: WriteTransaction, phase: &Cell<Phase>) -> Result<(), ::redb::Error> {
    phase.set(Phase::Committing);
    txn.commit()?;
    Ok(())
}
