//! What becomes of the ticks of a schedule.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Fate, OffReason, Phase, Scheduled};
use super::world::{BEGINNING, World};
use crate::domain::condition::Reason;
use crate::domain::job::{AttemptOutcome, TriggerKind};
use crate::domain::moment::{Leap, Past};
use crate::domain::tick::TickOutcome;
use crate::domain::time::Timestamp;

/// An activity with a schedule, and with further members.
pub(super) fn scheduled(schedule: Value, more: Value) -> Value {
    let mut activity = json!({"operation": "a", "schedule": schedule});
    for (member, value) in more.as_object().expect("an object") {
        activity[member] = value.clone();
    }
    json!({ "processing": activity })
}

fn every(interval: &str, more: Value) -> Value {
    let mut schedule = json!({ "every": interval });
    for (member, value) in more.as_object().expect("an object") {
        schedule[member] = value.clone();
    }
    scheduled(schedule, json!({}))
}

impl World {
    pub(super) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// Lets seconds pass, and looks whenever a timer says so.
    pub(super) fn run(&mut self, seconds: u64) {
        let end = self.now.after(Duration::from_secs(seconds));
        while let Some(at) = self.wake_at().filter(|at| *at <= end) {
            self.now = at;
            self.look();
        }
        self.now = end;
    }

    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.state.observed.as_ref()?.wake_at()
    }

    pub(super) fn scheduled(&self) -> &Scheduled {
        self.status().schedule.as_ref().expect("it had a schedule")
    }

    /// The ledger in seconds since the beginning: `10 launched, 20-40 missed x3`.
    pub(super) fn ledger(&self) -> String {
        let seconds = |at: Timestamp| (at.as_millis() - BEGINNING.as_millis()) / 1000;
        let rows = self.ledger.iter().map(|(tick, outcome)| match outcome {
            TickOutcome::Launched { .. } => format!("{} launched", seconds(*tick)),
            TickOutcome::Skipped(run) if run.count == 1 => format!("{} {}", seconds(*tick), run.reason.as_str()),
            TickOutcome::Skipped(run) => {
                format!("{}-{} {} x{}", seconds(*tick), seconds(run.until), run.reason.as_str(), run.count)
            }
        });
        rows.collect::<Vec<_>>().join(", ")
    }

    /// The service stands still for seconds and then begins anew.
    fn down(&mut self, seconds: u64) {
        self.seconds(seconds);
        self.past = Some(Past { wall: self.now, since: self.now, leap: None });
        self.look();
    }

    fn works(&mut self) {
        let number = self.jobs.len() - 1;
        self.work(number);
    }
}

#[test]
fn a_schedule_asks_for_nothing_until_its_first_tick() {
    let mut world = World::with(&every("10s", json!({})));
    assert_eq!((world.story(), world.ledger(), world.reason()), (String::new(), String::new(), Reason::Settled));
    assert_eq!(world.fate(), Some(Fate::Noted));
    assert_eq!(world.wake_at(), Some(BEGINNING.after(Duration::from_secs(10))));
    world.run(9);
    assert_eq!(world.story(), "");
    world.run(1);
    assert_eq!((world.story().as_str(), world.ledger().as_str()), ("queued*", "10 launched"));
    let trigger = &world.job(0).trigger;
    assert_eq!(
        (trigger.kind, trigger.scheduled_for),
        (TriggerKind::Schedule, Some(BEGINNING.after(Duration::from_secs(10))))
    );
}

#[test]
fn a_start_now_ticks_in_the_commit_itself_and_goes_on_from_there() {
    let mut world = World::with(&every("10s", json!({"start": "now"})));
    assert_eq!((world.story().as_str(), world.ledger().as_str()), ("queued*", "0 launched"));
    world.works();
    world.run(25);
    assert_eq!(world.ledger(), "0 launched, 10 launched, 20 overlap");
}

#[test]
fn ticks_meet_an_active_job_as_the_document_says() {
    for (overlap, story, ledger) in [
        (None, "starting", "10 launched, 20-30 overlap x2"),
        (Some("forbid"), "starting", "10 launched, 20-30 overlap x2"),
        (Some("queue"), "starting, queued", "10 launched, 20 launched, 30 overlap"),
        (Some("replace"), "canceling (replaced), canceled (replaced), queued", "10 launched, 20 launched, 30 launched"),
        (Some("allow"), "starting, queued*, queued", "10 launched, 20 launched, 30 launched"),
    ] {
        let more = overlap.map_or(json!({}), |overlap| json!({ "overlap": overlap }));
        let mut world = World::with(&scheduled(json!({"every": "10s"}), more));
        world.run(10);
        world.claim(0).expect("it is ready");
        world.run(20);
        assert_eq!((world.story().as_str(), world.ledger().as_str()), (story, ledger), "{overlap:?}");
    }
}

