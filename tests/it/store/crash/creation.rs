//! Crashes while a store is created.

use std::fs;

use heeler::store::Rev;
use heeler::store::Store;
use heeler::store::redb::{Options, RedbStore};

use super::disk::{Disk, Image, Vice};
use super::images::images;
use super::{block_on, open};

#[test]
fn a_crash_at_any_moment_of_a_creation_leaves_nothing_in_the_way_of_the_next() {
    let disk = Disk::empty(Vice::None);
    drop(open(disk.clone()).expect("it opens"));
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (n, crash) in images(&Image::default(), &disk.events(), 1).enumerate() {
        // Until it is whole a store has another name.
        let path = folder.path().join(format!("store-{n}"));
        fs::write(folder.path().join(format!("store-{n}.new")), crash.image.bytes()).expect("there is room");
        let store = RedbStore::open(&path, Options::default()).expect("it is created anew");
        assert_eq!(block_on(store.get(&[])).expect("it can be read").0, Rev(0));
        drop(store);
        assert!(!folder.path().join(format!("store-{n}.new")).exists());
    }
}
