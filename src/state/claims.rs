//! Which jobs may be claimed now, within the limits of their operation.
//!
//! # Guarantees
//! What is found here is a proposal: the commit of a claim is guarded by the
//! rows of what it takes, so that no limit is exceeded, whoever else claims.
//! # Not here
//! Which job may be claimed at all: its resource says so, in the queue.

use super::lookup::StateError;
use super::{QueueRow, State, keys, record};
use crate::domain::id::{JobId, OperationName, ResourceKey};
use crate::domain::job::Grant;
use crate::domain::limit::{Concurrency, LimitKey, Rate};
use crate::domain::operation::Operation;
use crate::domain::time::Timestamp;
use crate::store::{Guard, Key, Op, Order, Txn};

/// How many queues of one operation are looked through at once, where it is
/// limited for each of something: the next look goes on behind them.
const KEYS_MAX: usize = 10_000;

/// The most rows of an index that are read for one look.
const ROWS_MAX: usize = 10_000;

/// A job to be claimed, and what its attempt takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What the claims of several operations are merged by: smaller is sooner.
    pub order: bytes::Bytes,
    /// The job.
    pub job: JobId,
    /// Its resource.
    pub resource: ResourceKey,
    /// What it takes of the limits.
    pub grant: Grant,
    /// By which edition of the declarations it was found; under another one it
    /// may take something else.
    pub edition: u64,
}

/// The jobs of an operation to be claimed now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// The next ones first.
    pub claims: Vec<Claim>,
    /// When to look again, because the rate lets another one start then.
    pub again: Option<Timestamp>,
}

