//! The logs of attempts, whatever ran them.

use std::sync::Arc;

use crate::api::AttemptLogs;
use crate::domain::id::JobId;
use crate::runner::exec::ExecRunner;
use crate::runner::native::NativeRunner;

/// The logs that the runners keep, for the use cases, which know no runner.
#[derive(Debug)]
pub(super) struct Logs {
    pub(super) exec: Arc<ExecRunner>,
    pub(super) native: Arc<NativeRunner>,
}

impl AttemptLogs for Logs {
    fn open(&self, job: JobId, number: u32) -> Option<(u64, std::fs::File)> {
        // One attempt is of one runner, so only one of them has a log of it.
        self.exec.log(job, number).or_else(|| self.native.log(job, number))
    }

    fn index(&self, job: JobId, number: u32) -> Option<(u64, std::fs::File)> {
        self.exec.log_index(job, number)
    }

    fn forget(&self, job: JobId) -> std::io::Result<()> {
        // Both keep what they have of a job in one folder.
        self.exec.forget(job)
    }
}
