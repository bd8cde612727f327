//! Snapshots that are kept.

use std::sync::Arc;

use heeler::store::backup::{Backup, check};
use heeler::store::{Position, Rev, Store, Txn};

use super::super::{key, put, rows};
use super::on_each_store;

on_each_store! {
    a_snapshot_holds_what_was_committed_when_it_was_taken,
    a_snapshot_is_read_page_by_page,
    a_snapshot_knows_what_is_left_of_the_log,
    a_backup_is_of_one_moment,
}

async fn a_snapshot_holds_what_was_committed_when_it_was_taken(store: Arc<dyn Store>) {
    store.commit(put("a", "1")).await.expect("it is applied");
    let snapshot = store.snapshot().await.expect("it reads");
    store.commit(put("a", "2")).await.expect("it is applied");
    store.commit(put("b", "2")).await.expect("it is applied");
    let found = snapshot.get(&[key("a"), key("b")]).expect("it reads");
    let found: Vec<_> = found.into_iter().map(|entry| entry.map(|entry| (entry.value, entry.rev))).collect();
    assert_eq!(found, [Some(("1".into(), Rev(1))), None]);
    let page = snapshot.rows(None, 10).expect("it reads");
    assert_eq!((snapshot.rev(), page.rev, page.rows.len(), page.more), (Rev(1), Rev(1), 1, false));
    drop(snapshot);
    assert_eq!(store.snapshot().await.expect("it reads").rev(), Rev(3));
}

async fn a_snapshot_is_read_page_by_page(store: Arc<dyn Store>) {
    let names: [&[u8]; 5] = [b"", b"\0", b"a", b"a\0", b"\xff\xff"];
    for name in names {
        let ops = vec![heeler::store::Op::Put(key(name), "1".into())];
        store.commit(Txn { ops, ..Txn::default() }).await.expect("it is applied");
    }
    let snapshot = store.snapshot().await.expect("it reads");
    for limit in 1..=6 {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = snapshot.rows(after.as_ref(), limit).expect("it reads");
            assert!(page.rows.len() <= limit);
            found.extend(page.rows.into_iter().map(|(key, _)| key));
            after = found.last().cloned();
            if !page.more {
                break;
            }
        }
        assert_eq!(found, names.map(key), "{limit} at a time");
    }
}

async fn a_snapshot_knows_what_is_left_of_the_log(store: Arc<dyn Store>) {
    for n in 0..4 {
        let txn = Txn { log: vec![format!("{n}").into()], ..put("a", "1") };
        store.commit(txn).await.expect("it is applied");
    }
    store.compact(Rev(3)).await.expect("it is forgotten");
    let snapshot = store.snapshot().await.expect("it reads");
    let changes = snapshot.log(Position::default(), 10).expect("it reads");
    let found: Vec<_> = changes.entries.iter().map(|(at, entry)| (at.rev.0, &entry[..])).collect();
    assert_eq!((found, changes.more), (vec![(3, &b"2"[..]), (4, &b"3"[..])], false));
}

async fn a_backup_is_of_one_moment(store: Arc<dyn Store>) {
    for n in 0..2500 {
        store.commit(put(&format!("{n:04}"), "1")).await.expect("it is applied");
    }
    let mut backup = Backup::new(store.snapshot().await.expect("it reads"));
    let mut bytes = Vec::new();
    let mut parts = 0;
    while let Some(part) = backup.next_part().expect("it reads") {
        bytes.extend_from_slice(&part);
        parts += 1;
        store.commit(put(&format!("{:04}", 2499 - parts), "2")).await.expect("it is applied");
        store.commit(put("9999", "2")).await.expect("it is applied");
    }
    assert!(parts >= 4, "it comes in {parts} parts");
    let summary = check(&bytes[..]).expect("it is whole");
    assert_eq!((summary.rev, summary.rows), (Rev(2500), 2500));
    assert_eq!(rows(&*store).await.len(), 2501);
}
