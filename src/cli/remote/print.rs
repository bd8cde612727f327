//! What is found, as it is printed: tables, documents and names.

use std::io::{self, IsTerminal as _};

use clap::builder::styling::{AnsiColor, Style};
use serde_json::Value;

use super::status::{self, phases};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// The longest value that is shown within a line.
const SHOWN_CHARS_MAX: usize = 160;

/// Writes a line of what was asked for. Where nobody reads it any more, that is the end.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// The same of bytes as they are.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    output::write(bytes).map_err(|_| Failure::Said(Exit::Done))
}

/// Text of others in a line of ours: it can neither end the line nor steer the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A JSON value in a line, cut where it is long.
pub(super) fn short(value: &Value) -> String {
    let text = plain(&value.to_string());
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
}

/// A document for people and programs.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON can always be written")
}

/// Colours, where they are seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colors {
    on: bool,
}

impl Colors {
    pub(super) fn of_stdout() -> Self {
        Self { on: io::stdout().is_terminal() && are_wanted() }
    }

    pub(super) fn of_stderr() -> Self {
        Self { on: io::stderr().is_terminal() && are_wanted() }
    }

    pub(super) fn good(self, text: &str) -> String {
        self.in_style(AnsiColor::Green.on_default(), text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.in_style(AnsiColor::Red.on_default(), text)
    }

    pub(super) fn other(self, text: &str) -> String {
        self.in_style(AnsiColor::Yellow.on_default(), text)
    }

    pub(super) fn title(self, text: &str) -> String {
        self.in_style(Style::new().bold(), text)
    }

    fn in_style(self, style: Style, text: &str) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// As no-color.org has it.
fn are_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Rows under a head, in columns as wide as the first rows need.
#[derive(Debug)]
pub(super) struct Table {
    head: &'static [&'static str],
    widths: Vec<usize>,
    begun: bool,
}

impl Table {
    pub(super) fn new(head: &'static [&'static str]) -> Self {
        Self { head, widths: head.iter().map(|name| name.len()).collect(), begun: false }
    }

    /// The lines of more rows, with the head before the first ones.
    pub(super) fn lines(&mut self, rows: &[Vec<String>]) -> Vec<String> {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let head = (!self.begun && !rows.is_empty()).then(|| self.head.iter().map(|name| (*name).to_owned()).collect());
        self.begun |= !rows.is_empty();
        head.iter().chain(rows).map(|row: &Vec<String>| self.line(row)).collect()
    }

    fn line(&self, row: &[String]) -> String {
        let cells = row.iter().zip(&self.widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// What a table of resources says.
pub(super) const RESOURCE_HEAD: &[&str] = &["ID", "SETTLED", "PHASE", "UPDATED"];

/// What a table of jobs says.
pub(super) const JOB_HEAD: &[&str] = &["ID", "RESOURCE", "ACTIVITY", "OPERATION", "PHASE", "CREATED"];

/// A resource in a table.
pub(super) fn resource_row(resource: &Value) -> Vec<String> {
    let status = status::of(resource);
    let settled = if status["settled"] == true { "yes" } else { "no" };
    vec![text(&resource["id"]), settled.to_owned(), phases(resource), text(&status["updated"])]
}

/// A job in a table.
pub(super) fn job_row(job: &Value) -> Vec<String> {
    let resource = format!("{}/{}", text(&job["resource"]["collection"]), text(&job["resource"]["id"]));
    let phase = status::phase(job);
    vec![text(&job["id"]), resource, text(&job["activity"]), text(&job["operation"]), phase, text(&job["created"])]
}

/// A string of a document, in a line; empty if it is none.
pub(super) fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new(&["ID", "PHASE"]);
        let row = |id: &str, phase: &str| vec![id.to_owned(), phase.to_owned()];
        assert_eq!(table.lines(&[]), [""; 0]);
        assert_eq!(table.lines(&[row("a", "idle"), row("länger", "")]), ["ID      PHASE", "a       idle", "länger"]);
        assert_eq!(table.lines(&[row("b", "running")]), ["b       running"]);
    }

    #[test]
    fn what_others_wrote_neither_ends_a_line_nor_steers_a_terminal() {
        assert_eq!(plain("a\u{1b}[2J\nb\u{9b}c"), "a [2J b c");
        assert!(!short(&json!("\u{9b}31m\u{7f}")).chars().any(char::is_control));
        assert_eq!(short(&json!("x".repeat(500))).chars().count(), SHOWN_CHARS_MAX + 1);
    }
}
