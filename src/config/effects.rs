//! `on_success` and `on_failure` of an operation and of an activity.

use super::activities::expression;
use super::error::Report;
use super::section::{Field, Keys, Section};
use crate::domain::effect::{Effect, Effects, FollowUp};
use crate::domain::expression::Variable;
use crate::domain::id::OperationName;
use crate::domain::near::did_you_mean;

/// The keys of what has effects.
pub(super) const ON_SUCCESS: &str = "on_success";
pub(super) const ON_FAILURE: &str = "on_failure";

const EFFECT: Keys = Keys { known: &["merge", "launch"], later: &[] };
const LAUNCH: Keys = Keys { known: &["operation", "input"], later: &[] };

/// What an expression sees of the end of a job.
const OF_ENDS: &[Variable] = &[Variable::Document, Variable::Status, Variable::Resource, Variable::Now, Variable::Job];

/// What effects are read against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// The operations that the file declares, whether or not it does so rightly.
    pub(super) operations: &'a [OperationName],
    /// Whether there is any member that an effect may write; `None` where that
    /// is not known, an operation being of no collection.
    pub(super) observed: Option<bool>,
}

/// Reads both.
pub(super) fn effects(section: &Section<'_>, known: Known<'_>, report: &mut Report<'_>) -> Effects {
    Effects { success: effect(section, ON_SUCCESS, known, report), failure: effect(section, ON_FAILURE, known, report) }
}

fn effect(section: &Section<'_>, name: &str, known: Known<'_>, report: &mut Report<'_>) -> Effect {
    let Some(table) = section.table(name, report) else { return Effect::default() };
    table.check_keys(EFFECT, report);
    let (merge, launch) = (table.get("merge"), table.get("launch"));
    if merge.is_none() && launch.is_none() {
        let message = format!(
            "`{0}` needs `merge`, an expression that gives an object, or `launch`, \
             such as `{{ operation = \"notify\" }}`",
            table.path
        );
        report.error(&table.span, message);
    }
    if let Some(merge) = merge.as_ref().filter(|_| known.observed == Some(false)) {
        let message =
            format!("`{}` has nothing to write: list the members under `observed` of the collection", merge.path);
        report.error(&merge.key, message);
    }
    Effect {
        merge: merge.and_then(|field| expression(&field, OF_ENDS, report)),
        launch: launch.and_then(|field| follow_up(&field, known, report)),
    }
}

fn follow_up(field: &Field<'_>, known: Known<'_>, report: &mut Report<'_>) -> Option<FollowUp> {
    let table = field.table("a table with `operation` and maybe `input`", report)?;
    table.check_keys(LAUNCH, report);
    let operation = table
        .needed("operation", "the name of the operation that the job runs", report)
        .and_then(|field| declared(&field, known.operations, report));
    let input = table.get("input").map(|field| expression(&field, OF_ENDS, report));
    // An input that cannot be read is noted already, and is not none.
    Some(FollowUp { operation: operation?, input: input.map_or(Some(None), |read| read.map(Some))? })
}

/// The operation that a field names.
pub(super) fn declared(
    field: &Field<'_>,
    operations: &[OperationName],
    report: &mut Report<'_>,
) -> Option<OperationName> {
    let text = field.text("the name of an operation", report)?;
    match operations.iter().find(|name| name.as_str() == text) {
        Some(name) => Some(name.clone()),
        None => {
            let hint = did_you_mean(text, operations.iter().map(OperationName::as_str));
            field.refuse(format!("there is no operation `{text}`{hint}"), report)
        }
    }
}
