//! The last line that the work wrote: mostly why it failed.

use std::io::{Read, Seek, SeekFrom};

use super::folder::{Folder, LOG};
use crate::domain::job::clip;

/// The longest line that is repeated, in bytes: it is for one line on a screen.
const LINE_BYTES_MAX: usize = 256;

/// How much of the end of the log is looked at: a line that is longer is cut.
const TAIL_BYTES: u64 = 4 * 1024;

/// The last line of the log that is not empty, without what a terminal would obey.
pub(super) fn of(folder: &Folder) -> Option<String> {
    let (length, mut log) = folder.open_plain(LOG)?;
    log.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
    let mut tail = Vec::new();
    log.take(TAIL_BYTES).read_to_end(&mut tail).ok()?;
    last_line(&tail)
}

fn last_line(tail: &[u8]) -> Option<String> {
    let plain = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
    };
    let line = tail.rsplit(|byte| matches!(byte, b'\n' | b'\r')).map(plain).find(|line| !line.is_empty())?;
    Some(if line.len() > LINE_BYTES_MAX { format!("{}…", clip(&line, LINE_BYTES_MAX)) } else { line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_something_is_repeated() {
        for (tail, line) in [
            (&b""[..], None),
            (b"\n \n", None),
            (b"one\ntwo\n", Some("two")),
            (b"one\ntwo", Some("two")),
            (b"why\n\n\x1b\x07\n", Some("why")),
            (b"10%\r20%\r", Some("20%")),
            (b"a\xff b", Some("a\u{fffd} b")),
        ] {
            assert_eq!(last_line(tail).as_deref(), line, "{tail:?}");
        }
        let long = last_line("é".repeat(200).as_bytes()).expect("a line");
        assert_eq!(long, format!("{}…", "é".repeat(128)));
    }
}
