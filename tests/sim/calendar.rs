//! P8, P9, P11, I6 to I8: every tick has one outcome, and the one that it is to have.
//!
//! The ledger is built from the rows that the disk took, and compared, commit
//! by commit, with the ticks of the schedule that was in force, found by a
//! calendar of its own (see [`crate::schedules`]).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use heeler::domain::activity::{Activity, Overlap, Standing};
use heeler::domain::id::{ActivityName, JobId, Uid};
use heeler::domain::job::{Job, JobPhase, TriggerKind};
use heeler::domain::schedule::{Missed, Start, Timing};
use heeler::domain::tick::{SkipReason, SkippedRun, TickOutcome};
use heeler::domain::time::Timestamp;
use heeler::reconcile::{CATCH_UP_MAX, PREVIOUS_MAX, Scheduled};
use heeler::state::{keys, record};
use heeler::store::{Key, Op};

use crate::oracle::{Model, Oracle};
use crate::schedules::InForce;
use crate::world::{Witness, wanted};

/// How late a tick may be looked at that was not missed, in milliseconds.
const LATE: i64 = 60_000;

/// The ledgers of all activities that ever had a schedule.
#[derive(Debug, Default)]
pub(crate) struct Ledgers {
    pub(crate) rows: BTreeMap<Key, Bytes>,
    all: BTreeMap<(Uid, ActivityName), Ledger>,
}

/// What is known of the ticks of an activity.
#[derive(Debug, Default)]
struct Ledger {
    outcomes: BTreeMap<Timestamp, TickOutcome>,
    force: Option<InForce>,
    /// Once it has had a schedule.
    cursor: Option<Timestamp>,
}

/// A row of a ledger that a transaction writes.
#[derive(Debug)]
pub(crate) struct Row {
    uid: Uid,
    activity: ActivityName,
    at: Timestamp,
    outcome: TickOutcome,
}

/// The rows of ledgers among those that a transaction writes, and the others.
pub(crate) fn split<'a>(ops: &[&'a Op], violations: &mut Vec<String>) -> (Vec<(Key, Bytes, Row)>, Vec<&'a Op>) {
    let (mut rows, mut others) = (Vec::new(), Vec::new());
    for op in ops {
        let (Op::Put(key, _) | Op::Delete(key)) = op;
        let Some((uid, activity, at)) = keys::read_tick(key) else {
            others.push(*op);
            continue;
        };
        match op {
            Op::Put(_, value) => match record::decode_tick(value) {
                Ok(outcome) => rows.push((key.clone(), value.clone(), Row { uid, activity, at, outcome })),
                Err(error) => violations.push(format!("{key:?} does not read: {error}")),
            },
            Op::Delete(_) => violations.push(format!("a tick was forgotten: {key:?}")),
        }
    }
    (rows, others)
}

/// One commit, as far as it is about the ticks of an activity.
struct Look<'a> {
    name: &'a ActivityName,
    before: &'a Model,
    after: &'a Model,
    witness: &'a Witness,
    /// What the document said, and says.
    was: Option<Activity>,
    is: Option<Activity>,
    /// When the commit was decided on, at the earliest and at the latest.
    now: (Timestamp, Timestamp),
    /// When the document was changed or the resource deleted, if it was: likewise.
    edited: Option<(Timestamp, Timestamp)>,
    /// Whether the resource is being deleted, or gone.
    goes: bool,
}

