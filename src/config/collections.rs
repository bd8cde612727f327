//! `[collections.NAME]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::Report;
use super::files::Files;
use super::replies;
use super::section::{Field, Keys, Section};
use crate::domain::catalog::{ActivitySpec, Collection, PreconditionPolicy};
use crate::domain::id::{ActivityName, CollectionName};
use crate::domain::links::RELATIONS;

const COLLECTION: Keys = Keys {
    known: &["schema", "preconditions", "activities", "reply"],
    later: &["path", "observed", "observed_as", "rules", "retired", "editable"],
};
const ACTIVITY: Keys = Keys {
    known: &[],
    later: &["operation", "operations", "schedule", "input", "show", "on_success", "on_failure", "reply", "editable"],
};

/// The one activity of a collection that names none.
const ACTIVITY_DEFAULT: &str = "processing";

/// Members of a representation that are the service's own.
const MEMBERS_RESERVED: [&str; 3] = ["id", "status", "_links"];

pub(super) fn collections(
    root: &Section<'_>,
    files: &mut Files<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<CollectionName, Arc<Collection>> {
    let Some(section) = root.table("collections", report) else { return BTreeMap::new() };
    let mut collections = BTreeMap::new();
    for field in section.fields() {
        let name = field.parse_name("a collection", report);
        let body = field.table("a table", report).and_then(|section| collection(&section, name.clone(), files, report));
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
    files: &mut Files<'_>,
    report: &mut Report<'_>,
) -> Option<Collection> {
    const POLICIES: [(&str, PreconditionPolicy); 2] =
        [("required", PreconditionPolicy::Required), ("optional", PreconditionPolicy::Optional)];
    section.check_keys(COLLECTION, report);
    let schema = section.get("schema").and_then(|field| files.schema(&field, report));
    let preconditions =
        section.get("preconditions").and_then(|field| field.word(&POLICIES, report)).unwrap_or_default();
    let activities = match section.get("activities") {
        None => ACTIVITY_DEFAULT.parse().ok().map(ActivitySpec::new).into_iter().collect(),
        Some(field) => {
            let table = field.table("a table of activities", report)?;
            table.fields().iter().filter_map(|field| activity(field, report)).map(ActivitySpec::new).collect()
        }
    };
    let patched = replies::of_collection(section, report);
    Some(Collection { schema, preconditions, activities, patched, ..Collection::new(name?) })
}

fn activity(field: &Field<'_>, report: &mut Report<'_>) -> Option<ActivityName> {
    let name: Option<ActivityName> = field.parse_name("an activity", report);
    if MEMBERS_RESERVED.contains(&field.name) {
        report.error(&field.key, format!("`{}`: the service itself writes the member `{}`", field.path, field.name));
    }
    if RELATIONS.contains(&field.name) {
        report.error(&field.key, format!("`{}`: `{}` is a link that every resource has", field.path, field.name));
    }
    field.table("a table", report)?.check_keys(ACTIVITY, report);
    name
}
