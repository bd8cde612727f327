//! One owner, one format, and no harm to what is not ours.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use heeler::store::redb::{Check, Options, RedbStore};
use heeler::store::{OpenError, Rev, Store};
use redb::{Database, TableDefinition};
use tempfile::TempDir;

use super::crash::block_on;
use super::{put, rows};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("heeler.meta");

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("store");
    (folder, path)
}

fn open(path: &Path) -> Result<RedbStore, OpenError> {
    RedbStore::open(path, Options::default())
}

/// A store with one row, closed.
fn filled(path: &Path) {
    let store = open(path).expect("it opens");
    block_on(store.commit(put("a", "1"))).expect("it is applied");
}

/// What a file would be if its owner ended now.
fn crashed(path: &Path) {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).expect("there is room");
    fs::rename(copy, path).expect("it is the same folder");
}

/// Refuses to open what holds these bytes, and leaves them alone.
fn refused(path: &Path, options: Options) -> OpenError {
    let before = fs::read(path).expect("it is there");
    let error = RedbStore::open(path, options).expect_err("it is refused");
    assert!(fs::read(path).expect("it is there") == before, "{error}, and the file has changed");
    error
}

#[test]
fn a_store_that_is_open_is_in_use_and_free_once_it_is_closed() {
    let (_folder, path) = folder();
    let store = open(&path).expect("it opens");
    let OpenError::InUse { owner, .. } = open(&path).expect_err("it is in use") else { panic!("it is in use") };
    assert_eq!(owner, format!(" (pid {})", std::process::id()));
    store.close().expect("it closes");
    drop(open(&path).expect("it is free"));
    drop(store);
    open(&path).expect("it is free");
}

#[test]
fn the_lock_file_of_an_owner_that_is_gone_is_no_obstacle() {
    let (folder, path) = folder();
    fs::write(folder.path().join("store.lock"), "4194304 and more than a pid\n").expect("there is room");
    drop(open(&path).expect("it is free"));
    let pid = fs::read_to_string(folder.path().join("store.lock")).expect("it is there");
    assert_eq!(pid, format!("{}\n", std::process::id()));
}

#[test]
fn what_an_owner_that_is_gone_was_about_to_start_is_waited_for() {
    let (folder, path) = folder();
    filled(&path);
    let mut gone = Command::new("true").spawn().expect("a program");
    let pid = gone.id();
    gone.wait().expect("it ends");
    let lock = folder.path().join("store.lock");
    fs::write(&lock, format!("{pid}\n")).expect("there is room");
    let held = File::open(&lock).expect("it is there");
    held.try_lock().expect("it is free");
    // It lets go by itself, as a process does when it becomes the program.
    let program = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(held);
    });
    drop(open(&path).expect("it is free after a while"));
    program.join().expect("it does not panic");
}

#[test]
fn another_program_in_the_file_has_it_in_use() {
    let (_folder, path) = folder();
    filled(&path);
    let _other = Database::open(&path).expect("it is free");
    assert!(matches!(open(&path), Err(OpenError::InUse { .. })));
}

