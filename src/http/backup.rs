//! `/v1/admin/backup`: everything that is stored, as one stream.
//!
//! # Guarantees
//! One backup is read at a time; who asks meanwhile is answered at once and gets
//! the first byte when it is their turn. Who reads too slowly is cut off, and
//! what they have then does not read as a backup: the store keeps all that a
//! backup holds for as long as it is read.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};
use warp::Reply as _;
use warp::reply::Response;

use super::dispatch::Call;
use super::problem::{Kind, Problem};
use super::reply;
use crate::api::{Api, Backup};
use crate::domain::principal::Access;

/// What a backup is.
pub(super) const BYTES: &str = "application/octet-stream";

/// The slowest that anybody may read on the average, in bytes a second: what a
/// backup of a gigabyte takes an hour at.
const BYTES_PER_SECOND_MIN: u64 = 256 * 1024;

/// How much is handed over at once.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// What is handed over to the connection.
enum Piece {
    Some(Bytes),
    /// That was all.
    End,
}

/// Answers with a backup.
pub(super) fn backup(call: &Call<'_>) -> Result<Response, Problem> {
    let config = call.http.config;
    let is_reached = || config.addresses.iter().any(|address| !address.ip().is_loopback());
    if matches!(config.access, Access::Anyone) && is_reached() {
        let detail = "everybody who reaches this address could have everything: backups are for loopback addresses, \
             or for admins under `[auth]`";
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    let mut response = if call.method == Method::HEAD {
        reply::empty(StatusCode::OK)
    } else {
        let pace = Pace { behind_max: config.backup, bytes_per_second: BYTES_PER_SECOND_MIN };
        info!(principal = call.principal.name, "a backup is asked for");
        let pieces = begin(call.http.api.clone(), pace);
        let stopping = call.http.stopping.clone();
        warp::reply::stream(stream::try_unfold(pieces, move |mut pieces| {
            let stopping = stopping.clone();
            async move {
                let piece = tokio::select! {
                    () = stopping.cancelled() => None,
                    piece = pieces.recv() => piece,
                };
                match piece {
                    Some(Piece::Some(bytes)) => Ok(Some((bytes, pieces))),
                    Some(Piece::End) => Ok(None),
                    // The log says why. To break off says that it is not whole.
                    None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                }
            }
        }))
        .into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BYTES));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"heeler.backup\""));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// How fast a backup has to be read.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long who reads may be behind the slowest speed.
    behind_max: Duration,
    /// The slowest speed.
    bytes_per_second: u64,
}

impl Pace {
    /// Until when so many bytes must have been taken.
    fn due(self, started: Instant, bytes: u64) -> Instant {
        started + self.behind_max + Duration::from_millis(bytes.saturating_mul(1000) / self.bytes_per_second.max(1))
    }
}

/// Reads a backup on a thread of its own, which ends when nobody takes what it
/// reads, or too slowly.
fn begin(api: Api, pace: Pace) -> Receiver<Piece> {
    let (to, pieces) = mpsc::channel(1);
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let begun = handle.block_on(async {
            tokio::select! {
                // Who waits for their turn may go away.
                () = to.closed() => None,
                begun = api.begin_backup() => Some(begun),
            }
        });
        match begun {
            Some(Ok(backup)) => hand_over(backup, &to, pace, &handle),
            Some(Err(error)) => warn!(error = &error as &dyn std::error::Error, "there is no backup"),
            None => {}
        }
    });
    pieces
}

fn hand_over(mut backup: Backup, to: &Sender<Piece>, pace: Pace, handle: &Handle) {
    let (started, mut sent) = (Instant::now(), 0);
    let mut take = |piece| {
        if let Piece::Some(bytes) = &piece {
            sent += bytes.len() as u64;
        }
        match handle.block_on(timeout_at(pace.due(started, sent), to.send(piece))) {
            Ok(Ok(())) => true,
            // Nobody is there any more.
            Ok(Err(_)) => false,
            Err(_) => {
                warn!(bytes = sent, "a backup was read too slowly, and is cut off");
                false
            }
        }
    };
    loop {
        match backup.next_part() {
            Ok(Some(mut part)) => {
                while !part.is_empty() {
                    if !take(Piece::Some(part.split_to(part.len().min(PIECE_BYTES_MAX)))) {
                        return;
                    }
                }
            }
            Ok(None) => break,
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "a backup is cut off");
                return;
            }
        }
    }
    // What the store kept for it is needed no more.
    drop(backup);
    take(Piece::End);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::AttemptLogs;
    use crate::clock::{SystemClock, SystemEntropy};
    use crate::domain::catalog::Catalog;
    use crate::domain::id::JobId;
    use crate::domain::patch::PatchLimits;
    use crate::state::State;
    use crate::store::memory::MemoryStore;

    #[derive(Debug)]
    struct NoLogs;

    impl AttemptLogs for NoLogs {
        fn open(&self, _job: JobId, _number: u32) -> Option<(u64, std::fs::File)> {
            None
        }

        fn forget(&self, _job: JobId) -> io::Result<()> {
            Ok(())
        }
    }

    fn api() -> Api {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let state = State::new(Arc::new(MemoryStore::new()), clock, entropy, Arc::new(Catalog::default()));
        let limits = PatchLimits { operations_max: 1, bytes_max: 1, depth_max: 1 };
        Api::new(state, Arc::new(NoLogs), limits)
    }

    const FAST: Pace = Pace { behind_max: Duration::from_secs(60), bytes_per_second: 1 };

    #[tokio::test(flavor = "multi_thread")]
    async fn who_reads_too_slowly_is_cut_off_and_the_next_one_gets_a_turn() {
        let api = api();
        let mut slow = begin(api.clone(), Pace { behind_max: Duration::from_millis(50), bytes_per_second: u64::MAX });
        let mut next = begin(api, FAST);
        // Nobody reads the first one: it comes to an end by itself.
        let mut last = None;
        while let Some(piece) = next.recv().await {
            last = Some(piece);
        }
        assert!(matches!(last, Some(Piece::End)), "the next one is whole");
        let mut read = Vec::new();
        while let Some(piece) = slow.recv().await {
            read.push(piece);
        }
        assert!(!read.iter().any(|piece| matches!(piece, Piece::End)), "the slow one is not");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_goes_away_while_waiting_or_reading_holds_nobody_up() {
        let api = api();
        let reading = begin(api.clone(), FAST);
        let waiting = begin(api.clone(), FAST);
        drop(waiting);
        drop(reading);
        let mut third = begin(api, FAST);
        let mut whole = false;
        while let Some(piece) = third.recv().await {
            whole = matches!(piece, Piece::End);
        }
        assert!(whole);
    }
}
