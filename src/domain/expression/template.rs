//! `${…}` in the operator's file: expressions over what a job is about.
//!
//! A template is text with expressions such as `${input.preset}` or
//! `${size(input.pages) + 1}` in it. `$${` stands for a literal `${`, and any
//! other `$` for itself.
//!
//! What looks like a path is one: names, which may have a `-` in them, after
//! dots, and numbers in brackets, as in `${resource.sizes[0].width-px}`. So a
//! subtraction needs a space before its `-`. Everything else is CEL. A `}` in
//! a text of the expression or after a `{` of it does not end it.
//!
//! # Guarantees
//! What a template can refer to is known once it is parsed. What comes out of
//! it is one text without a NUL byte, so it can be one argument or one value in
//! an environment; it is never parsed again. No error repeats a value.
//! # Not here
//! What CEL is: that is the module above.

use std::sync::Arc;

use serde_json::Value;

use super::compile::{Names, compile, unknown_variable};
use super::evaluate::evaluate;
use super::parse::error;
use super::tree::Node;
use super::value::Val;
use super::{EvaluationError, ExpressionError};
use crate::domain::secret::Secrets;

/// The roots that an expression can start from.
const NAMES: Names<'static> = Names { known: &["input", "resource", "job", "secret", "env"], later: &[] };

/// The place of `env` among them.
const ENV: usize = 4;

/// Text with expressions in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Expression(Inner),
}

/// What stands between braces.
#[derive(Debug, Clone)]
struct Inner {
    /// As it was written, without the braces.
    text: String,
    /// Where that is in the template, in bytes.
    offset: usize,
    reading: Reading,
}

/// The same text reads the same: there is one set of names.
impl PartialEq for Inner {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Debug, Clone)]
enum Reading {
    Path(Path),
    Cel(Arc<Node>),
}

#[derive(Debug, Clone)]
struct Path {
    /// The place of its root among the names.
    root: usize,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Member(String),
    Element(usize),
}

/// What the expressions of a template are about.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The input of the job.
    pub input: &'a Value,
    /// The document of the resource.
    pub resource: &'a Value,
    /// The job as clients see it.
    pub job: &'a Value,
    /// The secrets that are declared.
    pub secret: &'a Secrets,
    /// The environment of the service.
    pub env: &'a Secrets,
}

impl<'a> Scope<'a> {
    const fn roots(&self) -> [&'a Value; 5] {
        [self.input, self.resource, self.job, self.secret.as_value(), self.env.as_value()]
    }
}

/// One of the two roots whose members the operator's side gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surrounding {
    /// `secret`.
    Secret,
    /// `env`.
    Env,
}

impl Surrounding {
    /// As it is spelled.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Env => "env",
        }
    }
}

/// That a template reads a member of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Where its expression is in the template, in bytes.
    pub offset: usize,
    /// The member; `None` where it is only known once the template is rendered.
    pub member: Option<String>,
}

/// An expression whose value is no text, number or boolean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`${{{path}}}` {found}")]
pub struct RenderError {
    /// The expression as it was written, such as `input.preset`.
    pub path: String,
    /// What is there instead.
    pub found: Found,
}

