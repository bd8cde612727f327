//! `[operations.NAME.exec]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::Report;
use super::files::Files;
use super::section::{Field, Keys, Section};
use super::templates::{Exposure, Templates};
use crate::domain::expression::Template;
use crate::domain::operation::{Account, ExecLimits, ExecSpec, Scratch};

const EXEC: Keys =
    Keys { known: &["command", "cwd", "env", "secrets", "scratch", "limits", "user", "group"], later: &[] };
const LIMITS: Keys = Keys { known: &["memory", "cpu", "cpu_time", "processes", "files", "file_size"], later: &[] };

/// The least memory that a program can be started in.
const MEMORY_MIN: usize = 4 * 1024 * 1024;

/// The fewest open files that a program can be started with: its standard
/// streams, itself and a library.
const FILES_MIN: i64 = 8;

/// The longest name of a file that holds a secret.
const FILE_NAME_BYTES_MAX: usize = 200;

pub(super) fn exec_spec(
    section: &Section<'_>,
    templates: &Templates,
    files: &Files<'_>,
    report: &mut Report<'_>,
) -> Option<ExecSpec> {
    section.check_keys(EXEC, report);
    let command = command(section, templates, files, report);
    let scratch = match section.get("scratch").and_then(|field| field.flag(report)) {
        Some(true) => Scratch::Folder,
        Some(false) | None => Scratch::None,
    };
    let cwd = match (section.get("cwd"), scratch) {
        (None, Scratch::Folder) => Some(None),
        (None, Scratch::None) => Some(Some(files.base.to_owned())),
        (Some(field), _) => folder(&field, files, report).map(Some),
    };
    let env = section.table("env", report).map(|section| environment(&section, templates, report)).unwrap_or_default();
    let secrets =
        section.table("secrets", report).map(|section| secret_files(&section, templates, report)).unwrap_or_default();
    let limits = section.table("limits", report).map(|section| limits(&section, report)).unwrap_or_default();
    let user = section.get("user").and_then(|field| account(&field, "a user", report));
    let group = section.get("group").and_then(|field| account(&field, "a group", report));
    Some(ExecSpec { command: command?, cwd: cwd?, env, secrets, scratch, limits, user, group })
}

/// A folder that is there whatever a job says.
fn folder(field: &Field<'_>, files: &Files<'_>, report: &mut Report<'_>) -> Option<PathBuf> {
    match field.text("the path of a folder", report)? {
        "" => field.refuse("expected the path of a folder, found an empty string", report),
        nul if nul.contains('\0') => field.refuse("a NUL byte cannot be part of a path", report),
        expression if expression.contains("${") => {
            field.refuse("expected the path of a folder: expressions are not understood here", report)
        }
        folder => Some(files.resolve(folder)),
    }
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

/// The files that an attempt finds below `$HEELER_SECRETS`.
fn secret_files(section: &Section<'_>, templates: &Templates, report: &mut Report<'_>) -> BTreeMap<String, Template> {
    let mut found = BTreeMap::new();
    for field in section.fields() {
        let name = field.name;
        if name.is_empty()
            || matches!(name, "." | "..")
            || name.contains(['/', '\0'])
            || name.len() > FILE_NAME_BYTES_MAX
        {
            let message = format!("`{}`: `{name}` cannot be the name of a file in one folder", section.path);
            report.error(&field.key, message);
        }
        if let Some(template) = templates.read(&field, Exposure::Work, report) {
            found.insert(name.to_owned(), template);
        }
    }
    found
}

fn limits(section: &Section<'_>, report: &mut Report<'_>) -> ExecLimits {
    section.check_keys(LIMITS, report);
    let mut bytes = |name: &str, least: usize| {
        let bytes = section.get(name).and_then(|field| field.bytes(least..=usize::MAX >> 1, report));
        bytes.map(|bytes| bytes as u64)
    };
    let (memory, file_size) = (bytes("memory", MEMORY_MIN), bytes("file_size", 1));
    let mut count = |name: &str, least: i64| {
        section.get(name).and_then(|field| field.integer(least..=i64::from(u32::MAX >> 1), report))
    };
    let (processes, files) = (count("processes", 1), count("files", FILES_MIN));
    let cpu_time = section.get("cpu_time").and_then(|field| field.positive_duration(report));
    ExecLimits {
        memory,
        cpu_percent: section.get("cpu").and_then(|field| percent(&field, report)),
        // The system counts whole seconds.
        cpu_seconds: cpu_time.map(|time| time.as_secs() + u64::from(time.subsec_nanos() > 0)),
        processes: processes.and_then(|count| u32::try_from(count).ok()),
        files: files.and_then(|count| u64::try_from(count).ok()),
        file_size,
    }
}

/// A share of one processor, or of more than one, such as `50%` or `200%`.
fn percent(field: &Field<'_>, report: &mut Report<'_>) -> Option<u32> {
    const WHAT: &str = "a share of one processor such as \"50%\", or \"200%\" of two";
    let text = field.text(WHAT, report)?;
    let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(percent @ 1..=100_000) => Some(percent),
        Some(_) | None => field.refuse(format!("`{text}` is no share: expected {WHAT}"), report),
    }
}

/// A user or a group, by its name or its number.
fn account(field: &Field<'_>, what: &str, report: &mut Report<'_>) -> Option<Account> {
    let Some(name) = field.as_text() else {
        // The last number means no change to the system, and is nobody's.
        let id = field.integer(0..=i64::from(u32::MAX - 1), report)?;
        return u32::try_from(id).ok().map(Account::Id);
    };
    if name.is_empty() || name.contains([':', '/', '\n', '\0']) {
        return field.refuse(format!("`{name}` cannot be the name of {what}"), report);
    }
    Some(name.parse().map_or_else(|_| Account::Name(name.to_owned()), Account::Id))
}
