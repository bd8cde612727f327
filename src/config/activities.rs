//! `[collections.NAME.activities.NAME]`.

use super::effects::{self, Known, declared};
use super::error::Report;
use super::section::{Field, Keys, Section, listed};
use crate::domain::catalog::{ActivitySpec, Mapping, OperationChoice, ShownMember};
use crate::domain::expression::{Expression, Variable};
use crate::domain::id::{ActivityName, OperationName};
use crate::domain::json::Pointer;
use crate::domain::links::RELATIONS;

const ACTIVITY: Keys = Keys {
    known: &["operation", "operations", "input", "schedule", "show", "on_success", "on_failure", "editable"],
    later: &["reply"],
};

/// What an expression sees that says what is wanted. Not `status`: work that
/// depends on what became of it would be asked for again and again.
const OF_WISHES: &[Variable] = &[Variable::Document, Variable::Resource, Variable::Now];
/// What an expression sees that shows what became of it.
const OF_OUTCOMES: &[Variable] = &[Variable::Document, Variable::Status, Variable::Resource, Variable::Now];

/// What the activities of a collection are read against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// The operations that are declared.
    pub(super) operations: &'a [OperationName],
    /// Members of the representation that are the service's own.
    pub(super) reserved: &'a [&'a str],
    /// The members that effects may write.
    pub(super) observed: &'a [Pointer],
}

pub(super) fn activity(field: &Field<'_>, around: Around<'_>, report: &mut Report<'_>) -> Option<ActivitySpec> {
    let name: Option<ActivityName> = field.parse_name("an activity", report);
    if around.reserved.contains(&field.name) {
        report.error(&field.key, format!("`{}`: the service itself writes the member `{}`", field.path, field.name));
    }
    if RELATIONS.contains(&field.name) {
        report.error(&field.key, format!("`{}`: `{}` is a link that every resource has", field.path, field.name));
    }
    let section = field.table("a table", report)?;
    section.check_keys(ACTIVITY, report);
    let operations = choice(&section, around, report);
    let mapping = mapping(&section, &operations, report);
    let show = section.table("show", report).map(|section| shown(&section, around, report)).unwrap_or_default();
    let known = Known { operations: around.operations, observed: Some(!around.observed.is_empty()) };
    let effects = effects::effects(&section, known, report);
    let editable = section.get("editable").and_then(|field| field.flag(report)).unwrap_or_default();
    Some(ActivitySpec { name: name?, operations, mapping, show, effects, editable })
}

fn choice(section: &Section<'_>, around: Around<'_>, report: &mut Report<'_>) -> OperationChoice {
    match (section.get("operation"), section.get("operations")) {
        (Some(_), Some(several)) => {
            let message = format!("`{}` has both `operation` and `operations`: expected one of them", section.path);
            report.error(&several.key, message);
            OperationChoice::Any
        }
        (Some(one), None) => {
            declared(&one, around.operations, report).map_or(OperationChoice::Any, OperationChoice::Fixed)
        }
        (None, Some(several)) => {
            let fields = several.elements("an array of the names of operations", report).unwrap_or_default();
            if fields.is_empty() {
                let message = format!("`{}`: expected at least one operation", several.path);
                report.error(&several.span, message);
            }
            OperationChoice::OneOf(
                fields.iter().filter_map(|field| declared(field, around.operations, report)).collect(),
            )
        }
        (None, None) => OperationChoice::Any,
    }
}

fn mapping(section: &Section<'_>, operations: &OperationChoice, report: &mut Report<'_>) -> Option<Mapping> {
    let mut read = |name: &str| section.get(name).and_then(|field| expression(&field, OF_WISHES, report));
    let (input, schedule) = (read("input"), read("schedule"));
    let first = section.get("input").or_else(|| section.get("schedule"))?;
    if operations.fixed().is_none() && section.get("operation").is_none() {
        let message =
            format!("`{}` maps a document of its own shape, so `{}` needs `operation`", first.path, section.path);
        report.error(&first.key, message);
    }
    Some(Mapping { input, schedule })
}

fn shown(section: &Section<'_>, around: Around<'_>, report: &mut Report<'_>) -> Vec<ShownMember> {
    let mut members: Vec<ShownMember> = Vec::new();
    for field in section.fields() {
        let pointer = place(&field, field.name, &field.key, around.reserved, report);
        let value = expression(&field, OF_OUTCOMES, report);
        let (Some(pointer), Some(value)) = (pointer, value) else { continue };
        let taken = around.observed.iter().chain(members.iter().map(|member| &member.pointer));
        if let Some(other) = taken.into_iter().find(|other| pointer.is_within(other) || other.is_within(&pointer)) {
            let message = format!("`{}`: `{pointer}` and `{other}` are in each other's way", section.path);
            report.error(&field.key, message);
            continue;
        }
        members.push(ShownMember { pointer, value });
    }
    members
}

/// A CEL expression over these variables.
pub(super) fn expression(field: &Field<'_>, variables: &[Variable], report: &mut Report<'_>) -> Option<Expression> {
    let text = field.text("an expression", report)?;
    match Expression::parse(text, variables) {
        Ok(expression) => Some(expression),
        Err(error) => {
            report.error_within(&field.span, text, error.offset, format!("`{}`: {error}", field.path));
            None
        }
    }
}

/// The place of a member within the document.
pub(super) fn place(
    field: &Field<'_>,
    text: &str,
    span: &std::ops::Range<usize>,
    reserved: &[&str],
    report: &mut Report<'_>,
) -> Option<Pointer> {
    let pointer = match text.parse::<Pointer>() {
        Ok(pointer) => pointer,
        Err(error) => {
            report.error(span, format!("`{}`: {error}", field.path));
            return None;
        }
    };
    match pointer.tokens().first() {
        None => {
            report.error(span, format!("`{}`: expected a member of the document, not all of it", field.path));
            None
        }
        Some(root) if reserved.contains(&root.as_str()) => {
            let names = listed(reserved, '`');
            report.error(span, format!("`{}`: the service itself writes {names}", field.path));
            None
        }
        Some(_) => Some(pointer),
    }
}