/// What an expression led to that cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Found {
    /// The path leads nowhere.
    #[error("is not there")]
    Nothing,
    /// It is a variable that the service was started without.
    #[error("is not set in the environment of the service")]
    Unset,
    /// The expression has no value.
    #[error("has no value: {0}")]
    Failure(EvaluationError),
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
    /// An unclosed `${`, an empty expression, one that is neither a path nor
    /// CEL, or a NUL byte: the first of them, and where it is.
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
                let length = length_of(inner).map_err(|open| match open {
                    Open::Braces => error(at, UNCLOSED),
                    Open::Quote { at, quote } => {
                        error(start + at, format!("this text is never closed: expected a `{quote}`"))
                    }
                })?;
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Expression(Inner::parse(&inner[..length], start)?));
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

    /// The template of one expression, which stands without its braces.
    ///
    /// # Errors
    /// It is empty, or neither a path nor CEL: what is wrong, and where.
    pub fn expression(text: &str) -> Result<Self, ExpressionError> {
        Ok(Self { parts: vec![Part::Expression(Inner::parse(text, 0)?)] })
    }

    /// The template that renders as this text, whatever is in it.
    ///
    /// # Errors
    /// The text contains a NUL byte.
    pub fn literal(text: &str) -> Result<Self, ExpressionError> {
        Self::parse(&text.replace("${", "$${"))
    }

    /// The text, if the template contains no expression.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            [Part::Expression(_)] | [_, _, ..] => None,
        }
    }

    /// The members of a root that the template reads, in the order of the text.
    #[must_use]
    pub fn reads(&self, root: Surrounding) -> Vec<Read> {
        let inner = self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Expression(inner) => Some(inner),
        });
        inner.flat_map(|inner| inner.reads(root)).collect()
    }

    /// The template with every expression replaced by its value.
    ///
    /// Strings stand as they are, numbers and booleans as JSON.
    ///
    /// # Errors
    /// An expression has no value, or one that is not one text.
    pub fn render(&self, scope: &Scope<'_>) -> Result<String, RenderError> {
        self.render_by(scope, |_, value| value.to_owned())
    }

    /// The same, with each value put as `put` says, which is given what stands
    /// before it and the value.
    ///
    /// # Errors
    /// An expression has no value, or one that is not one text.
    pub fn render_by(&self, scope: &Scope<'_>, put: impl Fn(&str, &str) -> String) -> Result<String, RenderError> {
        let mut rendered = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Expression(inner) => {
                    let mut value = String::new();
                    inner.render(scope, &mut value)?;
                    let value = put(&rendered, &value);
                    rendered.push_str(&value);
                }
            }
        }
        Ok(rendered)
    }

    /// The value of a template that is one expression and nothing else; of any
    /// other, its text.
    ///
    /// # Errors
    /// An expression has no value, or one that is to be part of a text and is
    /// not one.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Value, RenderError> {
        match self.parts.as_slice() {
            [Part::Expression(inner)] => inner.value(scope),
            [] | [Part::Text(_)] | [_, _, ..] => self.render(scope).map(Value::String),
        }
    }

    /// The text before the first expression.
    #[must_use]
    pub fn head(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            Some(Part::Expression(_)) | None => "",
        }
    }
}

const UNCLOSED: &str = "this `${` is never closed: expected a `}`, or `$${` for a literal `${`";

impl Inner {
    /// Reads what stands between the braces; `start` is where that is in the template.
    fn parse(inner: &str, start: usize) -> Result<Self, ExpressionError> {
        let text = inner.trim();
        let start = start + (inner.len() - inner.trim_start().len());
        if text.is_empty() {
            return Err(error(start, "empty expression: expected a path such as `input.preset`"));
        }
        let reading = match path(text) {
            Some((name, steps)) => {
                Reading::Path(Path { root: root(name).map_err(|message| error(start, message))?, steps })
            }
            None => {
                let tree = compile(text, NAMES);
                Reading::Cel(Arc::new(tree.map_err(|wrong| error(start + wrong.offset, wrong.message))?))
            }
        };
        Ok(Self { text: text.to_owned(), offset: start, reading })
    }

    fn reads(&self, root: Surrounding) -> Vec<Read> {
        let members: Vec<Option<String>> = match &self.reading {
            Reading::Path(path) if NAMES.known.get(path.root) == Some(&root.as_str()) => {
                vec![path.steps.first().and_then(Step::member).map(str::to_owned)]
            }
            Reading::Path(_) => Vec::new(),
            Reading::Cel(tree) => tree.reads(root.as_str()).into_iter().map(|path| path.into_iter().next()).collect(),
        };
        members.into_iter().map(|member| Read { offset: self.offset, member }).collect()
    }

    fn value(&self, scope: &Scope<'_>) -> Result<Value, RenderError> {
        let refuse = |found| RenderError { path: self.text.clone(), found };
        let roots = scope.roots();
        match &self.reading {
            Reading::Path(path) => path.find(&roots).cloned().ok_or_else(|| refuse(path.nothing())),
            Reading::Cel(tree) => {
                let value = evaluate(tree, &roots.map(|root| Some(Val::of(root))));
                value.map_err(|error| refuse(Found::Failure(error)))
            }
        }
    }

