//! Attempts whose work is done outside: when they are given up, and who is believed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Event, Refused};
use super::world::{World, key, operation};
use crate::domain::id::Token;
use crate::domain::job::{AttemptOutcome, Ending, Grant, JobPhase, Refusal, Remote};
use crate::domain::moment::{Leap, Past};
use crate::domain::operation::{OnUnknown, Operation, RunnerSpec, WorkerSpec};
use crate::domain::retry::RetryPolicy;
use crate::domain::time::Timestamp;

const LEASE: Duration = Duration::from_secs(30);

/// A world with a job of the operation `render`, which may wait.
fn world(on_unknown: OnUnknown, attempts: u32, timeout: Option<Duration>) -> World {
    let mut world = World::new();
    let render = Operation {
        runner: RunnerSpec::Worker(WorkerSpec { lease: LEASE }),
        retry: RetryPolicy { attempts, ..RetryPolicy::default() },
        on_unknown,
        timeout,
        ..operation("render")
    };
    world.catalog.operations.insert(render.name.clone(), Arc::new(render));
    world.put(&json!({ "processing": { "operation": "render" } }));
    world
}

/// A worker takes the job; its token.
fn lease(world: &mut World, worker: &str) -> Result<Token, Refused> {
    let remote = Remote { worker: Some(worker.to_owned()), lease_ms: Some(30_000), until: None, location: None };
    let grant = Grant { remote: Some(remote), ..Grant::default() };
    world.happen(Event::Claimed { job: world.id(0), grant })?;
    Ok(world.token(0))
}

fn report(world: &mut World, token: Token, outcome: Option<AttemptOutcome>) -> Result<(), Refused> {
    let ending = outcome.map(|outcome| Box::new(Ending::new(outcome)));
    world.happen(Event::Reported { job: world.id(0), token, progress: None, ending })
}

fn phase(world: &World) -> JobPhase {
    world.job(0).phase
}

fn outcome(world: &World, attempt: usize) -> Option<AttemptOutcome> {
    world.job(0).attempts[attempt].outcome
}

/// The instant of the next timer, in seconds from now.
fn timer(world: &World) -> Option<u64> {
    let at = world.state.observed.as_ref().and_then(|observed| observed.wake_at())?;
    Some(at.since(world.now).as_secs())
}

#[test]
fn a_job_runs_as_soon_as_it_is_leased_and_is_given_up_when_the_lease_ends() {
    for (on_unknown, attempts, end) in [
        (OnUnknown::Fail, 3, JobPhase::Lost),
        (OnUnknown::Retry, 3, JobPhase::Queued),
        (OnUnknown::Retry, 1, JobPhase::Lost),
    ] {
        let mut world = world(on_unknown, attempts, None);
        lease(&mut world, "w1").expect("it waits");
        assert_eq!((phase(&world), timer(&world)), (JobPhase::Running, Some(30)));
        world.pass(Duration::from_millis(29_999));
        world.look();
        assert_eq!(phase(&world), JobPhase::Running);
        world.pass(Duration::from_millis(1));
        world.look();
        assert_eq!((phase(&world), outcome(&world, 0)), (end, Some(AttemptOutcome::Lost)), "{on_unknown:?}");
    }
}

#[test]
fn a_sign_of_life_writes_nothing_but_the_job_and_moves_the_end_of_the_lease() {
    let mut world = world(OnUnknown::Fail, 1, None);
    let token = lease(&mut world, "w1").expect("it waits");
    let observed = world.state.observed.clone();
    world.pass(Duration::from_secs(20));
    report(&mut world, token, None).expect("it is under way");
    assert_eq!(world.state.observed, observed);
    world.pass(Duration::from_secs(10));
    world.look();
    assert_eq!((phase(&world), timer(&world)), (JobPhase::Running, Some(20)));
    world.pass(Duration::from_secs(20));
    assert_eq!(report(&mut world, token, None), Err(Refused::Job(Refusal::Already)), "an expired lease never renews");
    world.look();
    assert_eq!(phase(&world), JobPhase::Lost);
}

#[test]
fn who_was_lost_is_tried_again_at_once_since_the_wait_counts_from_the_last_sign_of_life() {
    let mut world = world(OnUnknown::Retry, 2, None);
    lease(&mut world, "w1").expect("it waits");
    world.pass(LEASE);
    world.look();
    assert_eq!(world.story(), "queued*");
    lease(&mut world, "w2").expect("it waits again");
}

