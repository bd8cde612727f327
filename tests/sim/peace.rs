//! The end of a run: no faults, no clients, and everything must come to rest
//! where clients wanted it.

use std::sync::Arc;
use std::time::Duration;

use heeler::domain::activity::Standing;
use heeler::domain::condition::Reason;
use heeler::domain::id::{ActivityName, JobId, ResourceKey};
use heeler::domain::job::{Job, JobPhase};
use heeler::domain::time::Timestamp;
use heeler::reconcile::{Fate, OffReason, ResourceState, Scheduled};
use heeler::state::keys;
use heeler::store::{Entry, Key};

use crate::answers::send;
use crate::driver::Run;
use crate::oracle::{Model, Oracle};
use crate::planted::Planted;
use crate::process::{Duty, PASSES, Pass};
use crate::runner::{Deed, Life};
use crate::workers::labor;
use crate::world::{Faults, Hints, lock, wanted};

/// How many rounds everything has to come to rest: an activity can have a
/// hundred jobs, each of which takes some.
const ROUNDS_MAX: usize = 500;

/// In how many of them schedules go on as they are.
const ROUNDS_OF_TICKS: usize = 12;

/// What recurs within this is taken back after that.
const SOON: Duration = Duration::from_secs(1200);

/// How often every task is let go on in a round: more than any has points to wait at.
const TURNS: usize = 60;

impl Run {
    pub(crate) fn peace(&mut self) {
        *lock(&self.disk.faults) = Faults::default();
        self.bury();
        for number in 0..ROUNDS_MAX {
            self.round();
            if self.is_wrong() {
                return;
            }
            if self.rests() {
                self.judge_the_end();
                self.restart();
                self.set_back();
                if self.chores > 0 {
                    self.clean_up();
                }
                return;
            }
            if number >= ROUNDS_OF_TICKS {
                self.take_back();
            }
            self.wait(number >= ROUNDS_OF_TICKS);
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
        // What was decided before time passed may be committed after somebody looked.
        let idle = self.processes.iter().all(|process| process.tasks.is_empty()) && self.disk.is_idle();
        let due = idle && self.processes[0].may(Pass::Due);
        let clients = self.is_under_way(Duty::Client);
        let stopping = self.to_be_stopped();
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
            self.judge_stops(&stopping);
        }
        if due && !self.is_under_way(Duty::Pass(Pass::Due)) {
            self.judge_ticks();
        }
        self.act();
        let labor = labor(self.processes[0].api.clone(), Arc::clone(&self.oracle));
        self.processes[0].spawn(Duty::Client, labor);
        self.settle_in();
        self.go_on();
    }

    fn is_under_way(&self, duty: Duty) -> bool {
        self.processes.iter().flat_map(|process| &process.tasks).any(|task| task.duty == duty)
    }

    /// P9, I19: where somebody has just looked, nothing is left that is due.
    fn judge_ticks(&self) {
        let now = self.clock.now();
        let late = self.disk.dump().iter().find_map(|(key, _)| keys::read_due(key)).filter(|(at, _)| *at <= now);
        if let Some((at, key)) = late {
            lock(&self.oracle).say(format!("{key} was due at {at}, and nobody looked at {now}"));
        }
    }

    /// What would recur for ever is taken back, and what recurs seldom is left.
    fn take_back(&mut self) {
        if self.is_under_way(Duty::Client) {
            return;
        }
        let soon = self.clock.now().after(SOON);
        let mut requests = Vec::new();
        for (key, model) in &lock(&self.oracle).models {
            let Some(observed) = model.state.observed.as_ref().filter(|o| o.deleting_since.is_none()) else { continue };
            let comes = |scheduled: &Scheduled| {
                scheduled.backlog_until.is_some() || scheduled.due.is_some_and(|due| due <= soon)
            };
            let names = observed.schedules().filter(|(_, scheduled)| comes(scheduled));
            let names: Vec<ActivityName> = names.map(|(name, _)| name.clone()).collect();
            if !names.is_empty() {
                requests.push(lock(&self.clients).take_back(key, model.changed, &names));
            }
        }
        for request in requests {
            let client =
                send(self.processes[0].api.clone(), request, Arc::clone(&self.oracle), Arc::clone(&self.clients));
            self.processes[0].spawn(Duty::Client, client);
        }
        self.settle_in();
        self.go_on();
    }

    /// P11: a clock that is set back repeats nothing, and whoever waits longer is told.
    fn set_back(&mut self) {
        let jobs = lock(&self.oracle).jobs.len();
        self.clock.step(-3_600_000);
        if !self.processes[0].may(Pass::Due) || self.planted == Planted::NobodyDispatches(Pass::Due) {
            return;
        }
        self.processes[0].begin(Pass::Due);
        self.settle_in();
        self.go_on();
        let mut oracle = lock(&self.oracle);
        if oracle.jobs.len() != jobs {
            oracle.say("the clock was set back, and a tick was launched".to_owned());
        }
        let limit = self.clock.now().after(Duration::from_secs(61));
        let mut wrong = Vec::new();
        let mut told = 0;
        for (key, model) in &oracle.models {
            let Some(observed) = model.state.observed.as_ref().filter(|observed| observed.latest > limit) else {
                continue;
            };
            for (name, scheduled) in observed.schedules().filter(|(_, scheduled)| scheduled.due.is_some()) {
                told += 1;
                if scheduled.off.is_none_or(|off| off.reason != OffReason::ClockBackward) {
                    wrong.push(format!("`{name}` of {key} waits for a clock that was set back, and does not say so"));
                }
            }
        }
        oracle.violations.extend(wrong);
        *oracle.counts.entry("schedules that wait for the clock").or_default() += told;
    }

