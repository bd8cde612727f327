//! What becomes of a store that is made of a backup.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heeler::domain::time::Timestamp;
use heeler::service::stock::{self, Error, Present};
use heeler::store::backup::BackupError;
use heeler::store::redb::{Options, RedbStore};
use heeler::store::{OpenError, Position, Rev, Store, WatchError};
use tempfile::TempDir;

use crate::state::workload::{Workload, state_over};
use crate::store::crash::block_on;
use crate::store::{put, rows};

const NOW: Timestamp = Timestamp::from_millis(1_795_255_200_000);

struct Place {
    folder: TempDir,
}

impl Place {
    /// A folder with a store in which something has happened, and a backup of it.
    fn new(turns: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        {
            let store: Arc<dyn Store> = Arc::new(open(&place.file("store")));
            let state = state_over(&store);
            let mut workload = Workload::new(3);
            for _ in 0..turns {
                block_on(workload.turn(&state));
            }
        }
        stock::back_up(&place.file("store"), &place.file("backup")).expect("it is made");
        place
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All files with what is in them, but for locks.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let files = paths.filter(|path| path.extension().is_none_or(|kind| kind != "lock"));
        files.map(|path| (path.clone(), fs::read(path).expect("it reads"))).collect()
    }

    fn restore(&self, from: &str, to: &str, present: Present) -> Result<stock::Restored, Error> {
        stock::restore(&self.file(from), &self.file(to), present, NOW)
    }
}

fn open(path: &Path) -> RedbStore {
    RedbStore::open(path, Options::default()).expect("it opens")
}

#[test]
fn a_restored_store_has_the_rows_of_the_backup_and_is_sound() {
    let place = Place::new(80);
    let restored = place.restore("backup", "again", Present::Keep).expect("it is restored");
    let (before, after) = (open(&place.file("store")), open(&place.file("again")));
    assert_eq!(block_on(rows(&before)), block_on(rows(&after)), "tags of what has not changed are the same");
    assert_eq!(*before.committed().borrow(), restored.backup.rev);
    assert_eq!(*after.committed().borrow(), restored.rev);
    drop((before, after));
    let mut found = Vec::new();
    let counts = stock::verify(&place.file("again"), &mut |finding| found.push(finding.to_string())).expect("it reads");
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(counts.rows, restored.backup.rows);
    assert!(counts.resources > 0 && counts.jobs > 0);
}

#[test]
fn no_revision_comes_again_whatever_is_restored_and_how_often() {
    let place = Place::new(20);
    let mut newest = Rev::default();
    for round in 0..4 {
        let now = Timestamp::from_millis(NOW.as_millis() + round);
        let restored = stock::restore(&place.file("backup"), &place.file("again"), Present::PutAside, now);
        let restored = restored.expect("it is restored");
        assert!(restored.rev.0 >= restored.backup.rev.0 + (1 << 32), "{restored:?}");
        assert!(restored.rev > newest, "{restored:?}, and {newest:?} was given out");
        assert_eq!(restored.aside.is_some(), round > 0);
        let store = open(&place.file("again"));
        for _ in 0..5 {
            newest = block_on(store.commit(put("a", "1"))).expect("it commits");
            assert!(newest > restored.rev);
        }
    }
}

#[test]
fn who_followed_the_changes_of_before_is_told_to_begin_anew() {
    let place = Place::new(20);
    let restored = place.restore("backup", "again", Present::Keep).expect("it is restored");
    let store = open(&place.file("again"));
    // Of before the backup, of after it, and of far after it.
    for rev in [0, 1, restored.backup.rev.0, restored.backup.rev.0 + 9, restored.rev.0 - 1] {
        let asked = block_on(store.changes(Position { rev: Rev(rev), n: 7 }, 10));
        assert!(matches!(asked, Err(WatchError::Compacted)), "{rev}: {asked:?}");
    }
    let (rev, _) = block_on(store.get(&[])).expect("it reads");
    let mut txn = put("a", "1");
    txn.log = vec!["new".into()];
    block_on(store.commit(txn)).expect("it commits");
    let changes = block_on(store.changes(Position { rev, n: 0 }, 10)).expect("nothing is forgotten since");
    assert_eq!(changes.entries.len(), 1);
}

