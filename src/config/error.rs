//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The most errors that are reported at once.
///
/// A file with more of them is most likely not a configuration at all.
pub const ERRORS_MAX: usize = 100;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {message}", file.display())]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// What is wrong there and what was expected.
    pub message: String,
}

/// Where something stands in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
}

/// All that is wrong with a configuration, in the order of the file; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// A single error that concerns the file as a whole.
    pub(super) fn whole_file(file: &Path, message: String) -> Self {
        Self(vec![ConfigError { file: file.to_owned(), line: 1, column: 1, message }])
    }

    /// A single error that was found once the file had been read.
    #[must_use]
    pub fn later(place: &Place, message: String) -> Self {
        let Place { file, line, column } = place.clone();
        Self(vec![ConfigError { file, line, column, message }])
    }

    /// Several errors that were found once the file had been read; `None` if there are none.
    pub(super) fn found_later(mut errors: Vec<ConfigError>) -> Option<Self> {
        errors.sort_by_key(|error| (error.line, error.column));
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// The errors, in the order of the file.
    #[must_use]
    pub fn as_slice(&self) -> &[ConfigError] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    /// One error a line, without a line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects what is wrong while a file is read.
#[derive(Debug)]
pub(super) struct Report<'t> {
    file: &'t Path,
    text: &'t str,
    found: Vec<(usize, String)>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &'t Path, text: &'t str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// Notes that something is wrong at a place of the text.
    pub(super) fn error(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.found.push((span.start, message.into()));
    }

    /// Notes that something is wrong within a string of the file, `offset` bytes from its start.
    ///
    /// Where the string is spelled with escapes, the error is at its start.
    pub(super) fn error_within(&mut self, span: &Range<usize>, value: &str, offset: usize, message: impl Into<String>) {
        let spelled = self.text.get(span.clone()).and_then(|source| source.find(value));
        let start = spelled.map_or(span.start, |quotes| span.start + quotes + offset);
        self.found.push((start, message.into()));
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What is wrong, in the order of the file, the first [`ERRORS_MAX`].
    pub(super) fn into_errors(mut self) -> ConfigErrors {
        self.found.sort();
        self.found.truncate(ERRORS_MAX);
        ConfigErrors(self.found.iter().map(|(offset, message)| self.locate(*offset, message)).collect())
    }

    fn locate(&self, offset: usize, message: &str) -> ConfigError {
        let Place { file, line, column } = self.place(offset);
        ConfigError { file, line, column, message: message.to_owned() }
    }

    /// Where something stands that begins so many bytes into the text.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}
