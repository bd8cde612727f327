//! Guards, ops, all or nothing.

use std::sync::Arc;

use bytes::Bytes;
use heeler::store::{CommitError, Guard, Key, Op, Rev, Store, Txn};

use super::super::{guarded, key, put, rows};
use super::on_each_store;

on_each_store! {
    a_guard_holds_or_the_transaction_changes_nothing,
    the_first_guard_that_does_not_hold_is_named,
    guards_are_judged_before_the_first_op,
    of_two_ops_on_one_key_the_later_one_counts,
    deleting_nothing_is_no_error,
    a_transaction_without_ops_has_a_revision_of_its_own,
    revisions_rise_by_one_and_rows_bear_them,
    the_revision_outlives_the_last_row,
    a_transaction_beyond_the_limits_is_refused_and_changes_nothing,
    a_transaction_at_the_limits_is_taken,
    any_bytes_are_a_key_and_a_value,
}

async fn conflict(store: &dyn Store, txn: Txn) -> usize {
    let before = rows(store).await;
    match store.commit(txn).await {
        Err(CommitError::Conflict { guard }) => {
            assert_eq!(rows(store).await, before, "a conflict changes nothing");
            guard
        }
        other => panic!("no conflict but {other:?}"),
    }
}

async fn a_guard_holds_or_the_transaction_changes_nothing(store: Arc<dyn Store>) {
    let first = store.commit(put("there", "1")).await.expect("it is applied");
    let second = store.commit(put("other", "2")).await.expect("it is applied");
    let (there, gone) = (|| key("there"), || key("gone"));
    let table: [(&str, Guard, bool); 8] = [
        ("absent of what is there", Guard::Absent(there()), false),
        ("absent of what is not", Guard::Absent(gone()), true),
        ("present of what is there", Guard::Present(there()), true),
        ("present of what is not", Guard::Present(gone()), false),
        ("the revision of the row", Guard::RevIs(there(), first), true),
        ("the revision of another row", Guard::RevIs(there(), second), false),
        ("a revision of what is not there", Guard::RevIs(gone(), first), false),
        ("revision 0 of what is not there", Guard::RevIs(gone(), Rev(0)), false),
    ];
    for (name, guard, holds) in table {
        let txn = guarded(vec![guard], put("changed", name));
        if holds {
            store.commit(txn).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        } else {
            assert_eq!(conflict(&*store, txn).await, 0, "{name}");
        }
    }
}

async fn the_first_guard_that_does_not_hold_is_named(store: Arc<dyn Store>) {
    let rev = store.commit(put("a", "1")).await.expect("it is applied");
    let holds = || Guard::RevIs(key("a"), rev);
    let broken = || Guard::Present(key("b"));
    for (guards, first) in [
        (vec![broken(), holds(), broken()], 0),
        (vec![holds(), broken(), broken()], 1),
        (vec![holds(), holds(), Guard::Absent(key("a"))], 2),
    ] {
        assert_eq!(conflict(&*store, guarded(guards, put("a", "2"))).await, first);
    }
}

async fn guards_are_judged_before_the_first_op(store: Arc<dyn Store>) {
    let txn = guarded(vec![Guard::Absent(key("a"))], put("a", "1"));
    store.commit(txn.clone()).await.expect("it was absent");
    assert_eq!(conflict(&*store, txn).await, 0);
}

async fn of_two_ops_on_one_key_the_later_one_counts(store: Arc<dyn Store>) {
    let value = |value: &'static str| Bytes::from_static(value.as_bytes());
    let ops = vec![
        Op::Put(key("a"), value("1")),
        Op::Put(key("a"), value("2")),
        Op::Put(key("b"), value("1")),
        Op::Delete(key("b")),
        Op::Delete(key("c")),
        Op::Put(key("c"), value("3")),
    ];
    let rev = store.commit(Txn { ops, ..Txn::default() }).await.expect("it is applied");
    assert_eq!(rows(&*store).await, [(key("a"), rev, value("2")), (key("c"), rev, value("3"))]);
}

async fn deleting_nothing_is_no_error(store: Arc<dyn Store>) {
    let txn = Txn { ops: vec![Op::Delete(key("gone"))], ..Txn::default() };
    assert_eq!(store.commit(txn).await.expect("it is applied"), Rev(1));
    assert_eq!(rows(&*store).await, []);
}

