//! A mixed run, and what a store must hold that has done any part of it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use heeler::store::memory::MemoryStore;
use heeler::store::redb::Recovery;
use heeler::store::{CommitError, Guard, Key, Op, Position, Rev, Store, Txn, WatchError};

use super::super::{key, rows};
use super::disk::Disk;
use super::images::Dice;
use super::{Recording, block_on};

/// One turn of a run.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// Transactions committed at once, in this order.
    Group(Vec<Txn>),
    /// A compaction.
    Compact(Rev),
}

/// What was answered, in the order of the questions.
#[derive(Debug)]
pub(crate) enum Answer {
    Committed(Result<Rev, CommitError>),
    Compacted(Result<(), CommitError>),
}

/// A run of puts, deletes, conflicts, log entries, groups and compactions.
///
/// Each transaction writes rows that belong together and says so in the log.
pub(crate) fn turns(seed: u64, count: usize) -> Vec<Turn> {
    let mut dice = Dice(seed);
    (0..count)
        .map(|n| match dice.below(8) {
            0 => Turn::Compact(Rev(dice.below(3 * n as u64 + 2))),
            1..=4 => Turn::Group(vec![txn(&mut dice)]),
            _ => Turn::Group((0..2 + dice.below(5)).map(|_| txn(&mut dice)).collect()),
        })
        .collect()
}

fn txn(dice: &mut Dice) -> Txn {
    let subject = dice.below(6);
    let value = Bytes::from(vec![u8::try_from(dice.below(256)).expect("it is a byte"); dice.below(3000) as usize]);
    let rows = ["document", "state", "index"].map(|part| key(format!("{part}/{subject}")));
    let ops: Vec<Op> = match dice.below(4) {
        0 => rows.into_iter().map(Op::Delete).collect(),
        _ => rows.into_iter().map(|row| Op::Put(row, value.clone())).collect(),
    };
    let guards = match dice.below(4) {
        // Holds for some of the transactions, which makes conflicts.
        0 => vec![Guard::Present(key(format!("state/{subject}")))],
        _ => vec![],
    };
    Txn { guards, ops, log: vec![Bytes::from(format!("changed {subject}")), value] }
}

/// Does the turns; what was answered, and after how many events of the disk.
pub(crate) async fn act(store: &dyn Store, disk: &Disk, turns: &[Turn]) -> Vec<(usize, Answer)> {
    let mut answers = Vec::new();
    for turn in turns {
        match turn {
            Turn::Group(group) => {
                let answered = join_all(group.iter().map(|txn| store.commit(txn.clone()))).await;
                answers.extend(answered.into_iter().map(|answer| (disk.position(), Answer::Committed(answer))));
            }
            Turn::Compact(before) => {
                let answer = store.compact(*before).await;
                answers.push((disk.position(), Answer::Compacted(answer)));
            }
        }
    }
    answers
}

type Rows = Vec<(Key, Rev, Bytes)>;

/// The states that a run goes through: what the store must hold at each revision.
#[derive(Debug)]
pub(crate) struct History {
    /// By revision: the rows, and how much of the log there was.
    states: Vec<(Rows, usize)>,
    /// The log without any compaction.
    log: Vec<(Position, Bytes)>,
    compactions: Vec<Rev>,
}

impl History {
    /// What the turns come to when all goes well.
    pub(crate) fn of(turns: &[Turn]) -> Self {
        block_on(async {
            let model = MemoryStore::new();
            let mut states = vec![(rows(&model).await, 0)];
            let mut compactions = Vec::new();
            let log = || async {
                model.changes(Position::default(), usize::MAX).await.expect("nothing was forgotten").entries
            };
            for turn in turns {
                match turn {
                    Turn::Compact(before) => compactions.push(*before),
                    Turn::Group(group) => {
                        for txn in group {
                            if model.commit(txn.clone()).await.is_ok() {
                                states.push((rows(&model).await, log().await.len()));
                            }
                        }
                    }
                }
            }
            Self { states, log: log().await, compactions }
        })
    }

    /// Whether the store holds one state of the run, whole, with the log up to
    /// it, and none older than `acknowledged`.
    pub(crate) fn holds(&self, store: &Arc<dyn Store>, acknowledged: Rev) -> Result<(), String> {
        block_on(async {
            let (rev, _) = store.get(&[]).await.map_err(|error| error.to_string())?;
            if rev < acknowledged {
                return Err(format!("{acknowledged:?} was acknowledged, and the store is at {rev:?}"));
            }
            let (want, log_len) =
                self.states.get(usize::try_from(rev.0).expect("it is small")).ok_or("a revision from nowhere")?;
            if rows(&**store).await != *want {
                return Err(format!("the rows are not those of {rev:?}"));
            }
            self.log_holds(&**store, &self.log[..*log_len]).await
        })
    }

    /// The log is whole but for what a compaction of the run may have forgotten.
    async fn log_holds(&self, store: &dyn Store, want: &[(Position, Bytes)]) -> Result<(), String> {
        let compacted = self.compactions.iter().max().copied().unwrap_or_default();
        let after = match store.changes(Position::default(), 1).await {
            Ok(_) => Position::default(),
            Err(WatchError::Compacted) => {
                let last = want.iter().rev().map(|(at, _)| *at).find(|at| at.rev < compacted);
                last.ok_or("the log has forgotten what no compaction was about")?
            }
            Err(error) => return Err(error.to_string()),
        };
        let want: Vec<_> = want.iter().filter(|(at, _)| *at > after).cloned().collect();
        let log = store.changes(after, usize::MAX).await.map_err(|error| error.to_string())?;
        if log.entries.ends_with(&want) && log.entries.len() == want.len() {
            Ok(())
        } else {
            Err("the log is not that of its revision".to_owned())
        }
    }
}

/// The newest revision that was answered.
pub(crate) fn acknowledged(answers: &[(usize, Answer)]) -> Rev {
    let revs = answers.iter().filter_map(|(_, answer)| match answer {
        Answer::Committed(Ok(rev)) => Some(*rev),
        Answer::Committed(Err(_)) | Answer::Compacted(..) => None,
    });
    revs.max().unwrap_or_default()
}

/// Records a run on a disk that may lie.
pub(crate) fn record(disk: &Disk, turns: &[Turn], recovery: Recovery) -> Recording<Answer> {
    let start = disk.image();
    let marks = block_on(async {
        let store = super::open_with(disk.clone(), recovery).expect("it opens");
        act(&store, disk, turns).await
    });
    Recording { start, events: disk.events(), marks }
}
