//! The query: which parameters there are, and what they say.

use std::fmt::Display;
use std::str::FromStr;

use super::percent;
use super::problem::{Kind, Problem};
use crate::api::jobs::JobFilter;
use crate::api::{Intent, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, PageRequest};
use crate::domain::fields::Fields;
use crate::domain::id::ParseIdError;
use crate::domain::job::JobPhase;
use crate::domain::log::{LogView, Stamps};

/// The parameter of every change: it is only to be said what it would do.
pub(super) const DRY_RUN: &str = "dryRun";

/// The parameters of a request: all known, none twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Reads a query in which only these parameters may occur.
    pub(super) fn parse(raw: &str, known: &[&'static str]) -> Result<Self, Problem> {
        let mut parameters: Vec<(&'static str, String)> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (percent::decode_field(name), percent::decode_field(value)) else {
                return Err(refuse("the query is not UTF-8 in percent-encoding"));
            };
            let Some(known) = known.iter().find(|known| **known == name) else {
                return Err(unknown(&name, known));
            };
            if parameters.iter().any(|(before, _)| before == known) {
                return Err(refuse(format!("the query parameter `{known}` occurs twice")));
            }
            parameters.push((known, value));
        }
        Ok(Self(parameters))
    }

    /// This query on another page of the same list, below `base`.
    pub(super) fn href(&self, base: &str, cursor: Option<&str>) -> String {
        let kept = self.0.iter().filter(|(name, _)| *name != "cursor").map(|(name, value)| (*name, value.as_str()));
        let mut href = base.to_owned();
        for (at, (name, value)) in kept.chain(cursor.map(|cursor| ("cursor", cursor))).enumerate() {
            href.push(if at == 0 { '?' } else { '&' });
            href.push_str(name);
            href.push('=');
            href.push_str(&percent::encode(value).to_string());
        }
        href
    }

    /// Where the page that is asked for starts.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.get("cursor")
    }

    /// From where on to be told of changes.
    pub(super) fn after(&self) -> Option<&str> {
        self.get("after")
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The parameter, read as an id or a name.
    fn name<T: FromStr<Err = ParseIdError>>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.get(name).map(str::parse).transpose().map_err(|error: ParseIdError| invalid(name, error.expected()))
    }

    /// Which part of a list is wanted.
    pub(super) fn page(&self) -> Result<PageRequest, Problem> {
        let limit = match self.get("limit") {
            None => PAGE_ITEMS_DEFAULT,
            Some(text) => number(text)
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|limit| (1..=PAGE_ITEMS_MAX).contains(limit))
                .ok_or_else(|| invalid("limit", format!("a number from 1 to {PAGE_ITEMS_MAX}")))?,
        };
        Ok(PageRequest { limit, cursor: self.get("cursor").map(str::to_owned) })
    }

    /// Which members are wanted; `None` for all.
    pub(super) fn fields(&self) -> Result<Option<Fields>, Problem> {
        let refused = |error| refuse(format!("the query parameter `fields`: {error}"));
        self.get("fields").map(Fields::parse).transpose().map_err(refused)
    }

    /// Which jobs are wanted.
    pub(super) fn job_filter(&self) -> Result<JobFilter, Problem> {
        let phase = |word| {
            JobPhase::from_word(word)
                .ok_or_else(|| invalid("phase", format!("one of {}", JobPhase::ALL.map(JobPhase::as_str).join(", "))))
        };
        Ok(JobFilter {
            operation: self.name("operation")?,
            phase: self.get("phase").map(phase).transpose()?,
            collection: self.name("collection")?,
            resource: self.name("resource")?,
        })
    }

    /// Whether a change is to be made.
    pub(super) fn intent(&self) -> Result<Intent, Problem> {
        Ok(if self.flag(DRY_RUN)? { Intent::Try } else { Intent::Make })
    }

    /// Which attempt is wanted.
    pub(super) fn attempt(&self) -> Result<Option<u32>, Problem> {
        let number =
            |text| number(text).filter(|number| *number > 0).ok_or_else(|| invalid("attempt", "a number from 1"));
        self.get("attempt").map(number).transpose()
    }

    /// Which part of a log is wanted, and how.
    pub(super) fn log_view(&self) -> Result<LogView, Problem> {
        let stream = |text: &str| text.parse().map_err(|()| invalid("stream", "`stdout` or `stderr`"));
        let stamps = if self.flag("timestamps")? { Stamps::Shown } else { Stamps::Hidden };
        Ok(LogView { stream: self.get("stream").map(stream).transpose()?, stamps })
    }

    /// Whether a log is wanted on and on.
    pub(super) fn follow(&self) -> Result<Follow, Problem> {
        Ok(if self.flag("follow")? { Follow::On } else { Follow::Once })
    }

    fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(invalid(name, "`true` or `false`")),
        }
    }
}

