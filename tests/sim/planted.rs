//! Faults that are put in on purpose: each must be found, or the simulation proves nothing.

use bytes::Bytes;
use futures_util::FutureExt;
use heeler::domain::id::ActivityName;
use heeler::domain::tick::{SkippedRun, TickOutcome};
use heeler::domain::time::Timestamp;
use heeler::reconcile::Scheduled;
use heeler::runner::AttemptRef;
use heeler::state::keys::{self, ResourceRow};
use heeler::state::record;
use heeler::store::{Key, Op, Store, Txn};

use crate::driver::{Options, run};
use crate::oracle::Oracle;
use crate::process::Pass;
use crate::store::{Disk, forget_the_key, forget_the_queue};

/// A fault that is put in on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    None,
    /// The store answers a commit before it is written.
    AnswersBeforeItWrites,
    /// What a transaction depends on is compared outside of it.
    ComparesOutside,
    /// A transaction leaves the queue out.
    ForgetsTheQueue,
    /// A transaction leaves out what is remembered of it.
    ForgetsTheKey,
    /// The runner forgets what it started.
    StartsTwice,
    /// The runner does not pass on that an attempt is to stop.
    NeverStops,
    /// A report is taken for one of the current attempt.
    IgnoresTokens,
    /// A tick launches its job, and the cursor stays behind it.
    LeavesTheCursor,
    /// Which tick was the last is forgotten with the process.
    LaunchesTwice,
    /// A run of skipped ticks counts one more than there are.
    MiscountsTheSkipped,
    /// An edit of a schedule holds from before its commit.
    EditsThePast,
    /// A loop is dead.
    NobodyDispatches(Pass),
}

impl Planted {
    pub(crate) fn spoil(self, txn: &mut Txn) {
        match self {
            Self::ComparesOutside => txn.guards.clear(),
            Self::ForgetsTheQueue => forget_the_queue(txn),
            Self::ForgetsTheKey => forget_the_key(txn),
            Self::LeavesTheCursor => leave_the_cursor(txn),
            Self::MiscountsTheSkipped => miscount_the_skipped(txn),
            Self::EditsThePast => edit_the_past(txn),
            Self::LaunchesTwice
            | Self::None
            | Self::AnswersBeforeItWrites
            | Self::StartsTwice
            | Self::NeverStops
            | Self::IgnoresTokens
            | Self::NobodyDispatches(_) => {}
        }
    }

    /// A process dies, and what it knew is lost with it.
    pub(crate) fn forget(self, disk: &Disk) {
        if self != Self::LaunchesTwice {
            return;
        }
        let mut txn = Txn::default();
        for (key, entry) in disk.dump() {
            change_schedules(&key, &entry.value, &mut txn, |_, scheduled| {
                let last = scheduled.previous.last().filter(|last| **last == scheduled.cursor);
                last.map(|last| before(*last, 1))
            });
        }
        let done = disk.memory.commit(txn).now_or_never();
        assert!(done.is_some_and(|done| done.is_ok()), "the store in memory takes everything");
    }

    /// The attempt that a report is taken to be of.
    pub(crate) fn relabel(self, attempt: AttemptRef, oracle: &Oracle) -> AttemptRef {
        let current = oracle.job(attempt.job).and_then(|job| job.current());
        match (self, current) {
            (Self::IgnoresTokens, Some(current)) => AttemptRef { token: current.token, ..attempt },
            _ => attempt,
        }
    }
}

fn before(instant: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(instant.as_millis() - millis)
}

/// Puts an observed state with other cursors, if this is one and any is another.
fn change_schedules(
    key: &Key,
    value: &Bytes,
    txn: &mut Txn,
    cursor: impl Fn(&ActivityName, &Scheduled) -> Option<Timestamp>,
) {
    let Some(ResourceRow::Observed(_)) = keys::read_resource(key) else { return };
    let Ok(mut observed) = record::decode_observed(value) else { return };
    let mut changed = false;
    for (name, status) in &mut observed.activities {
        let Some(scheduled) = status.schedule.as_mut() else { continue };
        if let Some(cursor) = cursor(name, scheduled) {
            scheduled.cursor = cursor;
            changed = true;
        }
    }
    if changed {
        txn.ops.retain(|op| !matches!(op, Op::Put(other, _) if other == key));
        txn.ops.push(Op::Put(key.clone(), record::encode_observed(&observed)));
    }
}

