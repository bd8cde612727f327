//! Whatever is wrong with what a store holds is found, and nothing else is.

use std::collections::BTreeSet;
use std::sync::Arc;

use heeler::state::verify::{Finding, verify};
use heeler::state::{keys, record};
use heeler::store::memory::MemoryStore;
use heeler::store::{Key, Op, Store, Txn};

use crate::state::workload::{Workload, state_over};
use crate::store::crash::block_on;
use crate::store::rows;

/// What is wrong with what a store holds.
fn findings(store: &Arc<dyn Store>) -> Vec<String> {
    let snapshot = block_on(store.snapshot()).expect("it reads");
    let mut found = Vec::new();
    let counts = verify(&*snapshot, &mut |finding: &Finding| found.push(finding.to_string())).expect("it reads");
    assert_eq!(counts.findings, found.len() as u64);
    found
}

fn commit(store: &Arc<dyn Store>, op: Op) {
    block_on(store.commit(Txn { ops: vec![op], ..Txn::default() })).expect("it commits");
}

#[test]
fn whatever_happens_what_is_stored_is_sound() {
    for seed in 0..6 {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let state = state_over(&store);
        let mut workload = Workload::new(seed);
        for turn in 0..150 {
            block_on(workload.turn(&state));
            if turn % 10 == 9 {
                assert_eq!(findings(&store), Vec::<String>::new(), "seed {seed}, turn {turn}");
            }
        }
    }
}

#[test]
fn a_row_that_is_missing_or_too_many_or_changed_is_named() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let state = state_over(&store);
    let mut workload = Workload::new(1);
    let mut kinds = BTreeSet::from(*b"rjnqakdufix");
    for _ in 0..2000 {
        block_on(workload.turn(&state));
        if kinds.is_empty() {
            break;
        }
        for (row, _, value) in block_on(rows(&*store)).into_iter().filter(|(row, _, _)| kinds.remove(&row.0[0])) {
            let other = Key([&row.0[..], b"0"].concat().into());
            let right = Op::Put(row.clone(), value.clone());
            let mut wrongs = vec![
                (Op::Delete(row.clone()), right.clone()),
                (Op::Put(other.clone(), value.clone()), Op::Delete(other)),
                (Op::Put(row.clone(), b"\x01not this".to_vec().into()), right.clone()),
            ];
            for bit in (0..value.len() * 8).step_by(97) {
                let mut flipped = value.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                wrongs.push((Op::Put(row.clone(), flipped.into()), right.clone()));
            }
            for (wrong, right) in wrongs {
                commit(&store, wrong.clone());
                assert_ne!(findings(&store), Vec::<String>::new(), "{wrong:?}");
                commit(&store, right);
                assert_eq!(findings(&store), Vec::<String>::new(), "no longer {wrong:?}");
            }
        }
    }
    assert_eq!(kinds, BTreeSet::new(), "of these the workload makes no row");
}

#[test]
fn what_is_found_is_said_in_words() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let state = state_over(&store);
    let mut workload = Workload::new(1);
    let (mut slot, mut place) = (None, None);
    while slot.is_none() || place.is_none() {
        block_on(workload.turn(&state));
        let rows = block_on(rows(&*store));
        slot = rows.iter().find(|(row, _, _)| keys::is_slot(row)).cloned();
        place = rows.iter().find(|(row, _, _)| row.0[0] == b'n').cloned();
    }
    let (slot, _, job) = slot.expect("it was waited for");
    let job = heeler::domain::id::JobId::from_bytes(job[..].try_into().expect("an id"));

    // A slot without a job.
    let attempt = block_on(rows(&*store)).into_iter().find(|(row, _, _)| *row == keys::job(job)).expect("it is there");
    commit(&store, Op::Delete(keys::job(job)));
    let found = findings(&store);
    let named = format!("the slot {} [", keys::read_slot(&slot).expect("a slot"));
    let said =
        |found: &[String], begin: &str, end: &str| found.iter().any(|line| line.contains(begin) && line.ends_with(end));
    assert!(said(&found, &named[..9], &format!("there is no job {job}")), "{found:#?}");
    assert!(found.iter().any(|line| line.contains("is not there")), "{found:#?}");
    commit(&store, Op::Put(attempt.0, attempt.2));

    // An index row that was removed.
    let (place, _, _) = place.expect("it was waited for");
    let of = keys::read_job_of_activity(&place).expect("it reads");
    commit(&store, Op::Delete(place.clone()));
    let found = findings(&store);
    assert!(found.iter().any(|line| line.contains(&of.to_string()) && line.contains("it is missing")), "{found:#?}");
    commit(&store, Op::Put(place, Default::default()));

    // A value with another bit.
    let desired = block_on(rows(&*store)).into_iter().find(|(row, _, _)| row.0[0] == b'r').expect("a document");
    let mut flipped = desired.2.to_vec();
    *flipped.last_mut().expect("it is not empty") ^= 1;
    commit(&store, Op::Put(desired.0.clone(), flipped.into()));
    assert!(said(&findings(&store), "c/", "the record's checksum does not match"), "{:#?}", findings(&store));
    commit(&store, Op::Put(desired.0, desired.2));

    // Something that this version does not know.
    commit(&store, Op::Put(Key("zebra".into()), "stripes".into()));
    assert_eq!(findings(&store), ["the row zebra: this version knows no such row"]);
}

#[test]
fn what_the_change_log_holds_is_looked_at_too() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let entry = |bytes: &'static [u8]| Txn { log: vec![bytes.into()], ..Txn::default() };
    block_on(store.commit(entry(b"once upon a time"))).expect("it commits");
    assert_eq!(findings(&store).len(), 1);
    assert!(record::decode_log(&b"once upon a time".to_vec().into()).is_err());
}
