//! How rows are keyed.
//!
//! A tag byte, then parts that sort as what they stand for: strings ended by
//! 0x00 (no name or id holds one), integers big-endian, instants with their
//! sign flipped, priorities inverted so that the highest comes first. The
//! observed state of a resource stands right behind its document, so that one
//! scan reads both in one snapshot.

mod bytes;

use ::bytes::Bytes;

use self::bytes::{Builder, Reader, SIGN_64, sortable_i32, sortable_i64};
use crate::domain::id::{ActivityName, CollectionName, JobId, OperationName, ResourceId, ResourceKey, Uid};
use crate::domain::limit::LimitKey;
use crate::domain::time::Timestamp;
use crate::store::{Key, KeyRange};

const RESOURCE: u8 = b'r';
const JOB: u8 = b'j';
const JOB_OF_ACTIVITY: u8 = b'n';
const QUEUE: u8 = b'q';
const QUEUE_OF_KEY: u8 = b'w';
const SLOT: u8 = b'k';
const PLACE: u8 = b'p';
const ATTEMPT: u8 = b'a';
const DUE: u8 = b'd';
const UNSETTLED: u8 = b'u';
const ONCE: u8 = b'i';
const EXPIRY: u8 = b'x';
const UNKEPT: u8 = b'f';
const TICK: u8 = b't';
const BOOKMARK: u8 = b'h';

/// The row is the document.
const DESIRED: u8 = 0;
/// The row is the observed state.
const OBSERVED: u8 = 1;

/// The document of a resource.
#[must_use]
pub fn desired(key: &ResourceKey) -> Key {
    Builder::new(RESOURCE).text(key.collection.as_str()).text(key.id.as_str()).byte(DESIRED).key()
}

/// The observed state of a resource.
#[must_use]
pub fn observed(key: &ResourceKey) -> Key {
    Builder::new(RESOURCE).text(key.collection.as_str()).text(key.id.as_str()).byte(OBSERVED).key()
}

/// Both rows of every resource of a collection, from the first id after `after`.
#[must_use]
pub fn resources(collection: &CollectionName, after: Option<&ResourceId>) -> KeyRange {
    let all = Builder::new(RESOURCE).text(collection.as_str());
    let end = all.clone().end();
    match after {
        None => KeyRange { start: all.key(), end },
        Some(id) => KeyRange { start: all.text(id.as_str()).end(), end },
    }
}

/// Both rows of every resource of every collection whose name sorts after `after`.
#[must_use]
pub fn collections(after: Option<&CollectionName>) -> KeyRange {
    let all = Builder::new(RESOURCE);
    let end = all.clone().end();
    match after {
        None => KeyRange { start: all.key(), end },
        Some(name) => KeyRange { start: all.text(name.as_str()).end(), end },
    }
}

/// Both rows of every resource.
#[must_use]
pub fn all_resources() -> KeyRange {
    Builder::new(RESOURCE).range()
}

/// The first key behind both rows of a resource.
#[must_use]
pub fn behind_resource(key: &ResourceKey) -> Key {
    Builder::new(RESOURCE).text(key.collection.as_str()).text(key.id.as_str()).end()
}

/// What a key of [`resources`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceRow {
    /// The document of this resource.
    Desired(ResourceKey),
    /// The observed state of this resource.
    Observed(ResourceKey),
}

/// Reads a key of [`resources`] or [`collections`].
#[must_use]
pub fn read_resource(key: &Key) -> Option<ResourceRow> {
    let mut reader = Reader::new(key, RESOURCE)?;
    let collection = reader.text()?.parse().ok()?;
    let id = reader.text()?.parse().ok()?;
    let key = ResourceKey { collection, id };
    match reader.rest() {
        [DESIRED] => Some(ResourceRow::Desired(key)),
        [OBSERVED] => Some(ResourceRow::Observed(key)),
        _ => None,
    }
}

/// A job.
#[must_use]
pub fn job(id: JobId) -> Key {
    Builder::new(JOB).bytes(id.as_bytes()).key()
}

