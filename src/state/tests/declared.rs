//! What other declarations change for those who go by a state, and when.

use futures_util::FutureExt as _;

use super::*;
use crate::domain::catalog::Catalog;
use crate::domain::operation::Operation;
use crate::metrics::Metrics;
use crate::reconcile::tests::world::operation;

/// What is declared with another operation `a`, and no collection.
fn without_collections(change: impl FnOnce(&mut Operation)) -> Arc<Catalog> {
    let mut operation = operation("a");
    change(&mut operation);
    Arc::new(Catalog { operations: [(operation.name.clone(), Arc::new(operation))].into(), ..Catalog::default() })
}

async fn declare(state: &State, catalog: Arc<Catalog>) -> State {
    let held = state.hold_creations().await.expect("the store is there");
    state.declare(catalog, &held).await.expect("the store is there")
}

#[tokio::test]
async fn a_state_goes_by_what_was_declared_when_it_was_taken() {
    let (before, _) = state();
    let after = declare(&before, without_collections(|a| a.priority = 7)).await;
    let priority = |state: &State| state.catalog().operations[&"a".parse().expect("a name")].priority;
    assert_eq!((priority(&before), before.edition()), (0, 0));
    for state in [&after, &before.newest(), &before.newest().newest()] {
        assert_eq!((priority(state), state.edition()), (7, 1));
    }
}

#[tokio::test]
async fn nothing_is_created_where_nothing_is_declared_any_more() {
    let (before, spy) = state();
    put(&before, &key("there"), &json!({})).await;
    declare(&before, without_collections(|_| {})).await;
    let commits = locked(&spy.seen).len();
    let refused = before.happen(&key("42"), changed(&json!({}))).await;
    assert!(matches!(refused, Err(ApplyError::Undeclared)), "{refused:?}");
    assert_eq!(locked(&spy.seen).len(), commits);
    // What is there is nobody's to lose: whoever judged the declarations knew of it.
    put(&before, &key("there"), &json!({"title": "Holiday"})).await;

    declare(&before, Arc::new(catalog())).await;
    put(&before, &key("42"), &json!({})).await;
}

#[tokio::test]
async fn who_holds_creations_up_sees_all_that_were_begun_and_no_other_begins() {
    let (state, spy) = state();
    locked(&spy.mishaps).push_back(Mishap::Late);
    let (first, second) = (key("1"), key("2"));
    let mut putting = Box::pin(state.happen(&first, changed(&json!({}))));
    assert!((&mut putting).now_or_never().is_none());
    let mut holding = Box::pin(state.hold_creations());
    assert!((&mut holding).now_or_never().is_none(), "one is under way");
    // Whoever asked goes away, and the commit is still made.
    drop(putting);
    let held = holding.await.expect("the store is there");
    assert!(state.resource(&first).await.expect("it reads").is_some());

    let mut waiting = Box::pin(state.happen(&second, changed(&json!({}))));
    assert!((&mut waiting).now_or_never().is_none());
    put(&state, &first, &json!({"title": "Holiday"})).await;
    assert!((&mut waiting).now_or_never().is_none());
    drop(held);
    waiting.await.expect("it is created");
}

#[tokio::test]
async fn attempts_are_counted_by_the_name_of_their_operation_once_that_is_declared() {
    let (state, _) = state();
    let job = only_job(&put(&state, &key("42"), &json!({"processing": {"operation": "a"}})).await);
    state.happen(&key("42"), Event::Claimed { job, grant: Grant::default() }).await.expect("it is ready");

    // The next process knows no `a`, until it is declared again.
    let metrics = Metrics::default();
    let (clock, entropy) = (Arc::clone(state.clock()), Arc::new(Fixed::default()));
    let without = Catalog { operations: [].into(), ..catalog() };
    let next = State::new(Arc::clone(state.store()), clock, entropy, Arc::new(without)).counted(&metrics);
    next.count_running().await.expect("it reads");
    let running = |operation: &str| {
        let text = metrics.text();
        let series = format!("heeler_jobs_running{{operation=\"{operation}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
    };
    assert_eq!((running("?").as_deref(), running("a")), (Some("1"), None));
    let now = declare(&next, Arc::new(catalog())).await;
    assert_eq!((running("?").as_deref(), running("a").as_deref()), (Some("0"), Some("1")));
    // One that is not declared any more is still counted by its name.
    let later = declare(&now, Arc::new(Catalog { operations: [].into(), ..catalog() })).await;
    let token = later.resource_state(&key("42"), None).await.expect("it reads").jobs[&job].attempts[0].token;
    let ending = Ending::new(AttemptOutcome::Succeeded);
    later.happen(&key("42"), Event::Ended { job, token, ending: Box::new(ending) }).await.expect("it runs");
    assert_eq!((running("?").as_deref(), running("a").as_deref()), (Some("0"), Some("0")));
}
