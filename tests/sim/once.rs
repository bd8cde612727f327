//! I14: the same key gets the same answer, and has one effect.

use std::collections::BTreeMap;

use bytes::Bytes;
use heeler::state::{ONCE_KEPT, OnceRecord, keys, record};
use heeler::store::{Key, Op, Txn};

use crate::oracle::Oracle;

/// Who sends the keys of a run.
pub(crate) const PRINCIPAL: &str = "sim";

/// What is remembered under keys, and what ever was.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) rows: BTreeMap<Key, Bytes>,
    /// Every status and place that a key ever stood for.
    ever: BTreeMap<Key, Vec<(u16, Option<String>)>>,
}

fn is_of_keys(row: &Key) -> bool {
    keys::is_once(row) || keys::read_expiry(row).is_some()
}

/// The rows of keys among those that a transaction writes.
pub(crate) fn split(txn: &Txn) -> (Vec<&Op>, Vec<&Op>) {
    txn.ops.iter().partition(|op| {
        let (Op::Put(key, _) | Op::Delete(key)) = op;
        is_of_keys(key)
    })
}

fn read(value: &Bytes) -> Result<OnceRecord, String> {
    record::decode_once(value).map_err(|error| error.to_string())
}

impl Oracle {
    /// What a transaction does to the rows of keys.
    pub(crate) fn remember(&mut self, ops: &[&Op]) {
        for op in ops {
            match op {
                Op::Put(key, value) => {
                    let before = self.remembered.rows.insert(key.clone(), value.clone());
                    if keys::is_once(key)
                        && let Err(violation) = self.taken(key, before.as_ref(), value)
                    {
                        self.say(violation);
                    }
                }
                Op::Delete(key) => {
                    if self.remembered.rows.remove(key).is_none() {
                        self.say(format!("{key:?} was deleted and was not there"));
                    }
                }
            }
        }
        let answers = self.remembered.rows.keys().filter(|key| keys::is_once(key)).count();
        if self.remembered.rows.len() != 2 * answers {
            self.say(format!("{answers} answers are remembered, and {} rows", self.remembered.rows.len()));
        }
    }

    /// A key is taken once a day, and what it stands for is corrected at most.
    fn taken(&mut self, key: &Key, before: Option<&Bytes>, after: &Bytes) -> Result<(), String> {
        let after = read(after)?;
        if let Some(before) = before.map(read).transpose()? {
            let corrected = before.expires == after.expires && before.subject == after.subject;
            if !corrected && after.expires < before.expires.after(ONCE_KEPT) {
                return Err(format!("{key:?} stood for {before:?}, and stands for {after:?}"));
            }
        }
        self.remembered.ever.entry(key.clone()).or_default().push((after.status, after.location));
        Ok(())
    }

    /// A request was answered under a key.
    pub(crate) fn told(&mut self, key: &str, status: u16, location: Option<String>) {
        let row = keys::once(PRINCIPAL, key);
        let told = (status, location);
        if !self.remembered.ever.get(&row).is_some_and(|ever| ever.contains(&told)) {
            let ever = self.remembered.ever.get(&row);
            self.say(format!("key {key} was answered with {told:?}, and stood for {ever:?}"));
        }
    }
}
