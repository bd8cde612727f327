//! A configuration that cannot count changes nothing, and says why.

use std::fs::{self, File};
use std::io::Write as _;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::json;

use super::{DONE, NOTES, REFUSED, Reloading, script, signal};
use crate::service::client::request;
use crate::service::{World, until};

/// What is said of so many mistakes: where each is, and what.
fn refused(it: &Reloading, configuration: &str, mistakes: usize) -> Vec<String> {
    let before = it.lines(REFUSED).len();
    it.configure(configuration);
    it.hang_up();
    until("each mistake is told", || it.lines(REFUSED).len() >= before + mistakes);
    let told = it.lines(REFUSED).split_off(before);
    assert!(told.iter().all(|line| line.contains(" ERROR ")), "{told:?}");
    told.iter().map(|line| line.split("stays: ").nth(1).unwrap_or(line).to_owned()).collect()
}

#[test]
fn mistakes_are_told_one_a_line_each_with_its_place_and_the_old_file_counts() {
    let bark = script("bark", "true", "");
    let it = Reloading::new(&format!("{bark}{NOTES}"));
    let job = it.launch("a", "bark", &json!({}));
    it.service.finished(&job);
    for (name, configuration, wants) in [
        ("no TOML", "[operations.bark\n", &["heeler.toml:3:17: "][..]),
        (
            "several mistakes beside a new operation",
            &format!(
                "{}[operations.b]\nexec = {{ command = [] }}\n[collections.notes]\nprecondition = \"optional\"\n",
                script("meow", "true", "")
            ),
            &["heeler.toml:8:", "heeler.toml:10:1: "],
        ),
        ("a schema that is not there", &format!("{bark}{NOTES}schema = \"none.json\"\n"), &["heeler.toml:9:10: "]),
        (
            "a secret that is not there",
            &format!("{bark}{NOTES}[secrets]\nHOOK = {{ file = \"none\" }}\n"),
            &["heeler.toml:10:"],
        ),
        (
            "what is fixed",
            &format!("{bark}{NOTES}[store]\nurl = \"memory:\"\n[housekeeping]\nlog = \"1 * * * *\"\n"),
            &[
                "heeler.toml:10:7: `store.url` is fixed until the next start",
                "heeler.toml:11:2: `housekeeping` is fixed",
            ],
        ),
    ] {
        let told = refused(&it, configuration, wants.len());
        for (told, want) in told.iter().zip(wants) {
            assert!(told.contains(want), "{name}: {told:?} has not {want:?}");
        }
        assert_eq!(it.asked_for("bark").status, 202, "{name}: the old operation is there");
        assert_eq!(it.asked_for("meow").status, 422, "{name}: nothing of the new file is");
    }
    assert_eq!(it.lines(REFUSED).len(), 7, "each mistake is told once");
    fs::remove_file(it.world.file("heeler.toml")).expect("it was there");
    assert!(it.told(REFUSED)[0].contains("heeler.toml:1:1: cannot be read"), "{:?}", it.lines(REFUSED));
    assert_eq!(
        it.reload(&format!("{}{NOTES}", script("meow", "true", ""))),
        "added operations.meow; removed operations.bark"
    );
    assert_eq!(it.asked_for("meow").status, 202);
}

#[test]
fn a_collection_that_holds_resources_is_not_given_up() {
    let it = Reloading::new(&format!("{NOTES}[collections.dogs]\n"));
    for id in ["rex", "bello"] {
        assert_eq!(it.service.put(&format!("/v1/dogs/{id}"), &json!({})).status, 201);
    }
    it.configure(&format!("{NOTES}[collections.cats]\n"));
    let [told] = &it.told(REFUSED)[..] else { panic!("one line says why") };
    assert!(told.contains("`dogs` (2 resources)") && told.contains(" ERROR "), "{told}");
    assert_eq!(it.service.get("/v1/dogs/rex").status, 200);
    assert_eq!(it.service.get("/v1/cats").status, 404, "nothing of the new file counts");
    for id in ["rex", "bello"] {
        let gone = it.service.ask(&request("DELETE", &format!("/v1/dogs/{id}")).field("If-Match", "*"));
        assert_eq!(gone.status, 204, "{}", gone.text());
    }
    let [told] = &it.told(DONE)[..] else { panic!("one line says what is another") };
    assert!(told.contains("added collections.cats; removed collections.dogs"), "{told}");
    assert_eq!(it.service.get("/v1/dogs/rex").status, 404);
}

#[test]
fn a_flag_counts_before_the_file_as_at_the_start() {
    let world = World::new(NOTES);
    let mut command = world.command();
    command.args(["--store", "memory:"]).env("HEELER_LOG", "info");
    let it = Reloading { service: world.start_by(command), world };
    assert_eq!(
        it.reload(&format!("[store]\nurl = \"redb:other.redb\"\n{NOTES}[collections.dogs]\n")),
        "added collections.dogs"
    );
    assert!(!it.world.file("other.redb").exists());
}

/// Whether a process does something of its own at SIGHUP.
fn hears_hangups(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    u64::from_str_radix(caught.trim(), 16).is_ok_and(|caught| caught & 1 == 1)
}

#[test]
fn a_signal_that_comes_while_it_starts_is_for_afterwards() {
    let world = World::new(NOTES);
    // The start waits for somebody to say what is in the file.
    fs::rename(world.file("heeler.toml"), world.file("first.toml")).expect("a rename");
    mknodat(CWD, world.file("heeler.toml"), FileType::Fifo, Mode::from(0o600), 0).expect("a pipe");
    let mut command = world.command();
    command.env("HEELER_LOG", "info");
    let log = File::options().create(true).append(true).open(world.file("service.log")).expect("a log");
    let child = command.stdout(log.try_clone().expect("the log")).stderr(log).spawn().expect("it starts");
    let (pid, started) = (child.id(), Ends(child));
    until("it hears hangups", || hears_hangups(pid));
    // Opened once the start reads.
    let mut file = File::options().write(true).open(world.file("heeler.toml")).expect("the pipe");
    for _ in 0..3 {
        rustix::process::kill_process(rustix::process::Pid::from_child(&started.0), Signal::HUP).expect("it is there");
    }
    let both = world.text("first.toml") + "[collections.dogs]\n";
    world.write("second.toml", &both);
    fs::rename(world.file("second.toml"), world.file("heeler.toml")).expect("a rename");
    file.write_all(world.text("first.toml").as_bytes()).expect("it is read");
    drop(file);
    let said = |what: &str| world.text("service.log").contains(what);
    until("it is ready and reloads", || said("listening on") && said("reloaded: added collections.dogs"));
    assert_eq!(world.text("service.log").matches("reloaded: ").count(), 1, "several at once are one");
}

/// Ends a process with the test.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_signal_that_comes_while_it_stops_is_nothing() {
    let it = Reloading::new(NOTES);
    let lease = thread::scope(|threads| {
        let address = it.service.address;
        // Somebody who waits, so that the stop has something to do.
        let waiting = threads.spawn(move || request("GET", "/v1/notes").field("Prefer", "wait=5").send(address));
        signal(&it.service, Signal::TERM);
        for _ in 0..20 {
            signal(&it.service, Signal::HUP);
        }
        waiting.join().expect("it ends")
    });
    drop(lease);
    let Reloading { world, service } = it;
    assert_eq!(service.wait().code(), Some(0), "{}", world.text("service.log"));
    assert!(world.text("service.log").contains("stopped"), "{}", world.text("service.log"));
}
