//! The text of an expression becomes a tree, or an error that says where and why.

use cel::Env;
use cel::IdedExpr;
use cel::common::ast::SourceInfo;
use cel::parser::{ParseError, ParseErrors};

use super::ExpressionError;

/// Longest text, in bytes. A declaration that needs more is a program; the
/// parser's stack and the size of the tree are bounded by it.
pub(super) const TEXT_MAX: usize = 4096;

/// How deeply parentheses, lists, maps and calls may be nested. The parser
/// recurses through a dozen of its own functions for each.
const BRACKETS_MAX: u16 = 32;

/// A tree, and where in the text its nodes are.
pub(super) struct Parsed {
    pub(super) root: IdedExpr,
    places: Places,
}

/// Where in the text the nodes of a tree are.
struct Places {
    source: SourceInfo,
    /// The byte that each character starts at, and the end: the parser counts characters.
    bytes: Vec<usize>,
}

impl Places {
    fn new(source: SourceInfo, text: &str) -> Self {
        let bytes = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        Self { source, bytes }
    }

    fn of(&self, id: u64) -> usize {
        let char = self.source.offset_for(id).map_or(0, |(start, _)| start as usize);
        self.bytes.get(char).or(self.bytes.last()).copied().unwrap_or(0)
    }
}

impl Parsed {
    /// The byte that a node starts at.
    pub(super) fn place(&self, id: u64) -> usize {
        self.places.of(id)
    }
}

/// Reads an expression, without asking what its names stand for.
pub(super) fn parse(text: &str) -> Result<Parsed, ExpressionError> {
    if text.len() > TEXT_MAX {
        let message = format!("{} bytes are too long for an expression: at most {TEXT_MAX}", text.len());
        return Err(error(0, message));
    }
    if text.trim().is_empty() {
        return Err(error(text.len(), "empty: expected an expression such as `self.size + 1`"));
    }
    // An environment without macros: what they make of a text is ours to say.
    Env::default()
        .with_optional_support(false)
        .parser()
        .enable_ident_escape_syntax(true)
        .max_recursion_depth(BRACKETS_MAX)
        .parse_with_source_info(text)
        .map(|(root, source)| Parsed { root, places: Places::new(source, text) })
        .map_err(|errors| explain(text, &errors))
}

pub(super) fn error(offset: usize, message: impl Into<String>) -> ExpressionError {
    ExpressionError { offset, message: message.into() }
}

/// The first of what the parser found, in words for people.
fn explain(text: &str, errors: &ParseErrors) -> ExpressionError {
    let syntax = errors.errors.iter().find(|error| error.msg.starts_with(SYNTAX));
    let Some(first) = syntax.or(errors.errors.first()) else {
        return error(0, "expected an expression");
    };
    if first.msg.contains("Recursion limit") || first.msg.contains("recovery attempt limit") {
        return error(0, format!("nested too deeply: at most {BRACKETS_MAX} levels"));
    }
    error(offset_of(text, first), words_for(&first.msg))
}

const SYNTAX: &str = "Syntax error: ";

/// The byte at a line and a column, which count characters from 1.
fn offset_of(text: &str, error: &ParseError) -> usize {
    let line = usize::try_from(error.pos.0 - 1).unwrap_or(0);
    let column = usize::try_from(error.pos.1 - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

fn words_for(message: &str) -> String {
    let message = message.strip_prefix(SYNTAX).unwrap_or(message);
    let (found, expected) = match message.split_once(" expecting ") {
        Some((found, expected)) => (found, Some(expectation(expected))),
        None => (message, None),
    };
    let quoted = |prefix: &str| {
        let rest = found.strip_prefix(prefix)?.strip_prefix('\'')?;
        Some(rest.strip_suffix('\'').unwrap_or(rest))
    };
    if let Some(piece) = quoted("token recognition error at: ") {
        let is_text = piece.trim_start_matches(['r', 'R', 'b', 'B']).starts_with(['\'', '"']);
        return if is_text {
            "this text is never closed, or has an escape that CEL does not know".to_owned()
        } else {
            format!("`{}` is no part of an expression", piece.trim())
        };
    }
    if let Some(piece) = quoted("no viable alternative at input ") {
        return format!("`{piece}` is no part of an expression");
    }
    let found = quoted("mismatched input ").or_else(|| quoted("extraneous input "));
    let found = found.map(|token| match token {
        "<EOF>" => "the expression ends here".to_owned(),
        token => format!("found `{token}`"),
    });
    match (found, expected, message.strip_prefix("missing ")) {
        (Some(found), Some(expected), _) => format!("{found}: expected {expected}"),
        (Some(found), None, _) => found,
        (None, _, Some(missing)) => {
            let missing = missing.split(" at ").next().unwrap_or(missing).replace('\'', "`");
            format!("expected {missing}")
        }
        (None, _, None) => message.to_owned(),
    }
}

/// What the parser could go on with: tokens in braces, or one.
fn expectation(set: &str) -> String {
    if set.contains("IDENTIFIER") {
        return "a value".to_owned();
    }
    if set.contains("<EOF>") {
        return "an operator, or the end".to_owned();
    }
    let closing = ["')'", "']'", "'}'", "','", "':'"].into_iter().filter(|token| set.contains(token));
    let closing: Vec<String> = closing.map(|token| token.replace('\'', "`")).collect();
    if closing.is_empty() { "an operator".to_owned() } else { closing.join(" or ") }
}