#[test]
fn a_lease_outlives_a_pause_of_the_service_and_a_leap_of_the_clock_once() {
    for leaps in [false, true] {
        let mut world = world(OnUnknown::Fail, 1, None);
        lease(&mut world, "w1").expect("it waits");
        let before = world.now;
        world.pass(Duration::from_secs(3600));
        let leap = leaps.then_some(Leap { from: before, to: world.now });
        let since = if leaps { Timestamp::EPOCH } else { world.now };
        world.past = Some(Past { wall: world.now, since, leap });
        world.look();
        assert_eq!((phase(&world), timer(&world)), (JobPhase::Running, Some(30)), "leaps: {leaps}");
        world.pass(LEASE);
        world.look();
        assert_eq!(phase(&world), JobPhase::Lost, "leaps: {leaps}");
    }
}

#[test]
fn a_lease_does_not_wait_for_a_clock_that_was_set_back_to_catch_up() {
    let mut world = world(OnUnknown::Fail, 1, None);
    lease(&mut world, "w1").expect("it waits");
    world.now = world.now.before(Duration::from_secs(3600));
    let looked = world.look_back();
    assert_eq!((looked, phase(&world)), (Some(30), JobPhase::Running));
    world.pass(LEASE);
    world.look_back();
    assert_eq!(phase(&world), JobPhase::Lost);
}

#[test]
fn an_attempt_that_takes_too_long_is_over_however_often_its_worker_reports() {
    let mut world = world(OnUnknown::Fail, 1, Some(Duration::from_secs(50)));
    let token = lease(&mut world, "w1").expect("it waits");
    for _ in 0..2 {
        world.pass(Duration::from_secs(20));
        report(&mut world, token, None).expect("it is under way");
    }
    world.pass(Duration::from_secs(10));
    let late = report(&mut world, token, Some(AttemptOutcome::Succeeded));
    assert_eq!(late, Err(Refused::Job(Refusal::Already)));
    world.look();
    assert_eq!((phase(&world), outcome(&world, 0)), (JobPhase::Failed, Some(AttemptOutcome::TimedOut)));
}

#[test]
fn who_was_done_while_the_service_was_down_can_say_so_after_the_time_is_over() {
    let mut world = world(OnUnknown::Fail, 1, Some(Duration::from_secs(50)));
    let token = lease(&mut world, "w1").expect("it waits");
    world.pass(Duration::from_secs(60));
    world.past = Some(Past { since: world.now, ..Past::steady(world.now) });
    world.look();
    assert_eq!((phase(&world), timer(&world)), (JobPhase::Running, Some(30)));
    world.pass(Duration::from_secs(29));
    let mut slow = world.clone();
    report(&mut world, token, Some(AttemptOutcome::Succeeded)).expect("it is under way");
    assert_eq!(phase(&world), JobPhase::Succeeded);
    report(&mut slow, token, None).expect("it is under way");
    slow.pass(Duration::from_secs(1));
    slow.look();
    assert_eq!(outcome(&slow, 0), Some(AttemptOutcome::TimedOut));
}

#[test]
fn a_job_that_is_to_stop_is_cancelled_by_its_worker_or_by_the_end_of_its_lease() {
    for (answers, said) in [(true, AttemptOutcome::Canceled), (false, AttemptOutcome::Lost)] {
        let mut world = world(OnUnknown::Retry, 3, None);
        let token = lease(&mut world, "w1").expect("it waits");
        world.cancel(0).expect("it runs");
        world.pass(Duration::from_secs(20));
        report(&mut world, token, None).expect("it is still there, and hears of it");
        assert_eq!(phase(&world), JobPhase::Canceling);
        if answers {
            report(&mut world, token, Some(AttemptOutcome::Canceled)).expect("it stops");
        } else {
            world.pass(LEASE);
            world.look();
        }
        assert_eq!((phase(&world), outcome(&world, 0)), (JobPhase::Canceled, Some(said)));
        assert_eq!(world.job(0).error, None);
    }
}

