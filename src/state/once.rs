//! What a change leaves behind in its own commit, so that the same request,
//! sent again with the same idempotency key, finds its answer.
//!
//! # Guarantees
//! An answer is remembered exactly if its change is made: both are one commit.
//! Of changes that race under one key exactly one is made, wherever they come
//! from. A name is free again once its answer has expired, whether or not the
//! sweep has been there.
//! # Not here
//! What a request is compared by, and which requests are under way
//! ([`crate::api`]).

use std::time::Duration;

use super::record::{self, OnceRecord};
use super::{State, StateError, keys};
use crate::domain::time::Timestamp;
use crate::reconcile::ResourceState;
use crate::store::{CommitError, Guard, Key, Op, Order, Txn};

/// How long an answer is remembered.
pub const ONCE_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The name under which an answer is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OnceName {
    /// Who asked. Holds no 0x00.
    pub principal: String,
    /// The key that they sent. Holds no 0x00.
    pub key: String,
}

impl OnceName {
    fn row(&self) -> Key {
        keys::once(&self.principal, &self.key)
    }

    fn expiry(&self, at: Timestamp) -> Key {
        keys::expiry(at, &self.principal, &self.key)
    }
}

/// That the answer to a change is to be remembered.
pub struct Remember<'r> {
    /// Under which name.
    pub name: &'r OnceName,
    /// What is remembered, of the state before the change, the state after it,
    /// and when it expires.
    pub write: &'r (dyn Fn(&ResourceState, &ResourceState, Timestamp) -> OnceRecord + Sync),
}

/// A name that is free: what has to be true of its row for it to be taken.
pub(super) struct Free {
    row: Guard,
    /// What says when the answer before, which has expired, is forgotten.
    stale: Option<Key>,
}

/// Whether a name can be taken.
pub(super) enum Name {
    /// It can.
    Free(Free),
    /// An answer is remembered under it.
    Taken,
}

impl State {
    /// What was answered under a name, if that has not expired.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read.
    pub async fn remembered(&self, name: &OnceName) -> Result<Option<OnceRecord>, StateError> {
        let now = self.clock.now();
        Ok(self.once_row(name).await?.map(|(record, _)| record).filter(|record| now < record.expires))
    }

    /// Whether a name can be taken. Asked before a commit, whose guard then decides.
    pub(super) async fn name(&self, name: &OnceName) -> Result<Name, StateError> {
        let now = self.clock.now();
        Ok(match self.once_row(name).await? {
            None => Name::Free(Free { row: Guard::Absent(name.row()), stale: None }),
            Some((record, _)) if now < record.expires => Name::Taken,
            Some((record, row)) => Name::Free(Free { row, stale: Some(name.expiry(record.expires)) }),
        })
    }

    /// Corrects what was answered under a name, where that could not be known
    /// in the commit of the change.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read, or the store has stopped.
    pub async fn correct(&self, name: &OnceName, status: u16, location: Option<String>) -> Result<(), StateError> {
        let Some((record, row)) = self.once_row(name).await? else { return Ok(()) };
        let record = OnceRecord { status, location, ..record };
        let put = Op::Put(name.row(), record::encode_once(&record));
        match self.store.commit(Txn { guards: vec![row], ops: vec![put], log: Vec::new() }).await {
            // Without room, what was known in the commit has to do.
            Ok(_) | Err(CommitError::Conflict { .. } | CommitError::Full) => Ok(()),
            Err(error) => Err(StateError::Write(error)),
        }
    }

    /// Forgets at most `limit` answers that have expired; how many it were.
    ///
    /// # Errors
    /// [`StateError`]: what is stored cannot be read, or the store has stopped.
    pub async fn forget_expired(&self, limit: usize) -> Result<usize, StateError> {
        let page = self.store.scan(keys::expired(self.clock.now()), Order::Ascending, limit).await?;
        let mut txn = Txn::default();
        for (index, entry) in page.rows {
            let Some((_, row)) = keys::read_expiry(&index) else { continue };
            // A name that is taken again has another place in the index.
            txn.guards.push(Guard::RevIs(index.clone(), entry.rev));
            txn.ops.extend([Op::Delete(index), Op::Delete(row)]);
        }
        let forgotten = txn.guards.len();
        if forgotten == 0 {
            return Ok(0);
        }
        match self.store.commit(txn).await {
            Ok(_) => Ok(forgotten),
            // What could not be forgotten now can be at the next look.
            Err(CommitError::Conflict { .. } | CommitError::Full) => Ok(0),
            Err(error) => Err(StateError::Write(error)),
        }
    }

    /// What is stored under a name, and the guard that it still is.
    async fn once_row(&self, name: &OnceName) -> Result<Option<(OnceRecord, Guard)>, StateError> {
        let row = name.row();
        let (_, entries) = self.store.get(std::slice::from_ref(&row)).await?;
        let Some(entry) = entries.into_iter().flatten().next() else { return Ok(None) };
        let record = record::decode_once(&entry.value).map_err(StateError::damaged(&name.key))?;
        Ok(Some((record, Guard::RevIs(row, entry.rev))))
    }
}

impl Free {
    /// Takes the name in the transaction of the change.
    pub(super) fn take(self, name: &OnceName, record: &OnceRecord, txn: &mut Txn) {
        txn.guards.push(self.row);
        txn.ops.extend(self.stale.map(Op::Delete));
        txn.ops.push(Op::Put(name.row(), record::encode_once(record)));
        txn.ops.push(Op::Put(name.expiry(record.expires), bytes::Bytes::new()));
    }
}
