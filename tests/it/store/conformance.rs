//! Quick.
use bytes::Bytes;
use heeler::store::*;
fn k(s: &str) -> Key { Key(Bytes::copy_from_slice(s.as_bytes())) }
#[tokio::test]
async fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let s = redb::RedbStore::open(&path, redb::Options::default()).unwrap();
    let r = s.commit(Txn { ops: vec![Op::Put(k("a"), Bytes::from_static(b"x"))], log: vec![Bytes::from_static(b"l")], ..Txn::default() }).await.unwrap();
    assert_eq!(r, Rev(1));
    println!("{:?}", s.get(&[k("a")]).await);
    println!("{:?}", s.changes(Position::default(), 3).await);
    println!("{:?}", redb::RedbStore::open(&path, redb::Options::default()));
    drop(s);
    let s = redb::RedbStore::open(&path, redb::Options::default()).unwrap();
    println!("{:?}", s.get(&[k("a")]).await);
}
