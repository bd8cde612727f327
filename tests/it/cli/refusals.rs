//! What the program does not do, what it says then, and with which code it ends.

use std::fs;
use std::net::TcpListener;

use super::world::{Ended, NOTES, Running, World, ask, end_of};

/// What a refusal says: nothing on standard output, all of it on standard error.
fn said(ended: &Ended, code: i32) -> &str {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert_eq!(ended.stdout, "");
    ended.stderr.trim_end()
}

#[test]
fn a_command_that_makes_no_sense_ends_with_2() {
    let world = World::with(NOTES);
    for (arguments, expected) in [
        (&["srve"][..], "a similar subcommand exists: 'serve'"),
        (&[], "Usage: heeler <COMMAND>"),
        (&["serve", "--lisen", "127.0.0.1:0"], "a similar argument exists: '--listen'"),
        (&["serve", "--listen", "localhost"], "expected an IP address and a port such as 127.0.0.1:7117"),
        (&["serve", "--store", "heeler.redb"], "expected `redb:PATH` or `memory:`"),
        (&["serve", "--log", "a=b=c"], "is no log filter"),
        (&["supervise"], "unrecognized subcommand"),
    ] {
        let ended = world.run(arguments);
        assert!(said(&ended, 2).contains(expected), "{arguments:?}: {ended:?}");
    }
    assert!(!world.path().join("heeler.redb").exists(), "nothing was opened");
}

#[test]
fn a_wrong_configuration_is_refused_with_the_place_of_each_error_before_anything_is_opened() {
    let world = World::with("[sever]\n\n[operations.nap]\nexec = { command = [] }\n");
    let expected = "heeler.toml:1:2: unknown key `sever`: did you mean `server`?\n\
        heeler.toml:4:20: `operations.nap.exec.command`: expected an array of a program and its arguments, found an empty array";
    assert_eq!(said(&world.run(&["check"]), 2), expected);
    assert_eq!(said(&world.run(&["serve"]), 2), expected);
    assert!(!world.path().join("heeler.redb").exists());
}

#[test]
fn a_configuration_that_is_not_there_is_refused() {
    let world = World::with(NOTES);
    let ended = world.run(&["check", "--config", "other.toml"]);
    assert_eq!(said(&ended, 2), "other.toml:1:1: cannot be read: No such file or directory (os error 2)");
}

