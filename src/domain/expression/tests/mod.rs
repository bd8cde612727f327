//! Expressions from outside: what they are worth, what is refused, what they cost.

mod bounds;
mod errors;
mod properties;
mod templates;
mod values;

use serde_json::{Value, json};

use super::{EvaluationError, Expression, ExpressionError, Variable};

const VARIABLES: [Variable; 3] = [Variable::Document, Variable::Old, Variable::Now];

fn parse(text: &str) -> Result<Expression, ExpressionError> {
    Expression::parse(text, &VARIABLES)
}

/// The value of an expression over a document that was not there before.
fn evaluate(text: &str, document: &Value) -> Result<Value, EvaluationError> {
    let expression = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let now = json!("2026-11-21T10:00:00.000Z");
    expression.evaluate(&[(Variable::Document, document), (Variable::Old, &Value::Null), (Variable::Now, &now)])
}

/// What an expression fails with, for people.
fn failure(text: &str, document: &Value) -> String {
    match evaluate(text, document) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{text} has a value"),
    }
}
