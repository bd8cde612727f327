//! Faults that are put in on purpose: each must be found, or the simulation proves nothing.

use heeler::runner::AttemptRef;
use heeler::store::Txn;

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
    /// A loop is dead.
    NobodyDispatches(Pass),
}

impl Planted {
    pub(crate) fn spoil(self, txn: &mut Txn) {
        match self {
            Self::ComparesOutside => txn.guards.clear(),
            Self::ForgetsTheQueue => forget_the_queue(txn),
            Self::ForgetsTheKey => forget_the_key(txn),
            Self::None
            | Self::AnswersBeforeItWrites
            | Self::StartsTwice
            | Self::NeverStops
            | Self::IgnoresTokens
            | Self::NobodyDispatches(_) => {}
        }
    }

    /// A process dies, and what it knew is lost with it.
    pub(crate) fn forget(self, _disk: &Disk) {}

    /// The attempt that a report is taken to be of.
    pub(crate) fn relabel(self, attempt: AttemptRef, oracle: &Oracle) -> AttemptRef {
        let current = oracle.job(attempt.job).and_then(|job| job.current());
        match (self, current) {
            (Self::IgnoresTokens, Some(current)) => AttemptRef { token: current.token, ..attempt },
            _ => attempt,
        }
    }
}

/// How many seeds a planted fault may survive: more than a run of all seeds
/// has, and it ends at the first that finds it.
const SEEDS: u64 = 3000;

fn is_found(planted: Planted) {
    let found = (0..SEEDS).find_map(|seed| run(Options { seed, steps: crate::STEPS, planted }).violation);
    assert!(found.is_some(), "{planted:?} survived {SEEDS} seeds");
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
