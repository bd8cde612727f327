//! Which statuses a method on a route can be answered with.

use std::collections::BTreeSet;

use crate::domain::catalog::{ActivitySpec, Catalog, Collection, PatchedReply};
use crate::domain::id::{ActivityName, ResourceKey};
use crate::domain::operation::{Complete, Operation, ReplyMode, SyncStatus};
use crate::domain::principal::Access;
use crate::http::routes::{Route, Verb};

/// What a success carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Carries {
    /// What the route names.
    Representation,
    /// A job.
    Job,
    /// The result of a job, or the job if it gave none.
    Result,
    /// What would happen (`?dryRun=true`).
    Trial,
    /// Where else to look.
    Link,
    /// Nothing.
    Nothing,
}

/// The successes of a method on a route.
pub(super) fn successes(route: &Route, verb: Verb, catalog: &Catalog) -> Vec<(u16, Carries)> {
    use Carries::{Job, Link, Nothing, Representation, Trial};
    match (route, verb) {
        (Route::JobLog(_), Verb::Get) => {
            vec![(200, Representation), (204, Nothing), (206, Representation), (304, Nothing)]
        }
        (Route::ActivityJob(key, activity, _) | Route::LastJob(key, activity), Verb::Get) => {
            let leads =
                operations_of(key, activity, catalog).any(|declared| declared.reply.complete == Complete::Resource);
            let mut found = vec![(200, Job), (304, Nothing)];
            found.extend(leads.then_some((303, Link)));
            found
        }
        (Route::Backup, Verb::Get) => vec![(200, Representation)],
        (_, Verb::Get) => vec![(200, Representation), (304, Nothing)],
        (Route::Collection(_), Verb::Post) => vec![(200, Trial), (201, Representation)],
        (
            Route::Activity(key, activity) | Route::EditableActivity(key, activity) | Route::LastJob(key, activity),
            Verb::Post,
        ) => launches(key, activity, catalog),
        (Route::Resource(_), Verb::Put) => {
            vec![(200, Representation), (200, Trial), (201, Representation), (204, Nothing)]
        }
        (Route::Resource(key), Verb::Patch) => {
            let reply = catalog.collections.get(&key.collection).map(|collection| collection.patched);
            let minimal = if reply == Some(PatchedReply::ResetContent) { 205 } else { 204 };
            vec![(200, Representation), (200, Trial), (minimal, Nothing)]
        }
        (Route::Resource(_), Verb::Delete) => vec![(200, Trial), (202, Representation), (204, Nothing)],
        (Route::Member(..), Verb::Put) => {
            vec![(200, Representation), (200, Trial), (201, Representation), (204, Nothing)]
        }
        (Route::Member(..), Verb::Post) => vec![(200, Representation), (200, Trial), (204, Nothing)],
        (Route::Member(..), Verb::Delete) => vec![(200, Trial), (204, Nothing)],
        (Route::EditableActivity(..), Verb::Put | Verb::Patch) => {
            vec![(200, Representation), (200, Trial), (204, Nothing)]
        }
        (Route::Job(_) | Route::ActivityJob(..), Verb::Delete) => vec![(200, Trial), (202, Job), (204, Nothing)],
        (Route::Job(_) | Route::ActivityJob(..), Verb::Patch) => {
            vec![(200, Job), (200, Trial), (202, Job), (204, Nothing)]
        }
        (Route::Leases(_), Verb::Post) => vec![(200, Representation)],
        (_, Verb::Options) => vec![(204, Nothing)],
        (_, Verb::Post | Verb::Put | Verb::Patch | Verb::Delete) => Vec::new(),
    }
}

/// How a POST for a job can be answered, by what its operations say.
fn launches(key: &ResourceKey, activity: &ActivityName, catalog: &Catalog) -> Vec<(u16, Carries)> {
    let mut found =
        BTreeSet::from([(200, Carries::Job), (200, Carries::Trial), (202, Carries::Job), (303, Carries::Link)]);
    for operation in operations_of(key, activity, catalog) {
        match operation.reply.mode {
            ReplyMode::Async => {}
            ReplyMode::Sync(SyncStatus::Ok) => found.extend([(200, Carries::Result), (204, Carries::Nothing)]),
            ReplyMode::Sync(SyncStatus::Created) => drop(found.insert((201, Carries::Job))),
            ReplyMode::Sync(SyncStatus::NoContent) => drop(found.insert((204, Carries::Nothing))),
            ReplyMode::Sync(SyncStatus::SeeOther) => drop(found.insert((303, Carries::Link))),
        }
    }
    found.into_iter().collect()
}