impl Oracle {
    /// What a transaction does to ledgers.
    pub(crate) fn check_ticks(
        &mut self,
        before: &Model,
        after: &Model,
        rows: Vec<(Key, Bytes, Row)>,
        witness: &Witness,
    ) {
        let desired = |model: &Model| model.state.desired.as_ref().map(|desired| desired.uid);
        let Some(uid) = desired(before).or(desired(after)) else { return };
        let mut mine: BTreeMap<ActivityName, Vec<(Timestamp, TickOutcome)>> = BTreeMap::new();
        for (key, value, row) in rows {
            self.ledgers.rows.insert(key, value);
            if row.uid != uid {
                self.say(format!("a tick of another incarnation of {} was decided: {row:?}", after.state.key));
            }
            mine.entry(row.activity).or_default().push((row.at, row.outcome));
        }
        let statuses = [before, after].into_iter().filter_map(|model| model.state.observed.as_ref());
        let names: BTreeSet<ActivityName> =
            statuses.flat_map(|observed| observed.activities.keys()).chain(mine.keys()).cloned().collect();
        for name in names {
            let mut rows = mine.remove(&name).unwrap_or_default();
            rows.sort_by_key(|(at, _)| *at);
            for (_, outcome) in &rows {
                self.count(match outcome {
                    TickOutcome::Launched { .. } => "ticks: launched",
                    TickOutcome::Skipped(run) => counted(run.reason),
                });
            }
            for (at, outcome) in &rows {
                self.notes.push((self.step, format!("  `{name}` at {at}: {outcome:?}")));
            }
            let (was, is) = (scheduled(before, &name), scheduled(after, &name));
            if let Some(is) = is.filter(|is| Some(*is) != was) {
                let text = format!("  `{name}` next {:?} due {:?} off {:?}", is.next, is.due, is.off);
                self.notes.push((self.step, text));
            }
            let look = Look::new(&name, before, after, witness);
            let ledger = self.ledgers.all.entry((uid, name.clone())).or_default();
            let judged = ledger.judge(&rows, &look);
            if let Err(wrong) = judged {
                self.say(format!("`{name}` of {}: {wrong}", after.state.key));
            }
        }
    }
}

fn counted(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Overlap => "ticks: overlap",
        SkipReason::Missed => "ticks: missed",
        SkipReason::Deadline => "ticks: deadline",
        SkipReason::CatchUp => "ticks: catch-up",
        SkipReason::Clock => "ticks: clock",
        SkipReason::DstGap => "ticks: dst-gap",
        SkipReason::Suspended => "ticks: suspended",
        SkipReason::Canceled => "ticks: canceled",
    }
}

fn earlier(instant: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(instant.as_millis().saturating_sub(millis))
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

fn scheduled<'a>(model: &'a Model, name: &ActivityName) -> Option<&'a Scheduled> {
    model.state.status(name)?.schedule.as_ref()
}

fn say_unless(good: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if good { Ok(()) } else { Err(wrong()) }
}

impl<'a> Look<'a> {
    fn new(name: &'a ActivityName, before: &'a Model, after: &'a Model, witness: &'a Witness) -> Self {
        let deleting = |model: &Model| model.state.observed.as_ref().and_then(|observed| observed.deleting_since);
        let updated = |model: &Model| model.state.desired.as_ref().map(|desired| desired.updated);
        let gone = after.state.desired.is_none();
        let new_jobs = after.state.jobs.keys().filter(|id| !before.state.jobs.contains_key(id)).count();
        // Jobs made in one commit are dated one after another.
        let now = match after.state.observed.as_ref().filter(|_| !gone) {
            Some(observed) => (earlier(observed.latest, i64::try_from(new_jobs).unwrap_or(i64::MAX)), observed.latest),
            // It is gone, and when is told by the clock alone.
            None => {
                let known = before.state.observed.as_ref().map(|observed| observed.latest);
                let latest = known.max(updated(before)).max(witness.newest).unwrap_or(Timestamp::EPOCH);
                (Timestamp::from_millis(i64::MIN), latest)
            }
        };
        let edited = match (updated(before), updated(after)) {
            (_, None) => None,
            (was, Some(is)) if was != Some(is) => {
                // Two changes never share an instant, so it may be dated a little later than it was made.
                let pushed = was.is_some_and(|was| was.next() == is);
                Some((if pushed { earlier(is, 1) } else { is }, is))
            }
            (_, Some(_)) => deleting(after).filter(|_| deleting(before).is_none()).map(|at| (at, at)),
        };
        Self {
            name,
            before,
            after,
            witness,
            was: wanted(&before.state, name),
            is: wanted(&after.state, name),
            now,
            edited,
            goes: gone || deleting(after).is_some(),
        }
    }

