//! What must hold after every commit and at every start of an attempt.
//!
//! The oracle builds its own picture from the transactions that the disk took,
//! never from what the service says.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use heeler::domain::catalog::Catalog;
use heeler::domain::id::{JobId, ResourceKey, Uid};
use heeler::domain::job::{Job, JobPhase};
use heeler::reconcile::{self, Action, Fate, ResourceState};
use heeler::state::keys::{self, ResourceRow};
use heeler::state::{record, rows_of, show_job, show_state};
use heeler::store::{Key, Op, Rev, Txn};
use serde_json::{Value, json};

use crate::calendar::{self, Ledgers};
use crate::history::History;
use crate::once::{Remembered, split};
use crate::runner::Attempts;
use crate::workers::Workers;
use crate::world::{RATE, Witness, wanted};

/// One resource, with its jobs as long as anything can become of them.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) state: ResourceState,
    /// The commit that changed the document last.
    pub(crate) changed: Rev,
    rows: BTreeMap<Key, Bytes>,
}

/// Everything that is known to be true.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) catalog: Catalog,
    pub(crate) running: usize,
    pub(crate) models: BTreeMap<ResourceKey, Model>,
    pub(crate) jobs: BTreeMap<JobId, ResourceKey>,
    /// Jobs of which nothing becomes any more, with their rows.
    past: BTreeMap<JobId, (Job, Vec<(Key, Bytes)>)>,
    /// Jobs that were over, and are not stored any more.
    pub(crate) forgotten: BTreeSet<JobId>,
    pub(crate) history: History,
    pub(crate) remembered: Remembered,
    /// How far chores got.
    bookmarks: BTreeMap<Key, Bytes>,
    pub(crate) ledgers: Ledgers,
    pub(crate) rev: Rev,
    pub(crate) violations: Vec<String>,
    /// How often each kind of thing happened, to see that all of them do.
    pub(crate) counts: BTreeMap<&'static str, usize>,
    /// What happened, and after how many steps, for people to read.
    pub(crate) notes: Vec<(usize, String)>,
    pub(crate) step: usize,
    owners: BTreeMap<Key, ResourceKey>,
    uids: BTreeSet<Uid>,
    pub(crate) tokens: BTreeSet<String>,
    /// Jobs that were cancelled in the commit that claimed them.
    pub(crate) replaced: BTreeSet<JobId>,
    pub(crate) starts: BTreeMap<(JobId, u32), usize>,
    /// When the places of rates were taken last.
    places: BTreeMap<Key, Bytes>,
    pub(crate) workers: Workers,
}

impl Oracle {
    pub(crate) fn new(catalog: Catalog, running: usize) -> Self {
        Self {
            catalog,
            running,
            models: BTreeMap::new(),
            jobs: BTreeMap::new(),
            past: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            history: History::default(),
            remembered: Remembered::default(),
            bookmarks: BTreeMap::new(),
            ledgers: Ledgers::default(),
            rev: Rev(0),
            violations: Vec::new(),
            counts: BTreeMap::new(),
            notes: Vec::new(),
            step: 0,
            owners: BTreeMap::new(),
            uids: BTreeSet::new(),
            tokens: BTreeSet::new(),
            replaced: BTreeSet::new(),
            starts: BTreeMap::new(),
            places: BTreeMap::new(),
            workers: Workers::default(),
        }
    }

