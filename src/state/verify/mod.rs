//! Whether what a store holds is what the service has made.
//!
//! # Guarantees
//! Nothing is changed. Every row is looked at: that it reads, that it belongs to
//! something, and that whatever belongs to that is there, as
//! [`super::rows_of`] and [`crate::reconcile::violations`] say. Memory is taken
//! for a page of rows and one resource, whatever the store holds.
//! # Not here
//! Whether the file is in order: that is the engine's to say.

mod row;

use std::collections::BTreeMap;

use bytes::Bytes;

use super::keys::{self, ResourceRow};
use super::{record, rows_of};
use crate::domain::id::{JobId, ResourceKey};
use crate::domain::job::Job;
use crate::reconcile::{ResourceState, violations};
use crate::store::{Entry, Key, Position, ReadError, Rev, Snapshot};

/// How many rows are read at once.
const ROWS_AT_ONCE: usize = 1_000;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which row, or what it is about.
    pub what: String,
    /// What is wrong with it.
    pub wrong: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.wrong)
    }
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows of all kinds.
    pub rows: u64,
    /// Resources.
    pub resources: u64,
    /// Jobs, finished ones too.
    pub jobs: u64,
    /// Entries of the change log.
    pub log: u64,
    /// What was found.
    pub findings: u64,
}

/// Looks at everything in a snapshot, and tells each finding.
///
/// # Errors
/// The storage failed.
pub fn verify(snapshot: &dyn Snapshot, tell: &mut dyn FnMut(&Finding)) -> Result<Counts, ReadError> {
    let mut verifier = Verifier { snapshot, tell, counts: Counts::default(), cached: None };
    verifier.rows()?;
    verifier.log()?;
    Ok(verifier.counts)
}

struct Verifier<'v> {
    snapshot: &'v dyn Snapshot,
    tell: &'v mut dyn FnMut(&Finding),
    counts: Counts,
    /// The resource that was looked at last: its index rows often stand together.
    cached: Option<Account>,
}

/// A resource, and the rows that it accounts for.
struct Account {
    state: ResourceState,
    rows: BTreeMap<Key, Bytes>,
}