#[test]
fn a_job_that_was_not_done_in_time_fails_though_its_worker_is_gone() {
    let mut world = world(OnUnknown::Fail, 1, None);
    let render: crate::domain::id::OperationName = "render".parse().expect("a name");
    let declared = world.catalog.operations[&render].as_ref().clone();
    let deadline = Operation { deadline: Some(Duration::from_secs(10)), ..declared };
    world.catalog.operations.insert(render, Arc::new(deadline));
    world.cancel(0).expect("it waits");
    world.post("render", json!({})).expect("there is none");
    let remote = Remote { worker: None, lease_ms: Some(30_000), until: None, location: None };
    let grant = Grant { remote: Some(remote), ..Grant::default() };
    world.happen(Event::Claimed { job: world.id(1), grant }).expect("it waits");
    world.pass(Duration::from_secs(11));
    world.look();
    assert_eq!(world.job(1).phase, JobPhase::Canceling);
    world.pass(Duration::from_secs(19));
    world.look();
    let job = world.job(1);
    let reason = job.error.as_ref().map(|error| error.reason.as_str());
    assert_eq!((job.phase, reason), (JobPhase::Failed, Some("DeadlineExceeded")));
}

#[test]
fn a_resource_goes_when_the_lease_of_its_last_job_is_over() {
    let mut world = world(OnUnknown::Retry, 3, None);
    lease(&mut world, "w1").expect("it waits");
    world.happen(Event::DeleteAsked).expect("it is there");
    assert!(world.state.desired.is_some());
    world.pass(LEASE);
    world.look();
    assert_eq!((world.state.desired.as_ref(), &world.state.key), (None, &key("42")));
}

/// What can happen to two workers and a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A worker asks for it.
    Ask(usize),
    /// A worker gives a sign of life.
    Beat(usize),
    /// A worker says that it is done, or that it failed.
    End(usize, AttemptOutcome),
    /// Somebody cancels it.
    Cancel,
    /// Time passes, unto the end of a lease, and is looked at or not.
    Pass(Looked),
    /// The service ends and begins again.
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    Now,
    Later,
}

const STEPS: [Step; 14] = [
    Step::Ask(0),
    Step::Ask(1),
    Step::Beat(0),
    Step::Beat(1),
    Step::End(0, AttemptOutcome::Succeeded),
    Step::End(1, AttemptOutcome::Succeeded),
    Step::End(0, AttemptOutcome::Failed),
    Step::End(1, AttemptOutcome::Failed),
    Step::End(0, AttemptOutcome::Canceled),
    Step::End(1, AttemptOutcome::Canceled),
    Step::Cancel,
    Step::Pass(Looked::Now),
    Step::Pass(Looked::Later),
    Step::Restart,
];

/// A job, two workers that never forget a token, and what was accepted.
#[derive(Clone)]
struct Model {
    world: World,
    tokens: [Vec<Token>; 2],
    /// The attempts whose end was accepted from a worker.
    ended: Vec<Token>,
}

impl Model {
    /// What tells it from every other one, as far as its future depends on it.
    fn digest(&self) -> String {
        let tokens: Vec<Token> = self.world.job(0).attempts.iter().map(|attempt| attempt.token).collect();
        let number = |token: &Token| tokens.iter().position(|known| known == token);
        let held: Vec<Vec<_>> = self.tokens.iter().map(|held| held.iter().map(number).collect()).collect();
        let job = self.world.job(0);
        let attempts: Vec<_> = job
            .attempts
            .iter()
            .map(|attempt| {
                let until = attempt.remote.as_ref().and_then(|remote| remote.until);
                let left = until.map(|until| until.as_millis() - self.world.now.as_millis());
                (attempt.outcome, left.filter(|_| attempt.outcome.is_none()))
            })
            .collect();
        let since = self.world.past.map(|past| self.world.now.since(past.since).as_millis().min(60_000));
        let wait = job.not_before.map(|at| at.as_millis().saturating_sub(self.world.now.as_millis()).max(0));
        format!(
            "{:?} {:?} {attempts:?} {held:?} {since:?} {wait:?} {:?}",
            job.phase,
            job.cancel.is_some(),
            self.ended.len()
        )
    }

