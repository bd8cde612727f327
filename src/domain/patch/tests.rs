//! The corpora of the RFCs, the library as an oracle, and the traps by name.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::super::json::strategies::{any_object, any_value};
use super::super::json::{self, depth, encoded_len, equal};
use super::*;

fn json_patch(operations: Value) -> PatchBody {
    PatchBody::json(operations).expect("a well-formed patch")
}

fn merge_patch(body: Value) -> PatchBody {
    PatchBody::merge(body).expect("an object")
}

fn patched(document: &Value, operations: Value) -> Result<Value, PatchError> {
    apply_patch(document, &json_patch(operations), &PatchLimits::default())
}

/// Order of members included.
fn text(value: &Value) -> String {
    value.to_string()
}

#[test]
fn json_patches_do_what_rfc_6902_appendix_a_shows() {
    for (name, document, patch, want) in [
        (
            "A.1",
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux"}]),
            json!({"foo": "bar", "baz": "qux"}),
        ),
        (
            "A.2",
            json!({"foo": ["bar", "baz"]}),
            json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
            json!({"foo": ["bar", "qux", "baz"]}),
        ),
        ("A.3", json!({"baz": "qux", "foo": "bar"}), json!([{"op": "remove", "path": "/baz"}]), json!({"foo": "bar"})),
        (
            "A.4",
            json!({"foo": ["bar", "qux", "baz"]}),
            json!([{"op": "remove", "path": "/foo/1"}]),
            json!({"foo": ["bar", "baz"]}),
        ),
        (
            "A.5",
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
            json!({"baz": "boo", "foo": "bar"}),
        ),
        (
            "A.6",
            json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
            json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
            json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
        ),
        (
            "A.7",
            json!({"foo": ["all", "grass", "cows", "eat"]}),
            json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
            json!({"foo": ["all", "cows", "eat", "grass"]}),
        ),
        (
            "A.8",
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
            json!([{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}]),
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
        ),
        (
            "A.10",
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/child", "value": {"grandchild": {}}}]),
            json!({"foo": "bar", "child": {"grandchild": {}}}),
        ),
        (
            "A.11",
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}]),
            json!({"foo": "bar", "baz": "qux"}),
        ),
        (
            "A.14",
            json!({"/": 9, "~1": 10}),
            json!([{"op": "test", "path": "/~01", "value": 10}]),
            json!({"/": 9, "~1": 10}),
        ),
        (
            "A.16",
            json!({"foo": ["bar"]}),
            json!([{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}]),
            json!({"foo": ["bar", ["abc", "def"]]}),
        ),
    ] {
        assert_eq!(patched(&document, patch).map(|result| text(&result)), Ok(text(&want)), "{name}");
    }
}

#[test]
fn json_patches_fail_as_rfc_6902_appendix_a_shows() {
    for (name, document, patch, want) in [
        (
            "A.9",
            json!({"baz": "qux"}),
            json!([{"op": "test", "path": "/baz", "value": "bar"}]),
            "operation /0 at `/baz`: `test` failed, the value is \"qux\"",
        ),
        (
            "A.12",
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz/bat", "value": "qux"}]),
            "operation /0: there is no `/baz`",
        ),
        (
            "A.15",
            json!({"/": 9, "~1": 10}),
            json!([{"op": "test", "path": "/~01", "value": "10"}]),
            "operation /0 at `/~01`: `test` failed, the value is 10",
        ),
    ] {
        assert_eq!(patched(&document, patch).expect_err(name).to_string(), want, "{name}");
    }
}

#[test]
fn merge_patches_do_what_rfc_7396_appendix_a_shows() {
    // The rows whose document or patch is no object are in the tests below.
    for (document, patch, want) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        (json!({"a": [null]}), json!({"b": [null]}), json!({"a": [null], "b": [null]})),
    ] {
        let result = apply_patch(&document, &merge_patch(patch.clone()), &PatchLimits::default());
        assert_eq!(result.map(|result| text(&result)), Ok(text(&want)), "{document} {patch}");
    }
}