#[test]
fn what_was_missed_becomes_what_missed_says() {
    for (missed, ledger) in [
        (json!({}), "10-30 missed x3, 40 launched"),
        (json!({"missed": "latest"}), "10-30 missed x3, 40 launched"),
        (json!({"missed": "skip"}), "10-40 missed x4"),
        (json!({"missed": "all"}), "10 launched"),
        (json!({"missed": "latest", "deadline": "4s"}), "10-30 missed x3, 40 deadline"),
        (json!({"missed": "latest", "deadline": "5s"}), "10-30 missed x3, 40 launched"),
        (json!({"missed": "all", "deadline": "20s"}), "10-20 deadline x2, 30 launched"),
    ] {
        let mut world = World::with(&every("10s", missed.clone()));
        world.down(45);
        assert_eq!(world.ledger(), ledger, "{missed}");
        let off = world.scheduled().off.expect("a condition");
        assert_eq!(off.reason, OffReason::TicksMissed, "{missed}");
        assert_eq!((off.from, off.until), span(10, if off.count == 3 { 30 } else { 40 }), "{missed}");
    }
}

#[test]
fn a_deadline_holds_for_what_came_a_little_late_as_well() {
    for missed in ["skip", "latest", "all"] {
        let mut world = World::with(&every("10s", json!({"missed": missed, "deadline": "3s"})));
        world.seconds(14);
        world.look();
        assert_eq!(world.ledger(), "10 deadline", "{missed}");
    }
}

fn span(from: u64, until: u64) -> (Timestamp, Timestamp) {
    (BEGINNING.after(Duration::from_secs(from)), BEGINNING.after(Duration::from_secs(until)))
}

#[test]
fn ticks_that_nobody_looked_at_for_minutes_are_said_to_be_missed_and_a_slow_look_is_not() {
    // The process stood still, and its clocks with it.
    for (stood_still, is_said) in [(45, false), (300, true)] {
        let mut world = World::with(&every("10s", json!({})));
        world.seconds(stood_still);
        world.look();
        assert_eq!(world.scheduled().off.is_some(), is_said, "{stood_still}");
    }
}

#[test]
fn all_that_was_missed_runs_in_order_and_what_comes_meanwhile_meets_it() {
    let mut world = World::with(&every("10s", json!({"missed": "all"})));
    world.down(35);
    world.works();
    assert_eq!(world.ledger(), "10 launched, 20 launched");
    world.seconds(20);
    world.works();
    assert_eq!(world.ledger(), "10 launched, 20 launched, 30 launched, 40-50 overlap x2");
    world.works();
    world.run(5);
    assert_eq!(world.ledger(), "10 launched, 20 launched, 30 launched, 40-50 overlap x2, 60 launched");
    assert!(world.scheduled().off.is_some(), "it is shown for a while");
    world.run(3600);
    assert_eq!(world.scheduled().off, None, "a tick on time ends the condition");
}

#[test]
fn all_that_was_missed_runs_side_by_side_where_that_is_allowed() {
    let schedule = json!({"every": "10s", "missed": "all"});
    let mut world = World::with(&scheduled(schedule, json!({"overlap": "allow"})));
    world.down(45);
    assert_eq!(world.ledger(), "10 launched, 20 launched, 30 launched, 40 launched");
}

#[test]
fn no_more_is_caught_up_with_than_a_thousand_and_no_more_at_once_than_there_is_room_for() {
    let schedule = json!({"every": "1s", "missed": "all"});
    let mut world = World::with(&scheduled(schedule, json!({"overlap": "allow"})));
    world.down(3600);
    assert_eq!(world.scheduled().skipped.values().copied().collect::<Vec<_>>(), [2599]);
    assert!(world.ledger().starts_with("1-2599 catch-up x2599, 2600 launched, 2601 launched"), "{}", world.ledger());
    assert_eq!(world.status().active.len(), 100);
    world.work(0);
    assert_eq!(world.scheduled().launched, 101);
}

#[test]
fn centuries_of_missed_ticks_are_counted() {
    let mut world = World::with(&scheduled(json!({"cron": "* * * * * *"}), json!({})));
    let years = Duration::from_secs(200 * 366 * 86_400);
    world.down(years.as_secs());
    assert_eq!(
        world.ledger(),
        format!("1-{} missed x{}, {} launched", years.as_secs() - 1, years.as_secs() - 1, years.as_secs())
    );
}

#[test]
fn centuries_that_pass_while_a_backlog_waits_are_counted_as_well() {
    let years = 200 * 366 * 86_400;
    for overlap in ["forbid", "queue", "replace"] {
        let mut world = World::with(&scheduled(json!({"every": "1s", "missed": "all"}), json!({"overlap": overlap})));
        world.past = Some(Past { wall: world.now, since: BEGINNING.after(Duration::from_secs(3)), leap: None });
        world.seconds(2);
        world.look();
        assert_eq!(world.ledger(), "1 launched", "{overlap}");
        world.seconds(years);
        world.works();
        let ledger = format!("1 launched, 2 launched, 3-{} overlap x{years}", years + 2);
        assert_eq!(world.ledger(), ledger, "{overlap}");
    }
}

