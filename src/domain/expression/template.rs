//! `${…}` in the operator's file: plain paths into what a job is about.
//!
//! A template is text with paths such as `${input.preset}` or
//! `${resource.sizes[0].width}` in it. `$${` stands for a literal `${`, and any
//! other `$` for itself.
//!
//! # Guarantees
//! What a template can refer to is known once it is parsed. What comes out of
//! it is one text without a NUL byte, so it can be one argument or one value in
//! an environment; it is never parsed again.
//! # Not here
//! Expressions other than plain paths: they are refused, with a text that says so.

use serde_json::Value;

use crate::domain::near::nearest;

/// The roots that a path can start at, as they are spelled.
const ROOTS: [(&str, Root); 3] = [("input", Root::Input), ("resource", Root::Resource), ("job", Root::Job)];

/// Roots that the design knows and this version does not have.
const LATER: [&str; 2] = ["secret", "env"];

/// Text with paths in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Path(Path),
}

#[derive(Debug, Clone, PartialEq)]
struct Path {
    /// As it was written, without the braces.
    text: String,
    root: Root,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Root {
    Input,
    Resource,
    Job,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(String),
    Element(usize),
}

/// What the paths of a template lead into.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The input of the job.
    pub input: &'a Value,
    /// The document of the resource.
    pub resource: &'a Value,
    /// The job as clients see it.
    pub job: &'a Value,
}

/// A text that is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// Where in the text, in bytes from its start; always at the start of a character.
    pub offset: usize,
    /// What is wrong there and what was expected.
    pub message: String,
}

/// A path that does not lead to a text, number or boolean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`${{{path}}}` {found}")]
pub struct RenderError {
    /// The path as it was written, such as `input.preset`.
    pub path: String,
    /// What is there instead.
    pub found: Found,
}

/// What a path led to that cannot be rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Found {
    /// The path leads nowhere.
    #[error("is not there")]
    Nothing,
    /// `null`.
    #[error("is null: expected a string, number or boolean")]
    Null,
    /// An object.
    #[error("is an object: expected a string, number or boolean")]
    Object,
    /// An array.
    #[error("is an array: expected a string, number or boolean")]
    Array,
    /// A string with a NUL byte, which no argument can hold.
    #[error("contains a NUL byte, which an argument cannot hold")]
    Nul,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// An unclosed `${`, an empty or unknown expression, or a NUL byte: the
    /// first of them, and where it is.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if let Some(offset) = text.find('\0') {
            return Err(error(offset, "a NUL byte cannot be part of an argument"));
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("$${") {
                literal.push_str("${");
                at += "$${".len();
            } else if let Some(inner) = rest.strip_prefix("${") {
                let start = at + "${".len();
                let length = inner.find('}').ok_or_else(|| {
                    error(at, "this `${` is never closed: expected a `}`, or `$${` for a literal `${`")
                })?;
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Path(Path::parse(&inner[..length], start)?));
                at = start + length + "}".len();
            } else {
                literal.push(next);
                at += next.len_utf8();
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// The template that renders as this text, whatever is in it.
    ///
    /// # Errors
    /// The text contains a NUL byte.
    pub fn literal(text: &str) -> Result<Self, ExpressionError> {
        Self::parse(&text.replace("${", "$${"))
    }

    /// The text, if the template contains no path.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            [Part::Path(_)] | [_, _, ..] => None,
        }
    }

    /// The template with every path replaced by what it leads to.
    ///
    /// Strings stand as they are, numbers and booleans as JSON.
    ///
    /// # Errors
    /// A path leads nowhere, or to something that is not one text.
    pub fn render(&self, scope: &Scope<'_>) -> Result<String, RenderError> {
        let mut rendered = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Path(path) => path.render(scope, &mut rendered)?,
            }
        }
        Ok(rendered)
    }
}

impl Path {
    /// Reads what stands between the braces; `start` is where that is in the template.
    fn parse(inner: &str, start: usize) -> Result<Self, ExpressionError> {
        let text = inner.trim();
        let start = start + (inner.len() - inner.trim_start().len());
        if text.is_empty() {
            return Err(error(start, "empty expression: expected a path such as `input.preset`"));
        }
        let only_paths =
            |at: usize| error(start + at, "this version understands only plain paths such as `${input.a.b}`");
        let name = identifier(text).ok_or_else(|| only_paths(0))?;
        let mut steps = Vec::new();
        let mut at = name.len();
        while at < text.len() {
            let (step, length) = Step::parse(&text[at..]).ok_or_else(|| only_paths(at))?;
            steps.push(step);
            at += length;
        }
        let root = root(name).map_err(|message| error(start, message))?;
        Ok(Self { text: text.to_owned(), root, steps })
    }

