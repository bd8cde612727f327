//! One request, before it is sent.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

/// What a request believes about the resource.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) enum Belief<'a> {
    /// Nothing.
    None,
    /// It is as it was under this tag; `*` for "it exists".
    IsStill(&'a str),
    /// It does not exist.
    IsAbsent,
    /// The client has this tag already.
    Has(&'a str),
}

/// What is wanted when there is nobody to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Nobody {
    /// To hear so at once.
    IsAnError,
    /// To try again, as after a lost answer: somebody was there a moment ago.
    IsWaitedFor,
}

/// A request.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) belief: Belief<'a>,
    pub(super) body: Option<(&'static str, Bytes)>,
    pub(super) prefer: Option<String>,
    /// How long the service may wait before it answers, because it was asked to.
    pub(super) waits: Duration,
    pub(super) nobody: Nobody,
}

impl<'a> Ask<'a> {
    /// Asks without a body.
    pub(in crate::cli) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            belief: Belief::None,
            body: None,
            prefer: None,
            waits: Duration::ZERO,
            nobody: Nobody::IsAnError,
        }
    }

    /// Reads something.
    pub(in crate::cli) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Stores a document.
    pub(in crate::cli) fn put(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PUT, path).json(body)
    }

    /// Changes a document by a merge patch.
    pub(in crate::cli) fn merge(path: impl Into<String>, patch: &Value) -> Self {
        let body = Some(("application/merge-patch+json", Bytes::from(patch.to_string())));
        Self { body, ..Self::new(Method::PATCH, path) }
    }

    /// Asks for something to be made.
    pub(in crate::cli) fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::POST, path).json(body)
    }

    fn json(self, body: &Value) -> Self {
        Self { body: Some(("application/json", Bytes::from(body.to_string()))), ..self }
    }

    #[must_use]
    pub(in crate::cli) fn believing(self, belief: Belief<'a>) -> Self {
        Self { belief, ..self }
    }

    /// Lets the service wait for news for so long before it answers.
    #[must_use]
    pub(in crate::cli) fn waiting(self, wait: Duration) -> Self {
        let seconds = wait.as_secs();
        Self { prefer: (seconds > 0).then(|| format!("wait={seconds}")), waits: wait, ..self }
    }

    /// Says how it would rather be answered (RFC 7240).
    #[must_use]
    pub(in crate::cli) fn preferring(self, preference: &str) -> Self {
        Self { prefer: Some(preference.to_owned()), ..self }
    }

    #[must_use]
    pub(in crate::cli) fn when_nobody_is_there(self, nobody: Nobody) -> Self {
        Self { nobody, ..self }
    }

    /// For messages.
    pub(super) fn words(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}
