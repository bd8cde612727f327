//! The change log and its waker.

use std::sync::Arc;

use bytes::Bytes;
use heeler::store::{Guard, Position, Rev, Store, Txn, WatchError};

use super::super::{guarded, key, put};
use super::on_each_store;

on_each_store! {
    log_entries_are_numbered_within_their_transaction_and_in_order,
    a_page_of_the_log_follows_its_position,
    a_conflict_announces_nothing,
    forgotten_entries_are_compacted_for_who_has_not_read_them,
    a_compaction_forgets_only_what_is_before_it,
    a_commit_wakes_who_waits,
    a_compaction_makes_no_revision_and_wakes_nobody,
    a_long_log_is_forgotten_whole,
}

fn announce(entries: &[&str]) -> Txn {
    Txn { log: entries.iter().map(|entry| Bytes::copy_from_slice(entry.as_bytes())).collect(), ..Txn::default() }
}

fn at(rev: u64, n: u32) -> Position {
    Position { rev: Rev(rev), n }
}

async fn after(
    store: &dyn Store,
    after: Position,
    limit: usize,
) -> Result<(Vec<(Position, String)>, bool), WatchError> {
    let changes = store.changes(after, limit).await?;
    let text = |entry: Bytes| String::from_utf8(entry.to_vec()).expect("it was text");
    Ok((changes.entries.into_iter().map(|(at, entry)| (at, text(entry))).collect(), changes.more))
}

async fn fill(store: &dyn Store) {
    for txn in [announce(&["a", "b"]), put("k", "1"), announce(&["c"]), announce(&["d", "e", "f"])] {
        store.commit(txn).await.expect("it is applied");
    }
}

fn all() -> Vec<(Position, String)> {
    [(1, 0, "a"), (1, 1, "b"), (3, 0, "c"), (4, 0, "d"), (4, 1, "e"), (4, 2, "f")]
        .map(|(rev, n, entry)| (at(rev, n), entry.to_owned()))
        .to_vec()
}

async fn log_entries_are_numbered_within_their_transaction_and_in_order(store: Arc<dyn Store>) {
    fill(&*store).await;
    assert_eq!(after(&*store, Position::default(), 100).await.expect("it can be read"), (all(), false));
}

async fn a_page_of_the_log_follows_its_position(store: Arc<dyn Store>) {
    fill(&*store).await;
    let all = all();
    for skip in 0..=all.len() {
        let position = if skip == 0 { Position::default() } else { all[skip - 1].0 };
        for limit in 0..=all.len() {
            let want: Vec<_> = all.iter().skip(skip).take(limit).cloned().collect();
            let more = skip + limit < all.len();
            assert_eq!(after(&*store, position, limit).await.expect("it can be read"), (want, more));
        }
    }
    // Positions between entries and beyond the last.
    assert_eq!(after(&*store, at(2, 7), 1).await.expect("it can be read").0[0].0, at(3, 0));
    assert_eq!(after(&*store, at(9, 0), 1).await.expect("it can be read"), (vec![], false));
}

async fn a_conflict_announces_nothing(store: Arc<dyn Store>) {
    let broken = guarded(vec![Guard::Present(key("gone"))], announce(&["never"]));
    store.commit(broken).await.expect_err("the guard does not hold");
    assert_eq!(after(&*store, Position::default(), 9).await.expect("it can be read"), (vec![], false));
}

async fn forgotten_entries_are_compacted_for_who_has_not_read_them(store: Arc<dyn Store>) {
    fill(&*store).await;
    store.compact(Rev(4)).await.expect("it is compacted");
    for position in [Position::default(), at(1, 0), at(1, 1), at(2, 0)] {
        assert!(matches!(after(&*store, position, 9).await, Err(WatchError::Compacted)), "{position:?}");
    }
    for position in [at(3, 0), at(3, u32::MAX)] {
        assert_eq!(after(&*store, position, 9).await.expect("it has read all").0, all()[3..]);
    }
}

async fn a_compaction_forgets_only_what_is_before_it(store: Arc<dyn Store>) {
    fill(&*store).await;
    for before in [Rev(0), Rev(1)] {
        store.compact(before).await.expect("it is compacted");
        assert_eq!(after(&*store, Position::default(), 9).await.expect("nothing was forgotten").0, all());
    }
    store.compact(Rev(2)).await.expect("it is compacted");
    assert_eq!(after(&*store, at(1, 1), 9).await.expect("it has read all").0, all()[2..]);
    // Going back restores nothing and forgets nothing.
    store.compact(Rev(1)).await.expect("it is compacted");
    assert!(matches!(after(&*store, at(1, 0), 9).await, Err(WatchError::Compacted)));
    // A revision that is yet to come forgets all there is, and nothing of what comes.
    store.compact(Rev(1000)).await.expect("it is compacted");
    assert_eq!(after(&*store, at(4, 2), 9).await.expect("it has read all"), (vec![], false));
    store.commit(announce(&["g"])).await.expect("it is applied");
    assert_eq!(after(&*store, at(4, 2), 9).await.expect("it has read all").0, [(at(5, 0), "g".to_owned())]);
}

async fn a_commit_wakes_who_waits(store: Arc<dyn Store>) {
    let mut committed = store.committed();
    assert_eq!(*committed.borrow_and_update(), Rev(0));
    let waiter = tokio::spawn(async move {
        committed.changed().await.expect("the store is there");
        *committed.borrow_and_update() == Rev(1)
    });
    let rev = store.commit(put("a", "1")).await.expect("it is applied");
    assert_eq!(*store.committed().borrow(), rev, "it is told before the answer");
    assert!(waiter.await.expect("it was woken"));
}

async fn a_compaction_makes_no_revision_and_wakes_nobody(store: Arc<dyn Store>) {
    fill(&*store).await;
    let mut committed = store.committed();
    committed.mark_unchanged();
    store.compact(Rev(4)).await.expect("it is compacted");
    let broken = guarded(vec![Guard::Present(key("gone"))], put("a", "1"));
    store.commit(broken).await.expect_err("the guard does not hold");
    assert!(!committed.has_changed().expect("the store is there"));
    assert_eq!(store.get(&[]).await.expect("it can be read").0, Rev(4));
}

async fn a_long_log_is_forgotten_whole(store: Arc<dyn Store>) {
    let entries = vec![Bytes::from_static(b"x"); store.limits().txn_ops_max];
    for _ in 0..3 {
        store.commit(Txn { log: entries.clone(), ..Txn::default() }).await.expect("it is applied");
    }
    store.compact(Rev(3)).await.expect("it is compacted");
    let last = u32::try_from(entries.len() - 1).expect("it is small");
    assert!(matches!(store.changes(at(2, last - 1), 1).await, Err(WatchError::Compacted)));
    let rest = store.changes(at(2, last), usize::MAX).await.expect("it has read all");
    assert_eq!((rest.entries.len(), rest.entries[0].0), (entries.len(), at(3, 0)));
}
