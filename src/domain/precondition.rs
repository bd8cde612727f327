//! What a client believes about a resource, and whether it is so (RFC 9110, 13).
//!
//! # Guarantees
//! `If-Match` never holds for a resource that is absent. A date never lets a
//! change slip through: its one-second resolution is read against the writer.
//! # Assumptions
//! The caller asks again inside the commit, with what is stored there.
//! # Not here
//! Whether a precondition is required (428), and which method meets an absent
//! resource with 404 instead.

use std::fmt;

use super::time::Timestamp;
use super::version::ETag;

/// The most tags that one field may list.
///
/// A client holds a handful of versions of one resource; more is an attack on
/// our time.
pub const TAGS_MAX: usize = 100;

/// How a tag was marked (RFC 9110, 8.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Without a prefix.
    Strong,
    /// With `W/`, which compressing proxies put before our strong tags.
    Weak,
}

/// An entity tag as a client sent it (RFC 9110, 8.8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// How it was marked.
    pub strength: Strength,
    /// What stands between the quotes, each byte as the character of that
    /// number; our own tags are ASCII.
    pub opaque: String,
}

impl fmt::Display for Tag {
    /// The tag as it stands in a header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.strength {
            Strength::Strong => "",
            Strength::Weak => "W/",
        };
        write!(f, "{prefix}\"{}\"", self.opaque)
    }
}

/// The value of an `If-Match` or `If-None-Match` field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagList {
    /// `*`: whatever exists.
    Any,
    /// One or more tags.
    Tags(Vec<Tag>),
}

/// A field that is not a list of entity tags. It is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreconditionSyntaxError {
    /// There is nothing in it.
    #[error("names no entity tag: expected `*` or tags such as \"7.31\"")]
    Empty,
    /// A tag is not between quotes, or something follows it other than a comma.
    #[error("not a list of entity tags at byte {at}: expected tags in double quotes such as \"7.31\", or `*`")]
    NotATag {
        /// The byte, from 0, within its line.
        at: usize,
    },
    /// `*` beside something else.
    #[error("`*` stands alone or not at all")]
    AnyAndMore,
    /// More tags than [`TAGS_MAX`].
    #[error("more than {TAGS_MAX} entity tags")]
    TooMany,
}

impl TagList {
    /// Reads all lines of one field as one list; `None` if there is no line.
    ///
    /// Empty list elements are passed over (RFC 9110, 5.6.1.2).
    ///
    /// # Errors
    /// The lines are neither `*` nor a list of at least one tag.
    pub fn parse<L: AsRef<[u8]>>(
        lines: impl IntoIterator<Item = L>,
    ) -> Result<Option<Self>, PreconditionSyntaxError> {
        let mut present = false;
        let mut any = false;
        let mut tags = Vec::new();
        for line in lines {
            present = true;
            for element in elements(line.as_ref()) {
                match element? {
                    Element::Any => any = true,
                    Element::Tag(tag) => tags.push(tag),
                }
                if any && !tags.is_empty() {
                    return Err(PreconditionSyntaxError::AnyAndMore);
                }
                if tags.len() > TAGS_MAX {
                    return Err(PreconditionSyntaxError::TooMany);
                }
            }
        }
        match (present, any, tags.is_empty()) {
            (false, _, _) => Ok(None),
            (true, true, _) => Ok(Some(Self::Any)),
            (true, false, false) => Ok(Some(Self::Tags(tags))),
            (true, false, true) => Err(PreconditionSyntaxError::Empty),
        }
    }

    /// Whether it is `*` or names a tag that `holds`.
    fn names(&self, holds: impl Fn(&Tag) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(holds),
        }
    }
}

impl fmt::Display for TagList {
    /// The list as one line of a header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Tags(tags) => {
                for (index, tag) in tags.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    tag.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

enum Element {
    Any,
    Tag(Tag),
}

/// The elements of one line of a field.
struct Elements<'l> {
    line: &'l [u8],
    at: usize,
}

const fn elements(line: &[u8]) -> Elements<'_> {
    Elements { line, at: 0 }
}

impl Elements<'_> {
    fn skip(&mut self, skipped: &[u8]) {
        let rest = &self.line[self.at..];
        self.at += rest.iter().take_while(|b| skipped.contains(b)).count();
    }

    fn element(&mut self) -> Result<Element, PreconditionSyntaxError> {
        let refuse = PreconditionSyntaxError::NotATag { at: self.at };
        let rest = &self.line[self.at..];
        let (element, length) = if rest.starts_with(b"*") {
            (Element::Any, 1)
        } else {
            let (strength, prefix) =
                if rest.starts_with(b"W/") { (Strength::Weak, 2) } else { (Strength::Strong, 0) };
            let quoted = rest[prefix..].strip_prefix(b"\"").ok_or(refuse)?;
            let length = quoted.iter().position(|&b| !is_tag_byte(b)).ok_or(refuse)?;
            if quoted[length] != b'"' {
                return Err(refuse);
            }
            let opaque = quoted[..length].iter().map(|&b| char::from(b)).collect();
            (Element::Tag(Tag { strength, opaque }), prefix + length + 2)
        };
        self.at += length;
        self.skip(b" \t");
        match self.line.get(self.at) {
            None | Some(b',') => Ok(element),
            Some(_) => Err(PreconditionSyntaxError::NotATag { at: self.at }),
        }
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<Element, PreconditionSyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip(b" \t,");
        if self.at == self.line.len() { None } else { Some(self.element()) }
    }
}

/// `etagc` of RFC 9110, 8.8.3: any visible byte but the quote, commas included.
const fn is_tag_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..=0xff)
}

