//! The operator's expressions: CEL over values that the caller names.
//!
//! The language is that of the Common Expression Language, with its macros and
//! functions, but for messages, optional values and time zones by name. The
//! pattern of `matches` is a literal. Instants and durations have milliseconds.
//! The integers of JSON are ints; texts are not instants until `timestamp(x)`
//! makes them so.
//!
//! `parse` reads a text, `compile` resolves its names into a `tree`, and
//! `evaluate` walks that over JSON where it lies. The parser is that of the
//! crate `cel`. Its evaluator is not used: it copies what a loop goes over, has
//! no bound, visits maps in an order of chance, and prints values in errors.
//!
//! # Guarantees
//! What an expression can refer to is known once it is parsed. Evaluating one
//! reads no clock, has no effect, and gives the same result each time. Its
//! length and depth are bounded when it is parsed ([`parse`], [`compile`]), its
//! steps and what it makes when it is evaluated ([`budget`]), so that neither
//! text nor value brings the service down. No error repeats a value.
//! # Not here
//! What the values are and what is made of the results.

mod budget;
mod calls;
mod compare;
mod compile;
mod evaluate;
mod functions;
mod json;
mod operators;
mod parse;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use compile::Names;
use tree::Node;
use value::{Val, failed};

pub use template::{Found, Read, RenderError, Scope, Surrounding, Template};

/// A variable of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// The document, observed members included.
    Document,
    /// The document before the change, or null.
    Old,
    /// Observed state of the activity.
    Status,
    /// Where the resource is: `collection`, `id`, `href`, `uid`, `generation`.
    Resource,
    /// An instant, given as in documents; a timestamp in the expression.
    Now,
    /// The job that has ended, as clients see it.
    Job,
}

impl Variable {
    /// As it is spelled.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "self",
            Self::Old => "old",
            Self::Status => "status",
            Self::Resource => "resource",
            Self::Now => "now",
            Self::Job => "job",
        }
    }

    /// What a value that is given for it is in CEL.
    fn value(self, value: &Value) -> Result<Val<'_>, EvaluationError> {
        match self {
            Self::Document | Self::Old | Self::Status | Self::Resource | Self::Job => Ok(Val::of(value)),
            Self::Now => value
                .as_str()
                .and_then(|text| text.parse().ok())
                .map(Val::Instant)
                .ok_or_else(|| failed("`now` is no instant")),
        }
    }
}

/// A CEL expression, parsed and resolved. Cheap to clone.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    variables: Arc<[Variable]>,
    tree: Arc<Node>,
}

impl Expression {
    /// Parses an expression that may refer to these variables.
    ///
    /// # Errors
    /// It is no CEL, or refers to a function or a variable that is not there.
    pub fn parse(text: &str, variables: &[Variable]) -> Result<Self, ExpressionError> {
        let known: Vec<&str> = variables.iter().map(|variable| variable.as_str()).collect();
        let tree = compile::compile(text, Names { known: &known, later: &[] })?;
        Ok(Self { text: text.into(), variables: variables.into(), tree: Arc::new(tree) })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The paths of members that it reads below a variable, such as
    /// `["barks", "next"]` for `self.barks.next`; each as far as it is known
    /// without evaluating it.
    #[must_use]
    pub fn reads(&self, variable: Variable) -> Vec<Vec<String>> {
        self.tree.reads(variable.as_str())
    }

    /// The value of the expression.
    ///
    /// # Errors
    /// [`EvaluationError`].
    pub fn evaluate(&self, values: &[(Variable, &Value)]) -> Result<Value, EvaluationError> {
        let given = |variable: &Variable| {
            let (_, value) = values.iter().find(|(given, _)| given == variable)?;
            Some(variable.value(value))
        };
        let roots: Vec<_> =
            self.variables.iter().map(|variable| given(variable).transpose()).collect::<Result<_, _>>()?;
        evaluate::evaluate(&self.tree, &roots)
    }
}

/// The same text over the same names reads the same.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.variables == other.variables
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

/// A text that is no expression, or no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// Where in the text, in bytes from its start; always at the start of a character.
    pub offset: usize,
    /// What is wrong there and what was expected.
    pub message: String,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It reads a member that is not there.
    #[error("there is no member `{name}`")]
    Missing {
        /// The member.
        name: String,
    },
    /// Anything else.
    #[error("{detail}")]
    Failed {
        /// What went wrong.
        detail: String,
    },
}