fn puts(txn: &Txn) -> Vec<(Key, Bytes)> {
    let puts = txn.ops.iter().filter_map(|op| match op {
        Op::Put(key, value) => Some((key.clone(), value.clone())),
        Op::Delete(_) => None,
    });
    puts.collect()
}

fn leave_the_cursor(txn: &mut Txn) {
    let puts = puts(txn);
    let launched: Vec<(ActivityName, Timestamp)> = puts
        .iter()
        .filter(|(_, value)| matches!(record::decode_tick(value), Ok(TickOutcome::Launched { .. })))
        .filter_map(|(key, _)| keys::read_tick(key).map(|(_, activity, at)| (activity, at)))
        .collect();
    for (key, value) in &puts {
        change_schedules(key, value, txn, |name, scheduled| {
            let at = scheduled.cursor;
            launched.contains(&(name.clone(), at)).then(|| before(at, 1))
        });
    }
}

fn miscount_the_skipped(txn: &mut Txn) {
    for op in &mut txn.ops {
        if let Op::Put(key, value) = op
            && keys::read_tick(key).is_some()
            && let Ok(TickOutcome::Skipped(run)) = record::decode_tick(value)
        {
            *value = record::encode_tick(&TickOutcome::Skipped(SkippedRun { count: run.count + 1, ..run }));
        }
    }
}

fn edit_the_past(txn: &mut Txn) {
    let puts = puts(txn);
    let desired = |(key, value): &(Key, Bytes)| match keys::read_resource(key) {
        Some(ResourceRow::Desired(_)) => record::decode_desired(value).ok(),
        Some(ResourceRow::Observed(_)) | None => None,
    };
    let Some(updated) = puts.iter().find_map(desired).map(|desired| desired.updated) else { return };
    for (key, value) in &puts {
        change_schedules(key, value, txn, |_, scheduled| {
            (scheduled.anchor == updated).then(|| before(scheduled.cursor, 3_600_000))
        });
    }
}

/// How many seeds a planted fault may survive: more than a run of all seeds
/// has, and it ends at the first that finds it.
const SEEDS: u64 = 3000;

fn is_found(planted: Planted) {
    is_found_as(planted, "");
}

/// It is found, and at some seed something like this is said of it.
fn is_found_as(planted: Planted, words: &str) {
    let mut found = (0..SEEDS).filter_map(|seed| run(Options { seed, steps: crate::STEPS, planted }).violation);
    assert!(found.any(|found| found.contains(words)), "{planted:?} survived {SEEDS} seeds");
}

#[test]
fn a_store_that_answers_before_it_writes_is_found() {
    is_found(Planted::AnswersBeforeItWrites);
}

#[test]
fn a_comparison_outside_of_the_transaction_is_found() {
    is_found(Planted::ComparesOutside);
}

#[test]
fn a_transaction_that_leaves_an_index_out_is_found() {
    is_found(Planted::ForgetsTheQueue);
}

#[test]
fn a_transaction_that_leaves_its_key_out_is_found() {
    is_found(Planted::ForgetsTheKey);
}

#[test]
fn an_attempt_that_is_started_twice_is_found() {
    is_found(Planted::StartsTwice);
}

#[test]
fn an_attempt_that_is_never_told_to_stop_is_found() {
    is_found(Planted::NeverStops);
}

#[test]
fn a_stale_report_that_is_believed_is_found() {
    is_found(Planted::IgnoresTokens);
}

#[test]
fn a_dispatcher_that_is_dead_is_found() {
    is_found(Planted::NobodyDispatches(Pass::Dispatch));
}

#[test]
fn timers_that_never_fire_are_found() {
    is_found(Planted::NobodyDispatches(Pass::Due));
}

#[test]
fn a_cursor_that_stays_behind_its_tick_is_found() {
    is_found_as(Planted::LeavesTheCursor, "the cursor is");
}

#[test]
fn a_tick_that_is_launched_twice_is_found() {
    is_found_as(Planted::LaunchesTwice, "the outcome of");
}

#[test]
fn a_wrong_count_of_skipped_ticks_is_found() {
    is_found_as(Planted::MiscountsTheSkipped, "more ticks from");
}

#[test]
fn an_edit_that_is_retroactive_is_found() {
    is_found_as(Planted::EditsThePast, "the cursor is");
}