    /// The step, and whether anything came of it.
    fn take(&mut self, step: Step) -> bool {
        match step {
            Step::Ask(worker) => {
                let known: BTreeSet<String> =
                    self.world.job(0).attempts.iter().map(|attempt| attempt.token.reveal()).collect();
                let Ok(token) = lease(&mut self.world, ["w1", "w2"][worker]) else { return false };
                assert!(!known.contains(&token.reveal()), "a token comes back");
                self.tokens[worker].push(token);
            }
            Step::Beat(worker) => return self.report(worker, None),
            Step::End(worker, outcome) => return self.report(worker, Some(outcome)),
            Step::Cancel => return self.world.cancel(0).is_ok(),
            Step::Pass(looked) => {
                self.world.pass(LEASE / 2);
                if looked == Looked::Now {
                    self.world.look();
                }
            }
            Step::Restart => {
                self.world.past = Some(Past { since: self.world.now, ..Past::steady(self.world.now) });
                self.world.look();
            }
        }
        true
    }

    /// A worker reports with every token that it ever had.
    fn report(&mut self, worker: usize, outcome: Option<AttemptOutcome>) -> bool {
        let mut any = false;
        for token in self.tokens[worker].clone() {
            let before = self.world.job(0).clone();
            let over =
                before.attempts.iter().find(|attempt| attempt.token == token).and_then(|attempt| attempt.outcome);
            let newest = before.attempts.last().is_some_and(|attempt| attempt.token == token);
            let accepted = report(&mut self.world, token, outcome).is_ok();
            assert!(!accepted || (over.is_none() && newest), "a stale report is believed: {before:?}");
            if accepted && outcome.is_some() {
                assert!(!self.ended.contains(&token), "an attempt ends twice");
                self.ended.push(token);
            }
            any |= accepted;
        }
        any
    }

    fn judge(&self) {
        let job = self.world.job(0);
        let holders = job.attempts.iter().filter(|attempt| attempt.outcome.is_none()).count();
        assert!(holders <= 1, "two attempts are under way: {job:?}");
        assert_eq!(holders == 1, job.phase.is_attempting(), "{job:?}");
        let numbers: Vec<u32> = job.attempts.iter().map(|attempt| attempt.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.len() <= 3, "{numbers:?}");
        let succeeded =
            job.attempts.iter().filter(|attempt| attempt.outcome == Some(AttemptOutcome::Succeeded)).count();
        assert!(succeeded <= 1, "two ends are believed: {job:?}");
        assert_eq!(succeeded == 1, job.phase == JobPhase::Succeeded, "{job:?}");
        // Whatever happened, somebody looks at it in time.
        if job.phase.is_attempting() {
            let timer = self.world.state.observed.as_ref().and_then(|observed| observed.wake_at());
            assert!(timer.is_some_and(|at| at.since(self.world.now) <= LEASE), "nobody looks at it: {job:?}");
        }
    }
}

/// Two workers, three attempts, every order of what can happen: each state is
/// visited once, so that all of them are.
#[test]
fn however_two_workers_and_the_service_interleave_one_end_is_believed() {
    let mut first =
        Model { world: world(OnUnknown::Retry, 3, None), tokens: [Vec::new(), Vec::new()], ended: Vec::new() };
    first.world.past = Some(Past::steady(first.world.now));
    let mut seen = BTreeSet::from([first.digest()]);
    let mut level = vec![first];
    let (mut steps, mut finals) = (0, BTreeSet::new());
    for _ in 0..9 {
        let mut next = Vec::new();
        for model in &level {
            for step in STEPS {
                let mut after = model.clone();
                if !after.take(step) {
                    continue;
                }
                steps += 1;
                after.judge();
                if after.world.job(0).phase.is_final() {
                    finals.insert(after.world.job(0).phase);
                }
                if seen.insert(after.digest()) {
                    next.push(after);
                }
            }
        }
        level = next;
    }
    let ends = [JobPhase::Succeeded, JobPhase::Failed, JobPhase::Canceled, JobPhase::Lost];
    assert_eq!(finals, ends.into());
    assert!(steps > 1000 && seen.len() > 500, "{steps} steps to {} states", seen.len());
}

#[test]
fn what_a_worker_says_is_shown_with_its_name() {
    let mut world = world(OnUnknown::Fail, 1, None);
    let token = lease(&mut world, "w1").expect("it waits");
    let said = Some((Some(0.5), Some("half".to_owned())));
    world.happen(Event::Reported { job: world.id(0), token, progress: said, ending: None }).expect("it is under way");
    let shown: Value = json!(super::super::show::job(world.job(0), &world.catalog));
    assert_eq!(shown["attempts"][0]["worker"], "w1");
    assert_eq!(shown["progress"]["fraction"], 0.5);
    assert!(!shown.to_string().contains(&token.reveal()), "a token is shown");
}
