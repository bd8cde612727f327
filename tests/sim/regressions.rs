//! Seeds that once failed, with what they had found.

/// Each seed, with the number of steps after which it failed.
///
/// What a seed does changes with the simulation. A new kind of event goes
/// behind the others, or these are found anew by putting their faults back.
pub(crate) const SEEDS: [(u64, usize); 5] = [
    // Two jobs of one resource were claimed for one slot of an operation's limit.
    (631, 179),
    // An attempt that could not be started while the disk was full was waited for, for ever.
    (68, 46),
    // The last tick of a resource was launched by its deletion, and left no row in the ledger.
    (80, 44),
    // A tick of `missed: all` was launched after its deadline, being late by less than what counts as missed.
    (162, 150),
    // A job that a tick replaced in the commit of its claim was started all the same.
    (1339, 57),
];