/// For how long a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// As far as it goes now.
    Once,
    /// Until its attempt is over.
    On,
}

/// A number in digits alone.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn refuse(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::BadRequest, detail)
}

fn invalid(name: &str, expected: impl Display) -> Problem {
    refuse(format!("the query parameter `{name}` is not {expected}"))
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let taken = match known {
        [] => "this takes none".to_owned(),
        known => format!("this takes {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    refuse(format!("there is no query parameter `{name}`: {taken}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::log::Stream;

    const PAGE: &[&str] = &["limit", "cursor"];
    const JOBS: &[&str] = &["limit", "cursor", "operation", "phase", "collection", "resource"];

    #[test]
    fn a_query_of_known_parameters_is_read() {
        let page = |raw| Query::parse(raw, PAGE).and_then(|query| query.page()).expect("a page");
        assert_eq!(page(""), PageRequest { limit: 100, cursor: None });
        assert_eq!(page("&limit=1&"), PageRequest { limit: 1, cursor: None });
        assert_eq!(page("cursor=a%2Bb+c&limit=1000"), PageRequest { limit: 1000, cursor: Some("a+b c".to_owned()) });
        let filter = Query::parse("phase=running&operation=bark&collection=dogs&resource=1", JOBS)
            .and_then(|query| query.job_filter())
            .expect("a filter");
        assert_eq!(filter.phase, Some(JobPhase::Running));
        assert_eq!(filter.resource.map(|id| id.to_string()).as_deref(), Some("1"));
        let attempt = |raw| Query::parse(raw, &["attempt"]).and_then(|query| query.attempt());
        assert_eq!(attempt("").expect("none"), None);
        assert_eq!(attempt("attempt=2").expect("one"), Some(2));
        assert!(attempt("attempt=0").is_err());
        let view = |raw| Query::parse(raw, &["stream", "timestamps", "follow"]).and_then(|query| query.log_view());
        assert!(view("follow=true").expect("a view").is_plain());
        let found = view("stream=stderr&timestamps=true").expect("a view");
        assert_eq!(found, LogView { stream: Some(Stream::Stderr), stamps: Stamps::Shown });
        for wrong in ["stream=both", "stream=heeler", "stream=", "timestamps", "timestamps=1"] {
            assert!(view(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_dry_run_is_true_or_false() {
        let intent = |raw| Query::parse(raw, &[DRY_RUN]).and_then(|query| query.intent()).ok();
        for (raw, want) in [
            ("", Some(Intent::Make)),
            ("dryRun=false", Some(Intent::Make)),
            ("dryRun=true", Some(Intent::Try)),
            ("dryRun", None),
            ("dryRun=", None),
            ("dryRun=1", None),
            ("dryRun=True", None),
            ("dryRun=true&dryRun=true", None),
            ("dryrun=true", None),
        ] {
            assert_eq!(intent(raw), want, "{raw}");
        }
    }

    #[test]
    fn the_next_page_keeps_everything_but_the_cursor() {
        let query = Query::parse("cursor=a&phase=running&limit=2", JOBS).expect("a query");
        assert_eq!(query.href("/v1/jobs", Some("b/c")), "/v1/jobs?phase=running&limit=2&cursor=b%2Fc");
        assert_eq!(Query::default().href("/v1/jobs", None), "/v1/jobs");
    }

    #[test]
    fn whatever_else_is_in_a_query_is_refused() {
        for raw in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=+1",
            "limit=1.0",
            "limit=",
            "limit",
            "limit=99999999999999999999",
            "limit=1&limit=1",
            "limit=1&%6Cimit=1",
            "Limit=1",
            "page=10",
            "=",
            "cursor=%zz",
            "cursor=%ff",
            "cursor=%",
            "phase=done",
            "operation=1a",
            "collection=jobs",
            "resource=a%2Fb",
        ] {
            let read = Query::parse(raw, JOBS).and_then(|query| Ok((query.page()?, query.job_filter()?)));
            assert_eq!(read.map_err(|problem| problem.status().as_u16()).err(), Some(400), "{raw}");
        }
    }
}