    fn is_new(&self, id: JobId) -> bool {
        !self.before.state.jobs.contains_key(&id)
    }

    fn new_jobs(&self) -> impl Iterator<Item = &'a Job> {
        self.after.state.jobs.values().filter(|job| job.activity == *self.name && self.is_new(job.id))
    }

    /// Whether there was a job when ticks were looked at.
    fn was_busy(&self) -> bool {
        self.before.state.status(self.name).is_some_and(|status| !status.active.is_empty())
    }

    fn is_busy(&self) -> bool {
        self.after.state.status(self.name).is_some_and(|status| !status.active.is_empty())
    }

    /// What a job was launched under.
    fn of(&self, job: &Job) -> Option<&Activity> {
        let made_by = |model: &Model| {
            model.state.desired.as_ref().is_some_and(|desired| desired.generation == job.trigger.generation)
        };
        if made_by(self.after) { self.is.as_ref() } else { self.was.as_ref().filter(|_| made_by(self.before)) }
    }

    /// The schedule that the document has now, while it counts.
    fn schedule(&self) -> Option<&heeler::domain::schedule::Schedule> {
        self.is.as_ref().filter(|_| !self.goes)?.schedule.as_ref()
    }
}

impl Ledger {
    /// Takes the rows of a commit, and says what is wrong with them.
    fn judge(&mut self, rows: &[(Timestamp, TickOutcome)], look: &Look<'_>) -> Result<(), String> {
        let status = scheduled(look.after, look.name);
        let in_force = self.force.as_ref().map(|force| &force.schedule);
        let replaced = in_force != look.schedule();
        if replaced && look.edited.is_none() && !look.goes {
            return Err("another schedule is in force, and nobody changed it".to_owned());
        }
        // What comes under the new schedule in the same commit is the tick of its start.
        let from = status.filter(|_| replaced).filter(|status| rows.iter().any(|(at, _)| *at >= status.anchor));
        let from = from.filter(|_| look.schedule().is_some_and(|new| new.start == Some(Start::Now)));
        let split = from.map_or(rows.len(), |status| rows.partition_point(|(at, _)| *at < status.anchor));
        self.take(&rows[..split], Era::Before, look)?;
        if let Some((earliest, _)) = look.edited {
            let waits = !replaced && look.is_busy() && status.is_some_and(|status| status.backlog_until.is_some());
            if !waits {
                self.has_decided(earliest)?;
            }
        }
        if replaced {
            self.replace(look, status)?;
        }
        self.take(&rows[split..], Era::After, look)?;
        Self::pairs(rows, look)?;
        let Some(status) = status else {
            return say_unless(self.cursor.is_none() || look.after.state.desired.is_none(), || {
                "what is known of its schedule is lost".to_owned()
            });
        };
        self.agrees(status, !rows.is_empty())?;
        self.waits_well(status, look)
    }

    /// I6: nothing that came before an edit is left behind it.
    fn has_decided(&self, until: Timestamp) -> Result<(), String> {
        let (Some(force), Some(cursor)) = (self.force.as_ref().filter(|force| !force.is_over()), self.cursor) else {
            return Ok(());
        };
        let left = force.count(cursor, until);
        say_unless(left == 0, || format!("{left} ticks after {cursor} and until the edit at {until} have no outcome"))
    }

