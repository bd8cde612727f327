//! What is written, on which conditions, and what becomes of conflicts and failures.

mod declared;
mod ledger;
mod limits;
mod once;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::id::{JobId, ResourceKey};
use crate::domain::job::Grant;
use crate::domain::job::{AttemptOutcome, Ending, JobPhase};
use crate::domain::time::Timestamp;
use crate::reconcile::tests::world::{BEGINNING, catalog, document, key, name};
use crate::store::memory::MemoryStore;
use crate::store::{
    Cause, Changes as LogPage, CommitError, Entry, Guard, Key, KeyRange, Limits, Op, Order, Page, Position, ReadError,
    Rev, Snapshot, Txn, WatchError,
};

/// What happens to a commit before the store sees it.
#[derive(Debug)]
enum Mishap {
    /// Somebody else commits this first.
    Overtaken(Txn),
    /// It is answered with this, and not applied.
    Answered(CommitError),
    /// It is applied, and never answered.
    Unanswered,
    /// It is applied before the next one is, and never answered.
    Late,
}

/// A store in memory that remembers transactions, and to which mishaps can happen.
#[derive(Debug, Default)]
struct Spy {
    inner: MemoryStore,
    seen: Mutex<Vec<Txn>>,
    mishaps: Mutex<VecDeque<Mishap>>,
    unreadable: Mutex<bool>,
    late: Mutex<Option<Txn>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for Spy {
    async fn get(&self, keys: &[Key]) -> Result<(Rev, Vec<Option<Entry>>), ReadError> {
        if *locked(&self.unreadable) {
            return Err(ReadError::Storage(Arc::new(std::io::Error::other("the disk is gone"))));
        }
        self.inner.get(keys).await
    }

    async fn scan(&self, range: KeyRange, order: Order, limit: usize) -> Result<Page, ReadError> {
        self.inner.scan(range, order, limit).await
    }

    async fn commit(&self, txn: Txn) -> Result<Rev, CommitError> {
        let late = locked(&self.late).take();
        if let Some(late) = late {
            self.inner.commit(late).await?;
        }
        let mishap = locked(&self.mishaps).pop_front();
        match mishap {
            Some(Mishap::Overtaken(other)) => drop(self.inner.commit(other).await?),
            Some(Mishap::Answered(error)) => return Err(error),
            Some(Mishap::Unanswered) => {
                self.inner.commit(txn).await?;
                return std::future::pending().await;
            }
            Some(Mishap::Late) => {
                *locked(&self.late) = Some(txn);
                return std::future::pending().await;
            }
            None => {}
        }
        locked(&self.seen).push(txn.clone());
        self.inner.commit(txn).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<LogPage, WatchError> {
        self.inner.changes(after, limit).await
    }

    fn committed(&self) -> tokio::sync::watch::Receiver<Rev> {
        self.inner.committed()
    }

    async fn compact(&self, before: Rev) -> Result<(), CommitError> {
        self.inner.compact(before).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        self.inner.snapshot().await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    async fn failed(&self) -> Cause {
        self.inner.failed().await
    }
}

/// It is the same time until a test lets some pass, and no two seeds are the same.
#[derive(Debug, Default)]
struct Fixed(Mutex<u8>, Mutex<Duration>);

#[async_trait]
impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        BEGINNING.after(*locked(&self.1))
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

impl Entropy for Fixed {
    fn seed(&self) -> [u8; 32] {
        let mut count = locked(&self.0);
        *count += 1;
        [*count; 32]
    }
}

fn state() -> (State, Arc<Spy>) {
    let (state, spy, _) = state_in_time();
    (state, spy)
}

fn state_in_time() -> (State, Arc<Spy>, Arc<Fixed>) {
    let spy = Arc::new(Spy::default());
    let fixed = Arc::new(Fixed::default());
    (State::new(spy.clone(), fixed.clone(), fixed.clone(), Arc::new(catalog())), spy, fixed)
}

fn changed(members: &Value) -> Event {
    Event::Changed { document: document(members), observed: Map::new(), fingerprint: [7; 32], restarts: Vec::new() }
}

async fn put(state: &State, key: &ResourceKey, members: &Value) -> Applied {
    state.happen(key, changed(members)).await.expect("it can be put")
}

fn only_job(applied: &Applied) -> JobId {
    *applied.state.jobs.keys().next().expect("there is a job")
}

/// The last transaction: what it puts, what it deletes.
fn last_ops(spy: &Spy) -> (Vec<Key>, Vec<Key>) {
    let seen = locked(&spy.seen);
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for op in &seen.last().expect("something was committed").ops {
        match op {
            Op::Put(key, _) => puts.push(key.clone()),
            Op::Delete(key) => deletes.push(key.clone()),
        }
    }
    (puts, deletes)
}

#[tokio::test]
async fn a_change_that_decides_nothing_writes_its_document_and_one_log_entry() {
    let (state, spy) = state();
    let key = key("42");
    let first = put(&state, &key, &json!({"processing": {"operation": "a"}})).await;
    put(&state, &key, &json!({"processing": {"operation": "a"}, "title": "Holiday"})).await;
    assert_eq!(last_ops(&spy), (vec![keys::desired(&key)], vec![]));
    let txn = locked(&spy.seen).last().cloned().expect("it was committed");
    let rev = Rev(first.etag().expect("it is there").revision.number());
    assert_eq!(txn.guards, vec![Guard::RevIs(keys::desired(&key), rev), Guard::RevIs(keys::observed(&key), rev)]);
    let log: Vec<_> = txn.log.iter().map(|entry| record::decode_log(entry).expect("it reads")).collect();
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].kind, log[0].generation.number(), log[0].job), (record::LogKind::Put, 2, None));
}