#[test]
fn a_merge_patch_must_be_an_object_and_a_json_patch_an_array() {
    for (body, found) in [(json!(["c"]), "an array"), (json!(null), "null"), (json!("bar"), "a string")] {
        assert_eq!(PatchBody::merge(body), Err(PatchSyntaxError::MergeNotAnObject { found }));
    }
    let refused = PatchBody::json(json!({"op": "add"})).expect_err("an object");
    assert_eq!(refused.to_string(), "a JSON Patch must be an array of operations, and this is an object");
}

#[test]
fn a_malformed_operation_is_named() {
    let good = json!({"op": "remove", "path": "/a"});
    for (name, operation, want) in [
        ("no object", json!(7), "operation /1: an operation must be an object, and this is a number"),
        ("no op", json!({"path": "/a"}), "operation /1: missing field `op`"),
        (
            "unknown op",
            json!({"op": "spam", "path": "/a"}),
            "operation /1: unknown variant `spam`, expected one of `add`, `remove`, `replace`, `move`, `copy`, `test`",
        ),
        ("no path", json!({"op": "remove"}), "operation /1: missing field `path`"),
        ("no value", json!({"op": "add", "path": "/a"}), "operation /1: missing field `value`"),
        ("no from", json!({"op": "move", "path": "/a"}), "operation /1: missing field `from`"),
    ] {
        let refused = PatchBody::json(json!([good, operation])).expect_err(name);
        assert_eq!(refused.to_string(), want, "{name}");
    }
    for pointer in ["a", "a/b", "/a~", "/a~2", "#/a"] {
        let refused = PatchBody::json(json!([good, {"op": "remove", "path": pointer}]));
        assert!(matches!(refused, Err(PatchSyntaxError::Operation { index: 1, .. })), "{pointer}");
    }
}

#[test]
fn a_value_is_added_as_it_was_written_whatever_its_names_are() {
    let value = json!({"$serde_json::private::RawValue": "not JSON"});
    let want = json!({"a": value});
    assert_eq!(patched(&json!({}), json!([{"op": "add", "path": "/a", "value": value}])), Ok(want));
    assert_eq!(patched(&json!({}), json!([{"op": "add", "path": "/a", "value": null}])), Ok(json!({"a": null})));
}

