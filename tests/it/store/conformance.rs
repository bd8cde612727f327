//! What every store does, run on each of them.

use heeler::store::memory::MemoryStore;
use heeler::store::redb::{Options, RedbStore};

mod log;
mod model;
mod races;
mod rows;
mod snapshots;
mod txns;

/// A store in a folder that goes with it.
pub(crate) struct InFolder {
    pub(crate) store: RedbStore,
    _folder: tempfile::TempDir,
}

pub(crate) fn in_folder() -> InFolder {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let store = RedbStore::open(&folder.path().join("store"), Options::default()).expect("it opens");
    InFolder { store, _folder: folder }
}

pub(crate) fn in_memory() -> MemoryStore {
    MemoryStore::new()
}

/// Runs functions that take a store as tests of each store.
macro_rules! on_each_store {
    ($($name:ident,)*) => {
        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(std::sync::Arc::new(super::super::in_memory())).await; })*
        }
        mod redb {
            $(#[tokio::test] async fn $name() {
                let super::super::InFolder { store, _folder } = super::super::in_folder();
                super::$name(std::sync::Arc::new(store)).await;
            })*
        }
    };
}
use on_each_store;
