//! One run: a seed chooses step after step, and everything is judged after each.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use heeler::domain::id::JobId;
use heeler::engine::Steps;
use heeler::runner::Report;
use heeler::state::State;

use crate::answers::send;
use crate::clients::Clients;
use crate::oracle::Oracle;
use crate::planted::Planted;
use crate::process::{Duty, PASSES, Pass, Process};
use crate::runner::{Attempts, DEEDS, Deed, SimRunner};
use crate::store::{Disk, SimStore};
use crate::workers::{Word, ask, report, think};
use crate::world::{Dice, Hints, ProcessClock, Profile, SimClock, SimEntropy, Witness, catalog, lock};

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// How many steps there are before everything is left in peace.
    pub(crate) steps: usize,
    pub(crate) planted: Planted,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A task goes on: its number, what it is for, and to its how many-th point of waiting.
    Go(u64, Duty, usize),
    /// A client sends something to a process.
    Send(usize, String),
    /// A client hangs up.
    HangUp(u64),
    Begin(Pass),
    /// An attempt does something: its number among those that live.
    Act(usize, Deed),
    /// A report arrives again, or late.
    HearAgain(usize),
    /// A worker asks a process for jobs.
    Ask(usize),
    /// A worker reports to a process of a job that it was given.
    Report(usize, JobId, String, Word),
    Pass(i64),
    SetClock(i64),
    /// The writer goes on with what it was handed.
    Write,
    Crash(usize),
    /// Everything is down for so long.
    Down(i64),
    /// No faults and no clients any more: everything must come to rest.
    Peace,
}

/// How far somebody sets the clock; the first six also where nothing recurs.
const CLOCK_STEPS: [i64; 16] = [
    -1,
    -1000,
    -3_600_000,
    1000,
    60_000,
    86_400_000,
    -59_000,
    -61_000,
    61_000,
    3_600_000,
    -86_400_000,
    2_592_000_000,
    -2_592_000_000,
    315_576_000_000,
    -315_576_000_000,
    7_200_000,
];

/// How long everything is down, where it is for long.
const DOWNTIMES: [i64; 5] = [1000, 90_000, 3_600_000, 86_400_000, 432_000_000];

/// How much time passes at once where work recurs.
const PASSES_OF_TIME: [i64; 9] = [1, 1000, 2500, 10_000, 10_000, 61_000, 600_000, 3_600_000, 86_400_000];

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// A digest of every step and of everything that is stored at the end.
    pub(crate) hash: u64,
    pub(crate) trace: Vec<Step>,
    /// What happened after how many steps, in words.
    pub(crate) notes: Vec<(usize, String)>,
    /// What is wrong, if anything.
    pub(crate) violation: Option<String>,
    pub(crate) counts: std::collections::BTreeMap<&'static str, usize>,
}

/// All of one run.
pub(crate) struct Run {
    pub(crate) profile: Profile,
    pub(crate) dice: Arc<Dice>,
    pub(crate) clock: Arc<SimClock>,
    entropy: Arc<SimEntropy>,
    pub(crate) oracle: Arc<Mutex<Oracle>>,
    pub(crate) attempts: Arc<Mutex<Attempts>>,
    pub(crate) clients: Arc<Mutex<Clients>>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) processes: Vec<Process>,
    pub(crate) trace: Vec<Step>,
    pub(crate) planted: Planted,
    /// When the house is kept: of its own, so that it changes nothing else in a run.
    house: Dice,
    /// In how many of a thousand steps.
    pub(crate) chores: usize,
    born: u64,
    tasks: u64,
}

/// Runs a seed to its end, or to the first thing that is wrong.
pub(crate) fn run(options: Options) -> Outcome {
    let mut run = Run::new(options);
    let ran = catch_unwind(AssertUnwindSafe(|| run.run(options.steps)));
    let mut oracle = lock(&run.oracle);
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        oracle.say(format!("it panicked: {}", text.unwrap_or_default()));
    }
    let mut hasher = DefaultHasher::new();
    run.trace.hash(&mut hasher);
    for (key, entry) in run.disk.dump() {
        (key.0, entry.value, entry.rev).hash(&mut hasher);
    }
    let violation = oracle.violations.first().cloned();
    let counts = std::mem::take(&mut oracle.counts);
    let notes = std::mem::take(&mut oracle.notes);
    drop(oracle);
    Outcome { hash: hasher.finish(), trace: run.trace, notes, violation, counts }
}

impl Run {
    fn new(options: Options) -> Self {
        let dice = Arc::new(Dice::new(options.seed));
        let profile = Profile::of(&dice, options.seed);
        let beginning = profile.beginning(&dice);
        let oracle = Arc::new(Mutex::new(Oracle::new(catalog(), profile.running)));
        let attempts = Arc::<Mutex<Attempts>>::default();
        let disk =
            Disk::new(Arc::clone(&oracle), Arc::clone(&attempts), Arc::clone(&dice), profile.faults, options.planted);
        let mut run = Self {
            profile,
            dice,
            clock: Arc::new(SimClock::new(beginning)),
            entropy: Arc::new(SimEntropy::new(options.seed)),
            oracle,
            attempts,
            clients: Arc::default(),
            disk: Arc::new(disk),
            processes: Vec::new(),
            trace: Vec::new(),
            planted: options.planted,
            house: Dice::new(!options.seed),
            // Not in every run, so that each kind of trouble is also met alone.
            chores: if options.seed.is_multiple_of(3) { 120 } else { 0 },
            born: 0,
            tasks: 0,
        };
        for _ in 0..profile.processes {
            let process = run.process();
            run.processes.push(process);
        }
        run.boot();
        run
    }

