//! An activity: the member of a document that asks for work.
//!
//! The vocabulary is closed, so that a slip of the pen is refused and never
//! silently means nothing.

mod vocabulary;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::catalog::{ActivitySpec, Catalog, OperationChoice};
use super::id::{ActivityName, OperationName};
use super::job::{StartRule, clip};
use super::json;
use super::near::did_you_mean;
use super::operation::Operation;
use super::retry::{ATTEMPTS_MAX, RetryPolicy};
use super::schedule::Schedule;
use super::schema::Violation;
use super::time::parse_duration;

pub use vocabulary::{named, operations, vocabulary};

/// What a document asks for, under one activity.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// What is to be run.
    pub operation: OperationName,
    /// What it is to be run with; `{}` where the document names none.
    pub input: Value,
    /// A value that asks again whenever it is a new one.
    pub trigger: Option<Value>,
    /// What happens when a trigger meets an active job, where the document says so.
    pub overlap: Option<Overlap>,
    /// Whether jobs may start.
    pub standing: Standing,
    /// Retries, where the document overrides the operation.
    pub retry: Option<RetryOverride>,
    /// The longest attempt, where the document overrides the operation.
    pub timeout: Option<Duration>,
    /// When it is to be run again and again. With one, a change asks for
    /// nothing, but for a new `trigger`.
    pub schedule: Option<Schedule>,
}

/// What happens when a trigger meets an active job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// A change waits; a POST is refused.
    Forbid,
    /// The new job waits; a POST is refused when one waits already.
    Queue,
    /// The active jobs are cancelled, and the new one starts when they are gone.
    Replace,
    /// Both run.
    Allow,
}

impl Overlap {
    /// What holds for changes, unless the document says otherwise.
    pub const FOR_CHANGES: Self = Self::Replace;
    /// What holds for POSTs, unless the document says otherwise.
    pub const FOR_POSTS: Self = Self::Allow;
    /// What holds for ticks, unless the document says otherwise.
    pub const FOR_TICKS: Self = Self::Forbid;

    /// How the start of a job launched under this policy waits for older ones.
    #[must_use]
    pub const fn start_rule(self) -> StartRule {
        match self {
            Self::Allow => StartRule::AtOnce,
            Self::Forbid | Self::Queue | Self::Replace => StartRule::WhenAlone,
        }
    }

    const ALL: [Self; 4] = [Self::Forbid, Self::Queue, Self::Replace, Self::Allow];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbid => "forbid",
            Self::Queue => "queue",
            Self::Replace => "replace",
            Self::Allow => "allow",
        }
    }
}

/// Whether jobs of an activity may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Active,
    /// None starts; what runs goes on (`suspend: true`).
    Suspended,
    /// None starts, and what runs is cancelled (`canceled: true`).
    Canceled,
}

/// What a document says about retries; the rest stays as the operation says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RetryOverride {
    attempts: Option<u32>,
    backoff: Option<Duration>,
    factor: Option<f64>,
    max: Option<Duration>,
}

impl RetryOverride {
    /// The operation's policy with what the document says in its place, as far
    /// as the operator allows it: no more than `attempts_max` attempts.
    #[must_use]
    pub fn over(&self, policy: &RetryPolicy, attempts_max: u32) -> RetryPolicy {
        RetryPolicy {
            attempts: self.attempts.map_or(policy.attempts, |asked| asked.min(attempts_max)),
            backoff: self.backoff.unwrap_or(policy.backoff),
            factor: self.factor.unwrap_or(policy.factor),
            // A first wait is meant as it is written, however short the longest is by default.
            max: self.max.unwrap_or_else(|| policy.max.max(self.backoff.unwrap_or_default())),
            never: policy.never.clone(),
        }
    }
}

/// The largest `trigger`, in bytes of JSON: it is compared, never used.
pub const TRIGGER_BYTES_MAX: usize = 1024;

const MEMBERS: [&str; 9] =
    ["operation", "input", "schedule", "overlap", "trigger", "suspend", "canceled", "retry", "timeout"];
const RETRY_MEMBERS: [&str; 4] = ["attempts", "backoff", "factor", "max"];

