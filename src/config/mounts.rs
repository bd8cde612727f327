//! `path` and `id` of collections, and `[aliases]`: what is where.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::error::Report;
use super::section::{Field, Section};
use crate::domain::catalog::{Alias, Catalog, Collection};
use crate::domain::id::CollectionName;
use crate::domain::id_pattern::IdPattern;
use crate::domain::paths;

/// Where a collection is mounted, if the operator says so.
pub(super) fn path(collection: &Section<'_>, report: &mut Report<'_>) -> Option<String> {
    let field = collection.get("path")?;
    let path = field.text("a path such as \"/api/v1/users\"", report)?;
    match paths::not_a_mount(path) {
        None => Some(path.to_owned()),
        Some(why) => field.refuse(format!("a collection cannot be mounted at `{path}`: {why}"), report),
    }
}

/// What the ids of a collection look like, if the operator says so.
pub(super) fn id(collection: &Section<'_>, report: &mut Report<'_>) -> Option<IdPattern> {
    let field = collection.get("id")?;
    let pattern = field.text("a pattern such as \"[0-9]+\"", report)?;
    IdPattern::compile(pattern).map_or_else(|error| field.refuse(error, report), Some)
}

/// Notes every two collections that are in each other's way.
pub(super) fn judge(
    root: &Section<'_>,
    collections: &BTreeMap<CollectionName, Arc<Collection>>,
    report: &mut Report<'_>,
) {
    // One that is no table is noted already.
    let Some(section) = root.get("collections").and_then(|field| field.as_section()) else { return };
    let mounts: Vec<Mount<'_>> = section
        .fields()
        .iter()
        .filter_map(|field| {
            let collection = collections.get(&field.name.parse::<CollectionName>().ok()?)?;
            let span = field.as_section().and_then(|section| section.get("path")).map(|path| path.span);
            Some(Mount { collection, span, name: field.key.clone() })
        })
        .collect();
    for (at, mount) in mounts.iter().enumerate() {
        for before in &mounts[..at] {
            // Of the two, the one that was put there by its operator is in the way.
            let (guilty, other) =
                if mount.span.is_none() && before.span.is_some() { (before, mount) } else { (mount, before) };
            let Collection { name, path, .. } = other.collection;
            if let Some(why) = paths::not_beside(&guilty.collection.path, path, name) {
                let Collection { name, path, .. } = guilty.collection;
                let message = format!("`collections.{name}` cannot be mounted at `{path}`: {why}");
                report.error(guilty.span.as_ref().unwrap_or(&guilty.name), message);
            }
        }
    }
}

/// A collection and where the file says where it is.
struct Mount<'c> {
    collection: &'c Collection,
    span: Option<Range<usize>>,
    name: Range<usize>,
}

/// The aliases: each leads to something, and hides nothing.
pub(super) fn aliases(root: &Section<'_>, catalog: &Catalog, report: &mut Report<'_>) -> Vec<Alias> {
    let Some(section) = root.table("aliases", report) else { return Vec::new() };
    let fields = section.fields();
    // Where something is wrong with what there is, it is too early to say what there is not.
    let complete = report.is_empty();
    let read: Vec<(&Field<'_>, Alias)> =
        fields.iter().filter_map(|field| Some((field, alias(field, report)?))).collect();
    for (at, (field, alias)) in read.iter().enumerate() {
        let refuse = |span, why: String, report: &mut Report<'_>| {
            report.error(span, format!("the alias `{}`: {why}", field.name));
        };
        if let Some(why) = paths::unbound(alias) {
            refuse(&field.span, why, report);
        }
        if let Some(hidden) = paths::hides(&alias.path, catalog) {
            refuse(&field.key, format!("it would hide something: {hidden}"), report);
        }
        if let Some((other, _)) = read[..at].iter().find(|(_, other)| paths::overlap(&alias.path, &other.path)) {
            refuse(&field.key, format!("a path can fit both this one and `{}`", other.name), report);
        }
        if let Some((other, _)) = read.iter().find(|(_, other)| paths::overlap(&alias.target, &other.path)) {
            refuse(&field.span, format!("`{}` is an alias itself: name what that one stands for", other.name), report);
        } else if complete && !paths::leads_somewhere(&alias.target, catalog) {
            let target = field.text("a path", report).unwrap_or_default();
            refuse(&field.span, format!("there is nothing at `{target}`{}", hint(target, catalog)), report);
        }
    }
    read.into_iter().map(|(_, alias)| alias).collect()
}

fn alias(field: &Field<'_>, report: &mut Report<'_>) -> Option<Alias> {
    let path = paths::parse(field.name);
    if let Err(error) = &path {
        report.error(&field.key, format!("the alias `{}`: {error}", field.name));
    }
    let target = field.text("the path that the alias stands for", report).and_then(|text| match paths::parse(text) {
        Ok(target) => Some(target),
        Err(error) => {
            report.error(&field.span, format!("the alias `{}` stands for `{text}`: {error}", field.name));
            None
        }
    });
    Some(Alias { path: path.ok()?, target: target? })
}

/// Where there is something, for who mistook the beginning of a path.
fn hint(target: &str, catalog: &Catalog) -> String {
    let mounts: Vec<String> = catalog.collections.values().map(|collection| format!("`{}`", collection.path)).collect();
    let inside = catalog.collections.values().any(|collection| target.starts_with(&format!("{}/", collection.path)));
    match (inside, mounts.as_slice()) {
        (false, [_, ..]) => format!(": the collections are at {}", mounts.join(", ")),
        (true, _) | (_, []) => String::new(),
    }
}
