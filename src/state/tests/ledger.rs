//! What becomes of a ledger that is written while it is forgotten.

use super::*;
use crate::domain::id::Uid;
use crate::domain::tick::{SkipReason, SkippedRun, TickOutcome};

fn run(until: Timestamp) -> TickOutcome {
    TickOutcome::Skipped(SkippedRun { reason: SkipReason::Suspended, until, count: 2 })
}

#[tokio::test]
async fn a_run_that_goes_on_while_it_is_to_be_forgotten_stays() {
    let (state, spy) = state();
    let (uid, activity) = (Uid::from_bytes([1; 16]), name("processing"));
    let put = |until| Op::Put(keys::tick(uid, &activity, BEGINNING), record::encode_tick(&run(until)));
    let (old, new) = (BEGINNING.after(Duration::from_secs(1)), BEGINNING.after(Duration::from_secs(9)));
    spy.inner.commit(Txn { ops: vec![put(old)], ..Txn::default() }).await.expect("it is written");
    locked(&spy.mishaps).push_back(Mishap::Overtaken(Txn { ops: vec![put(new)], ..Txn::default() }));
    let before = BEGINNING.after(Duration::from_secs(5));
    assert_eq!(state.forget_ticks(None, before, 9).await.expect("it works"), (0, None));
    let kept = state.ticks(uid, &activity, None, 9).await.expect("it reads");
    assert_eq!(kept, (vec![(BEGINNING, run(new))], false));
    let later = new.next();
    locked(&spy.mishaps).push_back(Mishap::Answered(CommitError::Full));
    assert_eq!(state.forget_ticks(None, later, 9).await.expect("it can wait").0, 0);
    locked(&spy.mishaps).push_back(Mishap::Answered(CommitError::Stopped));
    assert!(state.forget_ticks(None, later, 9).await.is_err());
    assert_eq!(state.forget_ticks(None, later, 9).await.expect("it works"), (1, None));
}
