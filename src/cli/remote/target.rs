//! What a command is about, as it is named on the command line.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::args;
use crate::domain::id::{ActivityName, CollectionName, JobId};

/// All but what RFC 3986, 2.3 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A resource, by its collection and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct ResourceName {
    pub(super) collection: CollectionName,
    /// Whatever the collection takes.
    pub(super) id: String,
}

/// Something that a service has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Target {
    Collection(CollectionName),
    Resource(ResourceName),
    Activity(ResourceName, ActivityName),
    Jobs,
    Job(JobId),
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collection(name) => write!(f, "{name}"),
            Self::Resource(name) => write!(f, "{name}"),
            Self::Activity(name, activity) => write!(f, "{name}/{activity}"),
            Self::Jobs => f.write_str("jobs"),
            Self::Job(id) => write!(f, "jobs/{id}"),
        }
    }
}

/// A value as it may stand anywhere in a URL.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn parse(text: &str, expected: &str) -> Result<Target, String> {
    let refuse = || format!("expected {expected}");
    let parts: Vec<&str> = text.split('/').collect();
    let named = |collection: &str, id: &str| {
        let collection = collection.parse().map_err(|error| format!("{error}"))?;
        if id.is_empty() { Err(refuse()) } else { Ok(ResourceName { collection, id: id.to_owned() }) }
    };
    match parts.as_slice() {
        ["jobs"] => Ok(Target::Jobs),
        ["jobs", id] => id.parse().map(Target::Job).map_err(|_| format!("`{id}` is not the id of a job")),
        [one] => match (one.parse(), one.parse()) {
            (Ok(job), _) => Ok(Target::Job(job)),
            (Err(_), Ok(collection)) => Ok(Target::Collection(collection)),
            (Err(_), Err(_)) => Err(refuse()),
        },
        [collection, id] => named(collection, id).map(Target::Resource),
        [collection, id, activity] => Ok(Target::Activity(named(collection, id)?, args::activity(activity)?)),
        _ => Err(refuse()),
    }
}

/// Reads `COLLECTION/ID`.
pub(super) fn resource(text: &str) -> Result<ResourceName, String> {
    const EXPECTED: &str = "`COLLECTION/ID`";
    match parse(text, EXPECTED)? {
        Target::Resource(name) => Ok(name),
        Target::Collection(_) | Target::Activity(..) | Target::Jobs | Target::Job(_) => {
            Err(format!("expected {EXPECTED}"))
        }
    }
}

/// Reads `COLLECTION/ID[/ACTIVITY]`.
pub(super) fn resource_or_activity(text: &str) -> Result<Target, String> {
    const EXPECTED: &str = "`COLLECTION/ID` or `COLLECTION/ID/ACTIVITY`";
    match parse(text, EXPECTED)? {
        found @ (Target::Resource(_) | Target::Activity(..)) => Ok(found),
        Target::Collection(_) | Target::Jobs | Target::Job(_) => Err(format!("expected {EXPECTED}")),
    }
}

/// Reads `COLLECTION/ID` or `jobs/ID`.
pub(super) fn resource_or_job(text: &str) -> Result<Target, String> {
    const EXPECTED: &str = "`COLLECTION/ID` or `jobs/ID`";
    match parse(text, EXPECTED)? {
        found @ (Target::Resource(_) | Target::Job(_)) => Ok(found),
        Target::Collection(_) | Target::Activity(..) | Target::Jobs => Err(format!("expected {EXPECTED}")),
    }
}

/// Reads whatever has jobs, or is one.
pub(super) fn work(text: &str) -> Result<Target, String> {
    const EXPECTED: &str = "`jobs/ID`, `COLLECTION/ID` or `COLLECTION/ID/ACTIVITY`";
    match parse(text, EXPECTED)? {
        found @ (Target::Resource(_) | Target::Activity(..) | Target::Job(_)) => Ok(found),
        Target::Collection(_) | Target::Jobs => Err(format!("expected {EXPECTED}")),
    }
}

/// Reads whatever is a list, or in one.
pub(super) fn anything_listed(text: &str) -> Result<Target, String> {
    const EXPECTED: &str = "`COLLECTION`, `COLLECTION/ID`, `jobs` or `jobs/ID`";
    match parse(text, EXPECTED)? {
        found @ (Target::Collection(_) | Target::Resource(_) | Target::Jobs | Target::Job(_)) => Ok(found),
        Target::Activity(..) => Err(format!("expected {EXPECTED}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_read_and_written_the_same() {
        let job = "01a1fd8c-6ce8-7d0a-912b-8ee8928edf24";
        for (text, kind) in [
            ("videos", "Collection"),
            ("videos/42", "Resource"),
            ("videos/a:b~c@d", "Resource"),
            ("videos/42/processing", "Activity"),
            ("jobs", "Jobs"),
            (&format!("jobs/{job}"), "Job"),
        ] {
            let target = parse(text, "").expect(text);
            assert!(format!("{target:?}").starts_with(kind), "{text}: {target:?}");
            assert_eq!(target.to_string(), text);
        }
        assert_eq!(parse(job, "").map(|target| target.to_string()), Ok(format!("jobs/{job}")));
        for text in ["", "/", "videos/", "/videos/42", "videos//x", "a/b/c/d", "jobs/7", "operations/x", "videos/4/…"]
        {
            assert!(parse(text, "").is_err(), "{text}");
        }
        assert!(resource("jobs/7").is_err() && resource("videos").is_err() && resource("videos/42").is_ok());
    }

    #[test]
    fn what_a_url_would_read_otherwise_is_encoded() {
        assert_eq!(encoded("a/b?c#d%e f@~.é"), "a%2Fb%3Fc%23d%25e%20f%40~.%C3%A9");
    }
}
