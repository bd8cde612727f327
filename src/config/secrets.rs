//! `[secrets]`.
//!
//! # Guarantees
//! No value is part of an error.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Report;
use super::files::Files;
use super::section::{Field, Keys, Section};
use crate::domain::secret::Secrets;

/// The longest secret in bytes. A variable of an environment holds twice that.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

const SECRET: Keys = Keys { known: &["env", "file"], later: &[] };
const WHERE: &str = "`env = \"VARIABLE\"` or `file = \"PATH\"`";

/// What is declared, whether it could be read or not.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// The names of secrets.
    pub(super) names: BTreeSet<String>,
    /// The variables of the environment that hold one, with its name.
    pub(super) variables: BTreeMap<String, String>,
}

/// Reads every secret.
pub(super) fn secrets(
    root: &Section<'_>,
    env: &Secrets,
    files: &Files<'_>,
    report: &mut Report<'_>,
) -> (Declared, Secrets) {
    let mut declared = Declared::default();
    let mut values = Vec::new();
    for field in root.table("secrets", report).iter().flat_map(Section::fields) {
        if !is_name(field.name) {
            let message = format!(
                "`{}` cannot be the name of a secret: expected letters, digits and `_`, no digit first",
                field.name
            );
            report.error(&field.key, message);
        }
        declared.names.insert(field.name.to_owned());
        let Some(section) = field.table(WHERE, report) else { continue };
        section.check_keys(SECRET, report);
        let value = match (section.get("env"), section.get("file")) {
            (Some(variable), None) => {
                if let Some(name) = variable.as_text() {
                    declared.variables.insert(name.to_owned(), field.name.to_owned());
                }
                of_variable(&variable, env, report)
            }
            (None, Some(file)) => of_file(&file, files, report),
            (Some(_), Some(file)) => {
                report.error(&file.key, format!("`{}` has both `env` and `file`: expected one of them", field.path));
                None
            }
            (None, None) => {
                report.error(&field.key, format!("`{}` is nowhere to be read: expected {WHERE}", field.path));
                None
            }
        };
        values.extend(value.map(|value| (field.name.to_owned(), value)));
    }
    (declared, values.into_iter().collect())
}

/// Whether a name is one in every expression.
fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn of_variable(field: &Field<'_>, env: &Secrets, report: &mut Report<'_>) -> Option<String> {
    let name = field.text("the name of a variable", report)?;
    match env.get(name) {
        Some(value) => usable(value, &format!("the variable `{name}`"), field, report),
        None => field.refuse(format!("the variable `{name}` is not set in the environment, or is not UTF-8"), report),
    }
}

fn of_file(field: &Field<'_>, files: &Files<'_>, report: &mut Report<'_>) -> Option<String> {
    let name = field.text("the path of a file", report)?;
    if name.is_empty() || name.contains('\0') {
        return field.refuse("expected the path of a file", report);
    }
    let path = files.resolve(name);
    let place = format!("`{}`", path.display());
    match files.text(&path) {
        Ok(text) => {
            let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
            usable(line, &place, field, report)
        }
        Err(error) => field.refuse(format!("{place} cannot be read: {error}"), report),
    }
}

/// The value, if it is one.
fn usable(value: &str, place: &str, field: &Field<'_>, report: &mut Report<'_>) -> Option<String> {
    if value.is_empty() {
        return field.refuse(format!("{place} is empty"), report);
    }
    if value.contains('\0') {
        return field.refuse(format!("{place} contains a NUL byte, which no argument can hold"), report);
    }
    if value.len() > SECRET_BYTES_MAX {
        return field.refuse(format!("{place} is longer than {} KiB", SECRET_BYTES_MAX / 1024), report);
    }
    Some(value.to_owned())
}
