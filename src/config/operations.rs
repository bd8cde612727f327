//! `[operations.NAME]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::declared;
use super::effects::{self, Known};
use super::error::Report;
use super::exec::exec_spec;
use super::files::Files;
use super::outward::{http_spec, mail_spec};
use super::replies;
use super::section::{Field, Keys, Section};
use super::templates::Templates;
use super::worker;
use crate::domain::expression::{Surrounding, Template};
use crate::domain::id::OperationName;
use crate::domain::limit::{Concurrency, RATE_MAX, Rate};
use crate::domain::operation::{OnUnknown, Operation, RunnerSpec};
use crate::domain::retry::{ATTEMPTS_MAX, Never, RetryPolicy};
use crate::domain::secret::Secrets;
use crate::domain::time::parse_duration;

const OPERATION: Keys = Keys {
    known: &[
        "description",
        "input",
        "exec",
        "http",
        "mail",
        "worker",
        "native",
        "timeout",
        "grace",
        "retry",
        "concurrency",
        "rate",
        "deadline",
        "start_deadline",
        "priority",
        "on_unknown",
        "reply",
        "keep",
        effects::ON_SUCCESS,
        effects::ON_FAILURE,
    ],
    later: &["kubernetes"],
};
const RUNNERS: [&str; 6] = ["exec", "http", "mail", "worker", "kubernetes", declared::NATIVE];
const CONCURRENCY: Keys = Keys { known: &["limit", "per"], later: &[] };
const RETRY: Keys = Keys { known: &["attempts", "attempts_max", "backoff", "factor", "max", "never"], later: &[] };

/// The most jobs of one operation at once: each holds a row, and a claim looks
/// through them.
const CONCURRENCY_MAX: u32 = 10_000;

/// The shortest and the longest time of a rate.
const RATE_PERIOD_MIN: Duration = Duration::from_secs(1);
const RATE_PERIOD_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How many attempts an operation has by default that is tried again after an unknown fate.
const ATTEMPTS_AFTER_UNKNOWN: u32 = 3;

/// What an operation is read against.
#[derive(Debug, Clone, Copy)]
struct Around<'a> {
    /// All operations.
    names: &'a [OperationName],
    templates: &'a Templates,
    secrets: &'a Secrets,
    /// Whether anybody takes letters.
    has_relay: bool,
}

