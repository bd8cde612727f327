//! What a service says when it refuses (RFC 9457), in words for people.

use std::fmt;

use http::StatusCode;
use serde_json::Value;

use super::Reply;

/// The most of an answer that is repeated, when it is no problem document.
const TEXT_MAX: usize = 500;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Problem {
    /// The last part of its type, such as `precondition-failed`; empty where there is none.
    pub(in crate::cli) kind: String,
    pub(in crate::cli) status: StatusCode,
    title: String,
    detail: String,
    /// What is wrong, and where.
    errors: Vec<(String, String)>,
    /// The failed precondition names the version before this very change.
    pub(in crate::cli) already_applied: bool,
}

impl Problem {
    /// Reads what came back.
    pub(in crate::cli) fn of(reply: &Reply) -> Self {
        let body = reply.json();
        let text = |pointer: &str| match &body {
            Some(body) => body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned(),
            None => String::new(),
        };
        let errors = body.as_ref().and_then(|body| body.get("errors")).and_then(Value::as_array);
        let error = |error: &Value| {
            let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("pointer"), text("detail"))
        };
        let mut detail = text("/detail");
        if body.is_none() {
            detail = String::from_utf8_lossy(&reply.body).trim().chars().take(TEXT_MAX).collect();
        }
        Self {
            kind: text("/type").rsplit('/').next().unwrap_or_default().to_owned(),
            status: reply.status,
            title: text("/title"),
            detail,
            errors: errors.into_iter().flatten().map(error).collect(),
            already_applied: body.is_some_and(|body| body["alreadyApplied"] == true),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.to_string();
        let mut parts = vec![status.as_str()];
        for part in [self.title.as_str(), self.detail.as_str()] {
            // Where each error is told, the sum of them says nothing more.
            let is_sum = !self.errors.is_empty() && part == self.detail;
            if !part.is_empty() && !is_sum {
                parts.push(part);
            }
        }
        f.write_str(&parts.join(": "))?;
        for (pointer, detail) in &self.errors {
            let place = if pointer.is_empty() { "the document" } else { pointer };
            write!(f, "\n  {place}: {detail}")?;
        }
        Ok(())
    }
}
