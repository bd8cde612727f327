//! One lock for each resource that is being stepped, so that writers of a hot
//! resource queue up instead of conflicting. No two resources share a lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::domain::id::ResourceKey;

/// How many maps share the resources, so that taking a lock seldom waits for
/// another resource's.
const SHARDS: usize = 64;

type Shard = Mutex<HashMap<ResourceKey, Arc<AsyncMutex<()>>>>;

/// The locks of all resources that are being stepped now.
#[derive(Debug)]
pub(super) struct Locks {
    shards: Vec<Shard>,
}

impl Default for Locks {
    fn default() -> Self {
        Self { shards: std::iter::repeat_with(Shard::default).take(SHARDS).collect() }
    }
}

/// Holding the lock of one resource. Given back when dropped.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    shard: &'a Shard,
    key: &'a ResourceKey,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// Waits for the lock of a resource.
    pub(super) async fn lock<'a>(&'a self, key: &'a ResourceKey) -> Locked<'a> {
        let shard = &self.shards[shard_of(key)];
        let lock = {
            let mut map = shard.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(map.entry(key.clone()).or_default())
        };
        // Made before waiting, so that who gives up while waiting leaves nothing behind.
        let mut locked = Locked { shard, key, guard: None };
        locked.guard = Some(lock.lock_owned().await);
        locked
    }
}

fn shard_of(key: &ResourceKey) -> usize {
    let bytes = key.collection.as_str().bytes().chain(key.id.as_str().bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash % SHARDS as u64).unwrap_or(0)
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut map = self.shard.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the map holds it: nobody waits, and nobody can begin to while the map is locked.
        if map.get(self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            map.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> ResourceKey {
        ResourceKey { collection: "c".parse().expect("a name"), id: id.parse().expect("an id") }
    }

    #[tokio::test]
    async fn one_resource_is_stepped_by_one_at_a_time_and_leaves_no_lock_behind() {
        let locks = Locks::default();
        let (a, b) = (key("a"), key("b"));
        let held = locks.lock(&a).await;
        let other = locks.lock(&b).await;
        let mut waiting = Box::pin(locks.lock(&a));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop((held, other));
        drop(waiting.await);
        assert!(locks.shards.iter().all(|shard| shard.lock().expect("not poisoned").is_empty()));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_no_lock_behind() {
        let locks = Locks::default();
        let a = key("a");
        let held = locks.lock(&a).await;
        {
            let mut waiting = Box::pin(locks.lock(&a));
            assert!(futures_util::poll!(&mut waiting).is_pending());
        }
        drop(held);
        assert!(locks.shards.iter().all(|shard| shard.lock().expect("not poisoned").is_empty()));
    }
}
