//! Reading what is stored, without changing it.

use bytes::Bytes;

use super::apply::revision;
use super::keys::ResourceRow;
use super::record::{self, DesiredRecord, RecordError};
use super::{State, keys};
use crate::domain::catalog::Catalog;
use crate::domain::id::{ActivityName, CollectionName, JobId, OperationName, ResourceId, ResourceKey, Uid};
use crate::domain::job::{Job, JobPhase};
use crate::domain::limit::LimitKey;
use crate::domain::time::Timestamp;
use crate::domain::version::{ETag, Revision};
use crate::reconcile::{ActivityStatus, Observed, job_list, show};
use crate::store::{CommitError, Key, KeyRange, Order, ReadError, Rev};

/// What is stored cannot be read, or nothing can be stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// The store failed.
    #[error(transparent)]
    Read(ReadError),
    /// The store takes nothing any more.
    #[error(transparent)]
    Write(CommitError),
    /// A row is not what its key says.
    #[error("the rows of `{key}` are damaged: {detail}")]
    Damaged {
        /// Whose row it is.
        key: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl StateError {
    pub(super) fn damaged(key: &impl ToString) -> impl Fn(RecordError) -> Self {
        let key = key.to_string();
        move |error| Self::Damaged { key: key.clone(), detail: error.to_string() }
    }
}

/// A resource as it is stored, the document's bytes unread.
#[derive(Debug, Clone)]
pub struct StoredResource {
    /// The document and how it came to be.
    pub desired: DesiredRecord,
    /// Observed state, if anything was ever decided.
    pub observed: Option<Observed>,
    /// The tag of the resource.
    pub etag: ETag,
}

impl StoredResource {
    /// What is observed of an activity.
    #[must_use]
    pub fn status(&self, activity: &ActivityName) -> ActivityStatus {
        let observed = self.observed.as_ref();
        observed.and_then(|observed| observed.activities.get(activity)).cloned().unwrap_or_default()
    }

    /// Which list of an activity's jobs this is.
    #[must_use]
    pub fn jobs_version(&self, activity: &ActivityName) -> Revision {
        let status = self.observed.as_ref().and_then(|observed| observed.activities.get(activity));
        job_list::version(self.desired.uid, activity, status)
    }

    /// The representation that clients see, as JSON.
    #[must_use]
    pub fn show(&self, key: &ResourceKey, catalog: &Catalog) -> Bytes {
        let desired = &self.desired;
        let shown = show::Shown {
            key,
            document: &desired.document,
            uid: desired.uid,
            generation: desired.generation,
            created: desired.created,
            updated: desired.updated,
            observed: self.observed.as_ref(),
        };
        show::resource(&shown, catalog)
    }
}

/// How many attempts are read at once where most of them may be looked over.
const ATTEMPTS_CHUNK: usize = 1000;

/// A job that may be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// What the queues of several operations are merged by: smaller is sooner.
    pub order: Bytes,
    /// The job.
    pub job: JobId,
    /// Its resource.
    pub resource: ResourceKey,
}

/// An attempt that may exist in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// Its job.
    pub job: JobId,
    /// The resource of its job.
    pub resource: ResourceKey,
    /// Where its job stands.
    pub phase: JobPhase,
    /// Whether somebody outside of this process does its work.
    pub is_remote: bool,
}

