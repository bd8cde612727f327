//! The bounded queue between those who commit and the writer's thread.
//!
//! # Guarantees
//! First come, first served. Who comes to a full queue waits, and holds none of
//! its room. Once it is shut nothing enters, and what is inside can be taken.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use crate::store::{CommitError, Rev, Txn};

/// How many units of room the queue has: 4,096 small transactions or 64 MiB.
///
/// More would only lengthen the wait of the last: a full queue is already
/// many groups long.
const ROOM: u32 = 4096;

/// How many bytes of a transaction take up one more unit of room.
const ROOM_UNIT_BYTES: usize = 16 << 10;

/// The most transactions in one group.
///
/// The flush is well shared by then, and the first of a larger group would
/// wait longer for the last.
pub(super) const GROUP_TXNS_MAX: usize = 256;

/// The most bytes in one group, its last transaction not counted.
///
/// It bounds what is held in memory and what one flush must write.
pub(super) const GROUP_BYTES_MAX: usize = 8 << 20;

/// A transaction that waits for its answer.
#[derive(Debug)]
pub(super) struct Commit {
    /// What to apply.
    pub(super) txn: Txn,
    /// What became of it.
    pub(super) answer: oneshot::Sender<Result<Rev, CommitError>>,
}

/// A part of a compaction that waits for its answer.
#[derive(Debug)]
pub(super) struct Forget {
    /// The first revision that is kept.
    pub(super) before: Rev,
    /// Whether that is done, or more is left to forget.
    pub(super) answer: oneshot::Sender<Result<Forgotten, CommitError>>,
}

/// How far a compaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forgotten {
    /// Everything that was to be forgotten is.
    All,
    /// Ask again for the rest.
    Part,
}

/// What one turn of the writer is about.
#[derive(Debug)]
pub(super) enum Work {
    /// Transactions that share one flush.
    Group(Vec<Commit>),
    /// A part of a compaction.
    Forget(Forget),
}

#[derive(Debug)]
enum Request {
    Commit(Commit, Room),
    Forget(Forget, Room),
}

#[derive(Debug, Clone, Copy)]
struct Room(u32);

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    room: Semaphore,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Request>,
    shut: bool,
}

/// The queue is shut.
#[derive(Debug)]
pub(super) struct Shut;

impl Queue {
    pub(super) fn new() -> Self {
        Self { room: Semaphore::new(ROOM as usize), state: Mutex::default(), filled: Condvar::new() }
    }

    /// Queues a transaction once there is room.
    pub(super) async fn commit(&self, commit: Commit) -> Result<(), Shut> {
        let units = u32::try_from(1 + commit.txn.bytes() / ROOM_UNIT_BYTES).unwrap_or(ROOM).min(ROOM);
        self.push(units, |room| Request::Commit(commit, room)).await
    }

    /// Queues a part of a compaction once there is room.
    pub(super) async fn forget(&self, forget: Forget) -> Result<(), Shut> {
        self.push(1, |room| Request::Forget(forget, room)).await
    }

    async fn push(&self, units: u32, request: impl FnOnce(Room) -> Request) -> Result<(), Shut> {
        let permit = self.room.acquire_many(units).await.map_err(|_| Shut)?;
        let mut state = self.state();
        if state.shut {
            return Err(Shut);
        }
        // Given back by `take`.
        permit.forget();
        state.waiting.push_back(request(Room(units)));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes what is queued, up to the limits of a group. Waits while there is
    /// nothing; `None` once the queue is shut and empty.
    pub(super) fn take(&self) -> Option<Work> {
        let mut state = self.state();
        while state.waiting.is_empty() && !state.shut {
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut freed = 0;
        let mut bytes = 0;
        let mut group = Vec::new();
        let work = loop {
            match state.waiting.pop_front() {
                Some(Request::Commit(commit, Room(units))) => {
                    freed += units;
                    bytes += commit.txn.bytes();
                    group.push(commit);
                    if group.len() == GROUP_TXNS_MAX || bytes >= GROUP_BYTES_MAX {
                        break Some(Work::Group(group));
                    }
                }
                Some(Request::Forget(forget, Room(units))) if group.is_empty() => {
                    freed += units;
                    break Some(Work::Forget(forget));
                }
                Some(next @ Request::Forget(..)) => {
                    state.waiting.push_front(next);
                    break Some(Work::Group(group));
                }
                None => break (!group.is_empty()).then_some(Work::Group(group)),
            }
        };
        drop(state);
        self.room.add_permits(freed as usize);
        work
    }

    /// Lets nothing in from now on.
    pub(super) fn shut(&self) {
        self.state().shut = true;
        self.room.close();
        self.filled.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No line that holds the lock can panic between two changes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn push(queue: &Queue, bytes: usize) -> Poll<Result<(), Shut>> {
        let txn = Txn { log: vec![Bytes::from(vec![0; bytes])], ..Txn::default() };
        let commit = Commit { txn, answer: oneshot::channel().0 };
        pin!(queue.commit(commit)).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn push_forget(queue: &Queue) {
        let forget = Forget { before: Rev(1), answer: oneshot::channel().0 };
        let pushed = pin!(queue.forget(forget)).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(pushed, Poll::Ready(Ok(()))));
    }

    /// The sizes of the groups that are queued, 0 for a compaction.
    fn drain(queue: &Queue) -> Vec<usize> {
        queue.shut();
        std::iter::from_fn(|| queue.take())
            .map(|work| match work {
                Work::Group(group) => group.len(),
                Work::Forget(_) => 0,
            })
            .collect()
    }

    #[test]
    fn a_group_ends_at_its_limits_and_before_a_compaction() {
        let many = GROUP_TXNS_MAX;
        let half = GROUP_BYTES_MAX / 2;
        // Each row: what is queued, `None` for a compaction, and the groups it makes.
        for (queued, groups) in [
            (vec![], vec![]),
            (vec![Some(1); 3], vec![3]),
            (vec![Some(1); 2 * many + 1], vec![many, many, 1]),
            (vec![Some(half); 5], vec![2, 2, 1]),
            (vec![Some(GROUP_BYTES_MAX), Some(1)], vec![1, 1]),
            (vec![None, Some(1), Some(1), None, None, Some(1)], vec![0, 2, 0, 0, 1]),
        ] {
            let queue = Queue::new();
            for bytes in queued {
                match bytes {
                    Some(bytes) => assert!(matches!(push(&queue, bytes), Poll::Ready(Ok(())))),
                    None => push_forget(&queue),
                }
            }
            assert_eq!(drain(&queue), groups);
        }
    }

    #[test]
    fn a_full_queue_lets_in_as_much_as_is_taken_out() {
        let queue = Queue::new();
        let large = 8 << 20;
        let mut inside = 0;
        while push(&queue, large).is_ready() {
            inside += 1;
        }
        assert!((4..=8).contains(&inside), "{inside} of the largest");
        assert!(matches!(queue.take(), Some(Work::Group(group)) if group.len() == 1));
        assert!(matches!(push(&queue, large), Poll::Ready(Ok(()))));
        assert!(push(&queue, large).is_pending());
        assert_eq!(drain(&queue), vec![1; inside]);
    }

    #[test]
    fn nothing_enters_a_queue_that_is_shut_and_what_is_inside_is_taken() {
        let queue = Queue::new();
        assert!(push(&queue, 1).is_ready());
        queue.shut();
        assert!(matches!(push(&queue, 1), Poll::Ready(Err(Shut))));
        assert!(matches!(queue.take(), Some(Work::Group(group)) if group.len() == 1));
        assert!(queue.take().is_none());
    }
}
