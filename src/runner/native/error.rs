//! Why a function did not do its work.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::job::{AttemptOutcome, Ending, JobError, clip};

/// What is kept of the message with each attempt, in bytes.
const DETAIL_BYTES_MAX: usize = 512;

/// Why a function did not do its work, and what that means for further attempts.
///
/// Every error becomes one with `?`: of such an error clients are shown its own
/// words, and what caused it goes to the log of the service alone, since causes
/// tend to name hosts, paths and credentials.
///
/// ```
/// use std::time::Duration;
/// use heeler::NativeError;
///
/// // Another attempt is made as the operation's `retry` says:
/// let busy = NativeError::new("the printer is busy").reason("Busy");
/// // but not within a minute:
/// let later = busy.retry_after(Duration::from_secs(60));
/// // No other attempt would end in another way:
/// let never = NativeError::new("there is no such printer").reason("NoPrinter").never_retry();
/// # let _ = (later, never);
/// ```
pub struct NativeError(Box<Inner>);

#[derive(Default)]
struct Inner {
    reason: Option<String>,
    message: String,
    details: Value,
    retry_after: Option<Duration>,
    fatal: bool,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl NativeError {
    /// A failure with a message for people; 1 KiB of it is kept.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner { message: message.into(), ..Inner::default() }))
    }

    /// The same with a word for programs, such as `InvalidInput`; `Failed`
    /// without one. `retry = { never = ["…"] }` goes by it.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = Some(reason.into());
        self
    }

    /// The same with more for programs; what is larger than 4 KiB, or cannot be
    /// written as JSON, is dropped.
    #[must_use]
    pub fn details(mut self, details: impl Serialize) -> Self {
        self.0.details = serde_json::to_value(details).unwrap_or_default();
        self
    }

    /// The same, and no further attempt is made before so long.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The same, and no further attempt is made at all.
    #[must_use]
    pub fn never_retry(mut self) -> Self {
        self.0.fatal = true;
        self
    }

    /// What caused it, for the log of the service.
    pub(super) fn causes(&self) -> Option<String> {
        let mut next = self.0.cause.as_ref()?.source();
        let mut causes = Vec::new();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        (!causes.is_empty()).then(|| causes.join(": "))
    }

    /// The ending of the attempt that failed so.
    pub(super) fn ending(&self) -> Ending {
        let said = json!({ "reason": self.0.reason, "message": self.0.message, "details": self.0.details });
        let error = JobError::said(said);
        Ending {
            detail: error.as_ref().map(|error| clip(&error.message, DETAIL_BYTES_MAX)),
            error,
            retry_after: self.0.retry_after,
            fatal: self.0.fatal,
            ..Ending::new(AttemptOutcome::Failed)
        }
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for NativeError {
    fn from(error: E) -> Self {
        let cause = error.into();
        let message = cause.to_string();
        Self(Box::new(Inner { message, cause: Some(cause), ..Inner::default() }))
    }
}

impl fmt::Display for NativeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl fmt::Debug for NativeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NativeError")
            .field("reason", &self.0.reason)
            .field("message", &self.0.message)
            .field("retry_after", &self.0.retry_after)
            .field("fatal", &self.0.fatal)
            .finish_non_exhaustive()
    }
}
