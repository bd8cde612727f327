//! Mailboxes.

use std::sync::Arc;

use super::mailbox::Pending;
use super::{Change, Item, PENDING_MAX};
use crate::domain::id::ResourceKey;
use crate::store::{Position, Rev};

fn at(rev: u64) -> Position {
    Position { rev: Rev(rev), n: 0 }
}

fn change(rev: u64, id: &str) -> Arc<Change> {
    let key = ResourceKey { collection: "c".parse().expect("a name"), id: id.parse().expect("an id") };
    Change::new(at(rev), Item::Resource(key))
}

fn waiting(pending: &mut Pending) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some(first) = pending.first().map(|change| change.at) {
        found.push(first.rev.0);
        pending.seen(first);
    }
    found
}

#[test]
fn of_what_changed_several_times_the_latest_waits_at_its_own_place() {
    let mut pending = Pending::default();
    for (rev, id) in [(1, "a"), (2, "b"), (3, "a"), (4, "c"), (5, "b")] {
        pending.put(&change(rev, id));
    }
    assert_eq!(waiting(&mut pending), [3, 4, 5]);
    // What was seen is not remembered as waiting.
    pending.put(&change(6, "a"));
    assert_eq!(waiting(&mut pending), [6]);
}

#[test]
fn everything_up_to_a_place_is_seen_at_once() {
    let mut pending = Pending::default();
    for (rev, id) in [(1, "a"), (2, "b"), (3, "c")] {
        pending.put(&change(rev, id));
    }
    pending.seen(at(2));
    pending.put(&change(4, "a"));
    assert_eq!(waiting(&mut pending), [3, 4]);
}

#[test]
fn no_more_wait_than_can_and_that_some_were_given_up_is_known() {
    let mut pending = Pending::default();
    for rev in 0..PENDING_MAX as u64 {
        pending.put(&change(rev, &format!("r{rev}")));
    }
    assert!(!pending.is_short());
    // Another change of what waits already takes no more room.
    pending.put(&change(1_000, "r0"));
    assert!(!pending.is_short());
    pending.put(&change(1_001, "new"));
    assert!(pending.is_short() && pending.first().is_none());
    pending.put(&change(1_002, "a"));
    assert!(pending.first().is_none());
}
