//! The stores: one conformance suite for all, and what only the file can suffer.

pub(crate) mod conformance;
mod opening;
mod writing;

pub(crate) mod crash;

use bytes::Bytes;
use heeler::store::{Guard, Key, KeyRange, Op, Order, Rev, Store, Txn};

/// A key.
pub(crate) fn key(name: impl AsRef<[u8]>) -> Key {
    Key(Bytes::copy_from_slice(name.as_ref()))
}

/// A transaction that puts one value.
pub(crate) fn put(name: &str, value: &str) -> Txn {
    Txn { ops: vec![Op::Put(key(name), Bytes::copy_from_slice(value.as_bytes()))], ..Txn::default() }
}

/// The same transaction, if a guard holds.
pub(crate) fn guarded(guards: Vec<Guard>, txn: Txn) -> Txn {
    Txn { guards, ..txn }
}

/// Every key but those that begin with 64 bytes of 0xff.
pub(crate) fn everything() -> KeyRange {
    KeyRange { start: key(""), end: key([0xff; 64]) }
}

/// All rows of a store.
pub(crate) async fn rows(store: &dyn Store) -> Vec<(Key, Rev, Bytes)> {
    let page = store.scan(everything(), Order::Ascending, usize::MAX).await.expect("it can be read");
    assert!(!page.more);
    page.rows.into_iter().map(|(key, entry)| (key, entry.rev, entry.value)).collect()
}
