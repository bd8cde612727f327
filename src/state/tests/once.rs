//! What is remembered of a change, and for how long.

use std::convert::Infallible;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::reconcile::Refused;
use crate::store::Position;

fn name(key: &str) -> OnceName {
    OnceName { principal: "anonymous".to_owned(), key: key.to_owned() }
}

fn record(status: u16, state: &ResourceState, expires: Timestamp) -> OnceRecord {
    let uid = state.desired.as_ref().expect("it is there").uid;
    let subject = Subject::Resource { key: state.key.clone(), uid };
    OnceRecord { target: "/".to_owned(), digest: "00".to_owned(), status, location: None, subject, expires }
}

/// Lets something happen under a key; its answer is `status`.
async fn once(
    state: &State,
    name: &OnceName,
    status: u16,
    decision: Decision,
) -> Result<Applied, ApplyError<Infallible>> {
    let write = |before: &ResourceState, after: &ResourceState, expires| {
        record(status, if after.desired.is_some() { after } else { before }, expires)
    };
    let remember = Remember { name, write: &write };
    state.apply_once(&key("42"), None, Some(&remember), |_| Ok(decision.clone())).await
}

fn put_it(members: &Value) -> Decision {
    Decision::Happen(changed(members))
}

async fn rows(spy: &Spy) -> Vec<Key> {
    let all = KeyRange { start: Key(vec![0].into()), end: Key(vec![0xff].into()) };
    let page = spy.scan(all, Order::Ascending, 1000).await.expect("it reads");
    page.rows.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn an_answer_is_remembered_in_the_commit_of_its_change() {
    let (state, spy) = state();
    let a = name("a");
    once(&state, &a, 201, put_it(&json!({"n": 1}))).await.expect("the name is free");
    let seen = locked(&spy.seen).clone();
    assert_eq!(seen.len(), 1, "one commit");
    let row = keys::once("anonymous", "a");
    assert!(seen[0].guards.contains(&Guard::Absent(row.clone())), "{:?}", seen[0].guards);
    let (puts, deletes) = last_ops(&spy);
    let expires = BEGINNING.after(ONCE_KEPT);
    assert_eq!(
        (puts, deletes),
        (vec![keys::desired(&key("42")), row, keys::expiry(expires, "anonymous", "a")], vec![])
    );
    let found = state.remembered(&a).await.expect("it reads").expect("it is remembered");
    assert_eq!((found.status, found.expires), (201, expires));
    assert_eq!(state.remembered(&name("b")).await.expect("it reads"), None);
    let other = OnceName { principal: "somebody".to_owned(), ..a };
    assert_eq!(state.remembered(&other).await.expect("it reads"), None, "a key belongs to who sent it");
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_remembered_and_announces_nothing() {
    let (state, spy) = state();
    once(&state, &name("a"), 201, put_it(&json!({}))).await.expect("the name is free");
    let before = (state.resource(&key("42")).await.expect("it reads").map(|stored| stored.etag), log(&state).await);
    let list = state.last_change(&key("42").collection);
    let applied = once(&state, &name("b"), 200, Decision::Leave).await.expect("the name is free");
    assert_eq!(applied.etag(), before.0);
    assert_eq!(state.remembered(&name("b")).await.expect("it reads").map(|found| found.status), Some(200));
    assert_eq!(before.1, log(&state).await, "nothing is announced");
    assert_eq!(state.last_change(&key("42").collection), list, "the tag of the list stays");
    let after = state.resource(&key("42")).await.expect("it reads").map(|stored| stored.etag);
    assert_eq!(after, before.0, "the tag of the resource stays");
    let guards = locked(&spy.seen).last().cloned().expect("it was committed").guards;
    assert!(guards.iter().any(|guard| *guard.key() == keys::desired(&key("42"))), "nothing to change is judged, too");
}

async fn log(state: &State) -> usize {
    state.store().changes(Position::default(), 99).await.expect("it reads").entries.len()
}

#[tokio::test]
async fn what_is_refused_is_not_remembered() {
    let (state, spy) = state();
    let refused = once(&state, &name("a"), 200, Decision::Happen(Event::DeleteAsked)).await;
    assert!(matches!(refused, Err(ApplyError::Refused(Refused::Absent))), "{refused:?}");
    locked(&spy.mishaps).push_back(Mishap::Answered(CommitError::Full));
    let full = once(&state, &name("a"), 201, put_it(&json!({}))).await;
    assert!(matches!(full, Err(ApplyError::Full)), "{full:?}");
    let decided = state.try_out(&key("42"), None, |_| Ok::<_, Infallible>(put_it(&json!({})))).await;
    assert!(decided.expect("it can be tried").after.desired.is_some());
    assert_eq!(rows(&spy).await, vec![]);
}

#[tokio::test]
async fn of_changes_under_one_name_the_commit_lets_one_through() {
    let (state, spy) = state();
    put(&state, &key("42"), &json!({"n": 0})).await;
    // A request whose client hung up is committed between our look and our commit.
    let loaded = state.resource_state(&key("42"), None).await.expect("it reads");
    let theirs = record(200, &loaded, BEGINNING.after(ONCE_KEPT));
    let ops = vec![
        Op::Delete(keys::desired(&key("42"))),
        Op::Put(keys::once("anonymous", "a"), record::encode_once(&theirs)),
    ];
    locked(&spy.mishaps).push_back(Mishap::Overtaken(Txn { ops, ..Txn::default() }));
    // It is gone by now, and that is not what we are told: it was this very request that made it go.
    let ours = once(&state, &name("a"), 200, Decision::Happen(Event::DeleteAsked)).await;
    assert!(matches!(ours, Err(ApplyError::Remembered)), "{ours:?}");
    let again = once(&state, &name("a"), 200, put_it(&json!({"n": 2}))).await;
    assert!(matches!(again, Err(ApplyError::Remembered)), "{again:?}");
    assert_eq!(state.remembered(&name("a")).await.expect("it reads"), Some(theirs));
}

#[tokio::test]
async fn an_answer_is_forgotten_after_a_day_and_its_name_is_free_from_then_on() {
    let (state, spy, clock) = state_in_time();
    let pass = |more: Duration| *locked(&clock.1) += more;
    once(&state, &name("a"), 201, put_it(&json!({"n": 1}))).await.expect("the name is free");
    pass(Duration::from_secs(1));
    once(&state, &name("b"), 200, put_it(&json!({"n": 2}))).await.expect("the name is free");
    pass(ONCE_KEPT - Duration::from_millis(1001));
    assert_eq!(state.forget_expired(9).await.expect("it works"), 0);
    let taken = once(&state, &name("a"), 200, put_it(&json!({"n": 3}))).await;
    assert!(matches!(taken, Err(ApplyError::Remembered)), "{taken:?}");
    pass(Duration::from_millis(1));
    assert_eq!(state.remembered(&name("a")).await.expect("it reads"), None, "whether or not it is swept");
    // Its name is taken again before the sweep comes, which then has nothing to forget.
    once(&state, &name("a"), 202, put_it(&json!({"n": 3}))).await.expect("the name is free");
    assert_eq!(state.forget_expired(9).await.expect("it works"), 0);
    assert_eq!(state.remembered(&name("a")).await.expect("it reads").map(|found| found.status), Some(202));
    pass(Duration::from_secs(1));
    assert_eq!(state.forget_expired(9).await.expect("it works"), 1, "the other one");
    pass(ONCE_KEPT);
    assert_eq!(state.forget_expired(9).await.expect("it works"), 1);
    assert_eq!(rows(&spy).await, vec![keys::desired(&key("42"))], "nothing is left of either");
}

#[tokio::test]
async fn a_sweep_is_bounded_and_leaves_a_name_alone_that_is_taken_meanwhile() {
    let (state, spy, clock) = state_in_time();
    for n in 0..5 {
        once(&state, &name(&n.to_string()), 200, put_it(&json!({ "n": n }))).await.expect("the name is free");
    }
    *locked(&clock.1) = ONCE_KEPT;
    // While it looks, somebody takes the first name again.
    let loaded = state.resource_state(&key("42"), None).await.expect("it reads");
    let theirs = record(200, &loaded, BEGINNING.after(2 * ONCE_KEPT));
    let ops = vec![
        Op::Delete(keys::expiry(BEGINNING.after(ONCE_KEPT), "anonymous", "0")),
        Op::Put(keys::once("anonymous", "0"), record::encode_once(&theirs)),
        Op::Put(keys::expiry(theirs.expires, "anonymous", "0"), bytes::Bytes::new()),
    ];
    locked(&spy.mishaps).push_back(Mishap::Overtaken(Txn { ops, ..Txn::default() }));
    assert_eq!(state.forget_expired(2).await.expect("it works"), 0, "it looks again later");
    assert_eq!(state.forget_expired(2).await.expect("it works"), 2);
    assert_eq!(state.forget_expired(3).await.expect("it works"), 2);
    assert_eq!(state.remembered(&name("0")).await.expect("it reads"), Some(theirs));
    assert_eq!(rows(&spy).await.iter().filter(|row| keys::is_once(row)).count(), 1);
    locked(&spy.mishaps).push_back(Mishap::Answered(CommitError::Stopped));
    *locked(&clock.1) = 2 * ONCE_KEPT;
    assert!(state.forget_expired(2).await.is_err());
}

#[tokio::test]
async fn an_answer_that_came_out_otherwise_is_corrected_and_expires_as_before() {
    let (state, _) = state();
    once(&state, &name("a"), 202, put_it(&json!({}))).await.expect("the name is free");
    let before = state.remembered(&name("a")).await.expect("it reads").expect("it is remembered");
    state.correct(&name("a"), 200, Some("/x".to_owned())).await.expect("it works");
    let after = state.remembered(&name("a")).await.expect("it reads").expect("it is remembered");
    assert_eq!(after, OnceRecord { status: 200, location: Some("/x".to_owned()), ..before });
    state.correct(&name("b"), 200, None).await.expect("there is nothing to correct");
}
