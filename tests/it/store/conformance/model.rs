//! Any history gives each store the state that a plain map has.

use std::collections::BTreeMap;

use bytes::Bytes;
use heeler::store::memory::MemoryStore;
use heeler::store::redb::{Options, RedbStore};
use heeler::store::{CommitError, Guard, Op, Order, Position, Rev, Store, Txn, WatchError};
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{everything, key, rows};

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, Want)>, Vec<(u8, Option<u8>)>, u8),
    Compact(u64),
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum Want {
    Absent,
    Present,
    Rev(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let want = prop_oneof![Just(Want::Absent), Just(Want::Present), (0u64..20).prop_map(Want::Rev)];
    let guards = vec((0u8..6, want), 0..2);
    let ops = vec((0u8..6, proptest::option::of(any::<u8>())), 0..5);
    prop_oneof![
        8 => (guards, ops, 0u8..3).prop_map(|(guards, ops, log)| Step::Commit(guards, ops, log)),
        1 => (0u64..30).prop_map(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Default)]
struct Model {
    rev: u64,
    rows: BTreeMap<u8, (u64, u8)>,
    log: Vec<(Position, Bytes)>,
    forgotten: Position,
}

impl Model {
    fn commit(&mut self, guards: &[(u8, Want)], ops: &[(u8, Option<u8>)], log: u8) -> Result<Rev, usize> {
        let broken = guards.iter().position(|(name, want)| {
            let held = self.rows.get(name).map(|row| row.0);
            !match want {
                Want::Absent => held.is_none(),
                Want::Present => held.is_some(),
                Want::Rev(rev) => held == Some(*rev),
            }
        });
        if let Some(guard) = broken {
            return Err(guard);
        }
        self.rev += 1;
        for (name, value) in ops {
            match value {
                Some(value) => self.rows.insert(*name, (self.rev, *value)),
                None => self.rows.remove(name),
            };
        }
        for n in 0..log {
            self.log.push((Position { rev: Rev(self.rev), n: n.into() }, Bytes::from(vec![n])));
        }
        Ok(Rev(self.rev))
    }

    fn compact(&mut self, before: u64) {
        let gone = self.log.iter().take_while(|(at, _)| at.rev.0 < before).count();
        if let Some((newest, _)) = self.log.drain(..gone).next_back() {
            self.forgotten = newest;
        }
    }
}

fn txn(guards: &[(u8, Want)], ops: &[(u8, Option<u8>)], log: u8) -> Txn {
    let guard = |(name, want): &(u8, Want)| match want {
        Want::Absent => Guard::Absent(key([*name])),
        Want::Present => Guard::Present(key([*name])),
        Want::Rev(rev) => Guard::RevIs(key([*name]), Rev(*rev)),
    };
    let op = |(name, value): &(u8, Option<u8>)| match value {
        Some(value) => Op::Put(key([*name]), Bytes::from(vec![*value])),
        None => Op::Delete(key([*name])),
    };
    Txn {
        guards: guards.iter().map(guard).collect(),
        ops: ops.iter().map(op).collect(),
        log: (0..log).map(|n| Bytes::from(vec![n])).collect(),
    }
}

/// Does the steps to a store and to the model; they agree after each.
async fn same<S: Store>(mut store: S, mut reopen: impl FnMut(S) -> S, steps: &[Step]) {
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Commit(guards, ops, log) => {
                let want = model.commit(guards, ops, *log);
                let got = store.commit(txn(guards, ops, *log)).await.map_err(|error| {
                    let CommitError::Conflict { guard } = error else { panic!("{error}") };
                    guard
                });
                assert_eq!(got, want);
            }
            Step::Compact(before) => {
                model.compact(*before);
                store.compact(Rev(*before)).await.expect("it is compacted");
            }
            Step::Reopen => store = reopen(store),
        }
        compare(&store, &model).await;
    }
}

async fn compare(store: &dyn Store, model: &Model) {
    let want: Vec<_> =
        model.rows.iter().map(|(name, row)| (key([*name]), Rev(row.0), Bytes::from(vec![row.1]))).collect();
    assert_eq!(rows(store).await, want);
    let page = store.scan(everything(), Order::Descending, 2).await.expect("it can be read");
    assert_eq!((page.rev, page.more), (Rev(model.rev), model.rows.len() > 2));
    assert_eq!(*store.committed().borrow(), Rev(model.rev));
    let log = store.changes(model.forgotten, usize::MAX).await.expect("it has read what is forgotten");
    assert_eq!(log.entries, model.log);
    let from_the_start = store.changes(Position::default(), 1).await;
    assert_eq!(matches!(from_the_start, Err(WatchError::Compacted)), model.forgotten > Position::default());
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(test);
}

proptest! {
    #[test]
    fn any_history_in_memory_is_that_of_a_map(steps in vec(step(), 0..60)) {
        run(same(MemoryStore::new(), |store| store, &steps));
    }
}

proptest! {
    // Each step of these is a flush.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_in_a_file_is_that_of_a_map_whenever_it_is_reopened(steps in vec(step(), 0..40)) {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().join("store");
        let open = || RedbStore::open(&path, Options::default()).expect("it opens");
        let reopen = |store| { drop(store); open() };
        run(same(open(), reopen, &steps));
    }
}
