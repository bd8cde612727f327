//! Losses of power in a run of the state over the embedded store.

use std::sync::Arc;

use heeler::store::Store;

use super::complaints;
use super::workload::{Workload, state_over};
use crate::store::crash::disk::{Disk, Vice};
use crate::store::crash::{Recording, after_every_crash, block_on, open, torn_variants};

const TURNS: usize = 40;

/// The revision of the store once an event was answered.
#[derive(Debug, Clone)]
struct Answered {
    rev: u64,
}

fn record(seed: u64, vice: Vice) -> Recording<Answered> {
    let disk = Disk::empty(Vice::None);
    drop(open(disk.clone()).expect("it opens"));
    let disk = Disk::new(disk.image(), vice);
    let start = disk.image();
    let mut marks = Vec::new();
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(open(disk.clone()).expect("it opens"));
        let state = state_over(&store);
        let mut workload = Workload::new(seed);
        for _ in 0..TURNS {
            workload.turn(&state).await;
            marks.push((disk.position(), Answered { rev: store.committed().borrow().0 }));
        }
        assert!(workload.happened > TURNS / 4, "only {} events were taken", workload.happened);
    });
    Recording { start, events: disk.events(), marks }
}

fn crash_everywhere(vice: Vice) -> Result<usize, String> {
    after_every_crash(&record(3, vice), torn_variants(), |store, answered| {
        block_on(async {
            let (rev, _) = store.get(&[]).await.map_err(|error| error.to_string())?;
            let acknowledged = answered.last().map_or(0, |(_, answered)| answered.rev);
            if rev.0 < acknowledged {
                return Err(format!("{acknowledged} was answered, and the store is at {}", rev.0));
            }
            match complaints(store).await.as_slice() {
                [] => Ok(()),
                found => Err(found.join("; ")),
            }
        })
    })
}

#[test]
fn after_a_loss_of_power_every_resource_is_whole_and_every_index_row_is_its_own() {
    let looked_at = crash_everywhere(Vice::None).unwrap_or_else(|complaint| panic!("{complaint}"));
    assert!(looked_at > 200, "{looked_at} images are too few to say anything");
}

#[test]
fn the_crash_test_sees_a_disk_that_says_it_has_synced_and_has_not() {
    crash_everywhere(Vice::LiesFrom(40)).expect_err("the disk lies");
}
