//! What a loss of power and a failing disk leave behind.
//!
//! A run over a [`Disk`] is recorded; [`after_every_crash`] then reopens what
//! the disk may have held at each of its events, and hands the store to a check
//! with what had been acknowledged by then. Other rooms bring their own runs and
//! checks.

use std::fmt::Debug;
use std::sync::Arc;

use heeler::store::redb::{Options, Recovery, RedbStore};
use heeler::store::{OpenError, Rev, Store};

pub(crate) mod disk;
pub(crate) mod images;

mod creation;
mod faults;
mod history;
mod power;

use disk::{Disk, Event, Image, Vice};
use images::images;

/// What was done to a disk, and what was acknowledged when.
#[derive(Debug)]
pub(crate) struct Recording<M> {
    /// What the disk held before.
    pub(crate) start: Image,
    /// What was done to it.
    pub(crate) events: Vec<Event>,
    /// What was acknowledged after how many events, in order.
    pub(crate) marks: Vec<(usize, M)>,
}

/// Runs the future of a test.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

/// Opens the store on a disk, with a cache that suits its size.
pub(crate) fn open(disk: Disk) -> Result<RedbStore, OpenError> {
    open_with(disk, Recovery::Walk)
}

/// The same, prepared for a crash in the one way or the other.
pub(crate) fn open_with(disk: Disk, recovery: Recovery) -> Result<RedbStore, OpenError> {
    let options = Options { cache_bytes: 8 << 20, recovery, ..Options::default() };
    RedbStore::over(disk, options)
}

/// How many torn variants of each position are tried: `HEELER_CRASH_VARIANTS`,
/// or one, which keeps the tests short.
pub(crate) fn torn_variants() -> u64 {
    std::env::var("HEELER_CRASH_VARIANTS")
        .ok()
        .map_or(1, |text| text.parse().expect("HEELER_CRASH_VARIANTS is a number"))
}

/// Reopens what the disk may have held after each event of a recording, and
/// has the check look at it: the store and what was acknowledged by then. The
/// first complaint with its place, or how many images were looked at.
///
/// Each store must take a commit afterwards, too, with the next revision.
pub(crate) fn after_every_crash<M: Debug>(
    recording: &Recording<M>,
    torn: u64,
    check: impl Fn(&Arc<dyn Store>, &[(usize, M)]) -> Result<(), String>,
) -> Result<usize, String> {
    let mut looked_at = 0;
    for crash in images(&recording.start, &recording.events, torn) {
        let acknowledged = recording.marks.partition_point(|(at, _)| *at <= crash.position);
        let place = format!("after {} of {} events, {:?}", crash.position, recording.events.len(), crash.variant);
        let store = open(Disk::new(crash.image, Vice::None)).map_err(|error| format!("{place}: {error}"))?;
        let store: Arc<dyn Store> = Arc::new(store);
        check(&store, &recording.marks[..acknowledged]).map_err(|complaint| format!("{place}: {complaint}"))?;
        block_on(goes_on(&*store)).map_err(|complaint| format!("{place}: {complaint}"))?;
        looked_at += 1;
    }
    Ok(looked_at)
}

async fn goes_on(store: &dyn Store) -> Result<(), String> {
    let (rev, _) = store.get(&[]).await.map_err(|error| error.to_string())?;
    let next = store.commit(super::put("after", "the crash")).await.map_err(|error| error.to_string())?;
    if next == Rev(rev.0 + 1) { Ok(()) } else { Err(format!("revision {next:?} follows {rev:?}")) }
}
