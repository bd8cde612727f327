//! Which jobs are proposed to be claimed, and that no limit is exceeded when
//! they are.

use super::*;
use crate::domain::catalog::{Availability, Catalog, Collection};
use crate::domain::expression::Template;
use crate::domain::limit::{Concurrency, Rate};
use crate::domain::operation::Operation;
use crate::reconcile::tests::world::operation;
use crate::reconcile::waiting::WaitReason;

struct World {
    state: State,
    spy: Arc<Spy>,
    time: Arc<Fixed>,
    operation: Operation,
}

impl World {
    /// A world with `a` as it is made here.
    fn new(change: impl FnOnce(&mut Operation)) -> Self {
        let (spy, time) = (Arc::new(Spy::default()), Arc::new(Fixed::default()));
        let mut operation = operation("a");
        change(&mut operation);
        let mut catalog: Catalog = catalog();
        catalog.operations.insert(operation.name.clone(), Arc::new(operation.clone()));
        let state = State::new(spy.clone(), time.clone(), time.clone(), Arc::new(catalog));
        Self { state, spy, time, operation }
    }

    /// A resource of an owner asks for a job.
    async fn ask(&self, id: &str, owner: &str) -> JobId {
        *locked(&self.time.1) += Duration::from_millis(1);
        let document = json!({"owner": owner, "processing": {"operation": "a"}});
        only_job(&put(&self.state, &key(id), &document).await)
    }

    async fn claims(&self, room: usize) -> Claims {
        self.state.claims(&self.operation, room, &|_| false).await.expect("it reads")
    }

    /// The resources whose jobs may be claimed now.
    async fn next(&self, room: usize) -> Vec<String> {
        self.claims(room).await.claims.into_iter().map(|claim| claim.resource.id.to_string()).collect()
    }

    async fn take(&self, claim: &Claim) -> Result<Applied, ApplyError<Infallible>> {
        let event = Event::Claimed { job: claim.job, grant: claim.grant.clone() };
        self.state.happen(&claim.resource, event).await
    }

    async fn take_all(&self, room: usize) {
        for claim in self.claims(room).await.claims {
            self.take(&claim).await.expect("there is room");
        }
    }

    async fn end(&self, id: &str, job: JobId) {
        let state = self.state.resource_state(&key(id), Some(job)).await.expect("it reads");
        let token = state.jobs[&job].attempts.last().expect("it was claimed").token;
        let ending = Ending::new(AttemptOutcome::Succeeded);
        self.state.happen(&key(id), Event::Ended { job, token, ending: Box::new(ending) }).await.expect("it runs");
    }

    fn pass(&self, seconds: u64) {
        *locked(&self.time.1) += Duration::from_secs(seconds);
    }
}

fn per_owner(limit: u32) -> impl FnOnce(&mut Operation) {
    let per = Template::expression("resource.owner").expect("an expression");
    move |operation| operation.concurrency = Some(Concurrency { limit, per: Some(per) })
}

fn at_most(count: u32, seconds: u64) -> impl FnOnce(&mut Operation) {
    move |operation| operation.rate = Some(Rate { count, period: Duration::from_secs(seconds) })
}

fn is_not_ready(result: &Result<Applied, ApplyError<Infallible>>) -> bool {
    matches!(result, Err(ApplyError::Refused(Refused::NotReady)))
}

#[tokio::test]
async fn each_owner_has_a_limit_of_its_own_and_nobody_stands_in_the_way_of_another() {
    let world = World::new(per_owner(2));
    let first = world.ask("a1", "ann").await;
    for (id, owner) in [("a2", "ann"), ("a3", "ann"), ("a4", "ann"), ("b1", "bob")] {
        world.ask(id, owner).await;
    }
    assert_eq!(world.next(9).await, ["a1", "a2", "b1"]);
    assert_eq!(world.next(2).await, ["a1", "a2"], "who waits longest is first, whoever it is of");
    world.take_all(9).await;
    assert_eq!(world.next(9).await, [""; 0]);
    world.end("a1", first).await;
    assert_eq!(world.next(9).await, ["a3"]);
}

#[tokio::test]
async fn a_job_of_an_owner_who_has_as_many_as_may_run_waits_for_one_of_them() {
    let world = World::new(per_owner(1));
    world.ask("a1", "ann").await;
    let waits = world.ask("a2", "ann").await;
    world.ask("a3", "ann").await;
    let free = world.ask("b1", "bob").await;
    let why = async |job| {
        let (job, _) = world.state.job(job).await.expect("it reads").expect("it is there");
        let waiting = world.state.in_queue(&job, None).await.expect("it reads").expect("it waits");
        (waiting.reason, waiting.position, waiting.limit)
    };
    assert_eq!(why(waits).await, (WaitReason::Queued, Some(2), Some(1)));
    world.take(&world.claims(1).await.claims[0]).await.expect("there is room");
    assert_eq!(why(waits).await, (WaitReason::Concurrency, Some(1), Some(1)));
    assert_eq!(why(free).await, (WaitReason::Queued, Some(1), Some(1)));
    assert_eq!(world.state.loads().await.expect("it reads")[&world.operation.name].waiting, 3);
}