/// All jobs older than `before`, or all.
#[must_use]
pub fn jobs(before: Option<JobId>) -> KeyRange {
    let all = Builder::new(JOB);
    let end = before.map_or_else(|| all.clone().end(), job);
    KeyRange { start: all.key(), end }
}

/// Reads a key of [`jobs`].
#[must_use]
pub fn read_job(key: &Key) -> Option<JobId> {
    Reader::new(key, JOB)?.last_id()
}

/// That a job belongs to an activity of one incarnation of a resource.
#[must_use]
pub fn job_of_activity(uid: Uid, activity: &ActivityName, job: JobId) -> Key {
    activity_prefix(uid, activity).bytes(job.as_bytes()).key()
}

/// The jobs of an activity, older than `before` or all.
#[must_use]
pub fn jobs_of_activity(uid: Uid, activity: &ActivityName, before: Option<JobId>) -> KeyRange {
    let all = activity_prefix(uid, activity);
    let end = before.map_or_else(|| all.clone().end(), |job| job_of_activity(uid, activity, job));
    KeyRange { start: all.key(), end }
}

fn activity_prefix(uid: Uid, activity: &ActivityName) -> Builder {
    Builder::new(JOB_OF_ACTIVITY).bytes(uid.as_bytes()).text(activity.as_str())
}

/// Reads the job of a key of [`jobs_of_activity`].
#[must_use]
pub fn read_job_of_activity(key: &Key) -> Option<JobId> {
    Reader::new(key, JOB_OF_ACTIVITY)?.last_id()
}

/// The jobs of every activity of every incarnation, activity by activity.
#[must_use]
pub fn jobs_of_activities() -> KeyRange {
    Builder::new(JOB_OF_ACTIVITY).range()
}

/// Reads a key of [`jobs_of_activities`].
#[must_use]
pub fn read_activity_of_job(key: &Key) -> Option<(Uid, ActivityName)> {
    let mut reader = Reader::new(key, JOB_OF_ACTIVITY)?;
    let uid = Uid::from_bytes(reader.take(16)?.try_into().ok()?);
    Some((uid, reader.text()?.parse().ok()?))
}

/// How far a chore of the housekeeping got.
#[must_use]
pub fn bookmark(chore: &str) -> Key {
    Builder::new(BOOKMARK).text(chore).key()
}

/// How far the resources of a collection are looked at under its declaration.
#[must_use]
pub fn declared(collection: &CollectionName) -> Key {
    Builder::new(BOOKMARK).text("declared").text(collection.as_str()).key()
}

/// Whether a row says how far a chore got.
#[must_use]
pub fn is_bookmark(key: &Key) -> bool {
    key.0.first() == Some(&BOOKMARK)
}

/// That a job may be claimed. Those that are counted by something stand with
/// what is counted by the same.
#[must_use]
pub fn queued(operation: &OperationName, key: Option<&LimitKey>, priority: i32, at: Timestamp, job: JobId) -> Key {
    queue_prefix(operation, key)
        .bytes(&(!sortable_i32(priority)).to_be_bytes())
        .bytes(&sortable_i64(at.as_millis()).to_be_bytes())
        .bytes(job.as_bytes())
        .key()
}

/// The jobs of an operation that may be claimed, the next one first: those that
/// are counted by this, or those that are counted by nothing.
#[must_use]
pub fn queue_of(operation: &OperationName, key: Option<&LimitKey>) -> KeyRange {
    queue_prefix(operation, key).range()
}

/// Those of them that come before one that may be claimed as well.
#[must_use]
pub fn queued_before(
    operation: &OperationName,
    key: Option<&LimitKey>,
    priority: i32,
    at: Timestamp,
    job: JobId,
) -> KeyRange {
    KeyRange { start: queue_of(operation, key).start, end: queued(operation, key, priority, at, job) }
}

fn queue_prefix(operation: &OperationName, key: Option<&LimitKey>) -> Builder {
    match key {
        None => Builder::new(QUEUE).text(operation.as_str()),
        Some(key) => Builder::new(QUEUE_OF_KEY).text(operation.as_str()).text(key.as_str()),
    }
}