pub(super) fn operations(
    root: &Section<'_>,
    templates: &Templates,
    secrets: &Secrets,
    files: &mut Files<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<OperationName, Arc<Operation>> {
    let Some(section) = root.table("operations", report) else { return BTreeMap::new() };
    let mut operations = BTreeMap::new();
    // An operation may launch one that stands below it, or that has mistakes of its own.
    let names: Vec<OperationName> = section.fields().iter().filter_map(|field| field.name.parse().ok()).collect();
    let around = Around { names: &names, templates, secrets, has_relay: root.get("mail").is_some() };
    for field in section.fields() {
        let name = field.parse_name("an operation", report);
        let body =
            field.table("a table", report).and_then(|section| operation(&section, name.clone(), around, files, report));
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
    around: Around<'_>,
    files: &mut Files<'_>,
    report: &mut Report<'_>,
) -> Option<Operation> {
    section.check_keys(OPERATION, report);
    let runner = runner(section, around, files, report);
    let on_unknown = section
        .get("on_unknown")
        .and_then(|field| field.word(&[("fail", OnUnknown::Fail), ("retry", OnUnknown::Retry)], report))
        .unwrap_or(OnUnknown::Fail);
    let description = section.get("description").and_then(|field| field.text("a string", report)).map(str::to_owned);
    let input = section.get("input").and_then(|field| files.schema(&field, report));
    let timeout = section.get("timeout").and_then(|field| field.positive_duration(report));
    let grace = section.get("grace").and_then(|field| field.duration(report)).unwrap_or(Operation::GRACE_DEFAULT);
    let (retry, attempts_max) = retry(section, on_unknown, report);
    let concurrency = section.get("concurrency").and_then(|field| concurrency(&field, report));
    let rate = section.get("rate").and_then(|field| rate(&field, report));
    let deadline = section.get("deadline").and_then(|field| field.positive_duration(report));
    let start_deadline = section.get("start_deadline").and_then(|field| field.positive_duration(report));
    let priority = section
        .get("priority")
        .and_then(|field| field.integer(i64::from(i32::MIN)..=i64::from(i32::MAX), report))
        .and_then(|number| i32::try_from(number).ok())
        .unwrap_or(0);
    let (reply, keep) = replies::of_operation(section, report);
    let effects = effects::effects(section, Known { operations: around.names, observed: None }, report);
    Some(Operation {
        name: name?,
        description,
        input,
        runner: runner?,
        timeout,
        grace,
        retry,
        attempts_max,
        concurrency,
        rate,
        deadline,
        start_deadline,
        priority,
        on_unknown,
        reply,
        keep,
        effects,
    })
}

fn runner(section: &Section<'_>, around: Around<'_>, files: &Files<'_>, report: &mut Report<'_>) -> Option<RunnerSpec> {
    let named: Vec<&str> = RUNNERS.into_iter().filter(|runner| section.get(runner).is_some()).collect();
    match named.as_slice() {
        [_] => {}
        [] => {
            let message = format!(
                "`{}` has no runner: expected `exec = {{ command = […] }}`, `http = {{ url = … }}`, \
                 `mail = {{ to = … }}` or `worker = {{}}`",
                section.path
            );
            report.error(&section.span, message);
        }
        [first, second, ..] => {
            let message = format!("`{}` has two runners, `{first}` and `{second}`: expected exactly one", section.path);
            report.error(&section.span, message);
        }
    }
    if let Some(native) = declared::native(section, report) {
        return Some(native);
    }
    let templates = around.templates;
    let worker = section.table("worker", report).map(|table| worker::spec(section, &table, report));
    let exec = section.table("exec", report).map(|table| exec_spec(&table, templates, files, report));
    let http = section.table("http", report).map(|table| http_spec(&table, templates, around.secrets, report));
    let mail = section.table("mail", report).map(|table| {
        if !around.has_relay {
            let message = format!("`{}` needs a relay: expected `[mail]` with `relay` and `from`", table.path);
            report.error(&table.span, message);
        }
        mail_spec(&table, templates, report)
    });
    let exec = exec.map(|exec| exec.map(RunnerSpec::Exec));
    let http = http.map(|http| http.map(|spec| RunnerSpec::Http(Box::new(spec))));
    let mail = mail.map(|mail| mail.map(|spec| RunnerSpec::Mail(Box::new(spec))));
    let worker = worker.map(|worker| worker.map(RunnerSpec::Worker));
    [exec, http, mail, worker].into_iter().flatten().next().flatten()
}

/// The policy, and how many attempts a document can ask for.
fn retry(section: &Section<'_>, on_unknown: OnUnknown, report: &mut Report<'_>) -> (RetryPolicy, u32) {
    let mut policy = RetryPolicy::default();
    if on_unknown == OnUnknown::Retry {
        policy.attempts = ATTEMPTS_AFTER_UNKNOWN;
    }
    let Some(section) = section.table("retry", report) else { return (policy, ATTEMPTS_MAX) };
    section.check_keys(RETRY, report);
    if let Some(field) = section.get("attempts") {
        let given = attempts(&field, 1, report);
        policy.attempts = given.unwrap_or(policy.attempts);
        if given == Some(1) && on_unknown == OnUnknown::Retry {
            let message = "expected at least 2, because `on_unknown = \"retry\"` makes another attempt";
            let _: Option<()> = field.refuse(message, report);
        }
    }
    let most = section.get("attempts_max").and_then(|field| attempts(&field, policy.attempts, report));
    if let Some(factor) = section.get("factor").and_then(|field| field.number(1.0, report)) {
        policy.factor = factor;
    }
    waits(&section, &mut policy, report);
    let never = section.get("never").and_then(|field| field.elements("an array of exit codes and reasons", report));
    policy.never = never.iter().flatten().filter_map(|field| never_after(field, report)).collect();
    (policy, most.unwrap_or(ATTEMPTS_MAX))
}

fn attempts(field: &Field<'_>, at_least: u32, report: &mut Report<'_>) -> Option<u32> {
    let bounds = i64::from(at_least)..=i64::from(ATTEMPTS_MAX);
    field.integer(bounds, report).and_then(|number| u32::try_from(number).ok())
}

/// An exit code or a status, or the reason of a failure.
fn never_after(field: &Field<'_>, report: &mut Report<'_>) -> Option<Never> {
    if field.is_text() {
        return match field.text("a reason", report)? {
            "" => field.refuse("expected a reason such as \"InvalidInput\", found an empty string", report),
            reason => Some(Never::Reason(reason.to_owned())),
        };
    }
    field.integer(1..=599, report).and_then(|number| i32::try_from(number).ok()).map(Never::Code)
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

/// How many jobs run at once: a number, or `{ limit = 2, per = "resource.owner" }`.
fn concurrency(field: &Field<'_>, report: &mut Report<'_>) -> Option<Concurrency> {
    if !field.is_table() {
        return limit(field, report).map(Concurrency::of);
    }
    let section = field.table("a table", report)?;
    section.check_keys(CONCURRENCY, report);
    let per = section.get("per").map(|field| per(&field, report));
    let Some(many) = section.get("limit") else {
        return field.refuse("expected `limit`, how many jobs run at once", report);
    };
    let limit = limit(&many, report)?;
    match per {
        None => Some(Concurrency::of(limit)),
        Some(per) => Some(Concurrency { limit, per: Some(per?) }),
    }
}

fn limit(field: &Field<'_>, report: &mut Report<'_>) -> Option<u32> {
    field.integer(1..=i64::from(CONCURRENCY_MAX), report).and_then(|number| u32::try_from(number).ok())
}

/// What jobs are counted by: an expression, without the braces of a template.
fn per(field: &Field<'_>, report: &mut Report<'_>) -> Option<Template> {
    let text = field.text("an expression such as \"resource.owner\"", report)?;
    let (offset, wrong) = match Template::expression(text) {
        Ok(template) => {
            match [Surrounding::Secret, Surrounding::Env].iter().flat_map(|it| template.reads(*it)).next() {
                None => return Some(template),
                Some(read) => (read.offset, "jobs are counted by `input`, `resource` or `job`".to_owned()),
            }
        }
        Err(error) => (error.offset, error.to_string()),
    };
    report.error_within(&field.span, text, offset, format!("`{}`: {wrong}", field.path));
    None
}

/// How many attempts start within a time: `"100/1m"`.
fn rate(field: &Field<'_>, report: &mut Report<'_>) -> Option<Rate> {
    const WHAT: &str = "a number of starts within a time, such as \"100/1m\"";
    let text = field.text(WHAT, report)?;
    let wrong = |report: &mut Report<'_>| field.refuse(format!("expected {WHAT}, found `{text}`"), report);
    let Some((count, period)) = text.split_once('/') else { return wrong(report) };
    let (Ok(count), Ok(period)) = (count.trim().parse::<u32>(), parse_duration(period.trim())) else {
        return wrong(report);
    };
    if !(1..=RATE_MAX).contains(&count) {
        return field.refuse(format!("expected 1 to {RATE_MAX} starts, found {count}"), report);
    }
    if period < RATE_PERIOD_MIN || RATE_PERIOD_MAX < period {
        return field.refuse(format!("expected a time of 1s to 31d, found `{text}`"), report);
    }
    Some(Rate { count, period })
}