impl Verifier<'_> {
    fn find(&mut self, what: impl ToString, wrong: impl Into<String>) {
        self.counts.findings += 1;
        (self.tell)(&Finding { what: what.to_string(), wrong: wrong.into() });
    }

    /// The same, at the end of a look at a row.
    fn found(&mut self, what: impl ToString, wrong: impl Into<String>) -> Result<(), ReadError> {
        self.find(what, wrong);
        Ok(())
    }

    fn rows(&mut self) -> Result<(), ReadError> {
        let mut after = None;
        loop {
            let page = self.snapshot.rows(after.as_ref(), ROWS_AT_ONCE)?;
            for (key, entry) in &page.rows {
                self.counts.rows += 1;
                if entry.rev > page.rev || entry.rev == Rev::default() {
                    let wrong = format!("it has revision {}, and the store is at {}", entry.rev.0, page.rev.0);
                    self.find(row::words(key), wrong);
                }
                self.row(key, entry)?;
            }
            after = page.rows.into_iter().next_back().map(|(key, _)| key);
            if !page.more {
                return Ok(());
            }
        }
    }

    fn log(&mut self) -> Result<(), ReadError> {
        let mut after = Position::default();
        loop {
            let page = self.snapshot.log(after, ROWS_AT_ONCE)?;
            for (at, entry) in &page.entries {
                self.counts.log += 1;
                let what = || format!("entry {}.{} of the change log", at.rev.0, at.n);
                if let Err(error) = record::decode_log(entry) {
                    self.find(what(), error.to_string());
                }
                if at.rev > self.snapshot.rev() {
                    self.find(what(), format!("the store is at revision {}", self.snapshot.rev().0));
                }
                after = *at;
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    /// A resource, by its document or, where that is missing, what is left of it.
    fn resource(&mut self, row: ResourceRow) -> Result<(), ReadError> {
        let key = match row {
            ResourceRow::Desired(key) => key,
            ResourceRow::Observed(key) => {
                // Where the document is there it has been looked at already.
                if !self.is_there(&keys::desired(&key))? {
                    self.find(key, "there is observed state without a document");
                }
                return Ok(());
            }
        };
        self.counts.resources += 1;
        let account = match self.load(&key)? {
            Ok(account) => account,
            Err(wrong) => {
                wrong.into_iter().for_each(|(what, wrong)| self.find(what, wrong));
                return Ok(());
            }
        };
        let expected: Vec<(Key, Bytes)> =
            account.rows.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        for wrong in violations(&account.state) {
            // Each begins with the resource, too.
            let wrong = wrong.strip_prefix(&format!("{key}: ")).map(str::to_owned).unwrap_or(wrong);
            self.find(&key, wrong);
        }
        self.cached = Some(account);
        self.missing(&expected, &key.to_string())
    }

    /// Tells which of these rows are not there, or hold something else.
    fn missing(&mut self, expected: &[(Key, Bytes)], of: &str) -> Result<(), ReadError> {
        let wanted: Vec<Key> = expected.iter().map(|(key, _)| key.clone()).collect();
        let there = self.snapshot.get(&wanted)?;
        for ((key, value), entry) in expected.iter().zip(there) {
            match entry {
                None => self.find(row::words(key), format!("it is missing: {of} accounts for it")),
                // What does not read was told, or is told, where it stands.
                Some(entry) if entry.value != *value && row::is_index(key) => {
                    self.find(row::words(key), format!("it holds something else than {of} accounts for"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// What a resource accounts for; nothing where it does not read, which is
    /// told where it stands.
    fn account(&mut self, key: &ResourceKey) -> Result<Option<&Account>, ReadError> {
        if self.cached.as_ref().is_none_or(|cached| cached.state.key != *key) {
            self.cached = self.load(key)?.ok();
        }
        Ok(self.cached.as_ref())
    }

    /// The same, or everything that does not read of it.
    fn load(&self, key: &ResourceKey) -> Result<Result<Account, Vec<(String, String)>>, ReadError> {
        let pair = self.snapshot.get(&[keys::desired(key), keys::observed(key)])?;
        let mut wrong = Vec::new();
        let mut state = ResourceState::absent(key.clone());
        let [desired, observed] = pair.as_slice() else { return Ok(Err(wrong)) };
        if let Some(entry) = desired {
            match record::decode_desired(&entry.value).and_then(record::DesiredRecord::read) {
                Ok(desired) => state.desired = Some(desired),
                Err(error) => wrong.push((row::words(&keys::desired(key)), error.to_string())),
            }
        }
        if let Some(entry) = observed {
            match record::decode_observed(&entry.value) {
                Ok(observed) => state.observed = Some(observed),
                Err(error) => wrong.push((row::words(&keys::observed(key)), error.to_string())),
            }
        }
        let unfinished = state.observed.iter().flat_map(|o| o.activities.values()).flat_map(|status| &status.active);
        let unfinished: Vec<Key> = unfinished.map(|active| keys::job(active.id)).collect();
        for entry in self.snapshot.get(&unfinished)?.into_iter().flatten() {
            // One that does not read is told where it stands.
            if let Ok(job) = record::decode_job(&entry.value) {
                state.jobs.insert(job.id, job);
            }
        }
        if !wrong.is_empty() {
            return Ok(Err(wrong));
        }
        let rows = rows_of(&state);
        Ok(Ok(Account { state, rows }))
    }

    fn is_there(&self, key: &Key) -> Result<bool, ReadError> {
        Ok(self.entry(key)?.is_some())
    }

    fn entry(&self, key: &Key) -> Result<Option<Entry>, ReadError> {
        Ok(self.snapshot.get(std::slice::from_ref(key))?.into_iter().next().flatten())
    }

    /// A job, if there is one that reads.
    fn job_of(&self, id: JobId) -> Result<Option<Job>, ReadError> {
        Ok(self.entry(&keys::job(id))?.and_then(|entry| record::decode_job(&entry.value).ok()))
    }
}
