//! What expressions are worth.

use serde_json::{Value, json};

use super::{Expression, Variable, evaluate, failure, parse};
use crate::domain::expression::EvaluationError;

fn lassie() -> Value {
    json!({
        "n": 3, "u": 18_446_744_073_709_551_615_u64, "f": 1.0, "half": 0.5, "name": "Lässie", "none": null,
        "canceled": false, "yes": true, "barks": {"frequency": 5, "next": 0, "a-b": 1}, "list": [1, 2, 3],
        "tasks": [{"id": "a", "done": true}, {"id": "b"}], "at": "2026-11-21T11:00:00+01:00",
    })
}

fn are_worth<const N: usize>(table: [(&str, Value); N]) {
    let document = lassie();
    for (text, want) in table {
        assert_eq!(evaluate(text, &document).map(|value| value.to_string()), Ok(want.to_string()), "{text}");
    }
}

#[test]
fn the_expressions_of_the_design_are_worth_what_it_says() {
    are_worth([
        ("(has(self.barkCount) ? self.barkCount : 0) + 1", json!(1)),
        ("(has(self.n) ? self.n : 0) + 1", json!(4)),
        ("{'barkCount': self.n + 1}", json!({"barkCount": 4})),
        (
            "{'every': string(self.barks.frequency) + 'm', 'start': self.barks.next == 0 ? 'now' : self.barks.next}",
            json!({"every": "5m", "start": "now"}),
        ),
        ("self.canceled && old != null && old.shipped", json!(false)),
        ("old != null && old.shipped", json!(false)),
        ("self.barks", json!({"frequency": 5, "next": 0, "a-b": 1})),
    ]);
}