#[test]
fn what_is_not_a_store_is_foreign_and_left_alone() {
    let (_folder, path) = folder();
    let other = |path: &Path| {
        let db = Database::create(path).expect("it is created");
        let txn = db.begin_write().expect("it begins");
        txn.open_table(TableDefinition::<&str, &str>::new("another")).expect("it opens");
        txn.commit().expect("it commits");
        db
    };
    let twisted = |path: &Path| {
        let db = Database::create(path).expect("it is created");
        let txn = db.begin_write().expect("it begins");
        txn.open_table(TableDefinition::<&str, &str>::new("heeler.meta")).expect("it opens");
        txn.commit().expect("it commits");
    };
    type Make<'a> = &'a dyn Fn(&Path);
    let table: [(&str, Make<'_>); 7] = [
        ("an empty file", &|path| fs::write(path, "").expect("there is room")),
        ("a short file", &|path| fs::write(path, "redb").expect("there is room")),
        ("a text", &|path| fs::write(path, "once upon a time\n".repeat(999)).expect("there is room")),
        ("zeros", &|path| fs::write(path, vec![0; 1 << 20]).expect("there is room")),
        ("another program's database", &|path| drop(other(path))),
        ("another program's database, crashed", &|path| {
            let db = other(path);
            crashed(path);
            drop(db);
        }),
        ("a database with a table of our name", &twisted),
    ];
    for (name, make) in table {
        make(&path);
        let error = refused(&path, Options::default());
        assert!(matches!(error, OpenError::Foreign { .. }), "{name}: {error:?}");
        fs::remove_file(&path).expect("it is there");
    }
    fs::create_dir(&path).expect("there is room");
    assert!(matches!(open(&path), Err(OpenError::Foreign { .. })), "a folder");
}

#[test]
fn a_newer_format_is_refused_and_left_alone_even_after_a_crash() {
    let (_folder, path) = folder();
    for crash in [false, true] {
        filled(&path);
        let db = Database::open(&path).expect("it is free");
        let txn = db.begin_write().expect("it begins");
        txn.open_table(META).expect("it opens").insert("format", 7).expect("it is inserted");
        txn.commit().expect("it commits");
        if crash {
            crashed(&path);
        }
        drop(db);
        let error = refused(&path, Options::default());
        assert!(matches!(error, OpenError::Newer { found: 7, newest: 1, .. }), "{error:?}");
        fs::remove_file(&path).expect("it is there");
    }
}

#[test]
fn a_damaged_store_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    filled(&path);
    let whole = fs::read(&path).expect("it is there");
    type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
    let table: [(&str, Damage<'_>); 4] = [
        ("only its first page", &|bytes| bytes.truncate(4096)),
        ("its first bytes", &|bytes| bytes.truncate(40)),
        ("its commits overwritten", &|bytes| bytes[64..320].fill(0xa5)),
        ("its trees overwritten", &|bytes| bytes[4096..].fill(0xa5)),
    ];
    for (name, damage) in table {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, &bytes).expect("there is room");
        let error = refused(&path, Options::default());
        assert!(matches!(error, OpenError::Damaged { .. }), "{name}: {error:?}");
    }
}

#[test]
fn a_whole_check_finds_any_overwritten_page_or_the_rows_are_there() {
    let (_folder, path) = folder();
    filled(&path);
    let whole = fs::read(&path).expect("it is there");
    let mut found = 0;
    for page in 1..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
        if bytes == whole {
            continue;
        }
        fs::write(&path, &bytes).expect("there is room");
        match RedbStore::open(&path, Options { check: Check::Whole, ..Options::default() }) {
            Ok(store) => assert_eq!(block_on(rows(&store)).len(), 1),
            Err(OpenError::Damaged { .. }) => {
                found += 1;
                assert!(fs::read(&path).expect("it is there") == bytes, "the file has changed");
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(found > 0, "no page was worth anything");
}

#[test]
fn a_crashed_store_has_what_it_had() {
    let (_folder, path) = folder();
    let store = open(&path).expect("it opens");
    for n in 1..=9 {
        block_on(store.commit(put("a", &n.to_string()))).expect("it is applied");
    }
    crashed(&path);
    drop(store);
    let store = open(&path).expect("it opens");
    let (rev, _) = block_on(store.get(&[])).expect("it can be read");
    assert_eq!((rev, *store.committed().borrow()), (Rev(9), Rev(9)));
    assert_eq!(block_on(rows(&store))[0].1, Rev(9));
}

#[test]
fn a_folder_that_is_not_there_is_told_as_it_is() {
    let (folder, _) = folder();
    let error = open(&folder.path().join("nowhere/store")).expect_err("there is no such folder");
    assert!(
        matches!(error, OpenError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound),
        "{error:?}"
    );
}