    /// A process that has just started.
    fn process(&mut self) -> Process {
        self.born += 1;
        let store = Arc::new(SimStore::new(Arc::clone(&self.disk), self.born));
        let witness = Arc::<Mutex<Witness>>::default();
        lock(&self.disk.witnesses).insert(self.born, Arc::clone(&witness));
        let clock = ProcessClock::new(Arc::clone(&self.clock), witness);
        let catalog = Arc::new(lock(&self.oracle).catalog.clone());
        let state = State::new(
            Arc::clone(&store) as Arc<dyn heeler::store::Store>,
            Arc::new(clock) as Arc<dyn heeler::clock::Clock>,
            Arc::clone(&self.entropy) as Arc<dyn heeler::clock::Entropy>,
            catalog,
        );
        let runner = SimRunner {
            attempts: Arc::clone(&self.attempts),
            oracle: Arc::clone(&self.oracle),
            disk: Arc::clone(&self.disk),
            dice: Arc::clone(&self.dice),
            planted: self.planted,
        };
        let steps = Steps::new(state.clone(), Arc::new(runner), self.profile.running);
        Process::new(state, steps, store, self.born, Arc::clone(&self.oracle))
    }

    /// The engine looks at everything once when it starts.
    fn boot(&mut self) {
        self.processes[0].begin(Pass::Attempts);
        self.processes[0].state.hints().queue.notify_one();
        self.processes[0].state.hints().timers.notify_one();
        self.settle_in();
    }

    /// A process dies between two lines, and is started again.
    pub(crate) fn crash(&mut self, index: usize) {
        lock(&self.oracle).count("crashes");
        let fresh = self.process();
        let dead = std::mem::replace(&mut self.processes[index], fresh);
        let number = dead.number;
        drop(dead);
        self.disk.abandon(number);
        self.planted.forget(&self.disk);
        if index == 0 {
            self.boot();
        }
    }

    /// Every process dies, and time passes before they are started again.
    fn go_down(&mut self, millis: i64) {
        lock(&self.oracle).count("times that everything was down");
        for index in 0..self.processes.len() {
            self.crash(index);
        }
        // Nothing of them has run yet.
        self.clock.pass(millis);
    }

    pub(crate) fn settle_in(&mut self) {
        for process in &mut self.processes {
            process.settle_in(&mut self.tasks);
        }
    }

