//! How an operation and a collection answer: `reply` and `keep`.

use super::error::Report;
use super::section::{Field, Keys, Section, listed};
use crate::domain::catalog::PatchedReply;
use crate::domain::operation::{Complete, Keep, Reply, ReplyMode, SyncStatus};

const REPLY: Keys = Keys { known: &["mode", "status", "complete"], later: &[] };
const PATCHED: Keys = Keys { known: &["patch"], later: &[] };

/// The two modes, before their status is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Async,
    Sync,
}

/// Reads `reply` and `keep` of an operation.
pub(super) fn of_operation(section: &Section<'_>, report: &mut Report<'_>) -> (Reply, Keep) {
    let reply = section.table("reply", report).map(|table| reply(&table, report)).unwrap_or_default();
    let Some(field) = section.get("keep") else { return (reply, Keep::Record) };
    let keep = match field.flag(report) {
        Some(false) => Keep::Nothing,
        Some(true) | None => return (reply, Keep::Record),
    };
    match reply.mode {
        ReplyMode::Sync(SyncStatus::Created) => {
            let _: Option<()> =
                field.refuse("201 names the job that was made, and with `keep = false` there is none", report);
        }
        ReplyMode::Sync(SyncStatus::Ok | SyncStatus::NoContent | SyncStatus::SeeOther) => {}
        ReplyMode::Async => {
            let message =
                "only a synchronous answer can stand for a record: expected `reply = { mode = \"sync\" }` too";
            let _: Option<()> = field.refuse(message, report);
        }
    }
    (reply, keep)
}

fn reply(table: &Section<'_>, report: &mut Report<'_>) -> Reply {
    const STATUSES: [(i64, SyncStatus); 4] =
        [(200, SyncStatus::Ok), (201, SyncStatus::Created), (204, SyncStatus::NoContent), (303, SyncStatus::SeeOther)];
    table.check_keys(REPLY, report);
    let named = table.get("mode");
    let mode = named.as_ref().map(|field| field.word(&[("async", Mode::Async), ("sync", Mode::Sync)], report));
    let status = table.get("status").and_then(|field| Some((one_of(&field, &STATUSES, report)?, field)));
    let complete = table.get("complete").and_then(|field| one_of(&field, &[(303, Complete::Resource)], report));
    let mode = match (mode, status) {
        (Some(Some(Mode::Sync)), status) => ReplyMode::Sync(status.map(|(status, _)| status).unwrap_or_default()),
        (None | Some(Some(Mode::Async)), Some((_, field))) => {
            let message = "it is the status of a synchronous answer: expected `mode = \"sync\"` too";
            let _: Option<()> = field.refuse(message, report);
            ReplyMode::Async
        }
        // One that cannot be read is noted already.
        (Some(None), _) | (None | Some(Some(Mode::Async)), None) => ReplyMode::Async,
    };
    Reply { mode, complete: complete.unwrap_or_default() }
}

/// Reads `reply` of a collection.
pub(super) fn of_collection(section: &Section<'_>, report: &mut Report<'_>) -> PatchedReply {
    const STATUSES: [(i64, PatchedReply); 2] = [(204, PatchedReply::NoContent), (205, PatchedReply::ResetContent)];
    let Some(table) = section.table("reply", report) else { return PatchedReply::default() };
    table.check_keys(PATCHED, report);
    table.get("patch").and_then(|field| one_of(&field, &STATUSES, report)).unwrap_or_default()
}

/// One of a few statuses.
fn one_of<T: Copy>(field: &Field<'_>, statuses: &[(i64, T)], report: &mut Report<'_>) -> Option<T> {
    let found = field.integer(100..=599, report)?;
    match statuses.iter().find(|(status, _)| *status == found) {
        Some((_, meaning)) => Some(*meaning),
        None => {
            let expected: Vec<String> = statuses.iter().map(|(status, _)| status.to_string()).collect();
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            field.refuse(format!("expected {}, found {found}", listed(&expected, '`')), report)
        }
    }
}
