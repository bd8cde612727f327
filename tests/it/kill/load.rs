//! Clients at work while the service is killed again and again; then nothing
//! that was acknowledged may be missing, nothing may have run twice, and
//! nothing may be left over.
//!
//! `HEELER_KILL_ROUNDS` makes it longer, `HEELER_KILL_SEED` repeats the choices
//! of a run (what the machine makes of them differs each time).

mod clients;
mod verdict;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::service::processes::kill;
use crate::service::{Service, World};

/// How often the service is killed.
const ROUNDS: u64 = 10;

/// Threads that change documents, each its own ones, and how many those are.
const WRITERS: u64 = 4;
const DOCUMENTS: u64 = 5;

/// Threads that launch and cancel jobs of all of them.
const LAUNCHERS: u64 = 2;

const CONFIGURATION: &str = r#"
[limits]
running = 8

[operations.work]
exec  = { command = ["sh", "work.sh", "${input.kind}", "${input.pause}", "${input.code}"] }
grace = "200ms"

[operations.tries]
exec  = { command = ["sh", "work.sh", "plain", "${input.pause}", "${input.code}"] }
grace = "200ms"
retry = { attempts = 2, backoff = "20ms" }

[operations.again]
exec       = { command = ["sh", "work.sh", "${input.kind}", "${input.pause}", "${input.code}"] }
grace      = "200ms"
on_unknown = "retry"
retry      = { backoff = "20ms", never = [1, 65] }

[operations.single]
exec        = { command = ["sh", "work.sh", "single", "${input.pause}", "${input.code}"] }
grace       = "200ms"
concurrency = 1

[collections.things]
"#;

/// Each line is one write, so that lines of several processes stay whole. The
/// lock is free again only when no process of the attempt is left.
const WORK: &str = r#"
echo "$HEELER_JOB $HEELER_ATTEMPT" >>starts
case $1 in
single)   exec 9>>lock; flock -n 9 || echo "$HEELER_JOB: the lock is taken" >>faults ;;
stubborn) trap '' TERM ;;
forks)    setsid sh -c 'setsid sleep 30 & sleep 30; echo "$HEELER_JOB: left over" >>faults' & ;;
worst)    setsid sh -c "trap '' TERM; setsid sleep 30 & while :; do sleep 0.2; done" & ;;
esac
echo '{"progress":{"fraction":0.5,"message":"half"}}' >>"$HEELER_EVENTS"
sleep "$2"
echo "{\"result\":{\"code\":$3}}" >>"$HEELER_EVENTS"
echo "$HEELER_JOB $HEELER_ATTEMPT $3" >>ends
exit "$3"
"#;

/// What all threads share.
struct Scene {
    address: Mutex<std::net::SocketAddr>,
    over: AtomicBool,
    acknowledged: Mutex<Acknowledged>,
}

/// What the service said it had done to jobs.
#[derive(Debug, Default)]
struct Acknowledged {
    launched: Vec<String>,
    canceled: Vec<String>,
}

impl Scene {
    fn address(&self) -> std::net::SocketAddr {
        *self.address.lock().expect("no holder of this lock panics")
    }

    fn acknowledged(&self) -> MutexGuard<'_, Acknowledged> {
        self.acknowledged.lock().expect("no holder of this lock panics")
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Choices that a seed repeats (xorshift).
#[derive(Debug, Clone)]
struct Choices(u64);

impl Choices {
    fn new(seed: u64, of: u64) -> Self {
        let mut choices = Self((seed ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1);
        // The first numbers of seeds that are near to each other are so, too.
        for _ in 0..8 {
            choices.below(2);
        }
        choices
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).expect("an index fits")]
    }

    fn pause(&mut self, below_ms: u64) {
        thread::sleep(Duration::from_millis(self.below(below_ms)));
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// What is killed each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// The service alone: the fate of every attempt stays known.
    Service,
    /// The supervisors, too, as the machine does when it goes down, but
    /// without their work, which makes it worse.
    Supervisors,
}

#[test]
fn whatever_was_acknowledged_survives_any_number_of_kills_and_nothing_runs_twice() {
    kill_again_and_again(Harm::Service);
}

#[test]
fn also_where_supervisors_are_killed_nothing_runs_twice_or_is_stuck() {
    kill_again_and_again(Harm::Supervisors);
}

fn kill_again_and_again(harm: Harm) {
    let now = || SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").subsec_nanos();
    let seed = setting("HEELER_KILL_SEED").unwrap_or_else(|| u64::from(now()));
    let rounds = setting("HEELER_KILL_ROUNDS").unwrap_or(ROUNDS);
    let world = World::new(CONFIGURATION);
    world.write("work.sh", WORK);
    let mut service = world.start();
    let scene = Arc::new(Scene {
        address: Mutex::new(service.address),
        over: AtomicBool::new(false),
        acknowledged: Mutex::default(),
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let scene = Arc::clone(&scene);
            thread::spawn(move || clients::write(&scene, number, Choices::new(seed, number)))
        })
        .collect();
    let launchers: Vec<_> = (0..LAUNCHERS)
        .map(|number| {
            let scene = Arc::clone(&scene);
            thread::spawn(move || clients::launch(&scene, Choices::new(seed, 100 + number)))
        })
        .collect();
    let mut choices = Choices::new(seed, 1000);
    for _ in 0..rounds {
        choices.pause(500);
        service.kill();
        if harm == Harm::Supervisors && choices.below(2) == 0 {
            world.supervisors().into_iter().for_each(kill);
        }
        service = world.start();
        *scene.address.lock().expect("no holder of this lock panics") = service.address;
    }
    choices.pause(500);
    scene.over.store(true, Ordering::Relaxed);
    let beliefs: Vec<_> = writers.into_iter().flat_map(|thread| joined(thread, seed)).collect();
    launchers.into_iter().for_each(|thread| joined(thread, seed));
    verdict::judge(&verdict::Case { world: &world, service: &service, harm, seed }, &beliefs, &scene.acknowledged());
}

fn joined<T>(thread: thread::JoinHandle<T>, seed: u64) -> T {
    thread.join().unwrap_or_else(|_| panic!("a client has found a fault (HEELER_KILL_SEED={seed})"))
}

impl clients::Belief {
    /// The document is one that it can be.
    fn confirm(&self, service: &Service, seed: u64) {
        let answer = service.get(&self.target);
        assert!(self.admits(&answer), "HEELER_KILL_SEED={seed}: {self:?} is not {}", answer.text());
    }
}