    /// P9: an edit is effective from its commit on.
    fn replace(&mut self, look: &Look<'_>, status: Option<&Scheduled>) -> Result<(), String> {
        self.force = None;
        let Some(schedule) = look.schedule() else { return Ok(()) };
        let status = status.ok_or("its schedule was not taken up")?;
        let (earliest, latest) = look.edited.ok_or("its schedule was taken up by itself")?;
        let anchor = status.anchor;
        let after_cursor = self.cursor.map(Timestamp::next);
        let is_now = (earliest..=latest).contains(&anchor);
        let now = schedule.start == Some(Start::Now);
        say_unless(is_now || (now && Some(anchor) == after_cursor), || {
            format!("it counts from {anchor}, and was made at {latest}")
        })?;
        let cursor = if now { earlier(anchor, 1) } else { anchor };
        say_unless(self.cursor.is_none_or(|known| known <= cursor || !now), || {
            format!("the cursor was {:?}, and it counts from {anchor}", self.cursor)
        })?;
        self.cursor = Some(self.cursor.map_or(cursor, |known| known.max(cursor)));
        self.force = Some(InForce { schedule: schedule.clone(), anchor, launches: 0 });
        Ok(())
    }

    /// I6: the rows follow each other without a gap, and each says what is so.
    fn take(&mut self, rows: &[(Timestamp, TickOutcome)], era: Era, look: &Look<'_>) -> Result<(), String> {
        for (index, (at, outcome)) in rows.iter().enumerate() {
            let (at, outcome) = (*at, *outcome);
            let (Some(force), Some(cursor)) = (&mut self.force, self.cursor) else {
                return Err(format!("a tick was decided and there is no schedule: {at} {outcome:?}"));
            };
            say_unless(!force.is_over(), || format!("a tick was decided after the last launch: {at} {outcome:?}"))?;
            let newest = self.outcomes.last_key_value().map(|(at, _)| *at);
            let known = self.outcomes.insert(at, outcome);
            let next = force.next(cursor);
            let (first, joined) = match (known, outcome) {
                (None, _) => (at, 0),
                (Some(TickOutcome::Skipped(old)), TickOutcome::Skipped(new))
                    if old.reason == new.reason
                        && Some(at) == newest
                        && old.until == cursor
                        && old.count < new.count =>
                {
                    (next.map_or(at, |(at, _)| at), old.count)
                }
                (Some(known), _) => return Err(format!("the outcome of {at} was {known:?} and is {outcome:?}")),
            };
            say_unless(next.is_some_and(|(next, _)| next == first), || {
                format!("{first} was decided as {outcome:?}, and the tick after {cursor} is {next:?}")
            })?;
            let runs = next.is_some_and(|(_, runs)| runs);
            // Behind an edit its ticks are over, and in one look a newer one comes instead.
            let comes_more = index + 1 < rows.len();
            match outcome {
                TickOutcome::Launched { job } => {
                    say_unless(runs, || format!("{at} was launched, and its time does not exist"))?;
                    force.launches += 1;
                    let force = force.clone();
                    may_launch(&force, at, job, look)?;
                    self.cursor = Some(at);
                }
                TickOutcome::Skipped(run) => {
                    let count = force.count(cursor, run.until);
                    say_unless(count > 0 && count == run.count - joined, || {
                        format!("{joined} and more ticks from {at} are {run:?}, and there are {count} more")
                    })?;
                    say_unless(force.at(run.until).is_some(), || format!("there is no tick at the end of {run:?}"))?;
                    let skipped = Skipped { first, cursor, run, comes_more, era };
                    skipped.is_justified(force, look)?;
                    self.cursor = Some(run.until);
                }
            }
        }
        Ok(())
    }

    /// Each launched tick has one job, and each such job one tick.
    fn pairs(rows: &[(Timestamp, TickOutcome)], look: &Look<'_>) -> Result<(), String> {
        let of_rows: BTreeSet<(Timestamp, JobId)> = rows
            .iter()
            .filter_map(|(at, outcome)| match outcome {
                TickOutcome::Launched { job } => Some((*at, *job)),
                TickOutcome::Skipped(_) => None,
            })
            .collect();
        let made = look.new_jobs().filter(|job| job.trigger.kind == TriggerKind::Schedule);
        let made: BTreeSet<(Timestamp, JobId)> =
            made.map(|job| (job.trigger.scheduled_for.unwrap_or(Timestamp::EPOCH), job.id)).collect();
        say_unless(of_rows == made, || format!("the ledger says {of_rows:?} were launched, and made were {made:?}"))
    }

