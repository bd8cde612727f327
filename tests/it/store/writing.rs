//! The writer: a full disk, a sudden close, what is queued.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_util::future::join_all;
use heeler::store::redb::{DISK_RESERVE_BYTES, Options, RedbStore};
use heeler::store::{CommitError, Op, Position, ReadError, Rev, Store, Txn};
use redb::StorageBackend;

use super::crash::disk::{Disk, Event, Vice};
use super::crash::{block_on, open};
use super::{key, put, rows};

/// Free space that a test can take away.
fn on_a_disk_with(free: &Arc<AtomicU64>) -> Options {
    let free = Arc::clone(free);
    Options { free_space: Some(Arc::new(move || Ok(free.load(Ordering::SeqCst)))), ..Options::default() }
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    block_on(async {
        let free = Arc::new(AtomicU64::new(u64::MAX));
        let store = RedbStore::over(Disk::empty(Vice::None), on_a_disk_with(&free)).expect("it opens");
        let announced = Txn { log: vec![Bytes::from_static(b"x")], ..put("a", "1") };
        store.commit(announced).await.expect("there is room");
        for full in [0, DISK_RESERVE_BYTES - 1, DISK_RESERVE_BYTES] {
            free.store(full, Ordering::SeqCst);
            assert!(matches!(store.commit(put("b", "2")).await, Err(CommitError::Full)), "{full}");
        }
        assert_eq!(rows(&store).await.len(), 1, "reads go on");
        store.compact(Rev(2)).await.expect("a compaction may use the reserve");
        free.store(DISK_RESERVE_BYTES + (1 << 20), Ordering::SeqCst);
        assert_eq!(store.commit(put("b", "2")).await.expect("there is room again"), Rev(2));
        let large = Txn { ops: vec![Op::Put(key("c"), Bytes::from(vec![0; 1 << 20]))], ..Txn::default() };
        assert!(matches!(store.commit(large).await, Err(CommitError::Full)), "too little for this one");
    });
}

#[test]
fn a_closed_store_stops_and_its_file_needs_no_repair() {
    let disk = Disk::empty(Vice::None);
    let store = open(disk.clone()).expect("it opens");
    block_on(async {
        store.commit(put("a", "1")).await.expect("it is applied");
        store.close().expect("it closes");
        store.close().expect("closing twice is closing once");
        assert!(matches!(store.commit(put("b", "2")).await, Err(CommitError::Stopped)));
        assert!(matches!(store.compact(Rev(1)).await, Err(CommitError::Stopped)));
        assert!(matches!(store.get(&[key("a")]).await, Err(ReadError::Storage(_))));
        assert!(store.changes(Position::default(), 1).await.is_err());
    });
    assert!(clean(&disk));
}

/// Whether the engine would open the disk without a repair.
fn clean(disk: &Disk) -> bool {
    let mut head = [0; 10];
    disk.read(0, &mut head).expect("it has a header");
    head[9] & 2 == 0
}

#[test]
fn dropping_a_store_does_what_is_queued_and_closes_it() {
    let disk = Disk::empty(Vice::None);
    let store = open(disk.clone()).expect("it opens");
    assert!(!clean(&disk), "an open store is not closed");
    block_on(async {
        // Polled once each, which queues them, then forgotten.
        let queued = (0..20).map(|n| store.commit(put(&n.to_string(), "x")));
        let all = join_all(queued);
        tokio::select! { biased; _ = all => {}, () = std::future::ready(()) => {} }
    });
    drop(store);
    assert!(clean(&disk));
    let store = open(Disk::new(disk.image(), Vice::None)).expect("it opens");
    assert_eq!(block_on(rows(&store)).len(), 20);
}

#[test]
fn closing_twice_at_once_still_does_what_is_queued() {
    for _ in 0..20 {
        let store = open(Disk::empty(Vice::None)).expect("it opens");
        let mut queued = pin!(join_all((0..100).map(|_| store.commit(Txn::default()))));
        let mut context = Context::from_waker(Waker::noop());
        assert!(queued.as_mut().poll(&mut context).is_pending());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| store.close().expect("it closes"));
            }
        });
        for answer in block_on(queued) {
            answer.expect("it was queued before");
        }
    }
}

#[test]
fn a_queue_longer_than_its_room_is_served_whole() {
    block_on(async {
        let store = open(Disk::empty(Vice::None)).expect("it opens");
        let answers = join_all((0..6000).map(|_| store.commit(Txn::default()))).await;
        let revs: BTreeSet<Rev> = answers.into_iter().map(|rev| rev.expect("it is applied")).collect();
        assert!(revs == (1..=6000).map(Rev).collect(), "each revision is given once");
    });
}

fn syncs(disk: &Disk) -> usize {
    disk.events().iter().filter(|event| matches!(event, Event::Sync)).count()
}

#[test]
fn what_is_queued_together_shares_a_flush_and_a_conflict_needs_none() {
    let disk = Disk::empty(Vice::None);
    let store = open(disk.clone()).expect("it opens");
    block_on(async {
        let before = syncs(&disk);
        for answer in join_all((0..100).map(|n| store.commit(put(&n.to_string(), "x")))).await {
            answer.expect("it is applied");
        }
        let flushes = (syncs(&disk) - before) / 2;
        assert!((1..50).contains(&flushes), "{flushes} flushes for 100 transactions");

        let before = disk.position();
        let broken = super::guarded(vec![heeler::store::Guard::Absent(key("1"))], put("1", "y"));
        store.commit(broken).await.expect_err("it is there");
        assert_eq!(disk.position(), before, "a conflict writes nothing");
    });
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_store_works_without_a_runtime() {
    let store = open(Disk::empty(Vice::None)).expect("it opens");
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut commit = store.commit(put("a", "1"));
    let rev = loop {
        match commit.as_mut().poll(&mut context) {
            Poll::Ready(answer) => break answer.expect("it is applied"),
            Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(rev, Rev(1));
}
