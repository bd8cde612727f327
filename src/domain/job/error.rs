//! Why a job failed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clip;
use crate::domain::json;

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobError {
    /// The kind of failure, as a word for programs.
    pub reason: String,
    /// What happened and what can be done, for people.
    pub message: String,
    /// What the work says beside that, for programs; at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Value>>,
}

/// The longest reason, in bytes: it is a word.
pub const REASON_BYTES_MAX: usize = 64;

/// The longest message, in bytes: a paragraph. What is longer belongs into the log.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// The largest details, in bytes of JSON: every document shows those of its last job.
pub const DETAILS_BYTES_MAX: usize = 4 * 1024;

/// The deepest details: what a document shows must be readable by everyone.
const DETAILS_DEPTH_MAX: usize = 32;

/// The reason where nobody names another one.
pub const FAILED: &str = "Failed";

impl JobError {
    /// An error without details.
    #[must_use]
    pub fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into(), details: None }
    }

    /// The same with details; those that are too large or too deep are dropped,
    /// and the message says so.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        if json::encoded_len(&details) <= DETAILS_BYTES_MAX && json::depth(&details) <= DETAILS_DEPTH_MAX {
            self.details = Some(Box::new(details));
        } else {
            self.message.push_str("; its details were dropped: they are larger than 4 KiB, or too deep");
        }
        self
    }

    /// What the work says of why it failed: a text, or an object with `reason`,
    /// `message` and `details`, as much of it as is kept. Nothing where it is
    /// something else.
    #[must_use]
    pub fn said(said: Value) -> Option<Self> {
        const UNTOLD: &str = "the work says that it failed, and not why";
        let mut members = match said {
            Value::String(message) => return Some(Self::new(FAILED, clip(&message, MESSAGE_BYTES_MAX))),
            Value::Object(members) => members,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
        };
        let text = |name: &str, otherwise: &str, bytes_max| {
            let text = members.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
            clip(text.unwrap_or(otherwise), bytes_max)
        };
        let reason = text("reason", FAILED, REASON_BYTES_MAX);
        let message = text("message", UNTOLD, MESSAGE_BYTES_MAX);
        let error = Self { reason, message, details: None };
        match members.remove("details").filter(|details| !details.is_null()) {
            Some(details) => Some(error.with_details(details)),
            None => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_work_says_why_it_failed_in_each_of_these_forms() {
        let details = json!({"line": 7});
        for (said, reason, message, kept) in [
            (json!("no disk"), "Failed", "no disk", None),
            (json!({"message": "no disk"}), "Failed", "no disk", None),
            (json!({"reason": "NoDisk"}), "NoDisk", "the work says that it failed, and not why", None),
            (json!({"reason": " ", "message": 7, "x": 1}), "Failed", "the work says that it failed, and not why", None),
            (json!({"reason": "A", "message": "b", "details": details}), "A", "b", Some(Box::new(details.clone()))),
            (json!({"reason": "A", "message": "b", "details": null}), "A", "b", None),
        ] {
            let error = JobError::said(said.clone()).expect("it says something");
            assert_eq!(
                (error.reason.as_str(), error.message.as_str(), error.details),
                (reason, message, kept),
                "{said}"
            );
        }
        for nothing in [json!(null), json!(7), json!(["x"])] {
            assert_eq!(JobError::said(nothing), None);
        }
    }

    #[test]
    fn what_the_work_says_of_its_failure_is_bounded() {
        let deep = (0..=DETAILS_DEPTH_MAX).fold(json!(1), |deep, _| json!([deep]));
        for details in [json!("x".repeat(DETAILS_BYTES_MAX)), deep] {
            let said = json!({"reason": "r".repeat(1000), "message": "é".repeat(1000), "details": details});
            let error = JobError::said(said).expect("it says something");
            assert_eq!((error.reason.len(), error.details), (REASON_BYTES_MAX, None));
            assert!(error.message.ends_with("too deep") && error.message.len() < 2 * MESSAGE_BYTES_MAX);
        }
        let fits = json!("x".repeat(DETAILS_BYTES_MAX - 2));
        let error = JobError::said(json!({"details": fits})).expect("it says something");
        assert_eq!(error.details, Some(Box::new(fits)));
    }
}
