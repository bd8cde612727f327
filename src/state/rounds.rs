//! Going round everything that is stored, a part at a time.
//!
//! # Guarantees
//! A round that goes on where the part before it ended meets everything that
//! was there all the time, and it ends, whatever is added meanwhile. Where it
//! is can be kept in the store, so that a restart goes on there.

use bytes::Bytes;

use super::keys::ResourceRow;
use super::lookup::StateError;
use super::record::DeclaredRecord;
use super::{State, keys, record};
use crate::domain::id::{ActivityName, CollectionName, JobId, ResourceId, ResourceKey, Uid};
use crate::domain::marks::Marks;
use crate::store::{CommitError, Key, KeyRange, Op, Order, Txn};

/// Under which name it is kept how far the change log had come at some times.
const LOG: &str = "log";

/// Where a round goes on. Means nothing but to the round that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub(super) Key);

/// An activity that has jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// The incarnation of its resource.
    pub uid: Uid,
    /// The activity.
    pub activity: ActivityName,
    /// Its jobs, the newest first.
    pub jobs: Vec<JobId>,
}

impl State {
    /// Some resources from a place on, and where to go on; no place at the end.
    ///
    /// # Errors
    /// [`StateError`]: the store failed.
    pub async fn some_resources(
        &self,
        from: Option<&Place>,
        limit: usize,
    ) -> Result<(Vec<ResourceKey>, Option<Place>), StateError> {
        let page = self.store.scan(onward(keys::all_resources(), from), Order::Ascending, 2 * limit).await?;
        let mut found = Vec::new();
        for (row, _) in &page.rows {
            if let Some(ResourceRow::Desired(key)) = keys::read_resource(row) {
                found.push(key);
            }
        }
        let last = page.rows.last().filter(|_| page.more).and_then(|(row, _)| keys::read_resource(row));
        let next = last.map(|(ResourceRow::Desired(key) | ResourceRow::Observed(key))| keys::behind_resource(&key));
        Ok((found, next.map(Place)))
    }

    /// Some activities with all of their jobs, from a place on, and where to go
    /// on; no place at the end. Reads at most `limit` rows, but one activity at least.
    ///
    /// # Errors
    /// [`StateError`]: the store failed.
    pub async fn some_activities(
        &self,
        from: Option<&Place>,
        limit: usize,
    ) -> Result<(Vec<Busy>, Option<Place>), StateError> {
        let page = self.store.scan(onward(keys::jobs_of_activities(), from), Order::Ascending, limit).await?;
        let mut found: Vec<Busy> = Vec::new();
        for (row, _) in &page.rows {
            let (Some((uid, activity)), Some(job)) = (keys::read_activity_of_job(row), keys::read_job_of_activity(row))
            else {
                continue;
            };
            match found.last_mut() {
                Some(last) if last.uid == uid && last.activity == activity => last.jobs.push(job),
                Some(_) | None => found.push(Busy { uid, activity, jobs: vec![job] }),
            }
        }
        found.iter_mut().for_each(|busy| busy.jobs.reverse());
        if !page.more {
            return Ok((found, None));
        }
        // The last one may go on behind the page: it is left for the next one, unless it is all there is.
        let Some(mut last) = found.pop() else { return Ok((found, None)) };
        let of_last = keys::jobs_of_activity(last.uid, &last.activity, None);
        if !found.is_empty() {
            return Ok((found, Some(Place(of_last.start))));
        }
        while let Some(newest) = last.jobs.first().copied() {
            let start = Key([&keys::job_of_activity(last.uid, &last.activity, newest).0[..], &[0]].concat().into());
            let range = KeyRange { start, end: of_last.end.clone() };
            let page = self.store.scan(range, Order::Ascending, limit).await?;
            let newer = page.rows.iter().rev().filter_map(|(row, _)| keys::read_job_of_activity(row));
            last.jobs.splice(0..0, newer);
            if !page.more {
                break;
            }
        }
        Ok((vec![last], Some(Place(of_last.end))))
    }

    /// Some resources of a collection after one, and whether there are more.
    ///
    /// # Errors
    /// [`StateError`]: the store failed.
    pub async fn some_of_collection(
        &self,
        collection: &CollectionName,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<(Vec<ResourceKey>, bool), StateError> {
        let page = self.store.scan(keys::resources(collection, after), Order::Ascending, 2 * limit).await?;
        let mut found: Vec<ResourceKey> = Vec::new();
        for (row, _) in &page.rows {
            if let Some(ResourceRow::Desired(key)) = keys::read_resource(row) {
                found.push(key);
            }
        }
        let more = page.more && !found.is_empty();
        Ok((found, more))
    }

    /// Under which declaration the resources of a collection were looked at
    /// last, and how far; nothing if they never were.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn declared(&self, collection: &CollectionName) -> Result<Option<DeclaredRecord>, StateError> {
        let (_, entries) = self.store.get(&[keys::declared(collection)]).await?;
        let entry = entries.into_iter().flatten().next();
        entry.map(|entry| record::decode_declared(&entry.value)).transpose().map_err(StateError::damaged(collection))
    }

    /// Keeps that.
    ///
    /// # Errors
    /// [`StateError`]: the store has stopped.
    pub async fn keep_declared(&self, collection: &CollectionName, record: &DeclaredRecord) -> Result<(), StateError> {
        let op = Op::Put(keys::declared(collection), record::encode_declared(record));
        self.keep(op).await
    }

    /// How far a chore got, if it was not done to its end.
    ///
    /// # Errors
    /// [`StateError`]: the store failed.
    pub async fn bookmark(&self, chore: &str) -> Result<Option<Place>, StateError> {
        let (_, entries) = self.store.get(&[keys::bookmark(chore)]).await?;
        Ok(entries.into_iter().flatten().next().map(|entry| Place(Key(entry.value))))
    }

    /// Keeps how far a chore got; nothing once it is done to its end.
    ///
    /// # Errors
    /// [`StateError`]: the store has stopped.
    pub async fn keep_bookmark(&self, chore: &str, place: Option<&Place>) -> Result<(), StateError> {
        let key = keys::bookmark(chore);
        self.keep(match place {
            Some(Place(place)) => Op::Put(key, Bytes::clone(&place.0)),
            None => Op::Delete(key),
        })
        .await
    }

    /// How far the change log had come when it was looked at.
    pub(super) async fn log_marks(&self) -> Result<Marks, StateError> {
        let (_, entries) = self.store.get(&[keys::bookmark(LOG)]).await?;
        let Some(entry) = entries.into_iter().flatten().next() else { return Ok(Marks::default()) };
        record::decode_marks(&entry.value).map_err(StateError::damaged(&LOG))
    }

    pub(super) async fn keep_log_marks(&self, marks: &Marks) -> Result<(), StateError> {
        self.keep(Op::Put(keys::bookmark(LOG), record::encode_marks(marks))).await
    }

    /// Writes something that nobody sees.
    async fn keep(&self, op: Op) -> Result<(), StateError> {
        match self.store.commit(Txn { guards: Vec::new(), ops: vec![op], log: Vec::new() }).await {
            // Without room the chore is done again from where it was.
            Ok(_) | Err(CommitError::Full) => Ok(()),
            Err(error) => Err(StateError::Write(error)),
        }
    }
}

/// What of a range is left from a place on.
fn onward(range: KeyRange, from: Option<&Place>) -> KeyRange {
    let start = from.map_or_else(|| range.start.clone(), |Place(key)| key.clone().max(range.start.clone()));
    KeyRange { start, end: range.end }
}