#[test]
fn an_edit_is_never_retroactive() {
    let mut world = World::with(&every("10s", json!({})));
    // The tick at 10 was not looked at when the edit comes.
    world.seconds(12);
    world.put(&every("7s", json!({})));
    assert_eq!(world.ledger(), "10 launched");
    world.run(6);
    assert_eq!(world.ledger(), "10 launched");
    world.run(1);
    assert_eq!(world.ledger(), "10 launched, 19 overlap");
    // What is at a tick of the old schedule is none of the new one.
    world.put(&scheduled(json!({"at": "2026-11-21T10:00:30Z"}), json!({})));
    world.run(60);
    assert_eq!(world.ledger(), "10 launched, 19 overlap, 30 overlap");
    assert_eq!((world.scheduled().next, world.wake_at()), (None, None));
}

#[test]
fn the_input_of_a_tick_is_the_one_of_its_time() {
    let with_input =
        |n: u32| json!({"processing": {"operation": "strict", "input": {"n": n}, "schedule": {"every": "10s"}}});
    let mut world = World::with(&with_input(1));
    world.seconds(10);
    world.put(&with_input(2));
    assert_eq!((world.job(0).input["n"].as_u64(), world.ledger().as_str()), (Some(1), "10 launched"));
    world.works();
    world.run(10);
    assert_eq!(world.job(1).input["n"].as_u64(), Some(2));
}

#[test]
fn suspended_and_cancelled_time_is_one_row_with_a_count_and_never_missed() {
    for (flag, reason, phase) in [("suspend", "suspended", Phase::Suspended), ("canceled", "canceled", Phase::Canceled)]
    {
        let active = every("10s", json!({}));
        let shut = scheduled(json!({"every": "10s"}), json!({ flag: true }));
        let mut world = World::with(&active);
        world.seconds(15);
        world.put(&shut);
        assert_eq!(world.ledger(), "10 launched");
        let wanted = world.state.wanted(&super::world::name("processing"), &world.catalog).activity();
        assert_eq!((world.wake_at(), world.status().phase(wanted.as_ref())), (None, phase));
        world.seconds(3600);
        world.put(&active);
        assert_eq!(world.ledger(), format!("10 launched, 20-3610 {reason} x360"));
        if flag == "suspend" {
            world.works();
        }
        world.run(5);
        assert_eq!(world.ledger(), format!("10 launched, 20-3610 {reason} x360, 3620 launched"));
    }
}

#[test]
fn a_removed_activity_and_a_deleted_resource_tick_no_more() {
    let mut world = World::with(&every("10s", json!({})));
    world.run(10);
    world.put(&json!({}));
    assert_eq!((world.story().as_str(), world.wake_at()), ("canceled (removed)", None));
    world.seconds(60);
    world.put(&every("10s", json!({})));
    world.run(10);
    assert_eq!(world.ledger(), "10 launched, 80 launched");
    world.claim(1).expect("it is ready");
    world.happen(super::super::Event::DeleteAsked).expect("it can be deleted");
    world.run(60);
    assert_eq!(world.ledger(), "10 launched, 80 launched");
    world.end(1, AttemptOutcome::Canceled).expect("it runs");
    assert_eq!(world.state.desired, None);
}

#[test]
fn with_a_schedule_only_a_new_trigger_asks_and_a_pending_ask_is_not_lost() {
    let with = |more: Value| scheduled(json!({"every": "1h"}), more);
    let mut world = World::with(&with(json!({})));
    world.put(&with(json!({"input": {"n": 1}})));
    world.put(&json!({"processing": {"operation": "a", "input": {"n": 1}}}));
    world.put(&with(json!({"input": {"n": 2}})));
    assert_eq!((world.story().as_str(), world.fate()), ("", Some(Fate::Noted)), "adding and removing asks for nothing");
    world.put(&with(json!({"input": {"n": 2}, "trigger": "a"})));
    assert_eq!((world.story().as_str(), world.job(0).trigger.kind), ("queued*", TriggerKind::Change));
    world.put(&with(json!({"input": {"n": 3}, "trigger": "a"})));
    world.put(&with(json!({"input": {"n": 3}})));
    world.works();
    assert_eq!((world.story().as_str(), world.fate()), ("succeeded", Some(Fate::Succeeded)));
    // A trigger that has to wait keeps waiting when the input changes.
    world.withdraw("a");
    world.put(&with(json!({"input": {"n": 3}, "trigger": "b"})));
    world.put(&with(json!({"input": {"n": 4}, "trigger": "b"})));
    assert_eq!(world.fate(), Some(Fate::Pending));
    world.catalog = super::world::catalog();
    world.look();
    assert_eq!((world.story().as_str(), world.job(1).input["n"].as_u64()), ("succeeded, queued*", Some(4)));
}

