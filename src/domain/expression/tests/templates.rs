//! Expressions within text.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::parse::error;
use super::super::{RenderError, Scope, Template};

fn render(text: &str) -> Result<String, RenderError> {
    let input = json!({
        "preset": "slow", "n": 3, "f": 1.0, "yes": true, "none": null, "nul": "a\0b",
        "a": {"b-c": {"_d": "deep"}}, "list": [{"x": "first"}, "second"],
    });
    let scope = Scope { input: &input, resource: &json!({"id": "lassie"}), job: &json!({"id": "j1"}) };
    Template::parse(text).expect("a template").render(&scope)
}

#[test]
fn a_path_is_replaced_by_what_it_leads_to() {
    for (text, want) in [
        ("${input.preset}", "slow"),
        ("-n=${input.n} ${ resource.id }/${job.id}", "-n=3 lassie/j1"),
        ("${input.f}${input.yes}", "1.0true"),
        ("${input.a.b-c._d}", "deep"),
        ("${input.list[0].x},${input.list[1]}", "first,second"),
        ("", ""),
        ("$${input.preset}", "${input.preset}"),
        ("$$${x}", "$${x}"),
        ("$ $$ $x }{ 5$", "$ $$ $x }{ 5$"),
    ] {
        assert_eq!(render(text).as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn what_is_no_path_is_an_expression() {
    for (text, want) in [
        ("${input.n + 1}/${size(input.list)}", "4/2"),
        ("${input.n -1}", "2"),
        ("${input.n == 3 ? 'three' : 'other'}", "three"),
        ("${has(input.nope) ? input.nope : 'none'}", "none"),
        ("${input.a['b-c']._d}", "deep"),
        ("${input.a.`b-c`._d}", "deep"),
        ("${input.f}${input.f * 2.0}", "1.02.0"),
        ("${resource.id + '-' + job.id}", "lassie-j1"),
    ] {
        assert_eq!(render(text).as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn a_brace_in_a_text_or_a_map_does_not_end_an_expression() {
    for (text, want) in [
        ("${'}'}", "}"),
        ("<${'{'}>", "<{>"),
        ("${ {'a': 1}.a }}", "1}"),
        ("${ {'a': {'b': '}'}}.a.b }", "}"),
        (r"${'\'}' + ''}", r"'}"),
        (r"${r'\' + '}'}", r"\}"),
        ("${'''}'}'''}", "}'}"),
        (r#"${"\"}" + """"}"""}"#, r#""}"}"#),
        ("${1 // }\n + 1}", "2"),
    ] {
        assert_eq!(render(text).as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn a_path_to_what_is_not_one_text_is_named_with_what_was_found() {
    for (text, want) in [
        ("x ${input.nope}", "`${input.nope}` is not there"),
        ("${input.preset.x}", "`${input.preset.x}` is not there"),
        ("${input.list[2]}", "`${input.list[2]}` is not there"),
        ("${input.a[0]}", "`${input.a[0]}` is not there"),
        ("${input.none}", "`${input.none}` is null: expected a string, number or boolean"),
        ("${resource}", "`${resource}` is an object: expected a string, number or boolean"),
        ("${input.list}", "`${input.list}` is an array: expected a string, number or boolean"),
        ("${input.nul}", "`${input.nul}` contains a NUL byte, which an argument cannot hold"),
        ("${input.nul + 'c'}", "`${input.nul + 'c'}` contains a NUL byte, which an argument cannot hold"),
        ("${[1]}", "`${[1]}` is an array: expected a string, number or boolean"),
        ("${size(input.nope)}", "`${size(input.nope)}` has no value: there is no member `input.nope`"),
        ("${input.n + 'a'}", "`${input.n + 'a'}` has no value: `+` does not take an int and a string"),
    ] {
        assert_eq!(render(text).map_err(|e| e.to_string()), Err(want.to_owned()), "{text}");
    }
}

#[test]
fn an_error_says_where_it_is_and_what_was_expected() {
    let unclosed = "this `${` is never closed: expected a `}`, or `$${` for a literal `${`";
    let empty = "empty expression: expected a path such as `input.preset`";
    for (text, offset, message) in [
        ("ä ${input.a", 3, unclosed),
        ("a${}", 3, empty),
        ("${  }", 4, empty),
        ("${size(imput.a)}", 7, "unknown variable `imput`: did you mean `input`?"),
        ("ä${sice(input.a)}", 4, "unknown function `sice`: did you mean `size`?"),
        ("${input.a + }", 11, "the expression ends here: expected a value"),
        ("${1 + secret.HOOK}", 6, "`secret` is not in this version: expected `input`, `resource` or `job`"),
        ("${input..a}", 8, "`..` is no part of an expression"),
        ("${input[]}", 8, "found `]`: expected a value"),
        ("${input + 'ä}", 10, "this text is never closed: expected a `'`"),
        ("${ {'a': 1 }", 0, unclosed),
        (
            "${input-size}",
            2,
            "unknown variable `input-size`: expected `input`, `resource` or `job`; a subtraction has spaces around \
             its `-`",
        ),
        ("${imput.a}", 2, "unknown variable `imput`: did you mean `input`?"),
        ("${ self.a}", 3, "unknown variable `self`: expected `input`, `resource` or `job`"),
        ("${secret.HOOK}", 2, "`secret` is not in this version: expected `input`, `resource` or `job`"),
        ("${env.HOME}", 2, "`env` is not in this version: expected `input`, `resource` or `job`"),
        ("a\0", 1, "a NUL byte cannot be part of an argument"),
    ] {
        assert_eq!(Template::parse(text), Err(error(offset, message)), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_brings_the_parser_down_and_an_error_points_into_the_text(
        text in "(\\$|\\$\\{|\\{|\\}|input|job|\\.|\\[|\\]|[0-9]|ä|-| |'|\"|r'|\\\\|//|\n|\0|.){0,20}"
    ) {
        match Template::parse(&text) {
            Ok(template) => { let _ = template.render(&Scope { input: &json!("x"), resource: &json!({}), job: &json!([1]) }); }
            Err(error) => prop_assert!(text.is_char_boundary(error.offset), "{error:?}"),
        }
    }

    #[test]
    fn a_text_in_an_expression_is_any_text(text in "[^\0\r]{0,20}") {
        let escaped: String = text.chars().flat_map(|c| match c {
            '\'' | '\\' => vec!['\\', c],
            '\n' => vec!['\\', 'n'],
            other => vec![other],
        }).collect();
        let template = Template::parse(&format!("<${{'{escaped}'}}>")).expect("a template");
        let scope = Scope { input: &Value::Null, resource: &Value::Null, job: &Value::Null };
        prop_assert_eq!(template.render(&scope), Ok(format!("<{text}>")));
    }

    #[test]
    fn text_without_an_expression_renders_as_itself(text in "[^\0]{0,40}") {
        let scope = Scope { input: &Value::Null, resource: &Value::Null, job: &Value::Null };
        if !text.contains("${") {
            let template = Template::parse(&text).expect("no expression");
            prop_assert_eq!(template.as_literal(), Some(text.as_str()));
            prop_assert_eq!(template.render(&scope), Ok(text));
        }
    }

    #[test]
    fn a_literal_renders_as_itself_whatever_is_in_it(text in "(\\$|\\{|\\}|x|ä){0,12}") {
        let template = Template::literal(&text).expect("no NUL");
        prop_assert_eq!(template.as_literal(), Some(text.as_str()));
    }

    #[test]
    fn a_string_renders_as_itself_even_if_it_looks_like_an_expression(text in "(\\$|\\{|\\}|input|ä| ){0,12}") {
        let scope = Scope { input: &json!({"a": text}), resource: &Value::Null, job: &Value::Null };
        prop_assert_eq!(Template::parse("${input.a}").expect("a path").render(&scope), Ok(text));
    }
}
