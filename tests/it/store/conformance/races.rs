//! Many at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use heeler::store::{CommitError, Guard, Position, Rev, Store, Txn};

use super::super::{guarded, key, put};
use super::on_each_store;

on_each_store! {
    of_many_who_create_one_row_exactly_one_succeeds,
    of_many_who_change_one_revision_exactly_one_succeeds,
    counters_that_are_retried_lose_no_increment,
    a_read_after_an_answer_sees_it,
    transactions_committed_together_see_each_other,
}

const RACERS: usize = 50;

async fn of_many_who_create_one_row_exactly_one_succeeds(store: Arc<dyn Store>) {
    for round in 0..5 {
        let name = format!("row-{round}");
        let racers = (0..RACERS).map(|n| {
            let (store, txn) =
                (Arc::clone(&store), guarded(vec![Guard::Absent(key(&name))], put(&name, &n.to_string())));
            tokio::spawn(async move { store.commit(txn).await })
        });
        exactly_one_succeeds(join_all(racers).await.into_iter().map(|ended| ended.expect("none panics")));
    }
}

async fn of_many_who_change_one_revision_exactly_one_succeeds(store: Arc<dyn Store>) {
    let rev = store.commit(put("a", "0")).await.expect("it is applied");
    let racers =
        (0..RACERS).map(|n| store.commit(guarded(vec![Guard::RevIs(key("a"), rev)], put("a", &n.to_string()))));
    exactly_one_succeeds(join_all(racers).await.into_iter());
}

fn exactly_one_succeeds(answers: impl Iterator<Item = Result<Rev, CommitError>>) {
    let (won, lost): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, RACERS - 1));
    assert!(lost.iter().all(|answer| matches!(answer, Err(CommitError::Conflict { guard: 0 }))));
}

async fn counters_that_are_retried_lose_no_increment(store: Arc<dyn Store>) {
    const EACH: u64 = 10;
    store.commit(put("n", "0")).await.expect("it is applied");
    let adders = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut revs = Vec::new();
            while revs.len() < EACH as usize {
                let (_, found) = store.get(&[key("n")]).await.expect("it can be read");
                let entry = found[0].clone().expect("it is there");
                let count: u64 = std::str::from_utf8(&entry.value).expect("text").parse().expect("a number");
                let next = put("n", &(count + 1).to_string());
                match store.commit(guarded(vec![Guard::RevIs(key("n"), entry.rev)], next)).await {
                    Ok(rev) => revs.push(rev),
                    Err(CommitError::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            revs
        })
    });
    let revs: BTreeSet<Rev> =
        join_all(adders).await.into_iter().flat_map(|ended| ended.expect("none panics")).collect();
    assert_eq!(revs, (2..2 + 8 * EACH).map(Rev).collect(), "each revision was given once");
    let (_, found) = store.get(&[key("n")]).await.expect("it can be read");
    assert_eq!(found[0].clone().expect("it is there").value, (8 * EACH).to_string());
}

async fn a_read_after_an_answer_sees_it(store: Arc<dyn Store>) {
    let tasks = (0..8).map(|task| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..20 {
                let name = format!("{task}/{n}");
                let rev = store.commit(put(&name, "x")).await.expect("it is applied");
                let (snapshot, found) = store.get(&[key(&name)]).await.expect("it can be read");
                assert!(snapshot >= rev);
                assert_eq!(found[0].clone().expect("it is there").rev, rev);
            }
        })
    });
    for ended in join_all(tasks).await {
        ended.expect("none panics");
    }
}

async fn transactions_committed_together_see_each_other(store: Arc<dyn Store>) {
    // Polled in this order, so queued in this order, and most of them in one group.
    let step = |n: usize| {
        let before = if n == 0 { Guard::Absent(key("step-0")) } else { Guard::Present(key(format!("step-{}", n - 1))) };
        let put = put(&format!("step-{n}"), "x");
        store.commit(Txn { log: vec![n.to_string().into()], ..guarded(vec![before], put) })
    };
    let revs: Vec<Rev> =
        join_all((0..RACERS).map(step)).await.into_iter().map(|rev| rev.expect("it is applied")).collect();
    assert_eq!(revs, (1..=RACERS as u64).map(Rev).collect::<Vec<_>>());
    let log = store.changes(Position::default(), usize::MAX).await.expect("it can be read").entries;
    let want: Vec<_> = (0..RACERS).map(|n| (Position { rev: revs[n], n: 0 }, n.to_string().into())).collect();
    assert_eq!(log, want);
}
