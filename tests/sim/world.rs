//! What the service stands in: time, chance, the catalog, and what may go wrong.

use heeler::domain::expression::Template;
use heeler::domain::limit::{Concurrency, Rate};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use heeler::clock::{Clock, Entropy};
use heeler::domain::activity::Activity;
use heeler::domain::catalog::{ActivitySpec, Catalog, Collection, PreconditionPolicy};
use heeler::domain::id::ActivityName;
use heeler::domain::operation::{ExecSpec, Keep, OnUnknown, Operation, Reply, RunnerSpec, WorkerSpec};
use heeler::domain::retry::{Never, RetryPolicy};
use heeler::domain::time::Timestamp;
use heeler::reconcile::ResourceState;

/// The one source of chance of a run (splitmix64).
#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub(crate) fn below(&self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    /// Whether something happens that happens `per_mille` times in a thousand.
    pub(crate) fn happens(&self, per_mille: usize) -> bool {
        self.below(1000) < per_mille
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A lock whose holder never panics for long: a panic ends the run.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets everybody else go first: the points at which a run is interleaved or cut.
pub(crate) async fn turn() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        // Who waits for several at once goes on only with those that ask for it.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct SimClock {
    wall: AtomicI64,
    run: AtomicI64,
    base: Instant,
}

impl SimClock {
    pub(crate) fn new(begin: i64) -> Self {
        Self { wall: AtomicI64::new(begin), run: AtomicI64::new(0), base: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::Relaxed))
    }

    /// Time passes.
    pub(crate) fn pass(&self, millis: i64) {
        self.wall.fetch_add(millis, Ordering::Relaxed);
        self.run.fetch_add(millis, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    pub(crate) fn step(&self, millis: i64) {
        self.wall.fetch_add(millis, Ordering::Relaxed);
    }

    fn run(&self) -> i64 {
        self.run.load(Ordering::Relaxed)
    }
}

/// The clock as one process reads it.
#[derive(Debug)]
pub(crate) struct ProcessClock {
    clock: Arc<SimClock>,
    witness: Arc<Mutex<Witness>>,
}

impl ProcessClock {
    pub(crate) fn new(clock: Arc<SimClock>, witness: Arc<Mutex<Witness>>) -> Self {
        Self { clock, witness }
    }
}

#[async_trait]
impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn instant(&self) -> Instant {
        let run = self.clock.run();
        lock(&self.witness).reads(self.clock.now(), run);
        self.clock.base + Duration::from_millis(u64::try_from(run).unwrap_or_default())
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.clock.run() + i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2);
        poll_fn(|_| if self.clock.run() >= until { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// What a process can know of how time went: what it read of both clocks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witness {
    /// What the wall clock showed first.
    pub(crate) since: Option<Timestamp>,
    /// Where the wall clock was seen to be set forward, each with what it showed before and after.
    pub(crate) leaps: Vec<(Timestamp, Timestamp)>,
    /// The most that it ever showed.
    pub(crate) newest: Option<Timestamp>,
    last: Option<(Timestamp, i64)>,
}

impl Witness {
    fn reads(&mut self, wall: Timestamp, run: i64) {
        const STEP: i64 = 60_000;
        self.since.get_or_insert(wall);
        self.newest = self.newest.max(Some(wall));
        if let Some((before, at)) = self.last {
            let set = wall.as_millis() - before.as_millis() - (run - at);
            if set > STEP {
                self.leaps.push((before, wall));
            }
        }
        self.last = Some((wall, run));
    }
}

/// Randomness that is a count and the seed of the run.
#[derive(Debug)]
pub(crate) struct SimEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl SimEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Entropy for SimEntropy {
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        seed[8..16].copy_from_slice(&self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        seed
    }
}

/// What may go wrong in a run, each in so many of a thousand cases.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A commit has an unknown outcome, and the store stops.
    pub(crate) unknown: usize,
    /// A commit meets a full disk.
    pub(crate) full: usize,
    /// A commit meets a conflict that nobody here caused.
    pub(crate) conflict: usize,
    /// An attempt cannot be started.
    pub(crate) start: usize,
}

/// How far the loops are trusted to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hints {
    /// Every one is lost: the loops look when they feel like it.
    Lost,
    /// The loops look when they are woken, and never otherwise.
    Heard,
}

