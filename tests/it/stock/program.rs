//! What the command says, and how it ends.

use std::fs;

use crate::cli::world::{NOTES, World, ask};

/// A folder in which a service has served one note, and ended.
fn world() -> World {
    let world = World::with(NOTES);
    let service = world.serve(&[]);
    assert!(ask(service.address(), "PUT /v1/notes/a", r#"{"text":"remember the milk"}"#).starts_with("HTTP/1.1 201 "));
    service.signal(rustix::process::Signal::TERM);
    assert_eq!(service.end().code, Some(0));
    world
}

#[test]
fn a_store_that_nobody_uses_goes_there_and_back_again() {
    let world = world();
    let run = |arguments: &[&str]| {
        let ended = world.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        ended.stdout
    };
    let said = run(&["backup", "a.backup"]);
    assert!(said.starts_with("a.backup: 2 rows of revision 2, ") && said.ends_with(" bytes\n"), "{said}");
    let store = world.path().join("heeler.redb");
    let said = run(&["verify"]);
    assert_eq!(said, format!("{} is sound: 2 rows, 1 resource, 0 jobs, 1 in the change log\n", store.display()));
    let said = run(&["restore", "a.backup", "--replace"]);
    let (aside, restored) = said.split_once('\n').expect("two lines");
    assert!(aside.starts_with(&format!("what was there is now {}.before-2", store.display())), "{said}");
    assert!(restored.starts_with(&format!("{} is restored: 2 rows of revision 2; it goes on at ", store.display())));
    let said = run(&["compact", "--store", "redb:heeler.redb", "--config", "nowhere.toml"]);
    assert!(said.contains(" is compact: ") && said.ends_with(" after\n"), "{said}");
    assert!(run(&["verify"]).contains("is sound"));
    let service = world.serve(&[]);
    assert!(ask(service.address(), "GET /v1/notes/a", "").contains("remember the milk"));
}

#[test]
fn a_store_that_is_there_is_not_replaced_by_accident() {
    let world = world();
    assert_eq!(world.run(&["backup", "a.backup"]).code, Some(0));
    let before = fs::read(world.path().join("heeler.redb")).expect("it is there");
    let ended = world.run(&["restore", "a.backup"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("is there already: say --replace"), "{}", ended.stderr);
    assert!(fs::read(world.path().join("heeler.redb")).expect("it is there") == before);
}

#[test]
fn what_cannot_be_done_is_said_with_its_exit_code() {
    let world = world();
    assert_eq!(world.run(&["backup", "a.backup"]).code, Some(0));
    world.write("letter", "Dear dog, how do you do? I hope that you are well.");
    let whole = fs::read(world.path().join("a.backup")).expect("it is there");
    fs::write(world.path().join("cut"), &whole[..whole.len() - 1]).expect("there is room");
    let mut newer = whole;
    newer[19] = 9;
    fs::write(world.path().join("newer"), newer).expect("there is room");
    for (arguments, code, said) in [
        (&["backup", "letter"][..], 2, "letter: letter is there already and is no backup: it is left alone"),
        (&["backup", "nowhere/a"], 2, "nowhere/a: the file cannot be used"),
        (&["backup", "a", "--store", "memory:"], 2, "a store in memory is gone with its service"),
        (&["backup", "a", "--offline", "--server", "http://127.0.0.1:1"], 2, "cannot be used with"),
        (&["backup", "a", "--server", "ftp://x"], 2, "expected a service such as http://127.0.0.1:7117"),
        (&["backup", "a", "--server", "http://127.0.0.1:1"], 7, "127.0.0.1:1: Connection refused"),
        (&["backup", "a", "--config", "nowhere.toml"], 2, "nowhere.toml"),
        (&["restore", "none", "--store", "redb:b"], 2, "none: the file cannot be used"),
        (&["restore", "letter", "--store", "redb:b"], 3, "letter: it is not a backup of Heeler"),
        (&["restore", "cut", "--store", "redb:b"], 3, "cut: the backup ends too early"),
        (&["restore", "newer", "--store", "redb:b"], 3, "newer: the backup has format 9"),
        (&["verify", "--store", "redb:b"], 3, "cannot be opened"),
        (&["verify", "--store", "redb:letter"], 3, "letter is not a store of Heeler"),
        (&["compact", "--store", "redb:letter"], 3, "letter is not a store of Heeler"),
        (&["compact", "--store", "redb:b"], 3, "cannot be opened"),
    ] {
        let ended = world.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
    }
    assert!(!world.path().join("b").exists() && !world.path().join("a").exists());
}

#[test]
fn a_damaged_file_is_not_sound() {
    let world = world();
    let path = world.path().join("heeler.redb");
    let mut bytes = fs::read(&path).expect("it is there");
    let text = b"remember the milk";
    let places: Vec<usize> =
        bytes.windows(text.len()).enumerate().filter(|(_, found)| found == text).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(&path, &bytes).expect("there is room");
    let ended = world.run(&["verify"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stdout);
    assert!(ended.stderr.contains("is damaged"), "{}", ended.stderr);
    assert!(fs::read(&path).expect("it is there") == bytes, "it was changed");
}

#[test]
fn each_finding_is_a_line() {
    let world = world();
    {
        use heeler::store::redb::{Options, RedbStore};
        use heeler::store::{Op, Store, Txn};
        let store = RedbStore::open(&world.path().join("heeler.redb"), Options::default()).expect("it opens");
        let ops = vec![Op::Put(crate::store::key("zebra"), "1".into()), Op::Put(crate::store::key("yak"), "1".into())];
        crate::store::crash::block_on(store.commit(Txn { ops, ..Txn::default() })).expect("it commits");
    }
    let ended = world.run(&["verify"]);
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.stdout,
        "the row yak: this version knows no such row\nthe row zebra: this version knows no such row\n"
    );
    assert!(ended.stderr.contains("is not sound: 2 findings (4 rows, 1 resource, 0 jobs, "), "{}", ended.stderr);
}