    pub(crate) fn is_wrong(&self) -> bool {
        !lock(&self.oracle).violations.is_empty()
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            if let Some(step) = self.choose() {
                self.trace.push(step.clone());
                lock(&self.oracle).step = self.trace.len();
                self.take(step);
            }
            if self.is_wrong() {
                return;
            }
        }
        self.trace.push(Step::Peace);
        lock(&self.oracle).step = self.trace.len();
        self.peace();
    }

    /// What happens next; nothing, where it is not possible now.
    fn choose(&self) -> Option<Step> {
        let dice = &self.dice;
        let profile = &self.profile;
        if let Some(dying) = self.processes.iter().position(|process| process.store.has_stopped())
            && dice.happens(300)
        {
            return Some(Step::Crash(dying));
        }
        if self.house.happens(self.chores) && self.processes[0].may(Pass::House) {
            return Some(Step::Begin(Pass::House));
        }
        if dice.happens(profile.crashes) {
            return Some(Step::Crash(dice.below(self.processes.len())));
        }
        if dice.happens(profile.hang_ups) {
            let tasks = self.processes.iter().flat_map(|process| &process.tasks);
            let clients: Vec<u64> = tasks.filter(|task| task.duty == Duty::Client).map(|task| task.number).collect();
            return (!clients.is_empty()).then(|| Step::HangUp(*dice.pick(&clients)));
        }
        if dice.happens(profile.clock_steps) {
            let steps: &[i64] = if profile.recurs { &CLOCK_STEPS } else { &CLOCK_STEPS[..6] };
            return Some(Step::SetClock(*dice.pick(steps)));
        }
        if profile.recurs && dice.happens(150) {
            return match dice.below(12) {
                0 => Some(Step::Down(*dice.pick(&DOWNTIMES))),
                1..=6 => Some(Step::Pass(*dice.pick(&PASSES_OF_TIME))),
                _ => self.processes[0].may(Pass::Due).then_some(Step::Begin(Pass::Due)).filter(|_| self.time_is_kept()),
            };
        }
        match dice.below(100) {
            0..=12 => Some(Step::Send(dice.below(self.processes.len()), String::new())),
            13..=24 => self.choose_pass(),
            25..=33 => {
                let live = lock(&self.attempts).live().len();
                (live > 0).then(|| Step::Act(dice.below(live), *dice.pick(&DEEDS)))
            }
            34..=36 => self.choose_late_report(),
            37..=39 => Some(Step::Pass(*dice.pick(&[1, 10, 500, 1000, 2500, 30_000]))),
            40 => Some(Step::Write),
            41..=43 => Some(Step::Ask(dice.below(self.processes.len()))),
            44..=48 => {
                let oracle = lock(&self.oracle);
                let leases = &oracle.workers.leases;
                let ((job, token), word) = if leases.is_empty() { return None } else { think(dice, leases)? };
                Some(Step::Report(dice.below(self.processes.len()), job, token, word))
            }
            _ => {
                let tasks = self.processes.iter().flat_map(|process| &process.tasks);
                let tasks: Vec<Step> =
                    tasks.map(|task| Step::Go(task.number, task.duty, *dice.pick(&[1, 1, 2, 4, 9]))).collect();
                (!tasks.is_empty()).then(|| dice.pick(&tasks).clone())
            }
        }
    }

    fn time_is_kept(&self) -> bool {
        self.planted != Planted::NobodyDispatches(Pass::Due)
    }

    /// A report of an attempt, and rather of one whose successor is under way.
    fn choose_late_report(&self) -> Option<Step> {
        let attempts = lock(&self.attempts);
        let followed = |(job, number): &(_, u32)| {
            attempts.all.get(&(*job, number + 1)).is_some_and(|successor| successor.life.goes_on())
        };
        let known = |wanted: &dyn Fn(&(_, u32)) -> bool| {
            let known = attempts.all.keys().enumerate().filter(|(_, at)| wanted(at));
            known.map(|(index, _)| index).collect::<Vec<usize>>()
        };
        let late = known(&followed);
        let known = if late.is_empty() { known(&|_| true) } else { late };
        (!known.is_empty()).then(|| Step::HearAgain(*self.dice.pick(&known)))
    }

    fn choose_pass(&self) -> Option<Step> {
        // The dispatcher is woken most often.
        let pass = if self.dice.happens(500) { Pass::Dispatch } else { *self.dice.pick(&PASSES) };
        let engine = &self.processes[0];
        let wanted = match self.profile.hints {
            Hints::Lost => engine.may(pass),
            Hints::Heard => engine.may(pass) && engine.hears(pass),
        };
        (wanted && self.planted != Planted::NobodyDispatches(pass)).then_some(Step::Begin(pass))
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Go(number, _, times) => (0..times).for_each(|_| self.go(number)),
            Step::Send(process, _) => self.send(process),
            Step::HangUp(number) => {
                lock(&self.oracle).count("hang-ups");
                for process in &mut self.processes {
                    process.tasks.retain(|task| task.number != number);
                }
            }
            Step::Begin(pass) => self.processes[0].begin(pass),
            Step::Act(index, deed) => {
                let mut attempts = lock(&self.attempts);
                let at = attempts.live()[index];
                attempts.act(at, deed);
            }
            Step::HearAgain(index) => self.hear_again(index),
            Step::Ask(index) => {
                let asking = ask(self.processes[index].api.clone(), Arc::clone(&self.oracle));
                self.processes[index].spawn(Duty::Client, async move { drop(asking.await) });
            }
            Step::Report(index, job, token, word) => {
                let process = &self.processes[index];
                let reporting = report(process.api.clone(), (job, token), word, Arc::clone(&self.oracle));
                process.spawn(Duty::Client, reporting);
            }
            Step::Pass(millis) => self.clock.pass(millis),
            Step::SetClock(millis) => self.clock.step(millis),
            Step::Write => self.disk.write_all(),
            Step::Crash(index) => self.crash(index),
            Step::Down(millis) => self.go_down(millis),
            Step::Peace => {}
        }
        self.settle_in();
    }

    fn go(&mut self, number: u64) {
        for process in &mut self.processes {
            if let Some(index) = process.tasks.iter().position(|task| task.number == number) {
                process.poll(index);
                return;
            }
        }
    }

    fn send(&mut self, process: usize) {
        let recurring = self.profile.recurs.then(|| self.clock.now());
        let request = lock(&self.clients).think(&self.dice, self.profile.resources, recurring, &lock(&self.oracle));
        if let Some(Step::Send(_, text)) = self.trace.last_mut() {
            *text = request.to_string();
        }
        let process = &self.processes[process];
        let client = send(process.api.clone(), request, Arc::clone(&self.oracle), Arc::clone(&self.clients));
        process.spawn(Duty::Client, client);
    }

    /// What an attempt said last is said again, whatever became of its job.
    fn hear_again(&self, index: usize) {
        let attempts = lock(&self.attempts);
        let Some((at, lived)) = attempts.all.iter().nth(index) else { return };
        let late = Report::Progress { fraction: None, message: Some("late".to_owned()) };
        let report = attempts.ending(*at).cloned().map_or(late, Report::Ended);
        let attempt = self.planted.relabel(lived.attempt, &lock(&self.oracle));
        self.processes[0].hear_again(attempt, report);
    }
}