impl State {
    /// Reads one resource.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn resource(&self, key: &ResourceKey) -> Result<Option<StoredResource>, StateError> {
        let (_, rows) = self.store.get(&[keys::desired(key), keys::observed(key)]).await?;
        let [Some(desired), observed] = rows.as_slice() else { return Ok(None) };
        let observed = observed.as_ref();
        stored(key, (&desired.value, desired.rev), observed.map(|entry| (&entry.value, entry.rev))).map(Some)
    }

    /// Reads at most `limit` resources of a collection by id, and whether there are more.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn resources(
        &self,
        collection: &CollectionName,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<(Vec<(ResourceKey, StoredResource)>, bool), StateError> {
        // One row more than two for each, so that the observed state of the last one is seen.
        let page = self.store.scan(keys::resources(collection, after), Order::Ascending, 2 * limit + 1).await?;
        let mut found: Vec<(ResourceKey, StoredResource)> = Vec::new();
        let mut rows = page.rows.iter().peekable();
        while let Some((row, entry)) = rows.next() {
            let Some(ResourceRow::Desired(key)) = keys::read_resource(row) else { continue };
            if found.len() == limit {
                return Ok((found, true));
            }
            if page.more && rows.peek().is_none() {
                // The page ended between the two rows of this one.
                let resource = self.resource(&key).await?;
                found.extend(resource.map(|resource| (key, resource)));
                break;
            }
            let observed = rows
                .next_if(|(row, _)| keys::read_resource(row) == Some(ResourceRow::Observed(key.clone())))
                .map(|(_, entry)| (&entry.value, entry.rev));
            let resource = stored(&key, (&entry.value, entry.rev), observed)?;
            found.push((key, resource));
        }
        Ok((found, page.more))
    }

    /// The revision of the last change in a collection; ask before [`State::resources`].
    #[must_use]
    pub fn last_change(&self, collection: &CollectionName) -> Revision {
        revision(self.changes.last(collection, *self.store.committed().borrow()))
    }

    /// The revision of the last change of any job; ask before [`State::all_jobs`].
    #[must_use]
    pub fn last_change_of_jobs(&self) -> Revision {
        revision(self.changes.last_of_jobs(*self.store.committed().borrow()))
    }

    /// The revision of the last commit.
    #[must_use]
    pub fn newest_change(&self) -> Revision {
        revision(*self.store.committed().borrow())
    }

    /// The newest revision that can be read now.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn readable(&self) -> Result<Revision, StateError> {
        Ok(revision(self.store.get(&[]).await?.0))
    }

    /// The names of all collections that hold resources, declared or not.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn collections_with_resources(&self) -> Result<Vec<CollectionName>, StateError> {
        let mut found: Vec<CollectionName> = Vec::new();
        loop {
            let page = self.store.scan(keys::collections(found.last()), Order::Ascending, 1).await?;
            let Some((row, _)) = page.rows.first() else { return Ok(found) };
            match keys::read_resource(row) {
                Some(ResourceRow::Desired(key) | ResourceRow::Observed(key)) => found.push(key.collection),
                None => {
                    let detail = "its key does not read".to_owned();
                    return Err(StateError::Damaged { key: format!("{row:?}"), detail });
                }
            }
        }
    }

    /// Reads one job.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn job(&self, id: JobId) -> Result<Option<(Job, Revision)>, StateError> {
        Ok(self.jobs(&[id]).await?.pop().flatten())
    }

    /// Reads jobs by their ids, in one snapshot.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<(Job, Revision)>>, StateError> {
        let job_keys: Vec<Key> = ids.iter().copied().map(keys::job).collect();
        let (_, entries) = self.store.get(&job_keys).await?;
        let rows = ids.iter().zip(entries);
        rows.map(|(id, entry)| entry.map(|entry| read_job(*id, &entry.value, entry.rev)).transpose()).collect()
    }

    /// Reads at most `limit` jobs older than `before`, the newest first, and whether there are more.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn all_jobs(
        &self,
        before: Option<JobId>,
        limit: usize,
    ) -> Result<(Vec<(Job, Revision)>, bool), StateError> {
        let page = self.store.scan(keys::jobs(before), Order::Descending, limit).await?;
        let jobs =
            page.rows.iter().filter_map(|(key, entry)| Some(read_job(keys::read_job(key)?, &entry.value, entry.rev)));
        Ok((jobs.collect::<Result<_, _>>()?, page.more))
    }

    /// The ids of at most `limit` jobs of an activity older than `before`, the newest first.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn jobs_of_activity(
        &self,
        uid: Uid,
        activity: &ActivityName,
        before: Option<JobId>,
        limit: usize,
    ) -> Result<(Vec<JobId>, bool), StateError> {
        let range = keys::jobs_of_activity(uid, activity, before);
        let page = self.store.scan(range, Order::Descending, limit).await?;
        Ok((page.rows.iter().filter_map(|(key, _)| keys::read_job_of_activity(key)).collect(), page.more))
    }

    /// At most `limit` jobs of an operation that may be claimed and are counted
    /// by this, or by nothing; the next one first.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn queue(
        &self,
        operation: &OperationName,
        key: Option<&LimitKey>,
        limit: usize,
    ) -> Result<Vec<QueueRow>, StateError> {
        let rows = self.rows(keys::queue_of(operation, key), limit).await?;
        let read = rows.into_iter().filter_map(|(key, value)| {
            let (order, job) = keys::read_queued(&key)?;
            let resource = record::decode_key(&value).map_err(StateError::damaged(&job));
            Some(resource.map(|resource| QueueRow { order, job, resource }))
        });
        read.collect()
    }

    /// The slots of an operation's limit that are taken by what is counted by
    /// this, or by nothing; at most `limit` of them.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn slots(
        &self,
        operation: &OperationName,
        key: Option<&LimitKey>,
        limit: usize,
    ) -> Result<Vec<u32>, StateError> {
        let rows = self.rows(keys::slots_of(operation, key), limit).await?;
        Ok(rows.iter().filter_map(|(key, _)| keys::read_slot(key)).collect())
    }

    /// Every attempt that may exist in the world, at most `limit` of them.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn attempts(&self, limit: usize) -> Result<Vec<AttemptRow>, StateError> {
        self.attempts_after(None, limit).await
    }

    /// Every attempt that may exist in the world and whose work is done here,
    /// at most `limit` of them.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn attempts_here(&self, limit: usize) -> Result<Vec<AttemptRow>, StateError> {
        let mut here = Vec::new();
        let mut after = None;
        while here.len() < limit {
            let rows = self.attempts_after(after, ATTEMPTS_CHUNK).await?;
            after = rows.last().map(|row| row.job);
            let is_last = rows.len() < ATTEMPTS_CHUNK;
            here.extend(rows.into_iter().filter(|row| !row.is_remote || row.phase.is_stopping()));
            if is_last {
                break;
            }
        }
        here.truncate(limit);
        Ok(here)
    }

    async fn attempts_after(&self, after: Option<JobId>, limit: usize) -> Result<Vec<AttemptRow>, StateError> {
        let rows = self.rows(keys::attempts_after(after), limit).await?;
        let read = rows.into_iter().filter_map(|(key, value)| {
            let job = keys::read_attempt(&key)?;
            let value = record::decode_attempt(&value).map_err(StateError::damaged(&job));
            Some(value.map(|value| AttemptRow {
                job,
                resource: value.resource,
                phase: value.phase,
                is_remote: value.is_remote,
            }))
        });
        read.collect()
    }

    /// At most `limit` timers, the earliest first.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn timers(&self, limit: usize) -> Result<Vec<(Timestamp, ResourceKey)>, StateError> {
        let rows = self.rows(keys::all_due(), limit).await?;
        Ok(rows.iter().filter_map(|(key, _)| keys::read_due(key)).collect())
    }

    /// At most `limit` timers after one, or from the earliest on.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn timers_after(
        &self,
        after: Option<&(Timestamp, ResourceKey)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ResourceKey)>, StateError> {
        let rows = self.rows(keys::due_after(after), limit).await?;
        Ok(rows.iter().filter_map(|(key, _)| keys::read_due(key)).collect())
    }

    /// At most `limit` resources after `after` that are not settled.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn unsettled(&self, after: Option<&ResourceKey>, limit: usize) -> Result<Vec<ResourceKey>, StateError> {
        let rows = self.rows(keys::all_unsettled(after), limit).await?;
        Ok(rows.iter().filter_map(|(key, _)| keys::read_unsettled(key)).collect())
    }

    /// At most `limit` finished jobs that are to be forgotten, each with its resource.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn unkept(&self, limit: usize) -> Result<Vec<(JobId, ResourceKey)>, StateError> {
        let rows = self.rows(keys::all_unkept(), limit).await?;
        let read = rows.into_iter().filter_map(|(key, value)| {
            let job = keys::read_unkept(&key)?;
            Some(record::decode_key(&value).map_err(StateError::damaged(&job)).map(|resource| (job, resource)))
        });
        read.collect()
    }

    async fn rows(&self, range: KeyRange, limit: usize) -> Result<Vec<(Key, Bytes)>, StateError> {
        let page = self.store.scan(range, Order::Ascending, limit).await?;
        Ok(page.rows.into_iter().map(|(key, entry)| (key, entry.value)).collect())
    }
}

fn stored(
    key: &ResourceKey,
    (desired, changed): (&Bytes, Rev),
    observed: Option<(&Bytes, Rev)>,
) -> Result<StoredResource, StateError> {
    let visible = observed.map_or(changed, |(_, rev)| rev.max(changed));
    let observed = observed.map(|(value, _)| record::decode_observed(value)).transpose();
    Ok(StoredResource {
        desired: record::decode_desired(desired).map_err(StateError::damaged(key))?,
        observed: observed.map_err(StateError::damaged(key))?,
        etag: ETag { changed: revision(changed), revision: revision(visible) },
    })
}

fn read_job(id: JobId, value: &Bytes, rev: Rev) -> Result<(Job, Revision), StateError> {
    Ok((record::decode_job(value).map_err(StateError::damaged(&id))?, revision(rev)))
}