    /// Time passes; until the next timer, where nothing else is left to wait
    /// for: of jobs that wait, once it is only them that keep everything from its rest.
    fn wait(&self, only_jobs: bool) {
        let idle = self.processes.iter().all(|process| process.tasks.is_empty());
        let rows = self.disk.dump();
        let oracle = lock(&self.oracle);
        let mut timers = rows.iter().filter_map(|(key, _)| keys::read_due(key));
        let timer = timers.find(|(_, key)| !only_jobs || oracle.has_waiting_job(key));
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

    /// The attempts that are to be stopped, and were not told.
    fn to_be_stopped(&self) -> Vec<(JobId, u32)> {
        let attempts = lock(&self.attempts);
        let oracle = lock(&self.oracle);
        let told = |job: JobId| oracle.job(job).is_some_and(|job| job.phase == JobPhase::Canceling);
        let live = attempts.all.iter().filter(|(_, lived)| lived.life == Life::Live);
        live.map(|(at, _)| *at).filter(|(job, _)| told(*job)).collect()
    }

    /// P17: whatever was to be stopped when the round began was told so. A tick
    /// that replaces a job may come in between.
    fn judge_stops(&self, stopping: &[(JobId, u32)]) {
        let left = self.to_be_stopped();
        for (job, number) in left.iter().filter(|at| stopping.contains(at)) {
            lock(&self.oracle).say(format!("attempt {number} of job {job} is to be stopped, and nobody told it"));
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
        let now = self.clock.now();
        let oracle = lock(&self.oracle);
        // A timer of a schedule alone is no unrest before its time.
        let recurs = |at: Timestamp, key: &ResourceKey| now < at && !oracle.has_waiting_job(key);
        let busy = |key: &Key| {
            let timer = keys::read_due(key).is_some_and(|(at, key)| !recurs(at, &key));
            keys::is_attempt(key) || keys::is_queued(key) || timer
        };
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
        drop(oracle);
        self.judge_what_is_stored();
        let mut oracle = lock(&self.oracle);
        if oracle.history.manual_jobs > oracle.history.posts {
            let (jobs, posts) = (oracle.history.manual_jobs, oracle.history.posts);
            oracle.say(format!("{jobs} jobs of at most {posts} POSTs"));
        }
        let wrong: Vec<String> = oracle.models.values().flat_map(unfinished_business).collect();
        oracle.violations.extend(wrong);
    }

    fn judge_what_is_stored(&self) {
        let mut oracle = lock(&self.oracle);
        let stored: std::collections::BTreeMap<_, _> =
            self.disk.dump().into_iter().map(|(key, entry)| (key, entry.value)).collect();
        if stored != oracle.all_rows() {
            oracle.say("what is stored is not what was committed".to_owned());
        }
    }

    /// What is old is forgotten once nothing else is left to do, and nothing but that.
    fn clean_up(&mut self) {
        // The clock may have been set back since.
        let states = lock(&self.oracle).whole_states();
        let finished = states.iter().flat_map(|state| state.jobs.values()).filter_map(|job| job.finished).max();
        let ahead = finished.map_or(0, |at| (at.as_millis() - self.clock.now().as_millis()).max(0));
        self.clock.pass(ahead + 1_000 * 3_600_000);
        let parts = 2 + lock(&self.oracle).jobs.len();
        for _ in 0..parts {
            self.processes[0].begin(Pass::House);
            self.settle_in();
            self.go_on();
            self.go_on();
        }
        self.judge_what_is_stored();
        let mut oracle = lock(&self.oracle);
        let kept: Vec<String> = oracle.whole_states().iter().flat_map(never_forgotten).collect();
        oracle.violations.extend(kept);
    }

    /// I21: a restart changes nothing where nothing is to be done.
    fn restart(&mut self) {
        // What is suspended is accounted for up to now by whoever looks at it.
        self.look_around();
        let before = self.at_rest();
        self.crash(0);
        self.look_around();
        self.look_around();
        if self.at_rest() != before {
            lock(&self.oracle).say("a restart at rest changed what is stored".to_owned());
        }
    }

    /// Every loop of the engine takes a round.
    fn look_around(&mut self) {
        for pass in PASSES {
            if self.processes[0].may(pass) && self.planted != Planted::NobodyDispatches(pass) {
                self.processes[0].begin(pass);
            }
        }
        self.settle_in();
        self.go_on();
    }

    /// What is stored, but for what is remembered of answers until their day is over.
    fn at_rest(&self) -> Vec<(Key, Entry)> {
        let mut rows = self.disk.dump();
        rows.retain(|(key, _)| !keys::is_once(key) && keys::read_expiry(key).is_none());
        rows
    }
}

impl Oracle {
    /// Whether a job of a resource waits for its next attempt.
    fn has_waiting_job(&self, key: &ResourceKey) -> bool {
        let observed = self.models.get(key).and_then(|model| model.state.observed.as_ref());
        let mut active = observed.iter().flat_map(|o| o.activities.values()).flat_map(|status| &status.active);
        active.any(|job| job.not_before.is_some() || job.held.is_some())
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
fn never_forgotten(state: &ResourceState) -> Vec<String> {
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