/// What a request demands of the state that it meets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// `If-Match`.
    pub if_match: Option<TagList>,
    /// `If-None-Match`.
    pub if_none_match: Option<TagList>,
    /// `If-Unmodified-Since`; `None` also if it is no date (RFC 9110, 13.1.4).
    pub if_unmodified_since: Option<Timestamp>,
    /// `If-Modified-Since`; `None` also if it is no date (RFC 9110, 13.1.3).
    pub if_modified_since: Option<Timestamp>,
}

impl Preconditions {
    /// Nothing is demanded.
    pub const NONE: Self =
        Self { if_match: None, if_none_match: None, if_unmodified_since: None, if_modified_since: None };

    /// Whether nothing is demanded that an unsafe method heeds.
    ///
    /// `If-Modified-Since` is for reading alone (RFC 9110, 13.1.3).
    #[must_use]
    pub const fn is_empty_for_write(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none() && self.if_unmodified_since.is_none()
    }
}

/// What there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// The tag, without a suffix.
    pub etag: ETag,
    /// When the desired state last changed.
    pub changed_at: Timestamp,
}

/// How much of a tag `If-Match` compares on an unsafe method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// The part that names the desired state, so that a client can edit while
    /// jobs report progress.
    DesiredState,
    /// All of it (`Prefer: handling=strict`).
    WholeTag,
}

/// The precondition that does not hold. It is answered with 412.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// `If-Match` names other versions than the current one.
    #[error("`If-Match` names no current version: the resource has changed since")]
    Changed,
    /// `If-Match` was sent and the resource is absent.
    #[error("`If-Match` demands that the resource exists, and it does not")]
    Absent,
    /// `If-Unmodified-Since` names an instant that the last change is not
    /// certain to be older than.
    #[error("the resource changed in the second that `If-Unmodified-Since` names, or later: use `If-Match`")]
    ChangedSince,
    /// `If-None-Match: *` was sent and the resource exists.
    #[error("`If-None-Match: *` demands that the resource does not exist, and it does")]
    Exists,
    /// `If-None-Match` names the current version.
    #[error("`If-None-Match` names the current version")]
    Unchanged,
}

/// Judges an unsafe method, in the order of RFC 9110, 13.2.2: `If-Match`, else
/// `If-Unmodified-Since`; then `If-None-Match`.
///
/// `W/` and a suffix (`-h`, `-gz`) are ignored in every tag. A date says nothing
/// about a resource that is absent, which has none (RFC 9110, 13.1.4).
///
/// # Errors
/// The first precondition that does not hold.
pub fn check(
    preconditions: &Preconditions,
    current: Option<&Current>,
    strictness: Strictness,
) -> Result<(), Failed> {
    if let Some(tags) = &preconditions.if_match {
        judge_if_match(tags, current, strictness)?;
    } else if let (Some(date), Some(current)) = (preconditions.if_unmodified_since, current)
        // Equal seconds fail: a change later in that second would be lost.
        && current.changed_at.second() >= date.second()
    {
        return Err(Failed::ChangedSince);
    }
    match (&preconditions.if_none_match, current) {
        (Some(TagList::Any), Some(_)) => Err(Failed::Exists),
        (Some(tags), Some(current)) if tags.names(|tag| is_whole(tag, current)) => Err(Failed::Unchanged),
        _ => Ok(()),
    }
}

fn judge_if_match(tags: &TagList, current: Option<&Current>, strictness: Strictness) -> Result<(), Failed> {
    let current = current.ok_or(Failed::Absent)?;
    let holds = match strictness {
        Strictness::WholeTag => tags.names(|tag| is_whole(tag, current)),
        Strictness::DesiredState => {
            tags.names(|tag| ETag::from_opaque(&tag.opaque).is_some_and(|tag| tag.changed == current.etag.changed))
        }
    };
    if holds { Ok(()) } else { Err(Failed::Changed) }
}

fn is_whole(tag: &Tag, current: &Current) -> bool {
    ETag::from_opaque(&tag.opaque) == Some(current.etag)
}

/// What a conditional GET or HEAD is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadVerdict {
    /// The representation.
    Send,
    /// 304: the client has it.
    NotModified,
}

/// Judges GET and HEAD of a resource that exists, in the order of RFC 9110,
/// 13.2.2.
///
/// `suffix` is what follows the tag inside the quotes for the representation
/// that would be sent: `""`, or such as `-h` or `-gz`. `If-None-Match` compares
/// all of it, since a client that holds the page does not hold the JSON;
/// `If-Match` ignores it, and so do both with `W/`.
///
/// # Errors
/// `If-Match`, or else `If-Unmodified-Since`, does not hold.
pub fn check_read(
    preconditions: &Preconditions,
    current: &Current,
    suffix: &str,
) -> Result<ReadVerdict, Failed> {
    let changed = current.changed_at.second();
    if let Some(tags) = &preconditions.if_match {
        judge_if_match(tags, Some(current), Strictness::WholeTag)?;
    } else if preconditions.if_unmodified_since.is_some_and(|date| changed > date.second()) {
        return Err(Failed::ChangedSince);
    }
    let held = match (&preconditions.if_none_match, preconditions.if_modified_since) {
        (Some(tags), _) => {
            let sent = format!("{}.{}{suffix}", current.etag.changed, current.etag.revision);
            tags.names(|tag| tag.opaque == sent)
        }
        (None, Some(date)) => changed <= date.second(),
        (None, None) => false,
    };
    Ok(if held { ReadVerdict::NotModified } else { ReadVerdict::Send })
}
