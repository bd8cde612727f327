//! Runs the program in a folder of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The longest that anything here may take; only a failing test takes it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A configuration without operations.
pub(crate) const NOTES: &str = "[collections.notes]\npreconditions = \"optional\"\n";

/// A folder with a configuration in it.
#[derive(Debug)]
pub(crate) struct World(TempDir);

/// How a run went.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A service under way. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) first_line: String,
    stdout: BufReader<std::process::ChildStdout>,
}

impl World {
    pub(crate) fn with(configuration: &str) -> Self {
        let world = Self(tempfile::tempdir().expect("a folder"));
        world.write("heeler.toml", configuration);
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("a file");
    }

    /// The program in this folder, with nothing of our environment that changes it.
    pub(crate) fn heeler(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heeler"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for name in ["CONFIG", "LISTEN", "STORE", "INSECURE", "LOG", "LOG_FORMAT", "SERVER", "TOKEN", "REQUEST_TIMEOUT"]
        {
            command.env_remove(format!("HEELER_{name}"));
        }
        for name in ["COLUMNS", "VISUAL", "EDITOR"] {
            command.env_remove(name);
        }
        command.env("TMPDIR", self.path());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        end_of(&mut self.heeler(arguments))
    }

    /// Starts to serve, on a free port, and waits until it says where.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Running {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        Running::start(&mut self.heeler(&all))
    }
}

/// Runs a command to its end.
pub(crate) fn end_of(command: &mut Command) -> Ended {
    let output = command.output().expect("it runs");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

impl Running {
    /// Starts a command and waits for its first line.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut first_line = String::new();
        stdout.read_line(&mut first_line).expect("a line");
        assert!(!first_line.is_empty(), "it ended at once: {}", rest_of(child.stderr.take()));
        Self { child, first_line, stdout }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        let (_, address) = self.first_line.split_once("http://").expect("the line says where");
        address.split([',', '\n']).next().expect("an address")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is there");
    }

    /// Waits for the next line that holds this.
    pub(crate) fn line_with(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).expect("a line") > 0, "no line says {what}");
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Waits for the end; what it wrote since is the rest.
    pub(crate) fn end(mut self) -> Ended {
        let status = self.wait();
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).expect("UTF-8");
        Ended { code: status.code(), stdout, stderr: rest_of(self.child.stderr.take()) }
    }

    fn wait(&mut self) -> ExitStatus {
        // The deadline is a thread's: the standard library waits for ever.
        let (ended, deadline) = mpsc::channel::<()>();
        let pid = Pid::from_child(&self.child);
        let watch = thread::spawn(move || {
            if deadline.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let status = self.child.wait().expect("a status");
        drop(ended);
        watch.join().expect("the watch ends");
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rest_of(stderr: Option<ChildStderr>) -> String {
    let mut text = String::new();
    stderr.expect("a pipe").read_to_string(&mut text).expect("UTF-8");
    text
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "not in time: {what}");
        // Only gives the processor away; what counts is the condition.
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// Asks a service, and gives the whole answer.
pub(crate) fn ask(address: &str, request: &str, body: &str) -> String {
    ask_with(address, request, "", body)
}

/// Asks a service with further headers, each with its line end.
pub(crate) fn ask_with(address: &str, request: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