/// The jobs of an operation that may be claimed and are counted by something
/// after this, or by anything.
#[must_use]
pub fn queues_of_keys(operation: &OperationName, after: Option<&LimitKey>) -> KeyRange {
    let all = Builder::new(QUEUE_OF_KEY).text(operation.as_str());
    let end = all.clone().end();
    KeyRange { start: after.map_or_else(|| all.key(), |key| queue_prefix(operation, Some(key)).end()), end }
}

/// Reads what the jobs of a key of [`queues_of_keys`] are counted by.
#[must_use]
pub fn read_queue_key(key: &Key) -> Option<LimitKey> {
    let mut reader = Reader::new(key, QUEUE_OF_KEY)?;
    reader.text()?;
    LimitKey::from_text(reader.text()?)
}

/// Reads a key of [`queue_of`]: what the queues of several operations are merged by, and the job.
#[must_use]
pub fn read_queued(key: &Key) -> Option<(Bytes, JobId)> {
    let mut reader = match Reader::new(key, QUEUE) {
        Some(reader) => reader,
        None => Reader::new(key, QUEUE_OF_KEY)?,
    };
    reader.text()?;
    if !is_queued_alone(key) {
        reader.text()?;
    }
    let order = Bytes::copy_from_slice(reader.rest());
    Some((order, reader.last_id()?))
}

/// Since when the job of such a key may be claimed.
#[must_use]
pub fn queued_since(key: &Key) -> Option<Timestamp> {
    let (order, _) = read_queued(key)?;
    let at: [u8; 8] = order.get(4..12)?.try_into().ok()?;
    Some(Timestamp::from_millis(i64::from_be_bytes((u64::from_be_bytes(at) ^ SIGN_64).to_be_bytes())))
}

fn is_queued_alone(key: &Key) -> bool {
    key.0.first() == Some(&QUEUE)
}

/// A slot of an operation's limit.
#[must_use]
pub fn slot(operation: &OperationName, key: Option<&LimitKey>, slot: u32) -> Key {
    slots_prefix(operation, key).bytes(&slot.to_be_bytes()).key()
}

/// The slots of an operation's limit that are taken.
#[must_use]
pub fn slots_of(operation: &OperationName, key: Option<&LimitKey>) -> KeyRange {
    slots_prefix(operation, key).range()
}

fn slots_prefix(operation: &OperationName, key: Option<&LimitKey>) -> Builder {
    Builder::new(SLOT).text(operation.as_str()).text(key.map_or("", LimitKey::as_str))
}

/// Reads the number of a slot.
#[must_use]
pub fn read_slot(key: &Key) -> Option<u32> {
    let mut reader = Reader::new(key, SLOT)?;
    reader.text()?;
    reader.text()?;
    Some(u32::from_be_bytes(reader.rest().try_into().ok()?))
}

/// A place in the rate of an operation.
#[must_use]
pub fn place(operation: &OperationName, place: u32) -> Key {
    Builder::new(PLACE).text(operation.as_str()).bytes(&place.to_be_bytes()).key()
}

/// The places in the rate of an operation that were ever taken.
#[must_use]
pub fn places_of(operation: &OperationName) -> KeyRange {
    Builder::new(PLACE).text(operation.as_str()).range()
}

/// Reads the number of a place.
#[must_use]
pub fn read_place(key: &Key) -> Option<u32> {
    let mut reader = Reader::new(key, PLACE)?;
    reader.text()?;
    Some(u32::from_be_bytes(reader.rest().try_into().ok()?))
}

/// Whether a row is a place in a rate.
#[must_use]
pub fn is_place(key: &Key) -> bool {
    key.0.first() == Some(&PLACE)
}

/// That an attempt of a job may exist in the world.
#[must_use]
pub fn attempt(job: JobId) -> Key {
    Builder::new(ATTEMPT).bytes(job.as_bytes()).key()
}

/// All attempts that may exist in the world.
#[must_use]
pub fn attempts() -> KeyRange {
    Builder::new(ATTEMPT).range()
}

