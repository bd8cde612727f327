//! What a program says of its own operations and collections.
//!
//! # Guarantees
//! The same bounds hold here as in a configuration file. Nothing is judged
//! until the service is built, and then everything at once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::domain::catalog::{ActivitySpec, Availability, Collection, OperationChoice, PreconditionPolicy};
use crate::domain::document::{ID, LINKS, STATUS};
use crate::domain::effect::Effects;
use crate::domain::expression::Template;
use crate::domain::id::{ActivityName, CollectionName, OperationName, ParseIdError};
use crate::domain::json::Pointer;
use crate::domain::limit::{Concurrency, RATE_MAX, Rate};
use crate::domain::links::RELATIONS;
use crate::domain::operation::{Keep, OnUnknown, Operation, Reply, ReplyMode, RunnerSpec, SyncStatus};
use crate::domain::paths;
use crate::domain::retry::{ATTEMPTS_MAX, RetryPolicy};
use crate::domain::schema::Schema;

/// How many attempts an operation has by default that is tried again after an unknown fate.
const ATTEMPTS_AFTER_UNKNOWN: u32 = 3;

/// The one activity of a collection that names none.
const ACTIVITY_DEFAULT: &str = "processing";

/// The members that the service itself writes.
const RESERVED: [&str; 3] = [ID, LINKS, STATUS];

/// The longest time of a rate, in seconds: 31 days.
const RATE_SECONDS_MAX: u64 = 31 * 24 * 60 * 60;

/// The most jobs of one operation at once: each holds a row.
const CONCURRENCY_MAX: u32 = 10_000;

/// What there is to say of an operation beside its function. Each part is as
/// the key of that name in a configuration file, where the same can be said,
/// and counts before what is said here.
///
/// ```
/// use std::time::Duration;
/// use heeler::{OperationOptions, RetryPolicy};
///
/// let options = OperationOptions::default()
///     .description("Let the dog bark")
///     .timeout(Duration::from_secs(30))
///     .retry(RetryPolicy { attempts: 3, ..RetryPolicy::default() })
///     .concurrency_per(1, "resource.owner");
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until they are given to a builder"]
pub struct OperationOptions {
    description: Option<String>,
    input: Option<Value>,
    timeout: Option<Duration>,
    grace: Option<Duration>,
    retry: Option<RetryPolicy>,
    retry_unknown: bool,
    concurrency: Option<(u32, Option<String>)>,
    rate: Option<Rate>,
    deadline: Option<Duration>,
    start_deadline: Option<Duration>,
    priority: i32,
    synchronous: bool,
}

