//! The end of a run: no faults, no clients, and everything must come to rest
//! where clients wanted it.

use heeler::clock::Clock;
use heeler::domain::activity::Standing;
use heeler::domain::condition::Reason;
use heeler::domain::job::{Job, JobPhase};
use heeler::reconcile::Fate;
use heeler::state::keys;
use heeler::store::{Entry, Key};

use crate::driver::Run;
use crate::oracle::Model;
use crate::planted::Planted;
use crate::process::{Duty, PASSES, Pass};
use crate::runner::{Deed, Life};
use crate::world::{Faults, Hints, lock, wanted};

/// How many rounds everything has to come to rest.
const ROUNDS_MAX: usize = 150;

/// How often every task is let go on in a round: more than any has points to wait at.
const TURNS: usize = 60;

impl Run {
    pub(crate) fn peace(&mut self) {
        *lock(&self.disk.faults) = Faults::default();
        self.bury();
        for _ in 0..ROUNDS_MAX {
            self.round();
            if self.is_wrong() {
                return;
            }
            if self.rests() {
                self.judge_the_end();
                if self.chores > 0 {
                    self.clean_up();
                }
                self.restart();
                return;
            }
        }
        let left: Vec<String> = self.disk.dump().iter().map(|(key, _)| format!("{key:?}")).collect();
        lock(&self.oracle).say(format!("it does not come to rest: {left:?}"));
    }

    /// Processes whose store has stopped end.
    fn bury(&mut self) {
        for index in 0..self.processes.len() {
            if self.processes[index].store.has_stopped() {
                self.crash(index);
            }
        }
    }

    fn round(&mut self) {
        let clients = self.processes.iter().flat_map(|process| &process.tasks).any(|task| task.duty == Duty::Client);
        for pass in PASSES {
            let engine = &self.processes[0];
            let wanted = engine.may(pass)
                && match (self.profile.hints, pass) {
                    (Hints::Lost, _) | (Hints::Heard, Pass::Due) => true,
                    (Hints::Heard, Pass::Attempts | Pass::Dispatch | Pass::Sweep | Pass::House) => engine.hears(pass),
                };
            if wanted && self.planted != Planted::NobodyDispatches(pass) {
                engine.begin(pass);
            }
        }
        self.settle_in();
        self.go_on();
        self.disk.write_all();
        if !clients {
            self.judge_stops();
        }
        self.act();
        self.go_on();
        self.wait();
    }

    /// Time passes; until the next timer, where nothing else is left to wait for.
    fn wait(&self) {
        let idle = self.processes.iter().all(|process| process.tasks.is_empty());
        let timer = self.disk.dump().iter().find_map(|(key, _)| keys::read_due(key));
        let until = timer.filter(|_| idle).map(|(at, _)| at.as_millis() - self.clock.now().as_millis());
        self.clock.pass(until.unwrap_or_default().max(1000));
    }

    fn go_on(&mut self) {
        for _ in 0..TURNS {
            if self.processes.iter().all(|process| process.tasks.is_empty()) {
                return;
            }
            for process in 0..self.processes.len() {
                for index in (0..self.processes[process].tasks.len()).rev() {
                    self.processes[process].poll(index);
                }
            }
            self.settle_in();
        }
    }

    /// P17: whatever is to be stopped was told so.
    fn judge_stops(&self) {
        let attempts = lock(&self.attempts);
        let mut oracle = lock(&self.oracle);
        for ((job, number), lived) in &attempts.all {
            let told = oracle.job(*job).is_some_and(|job| job.phase == JobPhase::Canceling);
            if told && lived.life == Life::Live {
                oracle.say(format!("attempt {number} of job {job} is to be stopped, and nobody told it"));
            }
        }
    }

    /// What is told to stop does, and everything else comes to an end, some of it badly.
    fn act(&self) {
        let oracle = lock(&self.oracle);
        let mut attempts = lock(&self.attempts);
        for at in attempts.live() {
            let stopping = attempts.all.get(&at).is_some_and(|lived| lived.life == Life::Stopping);
            // One that is to be stopped hangs until it is told.
            if !stopping && oracle.job(at.0).is_some_and(|job| job.phase == JobPhase::Canceling) {
                continue;
            }
            let deeds = [Deed::Succeed, Deed::Succeed, Deed::Fail, Deed::Vanish];
            attempts.act(at, if stopping { Deed::Stop } else { *self.dice.pick(&deeds) });
        }
    }

