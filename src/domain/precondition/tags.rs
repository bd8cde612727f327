//! Lists of entity tags, as clients send them.

use std::fmt;

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
    pub fn parse<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> Result<Option<Self>, PreconditionSyntaxError> {
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
    pub(super) fn names(&self, holds: impl Fn(&Tag) -> bool) -> bool {
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
            let (strength, prefix) = if rest.starts_with(b"W/") { (Strength::Weak, 2) } else { (Strength::Strong, 0) };
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

#[cfg(test)]
pub(super) mod strategies {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_list() -> impl Strategy<Value = TagList> {
        let tag = (any::<bool>(), "[!#-~]{0,5}")
            .prop_map(|(weak, opaque)| Tag { strength: if weak { Strength::Weak } else { Strength::Strong }, opaque });
        prop_oneof![Just(TagList::Any), proptest::collection::vec(tag, 1..5).prop_map(TagList::Tags)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::strategies::any_list;
    use super::*;

    #[test]
    fn tags_are_read_as_rfc_9110_writes_them() {
        for (name, lines, want) in [
            ("one", &[r#""7.31""#][..], r#""7.31""#),
            ("weak", &[r#"W/"7.31""#], r#"W/"7.31""#),
            ("an empty tag", &[r#""""#], r#""""#),
            ("several, spaced anyhow", &["\"a\",\t W/\"b\" , \"c\""], r#""a", W/"b", "c""#),
            ("commas and stars inside", &[r#""a,b", "*""#], r#""a,b", "*""#),
            ("several lines", &[r#""a""#, r#""b", "c""#], r#""a", "b", "c""#),
            ("empty elements", &[r#", "a",, ,"b","#], r#""a", "b""#),
            ("any", &[" * "], "*"),
        ] {
            let list = TagList::parse(lines).expect(name).expect(name);
            assert_eq!(list.to_string(), want, "{name}");
        }
        assert_eq!(TagList::parse::<&str>([]), Ok(None));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        use PreconditionSyntaxError::{AnyAndMore, Empty, NotATag};
        for (line, want) in [
            ("", Empty),
            (" , ,", Empty),
            ("7.31", NotATag { at: 0 }),
            ("'7.31'", NotATag { at: 0 }),
            (r#""7.31"#, NotATag { at: 0 }),
            (r#""a b""#, NotATag { at: 0 }),
            (r#""a" "b""#, NotATag { at: 4 }),
            (r#""a", b"#, NotATag { at: 5 }),
            (r#"w/"a""#, NotATag { at: 0 }),
            (r#"W/ "a""#, NotATag { at: 0 }),
            (r#"W/*"#, NotATag { at: 0 }),
            ("**", NotATag { at: 1 }),
            (r#"*, "a""#, AnyAndMore),
            (r#""a", *"#, AnyAndMore),
        ] {
            assert_eq!(TagList::parse([line]), Err(want), "{line}");
        }
        assert_eq!(TagList::parse(["*", "\"a\""]), Err(AnyAndMore));
        assert_eq!(TagList::parse([b"\"a\x7f\""]), Err(NotATag { at: 0 }));
    }

    #[test]
    fn there_is_an_end_to_the_tags_of_one_field() {
        assert!(TagList::parse(vec!["\"a\""; TAGS_MAX]).is_ok());
        assert_eq!(TagList::parse(vec!["\"a\""; TAGS_MAX + 1]), Err(PreconditionSyntaxError::TooMany));
    }

    proptest! {
        #[test]
        fn a_list_is_read_as_it_is_printed(list in any_list()) {
            prop_assert_eq!(TagList::parse([list.to_string()]), Ok(Some(list)));
        }

        #[test]
        fn no_bytes_make_it_panic(line in proptest::collection::vec(any::<u8>(), 0..24)) {
            let _ = TagList::parse([line]);
        }
    }
}
