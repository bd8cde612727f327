//! Disks that fail.

use std::sync::Arc;

use heeler::store::{CommitError, Rev, Store};

use super::super::put;
use super::disk::{Disk, Vice};
use super::history::{Answer, History, Turn, acknowledged, act, turns};
use super::images::images;
use super::{block_on, open};

const TURNS: usize = 8;

/// After the first failure every answer is one, and the store says so.
fn answers_are_honest(answers: &[(usize, Answer)], failed: bool) {
    let mut stopped = false;
    for (_, answer) in answers {
        match answer {
            Answer::Committed(Ok(_)) | Answer::Compacted(Ok(())) => {
                assert!(!stopped, "an answer from a stopped store")
            }
            Answer::Committed(Err(CommitError::Conflict { .. })) => {
                assert!(!stopped, "a conflict with what may not be there")
            }
            Answer::Committed(Err(CommitError::Unknown(_) | CommitError::Stopped))
            | Answer::Compacted(Err(CommitError::Unknown(_) | CommitError::Stopped)) => {
                assert!(failed, "{answer:?} of a good disk");
                stopped = true;
            }
            Answer::Committed(Err(CommitError::TooLarge | CommitError::Full))
            | Answer::Compacted(Err(CommitError::Conflict { .. } | CommitError::TooLarge | CommitError::Full)) => {
                panic!("{answer:?} has nothing to do with it")
            }
        }
    }
}

async fn stays_stopped(store: &dyn Store) {
    let cause = store.failed().await;
    assert!(!cause.to_string().is_empty());
    assert!(matches!(store.commit(put("late", "1")).await, Err(CommitError::Stopped)));
    assert!(matches!(store.compact(Rev(1)).await, Err(CommitError::Stopped)));
}

/// Runs on a disk with a vice; whether that has shown.
fn run(vice: Vice, turns: &[Turn], history: &History) -> bool {
    let disk = Disk::empty(vice);
    let Ok(store) = open(disk.clone()) else {
        assert!(disk.has_failed(), "a good disk is opened");
        return true;
    };
    let answers = block_on(act(&store, &disk, turns));
    let stopped = answers.iter().any(|(_, answer)| {
        matches!(answer, Answer::Committed(Err(CommitError::Unknown(_) | CommitError::Stopped)))
            || matches!(answer, Answer::Compacted(Err(_)))
    });
    answers_are_honest(&answers, disk.has_failed());
    if stopped {
        block_on(stays_stopped(&store));
    }
    drop(store);
    let acknowledged = acknowledged(&answers);
    let unknown =
        answers.iter().filter(|(_, answer)| matches!(answer, Answer::Committed(Err(CommitError::Unknown(_))))).count()
            as u64;
    // What may be found after the failure: the last position in each variant.
    let events = disk.events();
    for crash in images(&Default::default(), &events, 1).filter(|crash| crash.position == events.len()) {
        let store: Arc<dyn Store> = Arc::new(open(Disk::new(crash.image, Vice::None)).expect("it opens again"));
        history
            .holds(&store, acknowledged)
            .unwrap_or_else(|complaint| panic!("{vice:?}, {:?}: {complaint}", crash.variant));
        let (rev, _) = block_on(store.get(&[])).expect("it can be read");
        assert!(
            rev.0 <= acknowledged.0 + unknown,
            "{vice:?}, {:?}: one is applied that was answered otherwise",
            crash.variant
        );
    }
    disk.has_failed()
}

#[test]
fn a_disk_that_fails_at_any_moment_loses_nothing_acknowledged_and_stops_the_store() {
    let turns = turns(3, TURNS);
    let history = History::of(&turns);
    let clean = (0..).find(|n| !run(Vice::FailsFrom(*n), &turns, &history)).expect("some run is shorter");
    assert!(clean > 60, "{clean} changes are too few to say anything");
}

#[test]
fn an_engine_that_panics_at_any_moment_loses_nothing_acknowledged_and_stops_the_store() {
    let turns = turns(4, TURNS);
    let history = History::of(&turns);
    let clean = (0..).find(|n| !run(Vice::PanicsAt(*n), &turns, &history)).expect("some run is shorter");
    assert!(clean > 60, "{clean} changes are too few to say anything");
}
