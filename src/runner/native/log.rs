//! What a function writes of itself, kept in a file that cannot grow for ever.
//!
//! # Guarantees
//! No function is ever stopped by its log: what is not kept is taken all the
//! same. One that writes nothing leaves no file.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The log of one attempt.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    bytes_max: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nothing was written yet.
    Fresh,
    /// There is room for so many bytes more.
    Open { file: File, room: u64 },
    /// Nothing more is kept.
    Cut,
}

impl Log {
    /// A log in this file, which is made with its folder once there is something to keep.
    pub(super) const fn new(path: PathBuf, bytes_max: u64) -> Self {
        Self { path, bytes_max, state: Mutex::new(State::Fresh) }
    }

    /// Keeps these bytes, as far as there is room.
    pub(super) fn write(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Fresh) {
            // A log that cannot be opened is cut where it began.
            *state = self.create().map_or(State::Cut, |file| State::Open { file, room: self.bytes_max });
        }
        let State::Open { file, room } = &mut *state else { return };
        let fits = usize::try_from(*room).unwrap_or(usize::MAX).min(bytes.len());
        let written = file.write_all(&bytes[..fits]);
        *room -= fits as u64;
        if fits < bytes.len() || written.is_err() {
            // The note is for people; on a full disk there is no room for it.
            let _ = writeln!(file, "\n[heeler: the output was cut here; a log holds {} bytes]", self.bytes_max);
            *state = State::Cut;
        }
    }

    fn create(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)
    }
}

/// Writes into the log of an attempt; never fails. Made by [`NativeJob::log_writer`](super::NativeJob::log_writer).
#[derive(Debug, Clone)]
pub struct LogWriter(pub(super) Arc<Log>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_log_is_cut_at_its_limit_and_says_so_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("job/1/log");
        let mut writer = LogWriter(Arc::new(Log::new(path.clone(), 6)));
        assert!(!path.exists());
        for _ in 0..3 {
            writer.write_all(b"woof").expect("it never fails");
        }
        let kept = fs::read_to_string(&path).expect("a log");
        assert_eq!(kept, "woofwo\n[heeler: the output was cut here; a log holds 6 bytes]\n");
    }

    #[test]
    fn a_log_that_cannot_be_kept_stops_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("job"), "in the way").expect("a file");
        let mut writer = LogWriter(Arc::new(Log::new(folder.path().join("job/1/log"), 6)));
        writer.write_all(b"woof").expect("it never fails");
    }
}