#[test]
fn a_right_configuration_is_said_to_be_so_in_one_line() {
    let world = World::with(NOTES);
    let ended = world.run(&["check"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, "heeler.toml is right: 1 collection, 0 operations\n");
    assert!(!world.path().join("heeler.redb").exists(), "nothing is opened");
}

#[test]
fn flags_go_before_environment_and_environment_before_the_file() {
    let world = World::with("[server]\nlisten = \"192.0.2.1:1\"\n[collections.notes]\n");
    world.write("other.toml", "[collections.a]\n[collections.b]\n");
    let check = |flags: &[&str]| end_of(world.heeler(&["check"]).args(flags).env("HEELER_CONFIG", "other.toml"));
    assert_eq!(check(&[]).stdout, "other.toml is right: 2 collections, 0 operations\n");
    assert!(said(&check(&["--config", "heeler.toml"]), 2).contains("192.0.2.1:1 is not a loopback address"));

    let serve = |flags: &[&str]| end_of(world.heeler(&["serve"]).args(flags).env("HEELER_LISTEN", "192.0.2.2:2"));
    assert!(said(&serve(&[]), 2).contains("192.0.2.2:2 is not"));
    assert!(said(&serve(&["--listen", "192.0.2.3:3"]), 2).contains("192.0.2.3:3 is not"));
}

#[test]
fn only_loopback_is_served_unless_it_is_meant() {
    let world = World::with("[server]\nlisten = \"0.0.0.0:0\"\n");
    for command in ["serve", "check"] {
        let ended = world.run(&[command]);
        assert!(
            said(&ended, 2).starts_with("heeler.toml:2:10: `server.listen`: 0.0.0.0:0 is not a loopback address"),
            "{ended:?}"
        );
    }
    assert_eq!(world.run(&["check", "--insecure"]).code, Some(0));
    for (value, code) in [("true", 0), ("1", 0), ("yes", 0), ("", 2), ("false", 2), ("0", 2), ("maybe", 2)] {
        let ended = end_of(world.heeler(&["check"]).env("HEELER_INSECURE", value));
        assert_eq!(ended.code, Some(code), "{value}: {ended:?}");
    }
    assert!(!world.path().join("heeler.redb").exists());
}

#[test]
fn any_address_is_served_where_everybody_is_asked_who_they_are() {
    let auth = "[[auth.tokens]]\nname = \"ui\"\nrole = \"admin\"\nsha256 = \"\
        0000000000000000000000000000000000000000000000000000000000000000\"\n";
    let world = World::with(&format!("[server]\nlisten = \"0.0.0.0:0\"\n{auth}"));
    assert_eq!(world.run(&["check"]).code, Some(0));
    let service = Running::start(&mut world.heeler(&["serve"]));
    let address = service.address().replace("0.0.0.0", "127.0.0.1");
    assert!(ask(&address, "GET /healthz", "").starts_with("HTTP/1.1 200 "), "whoever looks after processes");
    assert!(ask(&address, "GET /", "").starts_with("HTTP/1.1 401 "));
}

#[test]
fn a_token_that_was_put_in_place_of_its_digest_is_not_repeated() {
    let world = World::with("[[auth.tokens]]\nname = \"ui\"\nrole = \"admin\"\nsha256 = \"open-sesame\"\n");
    let ended = world.run(&["serve"]);
    let said = said(&ended, 2);
    assert!(said.starts_with("heeler.toml:4:10: `auth.tokens[0].sha256`: expected the SHA-256"), "{said}");
    assert!(!said.contains("sesame"), "{said}");
}

#[test]
fn a_store_that_another_process_has_open_ends_with_3() {
    let world = World::with(NOTES);
    let first = world.serve(&[]);
    let ended = world.run(&["serve", "--listen", "127.0.0.1:0"]);
    let said = said(&ended, 3);
    assert!(said.contains("heeler.redb is in use by another process (pid "), "{said}");
    assert!(ask(first.address(), "GET /healthz", "").starts_with("HTTP/1.1 200 "), "the first one goes on");
}

#[test]
fn a_file_that_is_no_store_ends_with_3_and_stays_as_it_is() {
    let world = World::with(NOTES);
    world.write("heeler.redb", "shopping list");
    let ended = world.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(said(&ended, 3).ends_with("heeler.redb is not a store of Heeler"), "{ended:?}");
    assert_eq!(fs::read(world.path().join("heeler.redb")).expect("the file"), b"shopping list");
}

#[test]
fn an_address_in_use_ends_with_4() {
    let world = World::with(NOTES);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = world.run(&["serve", "--listen", &address]);
    let expected = format!("heeler: {address} cannot be listened on: Address already in use (os error 98)");
    assert_eq!(said(&ended, 4), expected);
}

#[test]
fn a_configuration_that_omits_what_is_stored_is_refused_with_the_count() {
    let world = World::with(NOTES);
    let service = world.serve(&[]);
    for id in ["a", "b"] {
        let answer = ask(service.address(), &format!("PUT /v1/notes/{id}"), "{}");
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    service.signal(rustix::process::Signal::TERM);
    assert_eq!(service.end().code, Some(0));

    world.write("heeler.toml", "[collections.letters]\n");
    let ended = world.run(&["serve", "--listen", "127.0.0.1:0"]);
    let said = said(&ended, 2);
    assert!(said.contains("still hold resources: `notes` (2 resources);"), "{said}");
    assert!(said.contains("take them out of service with `retired = true`"), "{said}");

    world.write("heeler.toml", "[collections.letters]\n[collections.notes]\nretired = true\n");
    assert_eq!(world.run(&["check"]).stdout, "heeler.toml is right: 2 collections (1 retired), 0 operations\n");
    let service = world.serve(&[]);
    assert!(ask(service.address(), "GET /v1/notes/a", "").starts_with("HTTP/1.1 404 "));
}
