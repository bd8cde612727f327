//! A runner with a root of its own, and a look at what it does to the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use heeler::domain::expression::Template;
use heeler::domain::id::{JobId, Token};
use heeler::domain::job::Ending;
use heeler::domain::log::{ENTRY_BYTES, Entry};
use heeler::domain::means::Means;
use heeler::domain::operation::{ExecSpec, Keep, OnUnknown, Operation, Reply, RunnerKind, RunnerSpec};
use heeler::domain::retry::RetryPolicy;
use heeler::domain::secret::Surroundings;
use heeler::runner::exec::{ExecConfig, ExecRunner};
use heeler::runner::{AttemptRef, Launch, Report, Runner};
use serde_json::{Value, json};

/// Longer than anything here takes on a busy machine.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// A root, and the runner that uses it.
pub(super) struct World {
    folder: tempfile::TempDir,
    cgroups: Option<PathBuf>,
    pub(super) runner: ExecRunner,
}

impl World {
    pub(super) fn new() -> Self {
        Self::in_cgroups(None)
    }

    /// One whose attempts have cgroups below this one.
    pub(super) fn in_cgroups(cgroups: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runner = runner(folder.path(), cgroups.as_deref());
        Self { folder, cgroups, runner }
    }

    /// Drops everything that the service knew, as its end does.
    pub(super) fn restart(self) -> Self {
        drop(self.runner);
        let runner = runner(self.folder.path(), self.cgroups.as_deref());
        Self { folder: self.folder, cgroups: self.cgroups, runner }
    }

    /// A file that the work can use.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// The folder of an attempt.
    pub(super) fn attempt(&self, attempt: AttemptRef) -> PathBuf {
        self.file("attempts").join(attempt.job.to_string()).join(attempt.number.to_string())
    }

    /// A launch of a program with these arguments.
    pub(super) fn launch(&self, command: &[&str]) -> Launch {
        self.launch_with(command, |_| {})
    }

    /// A launch of this script, which finds its world in `$W`.
    pub(super) fn script(&self, script: &str) -> Launch {
        self.launch(&["sh", "-c", script])
    }

    /// The same, with a change to the operation.
    pub(super) fn script_with(&self, script: &str, change: impl FnOnce(&mut Operation)) -> Launch {
        self.launch_with(&["sh", "-c", script], change)
    }

    fn launch_with(&self, command: &[&str], change: impl FnOnce(&mut Operation)) -> Launch {
        let mut operation = operation(command, self.folder.path());
        change(&mut operation);
        let attempt = attempt_ref();
        Launch {
            attempt,
            timeout: operation.timeout,
            operation: Arc::new(operation),
            means: Arc::new(means()),
            job: json!({
                "id": attempt.job.to_string(), "resource": { "collection": "videos", "id": "42" }, "input": { "text": HOSTILE },
                "trigger": { "kind": "change" },
            }),
            resource: json!({ "size": { "width": 3 } }),
        }
    }

    /// Starts it and waits for its end; also what it said before.
    pub(super) async fn run(&self, launch: Launch) -> (Vec<Report>, Ending) {
        let attempt = launch.attempt;
        self.runner.start(launch).await.expect("it starts");
        self.end(attempt).await
    }

    /// Waits for the end; also what was said before.
    pub(super) async fn end(&self, attempt: AttemptRef) -> (Vec<Report>, Ending) {
        let mut said = Vec::new();
        loop {
            let report = self.runner.next_report(attempt);
            match tokio::time::timeout(DEADLINE, report).await.expect("it ends in time") {
                Report::Ended(ending) => return (said, ending),
                other @ (Report::Progress { .. } | Report::Accepted(_)) => said.push(other),
            }
        }
    }

    /// What of the log came from where.
    pub(super) fn log_index(&self, attempt: AttemptRef) -> Vec<Entry> {
        let Some((_, mut file)) = self.runner.log_index(attempt.job, attempt.number) else { return Vec::new() };
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).expect("bytes");
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        assert!(rest.is_empty());
        entries.iter().map(|entry| Entry::decode(*entry)).collect()
    }

    pub(super) fn log(&self, attempt: AttemptRef) -> String {
        let Some((_, mut file)) = self.runner.log(attempt.job, attempt.number) else { return String::new() };
        let mut text = String::new();
        std::io::Read::read_to_string(&mut file, &mut text).expect("text");
        text
    }
}

