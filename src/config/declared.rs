//! What the program that reads the file declares beside it: functions that do
//! the work of operations, and collections.
//!
//! # Guarantees
//! Of an operation both speak of, the file's word counts, key by key. A
//! collection is declared in one place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::effects::{ON_FAILURE, ON_SUCCESS};
use super::error::Report;
use super::section::{Keys, Section};
use crate::domain::catalog::Collection;
use crate::domain::id::{CollectionName, OperationName};
use crate::domain::near::did_you_mean;
use crate::domain::operation::{Operation, RunnerSpec};
use crate::domain::paths;
use crate::domain::retry::RetryPolicy;

/// What a program declares.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// The operations whose work its functions do.
    pub operations: BTreeMap<OperationName, Arc<Operation>>,
    /// Its collections.
    pub collections: BTreeMap<CollectionName, Arc<Collection>>,
}

/// The key of an operation whose work a function does.
pub(super) const NATIVE: &str = "native";

const NOTHING: Keys = Keys { known: &[], later: &[] };

/// Reads `native = {}`.
pub(super) fn native(section: &Section<'_>, report: &mut Report<'_>) -> Option<RunnerSpec> {
    section.table(NATIVE, report)?.check_keys(NOTHING, report);
    Some(RunnerSpec::Native)
}

/// The operations of the file and of the program.
pub(super) fn operations(
    root: &Section<'_>,
    mut read: BTreeMap<OperationName, Arc<Operation>>,
    declared: &Declared,
    report: &mut Report<'_>,
) -> BTreeMap<OperationName, Arc<Operation>> {
    let section = root.get("operations").and_then(|field| field.as_section());
    for field in section.iter().flat_map(Section::fields) {
        let (Some(body), Ok(name)) = (field.as_section(), field.name.parse::<OperationName>()) else { continue };
        match (body.get(NATIVE), declared.operations.get(&name)) {
            (Some(native), None) => {
                let hint = did_you_mean(field.name, declared.operations.keys().map(OperationName::as_str));
                let message = format!(
                    "`{}`: this program has no function `{name}`{hint}: `native` is for programs that embed Heeler and \
                     register one",
                    native.path
                );
                report.error(&native.key, message);
            }
            (Some(_), Some(base)) => {
                if let Some(given) = read.get_mut(&name) {
                    *given = Arc::new(over(base, given, &body));
                }
            }
            (None, Some(_)) => {
                let message = format!(
                    "`{}`: a function of this program does the work of `{name}`: expected `native = {{}}`, or another name",
                    field.path
                );
                report.error(&field.key, message);
            }
            (None, None) => {}
        }
    }
    for (name, operation) in &declared.operations {
        read.entry(name.clone()).or_insert_with(|| Arc::clone(operation));
    }
    read
}

/// What the file says over what the program does.
fn over(base: &Operation, given: &Operation, section: &Section<'_>) -> Operation {
    let says = |key| section.get(key).is_some();
    let mut operation = base.clone();
    let Operation {
        name: _,
        description,
        input,
        runner: _,
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
    } = given.clone();
    // Another attempt after an unknown fate needs one to be allowed.
    let too_few = says("on_unknown") && base.retry == RetryPolicy::default();
    put(&mut operation.description, description, says("description"));
    put(&mut operation.input, input, says("input"));
    put(&mut operation.timeout, timeout, says("timeout"));
    put(&mut operation.grace, grace, says("grace"));
    put(&mut operation.retry, retry, says("retry") || too_few);
    put(&mut operation.attempts_max, attempts_max, says("retry") || too_few);
    put(&mut operation.concurrency, concurrency, says("concurrency"));
    put(&mut operation.rate, rate, says("rate"));
    put(&mut operation.deadline, deadline, says("deadline"));
    put(&mut operation.start_deadline, start_deadline, says("start_deadline"));
    put(&mut operation.priority, priority, says("priority"));
    put(&mut operation.on_unknown, on_unknown, says("on_unknown"));
    put(&mut operation.reply, reply, says("reply"));
    put(&mut operation.keep, keep, says("keep"));
    put(&mut operation.effects.success, effects.success, says(ON_SUCCESS));
    put(&mut operation.effects.failure, effects.failure, says(ON_FAILURE));
    operation
}

fn put<T>(place: &mut T, value: T, said: bool) {
    if said {
        *place = value;
    }
}

/// The collections of the file and of the program.
pub(super) fn collections(
    root: &Section<'_>,
    mut read: BTreeMap<CollectionName, Arc<Collection>>,
    declared: &Declared,
    report: &mut Report<'_>,
) -> BTreeMap<CollectionName, Arc<Collection>> {
    let section = root.get("collections").and_then(|field| field.as_section());
    for field in section.iter().flat_map(Section::fields) {
        let Ok(name) = field.name.parse::<CollectionName>() else { continue };
        if declared.collections.contains_key(&name) {
            report.error(&field.key, format!("`{}`: this program declares the collection `{name}` itself", field.path));
            continue;
        }
        let Some(collection) = read.get(&name) else { continue };
        for other in declared.collections.values() {
            if let Some(why) = paths::not_beside(&collection.path, &other.path, &other.name) {
                report.error(&field.key, format!("`{}` cannot be mounted at `{}`: {why}", field.path, collection.path));
            }
        }
    }
    read.extend(declared.collections.iter().map(|(name, collection)| (name.clone(), Arc::clone(collection))));
    read
}
