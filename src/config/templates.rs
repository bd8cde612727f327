//! Texts with `${…}` in them, held to what is declared.

use super::error::Report;
use super::secrets::Declared;
use super::section::Field;
use crate::domain::expression::{Read, Surrounding, Template};
use crate::domain::near::did_you_mean;

/// Who sees what a template renders as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Only what the work is done with.
    Work,
    /// Everybody on this machine: it is an argument of a program.
    Argument,
    /// Clients: it is the path on which programs are looked for, and named when they are not found.
    Path,
}

/// Reads templates.
#[derive(Debug)]
pub(super) struct Templates {
    declared: Declared,
}

impl Templates {
    /// Templates that may refer to the declared secrets.
    pub(super) const fn new(declared: Declared) -> Self {
        Self { declared }
    }

    /// The template that a field holds.
    pub(super) fn read(&self, field: &Field<'_>, exposure: Exposure, report: &mut Report<'_>) -> Option<Template> {
        let text = field.text("a string", report)?;
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                report.error_within(&field.span, text, error.offset, format!("`{}`: {error}", field.path));
                return None;
            }
        };
        let mut refuse = |read: &Read, message: String| {
            report.error_within(&field.span, text, read.offset, format!("`{}`: {message}", field.path));
        };
        for read in template.reads(Surrounding::Secret) {
            if let Some(message) = self.secret(&read, exposure) {
                refuse(&read, message);
            }
        }
        for read in template.reads(Surrounding::Env) {
            if let Some(message) = self.variable(&read) {
                refuse(&read, message);
            }
        }
        Some(template)
    }

    /// Why this is the name of no secret.
    pub(super) fn undeclared(&self, name: &str) -> Option<String> {
        if self.declared.names.contains(name) {
            return None;
        }
        let hint = did_you_mean(name, self.declared.names.iter().map(String::as_str));
        Some(format!("there is no secret `{name}` under `[secrets]`{hint}"))
    }

    /// What is wrong with reading this secret there.
    fn secret(&self, read: &Read, exposure: Exposure) -> Option<String> {
        let Some(name) = &read.member else {
            return Some("a secret is read by its name: expected `secret.NAME`".to_owned());
        };
        if let Some(problem) = self.undeclared(name) {
            return Some(problem);
        }
        match exposure {
            Exposure::Work => None,
            Exposure::Argument => Some(
                "everybody on the machine can see the arguments of a program: hand the secret over in `env`, or as a file in `secrets`"
                    .to_owned(),
            ),
            Exposure::Path => Some("`PATH` is shown where a program is not found: it cannot have a secret in it".to_owned()),
        }
    }

    /// What is wrong with reading this variable.
    fn variable(&self, read: &Read) -> Option<String> {
        let Some(name) = &read.member else {
            return Some("a variable is read by its name: expected `env.NAME`".to_owned());
        };
        let secret = self.declared.variables.get(name)?;
        Some(format!("the variable `{name}` holds a secret: expected `secret.{secret}`"))
    }
}