impl OperationOptions {
    /// One line for people.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// The JSON Schema of the input. Without one, any input is taken.
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.input = Some(schema);
        self
    }

    /// The longest that one attempt may take.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long a function that is told to stop has before it is dropped; 10 s unless something else is said.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// When a failed attempt is followed by another; never, unless something else is said.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Makes another attempt also where nobody knows what became of the last
    /// one, because the process went down with it: at least one launch in the
    /// place of at most one.
    pub const fn retry_unknown(mut self) -> Self {
        self.retry_unknown = true;
        self
    }

    /// How many jobs of it run at once.
    pub fn concurrency(mut self, limit: u32) -> Self {
        self.concurrency = Some((limit, None));
        self
    }

    /// How many jobs of it run at once for each value of an expression, such as `resource.owner`.
    pub fn concurrency_per(mut self, limit: u32, expression: impl Into<String>) -> Self {
        self.concurrency = Some((limit, Some(expression.into())));
        self
    }

    /// How many attempts of it start within a time.
    pub const fn rate(mut self, count: u32, period: Duration) -> Self {
        self.rate = Some(Rate { count, period });
        self
    }

    /// The longest from the making of a job to its end.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The longest from the making of a job to its first attempt.
    pub const fn start_deadline(mut self, deadline: Duration) -> Self {
        self.start_deadline = Some(deadline);
        self
    }

    /// Orders waiting jobs of all operations, the highest first; 0 unless something else is said.
    pub const fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Answers a POST for a job of it when the job is done, with the result.
    pub const fn synchronous(mut self) -> Self {
        self.synchronous = true;
        self
    }

    /// The operation of that name; what is wrong with it goes to `problems`.
    pub(super) fn declare(self, name: &str, problems: &mut Vec<String>) -> Option<Operation> {
        let before = problems.len();
        let mut problem = |what: String| problems.push(format!("the operation `{name}`: {what}"));
        let parsed = match name.parse::<OperationName>() {
            Ok(name) => Some(name),
            Err(error) => {
                problem(unfit(name, &error));
                None
            }
        };
        for (what, duration) in
            [("timeout", self.timeout), ("deadline", self.deadline), ("start_deadline", self.start_deadline)]
        {
            if duration == Some(Duration::ZERO) {
                problem(format!("`{what}`: expected a duration longer than 0s"));
            }
        }
        let input = self.input.and_then(|schema| match Schema::compile(schema) {
            Ok(schema) => Some(Arc::new(schema)),
            Err(error) => {
                problem(format!("its input schema: {error}"));
                None
            }
        });
        let retry = self.retry.clone().unwrap_or_else(|| retry_default(self.retry_unknown));
        if let Some(what) = wrong_with(&retry, self.retry_unknown) {
            problem(format!("`retry`: {what}"));
        }
        let concurrency = self.concurrency.and_then(|(limit, per)| {
            if !(1..=CONCURRENCY_MAX).contains(&limit) {
                problem(format!("`concurrency`: expected 1 to {CONCURRENCY_MAX}, found {limit}"));
            }
            match per.map(|text| Template::expression(&text)) {
                None => Some(Concurrency::of(limit)),
                Some(Ok(per)) => Some(Concurrency { limit, per: Some(per) }),
                Some(Err(error)) => {
                    problem(format!("`concurrency`: {error}"));
                    None
                }
            }
        });
        if let Some(Rate { count, period }) = self.rate {
            if !(1..=RATE_MAX).contains(&count) {
                problem(format!("`rate`: expected 1 to {RATE_MAX} starts, found {count}"));
            }
            if !(1..=RATE_SECONDS_MAX).contains(&period.as_secs()) {
                problem("`rate`: expected a time of 1s to 31d".to_owned());
            }
        }
        let mode = if self.synchronous { ReplyMode::Sync(SyncStatus::default()) } else { ReplyMode::default() };
        let name = parsed.filter(|_| problems.len() == before)?;
        Some(Operation {
            name,
            description: self.description,
            input,
            runner: RunnerSpec::Native,
            timeout: self.timeout,
            grace: self.grace.unwrap_or(Operation::GRACE_DEFAULT),
            retry,
            attempts_max: ATTEMPTS_MAX,
            concurrency,
            rate: self.rate,
            deadline: self.deadline,
            start_deadline: self.start_deadline,
            priority: self.priority,
            on_unknown: if self.retry_unknown { OnUnknown::Retry } else { OnUnknown::Fail },
            reply: Reply { mode, ..Reply::default() },
            effects: Effects::default(),
            keep: Keep::default(),
        })
    }
}

fn unfit(name: &str, error: &ParseIdError) -> String {
    format!("`{name}` cannot be its name: expected {}", error.expected())
}

fn retry_default(unknown: bool) -> RetryPolicy {
    let attempts = if unknown { ATTEMPTS_AFTER_UNKNOWN } else { RetryPolicy::default().attempts };
    RetryPolicy { attempts, ..RetryPolicy::default() }
}

fn wrong_with(retry: &RetryPolicy, unknown: bool) -> Option<String> {
    if !(1..=ATTEMPTS_MAX).contains(&retry.attempts) {
        return Some(format!("expected 1 to {ATTEMPTS_MAX} attempts, found {}", retry.attempts));
    }
    if unknown && retry.attempts < 2 {
        return Some("expected at least 2 attempts, because `retry_unknown` makes another attempt".to_owned());
    }
    if !retry.factor.is_finite() || retry.factor < 1.0 {
        return Some(format!("expected a factor not below 1, found {}", retry.factor));
    }
    (retry.max < retry.backoff).then(|| "the longest wait cannot be shorter than the first".to_owned())
}

/// A collection that a program declares. What more there is to say of one,
/// such as mappings and rules, a configuration can say.
///
/// ```
/// use heeler::CollectionOptions;
/// use serde_json::json;
///
/// let dogs = CollectionOptions::default()
///     .schema(json!({ "type": "object", "required": ["name"] }))
///     .activity("barks", ["bark"])
///     .optional_preconditions();
/// # let _ = dogs;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until they are given to a builder"]
pub struct CollectionOptions {
    path: Option<String>,
    schema: Option<Value>,
    optional_preconditions: bool,
    activities: Vec<(String, Vec<String>)>,
    observed: Vec<String>,
    retired: bool,
}