    /// I7: what the status says is what the ledger does.
    fn agrees(&self, status: &Scheduled, moved: bool) -> Result<(), String> {
        let cursor = self.cursor.ok_or("it has a status and never had a schedule")?;
        say_unless(status.cursor == cursor, || format!("the cursor is {}, and was to be {cursor}", status.cursor))?;
        if let Some(force) = &self.force {
            say_unless(status.anchor == force.anchor, || format!("it counts from {} anew", status.anchor))?;
            say_unless(status.launches == force.launches, || {
                format!("it had {} launches, and says {}", force.launches, status.launches)
            })?;
        }
        if !moved {
            return Ok(());
        }
        let mut skipped = BTreeMap::new();
        let mut launched = Vec::new();
        for (at, outcome) in &self.outcomes {
            match outcome {
                TickOutcome::Launched { .. } => launched.push(*at),
                TickOutcome::Skipped(run) => *skipped.entry(run.reason).or_default() += run.count,
            }
        }
        say_unless(status.skipped == skipped && status.launched == launched.len() as u64, || {
            let says = (status.launched, &status.skipped);
            format!("the totals are {says:?}, and the ledger has {} and {skipped:?}", launched.len())
        })?;
        let newest = &launched[launched.len().saturating_sub(PREVIOUS_MAX)..];
        say_unless(status.previous == newest, || format!("{:?} are the newest, not {newest:?}", status.previous))
    }

    /// The timer is armed where a tick is waited for, and nowhere else.
    fn waits_well(&self, status: &Scheduled, look: &Look<'_>) -> Result<(), String> {
        let Some(force) = &self.force else {
            return say_unless(status.next.is_none() && status.due.is_none(), || {
                "a tick is waited for, and there is no schedule".to_owned()
            });
        };
        let next = force.next(status.cursor).filter(|_| !force.is_over()).map(|(at, _)| at);
        say_unless(status.next == next, || format!("{:?} is said to be next, and {next:?} is", status.next))?;
        let standing = look.is.as_ref().map(|activity| activity.standing);
        match (next, status.due) {
            (None, None) => Ok(()),
            (Some(next), Some(due)) => {
                let latest = next.after(force.schedule.jitter);
                say_unless(standing == Some(Standing::Active), || format!("{next} is waited for while {standing:?}"))?;
                say_unless(due >= next && (due < latest || due == next), || format!("{next} is due at {due}"))
            }
            (Some(next), None) => {
                let shut = standing != Some(Standing::Active);
                let backlog = status.backlog_until.is_some_and(|until| next <= until)
                    && force.schedule.missed == Missed::All
                    && look.is_busy();
                say_unless(shut || backlog, || format!("nobody waits for {next}"))
            }
            (None, Some(due)) => Err(format!("it is due at {due}, and nothing is next")),
        }
    }
}

