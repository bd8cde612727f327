//! Wake-ups for the loops that act on what is committed.

use tokio::sync::Notify;

/// One bell for each index that somebody acts on.
///
/// A bell says nothing but "look"; what there is to see is in the store.
#[derive(Debug, Default)]
pub struct Hints {
    /// A job may be claimed, or a limit has room again.
    pub queue: Notify,
    /// An attempt is to be stopped.
    pub attempts: Notify,
    /// A timer was set.
    pub timers: Notify,
}
