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
}

impl Hints {
    /// A job may be claimed, or a limit has room again.
    pub fn ring_for_claims(&self) {
        self.queue.notify_one();
        self.leases.notify_waiters();
    }
}