fn operations_of<'a>(
    key: &ResourceKey,
    activity: &ActivityName,
    catalog: &'a Catalog,
) -> impl Iterator<Item = &'a Operation> {
    let spec = catalog.collections.get(&key.collection).and_then(|collection| collection.activity(activity.as_str()));
    let allows =
        move |operation: &&Operation| spec.is_some_and(|spec: &ActivitySpec| spec.operations.allows(&operation.name));
    catalog.operations.values().map(AsRef::as_ref).filter(allows)
}

/// The problems of a method on a route.
pub(super) fn problems(route: &Route, verb: Verb, catalog: &Catalog, access: &Access) -> BTreeSet<u16> {
    // Whatever is asked: what cannot be read, what nobody takes, a name that is
    // not ours, and what is our own fault.
    let mut found = BTreeSet::from([400, 421, 500]);
    match route {
        Route::Health => return found,
        Route::Ready => {
            found.insert(503);
            return found;
        }
        Route::Home
        | Route::Server
        | Route::Metrics
        | Route::OpenApi
        | Route::Schema(_)
        | Route::Problems
        | Route::Problem(_)
        | Route::Backup
        | Route::Collection(_)
        | Route::Resource(_)
        | Route::Activity(..)
        | Route::EditableActivity(..)
        | Route::Form(..)
        | Route::Ticks(..)
        | Route::LastJob(..)
        | Route::ActivityJob(..)
        | Route::Member(..)
        | Route::Jobs
        | Route::Job(_)
        | Route::JobLog(_)
        | Route::JobQueue(_)
        | Route::Operations
        | Route::Operation(_)
        | Route::Leases(_) => {}
    }
    found.extend([404, 406]);
    if let Access::Holders(_) = access {
        found.extend([401, 403]);
    }
    match verb {
        Verb::Options => return found,
        Verb::Get => {
            if let Route::Backup = route {
                found.insert(403);
                return found;
            }
            found.extend([412, 503]);
            if let Route::JobLog(_) = route {
                found.insert(416);
            }
            return found;
        }
        Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => {}
    }
    found.extend([403, 408, 409, 412, 413, 415, 422, 503, 507]);
    match route {
        Route::Collection(name) => found.extend(rules(catalog.collections.get(name).map(AsRef::as_ref))),
        Route::Resource(key) | Route::Member(key, _) => {
            found.insert(428);
            found.insert(429);
            found.extend(rules(catalog.collections.get(&key.collection).map(AsRef::as_ref)));
        }
        Route::Activity(key, activity) | Route::EditableActivity(key, activity) | Route::LastJob(key, activity) => {
            found.extend([428, 429]);
            let waited_for = |operation: &Operation| operation.reply.mode != ReplyMode::Async;
            if verb == Verb::Post && operations_of(key, activity, catalog).any(waited_for) {
                found.extend([502, 504]);
            }
        }
        Route::Home
        | Route::Server
        | Route::Health
        | Route::Ready
        | Route::Metrics
        | Route::OpenApi
        | Route::Schema(_)
        | Route::Problems
        | Route::Problem(_)
        | Route::Backup
        | Route::Form(..)
        | Route::Ticks(..)
        | Route::ActivityJob(..)
        | Route::Jobs
        | Route::Job(_)
        | Route::JobLog(_)
        | Route::JobQueue(_)
        | Route::Operations
        | Route::Operation(_)
        | Route::Leases(_) => {}
    }
    found
}

fn rules(collection: Option<&Collection>) -> impl Iterator<Item = u16> {
    collection.into_iter().flat_map(|collection| &collection.rules).map(|rule| rule.status)
}
