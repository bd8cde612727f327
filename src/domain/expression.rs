//! `${…}` in the operator's file: plain paths into what a job is about.
//!
//! A template is text with paths such as `${input.preset}` or
//! `${resource.size.width}` in it. `$${` stands for a literal `${`.

use serde_json::Value;

/// A template that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not closed")]
pub struct ExpressionError(String);

/// A template that has no text for what a job is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a text, number or boolean")]
pub struct RenderError(String);

/// What paths look into.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The input of the job.
    pub input: &'a Value,
    /// The document of the resource.
    pub resource: &'a Value,
    /// The job.
    pub job: &'a Value,
}

/// Text with paths in it.
#[derive(Debug, Clone)]
pub struct Template(Vec<Result<String, String>>);

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// A path is not closed.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (path, next) = after.split_once('}').ok_or_else(|| ExpressionError(text.to_owned()))?;
            parts.push(Ok(before.to_owned()));
            parts.push(Err(path.to_owned()));
            rest = next;
        }
        parts.push(Ok(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The text for what a job is about.
    ///
    /// # Errors
    /// A path leads to nothing, or to what is no text.
    pub fn render(&self, scope: &Scope<'_>) -> Result<String, RenderError> {
        self.0
            .iter()
            .map(|part| match part {
                Ok(text) => Ok(text.clone()),
                Err(path) => {
                    let (root, rest) = path.split_once('.').unwrap_or((path, ""));
                    let root = match root {
                        "input" => scope.input,
                        "resource" => scope.resource,
                        _ => scope.job,
                    };
                    match root.pointer(&format!("/{}", rest.replace('.', "/"))) {
                        Some(Value::String(text)) => Ok(text.clone()),
                        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
                        _ => Err(RenderError(path.clone())),
                    }
                }
            })
            .collect()
    }
}
