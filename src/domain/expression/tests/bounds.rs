//! What an expression may cost.

use serde_json::{Value, json};

use super::super::budget::{MADE_MAX, STEPS_MAX};
use super::super::compile::DEPTH_MAX;
use super::super::parse::TEXT_MAX;
use super::{evaluate, failure, parse};

#[test]
fn an_expression_can_be_as_long_and_as_deep_as_the_bounds_and_no_more() {
    let chain = |count: usize| format!("1{}", " + 1".repeat(count));
    assert!(parse(&chain(DEPTH_MAX - 1)).is_ok());
    let error = parse(&chain(DEPTH_MAX)).expect_err("too deep");
    assert_eq!(error.message, "nested too deeply: at most 128 operators and members in each other");

    let padded = |length: usize| format!("{}1", " ".repeat(length - 1));
    assert!(parse(&padded(TEXT_MAX)).is_ok());
    let error = parse(&padded(TEXT_MAX + 1)).expect_err("too long");
    assert_eq!(error.message, "4097 bytes are too long for an expression: at most 4096");

    let brackets = |count: usize| format!("{}1{}", "[".repeat(count), "]".repeat(count));
    assert!(parse(&brackets(32)).is_ok());
    let error = parse(&brackets(33)).expect_err("too deep");
    assert_eq!(error.message, "nested too deeply: at most 32 levels of brackets and calls");
}

#[test]
fn no_shape_of_a_text_exhausts_the_stack() {
    let shapes = [
        ("", "self.a", ".a", ""),
        ("", "self", "[0]", ""),
        ("", "1", "+1", ""),
        ("", "1", " ? 1 : 1", ""),
        ("", "true", " && true || false", ""),
        ("", "self", ".size()", ""),
        ("", "self", ".map(x, x)", ""),
        ("!", "true", "", ""),
        ("-", "1", "", ""),
        ("!(", "true", ")", ""),
        ("(", "1", ")", ""),
        ("[", "1", "]", ""),
        ("{1:", "1", "}", ""),
        ("size(", "1", ")", ""),
        ("self[", "1", "]", ""),
        ("self.map(x, ", "1", ")", ""),
        ("true ? ", "1", " : 1", ""),
        ("(", "", "", ""),
        ("[", "", "", ""),
        ("{", "", "", ""),
        ("a{a:", "", "", ""),
        ("'", "", "", ""),
        ("@ ", "", "", ""),
        ("a ? b [ ( . + ", "", "", ""),
    ];
    // Less than any thread of the service has.
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let run = move || {
        for (before, middle, after, _) in shapes {
            for count in [10, 30, 100, 125, 1000] {
                let text = format!("{}{middle}{}", before.repeat(count), after.repeat(count));
                if let Ok(expression) = parse(&text[..text.len().min(TEXT_MAX)]) {
                    let _ = expression.evaluate(&[(super::Variable::Document, &json!([[1]]))]);
                    let _ = expression.reads(super::Variable::Document);
                }
            }
        }
    };
    small.spawn(run).expect("a thread").join().expect("no panic");
}

#[test]
fn what_multiplies_stops_at_the_bound() {
    let document = json!({
        "list": (0..1000).collect::<Vec<_>>(),
        "text": "woof".repeat(1000),
        "tree": {"a": [1, 2, 3], "b": "x".repeat(1000)},
    });
    let steps = format!("this takes more than {STEPS_MAX} steps: the expression goes over too much");
    let bytes = format!("this makes more than {MADE_MAX} bytes: the expression builds too much");
    let doubled = format!("[self.text]{}[0]", ".map(x, x + x)".repeat(40));
    let listed = format!("[self.list]{}[0]", ".map(x, x + x)".repeat(40));
    let nested = format!("[self.tree]{}", ".map(x, [x, x])".repeat(40));
    for (text, message) in [
        ("self.list.map(x, self.list.map(y, self.list.map(z, x + y + z)))", &steps),
        ("self.list.all(x, self.list.all(y, self.list.all(z, true)))", &steps),
        ("self.list.exists(x, self.list.exists(y, self.list.exists(z, self.nope)))", &steps),
        ("self.list.filter(x, self.list.filter(y, self.list.exists_one(z, z == y)) == [])", &steps),
        ("self.list.map(x, self.list == self.list)", &steps),
        ("self.list.map(x, self.list.map(y, self.list.map(z, z))) == [] || true", &steps),
        ("self.list.map(x, self.text.matches('(a|b|c|d)*woof$'))", &steps),
        (doubled.as_str(), &bytes),
        (listed.as_str(), &bytes),
        (nested.as_str(), &bytes),
        ("self.list.map(x, self)", &bytes),
        ("self.list.map(x, self.list.map(y, self.text))", &steps),
        ("self.list.map(x, self.text + self.text + self.text + self.text)", &bytes),
    ] {
        let found = failure(text, &document);
        assert!(&found == message || found == steps || found == bytes, "{text}: {found}");
    }
}

#[test]
fn what_an_operator_would_write_is_far_from_the_bound() {
    let items: Vec<Value> =
        (0..10_000).map(|n| json!({"id": n, "done": n % 2 == 0, "name": format!("task {n}")})).collect();
    let document = json!({"items": items});
    for text in [
        "size(self.items.filter(t, !t.done && t.name.startsWith('task')))",
        "self.items.map(t, t.done, {'id': t.id, 'name': t.name})",
        "self.items.exists(t, t.id == 9999)",
        "self.items",
        "self == {'items': self.items}",
    ] {
        assert!(evaluate(text, &document).is_ok(), "{text}");
    }
}

#[test]
fn a_result_is_no_deeper_than_a_document() {
    let mut document = json!(1);
    for _ in 0..115 {
        document = json!([document]);
    }
    assert!(evaluate("[[[[[self]]]]]", &document).is_ok());
    assert_eq!(failure("[[[[[[self]]]]]]", &document), "the result is nested more than 120 levels deep");
}
