//! Load, decide, step, commit; and again, if somebody was faster.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::changes::Changes;
use super::claims::is_limit;
use super::lookup::StateError;
use super::once::{Name, ONCE_KEPT, Remember};
use super::record::OnceRecord;
use super::{Stage, State, keys, record, rows};
use crate::domain::catalog::Catalog;
use crate::domain::id::{ActivityName, CollectionName, JobId, OperationName, ResourceKey};
use crate::domain::job::Job;
use crate::domain::limit::Rate;
use crate::domain::time::Timestamp;
use crate::domain::version::{ETag, Generation, Revision};
use crate::reconcile::{Event, Observed, Refused, ResourceState, job_list, show, step};
use crate::store::{CommitError, Entry, Guard, Key, Op, ReadError, Rev, Txn};

/// How often a decision is made again after conflicts before the caller is
/// told that the resource is busy. One process has a lock for each resource, so
/// only another process over the same store can cause one, and sixteen in a row
/// are a storm of them.
const CONFLICTS_MAX: usize = 16;

/// A row that never is.
const SETTLED: &str = "settled";

/// The state of a resource as it is stored, with what is needed to commit upon it.
#[derive(Debug)]
pub struct Loaded {
    /// The state: every unfinished job is in it, and the job that was asked for.
    pub state: ResourceState,
    rows: BTreeMap<Key, Entry>,
}

impl Loaded {
    /// The tag of the resource, if there is one.
    #[must_use]
    pub fn etag(&self) -> Option<ETag> {
        let changed = self.rows.get(&keys::desired(&self.state.key))?.rev;
        let visible = self.rows.get(&keys::observed(&self.state.key)).map_or(changed, |entry| entry.rev.max(changed));
        Some(ETag { changed: revision(changed), revision: revision(visible) })
    }

    /// The representation that clients see, as JSON; nothing where there is no resource.
    #[must_use]
    pub fn show(&self, catalog: &Catalog) -> Bytes {
        show_state(&self.state, catalog)
    }

    /// Which list of an activity's jobs this is; nothing where there is no resource.
    #[must_use]
    pub fn jobs_version(&self, activity: &ActivityName) -> Option<Revision> {
        let uid = self.state.desired.as_ref()?.uid;
        Some(job_list::version(uid, activity, self.state.status(activity)))
    }

    /// The tag of one of the jobs in the state.
    #[must_use]
    pub fn job_etag(&self, id: JobId) -> Option<ETag> {
        let rev = revision(self.rows.get(&keys::job(id))?.rev);
        Some(ETag { changed: rev, revision: rev })
    }
}

/// The representation of a resource that clients see, as JSON; nothing where there is none.
#[must_use]
pub fn show_state(state: &ResourceState, catalog: &Catalog) -> Bytes {
    let Some(desired) = &state.desired else { return Bytes::new() };
    let shown = show::Shown {
        key: &state.key,
        document: desired.document.bytes(),
        uid: desired.uid,
        generation: desired.generation,
        created: desired.created,
        updated: desired.updated,
        observed: state.observed.as_ref(),
    };
    show::resource(&shown, catalog)
}

/// A revision of the store as the domain names it.
pub(super) const fn revision(rev: Rev) -> Revision {
    Revision::from_number(rev.0)
}

/// What is to happen to a loaded resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// This.
    Happen(Event),
    /// Nothing: it is already as it should be.
    Leave,
}

/// A resource after an event, durably.
#[derive(Debug)]
pub struct Applied {
    /// The state after it.
    pub state: ResourceState,
    /// What the same commit remembers of the answer.
    pub remembered: Option<OnceRecord>,
    rows: BTreeMap<Key, Rev>,
}

impl Applied {
    /// The tag of the resource, if it is still there.
    #[must_use]
    pub fn etag(&self) -> Option<ETag> {
        let changed = *self.rows.get(&keys::desired(&self.state.key))?;
        let visible = self.rows.get(&keys::observed(&self.state.key)).map_or(changed, |rev| changed.max(*rev));
        Some(ETag { changed: revision(changed), revision: revision(visible) })
    }

    /// The representation that clients see, as JSON; nothing where there is no resource.
    #[must_use]
    pub fn show(&self, catalog: &Catalog) -> Bytes {
        show_state(&self.state, catalog)
    }

