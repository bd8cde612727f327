//! The output of the work, kept in a file that cannot grow for ever, and an
//! index that says what came from where, and when.
//!
//! # Guarantees
//! The work is never blocked by its output: what is not kept is read all the
//! same. A log that cannot be written is cut where that began, and says so.
//! The two streams stand in the file as they were read, line by line: a line is
//! in one piece unless it is very long or its end is long in coming.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::time::{Duration, Instant, SystemTime};

use crate::domain::log::{Entry, Stream};
use crate::domain::time::Timestamp;
use crate::runner::exec::record::Kept;

/// How much is read at once; what a pipe holds, usually.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks are read after the last process is gone. The pipe holds no
/// more; a process elsewhere that was handed its end must not go on for ever.
const LAST_CHUNKS_MAX: usize = 32;

/// The longest piece of a line that is waited for; what is longer is split.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// How long the end of a line is waited for: a prompt, or a bar that grows, is
/// to be seen meanwhile.
const LINE_PATIENCE: Duration = Duration::from_millis(200);

/// The smallest bound of the index: that of a log of a few bytes is not what
/// should cut it.
const INDEX_BYTES_MIN: u64 = 64 * 1024;

/// The output of the work: two pipes, and the files that they are pumped into.
#[derive(Debug)]
pub(super) struct Log {
    sources: [Source; 2],
    files: Option<Files>,
    bytes_max: u64,
    kept: Kept,
}

/// What the work is given to write into.
#[derive(Debug)]
pub(super) struct Outputs {
    pub(super) stdout: PipeWriter,
    pub(super) stderr: PipeWriter,
}

#[derive(Debug)]
struct Files {
    log: File,
    index: File,
    /// How many bytes each of them still takes.
    log_room: u64,
    index_room: u64,
}

/// One stream, and the part of a line that was read of it.
#[derive(Debug)]
struct Source {
    stream: Stream,
    pipe: Option<PipeReader>,
    line: Vec<u8>,
    since: Option<Instant>,
}

impl Log {
    /// Pumps into these files, at most `bytes_max` bytes. The writers are for
    /// the work.
    pub(super) fn new(log: File, index: File, bytes_max: u64) -> std::io::Result<(Self, Outputs)> {
        let (out, stdout) = Source::new(Stream::Stdout)?;
        let (err, stderr) = Source::new(Stream::Stderr)?;
        let files = Files { log, index, log_room: bytes_max, index_room: bytes_max.max(INDEX_BYTES_MIN) };
        let log = Self { sources: [out, err], files: Some(files), bytes_max, kept: Kept::Whole };
        Ok((log, Outputs { stdout, stderr }))
    }

    /// The pipes into which somebody can write.
    pub(super) fn pipes(&self) -> impl Iterator<Item = &PipeReader> {
        self.sources.iter().filter_map(|source| source.pipe.as_ref())
    }

    /// When the part of a line is not waited for any longer.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.sources.iter().filter_map(|source| source.since?.checked_add(LINE_PATIENCE)).min()
    }

    /// Takes what is in the pipes, at most one chunk of each, and says whether
    /// there was any.
    pub(super) fn pump(&mut self) -> Pumped {
        let mut pumped = Pumped::Nothing;
        // The errors first: what was written before them is in the other pipe
        // by then, and stands before them.
        for source in self.sources.iter_mut().rev() {
            if let Pumped::Something = source.read() {
                pumped = Pumped::Something;
            }
        }
        for which in 0..self.sources.len() {
            let source = &mut self.sources[which];
            let (stream, ripe) = (source.stream, source.take_ripe());
            self.write(stream, &ripe);
        }
        pumped
    }

    /// Takes the rest, and says what was kept of all.
    pub(super) fn finish(&mut self) -> Kept {
        for _ in 0..LAST_CHUNKS_MAX {
            if let Pumped::Nothing = self.pump() {
                break;
            }
        }
        for which in 0..self.sources.len() {
            let source = &mut self.sources[which];
            let (stream, rest) = (source.stream, std::mem::take(&mut source.line));
            self.write(stream, &rest);
        }
        self.kept
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let Some(files) = &mut self.files else { return };
        if bytes.is_empty() || files.write(stream, bytes) {
            return;
        }
        // The note is for people; on a full disk there is no room for it.
        let note = format!("\n[heeler: the output was cut here; a log holds {} bytes]\n", self.bytes_max);
        files.append(Stream::Service, note.as_bytes());
        self.kept = Kept::Cut;
        self.files = None;
    }
}