#[test]
fn a_backup_that_is_not_whole_is_refused_and_everything_stays_as_it_is() {
    let place = Place::new(40);
    let whole = fs::read(place.file("backup")).expect("it is there");
    let length = whole.len();
    type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
    let table: [(&str, Damage<'_>); 7] = [
        ("cut to nothing", &|bytes| bytes.clear()),
        ("cut within its head", &|bytes| bytes.truncate(20)),
        ("cut in the middle", &|bytes| bytes.truncate(length / 2)),
        ("without its last byte", &|bytes| bytes.truncate(length - 1)),
        ("a bit of its first row", &|bytes| bytes[60] ^= 4),
        ("a bit of its middle", &|bytes| bytes[length / 2] ^= 1),
        ("a bit of its digest", &|bytes| bytes[length - 1] ^= 128),
    ];
    for (name, damage) in table {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(place.file("backup"), bytes).expect("there is room");
        let before = place.files();
        for (to, present) in [("again", Present::Keep), ("store", Present::PutAside)] {
            let error = place.restore("backup", to, present).expect_err("it is not whole");
            assert!(matches!(error, Error::Backup { .. }), "{name}: {error:?}");
            assert!(place.files() == before, "{name}: {error}, and something has changed");
        }
    }
}

#[test]
fn a_store_that_is_there_is_put_aside_when_that_is_said_and_left_alone_otherwise() {
    let place = Place::new(20);
    let before = place.files();
    let error = place.restore("backup", "store", Present::Keep).expect_err("it is there");
    assert!(matches!(error, Error::Exists { .. }), "{error:?}");
    assert!(place.files() == before);

    let restored = place.restore("backup", "store", Present::PutAside).expect("it is restored");
    let aside = restored.aside.expect("it was put aside");
    assert_eq!(aside, place.file("store.before-20261121T100000.000Z"));
    assert!(fs::read(&aside).expect("it is there") == before[&place.file("store")]);
    assert_eq!(*open(&place.file("store")).committed().borrow(), restored.rev);

    // The name is taken by now.
    let before = place.files();
    let error = place.restore("backup", "store", Present::PutAside).expect_err("there is no room for it");
    assert!(matches!(error, Error::Restore(_)), "{error:?}");
    assert!(place.files() == before);
}

#[test]
fn a_store_that_is_in_use_is_not_replaced_nor_looked_at() {
    let place = Place::new(20);
    let store = open(&place.file("store"));
    let in_use = |error: &Error| matches!(error, Error::Open(OpenError::InUse { .. }));
    assert!(in_use(&place.restore("backup", "store", Present::PutAside).expect_err("it is in use")));
    assert!(in_use(&stock::verify(&place.file("store"), &mut |_| {}).expect_err("it is in use")));
    assert!(in_use(&stock::compact(&place.file("store")).expect_err("it is in use")));
    assert!(in_use(&stock::back_up(&place.file("store"), &place.file("other")).expect_err("it is in use")));
    assert!(!place.file("other").exists());
    block_on(store.commit(put("a", "1"))).expect("it goes on");
}

#[test]
fn to_look_at_a_store_changes_nothing_of_it_even_after_a_crash() {
    let place = Place::new(20);
    let store = open(&place.file("store"));
    block_on(store.commit(put("r", "no document"))).expect("it commits");
    // What the file would be if its owner ended now.
    fs::copy(place.file("store"), place.file("crashed")).expect("there is room");
    drop(store);
    let before = place.files();
    let mut found = Vec::new();
    stock::verify(&place.file("crashed"), &mut |finding| found.push(finding.to_string())).expect("it reads");
    assert_eq!(found, ["the row r: its key does not read"]);
    assert!(place.files() == before, "verify has changed something");
    stock::back_up(&place.file("crashed"), &place.file("backup")).expect("it is made");
    assert!(fs::read(place.file("crashed")).expect("it is there") == before[&place.file("crashed")]);
    // Nothing is made where nothing was.
    assert!(matches!(stock::verify(&place.file("none"), &mut |_| {}), Err(Error::Open(OpenError::Io { .. }))));
    assert!(!place.file("none").exists() && !place.file("none.lock").exists());
}

#[test]
fn a_store_that_has_lost_much_is_smaller_once_it_is_compact_and_holds_the_same() {
    let place = Place::new(20);
    let large = "x".repeat(1 << 20);
    {
        let store = open(&place.file("store"));
        for n in 0..24 {
            block_on(store.commit(put(&format!("h{n}"), &large))).expect("it commits");
        }
        for n in 1..24 {
            let ops = vec![heeler::store::Op::Delete(crate::store::key(format!("h{n}")))];
            block_on(store.commit(heeler::store::Txn { ops, ..Default::default() })).expect("it commits");
        }
    }
    let before = block_on(rows(&open(&place.file("store"))));
    let sizes = stock::compact(&place.file("store")).expect("it is compacted");
    assert!(sizes.after < sizes.before, "{sizes:?}");
    assert_eq!(fs::metadata(place.file("store")).expect("it is there").len(), sizes.after);
    assert_eq!(block_on(rows(&open(&place.file("store")))), before);
}

#[test]
fn a_backup_goes_nowhere_where_something_else_is() {
    let place = Place::new(20);
    let before = place.files();
    let error = stock::back_up(&place.file("store"), &place.file("store")).expect_err("that is the store");
    assert!(matches!(error, Error::Backup { source: BackupError::Occupied(_), .. }), "{error:?}");
    assert!(place.files() == before);
}
