//! The real binary on a folder of its own: started, asked, killed and started
//! again, as an operator and a machine do it.
//!
//! # Guarantees
//! Nothing that was started here outlives a [`World`], whatever became of the test.

pub(crate) mod client;
pub(crate) mod processes;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use self::client::{Answer, JSON, Request, request};

/// Longer than anything here takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A folder with a configuration, in which one store lives.
#[derive(Debug)]
pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A world with this configuration. It listens on any free port, and its
    /// work finds itself in the folder.
    pub(crate) fn new(configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let world = Self { folder };
        world.write("heeler.toml", &format!("[server]\nlisten = \"127.0.0.1:0\"\n{configuration}"));
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("a file can be written");
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// The service as it would be started here, with its output thrown away.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heeler"));
        command.arg("serve").current_dir(self.path()).env("HEELER_LOG", "warn").stdin(Stdio::null());
        // A group of its own: what the terminal of the tests gets is not for it.
        command.process_group(0);
        command
    }

    pub(crate) fn start(&self) -> Service {
        self.start_by(self.command())
    }

    /// Starts the service by a command that is, or runs, [`Self::command`].
    pub(crate) fn start_by(&self, mut command: Command) -> Service {
        let log = fs::File::options().create(true).append(true).open(self.file("service.log")).expect("a log");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("it can be spawned");
        let mut said = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says something");
        let address = line.trim().strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("it said {line:?}: {}", self.text("service.log")));
        Service { child: Some(child), address }
    }

    pub(crate) fn workers(&self) -> Vec<i32> {
        processes::workers(self.path())
    }

    pub(crate) fn supervisors(&self) -> Vec<i32> {
        processes::supervisors(self.path())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            // Supervisors first: they would outlive, and record, the end of their work.
            let left = [self.supervisors(), self.workers()].concat();
            if left.is_empty() {
                return;
            }
            left.into_iter().for_each(processes::kill);
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// A service that runs.
#[derive(Debug)]
pub(crate) struct Service {
    child: Option<Child>,
    pub(crate) address: SocketAddr,
}

impl Service {
    pub(crate) fn pid(&self) -> i32 {
        let id = self.child.as_ref().expect("it was not ended").id();
        i32::try_from(id).expect("a process id fits")
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.end_now();
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(self) -> ExitStatus {
        kill_process(Pid::from_raw(self.pid()).expect("a process"), Signal::TERM).expect("it can be signalled");
        self.wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it was not ended");
        let mut ended = None;
        until("the service ends", || {
            ended = child.try_wait().expect("it can be waited for");
            ended.is_some()
        });
        ended.expect("it was waited for")
    }

    fn end_now(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it can be waited for");
        }
    }

    pub(crate) fn ask(&self, request: &Request) -> Answer {
        request.send(self.address).unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask(&request("GET", target))
    }

    /// PUT without a precondition.
    pub(crate) fn put(&self, target: &str, document: &Value) -> Answer {
        self.ask(&request("PUT", target).json(JSON, document))
    }

    /// Launches a job, and gives its URL among all jobs.
    pub(crate) fn launch(&self, activity: &str, body: &Value) -> String {
        let answer = self.ask(&request("POST", activity).json(JSON, body));
        assert_eq!(answer.status, 202, "{}", answer.text());
        format!("/v1/jobs/{}", answer.json()["id"].as_str().expect("an id"))
    }

    /// Waits until what is there passes, and gives that.
    pub(crate) fn until(&self, what: &str, target: &str, passes: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let answer = self.get(target);
            let body = answer.json();
            if answer.status == 200 && passes(&body) {
                return body;
            }
            assert!(start.elapsed() < DEADLINE, "{what}: {}", answer.text());
            thread::sleep(LOOK_EVERY);
        }
    }

    /// What a metric without labels says now.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").text();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} is there: {metrics}"))
    }

    /// Waits until a metric is as it should be.
    pub(crate) fn until_metric(&self, name: &str, passes: impl Fn(f64) -> bool) {
        until(name, || passes(self.metric(name)));
    }

    /// Waits until a job is final, and gives it.
    pub(crate) fn finished(&self, job: &str) -> Value {
        self.until("the job ends", job, |job| !job["finished"].is_null())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end_now();
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        thread::sleep(LOOK_EVERY);
    }
}
