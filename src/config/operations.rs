//! `[operations.NAME]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::Report;
use super::exec::exec_spec;
use super::files::Files;
use super::replies;
use super::section::{Field, Keys, Section};
use super::templates::Templates;
use crate::domain::id::OperationName;
use crate::domain::operation::{OnUnknown, Operation, RunnerSpec};
use crate::domain::retry::{ATTEMPTS_MAX, RetryPolicy};

const OPERATION: Keys = Keys {
    known: &[
        "description",
        "input",
        "exec",
        "timeout",
        "grace",
        "retry",
        "concurrency",
        "priority",
        "on_unknown",
        "reply",
        "keep",
    ],
    later: &["http", "mail", "worker", "kubernetes", "rate", "on_success", "on_failure"],
};
const RUNNERS: [&str; 5] = ["exec", "http", "mail", "worker", "kubernetes"];
const RETRY: Keys = Keys { known: &["attempts", "backoff", "factor", "max", "never"], later: &[] };

/// How many attempts an operation has by default that is tried again after an unknown fate.
const ATTEMPTS_AFTER_UNKNOWN: u32 = 3;

pub(super) fn operations(
    root: &Section<'_>,
    templates: &Templates,
    files: &mut Files<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<OperationName, Arc<Operation>> {
    let Some(section) = root.table("operations", report) else { return BTreeMap::new() };
    let mut operations = BTreeMap::new();
    for field in section.fields() {
        let name = field.parse_name("an operation", report);
        let body = field
            .table("a table", report)
            .and_then(|section| operation(&section, name.clone(), templates, files, report));
        if let (Some(name), Some(operation)) = (name, body) {
            operations.insert(name, Arc::new(operation));
        }
    }
    operations
}

/// Reads one operation. Its table is checked even if its name is not one.
fn operation(
    section: &Section<'_>,
    name: Option<OperationName>,
    templates: &Templates,
    files: &mut Files<'_>,
    report: &mut Report<'_>,
) -> Option<Operation> {
    section.check_keys(OPERATION, report);
    let runner = runner(section, templates, files, report);
    let on_unknown = section
        .get("on_unknown")
        .and_then(|field| field.word(&[("fail", OnUnknown::Fail), ("retry", OnUnknown::Retry)], report))
        .unwrap_or(OnUnknown::Fail);
    let description = section.get("description").and_then(|field| field.text("a string", report)).map(str::to_owned);
    let input = section.get("input").and_then(|field| files.schema(&field, report));
    let timeout = section.get("timeout").and_then(|field| field.positive_duration(report));
    let grace = section.get("grace").and_then(|field| field.duration(report)).unwrap_or(Operation::GRACE_DEFAULT);
    let retry = retry(section, on_unknown, report);
    let concurrency = section.get("concurrency").and_then(|field| concurrency(&field, report));
    let priority = section
        .get("priority")
        .and_then(|field| field.integer(i64::from(i32::MIN)..=i64::from(i32::MAX), report))
        .and_then(|number| i32::try_from(number).ok())
        .unwrap_or(0);
    let (reply, keep) = replies::of_operation(section, report);
    Some(Operation {
        name: name?,
        description,
        input,
        runner: runner?,
        timeout,
        grace,
        retry,
        concurrency,
        priority,
        on_unknown,
        reply,
        keep,
    })
}

fn runner(
    section: &Section<'_>,
    templates: &Templates,
    files: &Files<'_>,
    report: &mut Report<'_>,
) -> Option<RunnerSpec> {
    let named: Vec<&str> = RUNNERS.into_iter().filter(|runner| section.get(runner).is_some()).collect();
    match named.as_slice() {
        [_] => {}
        [] => {
            let message = format!("`{}` has no runner: expected `exec = {{ command = […] }}`", section.path);
            report.error(&section.span, message);
        }
        [first, second, ..] => {
            let message = format!("`{}` has two runners, `{first}` and `{second}`: expected exactly one", section.path);
            report.error(&section.span, message);
        }
    }
    let exec = section.table("exec", report)?;
    exec_spec(&exec, templates, files, report).map(RunnerSpec::Exec)
}

fn retry(section: &Section<'_>, on_unknown: OnUnknown, report: &mut Report<'_>) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    if on_unknown == OnUnknown::Retry {
        policy.attempts = ATTEMPTS_AFTER_UNKNOWN;
    }
    let Some(section) = section.table("retry", report) else { return policy };
    section.check_keys(RETRY, report);
    if let Some(field) = section.get("attempts") {
        let given = field.integer(1..=i64::from(ATTEMPTS_MAX), report).and_then(|number| u32::try_from(number).ok());
        if given == Some(1) && on_unknown == OnUnknown::Retry {
            let message = "expected at least 2, because `on_unknown = \"retry\"` makes another attempt";
            let _: Option<()> = field.refuse(message, report);
        }
        policy.attempts = given.unwrap_or(policy.attempts);
    }
    if let Some(factor) = section.get("factor").and_then(|field| field.number(1.0, report)) {
        policy.factor = factor;
    }
    waits(&section, &mut policy, report);
    let never = section.get("never").and_then(|field| field.elements("an array of exit codes", report));
    let codes = never.iter().flatten().filter_map(|field| field.integer(1..=255, report));
    policy.never = codes.filter_map(|code| i32::try_from(code).ok()).collect();
    policy
}

/// The first and the longest wait.
fn waits(section: &Section<'_>, policy: &mut RetryPolicy, report: &mut Report<'_>) {
    let mut first = "the default of `backoff`, 10s";
    if let Some(field) = section.get("backoff") {
        first = "`backoff`";
        // One that cannot be read is compared with nothing.
        policy.backoff = field.duration(report).unwrap_or(Duration::ZERO);
    }
    match section.get("max").and_then(|field| field.duration(report).map(|max| (field, max))) {
        Some((field, max)) if max < policy.backoff => {
            let _: Option<()> = field.refuse(format!("the longest wait cannot be shorter than {first}"), report);
        }
        Some((_, max)) => policy.max = max,
        // A first wait that is longer than the default of the longest is meant as it is written.
        None => policy.max = policy.max.max(policy.backoff),
    }
}

fn concurrency(field: &Field<'_>, report: &mut Report<'_>) -> Option<u32> {
    if field.is_table() {
        report.error(
            &field.key,
            format!("`{}` with `limit` and `per` is not in this version: expected an integer", field.path),
        );
        return None;
    }
    field.integer(1..=i64::from(u32::MAX), report).and_then(|number| u32::try_from(number).ok())
}