impl CollectionOptions {
    /// Where it is mounted; at `/v1/NAME` unless something else is said.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The JSON Schema of its documents, without `id` and activities.
    pub fn schema(mut self, schema: Value) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Lets clients change a document without saying which version they saw.
    pub const fn optional_preconditions(mut self) -> Self {
        self.optional_preconditions = true;
        self
    }

    /// A member of its documents that asks for work, by one of these
    /// operations; by any if there are none. A collection without any activity
    /// has one, `processing`, for any operation.
    pub fn activity<O: Into<String>>(
        mut self,
        name: impl Into<String>,
        operations: impl IntoIterator<Item = O>,
    ) -> Self {
        self.activities.push((name.into(), operations.into_iter().map(Into::into).collect()));
        self
    }

    /// A member of its documents that the work writes, as a JSON Pointer.
    pub fn observed(mut self, pointer: impl Into<String>) -> Self {
        self.observed.push(pointer.into());
        self
    }

    /// Takes it out of service: it has no URL, its jobs are cancelled and its
    /// ticks skipped. All that is as before once it is declared without this.
    pub const fn retired(mut self) -> Self {
        self.retired = true;
        self
    }

    /// The collection of that name; what is wrong with it goes to `problems`.
    pub(super) fn declare(self, name: &str, problems: &mut Vec<String>) -> Option<Collection> {
        let before = problems.len();
        let mut problem = |what: String| problems.push(format!("the collection `{name}`: {what}"));
        let parsed = match name.parse::<CollectionName>() {
            Ok(name) => Some(name),
            Err(error) => {
                problem(unfit(name, &error));
                None
            }
        };
        if let Some(path) = &self.path
            && let Some(why) = paths::not_a_mount(path)
        {
            problem(format!("it cannot be mounted at `{path}`: {why}"));
        }
        let schema = self.schema.and_then(|schema| match Schema::compile(schema) {
            Ok(schema) => Some(Arc::new(schema)),
            Err(error) => {
                problem(format!("its schema: {error}"));
                None
            }
        });
        let wanted = match self.activities {
            none if none.is_empty() => vec![(ACTIVITY_DEFAULT.to_owned(), Vec::new())],
            activities => activities,
        };
        let activities = wanted.into_iter().filter_map(|(activity, operations)| {
            activity_of(&activity, operations)
                .map_err(|what| problem(format!("the activity `{activity}`: {what}")))
                .ok()
        });
        let activities: Vec<ActivitySpec> = activities.collect();
        let observed = self.observed.iter().filter_map(|text| {
            observed_at(text, &activities).map_err(|what| problem(format!("`{text}` cannot be observed: {what}"))).ok()
        });
        let observed: Vec<Pointer> = observed.collect();
        let collection = Collection::new(parsed.filter(|_| problems.len() == before)?);
        Some(Collection {
            path: self.path.unwrap_or_else(|| collection.path.clone()),
            schema,
            preconditions: if self.optional_preconditions {
                PreconditionPolicy::Optional
            } else {
                PreconditionPolicy::Required
            },
            activities,
            observed,
            availability: if self.retired { Availability::Retired } else { Availability::Served },
            ..collection
        })
    }
}

fn observed_at(text: &str, activities: &[ActivitySpec]) -> Result<Pointer, String> {
    let pointer: Pointer = text.parse().map_err(|error| format!("{error}"))?;
    let Some(member) = pointer.tokens().first() else {
        return Err("expected a member of the document, not all of it".to_owned());
    };
    if RESERVED.contains(&member.as_str()) {
        return Err(format!("the service itself writes `{member}`"));
    }
    if activities.iter().any(|activity| activity.name.as_str() == member) {
        return Err(format!("`{member}` is an activity"));
    }
    Ok(pointer)
}

fn activity_of(name: &str, operations: Vec<String>) -> Result<ActivitySpec, String> {
    let parsed: ActivityName =
        name.parse().map_err(|error: ParseIdError| format!("that is no name: expected {}", error.expected()))?;
    if RESERVED.contains(&name) {
        return Err("the service itself writes that member".to_owned());
    }
    if RELATIONS.contains(&name) {
        return Err("that is a link that every resource has".to_owned());
    }
    let names: Result<Vec<OperationName>, String> = operations
        .iter()
        .map(|operation| operation.parse().map_err(|_| format!("there is no operation `{operation}`")))
        .collect();
    let mut names = names?;
    let operations = match names.len() {
        0 => OperationChoice::Any,
        1 => OperationChoice::Fixed(names.remove(0)),
        _ => OperationChoice::OneOf(names),
    };
    Ok(ActivitySpec { operations, ..ActivitySpec::new(parsed) })
}