/// What kinds of trouble a run has. Every seed chooses some, so that each kind
/// is also met alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Profile {
    pub(crate) hints: Hints,
    pub(crate) faults: Faults,
    /// Crashes, in a thousand steps.
    pub(crate) crashes: usize,
    /// Clients that hang up, in a thousand steps.
    pub(crate) hang_ups: usize,
    /// Clock steps, in a thousand steps.
    pub(crate) clock_steps: usize,
    /// How many processes serve clients; the first one also runs the engine.
    pub(crate) processes: usize,
    /// Attempts that the process runs at once.
    pub(crate) running: usize,
    /// How many resources clients fight over.
    pub(crate) resources: usize,
    /// Whether work recurs, and time passes in days as well.
    pub(crate) recurs: bool,
}

/// When runs begin in which work recurs, most of them right before the clocks of a zone change.
pub(crate) const BEGINNINGS: [(&str, &str); 8] = [
    ("2023-11-14T22:13:20Z", "UTC"),
    ("2024-02-28T23:59:30Z", "America/St_Johns"),
    ("2026-03-29T00:48:10Z", "Europe/Berlin"),
    ("2026-10-25T00:21:00Z", "Europe/Berlin"),
    ("2026-03-08T06:50:00Z", "America/New_York"),
    ("2026-11-01T05:25:00Z", "America/New_York"),
    ("2026-04-04T14:20:00Z", "Australia/Lord_Howe"),
    ("2026-10-03T15:10:00Z", "Australia/Lord_Howe"),
];

/// When every other run begins.
const BEGINNING: i64 = 1_700_000_000_000;

impl Profile {
    pub(crate) fn of(dice: &Dice, seed: u64) -> Self {
        let some = |most: usize| if dice.happens(600) { 1 + dice.below(most) } else { 0 };
        // Now and then a storm, in which a writer has to give up, or a disk that is full most of the time.
        let conflict = if dice.happens(50) { 900 } else { some(150) };
        let full = if dice.happens(100) { 400 } else { some(80) };
        let mut profile = Self {
            hints: if dice.happens(250) { Hints::Heard } else { Hints::Lost },
            faults: Faults { unknown: some(15), full, conflict, start: some(150) },
            crashes: some(40),
            hang_ups: some(60),
            clock_steps: some(30),
            processes: 1 + dice.below(2),
            running: *dice.pick(&[1, 2, 8]),
            resources: 1 + dice.below(3),
            // Not drawn, so that the others are what they were before anything recurred.
            recurs: [0, 2, 4].contains(&(seed % 5)),
        };
        if profile.hints == Hints::Heard {
            // Each of these loses a hint, which is allowed, and found by the next sweep.
            profile.faults = Faults { start: profile.faults.start, ..Faults::default() };
            profile.hang_ups = 0;
            profile.processes = 1;
        }
        profile
    }

    /// When the run begins.
    pub(crate) fn beginning(&self, dice: &Dice) -> i64 {
        if !self.recurs {
            return BEGINNING;
        }
        dice.pick(&BEGINNINGS).0.parse::<Timestamp>().expect("an instant").as_millis()
    }
}

/// The operations: each has another rule about limits, retries and lost attempts.
pub(crate) const OPERATIONS: [&str; 8] = ["single", "pair", "sure", "plain", "shared", "paced", LEASED, LEASED];
/// The activities of each collection.
pub(crate) const ACTIVITIES: [&str; 2] = ["processing", "second"];
/// The collection whose changes must name a precondition.
pub(crate) const STRICT: &str = "strict";
/// The collection whose changes need none.
pub(crate) const LOOSE: &str = "loose";

