//! The load: connections that send one request after the other and count answers.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server and how its resources are reached.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) port: u16,
    /// Bare warp serves one document and takes no patches.
    pub(crate) takes_patches: bool,
}

/// What a connection does all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Get,
    Patch,
}

/// What came of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) p99_us: f64,
}

/// A JSON object of 1 KiB.
pub(crate) fn document(count: usize) -> String {
    let filler = "x".repeat(970);
    format!(r#"{{"title":"Holiday","count":{count:>12},"data":"{filler}"}}"#)
}

/// Creates the resources.
pub(crate) async fn fill(target: &Target, resources: usize) {
    let lanes = 64;
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..lanes {
        let target = target.clone();
        tasks.spawn(async move {
            let mut connection = Connection::open(&target).await;
            for id in (lane..resources).step_by(lanes) {
                let (status, _) = connection.send("PUT", id, "application/json", None, &document(0)).await;
                assert!(status == 201 || status == 200, "PUT answered {status}");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// What a GET of a resource is answered with.
pub(crate) async fn body(target: &Target) -> Vec<u8> {
    let mut connection = Connection::open(target).await;
    connection.send("GET", 0, "", None, "").await;
    let end = connection.buffer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    connection.buffer[end + 4..].to_vec()
}

/// Lets so many connections work for so long. Each one has its own share of
/// the resources, so a failed precondition is an error.
pub(crate) async fn run(target: &Target, work: Work, connections: usize, resources: usize, time: Duration) -> Outcome {
    let mut tasks = tokio::task::JoinSet::new();
    let ready = std::sync::Arc::new(tokio::sync::Barrier::new(connections + 1));
    for lane in 0..connections {
        let (target, ready) = (target.clone(), std::sync::Arc::clone(&ready));
        tasks.spawn(async move {
            let mut connection = Connection::open(&target).await;
            // One connection shall not spend its time on reading ten thousand tags.
            let own: Vec<usize> =
                (lane..resources).step_by(connections).take(1000.max(resources / connections)).collect();
            let own = &own[..own.len().min(2000)];
            let mut tags = Vec::new();
            if work == Work::Patch {
                for id in own {
                    tags.push(connection.send("GET", *id, "", None, "").await.1);
                }
            }
            ready.wait().await;
            let start = Instant::now();
            let mut times = Vec::new();
            for turn in 0.. {
                if start.elapsed() >= time {
                    break;
                }
                let at = turn % own.len();
                let sent = Instant::now();
                match work {
                    Work::Get => {
                        let (status, _) = connection.send("GET", own[at], "", None, "").await;
                        assert_eq!(status, 200);
                    }
                    Work::Patch => {
                        let body = document(turn + 1);
                        let tag = tags[at].take();
                        let answer =
                            connection.send("PATCH", own[at], "application/merge-patch+json", tag, &body).await;
                        assert_eq!(answer.0, 200, "a PATCH with the tag of the last answer");
                        tags[at] = answer.1;
                    }
                }
                times.push(sent.elapsed().as_secs_f64() * 1e6);
            }
            (times, start.elapsed())
        });
    }
    ready.wait().await;
    let (mut times, mut rate) = (Vec::new(), 0.0);
    while let Some(done) = tasks.join_next().await {
        let (own, elapsed) = done.unwrap();
        rate += own.len() as f64 / elapsed.as_secs_f64();
        times.extend(own);
    }
    times.sort_by(f64::total_cmp);
    Outcome { rate, p99_us: times[times.len() * 99 / 100] }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(target: &Target) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", target.port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    /// Sends a request and reads its answer: the status and the tag.
    async fn send(
        &mut self,
        method: &str,
        id: usize,
        media: &str,
        tag: Option<String>,
        body: &str,
    ) -> (u16, Option<String>) {
        let mut request = format!("{method} /v1/docs/doc{id} HTTP/1.1\r\nHost: localhost\r\n");
        if let Some(tag) = tag {
            request += &format!("If-Match: {tag}\r\n");
        }
        if method != "GET" {
            request += &format!("Content-Type: {media}\r\nContent-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += body;
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        loop {
            let count = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(count > 0, "the server closed the connection");
            if let Some(answer) = whole_answer(&self.buffer) {
                return answer;
            }
        }
    }
}

fn whole_answer(bytes: &[u8]) -> Option<(u16, Option<String>)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let header = |name: &str| {
        head.split("\r\n").skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length").map_or(0, |text| text.parse().unwrap());
    if bytes.len() < end + 4 + length {
        return None;
    }
    Some((head[9..12].parse().unwrap(), header("etag")))
}
