//! Wake-ups for the loops that act on what is committed.

use tokio::sync::Notify;

/// One bell for each index that somebody acts on.
///
/// A bell says nothing but "look"; what there is to see is in the store.
#[derive(Debug, Default)]
pub struct Hints {
    /// A job may be claimed, or a limit has room again.
    pub queue: Notify,
    /// The same, for those who ask for jobs from outside: all of them hear it.
    pub leases: Notify,
    /// An attempt is to be stopped.
    pub attempts: Notify,
    /// A timer was set.
    pub timers: Notify,
    /// The declarations are others than before.
    pub declarations: Notify,
    /// Something else is declared: what is not settled may be planned otherwise.
    pub unsettled: Notify,
    /// The same, and so may everything.
    pub everything: Notify,
}

impl Hints {
    /// Something else is declared than before: everything may stand otherwise.
    pub fn ring_for_all(&self) {
        self.everything.notify_one();
        self.attempts.notify_one();
        self.timers.notify_one();
        self.ring_for_claims();
    }

    /// A job may be claimed, or a limit has room again.
    pub fn ring_for_claims(&self) {
        self.queue.notify_one();
        self.leases.notify_waiters();
    }
}