/// What a resource wants of an activity, as far as it can be read.
pub(crate) fn wanted(state: &ResourceState, name: &ActivityName) -> Option<Activity> {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);
    state.wanted(name, &CATALOG).activity()
}

/// The operation whose jobs workers ask for.
pub(crate) const LEASED: &str = "leased";

/// How many attempts of `paced` start within a time.
pub(crate) const RATE: Rate = Rate { count: 2, period: Duration::from_secs(20) };

fn changed<N>((name, operation): (N, Arc<Operation>), change: impl FnOnce(&mut Operation)) -> (N, Arc<Operation>) {
    let mut operation = Arc::unwrap_or_clone(operation);
    change(&mut operation);
    (name, Arc::new(operation))
}

pub(crate) fn catalog() -> Catalog {
    let retry = |attempts| RetryPolicy {
        attempts,
        backoff: Duration::from_secs(2),
        factor: 2.0,
        max: Duration::from_secs(10),
        never: vec![Never::Code(65)],
    };
    let operation = |name: &str, concurrency: Option<u32>, attempts, on_unknown, priority| {
        let name: heeler::domain::id::OperationName = name.parse().expect("a name");
        let runner = RunnerSpec::Exec(ExecSpec::default());
        let operation = Operation {
            name: name.clone(),
            description: None,
            input: None,
            runner,
            timeout: None,
            grace: Operation::GRACE_DEFAULT,
            retry: retry(attempts),
            concurrency: concurrency.map(Concurrency::of),
            attempts_max: 100,
            rate: None,
            deadline: None,
            start_deadline: None,
            priority,
            on_unknown,
            reply: Reply::default(),
            keep: Keep::default(),
            effects: heeler::domain::effect::Effects::default(),
        };
        (name, Arc::new(operation))
    };
    let collection = |name: &str, preconditions| {
        let name: heeler::domain::id::CollectionName = name.parse().expect("a name");
        let activities = ACTIVITIES.map(|name| ActivitySpec::new(name.parse().expect("a name"))).to_vec();
        (name.clone(), Arc::new(Collection { preconditions, activities, ..Collection::new(name) }))
    };
    let [single, pair, sure, plain, shared, paced, leased, _] = OPERATIONS;
    Catalog {
        collections: BTreeMap::from([
            collection(STRICT, PreconditionPolicy::Required),
            collection(LOOSE, PreconditionPolicy::Optional),
        ]),
        operations: BTreeMap::from([
            operation(single, Some(1), 1, OnUnknown::Fail, 0),
            operation(pair, Some(2), 3, OnUnknown::Fail, 5),
            operation(sure, None, 3, OnUnknown::Retry, 0),
            changed(operation(plain, None, 1, OnUnknown::Fail, -1), |plain| {
                plain.start_deadline = Some(Duration::from_secs(90));
                plain.deadline = Some(Duration::from_secs(240));
            }),
            // One for each `n` of the resources.
            changed(operation(shared, Some(1), 2, OnUnknown::Fail, 0), |shared| {
                let per = Template::expression("resource.n").expect("an expression");
                shared.concurrency = Some(Concurrency { limit: 1, per: Some(per) });
            }),
            // Workers do it, two at a time.
            changed(operation(leased, Some(2), 3, OnUnknown::Retry, 0), |leased| {
                leased.runner = RunnerSpec::Worker(WorkerSpec { lease: Duration::from_secs(30) });
                leased.retry.never = vec![Never::Reason("Gone".to_owned())];
                leased.timeout = Some(Duration::from_secs(120));
            }),
            changed(operation(paced, None, 2, OnUnknown::Fail, 1), |paced| paced.rate = Some(RATE)),
        ]),
        ..Catalog::default()
    }
}
