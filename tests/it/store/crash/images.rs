//! What a disk may hold after a loss of power at any moment.

use super::disk::{Event, Image};

/// The unit that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What became of what was done after the last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// All of it is lost.
    Lost,
    /// All of it was kept.
    Kept,
    /// Each sector and each length was lost or kept, by this seed.
    Torn(u64),
}

/// What a disk may hold after a loss of power.
#[derive(Debug)]
pub(crate) struct Crash {
    /// How many events had taken place.
    pub(crate) position: usize,
    /// What became of the last of them.
    pub(crate) variant: Variant,
    /// What is on the disk.
    pub(crate) image: Image,
}

/// Every position of a log of events, which began with `start` on the disk,
/// each in `torn` variants beside those of [`Variant::Lost`] and
/// [`Variant::Kept`].
pub(crate) fn images(start: &Image, events: &[Event], torn: u64) -> impl Iterator<Item = Crash> {
    let mut synced = start.clone();
    let mut kept = start.clone();
    let mut first_unsynced = 0;
    (0..=events.len()).flat_map(move |position| {
        if position > 0 {
            let event = &events[position - 1];
            kept.apply(event);
            if matches!(event, Event::Sync) {
                synced = kept.clone();
                first_unsynced = position;
            }
        }
        let unsynced = &events[first_unsynced..position];
        let mut crashes = vec![Crash { position, variant: Variant::Lost, image: synced.clone() }];
        if !unsynced.is_empty() {
            crashes.push(Crash { position, variant: Variant::Kept, image: kept.clone() });
            crashes.extend((0..torn).map(|n| {
                let seed = position as u64 * 1_000_003 + n;
                Crash { position, variant: Variant::Torn(seed), image: tear(synced.clone(), unsynced, seed) }
            }));
        }
        crashes
    })
}

/// Applies a random part of what was not synced.
fn tear(mut image: Image, unsynced: &[Event], seed: u64) -> Image {
    let mut dice = Dice(seed);
    for event in unsynced {
        match event {
            Event::SetLen(_) => {
                if dice.one_in(2) {
                    image.apply(event);
                }
            }
            Event::Write(offset, data) => {
                // Some writes are kept whole, so that not every image is the same porridge.
                let whole = dice.one_in(3);
                for (n, sector) in data.chunks(SECTOR).enumerate() {
                    if whole || dice.one_in(2) {
                        image.write(offset + (n * SECTOR) as u64, sector);
                    }
                }
            }
            Event::Sync => {}
        }
    }
    image
}

/// Random numbers that a seed repeats (splitmix64).
#[derive(Debug)]
pub(crate) struct Dice(pub u64);

impl Dice {
    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}
