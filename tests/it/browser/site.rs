//! The page of the example, served as any web server would: files, and nothing else.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A browser opens connections on which it never asks.
const PATIENCE: Duration = Duration::from_secs(5);

/// A web server with an origin of its own, until it is dropped.
pub(super) struct Site {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Site {
    pub(super) fn new(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let stopping = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopping);
        let accepting = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let folder = folder.clone();
                // A client that goes away in the middle is no fault of the site.
                thread::spawn(move || serve(&folder, stream).unwrap_or_default());
            }
        });
        Self { address, stopping, accepting: Some(accepting) }
    }

    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // It waits for a connection: this one.
        if TcpStream::connect(self.address).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            let _ = accepting.join();
        }
    }
}

fn serve(folder: &Path, stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let line = lines.next().transpose()?.unwrap_or_default();
    for field in lines {
        if field?.is_empty() {
            break;
        }
    }
    let path = line.strip_prefix("GET /").and_then(|rest| rest.split([' ', '?']).next());
    let file = path.map(|path| if path.is_empty() { "index.html" } else { path });
    let bytes = file.filter(|file| !file.contains('/')).and_then(|file| std::fs::read(folder.join(file)).ok());
    let (status, kind) = match &bytes {
        Some(_) => ("200 OK", kind_of(file.unwrap_or_default())),
        None => ("404 Not Found", "text/plain"),
    };
    let body = bytes.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(&[head.as_bytes(), &body].concat())
}

fn kind_of(file: &str) -> &'static str {
    match file.rsplit('.').next() {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    }
}