    /// The tag of one of the jobs in the state.
    #[must_use]
    pub fn job_etag(&self, id: JobId) -> Option<ETag> {
        let rev = revision(*self.rows.get(&keys::job(id))?);
        Some(ETag { changed: rev, revision: rev })
    }
}

/// A resource as it is, and as it would be.
#[derive(Debug)]
pub struct Tried {
    /// As it is.
    pub before: Loaded,
    /// As it would be.
    pub after: ResourceState,
}

/// Why nothing was applied, or why nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError<E> {
    /// The caller decided against it.
    #[error("the change was decided against")]
    Decided(E),
    /// The core refuses the event.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The collection of the resource was declared when it was asked for, and
    /// is no longer.
    #[error("the collection is no longer declared")]
    Undeclared,
    /// An answer is remembered already under the name of this one.
    #[error("a request with this idempotency key was answered already")]
    Remembered,
    /// Others changed the resource again and again.
    #[error("the resource is changing too fast")]
    Busy,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The store has stopped. Nothing was applied.
    #[error("the store has stopped")]
    Stopped,
    /// Maybe applied. The store has stopped.
    #[error("the outcome of the commit is unknown")]
    Unknown,
    /// What is stored cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

impl State {
    /// Lets an event happen to a resource.
    ///
    /// # Errors
    /// [`ApplyError`]: nothing was applied, but for `Unknown`.
    pub async fn happen(
        &self,
        key: &ResourceKey,
        event: Event,
    ) -> Result<Applied, ApplyError<std::convert::Infallible>> {
        let jobs: Vec<JobId> = event.job().into_iter().chain(event.expired().iter().copied()).collect();
        self.apply_with(key, &jobs, None, |_| Ok(Decision::Happen(event.clone()))).await
    }

    /// Decides on the state of a resource what is to happen to it, and commits that.
    ///
    /// `job` is loaded, too, if it belongs to the resource. `decide` is asked
    /// again whenever the state changed before the commit, so what it judges
    /// holds in the commit.
    ///
    /// # Errors
    /// [`ApplyError`]: nothing was applied, but for `Unknown`.
    pub async fn apply<E>(
        &self,
        key: &ResourceKey,
        job: Option<JobId>,
        decide: impl FnMut(&Loaded) -> Result<Decision, E>,
    ) -> Result<Applied, ApplyError<E>> {
        self.apply_once(key, job, None, decide).await
    }

    /// As [`State::apply`], and remembers the answer in the same commit, also
    /// where there is nothing to change.
    ///
    /// # Errors
    /// [`ApplyError`]: nothing was applied, but for `Unknown`.
    pub async fn apply_once<E>(
        &self,
        key: &ResourceKey,
        job: Option<JobId>,
        remember: Option<&Remember<'_>>,
        decide: impl FnMut(&Loaded) -> Result<Decision, E>,
    ) -> Result<Applied, ApplyError<E>> {
        self.apply_with(key, job.as_slice(), remember, decide).await
    }

