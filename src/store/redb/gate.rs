//! Holds back what the engine writes until the file is known to be ours.
//!
//! Opening a file that was not closed makes the engine repair it, before anyone
//! can look what is in it. Behind the gate it repairs in memory. If the file is
//! ours the gate is opened: what was held back is written, in its order and
//! with its flushes, so a crash meanwhile is one that the engine expects. If it
//! is not, the gate stays shut and the file is as it was.

use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::redb::{BackendError, StorageBackend};

/// A backend behind a gate. Clones are the same gate.
#[derive(Debug)]
pub(super) struct Gate<B>(Arc<Inner<B>>);

#[derive(Debug)]
struct Inner<B> {
    backend: B,
    open: AtomicBool,
    held: Mutex<Vec<Held>>,
}

/// Something that the engine did while the gate was shut.
#[derive(Debug)]
enum Held {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

impl<B> Clone for Gate<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: StorageBackend> Gate<B> {
    /// Puts a backend behind a gate, which is shut.
    pub(super) fn shut(backend: B) -> Self {
        Self(Arc::new(Inner { backend, open: AtomicBool::new(false), held: Mutex::default() }))
    }

    /// Writes what was held back, and lets everything through from now on.
    pub(super) fn open(&self) -> io::Result<()> {
        let mut held = self.held();
        for held in held.drain(..) {
            match held {
                Held::Write(offset, data) => self.0.backend.write(offset, &data)?,
                Held::SetLen(len) => self.0.backend.set_len(len)?,
                Held::Sync => self.0.backend.sync_data()?,
            }
        }
        self.0.open.store(true, Ordering::Release);
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Acquire)
    }

    fn hold(&self, held: Held) {
        self.held().push(held);
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads as if what is held back had been written. There is little of it,
    /// so that going through all of it for each read is fast enough.
    fn read_through(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let held = self.held();
        let end = offset + out.len() as u64;
        let below = self.0.backend.len()?;
        if end > held_len(&held, below) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.fill(0);
        if offset < below {
            let there = usize::try_from(below.min(end) - offset).expect("it is at most the length of `out`");
            self.0.backend.read(offset, &mut out[..there])?;
        }
        for held in held.iter() {
            match held {
                Held::Write(at, data) => overlay(out, offset, data, *at),
                // What is cut off comes back as zeros if the length grows again.
                Held::SetLen(len) if *len < end => {
                    let from =
                        usize::try_from(len.saturating_sub(offset)).expect("it is less than the length of `out`");
                    out[from..].fill(0);
                }
                Held::SetLen(_) | Held::Sync => {}
            }
        }
        Ok(())
    }
}

fn held_len(held: &[Held], below: u64) -> u64 {
    held.iter().fold(below, |len, held| match held {
        Held::Write(offset, data) => len.max(offset + data.len() as u64),
        Held::SetLen(len) => *len,
        Held::Sync => len,
    })
}

/// Copies the part of `data`, which is at `at`, that falls into `out`, which is at `offset`.
fn overlay(out: &mut [u8], offset: u64, data: &[u8], at: u64) {
    let start = at.max(offset);
    let end = (at + data.len() as u64).min(offset + out.len() as u64);
    if start < end {
        let index = |position: u64, base: u64| usize::try_from(position - base).expect("it is within a slice");
        let (from, to) = (index(start, at), index(end, at));
        out[index(start, offset)..index(end, offset)].copy_from_slice(&data[from..to]);
    }
}

impl<B: StorageBackend> StorageBackend for Gate<B> {
    fn len(&self) -> io::Result<u64> {
        let below = self.0.backend.len()?;
        Ok(if self.is_open() { below } else { held_len(&self.held(), below) })
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.is_open() { self.0.backend.read(offset, out) } else { self.read_through(offset, out) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.is_open() {
            return self.0.backend.set_len(len);
        }
        self.hold(Held::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.is_open() {
            return self.0.backend.sync_data();
        }
        self.hold(Held::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.is_open() {
            return self.0.backend.write(offset, data);
        }
        self.hold(Held::Write(offset, data.to_vec()));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.0.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.backend.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::redb::backends::InMemoryBackend;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
        Sync,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u64..90, vec(any::<u8>(), 1..30)).prop_map(|(at, data)| Step::Write(at, data)),
            2 => (0u64..120).prop_map(Step::SetLen),
            1 => Just(Step::Sync),
        ]
    }

    /// Does a step to a gate and to what it should be like, if that can be done.
    fn both(gate: &Gate<InMemoryBackend>, like: &mut Vec<u8>, step: &Step) {
        match step {
            Step::Write(at, data) => {
                let at = usize::try_from(*at).expect("it is small");
                // The engine, too, never writes beyond the end.
                if let Some(place) = like.get_mut(at..at + data.len()) {
                    place.copy_from_slice(data);
                    gate.write(at as u64, data).expect("it is held");
                }
            }
            Step::SetLen(len) => {
                like.resize(usize::try_from(*len).expect("it is small"), 0);
                gate.set_len(*len).expect("it is held");
            }
            Step::Sync => gate.sync_data().expect("it is held"),
        }
    }

    fn contents(backend: &impl StorageBackend) -> Vec<u8> {
        let mut bytes = vec![0xee; usize::try_from(backend.len().expect("it has one")).expect("it is small")];
        backend.read(0, &mut bytes).expect("it is all there");
        bytes
    }

    proptest! {
        #[test]
        fn a_gate_reads_as_if_it_were_open_and_writes_nothing_until_it_is(
            before in vec(any::<u8>(), 0..100), steps in vec(step(), 0..20), late in vec(step(), 0..5),
            from in 0usize..120, len in 0usize..40,
        ) {
            let below = InMemoryBackend::new();
            below.set_len(before.len() as u64).expect("it has room");
            below.write(0, &before).expect("it has room");
            let gate = Gate::shut(below);
            let mut like = before.clone();
            for step in &steps {
                both(&gate, &mut like, step);
                prop_assert_eq!(&contents(&gate), &like);
                prop_assert_eq!(&contents(&gate.0.backend), &before);
            }
            let mut part = vec![0xee; len];
            let read = gate.read(from as u64, &mut part);
            match like.get(from..from + len) {
                Some(want) => { prop_assert!(read.is_ok()); prop_assert_eq!(part, want); }
                None => prop_assert!(read.is_err()),
            }
            gate.open().expect("it has room");
            prop_assert_eq!(&contents(&gate.0.backend), &like);
            for step in &late {
                both(&gate, &mut like, step);
                prop_assert_eq!(&contents(&gate.0.backend), &like);
            }
        }
    }
}
