//! A runner on a folder of its own, and the operations of a configuration.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use heeler::clock::SystemClock;
use heeler::config::{self, Config, Outside};
use heeler::domain::id::{JobId, Token};
use heeler::domain::job::{AttemptOutcome, Ending, Remote};
use heeler::domain::means::Means;
use heeler::domain::operation::RunnerKind;
use heeler::domain::secret::Secrets;
use heeler::runner::http::{HttpConfig, HttpRunner, Resolve};
use heeler::runner::mail::{MailConfig, MailRunner};
use heeler::runner::{AttemptRef, Launch, Report, Runner, Trust};
use serde_json::{Value, json};

/// Longer than anything here takes on a busy machine.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// The secret `HOOK`.
pub(super) const SECRET: &str = "s3cret-of-the-hook-and-long-enough";

/// A folder, and what runs there.
#[derive(Debug)]
pub(super) struct World {
    folder: tempfile::TempDir,
    pub(super) names: Names,
    pub(super) trust: Trust,
    pub(super) input: Value,
}

/// Where names lead: to one answer after the other, and then to the last.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>>);

impl Names {
    pub(super) fn set(&self, name: &str, answers: &[&[&str]]) {
        let read = |text: &&str| text.parse().expect("an address");
        let answers = answers.iter().map(|answer| answer.iter().map(read).collect()).collect();
        self.0.lock().expect("nobody panicked").insert(name.to_owned(), answers);
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if name == "never.example" {
            std::future::pending::<()>().await;
        }
        let mut names = self.0.lock().expect("nobody panicked");
        let answers = names.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Nobody is trusted until somebody is.
        Self { folder, names: Names::default(), trust: Trust::only(Vec::new()), input: json!({}) }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the file says, with an operation `work` of this.
    pub(super) fn configured(&self, operation: &str) -> Config {
        let text = format!(
            "[secrets]\nHOOK = {{ env = \"HOOK_TOKEN\" }}\nOLD = {{ env = \"OLD_TOKEN\" }}\n[operations.work]\n{operation}\n"
        );
        let env: Secrets = [("HOOK_TOKEN", SECRET), ("OLD_TOKEN", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        let outside = Outside { read: &|_| Err(io::ErrorKind::NotFound.into()), env: &env, cron: &|_| Ok(()) };
        let config = config::parse(&text, Path::new("heeler.toml"), self.path(), outside);
        config.unwrap_or_else(|errors| panic!("{errors}"))
    }

    pub(super) fn http(&self) -> HttpRunner {
        HttpRunner::new(HttpConfig {
            root: self.path().to_owned(),
            trust: self.trust.clone(),
            resolver: Arc::new(self.names.clone()),
            clock: Arc::new(SystemClock),
        })
    }

    pub(super) fn mail(&self) -> MailRunner {
        MailRunner::new(MailConfig {
            root: self.path().to_owned(),
            trust: self.trust.clone(),
            clock: Arc::new(SystemClock),
        })
    }

    /// A launch of the operation, the first attempt of a job of its own.
    pub(super) fn launch(&self, config: &Config) -> Launch {
        let name = "work".parse().expect("a name");
        let operation = Arc::clone(config.catalog.operations.get(&name).expect("it is declared"));
        let attempt = attempt_ref(operation.runner.kind());
        Launch {
            attempt,
            timeout: operation.timeout,
            operation,
            means: Arc::new(means(config)),
            job: json!({
                "id": attempt.job.to_string(), "resource": { "collection": "videos", "id": "42" },
                "operation": "work", "input": self.input,
            }),
            resource: json!({ "email": "ada@example.com", "title": "Woof" }),
        }
    }

    /// What comes of a request that the file describes so.
    pub(super) async fn request(&self, operation: &str) -> Report {
        let config = self.configured(operation);
        let (runner, launch) = (self.http(), self.launch(&config));
        run(&runner, launch).await
    }

    /// What comes of a letter that the file describes so.
    pub(super) async fn letter(&self, operation: &str) -> Ending {
        let config = self.configured(operation);
        let (runner, launch) = (self.mail(), self.launch(&config));
        ended(run(&runner, launch).await)
    }
}

/// What the file says for all operations.
fn means(config: &Config) -> Means {
    let (surroundings, relay) = (config.surroundings.clone(), config.relay.clone());
    Means { surroundings, relay, public: "http://heeler.example:7117".to_owned(), ..Means::default() }
}

/// Starts an attempt, and hears what it says.
pub(super) async fn run(runner: &dyn Runner, launch: Launch) -> Report {
    let attempt = launch.attempt;
    if let Err(error) = runner.start(launch).await {
        return Report::Ended(Ending { detail: Some(error.detail), ..Ending::new(AttemptOutcome::Failed) });
    }
    report(runner, attempt).await
}

pub(super) async fn report(runner: &dyn Runner, attempt: AttemptRef) -> Report {
    tokio::time::timeout(DEADLINE, runner.next_report(attempt)).await.expect("it says something in time")
}

pub(super) fn ended(report: Report) -> Ending {
    match report {
        Report::Ended(ending) => ending,
        other @ (Report::Progress { .. } | Report::Accepted(_)) => panic!("it did not end: {other:?}"),
    }
}

pub(super) fn accepted(report: Report) -> Remote {
    match report {
        Report::Accepted(remote) => remote,
        other @ (Report::Progress { .. } | Report::Ended(_)) => panic!("it was not accepted: {other:?}"),
    }
}

pub(super) fn detail(ending: &Ending) -> &str {
    ending.detail.as_deref().unwrap_or_default()
}

fn attempt_ref(runner: RunnerKind) -> AttemptRef {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [7; 16];
    bytes[8..].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    AttemptRef { job: JobId::from_bytes(bytes), number: 1, token: Token::from_bytes(bytes), runner }
}

/// Waits until something holds.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
