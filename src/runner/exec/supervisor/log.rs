//! The output of the work, kept in a file that cannot grow for ever.
//!
//! # Guarantees
//! The work is never blocked by its output: what is not kept is read all the
//! same. A log that cannot be written is cut where that began.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};

use crate::runner::exec::record::Kept;

/// How much is read at once; what a pipe holds, usually.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks are read after the last process is gone. The pipe holds no
/// more; a process elsewhere that was handed its end must not go on for ever.
const LAST_CHUNKS_MAX: usize = 32;

/// The output of the work: a pipe, and the file that it is pumped into.
#[derive(Debug)]
pub(super) struct Log {
    pipe: Option<PipeReader>,
    file: Option<File>,
    room: u64,
    bytes_max: u64,
    kept: Kept,
}

impl Log {
    /// Pumps into `file`, at most `bytes_max` bytes. The writer is for the work.
    pub(super) fn new(file: File, bytes_max: u64) -> std::io::Result<(Self, PipeWriter)> {
        let (pipe, writer) = std::io::pipe()?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok((Self { pipe: Some(pipe), file: Some(file), room: bytes_max, bytes_max, kept: Kept::Whole }, writer))
    }

    /// The pipe, while somebody can write into it.
    pub(super) const fn pipe(&self) -> Option<&PipeReader> {
        self.pipe.as_ref()
    }

    /// Takes what is in the pipe, at most one chunk, and says whether there was any.
    pub(super) fn pump(&mut self) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        let mut chunk = [0; CHUNK_BYTES];
        match pipe.read(&mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(length) => {
                self.write(&chunk[..length]);
                return true;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.pipe = None,
        }
        false
    }

    /// Takes the rest, and says what was kept of all.
    pub(super) fn finish(&mut self) -> Kept {
        for _ in 0..LAST_CHUNKS_MAX {
            if !self.pump() {
                break;
            }
        }
        self.kept
    }

    fn write(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let fits = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        let written = file.write_all(&bytes[..fits]);
        self.room -= fits as u64;
        if fits < bytes.len() || written.is_err() {
            // The note is for people; on a full disk there is no room for it.
            let _ = writeln!(file, "\n[heeler: the output was cut here; a log holds {} bytes]", self.bytes_max);
            self.kept = Kept::Cut;
            self.file = None;
        }
    }
}
