//! From the bytes of a backup to rows, each judged as it comes.

use std::io::{self, Read};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{BackupError, END, FORMAT_NEWEST, MAGIC, ROW};
use crate::store::{Entry, Key, Limits, Rev};

/// The most bytes of a row: what no transaction could have put is a damage.
const ROW_BYTES_MAX: usize = Limits::EMBEDDED.txn_bytes_max;

/// What a whole backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The newest revision of the store.
    pub rev: Rev,
    /// How many rows there are.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Reads a backup, row by row. Only once it has given the end is it whole.
#[derive(Debug)]
pub struct Reader<R> {
    from: Hashed<R>,
    rev: Rev,
    rows: u64,
    last: Option<Key>,
}

/// Counts and digests what is read.
#[derive(Debug)]
struct Hashed<R> {
    from: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Hashed<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        self.from.read_exact(bytes).map_err(cut)?;
        self.digest.update(&*bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

fn cut(error: io::Error) -> BackupError {
    if error.kind() == io::ErrorKind::UnexpectedEof { BackupError::Cut } else { BackupError::Io(error) }
}

impl<R: Read> Reader<R> {
    /// Reads the head of a backup. Many small reads follow: give it a buffer.
    ///
    /// # Errors
    /// [`BackupError`]: it is none, or not one of a format that is known.
    pub fn new(from: R) -> Result<Self, BackupError> {
        let mut from = Hashed { from, digest: Sha256::new(), bytes: 0 };
        match from.array::<{ MAGIC.len() }>() {
            Ok(magic) if magic == *MAGIC => {}
            Ok(_) | Err(BackupError::Cut) => return Err(BackupError::Foreign),
            Err(error) => return Err(error),
        }
        match u32::from_be_bytes(from.array()?) {
            FORMAT_NEWEST => {}
            found if found > FORMAT_NEWEST => return Err(BackupError::Newer { found, newest: FORMAT_NEWEST }),
            found => return Err(BackupError::Damaged(format!("there is no format {found}"))),
        }
        let rev = Rev(u64::from_be_bytes(from.array()?));
        Ok(Self { from, rev, rows: 0, last: None })
    }

    /// The newest revision of the store.
    #[must_use]
    pub const fn rev(&self) -> Rev {
        self.rev
    }

    /// The next row; `None` at the end of a backup that is whole.
    ///
    /// # Errors
    /// [`BackupError`]: it is not whole.
    pub fn next_row(&mut self) -> Result<Option<(Key, Entry)>, BackupError> {
        match self.from.array()? {
            [ROW] => self.row().map(Some),
            [END] => self.end().map(|()| None),
            [other] => Err(BackupError::Damaged(format!("after row {} comes {other:#04x}", self.rows))),
        }
    }

    fn row(&mut self) -> Result<(Key, Entry), BackupError> {
        let rev = Rev(u64::from_be_bytes(self.from.array()?));
        let mut length = || Ok::<_, BackupError>(u64::from(u32::from_be_bytes(self.from.array()?)));
        let (key, value) = (length()?, length()?);
        self.rows += 1;
        let damaged = |what: &str| Err(BackupError::Damaged(format!("row {} {what}", self.rows)));
        if key + value > ROW_BYTES_MAX as u64 {
            return damaged("is larger than a row can be");
        }
        if rev > self.rev || rev == Rev::default() {
            return damaged("has a revision that the store did not make");
        }
        let mut bytes = |length: u64| {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(ROW_BYTES_MAX)];
            self.from.fill(&mut bytes)?;
            Ok::<_, BackupError>(Bytes::from(bytes))
        };
        let (key, value) = (Key(bytes(key)?), bytes(value)?);
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(BackupError::Damaged(format!("row {} is not in its place", self.rows)));
        }
        self.last = Some(key.clone());
        Ok((key, Entry { value, rev }))
    }

    fn end(&mut self) -> Result<(), BackupError> {
        let rows = u64::from_be_bytes(self.from.array()?);
        let digest = self.from.digest.clone().finalize();
        if self.from.array::<32>()? != digest[..] {
            return Err(BackupError::Damaged("its digest is another one".to_owned()));
        }
        if rows != self.rows {
            return Err(BackupError::Damaged(format!("it has {} rows of {rows}", self.rows)));
        }
        match self.from.from.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(BackupError::Damaged("it goes on after its end".to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// What it held, once it has given its end.
    #[must_use]
    pub const fn summary(&self) -> Summary {
        Summary { rev: self.rev, rows: self.rows, bytes: self.from.bytes }
    }
}

/// Reads a backup to its end, and says what it holds.
///
/// # Errors
/// [`BackupError`]: it is not whole.
pub fn check(from: impl Read) -> Result<Summary, BackupError> {
    let mut reader = Reader::new(from)?;
    while reader.next_row()?.is_some() {}
    Ok(reader.summary())
}