/// Whether there was anything in a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    Something,
    Nothing,
}

impl Files {
    /// Writes as much as there is room for, and says whether that was all.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> bool {
        let room = usize::try_from(self.log_room).unwrap_or(usize::MAX);
        let fits = if self.index_room == 0 { 0 } else { room.min(bytes.len()) };
        self.log_room -= fits as u64;
        self.append(stream, &bytes[..fits]) && fits == bytes.len()
    }

    fn append(&mut self, stream: Stream, bytes: &[u8]) -> bool {
        // The text first: an index of what is not there would say nothing.
        if self.log.write_all(bytes).is_err() {
            return false;
        }
        let Ok(length) = u32::try_from(bytes.len()) else { return false };
        let entry = Entry { at: now(), stream, length }.encode();
        self.index_room = self.index_room.saturating_sub(entry.len() as u64);
        self.index.write_all(&entry).is_ok()
    }
}

fn now() -> Option<Timestamp> {
    let since = SystemTime::UNIX_EPOCH.elapsed().ok()?;
    Some(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?))
}

impl Source {
    fn new(stream: Stream) -> std::io::Result<(Self, PipeWriter)> {
        let (pipe, writer) = std::io::pipe()?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok((Self { stream, pipe: Some(pipe), line: Vec::new(), since: None }, writer))
    }

    fn read(&mut self) -> Pumped {
        let Some(pipe) = &mut self.pipe else { return Pumped::Nothing };
        let mut chunk = [0; CHUNK_BYTES];
        match pipe.read(&mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(length) => {
                self.line.extend_from_slice(&chunk[..length]);
                return Pumped::Something;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.pipe = None,
        }
        Pumped::Nothing
    }

    /// Takes whole lines, and of the last one what is too long or too old.
    fn take_ripe(&mut self) -> Vec<u8> {
        let lines = self.line.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let is_new = lines > 0;
        let is_long = self.line.len() - lines > LINE_BYTES_MAX;
        let is_old = !is_new && self.since.is_some_and(|since| since.elapsed() >= LINE_PATIENCE);
        let ripe = if is_long || is_old || self.pipe.is_none() { self.line.len() } else { lines };
        let rest = self.line.split_off(ripe);
        let taken = std::mem::replace(&mut self.line, rest);
        match (self.line.is_empty(), self.since) {
            (true, _) => self.since = None,
            (false, Some(_)) if !is_new => {}
            (false, _) => self.since = Some(Instant::now()),
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &[u8]) -> Source {
        let (mut source, writer) = Source::new(Stream::Stdout).expect("a pipe");
        source.line.extend_from_slice(text);
        // Somebody may still write.
        std::mem::forget(writer);
        source
    }

    #[test]
    fn lines_are_taken_whole_and_a_long_one_in_pieces() {
        for (text, taken, rest) in [
            ("", 0, 0),
            ("a", 0, 1),
            ("a\n", 2, 0),
            ("a\nb\nc", 4, 1),
            (&"x".repeat(LINE_BYTES_MAX), 0, LINE_BYTES_MAX),
            (&"x".repeat(LINE_BYTES_MAX + 1), LINE_BYTES_MAX + 1, 0),
            (&format!("a\n{}", "x".repeat(LINE_BYTES_MAX + 1)), LINE_BYTES_MAX + 3, 0),
        ] {
            let mut source = source(text.as_bytes());
            let found = source.take_ripe().len();
            assert_eq!((found, source.line.len()), (taken, rest), "{} bytes", text.len());
            assert_eq!(source.since.is_some(), rest > 0);
        }
    }

    #[test]
    fn the_end_of_a_line_is_not_waited_for_for_ever() {
        let mut source = source(b"password: ");
        assert_eq!(source.take_ripe(), b"");
        source.since = Instant::now().checked_sub(LINE_PATIENCE);
        assert_eq!(source.take_ripe(), b"password: ");
        assert_eq!(source.since, None);
    }

    #[test]
    fn the_end_of_a_stream_ends_its_line() {
        let mut source = source(b"no end");
        source.pipe = None;
        assert_eq!(source.take_ripe(), b"no end");
    }
}
