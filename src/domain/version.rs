//! Generations, revisions and the entity tags that are made of them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts the changes of one resource's desired state, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The generation of a resource that was just created.
    pub const FIRST: Self = Self(1);

    /// The generation with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The generation after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number, for the wire and the store.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The store's commit counter at some commit. It never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// The revision with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number, for the wire and the store.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The strong entity tag of a resource: `"<changed>.<revision>"`.
///
/// `changed` is the revision at which the desired state last changed,
/// `revision` the one at which anything visible last changed. Revisions are
/// never used twice, so a tag is never used twice (RFC 9110, 8.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag {
    /// When the desired state last changed.
    pub changed: Revision,
    /// When anything visible last changed.
    pub revision: Revision,
}

impl ETag {
    /// Reads what stands between the quotes of a tag that we made.
    ///
    /// A suffix that names another media type or coding (`-h`, `-gz`) is
    /// ignored. `None` for anything that we never made.
    #[must_use]
    pub fn from_opaque(opaque: &str) -> Option<Self> {
        let bare = opaque.split_once('-').map_or(opaque, |(bare, _suffix)| bare);
        let (changed, revision) = bare.split_once('.')?;
        Some(Self { changed: number(changed)?, revision: number(revision)? })
    }
}

/// Reads a revision in the one spelling that we write.
fn number(text: &str) -> Option<Revision> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok().map(Revision) } else { None }
}

impl fmt::Display for ETag {
    /// The tag as it stands in a header, quotes included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}.{}\"", self.changed, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(changed: u64, revision: u64) -> ETag {
        ETag { changed: Revision(changed), revision: Revision(revision) }
    }

    #[test]
    fn a_tag_is_read_as_it_was_written_with_or_without_a_suffix() {
        assert_eq!(tag(7, 31).to_string(), "\"7.31\"");
        assert_eq!(ETag::from_opaque("7.31"), Some(tag(7, 31)));
        assert_eq!(ETag::from_opaque("7.31-gz"), Some(tag(7, 31)));
    }

    #[test]
    fn a_tag_that_we_never_made_is_no_tag() {
        for foreign in ["", "7", "7.", ".7", "07.31", "+7.31", "7.31.1", "a.b", "99999999999999999999.1"] {
            assert_eq!(ETag::from_opaque(foreign), None, "{foreign}");
        }
    }
}