    pub(crate) fn say(&mut self, violation: String) {
        self.violations.push(violation);
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn job(&self, id: JobId) -> Option<&Job> {
        let of_model = self.models.get(self.jobs.get(&id)?).and_then(|model| model.state.jobs.get(&id));
        of_model.or_else(|| self.past.get(&id).map(|(job, _)| job))
    }

    /// Whether nothing more becomes of a job, or nothing but that it is stopped.
    pub(crate) fn is_ending(&self, id: JobId) -> bool {
        let stopped = |job: &Job| job.phase.is_final() || job.cancel.is_some();
        self.job(id).map_or_else(|| self.forgotten.contains(&id), stopped)
    }

    /// A transaction was applied.
    pub(crate) fn committed(&mut self, txn: &Txn, rev: Rev, witness: &Witness, attempts: &Attempts) {
        if rev <= self.rev {
            self.say(format!("revision {} follows {}", rev.0, self.rev.0));
        }
        self.rev = rev;
        if self.bookmarked(txn) {
            return;
        }
        let (of_keys, others) = split(txn);
        self.remember(&of_keys);
        if others.is_empty() && !of_keys.is_empty() {
            // Nothing changed but what is remembered.
            if !txn.log.is_empty() {
                self.say("what changed nothing was announced".to_owned());
            }
            if of_keys.iter().all(|op| matches!(op, Op::Delete(_))) {
                self.count("answers: forgotten");
            }
            return;
        }
        let has_key = of_keys.iter().any(|op| matches!(op, Op::Put(..)));
        let Some(key) = self.subject(txn) else { return };
        let absent = Model { state: ResourceState::absent(key.clone()), changed: Rev(0), rows: BTreeMap::new() };
        let mut before = self.models.remove(&key).unwrap_or(absent);
        self.wake(&others, &mut before);
        let mut after = before.clone();
        let (ticks, others) = calendar::split(&others, &mut self.violations);
        let others = self.take_places(others);
        self.apply(&others, rev, &mut after);
        self.check_ticks(&before, &after, ticks, witness);
        self.check_rows(&after);
        self.violations.extend(reconcile::violations(&after.state));
        self.check_desired(&before, &after, rev);
        self.check_key(&before, &after, has_key);
        self.check_planned(&before, &after);
        self.check_asked(&after.state);
        self.check_log(txn, &before, &after);
        self.note(rev, &before, &after);
        let forgotten = |job: &&Job| !after.state.jobs.contains_key(&job.id);
        let forgotten: Vec<&Job> = before.state.jobs.values().filter(forgotten).collect();
        if !forgotten.is_empty() {
            let whole = self.whole(&before.state);
            forgotten.into_iter().for_each(|job| self.check_forgotten(job, &whole));
        }
        for job in after.state.jobs.values() {
            match before.state.jobs.get(&job.id) {
                None => self.check_new_job(job, &before.state, &after.state, has_key),
                Some(earlier) if earlier != job => self.check_job(earlier, job, &before.state, attempts),
                Some(_) => {}
            }
        }
        self.lay_down(&mut after);
        self.models.insert(key, after);
    }

    /// A place in a rate is taken by one claim, and is free by then.
    fn take_places<'o>(&mut self, ops: Vec<&'o Op>) -> Vec<&'o Op> {
        let (places, others): (Vec<&Op>, Vec<&Op>) =
            ops.into_iter().partition(|op| matches!(op, Op::Put(key, _) | Op::Delete(key) if keys::is_place(key)));
        for op in places {
            let Op::Put(key, value) = op else {
                self.say("a place in a rate was given back".to_owned());
                continue;
            };
            self.count("starts within a rate");
            let since = |value: &Bytes| record::decode_place(value).expect("it reads").as_millis();
            let before = self.places.insert(key.clone(), value.clone());
            let passed = before.map(|before| since(value) - since(&before));
            let period = i64::try_from(RATE.period.as_millis()).expect("it is short");
            let is_one = keys::read_place(key).is_some_and(|place| place < RATE.count);
            if passed.is_some_and(|passed| (0..period).contains(&passed)) || !is_one {
                self.say(format!("place {key:?} of a rate was taken again after {passed:?} ms"));
            }
        }
        others
    }

    /// Takes up the jobs again that a transaction writes.
    fn wake(&mut self, ops: &[&Op], model: &mut Model) {
        for op in ops {
            let (Op::Put(key, _) | Op::Delete(key)) = op;
            if let Some((job, rows)) = keys::read_job(key).and_then(|id| self.past.remove(&id)) {
                model.state.jobs.insert(job.id, job);
                model.rows.extend(rows);
            }
        }
    }

    /// Puts the jobs aside that are over.
    fn lay_down(&mut self, model: &mut Model) {
        let statuses = model.state.observed.iter().flat_map(|observed| observed.activities.values());
        let asked: BTreeSet<JobId> = statuses.filter_map(|status| status.asked.as_ref()?.job).collect();
        let over = |job: &Job| job.phase.is_final() && !job.is_to_be_forgotten() && !asked.contains(&job.id);
        let ids: Vec<JobId> = model.state.jobs.values().filter(|job| over(job)).map(|job| job.id).collect();
        for job in ids.into_iter().filter_map(|id| model.state.jobs.remove(&id)) {
            let rows = [keys::job(job.id), keys::job_of_activity(job.uid, &job.activity, job.id)];
            let rows = rows.into_iter().filter_map(|key| model.rows.remove_entry(&key)).collect();
            self.past.insert(job.id, (job, rows));
        }
    }

    fn note(&mut self, rev: Rev, before: &Model, after: &Model) {
        let generation = |model: &Model| model.state.desired.as_ref().map_or(0, |desired| desired.generation.number());
        let mut text = format!("revision {}: {}", rev.0, after.state.key);
        if before.changed != after.changed || before.state.desired.is_some() != after.state.desired.is_some() {
            text += &format!(", generation {}", generation(after));
        }
        for (id, job) in &after.state.jobs {
            if before.state.jobs.get(id) != Some(job) {
                let (attempt, slot) = job.current().map_or((0, None), |current| (current.number, current.slot));
                text += &format!(", job {id} of {} {} {attempt} {slot:?}", job.operation, job.phase.as_str());
                if let Some(tick) = job.trigger.scheduled_for {
                    text += &format!(" for {tick}");
                }
            }
        }
        self.notes.push((self.step, text));
    }

    /// P2: a change by a request with a key and what is remembered of it are one commit.
    fn check_key(&mut self, before: &Model, after: &Model, has_key: bool) {
        let Some(desired) = after.state.desired.as_ref().filter(|_| before.changed != after.changed) else { return };
        if self.history.is_keyed(&desired.fingerprint) != has_key {
            self.say(format!("{} was changed by a request, and its key was left out", after.state.key));
        }
    }

    fn apply(&mut self, ops: &[&Op], rev: Rev, after: &mut Model) {
        for op in ops {
            match op {
                Op::Put(key, value) => {
                    let owner = self.owners.insert(key.clone(), after.state.key.clone());
                    if owner.is_some_and(|owner| owner != after.state.key) {
                        self.say(format!("{key:?} of another resource was overwritten by {}", after.state.key));
                    }
                    after.rows.insert(key.clone(), value.clone());
                    self.read(key, value, rev, after);
                }
                Op::Delete(key) => {
                    self.owners.remove(key);
                    if after.rows.remove(key).is_none() {
                        self.say(format!("{key:?} was deleted and was not there"));
                    }
                    match keys::read_resource(key) {
                        Some(ResourceRow::Desired(_)) => after.state.desired = None,
                        Some(ResourceRow::Observed(_)) => after.state.observed = None,
                        None => {
                            if let Some(job) = keys::read_job(key) {
                                self.jobs.remove(&job);
                                after.state.jobs.remove(&job);
                            }
                        }
                    }
                }
            }
        }
    }

    fn read(&mut self, key: &Key, value: &Bytes, rev: Rev, after: &mut Model) {
        let read = match keys::read_resource(key) {
            Some(ResourceRow::Desired(_)) => {
                record::decode_desired(value).and_then(record::DesiredRecord::read).map(|desired| {
                    after.state.desired = Some(desired);
                    after.changed = rev;
                })
            }
            Some(ResourceRow::Observed(_)) => {
                record::decode_observed(value).map(|observed| after.state.observed = Some(observed))
            }
            None if keys::is_job(key) => record::decode_job(value).map(|job| {
                self.jobs.insert(job.id, job.resource.clone());
                after.state.jobs.insert(job.id, job);
            }),
            None => Ok(()),
        };
        if let Err(error) = read {
            self.say(format!("{key:?} does not read: {error}"));
        }
    }

    /// What is stored is what the state says, every index row included.
    fn check_rows(&mut self, after: &Model) {
        let wanted = rows_of(&after.state);
        if wanted == after.rows {
            return;
        }
        let missing: Vec<_> = wanted.iter().filter(|(key, value)| after.rows.get(*key) != Some(*value)).collect();
        let orphans: Vec<_> = after.rows.keys().filter(|key| !wanted.contains_key(*key)).collect();
        let key = &after.state.key;
        self.say(format!(
            "rows of {key} are missing or stale: {missing:?}; rows that nothing accounts for: {orphans:?}"
        ));
    }

    /// I2, I3, P5: revisions and generations rise, and every change is one that
    /// a client asked for, made to the document that it believed in.
    fn check_desired(&mut self, before: &Model, after: &Model, rev: Rev) {
        let key = &after.state.key;
        match (&before.state.desired, &after.state.desired) {
            // What is left of a resource that is gone is forgotten in its time.
            (None, None) if after.state.jobs.len() < before.state.jobs.len() => {}
            (None, None) => self.say(format!("a commit about {key}, which does not exist")),
            (Some(_), None) => {
                self.history.deleted(key, rev);
                if let Some(job) = after.state.jobs.values().find(|job| !job.phase.is_final()) {
                    self.say(format!("{key} is gone, and its job {} is {}", job.id, job.phase.as_str()));
                }
            }
            (Some(was), Some(is)) if before.changed == after.changed => {
                if was != is {
                    self.say(format!("the document of {key} changed without being written"));
                }
            }
            (was, Some(is)) => {
                let generation = was.as_ref().map_or(1, |was| was.generation.number() + 1);
                if is.generation.number() != generation {
                    self.say(format!("{key} has generation {} after {}", is.generation, generation - 1));
                }
                match was {
                    None if !self.uids.insert(is.uid) => self.say(format!("the uid of {key} was used before")),
                    Some(was) if was.uid != is.uid || was.created != is.created || was.updated >= is.updated => {
                        self.say(format!("{key} changed its identity, or time went back"));
                    }
                    None | Some(_) => {}
                }
                let base = was.as_ref().map(|was| (before.changed, was.document.members()));
                let wrong = self.history.changed(key, rev, base, is);
                self.violations.extend(wrong);
            }
        }
        let latest = |model: &Model| model.state.observed.as_ref().map(|observed| observed.latest);
        if let (Some(was), Some(is)) = (latest(before), latest(after))
            && is < was
        {
            self.say(format!("observed time of {key} went back"));
        }
    }

    /// A resource is never committed unplanned. A wait may end between the
    /// instant of the commit and the one it is dated to, and becomes due then.
    fn check_planned(&mut self, before: &Model, after: &Model) {
        let latest = after.state.observed.as_ref().map(|observed| observed.latest);
        let Some(at) = latest.or(after.state.desired.as_ref().map(|desired| desired.updated)) else { return };
        let plan = reconcile::plan(&after.state, &self.catalog, at);
        let new_jobs = after.state.jobs.keys().filter(|id| !before.state.jobs.contains_key(id)).count();
        let decided = at.as_millis() - i64::try_from(new_jobs).unwrap_or_default();
        let is_left = |action: &&Action| match action {
            // Leases are judged by the wall clock, and timers say when: those are held to their time.
            Action::MakeReady { .. } | Action::GiveUp { .. } | Action::Watch { .. } => false,
            Action::Tick { activity, verdict, .. } => {
                let known = after.state.status(activity).and_then(|status| status.schedule.as_ref());
                let same = known.is_some_and(|known| (known.next, known.due) == (verdict.next, verdict.due));
                let comes = known.and_then(|known| known.next).is_some_and(|next| next.as_millis() > decided);
                // That the clock was set back is seen by who looks at it.
                !(comes || (same && verdict.outcomes.is_empty()))
            }
            Action::Ask { .. }
            | Action::Note { .. }
            | Action::Schedule { .. }
            | Action::Unschedule { .. }
            | Action::Reopen { .. }
            | Action::Forget { .. }
            | Action::Launch(_)
            | Action::Cancel { .. }
            | Action::EndWait { .. }
            | Action::Overdue { .. }
            | Action::Hold { .. }
            | Action::Reorder { .. }
            | Action::Remove => true,
        };
        let left: Vec<_> = plan.actions.iter().filter(is_left).collect();
        if !left.is_empty() {
            self.say(format!("{} was committed unplanned: {left:?}", after.state.key));
        }
    }

    /// I17: what is asked is what the document says, and its fate is its job's.
    fn check_asked(&mut self, state: &ResourceState) {
        let Some(observed) = state.observed.as_ref().filter(|observed| observed.deleting_since.is_none()) else {
            return;
        };
        for (name, status) in &observed.activities {
            let wanted = wanted(state, name).map(|activity| activity.digest());
            let asked = status.asked.as_ref();
            if wanted.as_deref() != asked.map(|asked| asked.digest.as_str()) {
                self.say(format!("{}: what is asked of `{name}` is not what the document says", state.key));
            }
            let Some(asked) = asked else { continue };
            let phase = asked.job.and_then(|id| state.jobs.get(&id)).map(|job| job.phase);
            let agrees = match asked.fate {
                Fate::Noted | Fate::Pending => true,
                Fate::Launched => phase.is_some_and(|phase| !phase.is_final()),
                Fate::Succeeded => phase == Some(JobPhase::Succeeded),
                Fate::Failed => matches!(phase, Some(JobPhase::Failed | JobPhase::Lost)),
                Fate::Canceled => phase == Some(JobPhase::Canceled),
            };
            if !agrees {
                self.say(format!("{}: `{name}` is {:?}, and its job is {phase:?}", state.key, asked.fate));
            }
        }
    }

    /// I4: every commit is announced, once for each job that changed or is no
    /// longer stored, or else once for the resource, as what it is.
    fn check_log(&mut self, txn: &Txn, before: &Model, after: &Model) {
        let desired = after.state.desired.as_ref().or(before.state.desired.as_ref());
        let kind = if after.state.desired.is_some() { record::LogKind::Put } else { record::LogKind::Delete };
        let read = txn.log.iter().map(record::decode_log).collect::<Result<Vec<_>, _>>();
        let (old, new) = (&before.state.jobs, &after.state.jobs);
        let ids: BTreeSet<JobId> = old.keys().chain(new.keys()).copied().collect();
        let jobs: Vec<JobId> = ids.into_iter().filter(|id| old.get(id) != new.get(id)).collect();
        let good = read.is_ok_and(|entries| {
            // Nobody sees that a worker is still there.
            if entries.is_empty() {
                return self.looks_the_same(&before.state, &after.state);
            }
            let named: Vec<JobId> = entries.iter().filter_map(|entry| Some(entry.job?.0)).collect();
            let of_resource = desired.map(|d| (d.uid, d.generation));
            named == jobs
                && entries.len() == jobs.len().max(1)
                && entries.iter().all(|entry| {
                    let right = of_resource.is_none_or(|of| of == (entry.uid, entry.generation));
                    entry.key == after.state.key && entry.kind == kind && right
                })
        });
        if !good {
            self.say(format!("the change log does not say what happened to {}", after.state.key));
        }
    }

    /// Whether clients see the same in both, of the resource and of its jobs.
    fn looks_the_same(&self, before: &ResourceState, after: &ResourceState) -> bool {
        let jobs = |state: &ResourceState| -> Vec<Value> {
            state.jobs.values().map(|job| json!(show_job(job, &self.catalog))).collect()
        };
        show_state(before, &self.catalog) == show_state(after, &self.catalog) && jobs(before) == jobs(after)
    }

    /// Every resource with all of its jobs.
    pub(crate) fn whole_states(&self) -> Vec<ResourceState> {
        self.models.values().map(|model| self.whole(&model.state)).collect()
    }

    /// A resource with all of its jobs.
    fn whole(&self, state: &ResourceState) -> ResourceState {
        let past = self.past.values().map(|(job, _)| job).filter(|job| job.resource == state.key);
        let jobs = state.jobs.values().chain(past).map(|job| (job.id, job.clone()));
        ResourceState { jobs: jobs.collect(), ..state.clone() }
    }

    /// Every row that the resources account for.
    pub(crate) fn all_rows(&self) -> BTreeMap<Key, Bytes> {
        let remembered = self.remembered.rows.clone();
        let beside = remembered
            .into_iter()
            .chain(self.bookmarks.clone())
            .chain(self.ledgers.rows.clone())
            .chain(self.places.clone());
        let past = self.past.values().flat_map(|(_, rows)| rows.clone());
        self.models.values().flat_map(|model| rows_of(&model.state)).chain(beside).chain(past).collect()
    }

    /// Whether a transaction is about nothing but how far a chore got.
    fn bookmarked(&mut self, txn: &Txn) -> bool {
        let [op @ (Op::Put(key, _) | Op::Delete(key))] = &txn.ops[..] else { return false };
        if !keys::is_bookmark(key) {
            return false;
        }
        match op {
            Op::Put(key, value) => drop(self.bookmarks.insert(key.clone(), value.clone())),
            Op::Delete(key) => drop(self.bookmarks.remove(key)),
        }
        if !txn.log.is_empty() {
            self.say("what changed nothing was announced".to_owned());
        }
        self.count("bookmarks");
        true
    }

    /// The resource that a transaction is about; there is exactly one.
    fn subject(&mut self, txn: &Txn) -> Option<ResourceKey> {
        let mut subjects = BTreeSet::new();
        for op in &txn.ops {
            let (Op::Put(key, _) | Op::Delete(key)) = op;
            if let Some(ResourceRow::Desired(key) | ResourceRow::Observed(key)) = keys::read_resource(key) {
                subjects.insert(key);
            }
            match op {
                Op::Put(key, value) if keys::is_job(key) => {
                    subjects.extend(record::decode_job(value).map(|job| job.resource));
                }
                Op::Delete(key) => {
                    let job = keys::read_job(key);
                    subjects.extend(job.and_then(|job| self.jobs.get(&job)).cloned());
                }
                Op::Put(..) => {}
            }
        }
        if subjects.len() != 1 {
            self.say(format!("a transaction is about {} resources: {txn:?}", subjects.len()));
        }
        subjects.pop_first()
    }
}
