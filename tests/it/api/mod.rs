//! The use cases, without a wire: what races between processes, and what a
//! trial says beforehand.

mod once;
mod trial;
mod watching;

use std::sync::Arc;

use heeler::api::{AnswerWhen, Api, AttemptLogs, ChangeRequest, Intent, LaunchBody, LaunchRequest, PostedTo};
use heeler::domain::id::{CollectionName, JobId, ResourceKey};
use heeler::domain::patch::PatchLimits;
use heeler::domain::precondition::{Preconditions, Strictness};
use heeler::state::State;
use serde_json::Value;

/// Nothing here writes a log.
#[derive(Debug)]
struct NoLogs;

impl AttemptLogs for NoLogs {
    fn open(&self, _: JobId, _: u32) -> Option<(u64, std::fs::File)> {
        None
    }

    fn forget(&self, _: JobId) -> std::io::Result<()> {
        Ok(())
    }
}

fn api_over(state: &State) -> Api {
    Api::new(state.clone(), Arc::new(NoLogs), PatchLimits::default())
}

/// What is launched, and when its client wants to hear.
fn launch(body: Option<Value>) -> LaunchRequest {
    LaunchRequest {
        body: body.map_or(LaunchBody::Empty, LaunchBody::Json),
        when: AnswerWhen::AsDeclared,
        at: PostedTo::List,
    }
}

/// The one collection of these worlds; it takes changes without preconditions.
fn collection() -> CollectionName {
    "c".parse().expect("a name")
}

fn key(id: &str) -> ResourceKey {
    ResourceKey { collection: collection(), id: id.parse().expect("an id") }
}

/// A change that believes nothing.
fn change(intent: Intent) -> ChangeRequest {
    ChangeRequest {
        preconditions: Preconditions::NONE,
        strictness: Strictness::DesiredState,
        fingerprint: [1; 32],
        intent,
        once: None,
    }
}