#[tokio::test]
async fn a_claim_takes_slot_and_attempt_and_leaves_the_queue_in_one_transaction() {
    let (state, spy) = state();
    let key = key("42");
    let applied = put(&state, &key, &json!({"processing": {"operation": "b"}})).await;
    let job = only_job(&applied);
    let queued = keys::queued(&"b".parse().expect("a name"), None, 5, BEGINNING, job);
    assert!(last_ops(&spy).0.contains(&queued));
    state
        .happen(&key, Event::Claimed { job, grant: Grant { slot: Some(3), ..Grant::default() } })
        .await
        .expect("it is ready");
    let (mut puts, deletes) = last_ops(&spy);
    let slot = keys::slot(&"b".parse().expect("a name"), None, 3);
    let mut wanted = vec![keys::observed(&key), keys::job(job), keys::attempt(job), slot.clone()];
    puts.sort();
    wanted.sort();
    assert_eq!((puts, deletes), (wanted, vec![queued]));
    let guards = locked(&spy.seen).last().cloned().expect("it was committed").guards;
    assert!(guards.contains(&Guard::Absent(slot.clone())), "{guards:?}");
    assert!(guards.iter().any(|guard| matches!(guard, Guard::RevIs(row, _) if *row == keys::job(job))), "{guards:?}");
    assert_eq!(state.slots(&"b".parse().expect("a name"), None, 9).await.expect("it reads"), vec![3]);

    let token = state.resource_state(&key, None).await.expect("it reads").jobs[&job].attempts[0].token;
    let ending = Ending::new(AttemptOutcome::Succeeded);
    state.happen(&key, Event::Ended { job, token, ending: Box::new(ending) }).await.expect("it runs");
    let (_, mut deletes) = last_ops(&spy);
    let mut gone = vec![keys::attempt(job), slot, keys::unsettled(&key)];
    deletes.sort();
    gone.sort();
    assert_eq!(deletes, gone);
}

#[tokio::test]
async fn what_had_its_time_before_its_resource_went_is_in_the_ledger() {
    let (state, spy, time) = state_in_time();
    let key = key("42");
    let scheduled = json!({"processing": {"operation": "a", "schedule": {"every": "10s"}}});
    let uid = put(&state, &key, &scheduled).await.state.desired.expect("it is there").uid;
    *locked(&time.1) = Duration::from_secs(10);
    let gone = state.happen(&key, Event::DeleteAsked).await.expect("it can be deleted");
    assert_eq!(gone.state.desired, None);
    let job = keys::job(only_job(&gone));
    let tick = keys::tick(uid, &name("processing"), BEGINNING.after(Duration::from_secs(10)));
    let (puts, _) = last_ops(&spy);
    assert!(puts.contains(&tick) && puts.contains(&job), "{puts:?}");
}

#[tokio::test]
async fn a_slot_is_never_taken_twice() {
    let (state, _) = state();
    let mut jobs = Vec::new();
    for id in ["1", "2"] {
        let applied = put(&state, &key(id), &json!({"processing": {"operation": "a"}})).await;
        jobs.push((key(id), only_job(&applied)));
    }
    let claim = |number: usize, slot| {
        let (key, job) = jobs[number].clone();
        let state = state.clone();
        async move {
            state.happen(&key, Event::Claimed { job, grant: Grant { slot: Some(slot), ..Grant::default() } }).await
        }
    };
    claim(0, 0).await.expect("it is free");
    assert!(matches!(claim(1, 0).await, Err(ApplyError::Refused(crate::reconcile::Refused::NotReady))));
    claim(1, 1).await.expect("it is free");
}

