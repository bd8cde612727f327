//! The real binary goes by another configuration while it serves.

mod attempts;
mod embedded;
mod judged;
mod limits;
mod storm;
mod surface;

use std::fs;
use std::os::unix::process::CommandExt as _;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::service::client::{Answer, JSON, request};
use crate::service::{Service, World, until};

const REFUSED: &str = "the old configuration stays";
const DONE: &str = "reloaded: ";

/// A service that can be told to reload.
struct Reloading {
    world: World,
    service: Service,
}

impl Reloading {
    fn new(configuration: &str) -> Self {
        let world = World::new(configuration);
        let mut command = world.command();
        command.env("HEELER_LOG", "info").process_group(0);
        let service = world.start_by(command);
        Self { world, service }
    }

    /// Puts another configuration in the place of the one that is there, at once.
    fn configure(&self, configuration: &str) {
        self.world.write("new.toml", &format!("[server]\nlisten = \"127.0.0.1:0\"\n{configuration}"));
        fs::rename(self.world.file("new.toml"), self.world.file("heeler.toml")).expect("a rename");
    }

    fn hang_up(&self) {
        signal(&self.service, Signal::HUP);
    }

    /// The lines of the log that hold this.
    fn lines(&self, what: &str) -> Vec<String> {
        self.world.text("service.log").lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }

    /// Tells it to go by what is in the file, and gives what it says to that.
    fn told(&self, says: &str) -> Vec<String> {
        let before = self.lines(says).len();
        self.hang_up();
        let other = [DONE, REFUSED].into_iter().find(|other| *other != says).expect("there are two");
        let otherwise = self.lines(other).len();
        until("it says something", || self.lines(says).len() > before || self.lines(other).len() > otherwise);
        assert_eq!(self.lines(other).len(), otherwise, "{}", self.world.text("service.log"));
        self.lines(says).split_off(before)
    }

    /// Lets it go by this, and gives what it says became another thing.
    fn reload(&self, configuration: &str) -> String {
        self.configure(configuration);
        let [line] = &self.told(DONE)[..] else { panic!("one line says what is another") };
        assert!(line.contains(" INFO "), "{line}");
        line.split(DONE).nth(1).expect("what").split(" added=").next().expect("the message").to_owned()
    }

    /// Asks for a job of an operation, as the only one of its resource.
    fn launch(&self, id: &str, operation: &str, input: &Value) -> String {
        self.service.put(&format!("/v1/notes/{id}"), &json!({}));
        let body = json!({ "operation": operation, "input": input });
        self.service.launch(&format!("/v1/notes/{id}/processing"), &body)
    }

    /// What comes of a request for a job.
    fn asked_for(&self, operation: &str) -> Answer {
        self.service.put("/v1/notes/asked", &json!({}));
        let body = json!({ "operation": operation });
        self.service.ask(&request("POST", "/v1/notes/asked/processing").json(JSON, &body))
    }
}

fn signal(service: &Service, signal: Signal) {
    kill_process(Pid::from_raw(service.pid()).expect("a process"), signal).expect("it can be signalled");
}

/// Anything, and a place for its jobs.
const NOTES: &str = "[collections.notes]\npreconditions = \"optional\"\n";

/// An operation that runs this script.
fn script(name: &str, script: &str, more: &str) -> String {
    format!(
        "[operations.{name}]\nexec = {{ command = [\"sh\", \"-c\", '''{script}'''], cwd = \".\" }}\ngrace = \"200ms\"\n{more}\n"
    )
}

/// Goes on until the world has a file `go`.
const UNTIL_GO: &str = "until [ -e go ]; do sleep 0.02; done";
