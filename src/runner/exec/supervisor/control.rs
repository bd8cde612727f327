//! The socket of a supervisor.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::event::{PollFd, PollFlags};

/// Tells a client that the work is started.
const GREETING: &[u8] = b"started\n";

/// The line that asks for the end of the work.
pub(in crate::runner::exec) const STOP: &[u8] = b"stop\n";

/// How many clients are heard at once: the service needs two, and those of a
/// service that is gone go by themselves. More wait in the queue of the socket.
const CLIENTS_MAX: usize = 16;

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    Nothing,
    /// The end of the work.
    Stop,
}

/// The listening socket and who came.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    said: Vec<u8>,
}

impl Control {
    /// Serves a listener that does not block.
    pub(super) const fn new(listener: UnixListener) -> Self {
        Self { listener, clients: Vec::new() }
    }

    /// What to wait for before the next [`serve`](Self::serve).
    pub(super) fn sources(&self) -> impl Iterator<Item = PollFd<'_>> {
        let clients = self.clients.iter().map(|client| PollFd::new(&client.stream, PollFlags::IN));
        self.has_room().then(|| PollFd::new(&self.listener, PollFlags::IN)).into_iter().chain(clients)
    }

    /// Greets who comes, and hears everybody. Never blocks.
    pub(super) fn serve(&mut self) -> Wish {
        while self.has_room()
            && let Ok((mut stream, _)) = self.listener.accept()
        {
            if stream.set_nonblocking(true).is_ok() {
                // A client that is gone again cannot be greeted, but heard.
                let _ = stream.write_all(GREETING);
                self.clients.push(Client { stream, said: Vec::new() });
            }
        }
        let mut wish = Wish::Nothing;
        self.clients.retain_mut(|client| {
            let stays = client.listen();
            if client.said.split_inclusive(|&byte| byte == b'\n').any(|line| line == STOP) {
                wish = Wish::Stop;
            }
            stays
        });
        wish
    }

    const fn has_room(&self) -> bool {
        self.clients.len() < CLIENTS_MAX
    }
}

impl Client {
    /// Takes what the client says, and whether it is still there.
    fn listen(&mut self) -> bool {
        let mut bytes = [0; 64];
        match self.stream.read(&mut bytes) {
            // A talker says nothing that we know.
            Ok(length) if length == 0 || self.said.len() > 1024 => false,
            Ok(length) => {
                self.said.extend_from_slice(&bytes[..length]);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}