    fn rests(&self) -> bool {
        let busy = |key: &Key| keys::is_attempt(key) || keys::is_queued(key) || keys::is_due(key);
        let rows = self.disk.dump();
        self.processes.iter().all(|process| process.tasks.is_empty()) && !rows.iter().any(|(key, _)| busy(key))
    }

    fn judge_the_end(&self) {
        let attempts = lock(&self.attempts);
        let mut oracle = lock(&self.oracle);
        let live = attempts.live().len();
        if live > 0 {
            oracle.say(format!("{live} attempts go on, and nobody knows them"));
        }
        let stored: std::collections::BTreeMap<_, _> =
            self.disk.dump().into_iter().map(|(key, entry)| (key, entry.value)).collect();
        if stored != oracle.all_rows() {
            oracle.say("what is stored is not what was committed".to_owned());
        }
        if oracle.history.manual_jobs > oracle.history.posts {
            let (jobs, posts) = (oracle.history.manual_jobs, oracle.history.posts);
            oracle.say(format!("{jobs} jobs of at most {posts} POSTs"));
        }
        let wrong: Vec<String> = oracle.models.values().flat_map(unfinished_business).collect();
        oracle.violations.extend(wrong);
    }

    /// What is old is forgotten once nothing else is left to do, and nothing but that.
    fn clean_up(&mut self) {
        // Longer than any clock was set back.
        self.clock.pass(1_000 * 3_600_000);
        let parts = 2 + lock(&self.oracle).jobs.len();
        for _ in 0..parts {
            self.processes[0].begin(Pass::House);
            self.settle_in();
            self.go_on();
            self.go_on();
        }
        self.judge_the_end();
        let mut oracle = lock(&self.oracle);
        let kept: Vec<String> = oracle.models.values().flat_map(never_forgotten).collect();
        oracle.violations.extend(kept);
    }

    /// I21: a restart changes nothing where nothing is to be done.
    fn restart(&mut self) {
        let before = self.at_rest();
        self.crash(0);
        self.round();
        for pass in PASSES {
            if self.processes[0].may(pass) {
                self.processes[0].begin(pass);
            }
        }
        self.settle_in();
        self.go_on();
        if self.at_rest() != before {
            lock(&self.oracle).say("a restart at rest changed what is stored".to_owned());
        }
    }

    /// What is stored, but for what is remembered of answers until their day is over.
    fn at_rest(&self) -> Vec<(Key, Entry)> {
        let mut rows = self.disk.dump();
        rows.retain(|(key, _)| !keys::is_once(key) && keys::read_expiry(key).is_none());
        rows
    }
}

/// What a resource at rest should not be waiting for.
fn unfinished_business(model: &Model) -> Vec<String> {
    let mut wrong = Vec::new();
    let state = &model.state;
    let Some(observed) = &state.observed else { return wrong };
    let reason = observed.settlement.reason;
    let suspended = observed
        .activities
        .keys()
        .any(|name| wanted(state, name).is_some_and(|activity| activity.standing == Standing::Suspended));
    if !(reason == Reason::Settled || (reason == Reason::Suspended && suspended)) {
        wrong.push(format!("{} rests and is {}", state.key, reason.as_str()));
    }
    for (name, status) in &observed.activities {
        let standing = wanted(state, name).map(|activity| activity.standing);
        let pending = status.asked.as_ref().is_some_and(|asked| asked.fate == Fate::Pending);
        let held = standing == Some(Standing::Suspended);
        if !status.active.is_empty() && !held {
            wrong.push(format!("`{name}` of {} rests with unfinished jobs", state.key));
        }
        if pending && standing == Some(Standing::Active) {
            wrong.push(format!("`{name}` of {} rests, and what it asks was never done", state.key));
        }
    }
    wrong
}

/// The jobs of a resource that are kept for no reason, however old they are.
fn never_forgotten(model: &Model) -> Vec<String> {
    let state = &model.state;
    let there = |job: &&Job| state.desired.as_ref().is_some_and(|desired| desired.uid == job.uid);
    let kept = state.jobs.values().filter(|job| {
        let status = state.status(&job.activity).filter(|_| there(job));
        let named = status.is_some_and(|status| {
            let asked = status.asked.as_ref().and_then(|asked| asked.job);
            status.last.as_ref().is_some_and(|last| last.id == job.id) || asked == Some(job.id)
        });
        let newer = |other: &&Job| other.uid == job.uid && other.activity == job.activity && other.id > job.id;
        let newest = there(job) && !state.jobs.values().filter(newer).any(|newer| newer.phase.is_final());
        job.phase.is_final() && !named && !newest
    });
    kept.map(|job| format!("job {} of {} is never forgotten", job.id, state.key)).collect()
}
