//! Backups, whole and not.

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::store::memory::MemoryStore;
use crate::store::{Key, Op, Store, Txn};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("nothing here waits")
}

fn store_of(rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> MemoryStore {
    let store = MemoryStore::new();
    for (key, value) in rows {
        let ops = vec![Op::Put(Key(key.into()), Bytes::from(value))];
        block_on(store.commit(Txn { ops, ..Txn::default() })).expect("it is applied");
    }
    store
}

fn bytes_of(store: &MemoryStore) -> Vec<u8> {
    let mut backup = Backup::new(block_on(store.snapshot()).expect("it reads"));
    let mut bytes = Vec::new();
    while let Some(part) = backup.next_part().expect("it reads") {
        bytes.extend_from_slice(&part);
    }
    bytes
}

fn small() -> Vec<u8> {
    bytes_of(&store_of([(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"22".to_vec())]))
}

/// The fixture of format 1: backups that were made with it must stay readable.
#[test]
fn a_backup_of_format_1_is_these_bytes() {
    insta::assert_snapshot!(small().escape_ascii().to_string());
}

#[test]
fn a_backup_that_is_cut_anywhere_is_none() {
    let whole = small();
    let summary = check(&whole[..]).expect("it is whole");
    assert_eq!(summary, Summary { rev: Rev(2), rows: 2, bytes: whole.len() as u64 });
    for length in 0..whole.len() {
        check(&whole[..length]).expect_err("it is cut");
    }
    let mut longer = whole;
    longer.push(0);
    check(&longer[..]).expect_err("it goes on");
}

#[test]
fn a_changed_bit_is_seen_wherever_it_is() {
    let whole = small();
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(check(&damaged[..]).is_err(), "bit {bit}");
    }
}

#[test]
fn what_is_no_backup_is_told_from_a_newer_one() {
    assert!(matches!(check(&b"once upon a time, there was a dog"[..]), Err(BackupError::Foreign)));
    assert!(matches!(check(&b""[..]), Err(BackupError::Foreign)));
    let mut newer = small();
    newer[MAGIC.len() + 3] = 2;
    assert!(matches!(check(&newer[..]), Err(BackupError::Newer { found: 2, newest: 1 })));
}

#[test]
fn a_draft_replaces_backups_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.backup");
    let names = || {
        let entries = std::fs::read_dir(folder.path()).expect("the folder");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let mut draft = Draft::new(&path).expect("it is free");
        draft.write(&small()).expect("there is room");
        assert_eq!(draft.finish().expect("it is whole").rows, 2);
        assert_eq!(names(), ["a.backup"]);
    }
    let mut draft = Draft::new(&path).expect("it is free");
    draft.write(&small()[1..]).expect("there is room");
    draft.finish().expect_err("it is no backup");
    assert_eq!((names(), std::fs::read(&path).expect("it is there")), (vec!["a.backup".to_owned()], small()));
    std::fs::write(&path, "a letter that somebody needs").expect("there is room");
    assert!(matches!(Draft::new(&path), Err(BackupError::Occupied(_))));
    assert!(matches!(Draft::new(folder.path()), Err(BackupError::Occupied(_))));
}

#[test]
fn what_a_killed_draft_leaves_goes_and_no_other_file_does() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [".dogs-1.backupabc.partial", ".cats-1.backupabc.partial", "dogs-1.backup", ".dogs-notes"] {
        std::fs::write(folder.path().join(name), "").expect("there is room");
    }
    remove_unfinished(folder.path(), "dogs-").expect("it can be read");
    let left = [".dogs-1.backupabc.partial", ".cats-1.backupabc.partial", "dogs-1.backup", ".dogs-notes"]
        .map(|name| folder.path().join(name).exists());
    assert_eq!(left, [false, true, true, true]);
}

proptest! {
    #[test]
    fn what_is_read_of_a_backup_is_what_the_store_held(
        rows in btree_map(vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..40), 0..30)
    ) {
        let store = store_of(rows);
        let bytes = bytes_of(&store);
        let snapshot = block_on(store.snapshot()).expect("it reads");
        let mut reader = Reader::new(&bytes[..]).expect("it is one");
        prop_assert_eq!(reader.rev(), snapshot.rev());
        for row in snapshot.rows(None, usize::MAX).expect("it reads").rows {
            prop_assert_eq!(reader.next_row().expect("it is whole"), Some(row));
        }
        prop_assert_eq!(reader.next_row().expect("it is whole"), None);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..80), rev in any::<u64>()) {
        let _ = check(&bytes[..]);
        let head = [&MAGIC[..], &FORMAT_NEWEST.to_be_bytes(), &rev.to_be_bytes(), &bytes].concat();
        let _ = check(&head[..]);
    }

    #[test]
    fn a_restored_store_is_ahead_of_all_that_any_can_have_made(
        backup in 0..1_u64 << 62, after in 0..u64::from(u32::MAX), replaced in proptest::option::of(0..1_u64 << 62),
        now in 0..4_000_000_000_u64, later in 1..1_000_000_u64,
    ) {
        let restored = raised(Rev(backup), replaced.map(Rev), now);
        prop_assert!(restored > Rev(backup + after));
        prop_assert!(replaced.is_none_or(|replaced| restored > Rev(replaced + after)));
        // Of the same backup once more, after the first one went on.
        let now = now.max(SECONDS_FROM);
        let first = raised(Rev(backup % (1 << 40)), None, now);
        let again = raised(Rev(backup % (1 << 40)), None, now + later);
        prop_assert!(now == SECONDS_FROM || now - SECONDS_FROM < 1 << 9 || again > Rev(first.0 + (later << 31)));
    }
}
