//! `[[collections.NAME.rules]]`.

use super::activities::expression;
use super::error::Report;
use super::section::{Field, Keys, Section};
use crate::domain::catalog::Rule;
use crate::domain::expression::Variable;

const RULE: Keys = Keys { known: &["when", "status", "message"], later: &[] };

/// The status of a refusal unless the operator says otherwise.
const STATUS_DEFAULT: u16 = 403;

pub(super) fn rules(section: &Section<'_>, report: &mut Report<'_>) -> Vec<Rule> {
    let field = section.get("rules");
    let fields = field.and_then(|field| field.elements("an array of tables", report)).unwrap_or_default();
    // Collected one by one, so that what is wrong with each is found.
    fields.iter().filter_map(|field| rule(field, report)).collect()
}

fn rule(field: &Field<'_>, report: &mut Report<'_>) -> Option<Rule> {
    let section = field.table("a table with `when` and `message`", report)?;
    section.check_keys(RULE, report);
    let mut needed = |name: &str, what: &str| {
        let field = section.get(name);
        if field.is_none() {
            report.error(&section.span, format!("`{}` needs `{name}`: expected {what}", section.path));
        }
        field
    };
    let when = needed("when", "an expression that holds for what is forbidden");
    let message = needed("message", "a sentence that says why, for who is refused");
    let when = when.and_then(|field| expression(&field, &[Variable::Document, Variable::Old], report));
    let message = message.and_then(|field| field.text("a string", report)).map(str::to_owned);
    let status = match section.get("status") {
        None => STATUS_DEFAULT,
        Some(field) => field.integer(400..=499, report).and_then(|n| u16::try_from(n).ok()).unwrap_or(STATUS_DEFAULT),
    };
    Some(Rule { when: when?, status, message: message? })
}