#[test]
fn a_limit_counts_launches_and_then_it_is_over() {
    let mut world = World::with(&scheduled(json!({"every": "10s", "limit": 2}), json!({})));
    world.run(25);
    world.works();
    world.run(60);
    assert_eq!(world.ledger(), "10 launched, 20 overlap, 30 launched");
    assert_eq!((world.scheduled().next, world.wake_at()), (None, None));
}

#[test]
fn ticks_wait_while_nobody_can_say_what_they_launch() {
    let mut world = World::with(&every("10s", json!({})));
    world.withdraw("a");
    world.run(25);
    assert_eq!((world.ledger(), world.reason(), world.wake_at()), (String::new(), Reason::UnknownOperation, None));
    world.catalog = super::world::catalog();
    world.look();
    assert_eq!((world.ledger().as_str(), world.reason()), ("10 missed, 20 launched", Reason::Queued));
}

#[test]
fn what_still_waits_is_not_lost_when_its_schedule_goes() {
    let mut world = World::with(&every("10s", json!({"missed": "all"})));
    world.down(35);
    assert_eq!(world.ledger(), "10 launched");
    world.put(&every("7s", json!({})));
    assert_eq!(world.ledger(), "10 launched, 20-30 missed x2");
}

#[test]
fn a_clock_that_is_set_back_repeats_nothing_and_says_so() {
    let mut world = World::with(&every("10s", json!({})));
    world.run(20);
    world.works();
    let at = world.now;
    world.now = Timestamp::from_millis(at.as_millis() - 3_600_000);
    world.look();
    assert_eq!(world.scheduled().off.map(|off| off.reason), Some(OffReason::ClockBackward));
    world.run(3600);
    assert_eq!(world.ledger(), "10 launched, 20 overlap");
    world.run(10);
    assert_eq!(world.ledger(), "10 launched, 20 overlap, 30 launched");
    assert_eq!(world.scheduled().off, None);
}

#[test]
fn a_clock_that_is_set_forward_skips_as_clock_and_lets_the_newest_run() {
    let mut world = World::with(&every("10s", json!({})));
    world.run(15);
    world.works();
    let from = world.now;
    world.seconds(3600);
    world.past = Some(Past { wall: world.now, since: Timestamp::EPOCH, leap: Some(Leap { from, to: world.now }) });
    world.look();
    assert_eq!(world.ledger(), "10 launched, 20-3600 clock x359, 3610 launched");
    let off = world.scheduled().off.expect("a condition");
    assert_eq!((off.reason, off.count), (OffReason::ClockForward, 359));
}

#[test]
fn jitter_delays_the_launch_and_an_edit_meanwhile_does_not_lose_it() {
    let mut world = World::with(&every("1h", json!({"jitter": "30m"})));
    let (next, due) = (world.scheduled().next.expect("a tick"), world.scheduled().due.expect("a timer"));
    assert!(next < due && due < next.after(Duration::from_secs(1800)), "{next} {due}");
    world.now = next;
    world.look();
    assert_eq!(world.ledger(), "");
    world.put(&every("2h", json!({})));
    assert_eq!(world.ledger(), "3600 launched");
}

#[test]
fn a_time_that_does_not_exist_is_skipped_where_the_document_says_so() {
    // Berlin goes from 02:00 to 03:00 on 2027-03-28.
    let schedule = json!({"cron": "30 2 * * *", "timezone": "Europe/Berlin", "dst": {"gap": "skip"}});
    let mut world = World::with(&scheduled(schedule, json!({})));
    world.now = "2027-03-27T12:00:00Z".parse().expect("an instant");
    world.look();
    world.works();
    world.run(86_400);
    let row = world.ledger.get(&"2027-03-28T01:00:00Z".parse().expect("an instant"));
    assert!(matches!(row, Some(TickOutcome::Skipped(run)) if run.reason.as_str() == "dst-gap"), "{row:?}");
}

#[test]
fn the_status_names_the_ticks_to_come_and_those_before() {
    let mut world = World::with(&every("10s", json!({"start": "now"})));
    for _ in 0..12 {
        world.works();
        world.run(10);
    }
    let previous: Vec<_> =
        world.scheduled().previous.iter().map(|at| (at.as_millis() - BEGINNING.as_millis()) / 1000).collect();
    assert_eq!(previous, [30, 40, 50, 60, 70, 80, 90, 100, 110, 120]);
    assert_eq!(world.scheduled().launched, 13);
}