impl Activity {
    /// Reads a member of a document that is written in the standard vocabulary.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its pointer into the document.
    pub fn parse(spec: &ActivitySpec, member: &Value) -> Result<Self, Vec<Violation>> {
        let at = format!("/{}", json::escape_pointer(spec.name.as_str()));
        let mut reader = Reader { at, violations: Vec::new() };
        let Value::Object(members) = member else {
            reader.refuse(&[], format!("expected an object that says what to run, not {}", json::kind(member)));
            return Err(reader.violations);
        };
        for member in members.keys().filter(|member| !MEMBERS.contains(&member.as_str())) {
            reader.refuse(&[member], format!("an activity has no member `{member}`{}", did_you_mean(member, MEMBERS)));
        }
        let operation = reader.operation(members, &spec.operations);
        let trigger = reader.trigger(members);
        let overlap = reader.overlap(members);
        let standing = reader.standing(members);
        let retry = reader.retry(members);
        let timeout = reader.duration(members, &["timeout"]);
        let schedule = reader.schedule(members);
        match operation {
            Some(operation) if reader.violations.is_empty() => {
                let input = members.get("input").cloned().unwrap_or_else(|| json!({}));
                Ok(Self { operation, input, trigger, overlap, standing, retry, timeout, schedule })
            }
            Some(_) | None => Err(reader.violations),
        }
    }

    /// What a document of its own shape asks for: an operation with an input,
    /// and of everything else what holds unless a document says otherwise.
    #[must_use]
    pub const fn mapped(operation: OperationName, input: Value, schedule: Option<Schedule>) -> Self {
        Self {
            operation,
            input,
            trigger: None,
            overlap: None,
            standing: Standing::Active,
            retry: None,
            timeout: None,
            schedule,
        }
    }

    /// What is wrong with it in view of what the operator declared.
    #[must_use]
    pub fn judge(&self, name: &ActivityName, catalog: &Catalog) -> Vec<Violation> {
        let at = format!("/{}", json::escape_pointer(name.as_str()));
        let Some(operation) = catalog.operations.get(&self.operation) else {
            return vec![unknown_operation(&format!("{at}/operation"), self.operation.as_str(), catalog)];
        };
        let mut violations = judge_input(&format!("{at}/input"), operation, &self.input);
        if let (Some(asked), Some(most)) = (self.timeout, operation.timeout)
            && asked > most
        {
            violations.push(Violation {
                pointer: format!("{at}/timeout"),
                detail: format!("the operation allows at most {}s", most.as_secs_f64()),
            });
        }
        violations
    }

    /// What tells this ask from every other: the operation, the input and the
    /// trigger, compared by value.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&json!([self.operation.as_str(), self.input, self.trigger]))
    }

    /// What tells its `trigger` from every other, if it has one.
    #[must_use]
    pub fn trigger_digest(&self) -> Option<String> {
        self.trigger.as_ref().map(digest)
    }
}

