//! What clients and the next start see of a disk that fails or is full.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::service::client::{JSON, request};
use crate::service::{World, until};

const CONFIGURATION: &str = r#"
[collections.things]
activities = {}
preconditions = "optional"
"#;

/// Lets the `n`th sync of each thread of a process fail from now on.
struct Saboteur(Child);

impl Saboteur {
    /// `None` where `strace` is missing or may not trace.
    fn attach(world: &World, pid: i32, n: usize) -> Option<Self> {
        let said = world.file("strace.log");
        let log = std::fs::File::create(&said).expect("a log");
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e"]);
        command.arg(format!("inject=fsync,fdatasync:error=EIO:when={n}+")).args(["-p", &pid.to_string()]);
        let mut saboteur = Self(command.stdin(Stdio::null()).stderr(log).spawn().ok()?);
        let mut ended = false;
        until("strace attaches", || {
            ended = saboteur.0.try_wait().expect("it can be waited for").is_some();
            ended || world.text("strace.log").contains("attached")
        });
        (!ended).then_some(saboteur)
    }
}

impl Drop for Saboteur {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_sync_that_fails_makes_the_outcome_unknown_and_ends_the_service() {
    for n in [1, 2, 3, 4, 7] {
        let world = World::new(CONFIGURATION);
        let service = world.start();
        assert_eq!(service.put("/v1/things/before", &json!({ "n": 0 })).status, 201);
        let Some(saboteur) = Saboteur::attach(&world, service.pid(), n) else {
            #[expect(clippy::print_stderr, reason = "who runs the tests is to know what was not tested")]
            {
                eprintln!("skipped: strace is not here, or may not trace");
            }
            return;
        };
        let mut acknowledged = vec!["before".to_owned()];
        let put = |at: &usize| {
            let put = request("PUT", &format!("/v1/things/{at}")).json(JSON, &json!({ "n": at }));
            put.field("Idempotency-Key", &format!("\"put-{at}\""))
        };
        let refused = (0..100).find_map(|at| {
            let answer = service.ask(&put(&at));
            if answer.status == 201 {
                acknowledged.push(at.to_string());
                return None;
            }
            Some((at, answer))
        });
        let (at, refused) = refused.expect("a sync fails sooner or later");
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (503, "outcome-unknown"),
            "sync {n}: {}",
            refused.text()
        );
        assert!(refused.header("retry-after").is_some(), "sync {n}: {refused:?}");
        assert_eq!(service.wait().code(), Some(70), "sync {n}: {}", world.text("service.log"));
        drop(saboteur);
        let service = world.start();
        for thing in acknowledged {
            assert_eq!(service.get(&format!("/v1/things/{thing}")).status, 200, "sync {n}: {thing}");
        }
        // The key finds out what became of it: it was made, or it is made now.
        let was_made = service.get(&format!("/v1/things/{at}")).status == 200;
        let again = service.ask(&put(&at));
        let replayed = again.header("idempotent-replayed") == Some("true");
        assert_eq!((again.status, replayed), (201, was_made), "sync {n}: {}", again.text());
        assert_eq!(again.json()["status"]["generation"], 1, "sync {n}: it was made twice");
        assert_eq!(service.put("/v1/things/after", &json!({})).status, 201, "sync {n}");
    }
}

/// A small disk of its own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount one.
    fn mount(world: &World) -> Option<Self> {
        let folder = world.file("disk");
        std::fs::create_dir(&folder).expect("a folder");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(&folder).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_507_and_passes_once_there_is_room_again() {
    let world = World::new(&format!("[store]\nurl = \"redb:disk/heeler.redb\"\n{CONFIGURATION}"));
    let Some(_disk) = SmallDisk::mount(&world) else {
        #[expect(clippy::print_stderr, reason = "who runs the tests is to know what was not tested")]
        {
            eprintln!("skipped: no disk can be mounted here");
        }
        return;
    };
    let service = world.start();
    std::fs::write(world.file("disk/ballast"), vec![1; 3 << 20]).expect("room for the ballast");
    let document = |at: usize| json!({ "at": at, "text": "x".repeat(100_000) });
    let put = |at: usize| request("PUT", &format!("/v1/things/{at}")).json(JSON, &document(at));
    let mut acknowledged = 0;
    let refused = loop {
        let answer = service.ask(&put(acknowledged));
        if answer.status != 201 {
            break answer;
        }
        acknowledged += 1;
        assert!(acknowledged < 1000, "the disk is never full");
    };
    assert_eq!((refused.status, refused.problem().as_str()), (507, "disk-full"), "{}", refused.text());
    let all_are_there = |service: &crate::service::Service| {
        for at in 0..acknowledged {
            let shown: Value = service.get(&format!("/v1/things/{at}")).json();
            assert_eq!((&shown["at"], &shown["text"]), (&json!(at), &document(at)["text"]), "{at} of {acknowledged}");
        }
    };
    all_are_there(&service);
    std::fs::remove_file(world.file("disk/ballast")).expect("the ballast can go");
    until("there is room again", || service.ask(&put(acknowledged)).status == 201);
    service.kill();
    let service = world.start();
    acknowledged_again(&service, acknowledged);
    all_are_there(&service);
    assert_eq!(service.terminate().code(), Some(0));
}

/// The write that found room is there as well.
fn acknowledged_again(service: &crate::service::Service, at: usize) {
    assert_eq!(service.get(&format!("/v1/things/{at}")).json()["at"], json!(at));
}
