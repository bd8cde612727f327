//! A disk that remembers what was done to it, and that can fail or lie.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// The unit in which an [`Image`] shares what it has in common with others.
const PAGE: usize = 4096;

/// What a disk holds. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    len: u64,
    /// `None` is all zeros.
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
}

/// Something that was done to a disk.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Bytes were written at an offset.
    Write(u64, Arc<[u8]>),
    /// The length was set.
    SetLen(u64),
    /// All before it is safe from a loss of power.
    Sync,
}

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vice {
    /// Nothing.
    None,
    /// Every change fails from that one on, counted from 0.
    FailsFrom(usize),
    /// That change panics, and every later one fails.
    PanicsAt(usize),
    /// From that change on it says that it has synced, and has not.
    LiesFrom(usize),
}

/// A disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    image: Image,
    events: Vec<Event>,
    changes: usize,
    vice: Vice,
}

impl Image {
    /// Writes bytes, beyond the end if need be.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        if end > self.len {
            self.set_len(end);
        }
        let mut at = usize::try_from(offset).expect("test disks are small");
        let mut data = data;
        while !data.is_empty() {
            let within = at % PAGE;
            let (now, later) = data.split_at(data.len().min(PAGE - within));
            let page = self.pages[at / PAGE].get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[within..within + now.len()].copy_from_slice(now);
            at += now.len();
            data = later;
        }
    }

    /// Cuts off what is beyond, or fills up with zeros.
    pub(crate) fn set_len(&mut self, len: u64) {
        let bytes = usize::try_from(len).expect("test disks are small");
        if len < self.len
            && let Some(Some(last)) = self.pages.get_mut(bytes / PAGE)
        {
            Arc::make_mut(last)[bytes % PAGE..].fill(0);
        }
        self.pages.resize(bytes.div_ceil(PAGE), None);
        self.len = len;
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut at = usize::try_from(offset).expect("test disks are small");
        let mut out = out;
        while !out.is_empty() {
            let within = at % PAGE;
            let (now, later) = out.split_at_mut((PAGE - within).min(out.len()));
            match &self.pages[at / PAGE] {
                Some(page) => now.copy_from_slice(&page[within..within + now.len()]),
                None => now.fill(0),
            }
            at += now.len();
            out = later;
        }
        Ok(())
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).expect("test disks are small")];
        self.read(0, &mut bytes).expect("it is all there");
        bytes
    }

    /// Does what was done, all of it.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Write(offset, data) => self.write(*offset, data),
            Event::SetLen(len) => self.set_len(*len),
            Event::Sync => {}
        }
    }
}

impl Disk {
    /// A disk that holds something already.
    pub(crate) fn new(image: Image, vice: Vice) -> Self {
        Self(Arc::new(Mutex::new(State { image, events: Vec::new(), changes: 0, vice })))
    }

    /// An empty disk.
    pub(crate) fn empty(vice: Vice) -> Self {
        Self::new(Image::default(), vice)
    }

    /// What it holds while the power stays on.
    pub(crate) fn image(&self) -> Image {
        self.state().image.clone()
    }

    /// How much has been done to it.
    pub(crate) fn position(&self) -> usize {
        self.state().events.len()
    }

    /// What has been done to it.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// Whether its vice has shown.
    pub(crate) fn has_failed(&self) -> bool {
        let state = self.state();
        matches!(state.vice, Vice::FailsFrom(n) | Vice::PanicsAt(n) if state.changes > n)
    }

    fn change(&self, event: Event) -> io::Result<()> {
        let mut state = self.state();
        let now = state.changes;
        state.changes += 1;
        match (state.vice, &event) {
            (Vice::PanicsAt(n), _) if now == n => panic!("the disk has gone mad"),
            (Vice::FailsFrom(n) | Vice::PanicsAt(n), _) if now >= n => {
                return Err(io::Error::other("the disk has failed"));
            }
            (Vice::LiesFrom(n), Event::Sync) if now >= n => return Ok(()),
            _ => {}
        }
        state.image.apply(&event);
        state.events.push(event);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().image.len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.state().image.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Event::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Event::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Event::Write(offset, data.into()))
    }
}
