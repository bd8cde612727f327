//! A peer that says what it was told to say, and remembers what it heard.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a peer does with a connection.
#[derive(Debug, Clone)]
pub(super) enum Do {
    /// Reads up to and with these bytes.
    Hear(&'static [u8]),
    /// Reads a request: its head, and as much of a body as it announces.
    HearRequest,
    /// Says this.
    Say(Vec<u8>),
    /// Says this again and again, for as long as anybody listens.
    SayForEver(Vec<u8>),
    /// Says this byte by byte, slowly.
    Drip(Vec<u8>),
    /// Waits until the other side goes away.
    Hang,
}

/// A peer on a port of its own.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// One that treats its first connection as the first script says, and so
    /// on, and every further one as the last.
    pub(super) fn new(scripts: Vec<Vec<Do>>) -> Self {
        Self::at("127.0.0.1:0", scripts)
    }

    pub(super) fn at(address: &str, scripts: Vec<Vec<Do>>) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (heard, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
        let (hears, stops) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut scripts = scripts.into_iter().peekable();
            let mut last = Vec::new();
            for stream in listener.incoming().flatten() {
                if stops.load(Ordering::SeqCst) {
                    return;
                }
                last = scripts.next().unwrap_or(last);
                let (script, hears) = (last.clone(), Arc::clone(&hears));
                thread::spawn(move || play(stream, &script, &hears));
            }
        });
        Self { address, heard, stop, thread: Some(thread) }
    }

    /// One that gives every request this answer.
    pub(super) fn answering(answer: &str) -> Self {
        Self::new(vec![answer_with(answer)])
    }

    /// What was heard on each connection, in the order in which they ended.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panicked").clone()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Hears a request and says this.
pub(super) fn answer_with(answer: &str) -> Vec<Do> {
    vec![Do::HearRequest, Do::Say(answer.as_bytes().to_vec())]
}

/// An answer in JSON.
pub(super) fn json(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn play(mut stream: TcpStream, script: &[Do], heard: &Mutex<Vec<String>>) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let mut bytes = Vec::new();
    let mut at = heard.lock().expect("nobody panicked").len();
    heard.lock().expect("nobody panicked").push(String::new());
    for step in script {
        let goes_on = match step {
            Do::Hear(end) => {
                let from = bytes.len();
                read_until(&mut stream, &mut bytes, |heard| heard[from..].windows(end.len()).any(|some| some == *end))
            }
            Do::HearRequest => read_until(&mut stream, &mut bytes, is_request),
            Do::Say(text) => stream.write_all(text).is_ok(),
            Do::SayForEver(text) => {
                while stream.write_all(text).is_ok() {}
                false
            }
            Do::Drip(text) => text.iter().all(|byte| {
                thread::sleep(Duration::from_millis(50));
                stream.write_all(&[*byte]).is_ok()
            }),
            Do::Hang => read_until(&mut stream, &mut bytes, |_| false),
        };
        let mut all = heard.lock().expect("nobody panicked");
        at = at.min(all.len() - 1);
        all[at] = String::from_utf8_lossy(&bytes).into_owned();
        drop(all);
        if !goes_on {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    // What is unread at a close would throw away what was said.
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let _ = stream.read(&mut [0; 4096]);
}

fn read_until(stream: &mut TcpStream, bytes: &mut Vec<u8>, is_enough: impl Fn(&[u8]) -> bool) -> bool {
    let mut byte = [0; 1];
    while !is_enough(bytes) {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            Ok(_) | Err(_) => return false,
        }
    }
    true
}

fn is_request(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    bytes.len() >= end + 4 + length.unwrap_or(0)
}
