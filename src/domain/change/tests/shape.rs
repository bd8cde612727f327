//! Documents of their own shape: what the service shows within them, and the
//! operator's rules.

use serde_json::{Map, Value, json};

use super::NO_ANCHORS;
use crate::domain::catalog::{ActivitySpec, Catalog, Collection, Mapping, OperationChoice, Rule, ShownMember};
use crate::domain::change::{Before, ChangeError, Changed, Judge};
use crate::domain::document::Document;
use crate::domain::expression::{Expression, Variable};
use crate::domain::patch::{PatchBody, PatchLimits};
use crate::domain::precondition::Strictness;
use crate::domain::time::Timestamp;

const ALL: &[Variable] = &[Variable::Document, Variable::Old, Variable::Status, Variable::Resource, Variable::Now];

fn expression(text: &str) -> Expression {
    Expression::parse(text, ALL).expect("an expression")
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// Dogs that bark: `barkCount` is observed, `/barks/previous` and `/barks/next`
/// are shown, and `/barks/next` says what is wanted, too.
fn dogs() -> Collection {
    let shown =
        |pointer: &str, value| ShownMember { pointer: pointer.parse().expect("a pointer"), value: expression(value) };
    Collection {
        observed: ["/barkCount", "/meta/seen"].map(|place| place.parse().expect("a pointer")).into(),
        activities: vec![ActivitySpec {
            operations: OperationChoice::Fixed("bark".parse().expect("a name")),
            mapping: Some(Mapping {
                input: Some(expression("{'at': self.barks.next, 'to': self.email}")),
                schedule: None,
            }),
            show: vec![shown("/barks/previous", "[1]"), shown("/barks/next", "7"), shown("/mood/barking", "true")],
            ..ActivitySpec::new("barks".parse().expect("a name"))
        }],
        ..Collection::new("dogs".parse().expect("a name"))
    }
}

fn stored() -> Value {
    json!({"name": "Rex", "barks": {"next": 0, "frequency": 10}, "meta": {"tag": "a"}})
}

fn shown() -> Value {
    json!({"id": "1", "name": "Rex", "barks": {"next": 7, "frequency": 10, "previous": [1]},
           "barkCount": 3, "meta": {"tag": "a", "seen": true}, "mood": {"barking": true}, "status": {"generation": 1}, "_links": {}})
}

fn judge<T>(collection: &Collection, strictness: Strictness, run: impl FnOnce(&Judge<'_>) -> T) -> T {
    let (catalog, limits) = (Catalog::default(), PatchLimits::default());
    run(&Judge { collection, catalog: &catalog, limits: &limits, strictness, now: &Timestamp::EPOCH })
}

fn before<T>(run: impl FnOnce(&Before<'_>) -> T) -> T {
    let (document, observed, shown) =
        (Document::new(object(stored())), object(json!({"barkCount": 3, "meta": {"seen": true}})), shown());
    run(&Before {
        document: &document,
        observed: &observed,
        shown: &shown,
        anchors: &NO_ANCHORS,
        updated: Timestamp::EPOCH,
    })
}

fn put_with(strictness: Strictness, body: Value) -> Result<Value, ChangeError> {
    let id = "1".parse().expect("an id");
    let changed = before(|before| judge(&dogs(), strictness, |judge| judge.replace(&id, object(body), Some(before))));
    changed.map(|changed| Value::Object(changed.document.members().clone()))
}

fn put(body: Value) -> Result<Value, ChangeError> {
    put_with(Strictness::DesiredState, body)
}

fn patch(body: Value) -> Result<Value, ChangeError> {
    let id = "1".parse().expect("an id");
    let patch = if body.is_array() { PatchBody::json(body) } else { PatchBody::merge(body) }.expect("a patch");
    let changed = before(|before| judge(&dogs(), Strictness::DesiredState, |judge| judge.patch(&id, before, &patch)));
    changed.map(|changed| Value::Object(changed.document.members().clone()))
}

fn is_read_only<T: std::fmt::Debug>(result: Result<T, ChangeError>) -> bool {
    matches!(result, Err(ChangeError::ReadOnly { .. }))
}

#[test]
fn a_document_sent_back_as_it_was_read_changes_nothing_whichever_way() {
    assert_eq!(put(shown()), Ok(stored()));
    assert_eq!(put_with(Strictness::WholeTag, shown()), Ok(stored()));
    assert_eq!(patch(shown()), Ok(stored()));
    assert_eq!(patch(json!([{"op": "test", "path": "/barkCount", "value": 3}])), Ok(stored()));
}

#[test]
fn a_stale_echo_of_what_is_shown_is_ignored_unless_the_client_wants_to_be_taken_literally() {
    let mut stale = shown();
    stale["barkCount"] = json!(2);
    stale["mood"]["barking"] = json!(false);
    assert_eq!(put(stale.clone()), Ok(stored()));
    assert_eq!(patch(stale.clone()), Ok(stored()));
    assert!(is_read_only(put_with(Strictness::WholeTag, stale)));
}

#[test]
fn a_shown_member_that_the_mapping_reads_can_be_wished_for() {
    let want = json!({"name": "Rex", "barks": {"next": 9, "frequency": 10}, "meta": {"tag": "a"}});
    assert_eq!(patch(json!({"barks": {"next": 9}})), Ok(want.clone()));
    assert_eq!(patch(json!([{"op": "replace", "path": "/barks/next", "value": 9}])), Ok(want.clone()));
    let mut body = shown();
    body["barks"]["next"] = json!(9);
    assert_eq!(put(body), Ok(want));
    // What is shown now is an echo, and what was stored stays.
    assert_eq!(
        patch(json!({"barks": {"next": 7, "frequency": 20}})).map(|after| after["barks"].clone()),
        Ok(json!({"next": 0, "frequency": 20}))
    );
}

#[test]
fn a_json_patch_never_writes_what_the_service_shows() {
    for path in ["/barkCount", "/barks/previous", "/barks/previous/0", "/mood/barking"] {
        for op in ["add", "replace", "remove"] {
            let operation = json!([{"op": op, "path": path, "value": 1}]);
            assert!(is_read_only(patch(operation)), "{op} {path}");
        }
        assert!(is_read_only(patch(json!([{"op": "move", "from": path, "path": "/x"}]))), "move {path}");
    }
    assert!(is_read_only(patch(json!({"barkCount": null}))));
}

#[test]
fn what_is_computed_goes_with_the_members_around_it_that_are_the_clients() {
    let want = json!({"name": "Rex", "meta": {"tag": "a"}});
    assert_eq!(patch(json!([{"op": "remove", "path": "/barks"}])), Ok(want.clone()));
    assert_eq!(patch(json!({"barks": null})), Ok(want));
    let other = json!([{"op": "replace", "path": "/barks", "value": {"next": 9}}]);
    assert_eq!(patch(other).map(|after| after["barks"].clone()), Ok(json!({"next": 9})));
    // Around `/mood/barking` there is nothing of the client's that could go.
    assert!(is_read_only(patch(json!([{"op": "remove", "path": "/mood"}]))));
    assert!(is_read_only(patch(json!({"mood": null}))));
}

#[test]
fn what_is_observed_is_neither_changed_nor_removed_by_way_of_what_is_around_it() {
    let pointer = |result: Result<Value, ChangeError>| match result {
        Err(ChangeError::ReadOnly { pointer, .. }) => pointer,
        other => panic!("{other:?}"),
    };
    for operation in [
        json!({"op": "remove", "path": "/meta"}),
        json!({"op": "replace", "path": "/meta", "value": {"seen": 99}}),
        json!({"op": "replace", "path": "/meta", "value": {"tag": "b"}}),
        json!({"op": "add", "path": "/meta", "value": 7}),
        json!({"op": "move", "from": "/meta", "path": "/moved"}),
        json!({"op": "copy", "from": "/barks", "path": "/meta"}),
    ] {
        assert_eq!(pointer(patch(json!([operation.clone()]))), "/meta/seen", "{operation}");
    }
    assert_eq!(pointer(patch(json!({"meta": null}))), "/meta/seen");
    assert_eq!(pointer(patch(json!({"meta": 7}))), "/meta/seen");
    assert_eq!(pointer(put(json!({"name": "Rex", "meta": 7}))), "/meta/seen");
    let away = json!([{"op": "move", "from": "/barks", "path": "/moved"}]);
    assert_eq!(pointer(patch(away)), "/barks/previous", "it would be there twice");
    let changed = json!([{"op": "replace", "path": "/mood", "value": {"barking": false}}]);
    assert_eq!(pointer(patch(changed)), "/mood/barking");
}

#[test]
fn what_is_around_an_observed_member_can_be_changed_beside_it() {
    let meta = |result: Result<Value, ChangeError>| result.map(|after| after["meta"].clone());
    let whole = json!([{"op": "replace", "path": "/meta", "value": {"seen": true, "tag": "b"}}]);
    assert_eq!(meta(patch(whole)), Ok(json!({"tag": "b"})));
    assert_eq!(meta(patch(json!([{"op": "remove", "path": "/meta/tag"}]))), Ok(json!({})));
    assert_eq!(meta(patch(json!({"meta": {"tag": null}}))), Ok(json!({})));
    assert_eq!(put(json!({"name": "Rex"})), Ok(json!({"name": "Rex"})), "it stays, though the client leaves it out");
    let copied = patch(json!([{"op": "copy", "from": "/meta", "path": "/mine"}]));
    assert_eq!(copied.map(|after| after["mine"].clone()), Ok(json!({"tag": "a", "seen": true})));
}

#[test]
fn an_object_that_only_shows_something_is_not_stored() {
    // The stored document has no `mood`.
    assert_eq!(patch(json!({"mood": {"barking": true}})), Ok(stored()));
    assert_eq!(put(json!({"name": "Rex", "mood": {"barking": true}})), Ok(json!({"name": "Rex"})));
    assert_eq!(
        patch(json!({"mood": {"barking": true, "of": "play"}})).map(|after| after["mood"].clone()),
        Ok(json!({"of": "play"}))
    );
}

#[test]
fn observed_members_can_be_given_when_a_resource_is_created() {
    let id = "2".parse().expect("an id");
    let body = object(json!({"name": "Fox", "barkCount": 5, "mood": {"barking": true}}));
    let changed = judge(&dogs(), Strictness::DesiredState, |judge| judge.replace(&id, body, None)).expect("valid");
    assert_eq!(changed.document.members(), &object(json!({"name": "Fox"})));
    assert_eq!(changed.observed, object(json!({"barkCount": 5})));
}

#[test]
fn observed_state_can_have_another_name() {
    let orders = Collection { observed_as: "_status".to_owned(), ..Collection::new("orders".parse().expect("a name")) };
    let id = "1".parse().expect("an id");
    let body = object(json!({"status": "shipped", "_status": {"generation": 4}}));
    let changed = judge(&orders, Strictness::DesiredState, |judge| judge.replace(&id, body, None)).expect("valid");
    assert_eq!(changed.document.members(), &object(json!({"status": "shipped"})));
}

fn forbidden(when: &str, new: Value, old: Option<Value>) -> Result<(), ChangeError> {
    let rule = Rule { when: expression(when), status: 409, message: "not like this".to_owned() };
    let orders = Collection { rules: vec![rule], ..Collection::new("orders".parse().expect("a name")) };
    let changed = Changed { document: Document::new(object(new)), observed: Map::new(), restarts: Vec::new() };
    let old = old.map(|old| Document::new(object(old)));
    let (nothing, shown) = (Map::new(), Value::Null);
    let before = old.as_ref().map(|document| Before {
        document,
        observed: &nothing,
        shown: &shown,
        anchors: &NO_ANCHORS,
        updated: Timestamp::EPOCH,
    });
    judge(&orders, Strictness::DesiredState, |judge| judge.obeys_rules(&changed, before.as_ref()))
}

#[test]
fn a_rule_forbids_what_it_holds_for_under_its_own_status() {
    const WHEN: &str = "self.canceled && old != null && old.shipped";
    for (name, new, old, holds) in [
        ("it holds", json!({"canceled": true}), Some(json!({"shipped": true})), true),
        ("it does not", json!({"canceled": true}), Some(json!({"shipped": false})), false),
        ("a new resource", json!({"canceled": true}), None, false),
        ("a member that is not there", json!({"canceled": true}), Some(json!({})), false),
        ("the other one", json!({}), Some(json!({"shipped": true})), false),
    ] {
        let result = forbidden(WHEN, new, old);
        let want = ChangeError::Forbidden { status: 409, message: "not like this".to_owned() };
        assert_eq!(result, if holds { Err(want) } else { Ok(()) }, "{name}");
    }
}

#[test]
fn a_rule_that_cannot_be_judged_forbids() {
    for when in ["self.n + 'x' == ''", "self.n"] {
        let result = forbidden(when, json!({"n": 1}), None);
        assert!(matches!(result, Err(ChangeError::Forbidden { status: 403, .. })), "{when}: {result:?}");
    }
}
