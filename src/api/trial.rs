//! What a change would do, found by letting it happen to a copy.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::once::About;
use crate::domain::catalog::Catalog;
use crate::domain::diff::{Change, diff};
use crate::domain::document::ID;
use crate::domain::id::{ActivityName, JobId, OperationName};
use crate::domain::job::{Job, TriggerKind};
use crate::domain::schedule::Upcoming;
use crate::domain::version::ETag;
use crate::state::{ResourceState, upcoming};

/// What a change would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The client's document after it; `None` where there would be none.
    pub document: Option<Value>,
    /// What would differ in the document.
    pub changes: Vec<Change>,
    /// The jobs that would be launched.
    pub launch: Vec<Launching>,
    /// The jobs that would be stopped.
    pub cancel: Vec<(ActivityName, JobId)>,
    /// When each activity would run by itself next.
    pub next: BTreeMap<ActivityName, Vec<Upcoming>>,
    /// The tag that the request itself should name; `None` where there is nothing yet.
    pub if_match: Option<ETag>,
}

/// A job that would be launched.
#[derive(Debug, Clone, PartialEq)]
pub struct Launching {
    /// The activity.
    pub activity: ActivityName,
    /// What would be run.
    pub operation: OperationName,
    /// What it would be run with.
    pub input: Value,
    /// Why.
    pub trigger: TriggerKind,
}

impl Trial {
    /// Compares a resource as it is with what it would be.
    pub(super) fn new(
        about: About,
        before: &ResourceState,
        after: &ResourceState,
        catalog: &Catalog,
        if_match: Option<ETag>,
    ) -> Self {
        let absent = Map::new();
        let collection = catalog.collections.get(&after.key.collection);
        let members = |state: &ResourceState| state.desired.as_ref().map(|desired| desired.document.members().clone());
        // What is deleted goes, be it only once its jobs are gone.
        let goes = about == About::Resource && after.is_deleting();
        let (old, new) = (members(before), members(after).filter(|_| !goes));
        let changes = diff(old.as_ref().unwrap_or(&absent), new.as_ref().unwrap_or(&absent));
        let launched = after.jobs.values().filter(|job| !before.jobs.contains_key(&job.id));
        let stopped = after.jobs.values().filter(|job| {
            let was = before.jobs.get(&job.id);
            job.cancel.is_some() && was.is_some_and(|was| was.cancel.is_none())
        });
        let activities = collection.filter(|_| new.is_some()).map_or(&[][..], |collection| &collection.activities);
        Self {
            document: new.map(|members| Value::Object(with_id(about, after, members))),
            changes,
            launch: launched.map(launching).collect(),
            cancel: stopped.map(|job| (job.activity.clone(), job.id)).collect(),
            next: activities.iter().map(|spec| (spec.name.clone(), upcoming(after, &spec.name, catalog))).collect(),
            if_match,
        }
    }
}

/// The document with its id in front. An id that the service makes would be
/// another one when the change is made.
fn with_id(about: About, state: &ResourceState, members: Map<String, Value>) -> Map<String, Value> {
    let id = match about {
        About::NewResource => None,
        About::Resource | About::Launch | About::Job(_) => Some((ID.to_owned(), state.key.id.as_str().into())),
    };
    id.into_iter().chain(members).collect()
}

fn launching(job: &Job) -> Launching {
    Launching {
        activity: job.activity.clone(),
        operation: job.operation.clone(),
        input: job.input.clone(),
        trigger: job.trigger.kind,
    }
}
