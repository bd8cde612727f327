//! What a function is handed: its job, and the ways to say how far it got.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::error::NativeError;
use super::log::{Log, LogWriter};
use super::said::Said;
use crate::domain::id::JobId;
use crate::runner::{AttemptRef, Launch};

/// The reason of a job whose input is not what its function expects.
const INVALID_INPUT: &str = "InvalidInput";

/// One attempt of one job, as the function sees it that does its work. Cheap
/// to clone; every clone stands for the same attempt.
#[derive(Clone)]
pub struct NativeJob(Arc<Inner>);

struct Inner {
    attempt: AttemptRef,
    job: Value,
    resource: Value,
    canceled: CancellationToken,
    stopping: CancellationToken,
    said: Arc<Said>,
    log: Arc<Log>,
}

impl NativeJob {
    pub(super) fn new(launch: Launch, stopping: CancellationToken, said: Arc<Said>, log: Log) -> Self {
        let Launch { attempt, job, resource, .. } = launch;
        let canceled = CancellationToken::new();
        Self(Arc::new(Inner { attempt, job, resource, canceled, stopping, said, log: Arc::new(log) }))
    }

    /// The id of the job; the same for all its attempts.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.0.attempt.job
    }

    /// Which attempt of the job this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.attempt.number
    }

    /// The fencing token of the attempt, which no other attempt ever has:
    /// handed on, it lets others tell a late word of this attempt from one of
    /// its successor. It cannot be guessed, and is not shown to clients.
    #[must_use]
    pub fn token(&self) -> String {
        self.0.attempt.token.reveal()
    }

    /// The job, as clients see it at `/v1/jobs/{job}`.
    #[must_use]
    pub fn job(&self) -> &Value {
        &self.0.job
    }

    /// The document of its resource, as clients see it, at the time the
    /// attempt was recorded.
    #[must_use]
    pub fn resource(&self) -> &Value {
        &self.0.resource
    }

    /// What the job is to be done with.
    ///
    /// # Errors
    /// The input is not a `T`. Returned from the function, it fails the job
    /// with the reason `InvalidInput`, and no further attempt is made.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, NativeError> {
        T::deserialize(&self.0.job["input"]).map_err(|error| {
            NativeError::new(format!("the input is not what this operation expects: {error}"))
                .reason(INVALID_INPUT)
                .never_retry()
        })
    }

    /// Says how far the work is: a part of it from 0 to 1, where that is known,
    /// and a line for people.
    ///
    /// It costs next to nothing: what is said more often than once a second is
    /// not all recorded, but the last of it is.
    pub fn progress(&self, fraction: impl Into<Option<f64>>, message: impl Into<String>) {
        let message = Some(message.into()).filter(|message| !message.is_empty());
        self.0.said.progress(fraction.into().map(|fraction| fraction.clamp(0.0, 1.0)), message);
    }

    /// Writes observed members of the document: a JSON Patch (RFC 6902), which is
    /// applied in the commit that ends the job, however it ends, unless another
    /// attempt follows. Several are applied one after another, all or none.
    ///
    /// One that is refused, because it is no patch or is about other members,
    /// leaves the job alone and becomes the condition `EffectRefused`.
    pub fn patch(&self, operations: Value) {
        self.0.said.patch(operations);
    }

    /// Writes a line into the log of the attempt, which clients can read at
    /// `/v1/jobs/{job}/log`: nothing that they must not see belongs into it.
    pub fn log(&self, line: impl AsRef<str>) {
        self.0.log.write(format!("{}\n", line.as_ref()).as_bytes());
    }

    /// What writes into the log of the attempt.
    #[must_use]
    pub fn log_writer(&self) -> LogWriter {
        LogWriter(Arc::clone(&self.0.log))
    }

    /// Waits until the attempt is to stop: somebody cancelled the job, or it
    /// took longer than it may. The function then has the operation's `grace`
    /// to return; after that it is dropped at its next `await`.
    pub async fn canceled(&self) {
        self.0.canceled.cancelled().await;
    }

    /// Whether the attempt is to stop. For loops that do not wait for anything.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        self.0.canceled.is_cancelled()
    }

    /// Waits until the service is about to end. The function can go on for as
    /// long as the service [drains](crate::Builder::drain); what is not done by
    /// then is dropped, and fails with the reason `Interrupted`.
    pub async fn stopping(&self) {
        self.0.stopping.cancelled().await;
    }

    /// Whether the service is about to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.is_cancelled()
    }

    /// Tells the function to stop.
    pub(super) fn cancel(&self) {
        self.0.canceled.cancel();
    }
}

impl fmt::Debug for NativeJob {
    /// Not what it holds: documents do not belong into logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AttemptRef { job, number, .. } = self.0.attempt;
        formatter.debug_struct("NativeJob").field("id", &job).field("attempt", &number).finish_non_exhaustive()
    }
}