#[test]
fn numbers_keep_their_kind_and_are_compared_by_value() {
    are_worth([
        ("self.n", json!(3)),
        ("self.f", json!(1.0)),
        ("self.u", json!(18_446_744_073_709_551_615_u64)),
        ("self.n + 1", json!(4)),
        ("self.n - 5", json!(-2)),
        ("self.n * 2 / 4 % 2", json!(1)),
        ("-7 / 2", json!(-3)),
        ("-7 % 2", json!(-1)),
        ("-self.n", json!(-3)),
        ("self.f + 1.0", json!(2.0)),
        ("self.half * 4.0", json!(2.0)),
        ("self.u - 1u", json!(18_446_744_073_709_551_614_u64)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("0x1F", json!(31)),
        ("self.f == 1", json!(true)),
        ("1 == 1u && 1u == 1.0", json!(true)),
        ("self.n > 2.5 && self.n < 3.5 && 2.5 < self.n", json!(true)),
        ("self.u > 9223372036854775807", json!(true)),
        ("9007199254740993 == 9007199254740992.0", json!(false)),
        ("9007199254740993 > 9007199254740992.0", json!(true)),
        ("-1 < 0u", json!(true)),
        ("0.0 / 0.0 == 0.0 / 0.0", json!(false)),
        ("0.0 / 0.0 < 1.0 || 0.0 / 0.0 >= 1.0", json!(false)),
        ("1.0 / 0.0 > 9223372036854775807", json!(true)),
        ("-1.0 / 0.0 < -9223372036854775807", json!(true)),
        ("double(self.n) / 2.0", json!(1.5)),
        ("int(2.9) + int('-4') + int(7u)", json!(5)),
        ("uint(self.n)", json!(3)),
        ("1 == '1' || null == false || [] == {}", json!(false)),
        ("1 != '1'", json!(true)),
    ]);
}

#[test]
fn texts_are_counted_in_characters_and_searched() {
    are_worth([
        ("self.name", json!("Lässie")),
        ("size(self.name) + self.name.size()", json!(12)),
        ("self.name + '!'", json!("Lässie!")),
        ("'a' < 'b' && 'a' < 'aa' && 'Z' < 'a'", json!(true)),
        ("self.name.contains('ssi') && self.name.startsWith('Lä') && self.name.endsWith('e')", json!(true)),
        ("self.name.startsWith('x')", json!(false)),
        ("self.name.matches('^L.*e$') && matches(self.name, 'ss')", json!(true)),
        ("self.name.matches('^s')", json!(false)),
        ("string(3) + string(1.5) + string(1.0) + string(true) + string(7u) + string('x')", json!("31.51true7x")),
        ("string(1e300) + ' ' + string(1e-9)", json!("1e300 1e-9")),
        ("double('1.5e3')", json!(1500.0)),
        ("bool('true') && !bool('0')", json!(true)),
        (r"'\u00e4\n\'' + r'\n'", json!("ä\n'\\n")),
        ("'''it's''' + \"x\"", json!("it'sx")),
        ("string(bytes('ä')) == 'ä' && size(bytes('ä')) == 2 && b'a' + b'b' == b'ab' && b'a' < b'b'", json!(true)),
    ]);
}

#[test]
fn lists_and_maps_are_looked_into_and_gone_over() {
    are_worth([
        ("self.list[0] + self.list[2]", json!(4)),
        ("self.list[1.0]", json!(2)),
        ("size(self.list) + size(self.barks) + size({})", json!(6)),
        ("2 in self.list && !(4 in self.list) && 2.0 in self.list", json!(true)),
        ("'next' in self.barks && !('x' in self.barks) && !(1 in self.barks)", json!(true)),
        ("self.list + [4]", json!([1, 2, 3, 4])),
        ("self.list == [1, 2.0, 3u]", json!(true)),
        ("self.list == [1, 2]", json!(false)),
        ("{'a': 1, 'b': [2]} == {'b': [2.0], 'a': 1}", json!(true)),
        ("{'a': 1} == {'b': 1}", json!(false)),
        ("self.barks == {'next': 0, 'frequency': 5, 'a-b': 1}", json!(true)),
        ("self.barks['a-b'] + self.barks.`a-b`", json!(2)),
        ("{'a': 1}.a + {'a': 1}['a'] + {1: 5}[1] + {1: 5}[1.0] + {true: 1}[true]", json!(13)),
        ("self.list.map(x, x * 2)", json!([2, 4, 6])),
        ("self.list.map(x, x > 1, x * 2)", json!([4, 6])),
        ("self.list.filter(x, x % 2 == 1)", json!([1, 3])),
        ("self.list.all(x, x > 0) && self.list.exists(x, x == 3) && self.list.exists_one(x, x == 1)", json!(true)),
        ("[].all(x, false) && ![].exists(x, true) && ![1, 1].exists_one(x, x == 1)", json!(true)),
        ("self.list.existsOne(x, x > 1)", json!(false)),
        ("self.tasks.filter(t, has(t.done) && t.done).map(t, t.id)", json!(["a"])),
        ("self.list.map(x, self.list.map(y, x * y))", json!([[1, 2, 3], [2, 4, 6], [3, 6, 9]])),
        ("self.list.map(x, self.list.filter(x, x > 2)).map(x, x[0])", json!([3, 3, 3])),
        ("[[1]].map(self, self[0])", json!([1])),
        ("[1].map(self, .self.n)", json!([3])),
        // The order is that of the document and of the text, each time.
        ("self.barks.map(name, name)", json!(["frequency", "next", "a-b"])),
        ("{'z': 1, 'a': {'y': 2, 'b': 3}}", json!({"z": 1, "a": {"y": 2, "b": 3}})),
        ("{'z': 1, 'a': 2}.map(name, name)", json!(["z", "a"])),
    ]);
}

#[test]
fn one_side_of_a_connective_can_decide_where_the_other_one_fails() {
    are_worth([
        ("false && self.nope", json!(false)),
        ("self.nope && false", json!(false)),
        ("self.nope && self.canceled", json!(false)),
        ("true || self.nope", json!(true)),
        ("self.nope || true", json!(true)),
        ("1 / 0 == 1 || true", json!(true)),
        ("'text' && false", json!(false)),
        ("[0, 1].exists(x, 1 / x == 1)", json!(true)),
        ("[0, 2].all(x, 1 / x == 1)", json!(false)),
        ("!has(self.nope) || self.nope.deep", json!(true)),
        ("has(self.nope) ? self.nope : 'none'", json!("none")),
        ("false ? self.nope : 1", json!(1)),
    ]);
    let document = lassie();
    for text in [
        "self.nope && true",
        "true && self.nope",
        "self.nope || false",
        "false || self.nope",
        "self.nope && self.gone",
        "self.canceled || self.nope",
        "[1, 2].all(x, x > 0 && self.nope)",
        "[1, 2].exists(x, x < 0 || self.nope)",
        "[1, 2].all(x, x == 2 || self.nope)",
        "[1, 2].exists(x, x == 1 && self.nope)",
        "self.nope ? 1 : 2",
        "!self.nope",
    ] {
        let missing = EvaluationError::Missing { name: "self.nope".to_owned() };
        assert_eq!(evaluate(text, &document), Err(missing), "{text}");
    }
}

#[test]
fn a_member_that_is_not_there_is_told_from_any_other_failure() {
    let document = lassie();
    for (text, name) in [
        ("self.nope", "self.nope"),
        ("self.barks.previous", "self.barks.previous"),
        ("self.nope.deep", "self.nope"),
        ("self['nope']", "self['nope']"),
        ("self[self.name]", "self[…]"),
        ("has(self.nope.deep)", "self.nope"),
        ("self.tasks[1].done", "self.tasks[1].done"),
        ("self.tasks.map(t, t.done)", "t.done"),
        ("{'a': 1}.b", "(…).b"),
    ] {
        assert_eq!(evaluate(text, &document), Err(EvaluationError::Missing { name: name.to_owned() }), "{text}");
    }
    assert_eq!(evaluate("has(self.barks.nope)", &document), Ok(json!(false)));
    assert_eq!(evaluate("has(self.none)", &document), Ok(json!(true)));
    for (text, message) in [
        ("self.n.deep", "`self.n` is an int: it has no member `deep`"),
        ("self.none.deep", "`self.none` is null: it has no member `deep`"),
        ("old.shipped", "`old` is null: it has no member `shipped`"),
        ("has(self.n.deep)", "`self.n` is an int: it has no member `deep`"),
        ("self.list[3]", "`self.list[3]` is not there: the list has 3"),
        ("self.list[-1]", "`self.list[-1]` is not there: the list has 3"),
        ("self.list[0.5]", "the elements of a list are counted: found a double"),
        ("self.list['a']", "the elements of a list are counted: found a string"),
        ("self.n[0]", "`self.n` is an int: it has no elements"),
    ] {
        assert_eq!(failure(text, &document), message, "{text}");
    }
}

#[test]
fn a_failure_says_what_was_found_and_repeats_no_value() {
    let document = lassie();
    let past_int = "`+` leads out of what an int can hold";
    for (text, message) in [
        ("self.f + self.n", "`+` does not take a double and an int: convert one of them, as in `double(x)`"),
        ("self.name + self.n", "`+` does not take a string and an int"),
        ("self.name - self.name", "`-` does not take a string and a string"),
        ("1.5 % 2.0", "`%` does not take a double and a double"),
        ("self.list + {}", "`+` does not take a list and a map"),
        ("self.n < self.name", "`<` does not take an int and a string"),
        ("self.list < self.list", "`<` does not take a list and a list"),
        ("null >= null", "`>=` does not take null and null"),
        ("9223372036854775807 + 1", past_int),
        ("-9223372036854775807 - 2", "`-` leads out of what an int can hold"),
        ("self.u + 1u", "`+` leads out of what a uint can hold"),
        ("(-9223372036854775807 - 1) / -1", "`/` leads out of what an int can hold"),
        ("(-9223372036854775807 - 1) % -1", "`%` leads out of what an int can hold"),
        ("-(-9223372036854775807 - 1)", "`-` leads out of what an int can hold"),
        ("self.n / 0", "`/` by zero"),
        ("self.u % 0u", "`%` by zero"),
        ("1.0 / 0.0", "the result is inf, which is no number of JSON"),
        ("0.0 / 0.0", "the result is NaN, which is no number of JSON"),
        ("-self.name", "`-` does not take a string"),
        ("!self.name", "`!` takes a boolean: found a string"),
        ("self.name ? 1 : 2", "`?` takes a boolean: found a string"),
        ("self.n && true", "`&&` takes a boolean: found an int"),
        ("self.n.map(x, x)", "`map` goes over a list or a map: found an int"),
        ("self.list.filter(x, x)", "`filter` takes a boolean: found an int"),
        ("1 in 2", "`in` looks into a list or a map: found an int"),
        ("size(self.n)", "`size` does not take an int"),
        ("int(self.name)", "`int` cannot make anything of this string: expected a whole number from -2^63 to 2^63-1"),
        ("int('+1')", "`int` cannot make anything of this string: expected a whole number from -2^63 to 2^63-1"),
        ("int(1e19)", "`int` cannot make anything of this double: expected a whole number from -2^63 to 2^63-1"),
        ("uint(-1)", "`uint` cannot make anything of this int: expected a whole number from 0 to 2^64-1"),
        ("double('x')", "`double` cannot make anything of this string: expected a number"),
        ("string(self.list)", "`string` does not take a list"),
        ("string(b'\\xff')", "`string` cannot make anything of this bytes: expected UTF-8"),
        ("self.n.startsWith('a')", "`startsWith` does not take an int"),
        ("self.name.contains(1)", "`contains` asks about a string: found an int"),
        ("self.n.matches('a')", "`matches` takes a string: found an int"),
        ("b'a'", "the result is bytes: expected a value of JSON"),
        ("type(1)", "the result is a type: expected a value of JSON"),
        ("{1: 'a'}", "the name of a member is an int: expected a string"),
        ("{null: 'a'}", "null is no key of a map: expected a string"),
        ("{'a': 1, 'a': 2}", "a map has the same key twice"),
    ] {
        assert_eq!(failure(text, &document), message, "{text}");
    }
}

#[test]
fn instants_and_durations_are_reckoned_with_and_come_back_as_documents_have_them() {
    are_worth([
        ("now", json!("2026-11-21T10:00:00.000Z")),
        ("string(now)", json!("2026-11-21T10:00:00.000Z")),
        ("now - duration('1h')", json!("2026-11-21T09:00:00.000Z")),
        ("duration('90s') + now", json!("2026-11-21T10:01:30.000Z")),
        ("now == timestamp(self.at)", json!(true)),
        ("now < timestamp('2026-11-21T10:00:00.001Z')", json!(true)),
        ("now - timestamp('2026-11-20T08:30:00Z')", json!("1d 1h 30m")),
        ("duration('90m')", json!("1h 30m")),
        ("duration('PT10M') == duration('10m') && duration('1h30m') == duration('5400s')", json!(true)),
        ("duration('1.5h') - duration('30m')", json!("1h")),
        (
            "string(duration('90m')) + ' ' + string(duration('-1.25s')) + ' ' + string(duration('0'))",
            json!("5400s -1.25s 0s"),
        ),
        ("duration('-1h') < duration('0s')", json!(true)),
        ("int(now)", json!(1_795_255_200)),
        ("timestamp(1795255200) == now", json!(true)),
        ("[now.getFullYear(), now.getMonth(), now.getDate(), now.getDayOfMonth()]", json!([2026, 10, 21, 20])),
        ("[now.getDayOfWeek(), now.getDayOfYear(), now.getHours(), now.getMinutes()]", json!([6, 324, 10, 0])),
        ("now.getHours('+01:30') * 100 + now.getMinutes('+01:30')", json!(1130)),
        ("now.getHours('-11:00') + now.getDate('-11:00') + now.getHours('UTC')", json!(23 + 20 + 10)),
        ("timestamp('2026-11-21T10:00:07.25Z').getMilliseconds()", json!(250)),
        ("duration('90m').getHours() + duration('90m').getMinutes() + duration('2s').getSeconds()", json!(93)),
        ("duration('1.25s').getMilliseconds()", json!(250)),
        ("type(now) == type(timestamp(0)) && type(1) == int && type(type(1)) == type", json!(true)),
        ("type('a') == string && type([]) == list && type({}) == map && type(null) == null_type", json!(true)),
        ("dyn(1) == 1", json!(true)),
    ]);
    let document = lassie();
    for (text, message) in [
        ("duration('-1h')", "the result is a negative duration"),
        (
            "duration('ten')",
            "`duration` cannot make anything of this string: expected a length of time such as 1h 30m or PT10M",
        ),
        (
            "duration('--1h')",
            "`duration` cannot make anything of this string: expected a length of time such as 1h 30m or PT10M",
        ),
        (
            "timestamp('ten')",
            "`timestamp` cannot make anything of this string: expected RFC 3339, such as 2026-11-21T10:00:00Z",
        ),
        ("timestamp(9223372036854775807)", "this instant is not between the years 0 and 9999"),
        ("now + duration('99999999h')", "this instant is not between the years 0 and 9999"),
        ("now + now", "`+` does not take a timestamp and a timestamp"),
        ("now > self.at", "`>` does not take a timestamp and a string"),
        ("now.getHours('Mars/Base')", "expected the time zone `UTC`, or an offset such as `+01:00`"),
        ("now.getHours('+24:00')", "expected the time zone `UTC`, or an offset such as `+01:00`"),
        ("now.getHours(1)", "a time zone is a string: found an int"),
        ("duration('1h').getMonth()", "a duration has no date"),
        ("self.n.getHours()", "only timestamps and durations have such parts: found an int"),
    ] {
        assert_eq!(failure(text, &document), message, "{text}");
    }
}

#[test]
fn a_variable_without_a_value_is_named_and_so_is_a_bad_now() {
    let expression = parse("self.n + 1").expect("an expression");
    let failed = |detail: &str| Err(EvaluationError::Failed { detail: detail.to_owned() });
    assert_eq!(expression.evaluate(&[]), failed("`self` has no value here"));
    let expression = parse("now").expect("an expression");
    assert_eq!(expression.evaluate(&[(Variable::Now, &json!("noon"))]), failed("`now` is no instant"));
}

#[test]
fn what_an_expression_reads_is_known_before() {
    for (text, want) in [
        ("self.barks.next", vec![vec!["barks", "next"]]),
        ("self['barks'].next + self.barks['next']", vec![vec!["barks", "next"]]),
        ("self", vec![vec![]]),
        ("has(self.a.b)", vec![vec!["a", "b"]]),
        ("old.a + now.b", vec![]),
        ("self.list[0].a", vec![vec!["list"]]),
        ("self[self.key].a", vec![vec![], vec!["key"]]),
        ("size(self.a) + self.b.size()", vec![vec!["a"], vec!["b"]]),
        ("self.list.map(x, x.a + self.b)", vec![vec!["list"], vec!["b"]]),
        ("self.list.map(x, self.c, x)", vec![vec!["list"], vec!["c"]]),
        ("[1].map(self, self.a)", vec![]),
        ("[1].map(self, .self.a)", vec![vec!["a"]]),
        ("{'a': self.a, self.b: [self.c]}", vec![vec!["a"], vec!["b"], vec!["c"]]),
        ("!self.a && -self.b < 1 ? self.c : self.d.matches('x')", vec![vec!["a"], vec!["b"], vec!["c"], vec!["d"]]),
    ] {
        let expression = parse(text).expect("an expression");
        assert_eq!(expression.reads(Variable::Document), want, "{text}");
    }
}

#[test]
fn an_expression_is_shown_as_it_was_written_and_is_shared_between_threads() {
    fn is_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let expression = Expression::parse(" self.n ", &[Variable::Document]).expect("an expression");
    is_shared(&expression);
    assert_eq!(expression.text(), " self.n ");
    assert_eq!(format!("{expression:?}"), "Expression(\" self.n \")");
}
