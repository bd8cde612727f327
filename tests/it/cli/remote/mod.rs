//! The subcommands that ask a service: the real program against the real
//! service, or against a peer that behaves as no service should.

mod editing;
mod files;
mod lost;
mod peer;
mod reading;
mod watching;
mod work;

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::world::{Ended, Running, World, end_of};

/// Operations that end in every way, and collections of more than one kind.
const CONFIGURATION: &str = r#"
[operations.say]
exec = { command = ["sh", "-c", "echo said; echo complained >&2"] }
[operations.nap]
exec = { command = ["sleep", "${input.seconds}"] }
[operations.fail]
exec = { command = ["sh", "-c", "echo no >&2; exit 3"] }
[operations.twice]
exec = { command = ["sh", "-c", "echo \"try $HEELER_ATTEMPT\"; test $HEELER_ATTEMPT = 2"] }
retry = { attempts = 2, backoff = "10ms" }

[collections.videos]
schema = "video.json"
[collections.dogs]
path = "/api/kennel"
[collections.dogs.activities.barks]
[collections.dogs.activities.tricks]
[collections.stones]
activities = {}
"#;

const SCHEMA: &str = r#"{ "type": "object", "properties": { "title": { "type": "string" } } }"#;

/// A service, and a folder to ask it from.
struct Service {
    world: World,
    running: Running,
}

impl Service {
    fn start() -> Self {
        Self::with(CONFIGURATION)
    }

    fn with(configuration: &str) -> Self {
        let world = World::with(configuration);
        world.write("video.json", SCHEMA);
        let running = world.serve(&["--store", "memory:"]);
        Self { world, running }
    }

    /// The program, told whom to ask.
    fn heeler(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.heeler(arguments);
        command.env("HEELER_SERVER", format!("http://{}", self.running.address()));
        command
    }

    /// Runs it to its end.
    fn run(&self, arguments: &[&str]) -> Ended {
        end_of(&mut self.heeler(arguments))
    }

    /// The same, which must go well; what it printed, ids and instants replaced.
    fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        masked(&ended.stdout)
    }

    /// Runs it with a text on its standard input.
    fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.heeler(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Stores a document.
    fn put(&self, name: &str, document: &str) {
        let ended = self.run_with(&["apply", "--as", name, "-"], document);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }

    /// Writes a file into the folder, with the folders that lead there.
    fn write(&self, name: &str, text: &str) {
        let path = self.world.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
}

/// Text with ids as `ID` and instants as `TIME`: what differs from run to run.
fn masked(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.');
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end.max(first.len_utf8()));
        let bytes = word.as_bytes();
        masked.push_str(if bytes.len() == 36 && bytes[8] == b'-' && bytes[23] == b'-' {
            "ID"
        } else if bytes.len() == 24 && bytes[10] == b'T' && bytes[23] == b'Z' {
            "TIME"
        } else {
            word
        });
        rest = after;
    }
    masked
}