    async fn apply_with<E>(
        &self,
        key: &ResourceKey,
        jobs: &[JobId],
        remember: Option<&Remember<'_>>,
        mut decide: impl FnMut(&Loaded) -> Result<Decision, E>,
    ) -> Result<Applied, ApplyError<E>> {
        let waiting = self.note(Stage::Lock);
        let _locked = self.locks.lock(key).await;
        drop(waiting);
        for _ in 0..CONFLICTS_MAX {
            let loaded = self.load(key, jobs).await?;
            // After the state: who sees what another request with this name
            // has done also sees that it was answered.
            let free = match remember {
                None => None,
                Some(remember) => match self.name(remember.name).await? {
                    Name::Free(free) => Some((free, remember)),
                    Name::Taken => return Err(ApplyError::Remembered),
                },
            };
            let deciding = self.note(Stage::Decide);
            let decision = decide(&loaded).map_err(ApplyError::Decided)?;
            let place = self.place_of(&loaded.state, &decision);
            let after = self.follow(&loaded, decision)?;
            let mut txn = transaction(&loaded, &after);
            // Held until the commit is decided.
            let _creating = match (&loaded.state.desired, &after.desired) {
                (None, Some(_)) => match self.newest.creating(&key.collection, self.edition()).await {
                    Some(creating) => Some(creating),
                    None => return Err(ApplyError::Undeclared),
                },
                (Some(_), _) | (None, None) => None,
            };
            if let Some((operation, rate, place)) = place
                && !self.take_place(&operation, rate, place, &mut txn).await?
            {
                return Err(ApplyError::Refused(Refused::NotReady));
            }
            let mut remembered = None;
            if let Some((free, remember)) = free {
                if txn.guards.is_empty() {
                    txn.guards = unchanged_since(&loaded);
                }
                let record = (remember.write)(&loaded.state, &after, self.clock.now().after(ONCE_KEPT));
                free.take(remember.name, &record, &mut txn);
                remembered = Some(record);
            }
            if txn.ops.is_empty() {
                return Ok(unchanged(loaded));
            }
            drop(deciding);
            let undecided = Undecided { changes: &self.changes, collection: Some(&key.collection) };
            let answer = self.store.commit(txn.clone()).await;
            undecided.decided();
            match answer {
                Ok(rev) => return Ok(Applied { remembered, ..self.committed(loaded, after, &txn, rev) }),
                // Another resource was given the slot: to decide again would change nothing.
                Err(CommitError::Conflict { guard }) if txn.guards.get(guard).is_some_and(|it| is_limit(it.key())) => {
                    return Err(ApplyError::Refused(Refused::NotReady));
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(CommitError::Full) => return Err(ApplyError::Full),
                Err(CommitError::Stopped) => return Err(ApplyError::Stopped),
                Err(CommitError::Unknown(_)) => return Err(ApplyError::Unknown),
                Err(error @ CommitError::TooLarge) => {
                    return Err(ApplyError::State(StateError::Damaged {
                        key: key.to_string(),
                        detail: error.to_string(),
                    }));
                }
            }
        }
        Err(ApplyError::Busy)
    }

    /// Sees to what follows from commits that were made after nobody waited for
    /// them any more. Called again and again; where it is not, lists have a new
    /// tag more often than they need, and those who act are woken later.
    pub async fn settle_doubts(&self) {
        let doubted = self.changes.doubted();
        if doubted.is_empty() {
            return;
        }
        // Commits are made in the order in which they are handed over: behind
        // this one, which changes nothing, those are decided.
        if let Ok(rev) = self.commit_nothing().await {
            self.changes.settle(&doubted, rev);
            doubted.iter().for_each(|doubt| self.feed.nudge(doubt.collection(), true));
            self.hints.ring_for_claims();
            self.hints.attempts.notify_one();
            self.hints.timers.notify_one();
        }
    }

    /// Commits nothing, behind everything that was handed over before.
    pub(super) async fn commit_nothing(&self) -> Result<Rev, CommitError> {
        self.store.commit(Txn { ops: vec![Op::Delete(keys::bookmark(SETTLED))], ..Txn::default() }).await
    }

    /// Decides what is to happen to a resource, and lets it happen to a copy
    /// of its state alone: nothing is committed.
    ///
    /// # Errors
    /// [`ApplyError`], as [`State::apply`] would refuse it now.
    pub async fn try_out<E>(
        &self,
        key: &ResourceKey,
        job: Option<JobId>,
        decide: impl FnOnce(&Loaded) -> Result<Decision, E>,
    ) -> Result<Tried, ApplyError<E>> {
        // Nobody steps it meanwhile: document, status and jobs are of one moment.
        let _locked = self.locks.lock(key).await;
        let before = self.load(key, job.as_slice()).await?;
        let decision = decide(&before).map_err(ApplyError::Decided)?;
        let after = self.follow(&before, decision)?;
        Ok(Tried { before, after })
    }

    /// The place in the rate of its operation that a claim takes.
    fn place_of(&self, state: &ResourceState, decision: &Decision) -> Option<(OperationName, Rate, u32)> {
        let Decision::Happen(Event::Claimed { job, grant }) = decision else { return None };
        let operation = self.edition.catalog.operations.get(&state.jobs.get(job)?.operation)?;
        // Of what is out of service nothing is claimed.
        let operation = Some(operation).filter(|_| !self.edition.catalog.is_retired(&state.key.collection))?;
        Some((operation.name.clone(), operation.rate?, grant.place?))
    }

    /// The state after what was decided on.
    fn follow(&self, loaded: &Loaded, decision: Decision) -> Result<ResourceState, Refused> {
        // Cheap: documents are shared, and of jobs only the unfinished ones are here.
        let state = loaded.state.clone();
        match decision {
            Decision::Happen(event) => step(state, event, &self.edition.catalog, self.moment()),
            Decision::Leave => Ok(state),
        }
    }

    /// The state of a resource, and `job` if it is one of its jobs.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub async fn resource_state(&self, key: &ResourceKey, job: Option<JobId>) -> Result<ResourceState, StateError> {
        Ok(self.load(key, job.as_slice()).await?.state)
    }

