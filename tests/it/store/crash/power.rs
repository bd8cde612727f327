//! Losses of power.

use heeler::store::redb::Recovery;

use super::disk::{Disk, Image, Vice};
use super::history::{History, acknowledged, record, turns};
use super::{Recording, after_every_crash, torn_variants};

const TURNS: usize = 40;

fn created() -> Image {
    let disk = Disk::empty(Vice::None);
    drop(super::open(disk.clone()).expect("it opens"));
    disk.image()
}

fn crash_everywhere(vice: Vice, seed: u64, recovery: Recovery) -> Result<usize, String> {
    let turns = turns(seed, TURNS);
    let history = History::of(&turns);
    let recording = record(&Disk::new(created(), vice), &turns, recovery);
    after_every_crash(&recording, torn_variants(), |store, marks| history.holds(store, acknowledged(marks)))
}

#[test]
fn a_loss_of_power_loses_nothing_acknowledged_and_leaves_nothing_half_there() {
    for (seed, recovery) in [(1, Recovery::Walk), (2, Recovery::Prepared)] {
        let looked_at =
            crash_everywhere(Vice::None, seed, recovery).unwrap_or_else(|complaint| panic!("seed {seed}: {complaint}"));
        assert!(looked_at > 1000, "{looked_at} images are too few to say anything");
    }
}

#[test]
fn the_crash_test_sees_a_store_that_answers_before_it_syncs() {
    // Lying about every sync, about those of the later groups only, and so on.
    for first in [0, 40, 200] {
        let complaint = crash_everywhere(Vice::LiesFrom(first), 1, Recovery::Walk).expect_err("the disk lies");
        assert!(complaint.contains("acknowledged") || complaint.contains("damaged"), "{complaint}");
    }
}

#[test]
fn a_loss_of_power_during_the_recovery_of_the_last_one_loses_nothing_either() {
    let turns = turns(2, 8);
    let history = History::of(&turns);
    let first = record(&Disk::new(created(), Vice::None), &turns, Recovery::Walk);
    for crash in super::images::images(&first.start, &first.events, 1).step_by(17) {
        let count = first.marks.partition_point(|(at, _)| *at <= crash.position);
        let acknowledged = acknowledged(&first.marks[..count]);
        let disk = Disk::new(crash.image.clone(), Vice::None);
        drop(super::open(disk.clone()).expect("it opens"));
        let recovery: Recording<()> = Recording { start: crash.image, events: disk.events(), marks: vec![] };
        after_every_crash(&recovery, 1, |store, _| history.holds(store, acknowledged))
            .unwrap_or_else(|complaint| panic!("{} {:?}, then {complaint}", crash.position, crash.variant));
    }
}
