//! A service within the test, with functions of the test, asked over real
//! sockets; and one in a process of its own, to be killed.

use std::future::pending;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use heeler::{Builder, CollectionOptions, Error, Heeler, OperationOptions, RetryPolicy, StoreUrl};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::service::DEADLINE;
use crate::service::client::{Answer, JSON, Request, request};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A builder on a store in memory, and with the collection `dogs`, whose
/// activity `barks` runs any operation.
pub(super) fn builder() -> Builder {
    let dogs = CollectionOptions::default().optional_preconditions().activity("barks", [""; 0]);
    Heeler::builder().collection("dogs", dogs).store(StoreUrl::Memory).listen(([127, 0, 0, 1], 0).into())
}

/// So many attempts, one at once after the other.
pub(super) fn retried(attempts: u32) -> OperationOptions {
    OperationOptions::default().retry(RetryPolicy { attempts, backoff: Duration::ZERO, ..RetryPolicy::default() })
}

/// Counts how often something is held at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Witness(Arc<[AtomicUsize; 2]>);

impl Witness {
    /// Holds it until what is given is dropped.
    pub(super) fn hold(&self) -> Held {
        let [held, most] = &*self.0;
        most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Held(self.clone())
    }

    pub(super) fn held(&self) -> usize {
        self.0[0].load(Ordering::SeqCst)
    }

    /// How often it was held at once at most.
    pub(super) fn most(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }
}

/// That something is held.
#[derive(Debug)]
pub(super) struct Held(Witness);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0[0].fetch_sub(1, Ordering::SeqCst);
    }
}

/// The store in a folder.
pub(super) fn store_in(folder: &Path) -> StoreUrl {
    StoreUrl::Redb(folder.join("heeler.redb"))
}

/// A service that runs on a thread of the test.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

/// Starts it.
pub(super) fn start(builder: Builder) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let (say, said) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let service = builder.build().await?;
            say.send(service.address().expect("it listens")).expect("the test waits");
            service
                .serve(async {
                    // A test that forgets about it lets it run until the end of the test.
                    if stopped.await.is_err() {
                        pending::<()>().await;
                    }
                })
                .await
        })
    });
    match said.recv_timeout(DEADLINE) {
        Ok(address) => Running { address, stop: Some(stop), thread: Some(thread) },
        Err(_) => panic!("it does not start: {:?}", thread.join()),
    }
}

impl Running {
    /// Stops it, and waits until it has ended.
    pub(super) fn stop(mut self) {
        self.end().expect("it ends well");
    }

    fn end(&mut self) -> Result<(), Error> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.thread.take().map_or(Ok(()), |thread| thread.join().expect("it does not panic"))
    }

    pub(super) fn ask(&self, request: &Request) -> Answer {
        request.send(self.address).unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    pub(super) fn get(&self, target: &str) -> Answer {
        self.ask(&request("GET", target))
    }

    /// Makes a dog, and lets an operation run for it; gives the URL of the job.
    pub(super) fn launch(&self, operation: &str, input: &Value) -> String {
        self.launch_for("rex", operation, input)
    }

    /// The same for a dog of that name.
    pub(super) fn launch_for(&self, dog: &str, operation: &str, input: &Value) -> String {
        let dog = format!("/v1/dogs/{dog}");
        let made = self.ask(&request("PUT", &dog).json(JSON, &json!({ "name": "Rex" })));
        assert!(matches!(made.status, 200 | 201), "{}", made.text());
        let body = json!({ "operation": operation, "input": input });
        let posted = self.ask(&request("POST", &format!("{dog}/barks")).json(JSON, &body));
        assert_eq!(posted.status, 202, "{}", posted.text());
        format!("/v1/jobs/{}", posted.json()["id"].as_str().expect("an id"))
    }

    /// Waits until what is there passes, and gives that.
    pub(super) fn until(&self, what: &str, target: &str, passes: impl Fn(&Value) -> bool) -> Value {
        until(self.address, what, target, passes)
    }

    /// Waits until a job is final, and gives it.
    pub(super) fn finished(&self, job: &str) -> Value {
        self.until("the job ends", job, |job| !job["finished"].is_null())
    }

    /// Runs an operation to its end, and gives the job.
    pub(super) fn run(&self, operation: &str, input: &Value) -> Value {
        self.finished(&self.launch(operation, input))
    }

    pub(super) fn cancel(&self, job: &str) {
        let answer = self.ask(&request("DELETE", job));
        assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn until(address: SocketAddr, what: &str, target: &str, passes: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let answer = request("GET", target).send(address).unwrap_or_else(|error| panic!("{target}: {error}"));
        let body = answer.json();
        if answer.status == 200 && passes(&body) {
            return body;
        }
        assert!(begun.elapsed() < DEADLINE, "{what}: {}", answer.text());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What tells this program that it is the other process, and with which folder.
const FOLDER: &str = "HEELER_TEST_EMBEDS_IN";

/// The folder of the other process, in that process.
pub(super) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// A service in a process of its own: this program, told to run one test,
/// which serves until it is killed.
pub(super) struct Other {
    child: Child,
    pub(super) address: SocketAddr,
}

/// Starts it. The test must print where it listens, as the command does.
pub(super) fn start_other(test: &str, folder: &Path) -> Other {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it can be spawned");
    let said = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
    let mut lines = said.map_while(Result::ok);
    let address = lines.find_map(|line| line.rsplit_once("listening on http://")?.1.parse().ok());
    Other { child, address: address.expect("it says where it listens") }
}

impl Other {
    /// As a request of whoever is somewhere else.
    pub(super) fn ask(&self, request: &Request) -> Answer {
        request.send(self.address).unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    pub(super) fn until(&self, what: &str, target: &str, passes: impl Fn(&Value) -> bool) -> Value {
        until(self.address, what, target, passes)
    }

    /// kill -9.
    pub(super) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.end();
    }
}