fn digest(value: &Value) -> String {
    let hash = Sha256::digest(json::canonical(value));
    hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is wrong with an input in view of the operation's schema.
#[must_use]
pub fn judge_input(at: &str, operation: &Operation, input: &Value) -> Vec<Violation> {
    let violations = operation.input.as_ref().map(|schema| schema.validate(input)).unwrap_or_default();
    violations
        .into_iter()
        .map(|violation| Violation { pointer: format!("{at}{}", violation.pointer), detail: violation.detail })
        .collect()
}

/// That an operation is not declared, with the nearest one that is.
#[must_use]
pub fn unknown_operation(pointer: &str, name: &str, catalog: &Catalog) -> Violation {
    let known = catalog.operations.keys().map(OperationName::as_str);
    Violation {
        pointer: pointer.to_owned(),
        detail: format!("there is no operation `{name}`{}", did_you_mean(name, known)),
    }
}

struct Reader {
    at: String,
    violations: Vec<Violation>,
}

impl Reader {
    /// Notes what is wrong at a path below the activity.
    fn refuse(&mut self, path: &[&str], detail: String) {
        let mut pointer = self.at.clone();
        for token in path {
            pointer.push('/');
            pointer.push_str(&json::escape_pointer(token));
        }
        self.violations.push(Violation { pointer, detail });
    }

    fn operation(&mut self, members: &Map<String, Value>, choice: &OperationChoice) -> Option<OperationName> {
        let name = match (members.get("operation"), choice.fixed()) {
            (None, Some(fixed)) => return Some(fixed.clone()),
            (None, None) => {
                self.refuse(&["operation"], "an activity must name its `operation`".to_owned());
                return None;
            }
            (Some(Value::String(name)), _) => name,
            (Some(other), _) => {
                self.refuse(&["operation"], format!("expected the name of an operation, not {}", json::kind(other)));
                return None;
            }
        };
        match name.parse::<OperationName>() {
            Ok(operation) if choice.allows(&operation) => Some(operation),
            Ok(_) => {
                self.refuse(&["operation"], choice.refusal(name));
                None
            }
            Err(_) => {
                self.refuse(&["operation"], format!("there is no operation `{}`", clip(name, 128)));
                None
            }
        }
    }

    fn trigger(&mut self, members: &Map<String, Value>) -> Option<Value> {
        let trigger = members.get("trigger")?;
        match trigger {
            Value::String(_) | Value::Number(_) if json::encoded_len(trigger) <= TRIGGER_BYTES_MAX => {
                return Some(trigger.clone());
            }
            Value::String(_) => self.refuse(&["trigger"], format!("expected at most {TRIGGER_BYTES_MAX} bytes")),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.refuse(&["trigger"], format!("expected a string or a number, not {}", json::kind(trigger)));
            }
        }
        None
    }

    fn overlap(&mut self, members: &Map<String, Value>) -> Option<Overlap> {
        let value = members.get("overlap")?;
        let found = value.as_str().and_then(|word| Overlap::ALL.into_iter().find(|overlap| overlap.as_str() == word));
        if found.is_none() {
            self.refuse(&["overlap"], "expected one of `forbid`, `queue`, `replace`, `allow`".to_owned());
        }
        found
    }

    fn standing(&mut self, members: &Map<String, Value>) -> Standing {
        let suspended = self.flag(members, "suspend");
        let canceled = self.flag(members, "canceled");
        match (canceled, suspended) {
            (true, _) => Standing::Canceled,
            (false, true) => Standing::Suspended,
            (false, false) => Standing::Active,
        }
    }

    fn flag(&mut self, members: &Map<String, Value>, member: &str) -> bool {
        match members.get(member) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.refuse(&[member], format!("expected true or false, not {}", json::kind(other)));
                false
            }
        }
    }

    /// Reads the duration at the end of `path`, which is a member of `members`.
    fn duration(&mut self, members: &Map<String, Value>, path: &[&str]) -> Option<Duration> {
        let value = members.get(*path.last()?)?;
        match value.as_str().and_then(|text| parse_duration(text).ok()).filter(|duration| !duration.is_zero()) {
            Some(duration) => Some(duration),
            None => {
                self.refuse(path, "expected a length of time such as 10s, 1h 30m or PT10M".to_owned());
                None
            }
        }
    }

    fn schedule(&mut self, members: &Map<String, Value>) -> Option<Schedule> {
        match Schedule::parse(members.get("schedule")?) {
            Ok(schedule) => Some(schedule),
            Err(refusals) => {
                let at = format!("{}/schedule", self.at);
                self.violations.extend(
                    refusals
                        .into_iter()
                        .map(|refusal| Violation { pointer: format!("{at}{}", refusal.path), detail: refusal.detail }),
                );
                None
            }
        }
    }

    fn retry(&mut self, members: &Map<String, Value>) -> Option<RetryOverride> {
        let value = members.get("retry")?;
        let Value::Object(retry) = value else {
            self.refuse(&["retry"], format!("expected an object, not {}", json::kind(value)));
            return None;
        };
        for member in retry.keys().filter(|member| !RETRY_MEMBERS.contains(&member.as_str())) {
            let hint = did_you_mean(member, RETRY_MEMBERS);
            self.refuse(&["retry", member], format!("`retry` has no member `{member}`{hint}"));
        }
        let attempts = retry.get("attempts").and_then(|value| {
            let attempts = json::whole_number(value).and_then(|n| u32::try_from(n).ok());
            let attempts = attempts.filter(|n| (1..=ATTEMPTS_MAX).contains(n));
            if attempts.is_none() {
                self.refuse(&["retry", "attempts"], format!("expected a whole number from 1 to {ATTEMPTS_MAX}"));
            }
            attempts
        });
        let factor = retry.get("factor").and_then(|value| {
            let factor = value.as_f64().filter(|factor| *factor >= 1.0);
            if factor.is_none() {
                self.refuse(&["retry", "factor"], "expected a number of at least 1".to_owned());
            }
            factor
        });
        let backoff = self.duration(retry, &["retry", "backoff"]);
        let max = self.duration(retry, &["retry", "max"]);
        if let (Some(backoff), Some(max)) = (backoff, max)
            && max < backoff
        {
            self.refuse(&["retry", "max"], "expected at least `backoff`".to_owned());
        }
        Some(RetryOverride { attempts, backoff, factor, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(member: Value) -> Result<Activity, Vec<Violation>> {
        Activity::parse(&ActivitySpec::new("processing".parse().expect("a name")), &member)
    }

    #[test]
    fn an_activity_needs_no_more_than_an_operation() {
        let activity = parse(json!({"operation": "transcode"})).expect("valid");
        assert_eq!(activity.input, json!({}));
        assert_eq!(activity.standing, Standing::Active);
        assert_eq!(activity.overlap, None);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_all_at_once() {
        for (member, pointer, word) in [
            (json!([]), "/processing", "an array"),
            (json!({}), "/processing/operation", "must name"),
            (json!({"operation": 7}), "/processing/operation", "a number"),
            (json!({"operation": "t", "overlop": 1}), "/processing/overlop", "did you mean `overlap`?"),
            (json!({"operation": "t", "overlap": "never"}), "/processing/overlap", "`forbid`"),
            (json!({"operation": "t", "suspend": "yes"}), "/processing/suspend", "true or false"),
            (json!({"operation": "t", "canceled": null}), "/processing/canceled", "null"),
            (json!({"operation": "t", "trigger": {}}), "/processing/trigger", "a string or a number"),
            (json!({"operation": "t", "timeout": "0s"}), "/processing/timeout", "length of time"),
            (json!({"operation": "t", "retry": {"attempts": 0}}), "/processing/retry/attempts", "1 to 100"),
            (json!({"operation": "t", "retry": {"factor": 0.5}}), "/processing/retry/factor", "at least 1"),
            (json!({"operation": "t", "retry": {"back-off": "1s"}}), "/processing/retry/back-off", "`backoff`"),
            (json!({"operation": "t", "retry": {"max": 7}}), "/processing/retry/max", "length of time"),
            (json!({"operation": "t", "retry": {"backoff": "3s", "max": "1s"}}), "/processing/retry/max", "`backoff`"),
            (json!({"operation": "t", "schedule": {}}), "/processing/schedule", "`cron`"),
            (json!({"operation": "t", "schedule": {"cron": "* *"}}), "/processing/schedule/cron", "field"),
            (json!({"operation": "t", "a/b": 1}), "/processing/a~1b", "no member"),
        ] {
            let violations = parse(member.clone()).expect_err("refused");
            assert!(
                violations.iter().any(|v| v.pointer == pointer && v.detail.contains(word)),
                "{member}: {violations:?}"
            );
        }
        assert_eq!(parse(json!({"operation": 1, "suspend": 1, "x": 1})).expect_err("refused").len(), 3);
    }

    #[test]
    fn only_operation_input_and_trigger_make_another_ask() {
        let digest = |member| parse(member).expect("valid").digest();
        let first = digest(json!({"operation": "t", "input": {"a": 1, "b": 2}}));
        assert_eq!(first, digest(json!({"operation": "t", "input": {"b": 2.0, "a": 1}})));
        assert_eq!(
            first,
            digest(json!({"operation": "t", "input": {"a": 1, "b": 2}, "suspend": true, "timeout": "1s"}))
        );
        assert_ne!(first, digest(json!({"operation": "u", "input": {"a": 1, "b": 2}})));
        assert_ne!(first, digest(json!({"operation": "t", "input": {"a": 1}})));
        assert_ne!(first, digest(json!({"operation": "t", "input": {"a": 1, "b": 2}, "trigger": "again"})));
        assert_eq!(digest(json!({"operation": "t"})), digest(json!({"operation": "t", "input": {}})));
    }

    #[test]
    fn what_a_document_says_of_retries_is_meant_as_it_is_written() {
        let retry = |retry| {
            let activity = parse(json!({"operation": "t", "retry": retry})).expect("valid");
            activity.retry.expect("it says something").over(&RetryPolicy::default(), ATTEMPTS_MAX)
        };
        assert_eq!(retry(json!({"attempts": 3.0})).attempts, 3);
        assert_eq!(retry(json!({"backoff": "10m"})).max, Duration::from_secs(600));
        assert_eq!(retry(json!({"backoff": "10m", "max": "1h"})).max, Duration::from_secs(3600));
        assert_eq!(retry(json!({"backoff": "1s"})).max, RetryPolicy::default().max);
    }

    #[test]
    fn canceled_outweighs_suspended() {
        let standing = |member| parse(member).expect("valid").standing;
        assert_eq!(standing(json!({"operation": "t", "suspend": true, "canceled": true})), Standing::Canceled);
        assert_eq!(standing(json!({"operation": "t", "suspend": true})), Standing::Suspended);
    }
}