#[test]
fn members_keep_their_order() {
    let document = json!({"a": 1, "b": {"x": 1, "y": 2}, "c": 3, "d": 4});
    for (name, patch, want) in [
        ("replace", json!([{"op": "replace", "path": "/b", "value": 0}]), r#"{"a":1,"b":0,"c":3,"d":4}"#),
        ("add over", json!([{"op": "add", "path": "/b", "value": 0}]), r#"{"a":1,"b":0,"c":3,"d":4}"#),
        ("remove", json!([{"op": "remove", "path": "/a"}]), r#"{"b":{"x":1,"y":2},"c":3,"d":4}"#),
        ("move", json!([{"op": "move", "from": "/a", "path": "/e"}]), r#"{"b":{"x":1,"y":2},"c":3,"d":4,"e":1}"#),
        (
            "move onto itself",
            json!([{"op": "move", "from": "/a", "path": "/a"}]),
            r#"{"a":1,"b":{"x":1,"y":2},"c":3,"d":4}"#,
        ),
    ] {
        assert_eq!(patched(&document, patch).map(|result| text(&result)).as_deref(), Ok(want), "{name}");
    }
    let merged =
        apply_patch(&document, &merge_patch(json!({"c": 0, "a": null, "b": {"x": null}})), &PatchLimits::default());
    assert_eq!(merged.map(|result| text(&result)).as_deref(), Ok(r#"{"b":{"y":2},"c":0,"d":4}"#));
}

#[test]
fn what_does_not_apply_says_where() {
    let document = json!({"a": {}, "list": [1, 2, 3], "text": "x", "m~n": {"o/p": 1}});
    for (name, operation, want) in [
        ("a missing parent", json!({"op": "add", "path": "/a/b/c", "value": 1}), "operation /0: there is no `/a/b`"),
        ("a missing member", json!({"op": "remove", "path": "/a/b"}), "operation /0: there is no `/a/b`"),
        ("replacing nothing", json!({"op": "replace", "path": "/b", "value": 1}), "operation /0: there is no `/b`"),
        ("moving nothing", json!({"op": "move", "from": "/x/y", "path": "/b"}), "operation /0: there is no `/x`"),
        (
            "moving nothing onto itself",
            json!({"op": "move", "from": "/x", "path": "/x"}),
            "operation /0: there is no `/x`",
        ),
        (
            "copying nothing",
            json!({"op": "copy", "from": "/m~0n/o", "path": "/b"}),
            "operation /0: there is no `/m~0n/o`",
        ),
        ("testing nothing", json!({"op": "test", "path": "/b", "value": null}), "operation /0: there is no `/b`"),
        (
            "a scalar parent",
            json!({"op": "add", "path": "/text/0", "value": 1}),
            "operation /0 at `/text`: a string has no members",
        ),
        (
            "a scalar on the way",
            json!({"op": "remove", "path": "/list/0/x/y"}),
            "operation /0 at `/list/0`: a number has no members",
        ),
        (
            "an index behind the end",
            json!({"op": "add", "path": "/list/4", "value": 1}),
            "operation /0 at `/list/4`: the index is out of range, it must be below 4",
        ),
        (
            "the index of the end",
            json!({"op": "replace", "path": "/list/3", "value": 1}),
            "operation /0 at `/list/3`: the index is out of range, it must be below 3",
        ),
        (
            "a huge index",
            json!({"op": "remove", "path": "/list/99999999999999999999999"}),
            "operation /0 at `/list/99999999999999999999999`: the index is out of range, it must be below 3",
        ),
        (
            "a leading zero",
            json!({"op": "remove", "path": "/list/01"}),
            "operation /0 at `/list/01`: not an index of an array",
        ),
        (
            "a sign",
            json!({"op": "add", "path": "/list/+1", "value": 1}),
            "operation /0 at `/list/+1`: not an index of an array",
        ),
        (
            "an empty index",
            json!({"op": "add", "path": "/list/", "value": 1}),
            "operation /0 at `/list/`: not an index of an array",
        ),
        (
            "the place after the last, to remove",
            json!({"op": "remove", "path": "/list/-"}),
            "operation /0 at `/list/-`: `-` is the place after the last item, where nothing is",
        ),
        (
            "the place after the last, to test",
            json!({"op": "test", "path": "/list/-", "value": 3}),
            "operation /0 at `/list/-`: `-` is the place after the last item, where nothing is",
        ),
        (
            "a value into itself",
            json!({"op": "move", "from": "/a", "path": "/a/b"}),
            "operation /0 at `/a/b`: a value cannot be moved into itself",
        ),
        (
            "the document into itself",
            json!({"op": "move", "from": "", "path": "/a"}),
            "operation /0 at `/a`: a value cannot be moved into itself",
        ),
        (
            "a failed test of something large",
            json!({"op": "test", "path": "/list", "value": [1]}),
            "operation /0 at `/list`: `test` failed, the value is an array",
        ),
    ] {
        assert_eq!(patched(&document, json!([operation])).expect_err(name).to_string(), want, "{name}");
    }
}

#[test]
fn a_failed_move_after_which_the_library_cannot_go_back_changes_nothing() {
    let document = json!({"a": {"b": 1}, "c": 2});
    let patch = json!([
        {"op": "move", "from": "/a", "path": ""},
        {"op": "test", "path": "/nope", "value": 1},
    ]);
    assert_eq!(patched(&document, patch), Err(PatchError::Missing { index: 1, pointer: "/nope".to_owned() }));
    assert_eq!(document, json!({"a": {"b": 1}, "c": 2}));
}

#[test]
fn the_document_stays_an_object() {
    let document = json!({"a": {"b": 1}, "c": 2});
    for operation in [
        json!({"op": "replace", "path": "", "value": 5}),
        json!({"op": "add", "path": "", "value": [{}]}),
        json!({"op": "remove", "path": ""}),
        json!({"op": "copy", "from": "/c", "path": ""}),
        json!({"op": "move", "from": "/c", "path": ""}),
    ] {
        let patch = json!([operation, {"op": "replace", "path": "", "value": {}}]);
        assert_eq!(patched(&document, patch), Err(PatchError::NotAnObject { index: 0 }), "{operation}");
    }
    for operation in [
        json!({"op": "replace", "path": "", "value": {"b": 1}}),
        json!({"op": "copy", "from": "/a", "path": ""}),
        json!({"op": "move", "from": "/a", "path": ""}),
    ] {
        assert_eq!(patched(&document, json!([operation])), Ok(json!({"b": 1})), "{operation}");
    }
}

#[test]
fn numbers_are_tested_by_value() {
    let document = json!({"one": 1, "large": 9_007_199_254_740_993_u64});
    for (path, value, want) in
        [("/one", json!(1.0), true), ("/one", json!(2), false), ("/large", json!(9_007_199_254_740_992.0), false)]
    {
        let patch = json!([{"op": "test", "path": path, "value": value}]);
        assert_eq!(patched(&document, patch).is_ok(), want, "{path} {value}");
    }
}

/// Far beyond what the bounded work takes, far below what the unbounded would.
const FAST: Duration = Duration::from_secs(10);

#[test]
fn copies_of_copies_are_stopped_before_they_are_made() {
    let started = Instant::now();
    let deepening = json!({"op": "copy", "from": "", "path": "/a"});
    let refused = patched(&json!({"a": 1, "b": "x"}), Value::Array(vec![deepening; 100]));
    assert_eq!(refused, Err(PatchError::TooDeep { limit: 64 }));
    let widening = json!({"op": "copy", "from": "/list", "path": "/list/-"});
    let refused = patched(&json!({"list": [1]}), Value::Array(vec![widening; 60]));
    assert_eq!(refused, Err(PatchError::TooLarge { limit: 1 << 20 }));
    assert!(started.elapsed() < FAST);
}

#[test]
fn many_large_copies_within_a_small_document_are_stopped() {
    let started = Instant::now();
    let document = json!({"a": "x".repeat(500_000)});
    let again = json!({"op": "copy", "from": "/a", "path": "/b"});
    let refused = patched(&document, Value::Array(vec![again; 1000]));
    assert_eq!(refused, Err(PatchError::TooCostly { index: 33, limit: 16 << 20 }));
    assert!(started.elapsed() < FAST);
}

#[test]
fn shifting_a_long_list_over_and_over_is_stopped() {
    let document = json!({"list": vec![0; 500_000]});
    let front = json!({"op": "add", "path": "/list/0", "value": 1});
    let refused = patched(&document, Value::Array(vec![front.clone(); 1000]));
    assert!(matches!(refused, Err(PatchError::TooCostly { .. })), "{refused:?}");
    let document = json!({"list": vec![0; 5000]});
    assert!(patched(&document, Value::Array(vec![front; 1000])).is_ok());
}

#[test]
fn each_limit_is_met_exactly() {
    let limits = PatchLimits { operations_max: 2, bytes_max: 20, depth_max: 3 };
    let apply = |patch: Value| apply_patch(&json!({"a": 1}), &json_patch(patch), &limits);
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});

    assert!(apply(json!([add("/b", json!(1)), add("/c", json!(1))])).is_ok());
    let three = json!([add("/b", json!(1)), add("/b", json!(1)), add("/b", json!(1))]);
    assert_eq!(apply(three), Err(PatchError::TooManyOperations { limit: 2 }));

    // {"a":1,"b":"1234567"} has 21 bytes.
    assert!(apply(json!([add("/b", json!("123456"))])).is_ok());
    assert_eq!(apply(json!([add("/b", json!("1234567"))])), Err(PatchError::TooLarge { limit: 20 }));
    let in_between = json!([add("/b", json!("1234567")), {"op": "remove", "path": "/b"}]);
    assert_eq!(apply(in_between), Err(PatchError::TooLarge { limit: 20 }));

    assert!(apply(json!([add("/b", json!([[]]))])).is_ok());
    assert_eq!(apply(json!([add("/b", json!([[[]]]))])), Err(PatchError::TooDeep { limit: 3 }));
    assert_eq!(apply(json!([add("", json!({"": [[[]]]}))])), Err(PatchError::TooDeep { limit: 3 }));
    let moved = json!([add("", json!({"a": [[]], "b": {}})), {"op": "move", "from": "/a", "path": "/b/a"}]);
    assert_eq!(apply(moved), Err(PatchError::TooDeep { limit: 3 }));
    let copied = json!([add("", json!({"a": [[]], "b": {}})), {"op": "copy", "from": "/a", "path": "/b/a"}]);
    assert_eq!(apply(copied), Err(PatchError::TooDeep { limit: 3 }));

    let merge = |patch: Value| apply_patch(&json!({"a": 1}), &merge_patch(patch), &limits);
    assert!(merge(json!({"b": "123456"})).is_ok());
    assert_eq!(merge(json!({"b": "1234567"})), Err(PatchError::TooLarge { limit: 20 }));
    assert!(merge(json!({"b": {"c": {}}})).is_ok());
    assert_eq!(merge(json!({"b": {"c": {"d": {}}}})), Err(PatchError::TooDeep { limit: 3 }));
}

#[test]
fn no_patch_makes_a_document_that_cannot_be_read_again() {
    let limits = PatchLimits { depth_max: usize::MAX, ..PatchLimits::default() };
    let mut document = json!({});
    let wrap = json_patch(json!([
        {"op": "copy", "from": "", "path": "/a"},
    ]));
    loop {
        match apply_patch(&document, &wrap, &limits) {
            Ok(deeper) => document = deeper,
            Err(error) => {
                break assert_eq!(error, PatchError::TooDeep { limit: json::NESTING_MAX });
            }
        }
    }
    assert_eq!(depth(&document), json::NESTING_MAX);
    let read = serde_json::from_str::<Value>(&json!([[document]]).to_string());
    assert_eq!(read.ok(), Some(json!([[document]])));
}

/// Pointers that lead somewhere in documents of `any_object` now and then.
fn any_pointer() -> impl Strategy<Value = String> {
    "(/(a|b|c|ab|~0|~1|0|1|2|-|)){0,3}"
}

fn any_operation() -> impl Strategy<Value = Value> {
    let ops = ["add", "remove", "replace", "move", "copy", "test"];
    (0..ops.len(), any_pointer(), any_pointer(), any_value())
        .prop_map(move |(op, from, path, value)| json!({"op": ops[op], "from": from, "path": path, "value": value}))
}

/// Operations that mostly apply: each place is one that the document has.
fn any_case() -> impl Strategy<Value = (Value, Value)> {
    (any_object(), vec((any_operation(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6)).prop_map(
        |(document, operations)| {
            let places = places(&document);
            let aimed = operations.into_iter().enumerate().map(|(number, (mut operation, from, path))| {
                if number % 4 != 3 {
                    operation["from"] = from.get(&places).clone();
                    operation["path"] = path.get(&places).clone();
                }
                operation
            });
            let operations = aimed.collect();
            (document, operations)
        },
    )
}

fn places(document: &Value) -> Vec<Value> {
    let mut found = vec![json!("/new")];
    let mut rest = vec![(String::new(), document)];
    while let Some((pointer, value)) = rest.pop() {
        match value {
            Value::Object(members) => {
                rest.extend(
                    members.iter().map(|(name, value)| (format!("{pointer}/{}", json::escape_pointer(name)), value)),
                );
            }
            Value::Array(items) => {
                found.push(json!(format!("{pointer}/-")));
                rest.extend(items.iter().enumerate().map(|(index, value)| (format!("{pointer}/{index}"), value)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        found.push(json!(pointer));
    }
    found
}

/// What the library makes of it, without what it is known to do otherwise: a
/// `test` by value, root values that are no objects, moving the root onto
/// itself, and undoing.
fn oracle(document: &Value, operations: &Value) -> Option<Value> {
    let patch: ::json_patch::Patch = serde_json::from_value(operations.clone()).ok()?;
    let mut result = document.clone();
    for operation in patch.0 {
        if let ::json_patch::PatchOperation::Test(test) = &operation {
            let actual = result.pointer(test.path.as_str())?;
            if !equal(actual, &test.value) {
                return None;
            }
        } else if !moves_root_onto_itself(&operation) {
            // One by one, so that there is nothing to undo.
            ::json_patch::patch_unsafe(&mut result, std::slice::from_ref(&operation)).ok()?;
        }
        if !result.is_object() {
            return None;
        }
    }
    Some(result)
}

fn moves_root_onto_itself(operation: &::json_patch::PatchOperation) -> bool {
    matches!(operation, ::json_patch::PatchOperation::Move(mov) if mov.from.is_root() && mov.path.is_root())
}

proptest! {
    #[test]
    fn json_patches_do_what_the_library_does((document, operations) in any_case()) {
        let result = patched(&document, operations.clone());
        prop_assert_eq!(&result.clone().ok(), &oracle(&document, &operations), "{} {} {:?}", document, operations, result);
    }

    #[test]
    fn merge_patches_do_what_the_library_does(document in any_object(), patch in any_object()) {
        let mut want = document.clone();
        ::json_patch::merge(&mut want, &patch);
        let result = apply_patch(&document, &merge_patch(patch), &PatchLimits::default());
        prop_assert_eq!(result, Ok(want));
    }

    #[test]
    fn an_empty_patch_changes_nothing(document in any_object()) {
        for patch in [merge_patch(json!({})), json_patch(json!([]))] {
            let result = apply_patch(&document, &patch, &PatchLimits::default());
            prop_assert_eq!(result.map(|result| text(&result)), Ok(text(&document)));
        }
    }

    #[test]
    fn merging_twice_is_merging_once(document in any_object(), patch in any_object()) {
        let patch = merge_patch(patch);
        let once = apply_patch(&document, &patch, &PatchLimits::default()).expect("small");
        let twice = apply_patch(&once, &patch, &PatchLimits::default()).expect("small");
        prop_assert_eq!(text(&once), text(&twice));
    }

    #[test]
    fn the_input_is_left_alone_and_the_limits_hold(
        (document, operations) in any_case(), bytes_max in 2usize..300, depth_max in 1usize..6,
    ) {
        let before = text(&document);
        let limits = PatchLimits { bytes_max, depth_max, ..PatchLimits::default() };
        let result = apply_patch(&document, &json_patch(operations.clone()), &limits);
        prop_assert_eq!(text(&document), before);
        if let Ok(result) = result {
            prop_assert!(result.is_object());
            prop_assert!(operations == json!([]) || encoded_len(&result) <= bytes_max);
            prop_assert!(depth(&result) <= depth_max.max(depth(&document)));
        }
    }

    #[test]
    fn the_length_that_is_counted_along_is_that_of_the_document((document, operations) in any_case()) {
        let Value::Array(operations) = operations else { unreachable!("cases are arrays") };
        let longest = (1..=operations.len())
            .map(|count| patched(&document, Value::Array(operations[..count].to_vec())).map(|result| encoded_len(&result)))
            .collect::<Result<Vec<_>, _>>();
        if let Ok(Some(longest)) = longest.map(|lengths| lengths.into_iter().max()) {
            let patch = json_patch(Value::Array(operations));
            let within = |bytes_max| apply_patch(&document, &patch, &PatchLimits { bytes_max, ..PatchLimits::default() });
            prop_assert_eq!(within(longest).err(), None);
            prop_assert_eq!(within(longest - 1).err(), Some(PatchError::TooLarge { limit: longest - 1 }));
        }
    }
}
