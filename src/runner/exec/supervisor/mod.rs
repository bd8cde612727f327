//! The supervisor: one small process per attempt, which outlives the service.
//!
//! # Guarantees
//! It begins at most once per folder, notes the start durably before there is
//! any work, and writes the end only when nothing of the work is left. It asks
//! nothing of the service, and does not notice when that goes away.
//! # The socket
//! It greets with a line once the work is started, and closes when all is
//! over. The line `stop` stops the work. Nothing else is said: what happened is
//! in the folder (see [`super::folder`]).
//! # Not here
//! Events, results, outcomes: the service reads and judges them.

mod control;
mod limits;
mod log;
mod tree;
mod work;

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitStatus, getpid, kill_process_group, set_child_subreaper, setsid};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

pub(super) use self::control::STOP;
use self::control::{Control, Wish};
use self::limits::{Enforcement, Found};
use self::log::Log;
use self::tree::Reaped;
pub(super) use self::work::refusal;
use self::work::{Given, Spawned};
use super::folder::{EVENTS, INDEX, JOB, LOCK, LOG, SPEC, STARTED, create, read_json, sync_folder, write_exit};
use super::record::{Cause, End, Exit, Private, Spec};
use super::step::Refusal;

/// The time between two attempts to kill what does not go away.
const KILL_AGAIN: Duration = Duration::from_millis(20);

/// How often writing the end is tried: an hour of a full disk. The attempt
/// counts as running meanwhile; after that its fate is unknown.
const WRITE_TRIES_MAX: u32 = 3600;

