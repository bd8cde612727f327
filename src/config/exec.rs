//! `[operations.NAME.exec]`.

use std::collections::BTreeMap;

use super::error::Report;
use super::files::Files;
use super::section::{Field, Keys, Section};
use super::templates::{Exposure, Templates};
use crate::domain::expression::Template;
use crate::domain::operation::ExecSpec;

const EXEC: Keys = Keys { known: &["command", "cwd", "env"], later: &[] };

pub(super) fn exec_spec(
    section: &Section<'_>,
    templates: &Templates,
    files: &Files<'_>,
    report: &mut Report<'_>,
) -> Option<ExecSpec> {
    section.check_keys(EXEC, report);
    let command = command(section, templates, files, report);
    let cwd = match section.get("cwd") {
        None => Some(files.base.to_owned()),
        Some(field) => field.text("the path of a folder", report).and_then(|text| match text {
            "" => field.refuse("expected the path of a folder, found an empty string", report),
            nul if nul.contains('\0') => field.refuse("a NUL byte cannot be part of a path", report),
            expression if expression.contains("${") => {
                field.refuse("expected the path of a folder: expressions are not understood here", report)
            }
            folder => Some(files.resolve(folder)),
        }),
    };
    let env = section.table("env", report).map(|section| environment(&section, templates, report)).unwrap_or_default();
    Some(ExecSpec { command: command?, cwd: cwd?, env })
}

fn command(
    section: &Section<'_>,
    templates: &Templates,
    files: &Files<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<Template>> {
    const WHAT: &str = "an array of a program and its arguments";
    let Some(field) = section.get("command") else {
        report.error(&section.span, format!("`{}` needs `command`: expected {WHAT}", section.path));
        return None;
    };
    let elements = field.elements(WHAT, report)?;
    let Some((first, arguments)) = elements.split_first() else {
        return field.refuse(format!("expected {WHAT}, found an empty array"), report);
    };
    let program = program(first, templates, files, report);
    // Collected before it is asked whether all are there, so that all errors are found.
    let arguments: Vec<_> = arguments.iter().map(|field| templates.read(field, Exposure::Argument, report)).collect();
    let mut command = vec![program?];
    for argument in arguments {
        command.push(argument?);
    }
    Some(command)
}

/// The program: a name that is looked up in `PATH`, or a path that starts at the file's folder.
fn program(field: &Field<'_>, templates: &Templates, files: &Files<'_>, report: &mut Report<'_>) -> Option<Template> {
    let template = templates.read(field, Exposure::Argument, report)?;
    let Some(program) = template.as_literal() else {
        return field.refuse("the program cannot come from an expression: only this file says what runs", report);
    };
    if program.is_empty() {
        return field.refuse("expected a program, found an empty string", report);
    }
    if !program.contains('/') {
        return Some(template);
    }
    let path = files.resolve(program);
    let absolute = path.to_str().and_then(|path| Template::literal(path).ok());
    absolute.or_else(|| field.refuse(format!("`{}` is not UTF-8", path.display()), report))
}

fn environment(section: &Section<'_>, templates: &Templates, report: &mut Report<'_>) -> BTreeMap<String, Template> {
    let mut variables = BTreeMap::new();
    for field in section.fields() {
        if field.name.is_empty() || field.name.contains(['=', '\0']) {
            report.error(
                &field.key,
                format!("`{}`: the name of a variable cannot be empty or contain `=`", section.path),
            );
        } else if field.name.starts_with("HEELER_") {
            report
                .error(&field.key, format!("`{}`: names that start with `HEELER_` are set by the service", field.path));
        }
        // What cannot be found there is looked up in it, and said with it.
        let exposure = if field.name == "PATH" { Exposure::Path } else { Exposure::Work };
        if let Some(template) = templates.read(&field, exposure, report) {
            variables.insert(field.name.to_owned(), template);
        }
    }
    variables
}
