//! The ledgers: what became of the ticks of each activity, read page by page,
//! and forgotten once it is old.
//!
//! # Guarantees
//! Rows are written only by the commit that decides on their ticks
//! ([`State::apply`]). To forget one announces nothing, and changes nothing
//! that a resource shows.
//! # Not here
//! How old a row gets, and when that is looked at.

use super::lookup::StateError;
use super::rounds::Place;
use super::{State, keys, record};
use crate::domain::id::{ActivityName, Uid};
use crate::domain::tick::TickOutcome;
use crate::domain::time::Timestamp;
use crate::store::{CommitError, Entry, Guard, Key, KeyRange, Op, Order, Txn};

/// How many rows are read at once, and forgotten in one commit.
const ROWS_AT_ONCE: usize = 500;

/// A row of a ledger: what became of the ticks from an instant on.
pub type TickRow = (Timestamp, TickOutcome);

impl State {
    /// Reads at most `limit` rows of the ledger of an activity that begin
    /// before an instant, the newest first, and whether there are more.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn ticks(
        &self,
        uid: Uid,
        activity: &ActivityName,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<(Vec<TickRow>, bool), StateError> {
        let range = keys::ticks_of_activity(uid, activity, before);
        let page = self.store.scan(range, Order::Descending, limit).await?;
        let rows = page.rows.iter().map(|(key, entry)| Ok((read_key(key)?.2, read_outcome(key, entry)?)));
        Ok((rows.collect::<Result<_, StateError>>()?, page.more))
    }

    /// Forgets the rows whose last tick is older than `before`, ledger by
    /// ledger from the first one after `after` on: how many it were, and the
    /// last ledger that was looked at, unless there are no more.
    ///
    /// It ends with the ledger with which it has looked at so many, each row
    /// that it forgot counted as one, too. A ledger in which something is
    /// written meanwhile is left for the next time.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read, or the store has stopped.
    pub async fn forget_ticks(
        &self,
        mut after: Option<(Uid, ActivityName)>,
        before: Timestamp,
        at_most: usize,
    ) -> Result<(usize, Option<(Uid, ActivityName)>), StateError> {
        let (mut forgotten, mut looked_at) = (0, 0);
        loop {
            let rest = keys::ledgers(after.as_ref().map(|(uid, activity)| (*uid, activity)));
            let page = self.store.scan(rest, Order::Ascending, 1).await?;
            let Some((first, _)) = page.rows.first() else { return Ok((forgotten, None)) };
            let (uid, activity, _) = read_key(first)?;
            forgotten += self.forget_ticks_of(uid, &activity, before).await?;
            looked_at += 1;
            after = Some((uid, activity));
            if looked_at + forgotten >= at_most {
                return Ok((forgotten, after));
            }
        }
    }

    /// As [`State::forget_ticks`], from a place on that can be kept.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read, or the store has stopped.
    pub async fn forget_some_ticks(
        &self,
        from: Option<&Place>,
        before: Timestamp,
        at_most: usize,
    ) -> Result<(usize, Option<Place>), StateError> {
        let after = from.and_then(|Place(key)| keys::read_tick(key)).map(|(uid, activity, _)| (uid, activity));
        let (forgotten, next) = self.forget_ticks(after, before, at_most).await?;
        Ok((forgotten, next.map(|(uid, activity)| Place(keys::tick(uid, &activity, Timestamp::EPOCH)))))
    }

    /// Forgets the rows of one ledger whose last tick is older than `before`.
    async fn forget_ticks_of(&self, uid: Uid, activity: &ActivityName, before: Timestamp) -> Result<usize, StateError> {
        let KeyRange { mut start, end } = keys::ticks_of_activity(uid, activity, Some(before));
        let mut forgotten = 0;
        loop {
            let range = KeyRange { start: start.clone(), end: end.clone() };
            let page = self.store.scan(range, Order::Ascending, ROWS_AT_ONCE).await?;
            let mut txn = Txn::default();
            for (row, entry) in &page.rows {
                // Rows follow each other, and so do their last ticks.
                if read_outcome(row, entry)?.last(read_key(row)?.2) >= before {
                    break;
                }
                // A run of skipped ticks may go on: then it is not old any more.
                txn.guards.push(Guard::RevIs(row.clone(), entry.rev));
                txn.ops.push(Op::Delete(row.clone()));
            }
            let old = txn.ops.len();
            let Some((last, _)) = page.rows.get(old.wrapping_sub(1)) else { return Ok(forgotten) };
            start = last.clone();
            match self.store.commit(txn).await {
                Ok(_) => forgotten += old,
                // What could not be forgotten now can be at the next look.
                Err(CommitError::Conflict { .. } | CommitError::Full) => return Ok(forgotten),
                Err(error) => return Err(StateError::Write(error)),
            }
            if old < page.rows.len() || !page.more {
                return Ok(forgotten);
            }
        }
    }
}

fn read_key(row: &Key) -> Result<(Uid, ActivityName, Timestamp), StateError> {
    let damaged = || StateError::Damaged { key: format!("{row:?}"), detail: "its key does not read".to_owned() };
    keys::read_tick(row).ok_or_else(damaged)
}

fn read_outcome(row: &Key, entry: &Entry) -> Result<TickOutcome, StateError> {
    record::decode_tick(&entry.value)
        .map_err(|error| StateError::Damaged { key: format!("{row:?}"), detail: error.to_string() })
}
