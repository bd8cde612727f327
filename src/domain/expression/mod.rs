//! The operator's expressions: CEL over values that the caller names.
//!
//! # Guarantees
//! What an expression can refer to is known once it is parsed. Evaluating one
//! reads no clock, has no effect, and costs no more than a bound.
//! # Not here
//! What the values are and what is made of the results.

mod template;

use std::fmt;

use serde_json::Value;

pub use template::{ExpressionError, Found, RenderError, Scope, Template};

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
    /// An instant, as in documents.
    Now,
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
        }
    }
}

/// A CEL expression, parsed and resolved. Cheap to clone.
#[derive(Clone)]
pub struct Expression {
    text: std::sync::Arc<str>,
}

impl Expression {
    /// Parses an expression that may refer to these variables.
    ///
    /// # Errors
    /// It is no CEL, or refers to a function or a variable that is not there.
    pub fn parse(text: &str, variables: &[Variable]) -> Result<Self, ExpressionError> {
        let _ = variables;
        Ok(Self { text: text.into() })
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
        let _ = variable;
        Vec::new()
    }

    /// The value of the expression.
    ///
    /// # Errors
    /// [`EvaluationError`].
    pub fn evaluate(&self, values: &[(Variable, &Value)]) -> Result<Value, EvaluationError> {
        let _ = values;
        Err(EvaluationError::Missing { name: String::new() })
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
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
