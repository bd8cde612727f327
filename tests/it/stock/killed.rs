//! The command, killed in the middle of it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use heeler::store::backup::check;
use heeler::store::redb::{Options, RedbStore};
use heeler::store::{Key, Op, Store, Txn};

use crate::cli::world::{NOTES, World};
use crate::store::crash::block_on;
use crate::store::key;

/// Enough rows that making or reading a backup takes a while.
const ROWS: usize = 48;
const ROW_BYTES: usize = 512 * 1024;

fn fill(path: &Path) {
    let store = RedbStore::open(path, Options::default()).expect("it opens");
    for n in 0..ROWS {
        // Nothing that repeats, so that no page is like another.
        let value: Vec<u8> = (0..ROW_BYTES).map(|at| ((at * 31 + n * 7919) >> 3) as u8).collect();
        let ops = vec![Op::Put(key(format!("h{n:03}")), value.into())];
        block_on(store.commit(Txn { ops, ..Txn::default() })).expect("it commits");
    }
}

/// Runs a command for a while, and kills it; whether it had ended by itself.
fn run_for(world: &World, arguments: &[&str], time: Duration) -> bool {
    let mut command = world.heeler(arguments);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it starts");
    let start = Instant::now();
    let mut ended = false;
    while start.elapsed() < time && !ended {
        ended = child.try_wait().expect("it can be waited for").is_some();
        thread::park_timeout(Duration::from_millis(1));
    }
    let _ = child.kill();
    child.wait().expect("a status");
    ended
}

/// How long a command takes that nobody kills.
fn time_of(world: &World, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let ended = world.run(arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    start.elapsed()
}

/// The keys of all rows, however large these are.
fn names(store: &RedbStore) -> Vec<Key> {
    let snapshot = block_on(store.snapshot()).expect("it reads");
    let mut found: Vec<Key> = Vec::new();
    loop {
        let page = snapshot.rows(found.last(), 10).expect("it reads");
        found.extend(page.rows.into_iter().map(|(key, _)| key));
        if !page.more {
            return found;
        }
    }
}

fn left(world: &World, what: &str) -> bool {
    let entries = fs::read_dir(world.path()).expect("the folder");
    entries.into_iter().any(|entry| entry.expect("an entry").file_name().to_string_lossy().ends_with(what))
}

#[test]
fn a_killed_backup_leaves_nothing_under_its_name_or_the_one_before() {
    let world = World::with(NOTES);
    fill(&world.path().join("heeler.redb"));
    let time = time_of(&world, &["backup", "--offline", "whole"]);
    let whole = fs::read(world.path().join("whole")).expect("it is there");
    let mut halves = 0;
    for (round, older) in (1..=8).flat_map(|round| [(round, false), (round, true)]) {
        let to = world.path().join("to");
        if older {
            fs::write(&to, &whole).expect("there is room");
        } else {
            let _ = fs::remove_file(&to);
        }
        run_for(&world, &["backup", "--offline", "to"], time * round / 9);
        match fs::read(&to) {
            Ok(bytes) => assert!(check(&bytes[..]).is_ok_and(|all| all.rows == ROWS as u64), "round {round}"),
            Err(_) => assert!(!older, "round {round}: the older one is gone"),
        }
        halves += usize::from(left(&world, ".partial"));
        for entry in fs::read_dir(world.path()).expect("the folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|kind| kind == "partial") {
                fs::remove_file(path).expect("it is there");
            }
        }
    }
    assert!(halves > 0, "none was killed in the middle");
    assert_eq!(world.run(&["backup", "--offline", "to"]).code, Some(0), "the store is free");
}

#[test]
fn a_killed_restore_leaves_no_store_or_the_one_before() {
    let world = World::with(NOTES);
    fill(&world.path().join("heeler.redb"));
    let restore = ["restore", "whole", "--replace", "--store", "redb:other.redb"];
    time_of(&world, &["backup", "--offline", "whole"]);
    let time = time_of(&world, &restore);
    let other = world.path().join("other.redb");
    let mut halves = 0;
    for (round, older) in (1..=8).flat_map(|round| [(round, false), (round, true)]) {
        fs::remove_file(&other).expect("it is there");
        if older {
            let store = RedbStore::open(&other, Options::default()).expect("it opens");
            block_on(store.commit(Txn { ops: vec![Op::Put(key("old"), "1".into())], ..Txn::default() }))
                .expect("it commits");
        }
        run_for(&world, &restore, time * round / 9);
        halves += usize::from(left(&world, ".new"));
        assert!(other.exists() || !older, "round {round}: the older one is gone");
        let store = RedbStore::open(&other, Options::default()).expect("it opens, or is made");
        let found = names(&store);
        let count = found.len();
        let is_old = found == [key("old")];
        assert!(count == ROWS || (older && is_old) || (!older && count == 0), "round {round}: {count} rows");
    }
    assert!(halves > 0, "none was killed in the middle");
    fs::remove_file(&other).expect("it is there");
    assert_eq!(world.run(&restore).code, Some(0), "nothing that was left is in the way");
}
