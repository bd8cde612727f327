//! The ledgers of ticks: read page by page, and forgotten once they are old.

use std::sync::Arc;

use heeler::domain::id::{ActivityName, JobId, Uid};
use heeler::domain::tick::{SkipReason, SkippedRun, TickOutcome};
use heeler::domain::time::Timestamp;
use heeler::state::{State, TickRow, keys, record};
use heeler::store::{Op, Position, Store, Txn};

use super::workload::state_over;
use crate::store::conformance::{in_folder, in_memory};

/// Runs functions that take a store as tests of each store.
macro_rules! on_each_store {
    ($($name:ident,)*) => {
        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(std::sync::Arc::new(super::in_memory())).await; })*
        }
        mod redb {
            $(#[tokio::test] async fn $name() {
                let folder = super::in_folder();
                super::$name(std::sync::Arc::new(folder.store)).await;
            })*
        }
    };
}

on_each_store! {
    a_ledger_is_read_from_its_newest_row_on_and_holds_no_others,
    what_is_older_than_an_instant_is_forgotten_and_nothing_else,
    a_walk_over_the_ledgers_goes_on_where_it_ended,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

fn uid(number: u8) -> Uid {
    Uid::from_bytes([number; 16])
}

fn name(name: &str) -> ActivityName {
    name.parse().expect("a name")
}

fn launched(second: i64) -> TickRow {
    let byte = second.to_be_bytes()[7];
    (at(second), TickOutcome::Launched { job: JobId::from_bytes([byte; 16]) })
}

fn skipped(from: i64, until: i64) -> TickRow {
    let count = u64::try_from(until - from + 1).expect("a run");
    (at(from), TickOutcome::Skipped(SkippedRun { reason: SkipReason::Overlap, until: at(until), count }))
}

async fn write(store: &Arc<dyn Store>, uid: Uid, activity: &str, rows: &[TickRow]) {
    let row = |(at, outcome): &TickRow| Op::Put(keys::tick(uid, &name(activity), *at), record::encode_tick(outcome));
    let txn = Txn { ops: rows.iter().map(row).collect(), ..Txn::default() };
    store.commit(txn).await.expect("it can be written");
}

/// A whole ledger, the oldest row first.
async fn ledger(state: &State, uid: Uid, activity: &str) -> Vec<TickRow> {
    let (mut rows, more) = state.ticks(uid, &name(activity), None, 10_000).await.expect("it can be read");
    assert!(!more);
    rows.reverse();
    rows
}

async fn a_ledger_is_read_from_its_newest_row_on_and_holds_no_others(store: Arc<dyn Store>) {
    let state = state_over(&store);
    let rows = [skipped(-5, -3), launched(-1), launched(0), skipped(1, 3), launched(4)];
    write(&store, uid(2), "work", &rows).await;
    // Its neighbours, as they are sorted.
    for (uid, activity) in [(uid(1), "work"), (uid(2), "wor"), (uid(2), "work2"), (uid(3), "work")] {
        write(&store, uid, activity, &[launched(0), launched(9)]).await;
    }
    assert_eq!(ledger(&state, uid(2), "work").await, rows);
    assert_eq!(ledger(&state, uid(2), "other").await, []);
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let (page, more) = state.ticks(uid(2), &name("work"), before, 2).await.expect("it can be read");
        before = page.last().map(|(at, _)| *at);
        seen.extend(page);
        if !more {
            break;
        }
        // What happens meanwhile is newer than every page to come.
        write(&store, uid(2), "work", &[launched(5), launched(6)]).await;
    }
    seen.reverse();
    assert_eq!(seen, rows);
}

async fn what_is_older_than_an_instant_is_forgotten_and_nothing_else(store: Arc<dyn Store>) {
    let state = state_over(&store);
    // More than one commit takes.
    let many: Vec<TickRow> = (0..1200).map(launched).collect();
    write(&store, uid(1), "a", &many).await;
    // A run that goes on until that instant is not old.
    write(&store, uid(1), "b", &[skipped(1, 998), skipped(999, 1000), launched(1001)]).await;
    // The newest row of an activity goes as well.
    write(&store, uid(2), "a", &[launched(1), launched(999)]).await;
    write(&store, uid(3), "a", &[launched(2000)]).await;
    let other = keys::job(JobId::from_bytes([1; 16]));
    store.commit(Txn { ops: vec![Op::Put(other.clone(), "x".into())], ..Txn::default() }).await.expect("written");
    let collection = "videos".parse().expect("a name");
    let list = state.last_change(&collection);

    let (forgotten, next) = state.forget_ticks(None, at(1000), usize::MAX).await.expect("it works");
    assert_eq!((forgotten, next), (1000 + 1 + 2, None));
    assert_eq!(ledger(&state, uid(1), "a").await, many[1000..]);
    assert_eq!(ledger(&state, uid(1), "b").await, [skipped(999, 1000), launched(1001)]);
    assert_eq!(ledger(&state, uid(2), "a").await, []);
    assert_eq!(ledger(&state, uid(3), "a").await, [launched(2000)]);
    assert!(store.get(&[other]).await.expect("it can be read").1[0].is_some(), "what is no tick stays");
    assert_eq!(store.changes(Position::default(), 9).await.expect("it can be read").entries, []);
    assert_eq!(state.last_change(&collection), list, "the tags of lists stay");

    let newest = *store.committed().borrow();
    assert_eq!(state.forget_ticks(None, at(1000), usize::MAX).await.expect("it works"), (0, None));
    assert_eq!(*store.committed().borrow(), newest, "nothing is committed where there is nothing to forget");
}

async fn a_walk_over_the_ledgers_goes_on_where_it_ended(store: Arc<dyn Store>) {
    let state = state_over(&store);
    let rows = [launched(1), launched(2), launched(9)];
    let ledgers: Vec<(u8, &str)> = (1..=3).flat_map(|number| ["a", "ab", "b"].map(|name| (number, name))).collect();
    for (number, activity) in &ledgers {
        write(&store, uid(*number), activity, &rows).await;
    }
    let (mut looked_at, mut next) = (Vec::new(), None);
    loop {
        let (forgotten, after) = state.forget_ticks(next, at(9), 1).await.expect("it works");
        let Some((of, activity)) = after.clone() else {
            assert_eq!(forgotten, 0);
            break;
        };
        assert_eq!(forgotten, 2, "a ledger is finished once it is begun");
        looked_at.push((of, activity.to_string()));
        next = after;
    }
    let all: Vec<_> = ledgers.iter().map(|(number, activity)| (uid(*number), (*activity).to_owned())).collect();
    assert_eq!(looked_at, all);
    for (number, activity) in ledgers {
        assert_eq!(ledger(&state, uid(number), activity).await, rows[2..]);
    }
    // Each that is looked at counts, and each row that is forgotten.
    let (forgotten, next) = state.forget_ticks(None, at(10), 4).await.expect("it works");
    assert_eq!((forgotten, next), (2, Some((uid(1), name("ab")))));
}