/// All attempts that may exist in the world, from the first one after `after`.
#[must_use]
pub fn attempts_after(after: Option<JobId>) -> KeyRange {
    let start = after.map(|job| Builder::from(attempt(job)).byte(0).key());
    let all = attempts();
    KeyRange { start: start.unwrap_or(all.start), end: all.end }
}

/// Reads a key of [`attempts`].
#[must_use]
pub fn read_attempt(key: &Key) -> Option<JobId> {
    Reader::new(key, ATTEMPT)?.last_id()
}

/// That a resource is to be looked at again at an instant.
#[must_use]
pub fn due(at: Timestamp, key: &ResourceKey) -> Key {
    Builder::new(DUE)
        .bytes(&sortable_i64(at.as_millis()).to_be_bytes())
        .text(key.collection.as_str())
        .text(key.id.as_str())
        .key()
}

/// Everything that is due, the earliest first.
#[must_use]
pub fn all_due() -> KeyRange {
    Builder::new(DUE).range()
}

/// Everything that is due after this, or all of it.
#[must_use]
pub fn due_after(after: Option<&(Timestamp, ResourceKey)>) -> KeyRange {
    let all = all_due();
    let start = after.map(|(at, key)| Builder::from(due(*at, key)).byte(0).key());
    KeyRange { start: start.unwrap_or(all.start), end: all.end }
}

/// Reads a key of [`all_due`].
#[must_use]
pub fn read_due(key: &Key) -> Option<(Timestamp, ResourceKey)> {
    let mut reader = Reader::new(key, DUE)?;
    let sortable = u64::from_be_bytes(reader.take(8)?.try_into().ok()?);
    let millis = i64::from_be_bytes((sortable ^ SIGN_64).to_be_bytes());
    let collection = reader.text()?.parse().ok()?;
    let id = reader.text()?.parse().ok()?;
    Some((Timestamp::from_millis(millis), ResourceKey { collection, id }))
}

/// That a resource is not settled.
#[must_use]
pub fn unsettled(key: &ResourceKey) -> Key {
    Builder::new(UNSETTLED).text(key.collection.as_str()).text(key.id.as_str()).key()
}

/// Every resource that is not settled, from the first one after `after`.
#[must_use]
pub fn all_unsettled(after: Option<&ResourceKey>) -> KeyRange {
    let all = Builder::new(UNSETTLED);
    let end = all.clone().end();
    let start = after.map_or_else(|| all.key(), |key| Builder::from(unsettled(key)).byte(0).key());
    KeyRange { start, end }
}

/// Reads a key of [`all_unsettled`].
#[must_use]
pub fn read_unsettled(key: &Key) -> Option<ResourceKey> {
    let mut reader = Reader::new(key, UNSETTLED)?;
    let collection = reader.text()?.parse().ok()?;
    let id = reader.text()?.parse().ok()?;
    Some(ResourceKey { collection, id })
}

/// What was answered under an idempotency key of a principal.
#[must_use]
pub fn once(principal: &str, key: &str) -> Key {
    Builder::new(ONCE).text(principal).text(key).key()
}

/// When what was answered under a key is forgotten.
#[must_use]
pub fn expiry(at: Timestamp, principal: &str, key: &str) -> Key {
    Builder::new(EXPIRY).bytes(&sortable_i64(at.as_millis()).to_be_bytes()).text(principal).text(key).key()
}

/// Everything that is to be forgotten at an instant or before it, the earliest first.
#[must_use]
pub fn expired(at: Timestamp) -> KeyRange {
    let all = Builder::new(EXPIRY);
    KeyRange { start: all.clone().key(), end: all.bytes(&sortable_i64(at.next().as_millis()).to_be_bytes()).key() }
}

/// Reads a key of [`expired`]: the instant, and the row that is to be forgotten.
#[must_use]
pub fn read_expiry(key: &Key) -> Option<(Timestamp, Key)> {
    let mut reader = Reader::new(key, EXPIRY)?;
    let sortable = u64::from_be_bytes(reader.take(8)?.try_into().ok()?);
    let at = Timestamp::from_millis(i64::from_be_bytes((sortable ^ SIGN_64).to_be_bytes()));
    Some((at, once(reader.text()?, reader.text()?)))
}