/// The time between two of these tries.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// Supervises the attempt in this folder: the whole life of the process.
///
/// Standard input is the listening socket, standard output a file in memory
/// with what may be on no disk. Refuses (exit code 1), without
/// having done anything, if the folder is not the one with this nonce, if the
/// attempt was abandoned or if it was begun before.
#[must_use]
pub fn supervise(folder: &Path, nonce: &str) -> ExitCode {
    let Ok((attempt, lock)) = begin(folder, nonce) else { return ExitCode::FAILURE };
    let written = attempt.run();
    // Only now: whoever finds the lock free and no end takes it for lost.
    drop(lock);
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// An attempt that is ours alone.
struct Begun {
    spec: Spec,
    private: Private,
    listener: UnixListener,
    children: UnixStream,
}

/// Makes the attempt ours, as long as the file that comes with it is open.
fn begin(folder: &Path, nonce: &str) -> io::Result<(Begun, File)> {
    // Out of the reach of the terminal and of signals to the service's group.
    // It fails only for the leader of a group, which is out of it already.
    let _ = setsid();
    let children = handle_signals()?;
    close_fds::set_fds_cloexec(3, &[]);
    std::env::set_current_dir(folder)?;
    // A stranger to this folder leaves its lock alone, too.
    is_ours(nonce)?;
    let lock = File::open(LOCK)?;
    lock.try_lock()?;
    // Only now does it count: abandoning removes the file under the lock.
    let spec = is_ours(nonce)?;
    let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    listener.set_nonblocking(true)?;
    set_child_subreaper(Some(getpid()))?;
    Ok((Begun { spec, private: private()?, listener, children }, lock))
}

/// Reads what may be on no disk, and leaves nothing of it in the file.
fn private() -> io::Result<Private> {
    let mut file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    file.set_len(0)?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn is_ours(nonce: &str) -> io::Result<Spec> {
    let spec: Spec = read_json(Path::new(SPEC))?;
    if spec.nonce == nonce { Ok(spec) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Outlives what ends other processes, and is told of ended children.
///
/// Handlers, not ignoring: that would be inherited by the work.
fn handle_signals() -> io::Result<UnixStream> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let (ours, handlers) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(SIGCHLD, handlers)?;
    Ok(ours)
}

impl Begun {
    fn run(self) -> io::Result<()> {
        // From here on nobody can say that the work was never started.
        create(Path::new(STARTED))?.sync_all()?;
        for folder in [".", "..", "../.."] {
            sync_folder(Path::new(folder))?;
        }
        let temporary = self.spec.temporary.clone();
        let mut supervision = None;
        let exit = match self.start() {
            // Clients stay connected until there is something to be read.
            Ok(started) => supervision.insert(started).run(),
            Err(detail) => Exit::by_itself(End::Unstartable(detail)),
        };
        // Before the end is written: after that nobody would come for it.
        temporary.remove();
        write(&exit)
    }

    fn start(self) -> Result<Supervision, String> {
        let unusable = |error| format!("the folder of the attempt cannot be used: {error}");
        self.spec.temporary.make(&self.private, self.spec.run_as)?;
        if let Some(run_as) = self.spec.run_as {
            run_as.let_through(&[EVENTS])?;
        }
        let enforcement = Enforcement::begin(&self.spec)?;
        let stdin = File::open(JOB).map_err(unusable)?;
        let file = create(Path::new(LOG)).map_err(unusable)?;
        let index = create(Path::new(INDEX)).map_err(unusable)?;
        let (log, output) = Log::new(file, index, self.spec.log_bytes_max).map_err(unusable)?;
        let given = Given { spec: &self.spec, private: &self.private, bounds: enforcement.bounds() };
        let Spawned { main, refusal } = work::spawn(given, stdin, output)?;
        enforcement.stand_out();
        let deadline = self.spec.timeout().and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(Supervision {
            main,
            refusal,
            enforcement,
            end: None,
            cause: Cause::Own,
            stage: Stage::Working { deadline },
            control: Control::new(self.listener),
            log,
            children: self.children,
            spec: self.spec,
        })
    }
}

/// The work, from its spawn until nothing is left of it.
struct Supervision {
    spec: Spec,
    main: Pid,
    refusal: Option<Refusal>,
    enforcement: Enforcement,
    end: Option<End>,
    cause: Cause,
    stage: Stage,
    control: Control,
    log: Log,
    children: UnixStream,
}

/// How patient we are.
enum Stage {
    /// The work may take until then.
    Working { deadline: Option<Instant> },
    /// Everything was asked to end, and has until then.
    Stopping { kill_at: Option<Instant> },
    /// Everything is killed, again and again.
    Killing,
}

impl Supervision {
    fn run(&mut self) -> Exit {
        loop {
            if matches!(self.reap(), Tree::Gone)
                && let Some(end) = self.end.take()
            {
                return self.exit(end);
            }
            let wake = self.advance(Instant::now());
            self.wait(wake.into_iter().chain(self.log.wake()).min());
        }
    }

    fn exit(&mut self, end: End) -> Exit {
        let log = self.log.finish();
        if let Some(detail) = self.refusal.as_ref().and_then(Refusal::said) {
            return Exit { log, ..Exit::by_itself(End::Unstartable(detail)) };
        }
        let limit = if self.cause == Cause::Own { self.enforcement.verdict(&end) } else { None };
        Exit { end, cause: self.cause, log, limit }
    }

    fn reap(&mut self) -> Tree {
        loop {
            match tree::reap() {
                Reaped::Child(pid, status) if pid == self.main => self.end = Some(end(status)),
                Reaped::Child(..) => {}
                Reaped::NoneYet => return Tree::Alive,
                Reaped::NoneLeft => return Tree::Gone,
            }
        }
    }

    /// Does what is due, and says when the next thing is.
    fn advance(&mut self, now: Instant) -> Option<Instant> {
        match self.stage {
            // As a service manager does: what the main process left behind goes, too.
            Stage::Working { .. } if self.end.is_some() => self.stop(now),
            Stage::Working { deadline: Some(deadline) } if now >= deadline => {
                self.cause = Cause::TimedOut(self.spec.timeout_ms.unwrap_or_default());
                self.stop(now)
            }
            Stage::Working { .. } if self.enforcement.look(now) == Found::Over => {
                // It took too much already: nothing more is asked of it.
                self.kill_group();
                self.stage = Stage::Killing;
                self.advance(now)
            }
            Stage::Working { deadline } => deadline.into_iter().chain(self.enforcement.wake()).min(),
            Stage::Stopping { kill_at: Some(kill_at) } if now >= kill_at => {
                self.kill_group();
                self.stage = Stage::Killing;
                self.advance(now)
            }
            Stage::Stopping { kill_at } => kill_at,
            Stage::Killing => {
                self.enforcement.kill();
                tree::kill();
                now.checked_add(KILL_AGAIN)
            }
        }
    }

    fn stop(&mut self, now: Instant) -> Option<Instant> {
        tree::terminate();
        let kill_at = now.checked_add(self.spec.grace());
        self.stage = Stage::Stopping { kill_at };
        kill_at
    }

    /// Kills the group that the work began as, in one stroke, which no fork is
    /// faster than: what has left it is looked for afterwards.
    fn kill_group(&self) {
        // While its leader is not reaped its number is nobody else's.
        if self.end.is_none() {
            let _ = kill_process_group(self.main, Signal::KILL);
        }
    }

    /// Somebody wants the work to end. It counts if the main process has not ended before.
    fn wish_to_stop(&mut self) {
        self.reap();
        if self.end.is_none() && matches!(self.stage, Stage::Working { .. }) {
            self.cause = Cause::Stopped;
            self.stop(Instant::now());
        }
    }

    /// Waits for output, children and clients, at the longest until `wake`.
    fn wait(&mut self, wake: Option<Instant>) {
        let timeout = wake.map(|wake| wake.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|duration| Timespec::try_from(duration).ok());
        let mut sources = vec![PollFd::new(&self.children, PollFlags::IN)];
        sources.extend(self.control.sources());
        sources.extend(self.log.pipes().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        // Interrupted or not, everything is looked at.
        let _ = poll(&mut sources, timeout.as_ref());
        drop(sources);
        // Only wakes us; who ended is found by reaping.
        let _ = self.children.read(&mut [0; 64]);
        self.log.pump();
        if matches!(self.control.serve(), Wish::Stop) {
            self.wish_to_stop();
        }
    }
}

/// Writes the end, however long the disk is full.
fn write(exit: &Exit) -> io::Result<()> {
    let folder = Path::new(".");
    for _ in 1..WRITE_TRIES_MAX {
        match write_exit(folder, exit) {
            Ok(()) => return Ok(()),
            // Somebody removed the folder: nobody will ask.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(_) => thread::sleep(WRITE_AGAIN),
        }
    }
    write_exit(folder, exit)
}

/// Whether anything of the work is left.
enum Tree {
    Alive,
    Gone,
}

fn end(status: WaitStatus) -> End {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Killed(signal),
        (None, None) => End::Lost("its status could not be read".to_owned()),
    }
}