async fn a_transaction_without_ops_has_a_revision_of_its_own(store: Arc<dyn Store>) {
    assert_eq!(store.commit(Txn::default()).await.expect("it is applied"), Rev(1));
    assert_eq!(store.commit(Txn::default()).await.expect("it is applied"), Rev(2));
    assert_eq!(store.get(&[]).await.expect("it can be read"), (Rev(2), vec![]));
}

async fn revisions_rise_by_one_and_rows_bear_them(store: Arc<dyn Store>) {
    for n in 1..=5 {
        let rev = store.commit(put("a", &n.to_string())).await.expect("it is applied");
        assert_eq!(rev, Rev(n));
        let (snapshot, found) = store.get(&[key("a"), key("b")]).await.expect("it can be read");
        assert_eq!(snapshot, rev);
        assert_eq!(found[0].as_ref().map(|entry| (entry.rev, entry.value.clone())), Some((rev, n.to_string().into())));
        assert_eq!(found[1], None);
        let broken = guarded(vec![Guard::Absent(key("a"))], put("a", "never"));
        store.commit(broken).await.expect_err("a conflict takes no revision");
    }
}

async fn the_revision_outlives_the_last_row(store: Arc<dyn Store>) {
    store.commit(put("a", "1")).await.expect("it is applied");
    let delete = Txn { ops: vec![Op::Delete(key("a"))], ..Txn::default() };
    assert_eq!(store.commit(delete).await.expect("it is applied"), Rev(2));
    store.compact(Rev(9)).await.expect("it is compacted");
    assert_eq!(store.get(&[]).await.expect("it can be read").0, Rev(2));
    assert_eq!(store.commit(put("a", "1")).await.expect("it is applied"), Rev(3));
}

async fn a_transaction_beyond_the_limits_is_refused_and_changes_nothing(store: Arc<dyn Store>) {
    let limits = store.limits();
    let many = (0..=limits.txn_ops_max).map(|n| Op::Delete(key(n.to_string()))).collect();
    let large = Bytes::from(vec![0; limits.txn_bytes_max]);
    let announced = vec![Bytes::new(); limits.txn_ops_max + 1];
    for txn in [
        Txn { ops: many, ..Txn::default() },
        Txn { ops: vec![Op::Put(key("a"), large.clone())], ..Txn::default() },
        Txn { log: vec![large, Bytes::from_static(b"x")], ..Txn::default() },
        Txn { log: announced, ..Txn::default() },
        Txn { guards: vec![Guard::Absent(Key(vec![0; limits.txn_bytes_max + 1].into()))], ..Txn::default() },
    ] {
        assert!(matches!(store.commit(txn).await, Err(CommitError::TooLarge)));
    }
    assert_eq!(store.commit(put("a", "1")).await.expect("it is applied"), Rev(1));
}

async fn a_transaction_at_the_limits_is_taken(store: Arc<dyn Store>) {
    let limits = store.limits();
    let large = Bytes::from(vec![7; limits.txn_bytes_max - 1]);
    let txn = Txn { ops: vec![Op::Put(key("a"), large.clone())], ..Txn::default() };
    let rev = store.commit(txn).await.expect("it is applied");
    assert_eq!(rows(&*store).await, [(key("a"), rev, large)]);
    store.commit(Txn { ops: vec![Op::Delete(key("a"))], ..Txn::default() }).await.expect("it is applied");
    let ops = (0..limits.txn_ops_max).map(|n| Op::Put(key(n.to_string()), Bytes::new())).collect();
    store.commit(Txn { ops, ..Txn::default() }).await.expect("it is applied");
    assert_eq!(rows(&*store).await.len(), limits.txn_ops_max);
}

async fn any_bytes_are_a_key_and_a_value(store: Arc<dyn Store>) {
    let keys: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"a\0b", &[0xff; 3], &[0xfe; 4000]];
    for name in keys {
        let ops = vec![Op::Put(key(name), Bytes::copy_from_slice(name))];
        store.commit(Txn { ops, ..Txn::default() }).await.expect("it is applied");
    }
    for name in keys {
        let (_, found) = store.get(&[key(name)]).await.expect("it can be read");
        assert_eq!(found[0].as_ref().map(|entry| &entry.value[..]), Some(name));
    }
    assert_eq!(rows(&*store).await.len(), keys.len());
}
