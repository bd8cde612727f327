//! The one thread that writes.
//!
//! # Guarantees
//! It takes what is queued and never waits for more. Nobody is answered before
//! the flush has returned. After the first failure it writes nothing more: a
//! flush that failed is not tried again, because the second one would succeed
//! without having written what the first one lost.
//! # Not here
//! What a group does to the tables: [`super::group`].

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::group::{self, Phase, Plan, Verdict};
use super::queue::{Commit, Forget, Forgotten, Work};
use super::{Fault, Flush, Shared};
use crate::store::{Cause, CommitError, Rev};

/// The free space that transactions leave on the disk, in bytes.
///
/// Room in which a compaction can run, and the engine can close the file, when
/// there is room for nothing else.
pub const DISK_RESERVE_BYTES: u64 = 8 << 20;

/// What one op may write beyond its own bytes: the pages from root to leaf.
const OP_PAGES_BYTES: u64 = 4 * 4096;

/// Runs until the queue is shut and empty, or the store has failed.
pub(super) fn run(shared: &Shared, rev: Rev) {
    let mut rev = rev;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        while let Some(work) = shared.queue.take() {
            match work {
                Work::Group(commits) => rev = turn(shared, commits, rev),
                Work::Forget(forget) => compact(shared, forget, rev),
            }
        }
    }));
    if let Err(payload) = ended {
        shared.fail(Arc::new(Fault::panic(payload.as_ref())));
    }
}

/// One group: its flush and its answers. The newest committed revision.
fn turn(shared: &Shared, commits: Vec<Commit>, rev: Rev) -> Rev {
    if shared.cause().is_some() {
        answer_all(commits, || Err(CommitError::Stopped));
        return rev;
    }
    if !has_room(shared, &commits) {
        answer_all(commits, || Err(CommitError::Full));
        return rev;
    }
    let begun = Instant::now();
    let plan = match attempt(shared, |db| group::judge(db, &commits, rev)) {
        Ok(plan) => plan,
        Err(cause) => {
            shared.fail(cause);
            answer_all(commits, || Err(CommitError::Stopped));
            return rev;
        }
    };
    let phase = Cell::new(Phase::Before);
    if !plan.is_empty() {
        shared.turns.begin();
        let written = attempt(shared, |db| group::write(db, &plan, &shared.options, &phase));
        if let Err(cause) = written {
            shared.fail(Arc::clone(&cause));
            answer_failed(commits, &plan, phase.get(), &cause);
            return rev;
        }
        shared.committed.send_replace(plan.rev);
        shared.turns.end();
    }
    let flush = (!plan.is_empty()).then(|| Flush { transactions: plan.applied(), took: begun.elapsed() });
    // Before anybody hears of it: who asks then finds it counted.
    if let (Some(flushed), Some(flush)) = (&shared.options.flushed, flush) {
        flushed(flush);
    }
    answer(commits, &plan);
    plan.rev
}

/// After the flush: each is told what became of it. Who has gone away is not.
fn answer(commits: Vec<Commit>, plan: &Plan) {
    for (commit, verdict) in commits.into_iter().zip(&plan.verdicts) {
        let _ = commit.answer.send(match *verdict {
            Verdict::Apply(rev) => Ok(rev),
            Verdict::Conflict(guard) => Err(CommitError::Conflict { guard }),
        });
    }
}

/// After a failure: unknown is what may have been applied, and nothing else.
///
/// A conflict is not told as one, since it may be one with a transaction that
/// will not be there.
fn answer_failed(commits: Vec<Commit>, plan: &Plan, phase: Phase, cause: &Cause) {
    for (commit, verdict) in commits.into_iter().zip(&plan.verdicts) {
        let _ = commit.answer.send(Err(match (phase, verdict) {
            (Phase::Committing, Verdict::Apply(_)) => CommitError::Unknown(Arc::clone(cause)),
            (Phase::Committing, Verdict::Conflict(_)) | (Phase::Before, _) => CommitError::Stopped,
        }));
    }
}

fn answer_all(commits: Vec<Commit>, answer: impl Fn() -> Result<Rev, CommitError>) {
    for commit in commits {
        let _ = commit.answer.send(answer());
    }
}

fn compact(shared: &Shared, forget: Forget, rev: Rev) {
    let phase = Cell::new(Phase::Before);
    let done: Result<Forgotten, CommitError> = if shared.cause().is_some() {
        Err(CommitError::Stopped)
    } else {
        attempt(shared, |db| group::forget(db, forget.before, rev, &shared.options, &phase)).map_err(|cause| {
            shared.fail(Arc::clone(&cause));
            match phase.get() {
                Phase::Before => CommitError::Stopped,
                Phase::Committing => CommitError::Unknown(cause),
            }
        })
    };
    let _ = forget.answer.send(done);
}

/// Does something with the engine; an error or a panic of it is a cause.
fn attempt<T>(shared: &Shared, work: impl FnOnce(&::redb::Database) -> Result<T, ::redb::Error>) -> Result<T, Cause> {
    let db = shared.db();
    let Some(db) = db.as_ref() else {
        return Err(Arc::new(Fault::Closed));
    };
    match catch_unwind(AssertUnwindSafe(|| work(db))) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Arc::new(Fault::Engine(error))),
        Err(payload) => Err(Arc::new(Fault::panic(payload.as_ref()))),
    }
}

/// Whether the disk has room for a group. Where that cannot be asked it is
/// assumed: the engine will say.
fn has_room(shared: &Shared, commits: &[Commit]) -> bool {
    let Some(free) = shared.options.free_space.as_ref().and_then(|free| free().ok()) else {
        return true;
    };
    let need: u64 = commits
        .iter()
        // Twice, for a row is written with the rest of its page.
        .map(|Commit { txn, .. }| 2 * txn.bytes() as u64 + (txn.ops.len() + txn.log.len()) as u64 * OP_PAGES_BYTES)
        .sum();
    free >= DISK_RESERVE_BYTES + need
}
