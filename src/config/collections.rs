//! `[collections.NAME]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::activities::{Around, activity, place};
use super::error::Report;
use super::files::Files;
use super::mounts;
use super::replies;
use super::rules::rules;
use super::section::{Field, Keys, Section};
use crate::domain::catalog::{ActivitySpec, Availability, Collection, PreconditionPolicy};
use crate::domain::document::{ID, LINKS, STATUS};
use crate::domain::id::{CollectionName, OperationName};
use crate::domain::json::Pointer;
use crate::domain::operation::Operation;

const COLLECTION: Keys = Keys {
    known: &[
        "schema",
        "preconditions",
        "activities",
        "path",
        "id",
        "observed",
        "observed_as",
        "rules",
        "reply",
        "retired",
    ],
    later: &["editable"],
};
/// The one activity of a collection that names none.
const ACTIVITY_DEFAULT: &str = "processing";

pub(super) fn collections(
    root: &Section<'_>,
    operations: &BTreeMap<OperationName, Arc<Operation>>,
    files: &mut Files<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<CollectionName, Arc<Collection>> {
    let Some(section) = root.table("collections", report) else { return BTreeMap::new() };
    let mut collections = BTreeMap::new();
    for field in section.fields() {
        let name = field.parse_name("a collection", report);
        let body = field
            .table("a table", report)
            .and_then(|section| collection(&section, name.clone(), operations, files, report));
        if let (Some(name), Some(collection)) = (name, body) {
            collections.insert(name, Arc::new(collection));
        }
    }
    collections
}

/// Reads one collection. Its table is checked even if its name is not one.
fn collection(
    section: &Section<'_>,
    name: Option<CollectionName>,
    operations: &BTreeMap<OperationName, Arc<Operation>>,
    files: &mut Files<'_>,
    report: &mut Report<'_>,
) -> Option<Collection> {
    const POLICIES: [(&str, PreconditionPolicy); 2] =
        [("required", PreconditionPolicy::Required), ("optional", PreconditionPolicy::Optional)];
    section.check_keys(COLLECTION, report);
    let schema = section.get("schema").and_then(|field| files.schema(&field, report));
    let preconditions =
        section.get("preconditions").and_then(|field| field.word(&POLICIES, report)).unwrap_or_default();
    let observed_as = observed_as(section, report);
    let reserved = [ID, LINKS, observed_as.as_str()];
    let observed = observed(section, &reserved, report);
    let names: Vec<OperationName> = operations.keys().cloned().collect();
    let around = Around { operations: &names, reserved: &reserved, observed: &observed };
    let activities: Vec<ActivitySpec> = match section.get("activities") {
        None => ACTIVITY_DEFAULT.parse().ok().map(ActivitySpec::new).into_iter().collect(),
        Some(field) => {
            let table = field.table("a table of activities", report)?;
            table.fields().iter().filter_map(|field| activity(field, around, report)).collect()
        }
    };
    in_the_way(section, &observed_as, &activities, report);
    let rules = rules(section, report);
    let (path, id) = (mounts::path(section, report), mounts::id(section, report));
    let patched = replies::of_collection(section, report);
    let retired = section.get("retired").and_then(|field| field.flag(report)).unwrap_or_default();
    let availability = if retired { Availability::Retired } else { Availability::Served };
    let collection = Collection::new(name?);
    let path = path.unwrap_or_else(|| collection.path.clone());
    Some(Collection {
        path,
        schema,
        id,
        preconditions,
        activities,
        observed,
        observed_as,
        rules,
        patched,
        availability,
        ..collection
    })
}

/// Notes what stands in the place of an activity: the observed state, or a
/// member that is shown within what the standard vocabulary judges.
fn in_the_way(section: &Section<'_>, observed_as: &str, activities: &[ActivitySpec], report: &mut Report<'_>) {
    // Where activities are named, they are told so themselves.
    let named = section.get("activities");
    if let Some(field) = section.get("observed_as").filter(|_| named.is_none() && observed_as == ACTIVITY_DEFAULT) {
        let message =
            format!("`{}`: `{observed_as}` is the activity of a collection that names none: name another", field.path);
        report.error(&field.span, message);
    }
    let mut judge = |field: &Field<'_>, place: &str, span: &Range<usize>| {
        let Ok(place) = place.parse::<Pointer>() else { return };
        let member = place.tokens().first();
        let owner = activities.iter().find(|spec| member.is_some_and(|member| member == spec.name.as_str()));
        if let Some(spec) = owner.filter(|spec| spec.mapping.is_none()) {
            let message = format!(
                "`{}`: `{place}` is within the activity `{}`, which takes nothing but the members of an activity: \
                 choose another place, or map the activity with `input`",
                field.path, spec.name
            );
            report.error(span, message);
        }
    };
    for field in section.get("observed").and_then(|field| field.items()).unwrap_or_default() {
        if let Some(place) = field.as_text() {
            judge(&field, place, &field.span);
        }
    }
    for activity in named.and_then(|field| field.as_section()).iter().flat_map(Section::fields) {
        let show = activity.as_section().and_then(|section| section.get("show")?.as_section());
        for field in show.iter().flat_map(Section::fields) {
            judge(&field, field.name, &field.key);
        }
    }
}

/// What the member with observed state is called.
fn observed_as(section: &Section<'_>, report: &mut Report<'_>) -> String {
    const WHAT: &str = "the name of a member, other than `id` and `_links`";
    let Some(field) = section.get("observed_as") else { return STATUS.to_owned() };
    match field.text(WHAT, report) {
        None => STATUS.to_owned(),
        Some("" | ID | LINKS) => {
            report.error(&field.span, format!("`{}`: expected {WHAT}", field.path));
            STATUS.to_owned()
        }
        Some(name) => name.to_owned(),
    }
}

/// The members that effects write.
fn observed(section: &Section<'_>, reserved: &[&str], report: &mut Report<'_>) -> Vec<Pointer> {
    let Some(field) = section.get("observed") else { return Vec::new() };
    let fields = field.elements("an array of JSON Pointers", report).unwrap_or_default();
    let mut places: Vec<Pointer> = Vec::new();
    for field in fields {
        let Some(text) = field.text("a JSON Pointer", report) else { continue };
        let Some(found) = place(&field, text, &field.span, reserved, report) else { continue };
        match places.iter().find(|other| found.is_within(other) || other.is_within(&found)) {
            None => places.push(found),
            Some(other) => {
                report.error(&field.span, format!("`{}`: `{found}` and `{other}` are in each other's way", field.path));
            }
        }
    }
    places
}
