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
    source: SourceInfo,
}

impl Parsed {
    /// The byte that a node starts at, or its operator.
    pub(super) fn place(&self, id: u64) -> usize {
        let place = self.source.offset_for(id).map_or(0, |(start, _)| start as usize);
        self.source.source.floor_char_boundary(place)
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
        .map(|(root, source)| Parsed { root, source })
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
        return error(0, format!("nested too deeply: at most {BRACKETS_MAX} levels of brackets and calls"));
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
        return foreign(piece.trim());
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
        (None, _, None) => refused(message),
    }
}

/// What no expression contains.
fn foreign(piece: &str) -> String {
    if piece.trim_start_matches(['r', 'R', 'b', 'B']).starts_with(['\'', '"']) {
        return "this text is never closed, or has an escape that CEL does not know".to_owned();
    }
    let hint = match piece {
        "=" => ": did you mean `==`?",
        "&" => ": did you mean `&&`?",
        "|" => ": did you mean `||`?",
        _ => "",
    };
    format!("`{piece}` is no part of an expression{hint}")
}

/// What could be read and is refused nevertheless.
fn refused(message: &str) -> String {
    match message {
        "invalid int literal" => "this is no int: expected a whole number from -2^63 to 2^63-1".to_owned(),
        "invalid uint literal" => "this is no uint: expected a whole number from 0 to 2^64-1".to_owned(),
        "invalid double literal" => "this is no double: the number is too large".to_owned(),
        _ => match (message.strip_prefix("reserved identifier: "), message.strip_prefix("unsupported syntax ")) {
            (Some(word), _) => format!("`{word}` is a word of CEL: it cannot be a name"),
            (None, Some(syntax)) => format!("{} is not in this version", syntax.replace('\'', "`")),
            (None, None) => message.to_owned(),
        },
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
