//! Expressions within text.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::parse::error;
use super::super::{RenderError, Scope, Surrounding, Template};
use crate::domain::secret::Secrets;

fn render(text: &str) -> Result<String, RenderError> {
    let input = json!({
        "preset": "slow", "n": 3, "f": 1.0, "yes": true, "none": null, "nul": "a\0b",
        "a": {"b-c": {"_d": "deep"}}, "list": [{"x": "first"}, "second"],
    });
    let secret: Secrets = [("HOOK".to_owned(), "s3cret".to_owned())].into_iter().collect();
    let env: Secrets = [("LANG".to_owned(), "C".to_owned()), ("EMPTY".to_owned(), String::new())].into_iter().collect();
    let scope = Scope {
        input: &input,
        resource: &json!({"id": "lassie"}),
        job: &json!({"id": "j1"}),
        secret: &secret,
        env: &env,
    };
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
        ("Bearer ${secret.HOOK}", "Bearer s3cret"),
        ("${env.LANG}${env.EMPTY}", "C"),
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
        ("${has(env.NOPE) ? env.NOPE : 'de'}", "de"),
        ("${size(secret.HOOK)}", "6"),
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
        ("${env.NOPE}", "`${env.NOPE}` is not set in the environment of the service"),
        ("${secret.HOOK.x}", "`${secret.HOOK.x}` is not there"),
        ("${secret.HOOK + 1}", "`${secret.HOOK + 1}` has no value: `+` does not take a string and an int"),
        (
            "${int(secret.HOOK)}",
            "`${int(secret.HOOK)}` has no value: `int` cannot make anything of this string: expected a whole number from -2^63 to 2^63-1",
        ),
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
        ("${input..a}", 8, "`..` is no part of an expression"),
        ("${input[]}", 8, "found `]`: expected a value"),
        ("${input + 'ä}", 10, "this text is never closed: expected a `'`"),
        ("${ {'a': 1 }", 0, unclosed),
        (
            "${input-size}",
            2,
            "unknown variable `input-size`: expected `input`, `resource`, `job`, `secret` or `env`; a subtraction has spaces around \
             its `-`",
        ),
        ("${imput.a}", 2, "unknown variable `imput`: did you mean `input`?"),
        ("${ self.a}", 3, "unknown variable `self`: expected `input`, `resource`, `job`, `secret` or `env`"),
        ("a\0", 1, "a NUL byte cannot be part of an argument"),
    ] {
        assert_eq!(Template::parse(text), Err(error(offset, message)), "{text}");
    }
}

#[test]
fn which_secrets_and_variables_are_read_is_known_before_rendering() {
    for (text, root, want) in [
        ("${secret.A}-${secret.B.c}", Surrounding::Secret, vec![(2, Some("A")), (14, Some("B"))]),
        ("ä ${1 + size(secret['A'])}${env.A}", Surrounding::Secret, vec![(5, Some("A"))]),
        ("${env.A}${secret.A}", Surrounding::Env, vec![(2, Some("A"))]),
        ("${has(env.A) ? env.A : env.B}", Surrounding::Env, vec![(2, Some("A")), (2, Some("B"))]),
        ("${secret[input.name]}", Surrounding::Secret, vec![(2, None)]),
        ("${secret[0]}", Surrounding::Secret, vec![(2, None)]),
        ("${secret}", Surrounding::Secret, vec![(2, None)]),
        ("${env.exists(e, e == input.x)}", Surrounding::Env, vec![(2, None)]),
        ("${input.list.map(secret, secret.A)}", Surrounding::Secret, vec![]),
        ("secret.A $${secret.A} ${input.secret}", Surrounding::Secret, vec![]),
    ] {
        let template = Template::parse(text).expect("a template");
        let reads = template.reads(root);
        let found: Vec<_> = reads.iter().map(|read| (read.offset, read.member.as_deref())).collect();
        assert_eq!(found, want, "{text}");
    }
}

/// A job with this input and nothing else.
fn about(input: &Value) -> Scope<'_> {
    const NONE: &Secrets = &Secrets::none();
    Scope { input, resource: &Value::Null, job: &Value::Null, secret: NONE, env: NONE }
}

proptest! {
    #[test]
    fn no_text_brings_the_parser_down_and_an_error_points_into_the_text(
        text in "(\\$|\\$\\{|\\{|\\}|input|job|\\.|\\[|\\]|[0-9]|ä|-| |'|\"|r'|\\\\|//|\n|\0|.){0,20}"
    ) {
        match Template::parse(&text) {
            Ok(template) => { let _ = template.render(&about(&json!("x"))); }
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
        prop_assert_eq!(template.render(&about(&Value::Null)), Ok(format!("<{text}>")));
    }

    #[test]
    fn text_without_an_expression_renders_as_itself(text in "[^\0]{0,40}") {
        if !text.contains("${") {
            let template = Template::parse(&text).expect("no expression");
            prop_assert_eq!(template.as_literal(), Some(text.as_str()));
            prop_assert_eq!(template.render(&about(&Value::Null)), Ok(text));
        }
    }

    #[test]
    fn a_literal_renders_as_itself_whatever_is_in_it(text in "(\\$|\\{|\\}|x|ä){0,12}") {
        let template = Template::literal(&text).expect("no NUL");
        prop_assert_eq!(template.as_literal(), Some(text.as_str()));
    }

    #[test]
    fn a_string_renders_as_itself_even_if_it_looks_like_an_expression(text in "(\\$|\\{|\\}|input|ä| ){0,12}") {
        let input = json!({"a": text});
        prop_assert_eq!(Template::parse("${input.a}").expect("a path").render(&about(&input)), Ok(text));
    }
}
