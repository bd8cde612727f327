//! Ranges and pages.

use std::sync::Arc;

use bytes::Bytes;
use heeler::store::{Key, KeyRange, Op, Order, PAGE_BYTES_MAX, Rev, Store, Txn};

use super::super::{everything, key, put};
use super::on_each_store;

on_each_store! {
    a_scan_gives_the_range_in_the_order_asked_for,
    a_page_ends_at_its_limit_and_says_whether_there_is_more,
    a_page_of_large_rows_ends_before_its_limit,
    a_read_bears_the_revision_of_its_snapshot,
}

const KEYS: [&[u8]; 7] = [b"\0", b"\0\0", b"a", b"a\0", b"b", b"\xff", b"\xff\xff"];

async fn fill(store: &dyn Store) {
    let ops = KEYS.map(|name| Op::Put(key(name), Bytes::new())).to_vec();
    store.commit(Txn { ops, ..Txn::default() }).await.expect("it is applied");
}

async fn scan(store: &dyn Store, start: &[u8], end: &[u8], order: Order, limit: usize) -> (Vec<Key>, bool) {
    let range = KeyRange { start: key(start), end: key(end) };
    let page = store.scan(range, order, limit).await.expect("it can be read");
    (page.rows.into_iter().map(|(key, _)| key).collect(), page.more)
}

async fn a_scan_gives_the_range_in_the_order_asked_for(store: Arc<dyn Store>) {
    fill(&*store).await;
    type Row = (&'static str, &'static [u8], &'static [u8], &'static [&'static [u8]]);
    let table: [Row; 9] = [
        ("all", b"", b"\xff\xff\xff", &KEYS),
        ("the end is not in it", b"a", b"b", &[b"a", b"a\0"]),
        ("up to the next possible key", b"a", b"a\0", &[b"a"]),
        ("from 0x00", b"\0", b"\0\0", &[b"\0"]),
        ("from 0xff", b"\xff", b"\xff\xff\xff", &[b"\xff", b"\xff\xff"]),
        ("nothing in it", b"c", b"d", &[]),
        ("an empty range", b"a", b"a", &[]),
        ("a range the wrong way round", b"b", b"a", &[]),
        ("an empty end", b"", b"", &[]),
    ];
    for (name, start, end, want) in table {
        let mut want: Vec<Key> = want.iter().map(key).collect();
        assert_eq!(scan(&*store, start, end, Order::Ascending, 100).await, (want.clone(), false), "{name}");
        want.reverse();
        assert_eq!(scan(&*store, start, end, Order::Descending, 100).await, (want, false), "{name}, down");
    }
}

async fn a_page_ends_at_its_limit_and_says_whether_there_is_more(store: Arc<dyn Store>) {
    fill(&*store).await;
    for limit in 0..KEYS.len() + 2 {
        let more = limit < KEYS.len();
        let up: Vec<Key> = KEYS.iter().take(limit).map(key).collect();
        let down: Vec<Key> = KEYS.iter().rev().take(limit).map(key).collect();
        assert_eq!(scan(&*store, b"", b"\xff\xff\xff", Order::Ascending, limit).await, (up, more), "{limit}");
        assert_eq!(scan(&*store, b"", b"\xff\xff\xff", Order::Descending, limit).await, (down, more), "{limit}");
    }
    assert_eq!(scan(&*store, b"c", b"d", Order::Ascending, 0).await, (vec![], false));
}

async fn a_page_of_large_rows_ends_before_its_limit(store: Arc<dyn Store>) {
    let size = 6 << 20;
    for name in ["a", "b", "c"] {
        let ops = vec![Op::Put(key(name), Bytes::from(vec![0; size]))];
        store.commit(Txn { ops, ..Txn::default() }).await.expect("it is applied");
    }
    let fit = PAGE_BYTES_MAX / size;
    for order in [Order::Ascending, Order::Descending] {
        let page = store.scan(everything(), order, 100).await.expect("it can be read");
        assert_eq!((page.rows.len(), page.more), (fit, true));
    }
    let rest = scan(&*store, b"c", b"d", Order::Ascending, 100).await;
    assert_eq!(rest, (vec![key("c")], false));
}

async fn a_read_bears_the_revision_of_its_snapshot(store: Arc<dyn Store>) {
    let page = store.scan(everything(), Order::Ascending, 1).await.expect("it can be read");
    assert_eq!((page.rev, page.rows, page.more), (Rev(0), vec![], false));
    store.commit(put("a", "1")).await.expect("it is applied");
    store.commit(put("b", "2")).await.expect("it is applied");
    let page = store.scan(everything(), Order::Ascending, 1).await.expect("it can be read");
    assert_eq!((page.rev, page.rows[0].1.rev), (Rev(2), Rev(1)));
}