#[tokio::test]
async fn no_more_start_within_a_time_than_the_rate_says() {
    let world = World::new(at_most(2, 60));
    let mut last = None;
    for id in ["1", "2", "3"] {
        last = Some(world.ask(id, "ann").await);
    }
    assert_eq!(world.next(9).await, ["1", "2"]);
    world.take_all(9).await;
    let claims = world.claims(9).await;
    let free = BEGINNING.after(Duration::from_millis(60_003));
    assert_eq!((claims.claims.len(), claims.again), (0, Some(free)));
    let (job, _) = world.state.job(last.expect("it was asked for")).await.expect("it reads").expect("it is there");
    let waiting = world.state.in_queue(&job, Some(9)).await.expect("it reads").expect("it waits");
    assert_eq!((waiting.reason, waiting.until, waiting.limit), (WaitReason::Rate, Some(free), Some(2)));
    world.pass(59);
    assert_eq!(world.next(9).await, [""; 0]);
    world.pass(1);
    assert_eq!(world.next(9).await, ["3"]);
}

#[tokio::test]
async fn a_place_in_a_rate_is_taken_once_whoever_is_faster() {
    let world = World::new(at_most(1, 60));
    world.ask("1", "ann").await;
    let first = world.claims(9).await.claims.remove(0);
    world.ask("2", "ann").await;
    let second = Claim { job: world.ask("3", "ann").await, resource: key("3"), ..first.clone() };
    world.take(&first).await.expect("it is free");
    assert!(is_not_ready(&world.take(&second).await), "it was taken before it was looked at");
    world.pass(60);
    let [third] = &world.claims(9).await.claims[..] else { panic!("one may start") };
    // Somebody else takes the place between the look at it and the commit.
    let taken = Op::Put(keys::place(&world.operation.name, 0), record::encode_place(world.state.clock().now()));
    let txn = Txn { guards: Vec::new(), ops: vec![taken], log: Vec::new() };
    locked(&world.spy.mishaps).push_back(Mishap::Overtaken(txn));
    assert!(is_not_ready(&world.take(third).await));
    assert_eq!(world.next(9).await, [""; 0]);
}

#[tokio::test]
async fn a_job_whose_collection_is_out_of_service_takes_no_place_in_a_rate() {
    let world = World::new(at_most(1, 60));
    let job = world.ask("1", "ann").await;
    let claim = world.claims(9).await.claims.remove(0);
    let mut catalog = Catalog::clone(world.state.catalog());
    let videos = catalog.collections.get_mut(&key("1").collection).expect("it is declared");
    *videos = Arc::new(Collection { availability: Availability::Retired, ..Collection::clone(videos) });
    catalog.retire();
    let state = State::new(world.spy.clone(), world.time.clone(), world.time.clone(), Arc::new(catalog));
    let event = Event::Claimed { job, grant: claim.grant.clone() };
    let applied = state.happen(&claim.resource, event).await.expect("it is heard");
    assert_eq!(applied.state.jobs[&job].phase, JobPhase::Canceled);
    world.ask("2", "ann").await;
    assert_eq!(world.next(9).await, ["2"]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_hold_a_rate_for_as_long() {
    let world = World::new(at_most(1, 60));
    world.pass(3600);
    world.ask("1", "ann").await;
    world.take_all(9).await;
    world.ask("2", "ann").await;
    assert_eq!(world.next(9).await, [""; 0]);
    *locked(&world.time.1) = Duration::from_secs(10);
    assert_eq!(world.next(9).await, ["2"]);
}

#[tokio::test]
async fn those_that_somebody_has_in_hand_are_passed_over_however_many_they_are() {
    let world = World::new(|operation| operation.concurrency = Some(Concurrency::of(2)));
    let mut jobs = Vec::new();
    for id in ["1", "2", "3", "4", "5"] {
        jobs.push(world.ask(id, "ann").await);
    }
    let held = jobs[..3].to_vec();
    let found = world.state.claims(&world.operation, 9, &|job| held.contains(&job)).await.expect("it reads").claims;
    let found: Vec<_> = found.iter().map(|claim| (claim.job, claim.grant.slot)).collect();
    assert_eq!(found, [(jobs[3], Some(0)), (jobs[4], Some(1))]);
}
