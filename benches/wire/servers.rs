//! What is measured: Heeler itself, the reference and bare warp, each a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;
use warp::Filter;
use warp::http::{HeaderMap, Response};

use crate::load::Target;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    port: u16,
    takes_patches: bool,
    child: Child,
}

impl Server {
    pub(crate) const fn target(&self) -> Target {
        Target { port: self.port, takes_patches: self.takes_patches }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file of the folder with what bare warp is to serve.
const BODY: &str = "body.json";

/// Starts those that store; Heeler comes first.
pub(crate) fn start(folder: &Path) -> Vec<Server> {
    let config = folder.join("heeler.toml");
    std::fs::write(&config, "[server]\nlisten = \"127.0.0.1:0\"\n\n[collections.docs]\n").unwrap();
    let mut heeler = Command::new(env!("CARGO_BIN_EXE_heeler"));
    heeler.arg("serve").arg("--config").arg(&config);
    vec![launch("heeler", heeler, true), launch("reference", own("reference", folder), true)]
}

/// Starts bare warp, which serves the same bytes for every document.
pub(crate) fn start_bare(folder: &Path, body: &[u8]) -> Server {
    std::fs::write(folder.join(BODY), body).unwrap();
    launch("bare warp", own("bare", folder), false)
}

/// This program once more, as a server.
fn own(kind: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--serve").arg(kind).arg(folder);
    command
}

fn launch(name: &'static str, mut command: Command, takes_patches: bool) -> Server {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
    Server { name, port: port.unwrap_or_else(|| panic!("{name} said `{line}`")), takes_patches, child }
}

/// Serves as the named kind, for ever.
pub(crate) fn serve(kind: &str, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match kind {
            "bare" => bare(std::fs::read(folder.join(BODY)).unwrap().into()).await,
            _ => reference(&folder.join("reference.redb")).await,
        }
    });
}

/// warp, answering every GET with the same document.
async fn bare(body: Bytes) {
    let get = warp::path!("v1" / "docs" / String)
        .and(warp::get())
        .map(move |_id| Response::builder().header("content-type", "application/json").body(body.clone()).unwrap());
    announce(get).await;
}

async fn announce<F>(filter: F)
where
    F: Filter<Error = warp::Rejection> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    warp::serve(filter).incoming(listener).run().await;
}

const DOCUMENTS: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("documents");

/// A write of one document, if it is still at a revision.
struct Write {
    id: String,
    expected: Option<u64>,
    body: Bytes,
    answer: oneshot::Sender<Option<u64>>,
}

/// warp, redb and group commit: the least that a durable conditional write needs.
async fn reference(path: &Path) {
    let database = std::sync::Arc::new(Database::create(path).unwrap());
    let (queue, writes) = mpsc::channel();
    let writer = std::sync::Arc::clone(&database);
    std::thread::spawn(move || write_groups(&writer, &writes));

    let get = warp::path!("v1" / "docs" / String).and(warp::get()).map(move |id: String| {
        let read = database.begin_read().unwrap();
        let entry = read.open_table(DOCUMENTS).ok().and_then(|table| table.get(id.as_str()).unwrap());
        match entry {
            None => Response::builder().status(404).body(Bytes::new()).unwrap(),
            Some(entry) => answer(200, entry.value().0, Bytes::copy_from_slice(entry.value().1)),
        }
    });
    let write = warp::path!("v1" / "docs" / String).and(warp::header::headers_cloned()).and(warp::body::bytes()).then(
        move |id: String, headers: HeaderMap, body: Bytes| {
            let expected = headers.get("if-match").and_then(|tag| tag.to_str().ok()?.trim_matches('"').parse().ok());
            let (answer_to, answered) = oneshot::channel();
            queue.send(Write { id, expected, body: body.clone(), answer: answer_to }).unwrap();
            async move {
                match answered.await.unwrap() {
                    Some(revision) => answer(200, revision, body),
                    None => Response::builder().status(412).body(Bytes::new()).unwrap(),
                }
            }
        },
    );
    announce(get.or(write)).await;
}

fn answer(status: u16, revision: u64, body: Bytes) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("etag", format!("\"{revision}\""))
        .body(body)
        .unwrap()
}

/// Takes what is queued, checks each precondition in the transaction, commits
/// once for all, then answers.
fn write_groups(database: &Database, writes: &mpsc::Receiver<Write>) {
    let mut revision = 0;
    while let Ok(first) = writes.recv() {
        let group: Vec<Write> = std::iter::once(first).chain(writes.try_iter().take(255)).collect();
        let mut transaction = database.begin_write().unwrap();
        transaction.set_durability(Durability::Immediate).unwrap();
        transaction.set_two_phase_commit(true);
        let mut answers = Vec::with_capacity(group.len());
        {
            let mut table = transaction.open_table(DOCUMENTS).unwrap();
            for write in group {
                let current = table.get(write.id.as_str()).unwrap().map(|entry| entry.value().0);
                let holds = write.expected.is_none() || write.expected == current;
                if holds {
                    revision += 1;
                    table.insert(write.id.as_str(), (revision, write.body.as_ref())).unwrap();
                }
                answers.push((write.answer, holds.then_some(revision)));
            }
        }
        transaction.commit().unwrap();
        for (answer, revision) in answers {
            let _ = answer.send(revision);
        }
    }
}
