//! What a change may and may not do.

mod shape;

use super::*;
use crate::domain::catalog::ActivitySpec;
use crate::domain::document::{LINKS, STATUS};
use proptest::prelude::*;
use serde_json::json;

static NO_ANCHORS: BTreeMap<ActivityName, Timestamp> = BTreeMap::new();

fn collection() -> Collection {
    let schema = json!({"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]});
    Collection {
        schema: Some(std::sync::Arc::new(crate::domain::schema::Schema::compile(schema).expect("a schema"))),
        activities: vec![ActivitySpec::new("processing".parse().expect("a name"))],
        ..Collection::new("videos".parse().expect("a name"))
    }
}

fn shown() -> Value {
    json!({"id": "42", "title": "Holiday", "n": [1, 2],
           "status": {"generation": 1, "processing": {"phase": "idle"}}, "_links": {"self": {"href": "/v1/videos/42"}}})
}

fn document() -> Document {
    Document::new(json!({"title": "Holiday", "n": [1, 2]}).as_object().expect("an object").clone())
}

fn with<T>(strictness: Strictness, run: impl FnOnce(&Judge<'_>) -> T) -> T {
    let (collection, catalog, limits) = (collection(), Catalog::default(), PatchLimits::default());
    let now = Timestamp::EPOCH;
    run(&Judge { collection: &collection, catalog: &catalog, limits: &limits, strictness, now: &now })
}

/// Judges a change of the one resource that there is.
fn change(
    strictness: Strictness,
    make: impl FnOnce(&Judge<'_>, &ResourceId, &Before<'_>) -> Result<Changed, ChangeError>,
) -> Result<Document, ChangeError> {
    let (document, observed, shown) = (document(), Map::new(), shown());
    let before = Before {
        document: &document,
        observed: &observed,
        shown: &shown,
        anchors: &NO_ANCHORS,
        updated: Timestamp::EPOCH,
    };
    with(strictness, |judge| make(judge, &"42".parse().expect("an id"), &before)).map(|changed| changed.document)
}

fn put(body: Value, strictness: Strictness) -> Result<Document, ChangeError> {
    let body = body.as_object().expect("an object").clone();
    change(strictness, |judge, id, before| judge.replace(id, body, Some(before)))
}

fn patch(body: Value) -> Result<Document, ChangeError> {
    let patch = if body.is_array() { PatchBody::json(body) } else { PatchBody::merge(body) }.expect("a patch");
    change(Strictness::DesiredState, |judge, id, before| judge.patch(id, before, &patch))
}

#[test]
fn a_representation_sent_back_as_it_was_read_is_the_same_document() {
    for strictness in [Strictness::DesiredState, Strictness::WholeTag] {
        assert_eq!(put(shown(), strictness), Ok(document()));
    }
    assert_eq!(patch(shown()), Ok(document()));
}

#[test]
fn what_the_service_writes_is_never_written_by_a_client_in_silence() {
    for (name, body) in [
        ("an unknown member of status", json!({"title": "x", "status": {"phase": "done"}})),
        ("an unknown member of an activity's status", json!({"title": "x", "status": {"processing": {"done": 1}}})),
        ("a status that is no object", json!({"title": "x", "status": "done"})),
        ("an unknown link", json!({"title": "x", "_links": {"evil": {}}})),
        ("an unknown member of a link", json!({"title": "x", "_links": {"self": {"href": "/", "evil": 1}}})),
        (
            "an unknown member of one of several",
            json!({"title": "x", "_links": {"form": [{"href": "/"}, {"evil": 1}]}}),
        ),
        ("a link that is no object", json!({"title": "x", "_links": {"self": "/"}})),
        ("links that are no object", json!({"title": "x", "_links": null})),
    ] {
        assert!(matches!(put(body.clone(), Strictness::DesiredState), Err(ChangeError::ReadOnly { .. })), "{name}");
        assert!(matches!(patch(body), Err(ChangeError::ReadOnly { .. })), "{name}");
    }
    for (name, operations) in [
        ("replace", json!([{"op": "replace", "path": "/status/generation", "value": 2}])),
        ("replace by the same", json!([{"op": "replace", "path": "/id", "value": "42"}])),
        ("remove", json!([{"op": "remove", "path": "/status"}])),
        ("move from", json!([{"op": "move", "from": "/status/generation", "path": "/g"}])),
        ("copy to", json!([{"op": "copy", "from": "/title", "path": "/_links/self"}])),
        ("the root", json!([{"op": "replace", "path": "", "value": {"title": "x"}}])),
        ("the root, disguised", json!([{"op": "copy", "from": "/status", "path": ""}])),
    ] {
        let result = patch(operations);
        assert!(matches!(result, Err(ChangeError::ReadOnly { .. })), "{name}: {result:?}");
    }
}

#[test]
fn a_stale_status_is_an_echo_unless_the_client_wants_to_be_taken_literally() {
    let body = json!({"title": "Holiday", "status": {"generation": 7}});
    assert!(put(body.clone(), Strictness::DesiredState).is_ok());
    assert!(matches!(put(body, Strictness::WholeTag), Err(ChangeError::ReadOnly { .. })));
}

#[test]
fn so_are_stale_links() {
    let body = json!({"title": "Holiday", "_links": {"cancel": {"href": "/v1/jobs/7", "method": "DELETE"}}});
    assert!(put(body.clone(), Strictness::DesiredState).is_ok());
    assert!(matches!(put(body, Strictness::WholeTag), Err(ChangeError::ReadOnly { .. })));
}

#[test]
fn another_id_is_refused() {
    for body in [json!({"id": "43", "title": "x"}), json!({"id": 42, "title": "x"}), json!({"id": null, "title": "x"})]
    {
        assert!(matches!(put(body, Strictness::DesiredState), Err(ChangeError::Invalid(_))));
    }
}

#[test]
fn a_test_may_look_at_observed_state_and_guards_the_rest_of_the_patch() {
    let start = |phase| {
        patch(
            json!([{"op": "test", "path": "/status/processing/phase", "value": phase}, {"op": "add", "path": "/x", "value": 1}]),
        )
    };
    assert_eq!(start("idle").map(|document| document.members()["x"].clone()), Ok(json!(1)));
    assert!(matches!(start("running"), Err(ChangeError::Patch(PatchError::TestFailed { .. }))));
}

#[test]
fn the_result_is_judged_by_the_schema_and_by_the_vocabulary() {
    let errors = |result: Result<Document, ChangeError>| match result {
        Err(ChangeError::Invalid(violations)) => violations.into_iter().map(|v| v.pointer).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(errors(patch(json!({"title": 7}))), ["/title"]);
    assert_eq!(errors(patch(json!({"processing": {"operation": "nope"}}))), ["/processing/operation"]);
    assert_eq!(errors(patch(json!({"title": null, "processing": {}}))).len(), 2);
}

proptest! {
    #[test]
    fn observed_state_is_the_same_whatever_a_patch_does(ops in proptest::collection::vec(
        (0usize..5, 0usize..6, 0usize..6), 1..6,
    )) {
        const PATHS: [&str; 6] = ["", "/title", "/status", "/status/generation", "/_links", "/n/0"];
        let ops: Vec<Value> = ops.into_iter().map(|(op, path, from)| {
            let op = ["add", "remove", "replace", "move", "copy"][op];
            json!({"op": op, "path": PATHS[path], "from": PATHS[from], "value": "x"})
        }).collect();
        if let Ok(document) = patch(Value::Array(ops)) {
            for member in [ID, STATUS, LINKS] {
                prop_assert!(!document.members().contains_key(member));
            }
        }
    }
}

#[test]
fn a_schedule_that_has_nothing_to_come_is_refused_when_it_is_new_and_kept_when_it_is_not() {
    let over = |title: &str| {
        let activity = json!({"operation": "t", "schedule": {"at": "1969-12-31T00:00:00Z"}});
        json!({"title": title, "processing": activity}).as_object().expect("an object").clone()
    };
    let operation = crate::reconcile::tests::world::operation("t");
    let catalog =
        Catalog { operations: [(operation.name.clone(), std::sync::Arc::new(operation))].into(), ..Catalog::default() };
    let (collection, limits, observed, shown) = (collection(), PatchLimits::default(), Map::new(), json!({}));
    let strictness = Strictness::DesiredState;
    let judge =
        Judge { collection: &collection, catalog: &catalog, limits: &limits, strictness, now: &Timestamp::EPOCH };
    let id = "42".parse().expect("an id");
    let Err(ChangeError::Invalid(violations)) = judge.replace(&id, over("new"), None) else { panic!("it is refused") };
    assert_eq!(violations[0].pointer, "/processing/schedule/at");
    let document = Document::new(over("old"));
    let (updated, anchors) = (Timestamp::EPOCH, &NO_ANCHORS);
    let before = Before { document: &document, observed: &observed, shown: &shown, anchors, updated };
    assert!(judge.replace(&id, over("another title"), Some(&before)).is_ok());
}