    /// Loads the state of a resource, and those of `asked` that are its jobs.
    async fn load(&self, key: &ResourceKey, asked: &[JobId]) -> Result<Loaded, StateError> {
        let pair = [keys::desired(key), keys::observed(key)];
        let (_, entries) = self.store.get(&pair).await?;
        let mut rows = BTreeMap::new();
        rows.extend(pair.into_iter().zip(entries).filter_map(|(key, entry)| Some((key, entry?))));
        let mut state = ResourceState::absent(key.clone());
        if let Some(entry) = rows.get(&keys::desired(key)) {
            let desired = record::decode_desired(&entry.value).and_then(record::DesiredRecord::read);
            state.desired = Some(desired.map_err(StateError::damaged(key))?);
        }
        if let Some(entry) = rows.get(&keys::observed(key)) {
            state.observed = Some(record::decode_observed(&entry.value).map_err(StateError::damaged(key))?);
        }
        let unfinished = state.observed.iter().flat_map(|o| o.activities.values()).flat_map(|s| &s.active);
        let mut jobs: Vec<JobId> = unfinished.map(|active| active.id).collect();
        for job in asked {
            if !jobs.contains(job) {
                jobs.push(*job);
            }
        }
        if !jobs.is_empty() {
            let job_keys: Vec<Key> = jobs.into_iter().map(keys::job).collect();
            let (_, entries) = self.store.get(&job_keys).await?;
            for (job_key, entry) in job_keys.into_iter().zip(entries) {
                let Some(entry) = entry else { continue };
                let job = record::decode_job(&entry.value).map_err(StateError::damaged(key))?;
                if job.resource == *key {
                    state.jobs.insert(job.id, job);
                    rows.insert(job_key, entry);
                }
            }
        }
        Ok(Loaded { state, rows })
    }

    /// What is known after a commit; wakes those who act on it.
    fn committed(&self, loaded: Loaded, state: ResourceState, txn: &Txn, rev: Rev) -> Applied {
        self.ticks.count(&loaded.state, &state);
        self.edition.jobs.count(&loaded.state, &state);
        let mut rows: BTreeMap<Key, Rev> = loaded.rows.into_iter().map(|(key, entry)| (key, entry.rev)).collect();
        for op in &txn.ops {
            match op {
                Op::Put(key, _) => rows.insert(key.clone(), rev),
                Op::Delete(key) => rows.remove(key),
            };
        }
        // What is not announced has changed nothing that anybody sees.
        if !txn.log.is_empty() {
            self.changes.note(&state.key.collection, rev);
            let of_jobs = txn.ops.iter().any(|op| matches!(op, Op::Put(key, _) | Op::Delete(key) if keys::is_job(key)));
            if of_jobs {
                self.changes.note_jobs(rev);
            }
            self.feed.nudge(&state.key.collection, of_jobs);
        }
        self.ring(txn);
        Applied { state, remembered: None, rows }
    }

    fn ring(&self, txn: &Txn) {
        for op in &txn.ops {
            match op {
                Op::Put(key, _) if keys::is_queued(key) => self.hints.ring_for_claims(),
                Op::Put(key, value) if keys::is_attempt(key) => {
                    // A new attempt has its own task already; one to be stopped needs looking after.
                    if record::decode_attempt(value).is_ok_and(|attempt| attempt.phase.is_stopping()) {
                        self.hints.attempts.notify_one();
                    }
                }
                Op::Put(key, _) if keys::is_due(key) => self.hints.timers.notify_one(),
                Op::Delete(key) if keys::is_slot(key) => self.hints.ring_for_claims(),
                Op::Put(..) | Op::Delete(_) => {}
            }
        }
    }
}

fn unchanged(loaded: Loaded) -> Applied {
    let rows = loaded.rows.into_iter().map(|(key, entry)| (key, entry.rev)).collect();
    Applied { state: loaded.state, remembered: None, rows }
}

