//! Workers that freeze for longer than their lease, and come back.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{href, one, report, rounds, succeeded, thing, world};
use crate::service::{Service, World, until};

/// A worker of the examples, which ends with the test.
pub(super) struct Worker(pub(super) Child);

impl Worker {
    pub(super) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("a process id fits");
        kill_process(Pid::from_raw(pid).expect("a process"), signal).expect("it can be signalled");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a worker of the examples, which runs a line of shell for each job.
pub(super) fn start(
    world: &World,
    service: &Service,
    (script, name): (&str, &str),
    operation: &str,
    line: &str,
) -> Worker {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workers");
    let log = std::fs::File::options().create(true).append(true).open(world.file(&format!("{name}.log")));
    let child = Command::new(folder.join(script))
        .args([&format!("http://{}", service.address), operation, "sh", "-c", line])
        .current_dir(world.path())
        .env("WORKER_NAME", name)
        .env("WORKER_BEAT", "0.3")
        .env("TMPDIR", world.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.expect("a log"))
        .spawn();
    Worker(child.expect("it can be started"))
}

#[test]
fn a_worker_that_froze_beyond_its_lease_is_not_believed_and_the_other_one_is() {
    let world = world();
    let service = world.start();
    for round in 0..rounds("WORKER_FREEZES", 3) {
        let (begun, go, name) = (format!("begun{round}"), format!("go{round}"), format!("slow{round}"));
        let line = format!("touch {begun}; until [ -e {go} ]; do sleep 0.02; done; echo '\"slow\"'");
        let slow = start(&world, &service, ("worker.py", &name), "brief", &line);
        let job = thing(&service, &format!("t{round}"), "brief");
        until("the slow one has begun", || world.file(&begun).exists());
        slow.signal(Signal::STOP);
        let fast = one(&service, "brief");
        assert_eq!((href(&fast), &fast["job"]["attempt"]), (job.as_str(), &json!(2)), "round {round}");
        // What it froze over is done by the time that it comes back.
        world.write(&go, "");
        slow.signal(Signal::CONT);
        let log = format!("{name}.log");
        until("the slow one is refused", || {
            assert_eq!(report(&service, &fast, json!({})).status, 200);
            world.text(&log).contains("409")
        });
        assert_eq!(report(&service, &fast, succeeded(&json!("fast"))).status, 200);
        let job = service.get(&job).json();
        assert_eq!((&job["phase"], &job["result"]), (&json!("succeeded"), &json!("fast")), "round {round}: {job}");
        let outcomes: Vec<_> = job["attempts"].as_array().expect("attempts").iter().map(|a| &a["outcome"]).collect();
        assert_eq!(outcomes, [&json!("lost"), &json!("succeeded")], "round {round}: {job}");
    }
}
