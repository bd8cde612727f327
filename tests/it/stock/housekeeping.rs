//! The service makes backups by itself.

use std::fs;
use std::path::PathBuf;

use heeler::store::backup::check;

use crate::cli::world::{World, ask, until};

const EACH_SECOND: &str = r#"
[housekeeping]
backup = "* * * * * *"
backups = { folder = "safe", keep = 2 }
[collections.dogs]
preconditions = "optional"
"#;

fn names(world: &World) -> Vec<String> {
    let Ok(entries) = fs::read_dir(world.path().join("safe")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn backups_are_made_by_the_clock_the_newest_are_kept_and_each_is_counted() {
    let world = World::with(EACH_SECOND);
    fs::create_dir(world.path().join("safe")).expect("a folder");
    // What a killed service left, and what is none of its affairs.
    world.write("safe/.heeler-20200101T000000.000Z.backupx.partial", "half of one");
    world.write("safe/heeler-notes.backup", "not for the service");
    world.write("safe/heeler-20200101T000000.000Z.backup", "an old one");
    let service = world.serve(&[]);
    assert!(ask(service.address(), "PUT /v1/dogs/rex", "{}").starts_with("HTTP/1.1 201 "));
    let backups = || -> Vec<PathBuf> {
        let own = names(&world).into_iter().filter(|name| name.starts_with("heeler-2"));
        own.filter(|name| name.ends_with("Z.backup")).map(|name| world.path().join("safe").join(name)).collect()
    };
    let metrics = || ask(service.address(), "GET /metrics", "");
    let done = r#"heeler_housekeeping_runs_total{kind="backup",outcome="done"} "#;
    let runs = || metrics().lines().find_map(|line| line.strip_prefix(done)?.parse::<u32>().ok()).unwrap_or_default();
    until("three were made", || runs() >= 3);
    until("as many are kept as may be", || backups().len() == 2);
    let rows = backups().iter().filter_map(|path| check(fs::File::open(path).ok()?).ok()).map(|all| all.rows).max();
    assert!(rows.is_some_and(|rows| rows >= 1), "the document is in one of them");
    let names = names(&world);
    assert!(names.contains(&"heeler-notes.backup".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("20200101")), "{names:?}");
    assert!(metrics().contains(r#"heeler_housekeeping_items_total{kind="backup"} "#));
}

#[test]
fn a_backup_that_cannot_be_made_is_counted_and_the_service_goes_on() {
    let world = World::with(EACH_SECOND);
    world.write("safe", "a file where the folder should be");
    let service = world.serve(&[]);
    let failed = r#"heeler_housekeeping_runs_total{kind="backup",outcome="failed"} "#;
    until("it fails", || {
        let metrics = ask(service.address(), "GET /metrics", "");
        metrics.lines().any(|line| line.strip_prefix(failed).is_some_and(|number| number != "0"))
    });
    assert!(ask(service.address(), "PUT /v1/dogs/rex", "{}").starts_with("HTTP/1.1 201 "));
}

#[test]
fn without_a_word_there_are_no_backups() {
    let world = World::with("[collections.dogs]\n");
    let service = world.serve(&[]);
    assert!(!ask(service.address(), "GET /metrics", "").contains("kind=\"backup\""));
}