/// A commit that is under way. Whoever asked for it can go away meanwhile, and
/// it is made all the same: then what follows from it is seen to by
/// [`State::settle_doubts`].
struct Undecided<'s> {
    changes: &'s Changes,
    collection: Option<&'s CollectionName>,
}

impl Undecided<'_> {
    fn decided(mut self) {
        self.collection = None;
    }
}

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        if let Some(collection) = self.collection {
            self.changes.doubt(collection);
        }
    }
}

/// What turns the rows of one state into those of another, on condition that
/// the resource is still as it was loaded.
fn transaction(loaded: &Loaded, after: &ResourceState) -> Txn {
    let ops = rows::difference(&loaded.state, after);
    if ops.is_empty() {
        return Txn::default();
    }
    let mut guards = unchanged_since(loaded);
    // A slot that is put is a slot that is taken: nobody else may have it.
    guards.extend(ops.iter().filter_map(|op| match op {
        Op::Put(row, _) if keys::is_job(row) || keys::is_slot(row) => Some(guard(loaded, row.clone())),
        Op::Delete(row) if keys::is_job(row) => Some(guard(loaded, row.clone())),
        Op::Put(..) | Op::Delete(_) => None,
    }));
    let log = if is_unseen(&loaded.state, after) { Vec::new() } else { announcements(&loaded.state, after) };
    Txn { guards, ops, log }
}

/// That the resource is still as it was loaded.
fn unchanged_since(loaded: &Loaded) -> Vec<Guard> {
    let key = &loaded.state.key;
    vec![guard(loaded, keys::desired(key)), guard(loaded, keys::observed(key))]
}

fn guard(loaded: &Loaded, key: Key) -> Guard {
    match loaded.rows.get(&key) {
        Some(entry) => Guard::RevIs(key, entry.rev),
        None => Guard::Absent(key),
    }
}

/// Whether all that has changed is for how long attempts outside are believed
/// in, and when they are looked at: nobody sees that.
fn is_unseen(before: &ResourceState, after: &ResourceState) -> bool {
    let apart = |job: &Job| {
        let mut job = job.clone();
        if let Some(remote) = job.attempts.last_mut().and_then(|attempt| attempt.remote.as_mut()) {
            remote.until = None;
        }
        job
    };
    let is_same = |job: &Job| before.jobs.get(&job.id).is_some_and(|old| old == job || apart(old) == apart(job));
    let seen = |observed: &Observed| {
        let mut observed = observed.clone();
        observed.latest = Timestamp::EPOCH;
        let active = observed.activities.values_mut().flat_map(|status| &mut status.active);
        active.for_each(|active| active.held = None);
        observed
    };
    before.desired == after.desired
        && before.jobs.len() == after.jobs.len()
        && after.ledger.is_empty()
        && after.jobs.values().all(is_same)
        && (before.observed == after.observed
            || before.observed.as_ref().map(seen) == after.observed.as_ref().map(seen))
}

/// One entry for each job that changed or is no longer stored, or else one for
/// the resource alone.
fn announcements(before: &ResourceState, after: &ResourceState) -> Vec<Bytes> {
    let changed = after.jobs.values().filter(|job| before.jobs.get(&job.id) != Some(job));
    let forgotten = before.jobs.values().filter(|job| !after.jobs.contains_key(&job.id));
    let jobs: BTreeMap<JobId, &Job> = changed.chain(forgotten).map(|job| (job.id, job)).collect();
    let (kind, desired) = match (&after.desired, &before.desired) {
        (Some(desired), _) => (record::LogKind::Put, Some(desired)),
        (None, desired) => (record::LogKind::Delete, desired.as_ref()),
    };
    // What is left of a resource that is gone is of the incarnation of its jobs.
    let uid = desired.map(|desired| desired.uid);
    let Some(uid) = uid.or_else(|| jobs.values().next().map(|job| job.uid)) else { return Vec::new() };
    let generation = desired.map_or(Generation::FIRST, |desired| desired.generation);
    let entry = |job| record::encode_log(&record::LogEntry { key: after.key.clone(), uid, kind, generation, job });
    if jobs.is_empty() {
        return vec![entry(None)];
    }
    jobs.values().map(|job| entry(Some((job.id, job.phase)))).collect()
}

impl From<ReadError> for StateError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
