//! Following one attempt: its events, and the end of its supervisor.

use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use super::attempt::connect;
use super::events::{Events, Progress, Said};
use super::folder::{EVENTS, Folder};
use super::record::Exit;

/// The time between two looks at the events: what people take for at once.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much of the events is read at once: little enough to do it inline,
/// from the page cache, where the work has just put it.
const CHUNK_BYTES: usize = 64 * 1024;

/// How much of the events is read at all: reading an endless file would put
/// off the end of its attempt for ever.
const EVENTS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What there is to see of an attempt.
#[derive(Debug)]
pub(super) enum Seen {
    /// It got further.
    Progress(Progress),
    /// Nobody answers on its socket.
    Disconnected,
    /// It ended so, and said this.
    Ended(Exit, Said),
}

/// How far an attempt was followed.
#[derive(Debug, Default)]
pub(super) struct Watch {
    line: Line,
    look_at: Option<Instant>,
    offset: u64,
    events: Events,
    exit: Option<Exit>,
}

/// The connection to the supervisor.
#[derive(Debug, Default)]
enum Line {
    /// There was none yet.
    #[default]
    Untried,
    /// It is open: the supervisor lives.
    Open(UnixStream),
    /// There was one.
    Closed,
}

impl Watch {
    /// Follows a supervisor from its beginning, through a connection that is
    /// there already; `None` if it is gone by now.
    pub(super) fn follow(&mut self, supervisor: Option<UnixStream>) {
        self.line = supervisor.map_or(Line::Closed, Line::Open);
    }

    /// Notes the end.
    pub(super) fn ended(&mut self, exit: Exit) {
        self.exit = Some(exit);
    }

    /// Waits for the next thing to see. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, folder: &Folder) -> Seen {
        if matches!(self.line, Line::Untried) && self.exit.is_none() {
            self.exit = folder.exit().ok().flatten();
        }
        loop {
            if let Some(exit) = self.exit.clone() {
                let said = self.last_said(folder).await;
                // Where the end was there before us, so was the progress: old news.
                return match (self.events.take_progress(), &self.line) {
                    (Some(progress), Line::Closed) => Seen::Progress(progress),
                    (None, Line::Closed) | (_, Line::Untried | Line::Open(_)) => Seen::Ended(exit, said),
                };
            }
            match self.rest(folder).await {
                Supervisor::There => {
                    self.read(folder);
                    if let Some(progress) = self.events.take_progress() {
                        return Seen::Progress(progress);
                    }
                }
                Supervisor::Gone => return Seen::Disconnected,
            }
        }
    }

    /// Reads the events to their end.
    pub(super) async fn last_said(&mut self, folder: &Folder) -> Said {
        while self.read(folder) {
            tokio::task::yield_now().await;
        }
        self.events.finish();
        if self.events.skipped() > 0 {
            tracing::debug!(lines = self.events.skipped(), "lines of the work were no events");
        }
        self.events.said().clone()
    }

    /// Waits until it is time to look, or the supervisor is gone.
    async fn rest(&mut self, folder: &Folder) -> Supervisor {
        if !matches!(self.line, Line::Open(_))
            && let Ok(supervisor) = connect(folder).await
        {
            self.line = Line::Open(supervisor);
        }
        let Line::Open(supervisor) = &self.line else {
            return Supervisor::Gone;
        };
        let look_at = self.look_at.unwrap_or_else(Instant::now);
        if timeout_at(look_at, closed(supervisor)).await.is_ok() {
            self.line = Line::Closed;
            return Supervisor::Gone;
        }
        self.look_at = Some(Instant::now() + LOOK_EVERY);
        Supervisor::There
    }

    /// Reads the next bytes of the events, and says whether there were any.
    fn read(&mut self, folder: &Folder) -> bool {
        let Some((length, file)) = folder.open_plain(EVENTS) else { return false };
        if length < self.offset {
            // The work wrote the file anew instead of adding to it.
            self.offset = 0;
            self.events.restart();
        }
        if self.offset >= EVENTS_BYTES_MAX {
            self.events.refuse_rest(EVENTS_BYTES_MAX);
            return false;
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        let length = file.read_at(&mut chunk, self.offset).unwrap_or(0);
        self.offset += length as u64;
        self.events.feed(&chunk[..length]);
        length > 0
    }
}

enum Supervisor {
    There,
    Gone,
}

/// Waits until the other side is gone; what it says is not needed.
async fn closed(supervisor: &UnixStream) {
    let mut bytes = [0; 64];
    loop {
        if supervisor.readable().await.is_err() {
            return;
        }
        match supervisor.try_read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