impl State {
    /// At most `room` jobs of an operation to be claimed now: by priority, then
    /// by the time at which they became ready. Those that somebody has in hand
    /// still stand in the queue, and are passed over.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn claims(
        &self,
        operation: &Operation,
        room: usize,
        in_hand: &(dyn Fn(JobId) -> bool + Sync),
    ) -> Result<Claims, StateError> {
        let places = match &operation.rate {
            None => None,
            Some(rate) => Some(self.places(&operation.name, *rate).await?),
        };
        let room = places.as_ref().map_or(room, |places| room.min(places.free.len()));
        let again = places.as_ref().and_then(|places| places.next.filter(|_| places.free.is_empty()));
        if room == 0 {
            return Ok(Claims { claims: Vec::new(), again });
        }
        let mut claims = match operation.concurrency.as_ref().filter(|concurrency| concurrency.per.is_some()) {
            Some(concurrency) => self.claims_of_keys(&operation.name, concurrency, room, in_hand).await?,
            None => self.claims_of(&operation.name, None, operation.concurrency.as_ref(), room, in_hand).await?,
        };
        claims.sort_by(|a, b| a.order.cmp(&b.order));
        claims.truncate(room);
        if let Some(places) = places {
            for (claim, place) in claims.iter_mut().zip(places.free) {
                claim.grant.place = Some(place);
            }
        }
        Ok(Claims { claims, again })
    }

    /// Those of every key that has room, each in its order.
    async fn claims_of_keys(
        &self,
        operation: &OperationName,
        concurrency: &Concurrency,
        room: usize,
        in_hand: &(dyn Fn(JobId) -> bool + Sync),
    ) -> Result<Vec<Claim>, StateError> {
        let start = self.turns.after(operation);
        let mut after = start.clone();
        let mut wrapped = start.is_none();
        let mut found = Vec::new();
        for _ in 0..KEYS_MAX {
            let range = keys::queues_of_keys(operation, after.as_ref());
            let page = self.store.scan(range, Order::Ascending, 1).await?;
            let Some(key) = page.rows.first().and_then(|(row, _)| keys::read_queue_key(row)) else {
                if wrapped {
                    self.turns.keep(operation, None);
                    return Ok(found);
                }
                (wrapped, after) = (true, None);
                continue;
            };
            if wrapped && start.as_ref().is_some_and(|start| *start < key) {
                break;
            }
            found.extend(self.claims_of(operation, Some(&key), Some(concurrency), room, in_hand).await?);
            after = Some(key);
        }
        self.turns.keep(operation, after);
        Ok(found)
    }

    async fn claims_of(
        &self,
        operation: &OperationName,
        key: Option<&LimitKey>,
        concurrency: Option<&Concurrency>,
        room: usize,
        in_hand: &(dyn Fn(JobId) -> bool + Sync),
    ) -> Result<Vec<Claim>, StateError> {
        let free = match concurrency {
            None => None,
            Some(Concurrency { limit, .. }) => {
                let taken = self.slots(operation, key, ROWS_MAX).await?;
                let free = usize::try_from(*limit).unwrap_or(usize::MAX).saturating_sub(taken.len());
                Some((0..*limit).filter(|slot| !taken.contains(slot)).take(free.min(room)).collect::<Vec<u32>>())
            }
        };
        let wanted = free.as_ref().map_or(room, Vec::len);
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let mut rows: Vec<QueueRow> = Vec::new();
        let mut read = wanted;
        // Those in hand are few; where they fill what was read, more is read.
        loop {
            let page = self.queue(operation, key, read).await?;
            let end = page.len() < read || read >= ROWS_MAX;
            rows.clear();
            rows.extend(page.into_iter().filter(|row| !in_hand(row.job)).take(wanted));
            if rows.len() == wanted || end {
                break;
            }
            read = read.saturating_mul(2).min(ROWS_MAX);
        }
        let slots = free.map_or_else(|| vec![None; rows.len()], |free| free.into_iter().map(Some).collect());
        let claims = rows.into_iter().zip(slots).map(|(QueueRow { order, job, resource }, slot)| Claim {
            order,
            job,
            resource,
            grant: Grant { slot, ..Grant::default() },
            edition: self.edition(),
        });
        Ok(claims.collect())
    }

    /// When the rate of an operation lets another attempt start; `None` if it does now.
    pub(super) async fn next_start(
        &self,
        operation: &OperationName,
        rate: Rate,
    ) -> Result<Option<Timestamp>, StateError> {
        let places = self.places(operation, rate).await?;
        Ok(places.next.filter(|_| places.free.is_empty()))
    }

    /// The places of a rate that are free now, and when the next one is.
    async fn places(&self, operation: &OperationName, rate: Rate) -> Result<Places, StateError> {
        let now = self.clock.now();
        let page = self.store.scan(keys::places_of(operation), Order::Ascending, ROWS_MAX).await?;
        let mut taken = std::collections::BTreeMap::new();
        for (row, entry) in &page.rows {
            let Some(place) = keys::read_place(row) else { continue };
            let since = record::decode_place(&entry.value).map_err(StateError::damaged(operation))?;
            if place < rate.count
                && let Some(until) = rate.taken_until(since, now)
            {
                taken.insert(place, until);
            }
        }
        let free = (0..rate.count).filter(|place| !taken.contains_key(place)).collect();
        Ok(Places { free, next: taken.into_values().min() })
    }

    /// Takes the place of a rate in the transaction of a claim; `false` if it is not free.
    pub(super) async fn take_place(
        &self,
        operation: &OperationName,
        rate: Rate,
        place: u32,
        txn: &mut Txn,
    ) -> Result<bool, StateError> {
        let now = self.clock.now();
        let row = keys::place(operation, place);
        let (_, entries) = self.store.get(std::slice::from_ref(&row)).await?;
        let guard = match entries.into_iter().next().flatten() {
            None => Guard::Absent(row.clone()),
            Some(entry) => {
                let since = record::decode_place(&entry.value).map_err(StateError::damaged(operation))?;
                if rate.taken_until(since, now).is_some() {
                    return Ok(false);
                }
                Guard::RevIs(row.clone(), entry.rev)
            }
        };
        txn.guards.push(guard);
        txn.ops.push(Op::Put(row, record::encode_place(now)));
        Ok(true)
    }
}

struct Places {
    free: Vec<u32>,
    next: Option<Timestamp>,
}

/// Whether a row is one that a claim takes: who finds it taken was too late.
pub(super) fn is_limit(row: &Key) -> bool {
    keys::is_slot(row) || keys::is_place(row)
}

/// Where the next look goes on, of operations that are limited for each of so
/// many things that one look does not see all of their queues.
#[derive(Debug, Default)]
pub(super) struct Turns(std::sync::Mutex<std::collections::BTreeMap<OperationName, LimitKey>>);

impl Turns {
    fn after(&self, operation: &OperationName) -> Option<LimitKey> {
        self.all().get(operation).cloned()
    }

    fn keep(&self, operation: &OperationName, after: Option<LimitKey>) {
        match after {
            Some(after) => drop(self.all().insert(operation.clone(), after)),
            None => drop(self.all().remove(operation)),
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<OperationName, LimitKey>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
