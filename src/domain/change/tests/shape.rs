//! Documents of their own shape: what the service shows within them, and the
//! operator's rules.

use serde_json::{Map, Value, json};

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
        observed: vec!["/barkCount".parse().expect("a pointer")],
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
    json!({"name": "Rex", "barks": {"next": 0, "frequency": 10}})
}

fn shown() -> Value {
    json!({"id": "1", "name": "Rex", "barks": {"next": 7, "frequency": 10, "previous": [1]},
           "barkCount": 3, "mood": {"barking": true}, "status": {"generation": 1}, "_links": {}})
}

fn judge<T>(collection: &Collection, strictness: Strictness, run: impl FnOnce(&Judge<'_>) -> T) -> T {
    let (catalog, limits) = (Catalog::default(), PatchLimits::default());
    run(&Judge { collection, catalog: &catalog, limits: &limits, strictness, now: Timestamp::EPOCH })
}

fn before<T>(run: impl FnOnce(&Before<'_>) -> T) -> T {
    let (document, observed, shown) = (Document::new(object(stored())), object(json!({"barkCount": 3})), shown());
    run(&Before { document: &document, observed: &observed, shown: &shown })
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
    let want = json!({"name": "Rex", "barks": {"next": 9, "frequency": 10}});
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
    assert_eq!(patch(json!([{"op": "remove", "path": "/barks"}])), Ok(json!({"name": "Rex"})));
    assert!(is_read_only(patch(json!({"barkCount": null}))));
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
    let changed = Changed { document: Document::new(object(new)), observed: Map::new() };
    let old = old.map(|old| Document::new(object(old)));
    let (nothing, shown) = (Map::new(), Value::Null);
    let before = old.as_ref().map(|document| Before { document, observed: &nothing, shown: &shown });
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