/// The row that says when a row that remembers an answer is forgotten.
#[must_use]
pub fn expiry_of(once: &Key, at: Timestamp) -> Option<Key> {
    let mut reader = Reader::new(once, ONCE)?;
    let (principal, key) = (reader.text()?, reader.text()?);
    reader.rest().is_empty().then(|| expiry(at, principal, key))
}

/// Whether a row remembers an answer.
#[must_use]
pub fn is_once(key: &Key) -> bool {
    key.0.first() == Some(&ONCE)
}

/// That a finished job is to be forgotten.
#[must_use]
pub fn unkept(job: JobId) -> Key {
    Builder::new(UNKEPT).bytes(job.as_bytes()).key()
}

/// All finished jobs that are to be forgotten.
#[must_use]
pub fn all_unkept() -> KeyRange {
    Builder::new(UNKEPT).range()
}

/// Reads a key of [`all_unkept`].
#[must_use]
pub fn read_unkept(key: &Key) -> Option<JobId> {
    Reader::new(key, UNKEPT)?.last_id()
}

/// What became of the ticks of an activity of one incarnation of a resource
/// that begin at an instant.
#[must_use]
pub fn tick(uid: Uid, activity: &ActivityName, at: Timestamp) -> Key {
    ticks_prefix(uid, activity).bytes(&sortable_i64(at.as_millis()).to_be_bytes()).key()
}

/// The ledger of an activity: all of it that begins before an instant, or all.
#[must_use]
pub fn ticks_of_activity(uid: Uid, activity: &ActivityName, before: Option<Timestamp>) -> KeyRange {
    let all = ticks_prefix(uid, activity);
    let end = before.map_or_else(|| all.clone().end(), |at| tick(uid, activity, at));
    KeyRange { start: all.key(), end }
}

/// The ledgers of all activities after this one, or of all.
#[must_use]
pub fn ledgers(after: Option<(Uid, &ActivityName)>) -> KeyRange {
    let all = Builder::new(TICK);
    let end = all.clone().end();
    KeyRange { start: after.map_or_else(|| all.key(), |(uid, activity)| ticks_prefix(uid, activity).end()), end }
}

fn ticks_prefix(uid: Uid, activity: &ActivityName) -> Builder {
    Builder::new(TICK).bytes(uid.as_bytes()).text(activity.as_str())
}

/// Reads a key of [`ledgers`] or [`ticks_of_activity`].
#[must_use]
pub fn read_tick(key: &Key) -> Option<(Uid, ActivityName, Timestamp)> {
    let mut reader = Reader::new(key, TICK)?;
    let uid = Uid::from_bytes(reader.take(16)?.try_into().ok()?);
    let activity = reader.text()?.parse().ok()?;
    let sortable = u64::from_be_bytes(reader.rest().try_into().ok()?);
    let millis = i64::from_be_bytes((sortable ^ SIGN_64).to_be_bytes());
    Some((uid, activity, Timestamp::from_millis(millis)))
}

/// Whether a row is a job.
#[must_use]
pub fn is_job(key: &Key) -> bool {
    key.0.first() == Some(&JOB)
}

/// Whether a row says that a job may be claimed.
#[must_use]
pub fn is_queued(key: &Key) -> bool {
    matches!(key.0.first(), Some(&QUEUE | &QUEUE_OF_KEY))
}

/// Whether a row is a slot of a limit.
#[must_use]
pub fn is_slot(key: &Key) -> bool {
    key.0.first() == Some(&SLOT)
}

/// Whether a row says that an attempt may exist.
#[must_use]
pub fn is_attempt(key: &Key) -> bool {
    key.0.first() == Some(&ATTEMPT)
}

/// Whether a row is a timer.
#[must_use]
pub fn is_due(key: &Key) -> bool {
    key.0.first() == Some(&DUE)
}

#[cfg(test)]
mod tests;
