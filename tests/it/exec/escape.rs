//! Jobs that do what they can to stay: cancelled, every process of them is gone
//! within the grace and two seconds, whether or not the service was killed and
//! started again in between.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::json;

use super::users::{STRANGER, is_root};
use crate::service::client::request;
use crate::service::{World, until};

/// How often each of them is tried. `HEELER_ESCAPES=100` for a long run.
fn rounds() -> u32 {
    env::var("HEELER_ESCAPES").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

const GRACE: Duration = Duration::from_secs(1);

/// What the promise adds to the grace.
const SOON: Duration = Duration::from_secs(2);

/// How long a service takes to start on a busy machine.
const START: Duration = Duration::from_secs(3);

/// Each says that it is ready by a file in `$R`.
const ESCAPES: [(&str, &str); 8] = [
    ("forks", "for i in 1 2 3 4 5; do sleep 1000 & done; touch $R/ready; wait"),
    ("ignores TERM", "trap '' TERM; touch $R/ready; while :; do sleep 0.05; done"),
    ("ignores everything", "trap '' TERM INT HUP QUIT USR1 USR2; touch $R/ready; while :; do sleep 0.05; done"),
    ("another session", "setsid sh -c \"trap '' TERM; touch $R/ready; while :; do sleep 0.05; done\" & sleep 1000"),
    (
        "a double fork",
        "(setsid sh -c \"trap '' TERM; (touch $R/ready; while :; do sleep 0.05; done) & exit\" &) ; sleep 1000",
    ),
    (
        "without environment",
        "env -i R=$R setsid sh -c \"trap '' TERM; touch $R/ready; while :; do sleep 0.05; done\" & sleep 1000",
    ),
    ("suspended", "touch $R/ready; kill -STOP $$; sleep 1000"),
    (
        "breeds",
        "trap '' TERM; touch $R/ready; while :; do (trap '' TERM; setsid sleep 1000) & sleep 0.02; done 2>/dev/null",
    ),
];

fn configuration() -> String {
    // As root nobody would keep the bomb from taking the machine: it runs as somebody else.
    let user = if is_root() { format!("user = {STRANGER}\ngroup = {STRANGER}\n") } else { String::new() };
    format!(
        r#"
[operations.escape]
exec  = {{ command = ["sh", "-c", "${{input.script}}"], env = {{ R = "${{input.folder}}" }} }}
grace = "1s"

[operations.bomb]
grace = "1s"
[operations.bomb.exec]
command = ["sh", "-c", "${{input.script}}"]
env = {{ R = "${{input.folder}}" }}
cwd = "/"
limits = {{ processes = 40 }}
{user}
[collections.things]
preconditions = "optional"
"#
    )
}

/// Every process that descends from a supervisor of this world or carries its mark.
fn left(world: &World, mark: &str) -> usize {
    let environs = fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        let path = entry.ok()?.path();
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        let is_dead = stat.rsplit(')').next()?.trim_start().starts_with(['Z', 'X']);
        let environ = fs::read(path.join("environ")).ok()?;
        let cmdline = fs::read(path.join("cmdline")).ok()?;
        (!is_dead).then(|| [environ, cmdline].concat())
    });
    let marked = environs.filter(|text| text.windows(mark.len()).any(|window| window == mark.as_bytes())).count();
    marked + world.workers().len()
}

/// When the service is killed and started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    Never,
    BeforeTheCancel,
    AfterTheCancel,
}

fn escape(operation: &str, name: &str, script: &str, killed: Killed) {
    let world = World::new(&configuration());
    fs::set_permissions(world.path(), Permissions::from_mode(0o755)).expect("a mode");
    let folder = world.file("ready-here");
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("a mode");
    let mark = folder.to_str().expect("UTF-8");
    let service = world.start();
    service.put("/v1/things/a", &json!({}));
    let body = json!({ "operation": operation, "input": { "script": script, "folder": mark } });
    let job = service.launch("/v1/things/a/processing", &body);
    until("it is ready", || folder.join("ready").exists());
    let cancel = request("DELETE", &job);
    let mut asked = Instant::now();
    let service = match killed {
        Killed::Never => {
            service.ask(&cancel);
            service
        }
        Killed::BeforeTheCancel => {
            service.kill();
            let service = world.start();
            asked = Instant::now();
            service.ask(&cancel);
            service
        }
        Killed::AfterTheCancel => {
            service.ask(&cancel);
            service.kill();
            world.start()
        }
    };
    let shown = service.finished(&job);
    let took = asked.elapsed();
    assert_eq!(left(&world, mark), 0, "{name}, {killed:?}: {shown}");
    let started = if killed == Killed::AfterTheCancel { START } else { Duration::ZERO };
    assert!(took < GRACE + SOON + started, "{name}, {killed:?}: it took {took:?}");
    if operation == "escape" {
        assert_eq!(shown["phase"], "canceled", "{name}, {killed:?}: {shown}");
    }
    until("its supervisor ends", || world.supervisors().is_empty());
}

#[test]
fn no_process_of_a_cancelled_job_is_left() {
    for _ in 0..rounds() {
        for (name, script) in ESCAPES {
            for killed in [Killed::Never, Killed::BeforeTheCancel, Killed::AfterTheCancel] {
                escape("escape", name, script, killed);
            }
        }
    }
}

#[test]
fn nor_of_a_fork_bomb_under_a_limit_of_processes() {
    // Whether the limit or the cancel is first: it ends, and all of it.
    let bomb = "touch $R/ready; b() { b | b & }; b 2>/dev/null; sleep 1000";
    for _ in 0..rounds() {
        for killed in [Killed::Never, Killed::BeforeTheCancel, Killed::AfterTheCancel] {
            escape("bomb", "a fork bomb", bomb, killed);
        }
    }
}