/// The secret `TOKEN`.
pub(super) const SECRET: &str = "s3cret of the world";

/// The program of an operation.
pub(super) fn exec(operation: &mut Operation) -> &mut ExecSpec {
    let RunnerSpec::Exec(exec) = &mut operation.runner else { panic!("it is a program") };
    exec
}

pub(super) fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

/// What a shell would love to take apart.
pub(super) const HOSTILE: &str = "a b; $(touch $W/x) `id` \" ' \n * \\ |&<>";

fn runner(folder: &Path, cgroups: Option<&Path>) -> ExecRunner {
    let mut config = ExecConfig::new(folder.join("attempts"));
    config.program = PathBuf::from(env!("CARGO_BIN_EXE_heeler"));
    config.cgroups = cgroups.map(Path::to_owned);
    ExecRunner::new(config).expect("a root")
}

fn means() -> Means {
    let secrets = [("TOKEN".to_owned(), SECRET.to_owned())].into_iter().collect();
    let surroundings = Surroundings { secrets, ..Surroundings::default() };
    Means { surroundings, log_bytes_max: 64 * 1024, ..Means::default() }
}

fn operation(command: &[&str], folder: &Path) -> Operation {
    let world = folder.to_str().expect("UTF-8");
    Operation {
        name: "work".parse().expect("a name"),
        description: None,
        input: None,
        runner: RunnerSpec::Exec(ExecSpec {
            command: command.iter().map(|text| template(text)).collect(),
            cwd: Some(folder.to_owned()),
            env: BTreeMap::from([("W".to_owned(), template(world))]),
            ..ExecSpec::default()
        }),
        // A test that fails leaves nothing running for long.
        timeout: Some(2 * DEADLINE),
        grace: Duration::from_secs(20),
        retry: RetryPolicy::default(),
        concurrency: None,
        attempts_max: 100,
        rate: None,
        deadline: None,
        start_deadline: None,
        priority: 0,
        on_unknown: OnUnknown::Fail,
        reply: Reply::default(),
        keep: Keep::default(),
        effects: heeler::domain::effect::Effects::default(),
    }
}

fn attempt_ref() -> AttemptRef {
    static NUMBER: AtomicU8 = AtomicU8::new(1);
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[15] = NUMBER.fetch_add(1, Ordering::Relaxed);
    let time = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    bytes[4..12].copy_from_slice(&time.to_be_bytes()[8..]);
    AttemptRef { job: JobId::from_bytes(bytes), number: 1, token: Token::from_bytes(bytes), runner: RunnerKind::Exec }
}

/// Waits until something holds.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How many processes have their working directory in this world: also those
/// that threw their environment away.
pub(super) fn inhabitants(world: &World) -> usize {
    let entries = fs::read_dir("/proc").expect("/proc");
    let cwds = entries.filter_map(|entry| fs::read_link(entry.ok()?.path().join("cwd")).ok());
    cwds.filter(|cwd| *cwd == world.file("")).count()
}

/// The living processes of an attempt, without its supervisor.
pub(super) fn workers(attempt: AttemptRef) -> Vec<i32> {
    let mark = format!("HEELER_TOKEN={}", attempt.token.reveal());
    processes(|pid| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes())
    })
}

/// The supervisor of an attempt.
pub(super) fn supervisor(attempt: AttemptRef) -> Vec<i32> {
    let job = attempt.job.to_string();
    processes(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.split('\0').nth(1) == Some("supervise") && line.contains(&job)
    })
}

fn processes(matches: impl Fn(i32) -> bool) -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| matches(pid)).collect()
}

/// Kills a process at once, if it has not ended.
pub(super) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// The members of a report of progress.
pub(super) fn progress(report: &Report) -> Value {
    match report {
        Report::Progress { fraction, message } => json!([fraction, message]),
        Report::Accepted(_) => json!("accepted"),
        Report::Ended(_) => json!("ended"),
    }
}

/// No processes.
pub(super) const NOBODY: [i32; 0] = [];
