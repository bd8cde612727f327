//! How many files this process can have open, which is how many connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::info;

/// What is open beside connections: the store, logs that are read, the files of
/// attempts, and the requests that the service makes itself.
const BESIDE: u64 = 124;

/// The fewest connections that a service is of any use with.
const CONNECTIONS_MIN: usize = 16;

/// How many files this process can have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenFiles {
    /// How many it could before; what it starts can have no more by itself.
    before: u64,
    now: u64,
}

impl OpenFiles {
    /// Sees to it that there can be so many connections, as far as the system lets.
    pub(super) fn for_connections(connections: usize) -> Self {
        let wanted = BESIDE.saturating_add(connections as u64);
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let before = current.unwrap_or(u64::MAX);
        let raised = wanted.min(maximum.unwrap_or(u64::MAX));
        if raised <= before {
            return Self { before, now: before };
        }
        let is_raised = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok();
        Self { before, now: if is_raised { raised } else { before } }
    }

    /// How many connections there can be, of as many as are wanted.
    pub(super) fn connections(self, wanted: usize) -> usize {
        let room = usize::try_from(self.now.saturating_sub(BESIDE)).unwrap_or(usize::MAX).max(CONNECTIONS_MIN);
        if room < wanted {
            info!(connections = room, wanted, "the limit of open files leaves room for fewer connections");
        }
        wanted.min(room)
    }

    /// How many files what this process starts can have open, where that is not
    /// as many as it can itself.
    pub(super) fn of_others(self) -> Option<u64> {
        (self.now != self.before).then_some(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_connections_as_are_wanted_or_as_there_are_files_for() {
        for (now, wanted, connections) in
            [(1024, 16_384, 900), (20_000, 16_384, 16_384), (100, 50, 16), (u64::MAX, 9, 9)]
        {
            let files = OpenFiles { before: 1024, now };
            assert_eq!(files.connections(wanted), connections, "{now} files, {wanted} connections");
        }
        assert_eq!(OpenFiles { before: 1024, now: 1024 }.of_others(), None);
        assert_eq!(OpenFiles { before: 1024, now: 20_000 }.of_others(), Some(1024));
    }
}
