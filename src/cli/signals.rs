//! The signals that ask the command to end, and the one that asks it to reload.

use std::io;

use tokio::signal::unix::{self, SignalKind};

use super::exit;

/// Listens for SIGTERM and SIGINT, which no longer end the process by themselves.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

/// Listens for SIGHUP, which no longer ends the process by itself.
#[derive(Debug)]
pub(super) struct Hangups(unix::Signal);

impl Hangups {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self(unix::signal(SignalKind::hangup())?))
    }

    /// Waits for the next one since this was asked last; several that came meanwhile are one.
    pub(super) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // None can come any more.
            std::future::pending::<()>().await;
        }
    }
}

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Terminate,
    Interrupt,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

impl Signal {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    /// Ends the process as the signal would have done, at once.
    pub(super) fn end_process(self) -> ! {
        exit::by_signal(match self {
            Self::Terminate => 15,
            Self::Interrupt => 2,
        })
    }
}