#[tokio::test]
async fn what_is_committed_though_nobody_waits_for_it_is_seen_all_the_same() {
    let (state, spy) = state();
    let key = key("42");
    put(&state, &key, &json!({"n": 1})).await;
    let before = state.last_change(&key.collection);
    locked(&spy.mishaps).push_back(Mishap::Unanswered);
    let asked = changed(&json!({"processing": {"operation": "a"}}));
    // The client hangs up while its change is being made.
    assert!(futures_util::FutureExt::now_or_never(state.happen(&key, asked)).is_none());
    let after = state.last_change(&key.collection);
    assert!(before < after, "the list has the tag that it had");
    let bell = state.hints().queue.notified();
    state.settle_doubts().await;
    assert!(futures_util::FutureExt::now_or_never(bell).is_some(), "nobody is told that there is a job");
    let settled = state.last_change(&key.collection);
    assert!(after <= settled);
    put(&state, &self::key("7"), &json!({"n": 1})).await;
    let other = ResourceKey { collection: "others".parse().expect("a name"), ..key };
    put(&state, &other, &json!({})).await;
    let last = state.last_change(&self::key("7").collection);
    put(&state, &ResourceKey { id: "8".parse().expect("an id"), ..other }, &json!({})).await;
    assert_eq!(state.last_change(&self::key("7").collection), last, "it is doubted no more");
}

#[tokio::test]
async fn a_decision_is_made_again_on_what_was_committed_meanwhile() {
    let (state, spy) = state();
    let key = key("42");
    put(&state, &key, &json!({"n": 1})).await;
    // Another process changes it between loading and committing.
    let mut theirs = state.resource_state(&key, None).await.expect("it reads").desired.expect("it is there");
    theirs.generation = theirs.generation.next();
    theirs.document = document(&json!({"n": 2}));
    let ops = vec![Op::Put(keys::desired(&key), record::encode_desired(&theirs))];
    let overtaking = Txn { ops, ..Txn::default() };
    locked(&spy.mishaps).push_back(Mishap::Overtaken(overtaking));
    let mut seen = Vec::new();
    let applied = state.apply(&key, None, |loaded| {
        let now = loaded.state.desired.as_ref().expect("it is there").document.members()["n"].clone();
        let next = json!({"n": now.as_i64().expect("a number") + 10});
        seen.push(now);
        Ok::<_, Infallible>(Decision::Happen(changed(&next)))
    });
    let applied = applied.await.expect("the second time");
    assert_eq!(seen, [json!(1), json!(2)]);
    let desired = applied.state.desired.expect("it is there");
    assert_eq!((desired.document.members()["n"].clone(), desired.generation.number()), (json!(12), 3));
}

#[tokio::test]
async fn who_is_overtaken_again_and_again_is_told_that_the_resource_is_busy() {
    let (state, spy) = state();
    let key = key("42");
    put(&state, &key, &json!({})).await;
    let conflict = || Mishap::Answered(CommitError::Conflict { guard: 0 });
    locked(&spy.mishaps).extend(std::iter::repeat_with(conflict).take(16));
    assert!(matches!(state.happen(&key, changed(&json!({"n": 1}))).await, Err(ApplyError::Busy)));
    locked(&spy.mishaps).extend(std::iter::repeat_with(conflict).take(15));
    put(&state, &key, &json!({"n": 1})).await;
}

#[tokio::test]
async fn a_failure_of_the_store_is_told_apart_and_changes_nothing() {
    let cause: Cause = Arc::new(std::io::Error::other("the disk is gone"));
    let (state, spy) = state();
    let key = key("42");
    let before = put(&state, &key, &json!({})).await.etag();
    for (answer, word) in [
        (CommitError::Full, "the disk is full"),
        (CommitError::Stopped, "the store has stopped"),
        (CommitError::Unknown(cause), "the outcome of the commit is unknown"),
        (CommitError::TooLarge, "damaged"),
    ] {
        locked(&spy.mishaps).push_back(Mishap::Answered(answer));
        let error = state.happen(&key, changed(&json!({"n": 1}))).await.expect_err("it fails");
        assert!(error.to_string().contains(word), "{error}");
    }
    *locked(&spy.unreadable) = true;
    let unreadable = state.happen(&key, Event::Looked).await;
    assert!(matches!(unreadable, Err(ApplyError::State(StateError::Read(_)))), "{unreadable:?}");
    *locked(&spy.unreadable) = false;
    assert_eq!(state.resource(&key).await.expect("it reads").map(|stored| stored.etag), before);
}

