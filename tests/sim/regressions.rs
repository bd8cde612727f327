//! Seeds that once failed, with what they had found.

/// Each seed, with the number of steps after which it failed.
///
/// What a seed does changes with the simulation; each of these stays for as
/// long as it finds its fault again when that is put back.
pub(crate) const SEEDS: [(u64, usize); 1] = [
    // Two jobs of one resource were claimed for one slot of an operation's limit.
    (434, 213),
];
