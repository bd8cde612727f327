//! What is no expression, and where that is said to be.

use super::{Expression, Variable, parse};

fn are_refused<const N: usize>(table: [(&str, usize, &str); N]) {
    for (text, offset, message) in table {
        let error = parse(text).expect_err(text);
        assert_eq!((error.offset, error.message.as_str()), (offset, message), "{text}");
    }
}

#[test]
fn a_text_that_is_no_cel_is_pointed_at_where_it_ends_to_be() {
    are_refused([
        ("", 0, "empty: expected an expression such as `self.size + 1`"),
        (" \n", 2, "empty: expected an expression such as `self.size + 1`"),
        ("self.n +", 8, "the expression ends here: expected a value"),
        ("self.n + * 2", 9, "found `*`: expected a value"),
        ("&& self.n", 0, "found `&&`: expected a value"),
        ("self.n self.n", 7, "found `self`: expected an operator, or the end"),
        ("(self.n", 7, "expected `)`"),
        ("[1, 2", 5, "the expression ends here: expected `]` or `,`"),
        ("{'a': 1", 7, "the expression ends here: expected `}` or `,`"),
        ("{'a' 1}", 5, "expected `:`"),
        ("self.n ? 1", 10, "the expression ends here: expected `:`"),
        ("'ä' + 'ö' + ", 14, "the expression ends here: expected a value"),
        ("'ä' @ 1", 5, "`@` is no part of an expression"),
        ("self.größe", 7, "`ö` is no part of an expression"),
        ("self.n = 1", 7, "`=` is no part of an expression: did you mean `==`?"),
        ("self.a & self.b", 7, "`&` is no part of an expression: did you mean `&&`?"),
        ("self.a | self.b", 7, "`|` is no part of an expression: did you mean `||`?"),
        ("'abc", 0, "this text is never closed, or has an escape that CEL does not know"),
        (r"'ä' + 'a\q'", 7, "this text is never closed, or has an escape that CEL does not know"),
        ("self.n\n+\n)", 9, "found `)`: expected a value"),
        ("99999999999999999999", 0, "this is no int: expected a whole number from -2^63 to 2^63-1"),
        ("99999999999999999999u", 0, "this is no uint: expected a whole number from 0 to 2^64-1"),
        ("1e999", 0, "this is no double: the number is too large"),
        ("if(self.n)", 0, "`if` is a word of CEL: it cannot be a name"),
        ("self.a.?b", 6, "`.?` is not in this version"),
        ("Dog{age: 1}", 0, "there are no types of messages: expected a map such as `{'a': 1}`"),
    ]);
}

#[test]
fn a_name_that_stands_for_nothing_is_pointed_at_and_the_near_one_is_named() {
    are_refused([
        ("'ä' + sefl.n", 7, "unknown variable `sefl`: did you mean `self`?"),
        ("dog.n", 0, "unknown variable `dog`: expected `self`, `old` or `now`"),
        ("input.n", 0, "unknown variable `input`: expected `self`, `old` or `now`"),
        ("self.list.map(item, itm + 1)", 20, "unknown variable `itm`: did you mean `item`?"),
        ("self.list.map(x, x) + x", 22, "unknown variable `x`: expected `self`, `old` or `now`"),
        ("[1].map(x, .x)", 12, "unknown variable `x`: expected `self`, `old` or `now`"),
        ("sise(self.a)", 0, "unknown function `sise`: did you mean `size`?"),
        ("'ä'.startWith('a')", 5, "unknown function `startWith`: did you mean `startsWith`?"),
        ("self.a . exist (x, x)", 9, "unknown function `exist`: did you mean `exists`?"),
        ("self.launch()", 5, "unknown function `launch`"),
        ("optional.of(1)", 9, "unknown function `of`"),
        ("1 + _x_(2, 3)", 4, "unknown function `_x_`"),
    ]);
    let error = Expression::parse("now", &[Variable::Document]).expect_err("no `now`");
    assert_eq!(error.message, "unknown variable `now`: expected `self`");
    let error = Expression::parse("now", &[]).expect_err("no `now`");
    assert_eq!(error.message, "unknown variable `now`: expected no variable");
}

#[test]
fn a_function_is_written_in_its_forms() {
    are_refused([
        ("size()", 0, "this is not how `size` is written: expected `size(x)` or `x.size()`"),
        ("self.a.string()", 7, "this is not how `string` is written: expected `string(x)`"),
        ("startsWith('a', 'b')", 0, "this is not how `startsWith` is written: expected `text.startsWith('part')`"),
        ("has(self)", 0, "this is not how `has` is written: expected `has(x.member)`"),
        ("has(self['a'])", 0, "this is not how `has` is written: expected `has(x.member)`"),
        ("self.has(self.a)", 5, "this is not how `has` is written: expected `has(x.member)`"),
        ("self.a.all(x)", 7, "this is not how `all` is written: expected `list.all(x, condition)`"),
        ("all(x, x)", 0, "this is not how `all` is written: expected `list.all(x, condition)`"),
        ("self.a.map(1, 2)", 11, "expected the name of a variable, as in `list.map(x, …)`"),
        ("self.a.map(x.y, 2)", 12, "expected the name of a variable, as in `list.map(x, …)`"),
        ("self.a.matches(self.b)", 19, "a pattern is read once, with the file: expected a text in quotes"),
        ("self.a.matches('(')", 15, "this is no pattern: unclosed group"),
        ("self.a.matches('(a{1000}){1000}')", 15, "this is no pattern: it repeats or lists too much"),
    ]);
}