/// I8, P13: a tick launches a job only where the document wanted it at its time.
fn may_launch(force: &InForce, at: Timestamp, job: JobId, look: &Look<'_>) -> Result<(), String> {
    let new = look.after.state.jobs.get(&job).filter(|_| look.is_new(job));
    let new = new.ok_or_else(|| format!("{at} launched {job}, which is not new"))?;
    let activity = look.of(new).ok_or_else(|| format!("{at} was launched, and nobody wanted anything"))?;
    say_unless(activity.standing == Standing::Active, || format!("{at} was launched while {:?}", activity.standing))?;
    let (earliest, latest) = look.now;
    say_unless(at <= latest, || format!("{at} was launched before its time, at {latest}"))?;
    let schedule = &force.schedule;
    let jitter = millis(schedule.jitter);
    if let Some(deadline) = schedule.deadline {
        say_unless(at.after(deadline) >= earliest, || format!("{at} was launched after its deadline, at {earliest}"))?;
    }
    match schedule.missed {
        Missed::Latest | Missed::Skip => {
            let newer = force.next(at).filter(|(newer, runs)| *runs && *newer < earlier(earliest, jitter));
            say_unless(newer.is_none() || force.is_over(), || format!("{at} was launched, and {newer:?} is newer"))?;
        }
        Missed::All => {}
    }
    if schedule.missed == Missed::Skip {
        say_unless(at > earlier(earliest, jitter + LATE + 1), || format!("{at} was missed, and launched"))?;
    }
    let others = look.after.state.jobs.values().filter(|other| {
        other.activity == new.activity && other.uid == new.uid && other.id < job && !other.phase.is_final()
    });
    let was_queued =
        |other: &Job| look.before.state.jobs.get(&other.id).is_some_and(|was| was.phase == JobPhase::Queued);
    for other in others {
        let good = match activity.overlap.unwrap_or(Overlap::FOR_TICKS) {
            Overlap::Allow => true,
            Overlap::Forbid => false,
            Overlap::Queue => !(other.phase == JobPhase::Queued && was_queued(other)),
            Overlap::Replace => other.phase == JobPhase::Canceling,
        };
        say_unless(good, || {
            format!("{at} was launched under {:?} beside {}, {:?}", activity.overlap, other.id, other.phase)
        })?;
    }
    Ok(())
}

/// Ticks that were skipped in one commit, next to each other.
struct Skipped {
    first: Timestamp,
    /// What was decided before.
    cursor: Timestamp,
    run: SkippedRun,
    /// Whether later ticks were decided with them.
    comes_more: bool,
    era: Era,
}

/// Whether ticks are of the schedule that was there before a commit, or of the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Era {
    Before,
    After,
}

impl Skipped {
    fn is_justified(&self, force: &InForce, look: &Look<'_>) -> Result<(), String> {
        let SkippedRun { reason, until, .. } = self.run;
        let standing = |activity: &Option<Activity>| activity.as_ref().map(|activity| activity.standing);
        let (was, is) = (standing(&look.was), standing(&look.is));
        let first = if self.era == Era::Before { was } else { is };
        // What waited for a job can meet what the document says next.
        let shut = |standing| first == Some(standing) || is == Some(standing);
        let only = match first {
            Some(Standing::Suspended) => Some(SkipReason::Suspended),
            Some(Standing::Canceled) => Some(SkipReason::Canceled),
            Some(Standing::Active) | None => None,
        };
        say_unless(only.is_none_or(|only| only == reason), || {
            format!("{} to {until} are skipped as {reason:?} while {first:?}", self.first)
        })?;
        let (_, latest) = look.now;
        let schedule = &force.schedule;
        let closes = look.edited.is_some() || look.goes;
        let good = match reason {
            SkipReason::Suspended => shut(Standing::Suspended),
            SkipReason::Canceled => shut(Standing::Canceled),
            SkipReason::Overlap => look.was_busy() || look.new_jobs().next().is_some(),
            SkipReason::Missed => {
                let since = look.witness.since.unwrap_or(latest);
                let leapt = look.witness.leaps.iter().any(|(_, to)| until <= *to);
                self.comes_more || closes || until <= earlier(latest, LATE) || until < since || leapt
            }
            SkipReason::Deadline => schedule.deadline.is_some_and(|deadline| until.after(deadline) < latest),
            SkipReason::CatchUp => schedule.missed == Missed::All && (force.count(until, latest) >= CATCH_UP_MAX),
            SkipReason::Clock => look.witness.leaps.iter().any(|(from, to)| *from < self.first && until <= *to),
            SkipReason::DstGap => {
                let cron = matches!(schedule.timing, Timing::Cron(_));
                cron && self.all_in_gaps(force)
            }
        };
        say_unless(good, || format!("{} to {until} are skipped as {reason:?} at {latest} for nothing", self.first))
    }

    fn all_in_gaps(&self, force: &InForce) -> bool {
        let mut at = self.cursor;
        while at < self.run.until {
            match force.next(at) {
                Some((next, false)) => at = next,
                Some((_, true)) | None => return false,
            }
        }
        true
    }
}