    fn render(&self, scope: &Scope<'_>, into: &mut String) -> Result<(), RenderError> {
        let refuse = |found| RenderError { path: self.text.clone(), found };
        let mut value = match self.root {
            Root::Input => scope.input,
            Root::Resource => scope.resource,
            Root::Job => scope.job,
        };
        for step in &self.steps {
            let next = match step {
                Step::Member(name) => value.get(name),
                Step::Element(index) => value.get(index),
            };
            value = next.ok_or_else(|| refuse(Found::Nothing))?;
        }
        match value {
            Value::String(text) if text.contains('\0') => return Err(refuse(Found::Nul)),
            Value::String(text) => into.push_str(text),
            Value::Number(number) => into.push_str(&number.to_string()),
            Value::Bool(true) => into.push_str("true"),
            Value::Bool(false) => into.push_str("false"),
            Value::Null => return Err(refuse(Found::Null)),
            Value::Object(_) => return Err(refuse(Found::Object)),
            Value::Array(_) => return Err(refuse(Found::Array)),
        }
        Ok(())
    }
}

impl Step {
    /// The step that the text starts with, and how many bytes of it that is.
    fn parse(text: &str) -> Option<(Self, usize)> {
        if let Some(rest) = text.strip_prefix('.') {
            let name = identifier(rest)?;
            return Some((Self::Member(name.to_owned()), ".".len() + name.len()));
        }
        let (index, _) = text.strip_prefix('[')?.split_once(']')?;
        // `usize` would read `+1` too.
        let digits = index.bytes().all(|b| b.is_ascii_digit());
        let element = index.parse().ok().filter(|_| digits)?;
        Some((Self::Element(element), "[]".len() + index.len()))
    }
}

/// The identifier that the text starts with.
fn identifier(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
    let name = &text[..end];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(name)
}

fn root(name: &str) -> Result<Root, String> {
    if let Some((_, root)) = ROOTS.iter().find(|(spelled, _)| *spelled == name) {
        return Ok(*root);
    }
    if LATER.contains(&name) {
        return Err(format!("`{name}` is not in this version: expected `input`, `resource` or `job`"));
    }
    Err(match nearest(name, ROOTS.map(|(spelled, _)| spelled)) {
        Some(meant) => format!("unknown variable `{name}`: did you mean `{meant}`?"),
        None => format!("unknown variable `{name}`: expected `input`, `resource` or `job`"),
    })
}

fn error(offset: usize, message: impl Into<String>) -> ExpressionError {
    ExpressionError { offset, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

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
        ] {
            assert_eq!(render(text).map_err(|e| e.to_string()), Err(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_error_says_where_it_is_and_what_was_expected() {
        let only_paths = "this version understands only plain paths such as `${input.a.b}`";
        let unclosed = "this `${` is never closed: expected a `}`, or `$${` for a literal `${`";
        let empty = "empty expression: expected a path such as `input.preset`";
        for (text, offset, message) in [
            ("ä ${input.a", 3, unclosed),
            ("a${}", 3, empty),
            ("${  }", 4, empty),
            ("${size(input.a)}", 6, only_paths),
            ("${1 + 1}", 2, only_paths),
            ("${input.a + 'x'}", 9, only_paths),
            ("${input..a}", 7, only_paths),
            ("${input.}", 7, only_paths),
            ("${input[-1]}", 7, only_paths),
            ("${input[+1]}", 7, only_paths),
            ("${input[]}", 7, only_paths),
            ("${input[99999999999999999999]}", 7, only_paths),
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
            text in "(\\$|\\{|\\}|input|job|\\.|\\[|\\]|[0-9]|ä|-| |\0|.){0,20}"
        ) {
            match Template::parse(&text) {
                Ok(template) => { let _ = template.render(&Scope { input: &json!("x"), resource: &json!({}), job: &json!([1]) }); }
                Err(error) => prop_assert!(text.is_char_boundary(error.offset), "{error:?}"),
            }
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
}