    fn render(&self, scope: &Scope<'_>, into: &mut String) -> Result<(), RenderError> {
        let refuse = |found| RenderError { path: self.text.clone(), found };
        let roots = scope.roots();
        match &self.reading {
            Reading::Path(path) => write(path.find(&roots).ok_or_else(|| refuse(path.nothing()))?, into),
            Reading::Cel(tree) => {
                let value = evaluate(tree, &roots.map(|root| Some(Val::of(root))));
                write(&value.map_err(|error| refuse(Found::Failure(error)))?, into)
            }
        }
        .map_err(refuse)
    }
}

impl Path {
    const fn nothing(&self) -> Found {
        if self.root == ENV { Found::Unset } else { Found::Nothing }
    }

    fn find<'v>(&self, roots: &[&'v Value]) -> Option<&'v Value> {
        let root = *roots.get(self.root)?;
        self.steps.iter().try_fold(root, |value, step| match step {
            Step::Member(name) => value.get(name),
            Step::Element(index) => value.get(index),
        })
    }
}

/// Writes a value that is one text: strings as they are, numbers and booleans as JSON.
fn write(value: &Value, into: &mut String) -> Result<(), Found> {
    match value {
        Value::String(text) if text.contains('\0') => return Err(Found::Nul),
        Value::String(text) => into.push_str(text),
        Value::Number(number) => into.push_str(&number.to_string()),
        Value::Bool(true) => into.push_str("true"),
        Value::Bool(false) => into.push_str("false"),
        Value::Null => return Err(Found::Null),
        Value::Object(_) => return Err(Found::Object),
        Value::Array(_) => return Err(Found::Array),
    }
    Ok(())
}

/// The name and the steps of what is nothing but a path.
fn path(text: &str) -> Option<(&str, Vec<Step>)> {
    let name = identifier(text)?;
    let mut steps = Vec::new();
    let mut at = name.len();
    while at < text.len() {
        let (step, length) = Step::parse(&text[at..])?;
        steps.push(step);
        at += length;
    }
    Some((name, steps))
}

impl Step {
    fn member(&self) -> Option<&str> {
        match self {
            Self::Member(name) => Some(name),
            Self::Element(_) => None,
        }
    }

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

fn root(name: &str) -> Result<usize, String> {
    let known = NAMES.known.iter().position(|known| *known == name);
    known.ok_or_else(|| {
        let hint = if name.contains('-') { "; a subtraction has spaces around its `-`" } else { "" };
        format!("{}{hint}", unknown_variable(name, NAMES, &[]))
    })
}

/// What keeps an expression from ending.
enum Open {
    Braces,
    Quote { at: usize, quote: &'static str },
}

/// How long an expression is, up to the `}` that closes it: none of its texts,
/// comments and maps.
fn length_of(text: &str) -> Result<usize, Open> {
    let mut braces = 0;
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        match next {
            '}' if braces == 0 => return Ok(at),
            '}' => braces -= 1,
            '{' => braces += 1,
            '\'' | '"' | '`' => {
                at += quoted_length(&text[at..], is_raw(&text[..at])).map_err(|quote| Open::Quote { at, quote })?;
                continue;
            }
            '/' if text[at..].starts_with("//") => {
                at += text[at..].find('\n').ok_or(Open::Braces)?;
                continue;
            }
            _ => {}
        }
        at += next.len_utf8();
    }
    Err(Open::Braces)
}

/// Whether a text of CEL after this has no escapes: `r'…'`.
fn is_raw(before: &str) -> bool {
    let start = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
    matches!(before[start..].to_ascii_lowercase().as_str(), "r" | "br" | "rb")
}

/// How long the text of CEL is that starts here, with its quotes; the missing
/// quote where it does not end.
fn quoted_length(text: &str, is_raw: bool) -> Result<usize, &'static str> {
    let quote = ["\'\'\'", "\"\"\"", "'", "\"", "`"].into_iter().find(|quote| text.starts_with(quote)).unwrap_or("'");
    let mut at = quote.len();
    while let Some(next) = text[at..].chars().next() {
        if text[at..].starts_with(quote) {
            return Ok(at + quote.len());
        }
        at += next.len_utf8();
        if next == '\\' && !is_raw {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    Err(quote)
}
