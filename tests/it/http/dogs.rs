//! The dogs of the transcripts: operations that answer in every way there is.

use std::sync::Arc;
use std::time::Duration;

use heeler::domain::catalog::{ActivitySpec, Collection, OperationChoice, PatchedReply};
use heeler::domain::operation::{
    Complete, ExecSpec, Keep, OnUnknown, Operation, Reply, ReplyMode, RunnerSpec, SyncStatus,
};
use heeler::domain::retry::RetryPolicy;
use heeler::domain::schema::Schema;
use serde_json::{Value, json};

/// An operation about which nothing is said.
pub(super) fn operation(name: &str) -> Operation {
    Operation {
        name: name.parse().expect("a name"),
        description: None,
        input: None,
        runner: RunnerSpec::Exec(ExecSpec::default()),
        timeout: None,
        grace: Operation::GRACE_DEFAULT,
        retry: RetryPolicy::default(),
        concurrency: None,
        attempts_max: 100,
        rate: None,
        deadline: None,
        start_deadline: None,
        priority: 0,
        on_unknown: OnUnknown::Fail,
        reply: Reply::default(),
        keep: Keep::default(),
        effects: heeler::domain::effect::Effects::default(),
    }
}

fn sync(name: &str, status: SyncStatus, keep: Keep) -> Operation {
    Operation { reply: Reply { mode: ReplyMode::Sync(status), complete: Complete::Job }, keep, ..operation(name) }
}

fn with_input(operation: Operation, schema: Value) -> Operation {
    Operation { input: Some(Arc::new(Schema::compile(schema).expect("a schema"))), ..operation }
}

/// The operations, each named after how it answers.
pub(super) fn operations() -> Vec<Operation> {
    let bark = json!({
        "title": "A bark",
        "description": "What a dog says",
        "type": "object",
        "required": ["volume"],
        "additionalProperties": false,
        "properties": {
            "volume": { "type": "integer", "minimum": 1, "maximum": 11, "title": "Volume" },
            "pitch": { "type": "number", "description": "In hertz" },
            "tone": { "enum": ["happy", "angry", 3] },
            "twice": { "type": "boolean" },
            "words": { "type": "array", "items": { "type": "string" } },
            "at": { "type": "object", "properties": { "person": { "type": "string" } } },
            "note": { "type": "string" },
        },
    });
    vec![
        with_input(operation("bark"), bark),
        sync("answer", SyncStatus::Ok, Keep::Record),
        sync("whisper", SyncStatus::Ok, Keep::Nothing),
        sync("record", SyncStatus::Created, Keep::Record),
        sync("hush", SyncStatus::NoContent, Keep::Nothing),
        sync("count", SyncStatus::SeeOther, Keep::Record),
        Operation { timeout: Some(Duration::from_millis(50)), ..sync("dawdle", SyncStatus::Ok, Keep::Nothing) },
        Operation { reply: Reply { complete: Complete::Resource, ..Reply::default() }, ..operation("fetch") },
    ]
}

/// `dogs`, which bark, and do tricks of any kind.
pub(super) fn collection() -> Collection {
    let barks = ActivitySpec {
        operations: OperationChoice::Fixed("bark".parse().expect("a name")),
        ..ActivitySpec::new("barks".parse().expect("a name"))
    };
    Collection {
        activities: vec![barks, ActivitySpec::new("tricks".parse().expect("a name"))],
        patched: PatchedReply::ResetContent,
        ..Collection::new("dogs".parse().expect("a name"))
    }
}