#[tokio::test]
async fn the_first_part_of_a_tag_moves_with_desired_state_and_the_second_with_anything_visible() {
    let (state, _) = state();
    let key = key("42");
    let first = put(&state, &key, &json!({"processing": {"operation": "a"}})).await;
    let job = only_job(&first);
    let first = first.etag().expect("it is there");
    assert_eq!(first.changed, first.revision);
    let claimed = state.happen(&key, Event::Claimed { job, grant: Grant::default() }).await.expect("it is ready");
    let tag = claimed.etag().expect("it is there");
    assert_eq!(tag.changed, first.changed);
    assert!(tag.revision > first.revision);
    assert_eq!(claimed.job_etag(job).map(|tag| tag.revision), Some(tag.revision));
    let renamed = put(&state, &key, &json!({"processing": {"operation": "a"}, "title": "x"})).await;
    let renamed = renamed.etag().expect("it is there");
    assert!(renamed.changed > tag.revision && renamed.revision == renamed.changed);
    let looked = state.happen(&key, Event::Looked).await.expect("it is there");
    assert_eq!(looked.etag(), Some(renamed), "nothing happened");
    assert_eq!(state.resource(&key).await.expect("it reads").map(|stored| stored.etag), Some(renamed));
}

#[tokio::test]
async fn a_resource_that_is_created_again_inherits_nothing() {
    let (state, _) = state();
    let key = key("42");
    let first = put(&state, &key, &json!({"processing": {"operation": "a"}})).await;
    let (job, old) = (only_job(&first), first.state.desired.as_ref().expect("it is there").uid);
    let gone = state.happen(&key, Event::DeleteAsked).await.expect("it is there");
    assert_eq!((gone.etag(), state.resource(&key).await.expect("it reads").is_none()), (None, true));
    let again = put(&state, &key, &json!({"title": "new"})).await;
    assert!(again.etag().expect("it is there").changed > first.etag().expect("it was there").revision);
    let uid = again.state.desired.as_ref().expect("it is there").uid;
    assert_ne!(uid, old);
    let jobs = async |uid| state.jobs_of_activity(uid, &name("processing"), None, 9).await.expect("it reads").0;
    assert_eq!((jobs(uid).await, jobs(old).await), (vec![], vec![job]));
    let (old_job, _) = state.job(job).await.expect("it reads").expect("it is kept");
    assert_eq!((old_job.phase, old_job.uid), (JobPhase::Canceled, old));
    assert_eq!(state.unsettled(None, 9).await.expect("it reads"), vec![]);
    assert_eq!(state.queue(&"a".parse().expect("a name"), None, 9).await.expect("it reads"), vec![]);
}

#[tokio::test]
async fn the_change_log_is_trimmed_to_the_newest_revisions() {
    let (state, _) = state();
    for title in ["a", "b", "c", "d"] {
        put(&state, &key("1"), &json!({"title": title})).await;
    }
    state.trim_log(2, Duration::MAX).await.expect("it works");
    let after = |rev| state.store().changes(crate::store::Position { rev: Rev(rev), n: 0 }, 9);
    assert!(matches!(after(0).await, Err(WatchError::Compacted)));
    assert_eq!(after(2).await.expect("it is kept").entries.len(), 2);
}

#[tokio::test]
async fn a_job_of_another_resource_is_not_there() {
    let (state, _) = state();
    let job = only_job(&put(&state, &key("1"), &json!({"processing": {"operation": "a"}})).await);
    put(&state, &key("2"), &json!({})).await;
    let answer = state.happen(&key("2"), Event::CancelAsked { job }).await;
    assert!(matches!(answer, Err(ApplyError::Refused(Refused::Absent))), "{answer:?}");
}

#[tokio::test]
async fn what_follows_is_looked_up_where_it_is_needed() {
    let (state, _) = state();
    let key = key("42");
    let flaky = "flaky".parse().expect("a name");
    let job = only_job(&put(&state, &key, &json!({"processing": {"operation": "flaky"}})).await);
    let queue: Vec<_> = state.queue(&flaky, None, 9).await.expect("it reads");
    assert_eq!(queue.iter().map(|row| (row.job, row.resource.clone())).collect::<Vec<_>>(), [(job, key.clone())]);
    let claimed = state.happen(&key, Event::Claimed { job, grant: Grant::default() }).await.expect("it is ready");
    let attempts = state.attempts(9).await.expect("it reads");
    assert_eq!(attempts, [AttemptRow { job, resource: key.clone(), phase: JobPhase::Starting, is_remote: false }]);
    let token = claimed.state.jobs[&job].attempts[0].token;
    let ending = Ending::new(AttemptOutcome::Failed);
    let ended = state.happen(&key, Event::Ended { job, token, ending: Box::new(ending) }).await.expect("it runs");
    let due = ended.state.jobs[&job].not_before.expect("it waits");
    assert_eq!(state.timers(9).await.expect("it reads"), [(due, key.clone())]);
    assert_eq!(state.attempts(9).await.expect("it reads"), []);
    assert_eq!(state.unsettled(None, 9).await.expect("it reads"), std::slice::from_ref(&key));
    assert_eq!(state.unsettled(Some(&key), 9).await.expect("it reads"), []);
}
