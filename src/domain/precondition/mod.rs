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

mod tags;

use super::time::Timestamp;
use super::version::ETag;
pub use tags::{PreconditionSyntaxError, Strength, TAGS_MAX, Tag, TagList};

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

    /// The same about something that has no date, where dates say nothing
    /// (RFC 9110, 13.1.3 and 13.1.4).
    #[must_use]
    pub fn without_dates(&self) -> Self {
        Self { if_unmodified_since: None, if_modified_since: None, ..self.clone() }
    }

    /// The same about a part that is absent of something that is there, and
    /// whose tags are those of the whole: `*` is about the part alone.
    ///
    /// # Errors
    /// `If-Match: *`.
    pub fn of_absent_part(&self) -> Result<Self, Failed> {
        if self.if_match == Some(TagList::Any) {
            return Err(Failed::Absent);
        }
        let if_none_match = self.if_none_match.clone().filter(|tags| *tags != TagList::Any);
        Ok(Self { if_none_match, ..self.clone() })
    }

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
pub fn check(preconditions: &Preconditions, current: Option<&Current>, strictness: Strictness) -> Result<(), Failed> {
    if let Some(tags) = &preconditions.if_match {
        judge_if_match(tags, current, strictness)?;
    } else {
        judge_date(preconditions, current)?;
    }
    judge_if_none_match(preconditions, current)
}

/// As [`check`], of something that belongs to another thing and may be asked
/// for by the tag of either: what is demanded holds if one of them is current.
/// It has no date of its own, so a date is about `owner`.
///
/// The two must never share the first part of a tag, or else a tag of one that
/// is old could hold for the other.
///
/// # Errors
/// The first precondition that does not hold.
pub fn check_owned(
    preconditions: &Preconditions,
    own: &Current,
    owner: &Current,
    strictness: Strictness,
) -> Result<(), Failed> {
    if let Some(tags) = &preconditions.if_match {
        let of_owner = |why| judge_if_match(tags, Some(owner), strictness).map_err(|_| why);
        judge_if_match(tags, Some(own), strictness).or_else(of_owner)?;
    } else {
        judge_date(preconditions, Some(owner))?;
    }
    judge_if_none_match(preconditions, Some(own))?;
    judge_if_none_match(preconditions, Some(owner))
}

fn judge_date(preconditions: &Preconditions, current: Option<&Current>) -> Result<(), Failed> {
    match (preconditions.if_unmodified_since, current) {
        // Equal seconds fail: a change later in that second would be lost.
        (Some(date), Some(current)) if current.changed_at.second() >= date.second() => Err(Failed::ChangedSince),
        _ => Ok(()),
    }
}

fn judge_if_none_match(preconditions: &Preconditions, current: Option<&Current>) -> Result<(), Failed> {
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
pub fn check_read(preconditions: &Preconditions, current: &Current, suffix: &str) -> Result<ReadVerdict, Failed> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::tags::strategies::any_list;
    use super::*;
    use crate::domain::version::Revision;

    fn tags(line: &str) -> TagList {
        TagList::parse([line]).expect(line).expect("a line")
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Changed at revision 7, seen to progress until 31, at 10.4 s.
    fn current() -> Current {
        let etag = ETag { changed: Revision::from_number(7), revision: Revision::from_number(31) };
        Current { etag, changed_at: at(10_400) }
    }

    #[test]
    fn an_unsafe_method_is_judged_by_rfc_9110_and_on_desired_state() {
        use Strictness::{DesiredState, WholeTag};
        let here = Some(current());
        for (name, if_match, current, strictness, want) in [
            ("the current tag", r#""7.31""#, here, DesiredState, Ok(())),
            ("the current tag, strictly", r#""7.31""#, here, WholeTag, Ok(())),
            ("an older progress", r#""7.12""#, here, DesiredState, Ok(())),
            ("an older progress, strictly", r#""7.12""#, here, WholeTag, Err(Failed::Changed)),
            ("an older change", r#""6.31""#, here, DesiredState, Err(Failed::Changed)),
            ("made weak by a proxy", r#"W/"7.31""#, here, DesiredState, Ok(())),
            ("made weak by a proxy, strictly", r#"W/"7.31""#, here, WholeTag, Ok(())),
            ("of the page", r#""7.31-h""#, here, DesiredState, Ok(())),
            ("of the compressed page, strictly", r#""7.31-h-gz""#, here, WholeTag, Ok(())),
            ("one of several", r#""1.2", "7.20""#, here, DesiredState, Ok(())),
            ("none of several", r#""1.2", "8.31", "x""#, here, DesiredState, Err(Failed::Changed)),
            ("not one of ours", r#""7""#, here, DesiredState, Err(Failed::Changed)),
            ("any", "*", here, DesiredState, Ok(())),
            ("any, strictly", "*", here, WholeTag, Ok(())),
            ("any of nothing", "*", None, DesiredState, Err(Failed::Absent)),
            ("a tag of nothing", r#""7.31""#, None, WholeTag, Err(Failed::Absent)),
        ] {
            let preconditions = Preconditions { if_match: Some(tags(if_match)), ..Preconditions::NONE };
            assert_eq!(check(&preconditions, current.as_ref(), strictness), want, "{name}");
        }
    }

    #[test]
    fn what_belongs_to_another_thing_is_asked_for_by_the_tag_of_either() {
        let owner = current();
        let own = Current {
            etag: ETag { changed: Revision::from_number(900), revision: Revision::from_number(33) },
            changed_at: at(0),
        };
        let names = |line| Some(tags(line));
        let none = Preconditions::NONE;
        for (name, preconditions, want) in [
            ("nothing", none.clone(), Ok(())),
            ("its own", Preconditions { if_match: names(r#""900.1""#), ..none.clone() }, Ok(())),
            ("its owner's", Preconditions { if_match: names(r#""7.1""#), ..none.clone() }, Ok(())),
            ("any", Preconditions { if_match: names("*"), ..none.clone() }, Ok(())),
            ("neither", Preconditions { if_match: names(r#""33.33", "8.1""#), ..none.clone() }, Err(Failed::Changed)),
            ("not any", Preconditions { if_none_match: names("*"), ..none.clone() }, Err(Failed::Exists)),
            (
                "not its own",
                Preconditions { if_none_match: names(r#""900.33""#), ..none.clone() },
                Err(Failed::Unchanged),
            ),
            (
                "not its owner's",
                Preconditions { if_none_match: names(r#""7.31""#), ..none.clone() },
                Err(Failed::Unchanged),
            ),
            ("its owner's date", Preconditions { if_unmodified_since: Some(at(11_000)), ..none.clone() }, Ok(())),
            (
                "an older date",
                Preconditions { if_unmodified_since: Some(at(1_000)), ..none },
                Err(Failed::ChangedSince),
            ),
        ] {
            assert_eq!(check_owned(&preconditions, &own, &owner, Strictness::DesiredState), want, "{name}");
        }
    }

    #[test]
    fn of_an_absent_part_any_is_none_and_tags_are_those_of_the_whole() {
        let demand = |if_match, if_none_match| {
            let tags_of = |line: Option<&str>| line.map(tags);
            let demanded = Preconditions {
                if_match: tags_of(if_match),
                if_none_match: tags_of(if_none_match),
                ..Preconditions::NONE
            };
            demanded.of_absent_part().and_then(|rest| check(&rest, Some(&current()), Strictness::DesiredState))
        };
        assert_eq!(demand(Some("*"), None), Err(Failed::Absent));
        assert_eq!(demand(None, Some("*")), Ok(()));
        assert_eq!(demand(Some(r#""7.1""#), Some("*")), Ok(()));
        assert_eq!(demand(Some(r#""6.1""#), Some("*")), Err(Failed::Changed));
        assert_eq!(demand(None, Some(r#""7.31""#)), Err(Failed::Unchanged));
    }

    #[test]
    fn if_none_match_guards_creation_and_a_whole_tag() {
        let here = Some(current());
        for (name, if_none_match, current, want) in [
            ("any of nothing", "*", None, Ok(())),
            ("any", "*", here, Err(Failed::Exists)),
            ("the current tag", r#""7.31""#, here, Err(Failed::Unchanged)),
            ("the current tag, weak and of the page", r#""x", W/"7.31-h""#, here, Err(Failed::Unchanged)),
            ("an older progress", r#""7.30""#, here, Ok(())),
            ("a tag of nothing", r#""7.31""#, None, Ok(())),
        ] {
            let preconditions = Preconditions { if_none_match: Some(tags(if_none_match)), ..Preconditions::NONE };
            assert_eq!(check(&preconditions, current.as_ref(), Strictness::DesiredState), want, "{name}");
        }
    }

    #[test]
    fn a_date_never_lets_a_change_of_the_same_second_slip_through() {
        for (name, date, current, want) in [
            ("the second before", 9_000, Some(current()), Err(Failed::ChangedSince)),
            ("the second of the change", 10_000, Some(current()), Err(Failed::ChangedSince)),
            ("the second after", 11_000, Some(current()), Ok(())),
            ("nothing has no date", 9_000, None, Ok(())),
        ] {
            let preconditions = Preconditions { if_unmodified_since: Some(at(date)), ..Preconditions::NONE };
            assert_eq!(check(&preconditions, current.as_ref(), Strictness::DesiredState), want, "{name}");
        }
    }

    #[test]
    fn the_order_of_judgement_is_that_of_rfc_9110() {
        let stale = Some(at(0));
        for (name, if_match, if_none_match, want) in [
            ("a tag that holds outweighs the date", Some(r#""7.31""#), None, Ok(())),
            ("and does not outweigh if-none-match", Some("*"), Some("*"), Err(Failed::Exists)),
            ("if-match is judged first", Some(r#""1.1""#), Some("*"), Err(Failed::Changed)),
            ("the date is judged before if-none-match", None, Some("*"), Err(Failed::ChangedSince)),
        ] {
            let preconditions = Preconditions {
                if_match: if_match.map(tags),
                if_none_match: if_none_match.map(tags),
                if_unmodified_since: stale,
                if_modified_since: None,
            };
            assert_eq!(check(&preconditions, Some(&current()), Strictness::DesiredState), want, "{name}");
        }
    }

    #[test]
    fn a_write_does_not_heed_if_modified_since() {
        let preconditions = Preconditions { if_modified_since: Some(at(99_000)), ..Preconditions::NONE };
        assert!(preconditions.is_empty_for_write());
        assert_eq!(check(&preconditions, Some(&current()), Strictness::WholeTag), Ok(()));
        let others = [
            Preconditions { if_match: Some(TagList::Any), ..Preconditions::NONE },
            Preconditions { if_none_match: Some(TagList::Any), ..Preconditions::NONE },
            Preconditions { if_unmodified_since: Some(at(0)), ..Preconditions::NONE },
        ];
        assert!(others.iter().all(|preconditions| !preconditions.is_empty_for_write()));
    }

    #[test]
    fn reading_compares_the_whole_tag_of_what_would_be_sent() {
        use ReadVerdict::{NotModified, Send};
        for (name, if_none_match, suffix, want) in [
            ("the current tag", r#""7.31""#, "", NotModified),
            ("the current tag, weak", r#"W/"7.31""#, "", NotModified),
            ("an older progress", r#""7.30""#, "", Send),
            ("the page for the page", r#""7.31-h""#, "-h", NotModified),
            ("the page for the JSON", r#""7.31-h""#, "", Send),
            ("the JSON for the page", r#""7.31""#, "-h", Send),
            ("one of several", r#""1.1", "7.31-gz""#, "-gz", NotModified),
            ("any", "*", "-gz", NotModified),
        ] {
            // The date would say otherwise, and is not looked at.
            let preconditions = Preconditions {
                if_none_match: Some(tags(if_none_match)),
                if_modified_since: Some(at(if want == Send { 99_000 } else { 0 })),
                ..Preconditions::NONE
            };
            assert_eq!(check_read(&preconditions, &current(), suffix), Ok(want), "{name}");
        }
    }

    #[test]
    fn reading_knows_dates_and_if_match_too() {
        use ReadVerdict::{NotModified, Send};
        let none = Preconditions::NONE;
        let since = |millis| Some(at(millis));
        let named = |line| Some(tags(line));
        for (name, preconditions, want) in [
            ("nothing", none.clone(), Ok(Send)),
            ("modified since", Preconditions { if_modified_since: since(9_000), ..none.clone() }, Ok(Send)),
            ("not modified since", Preconditions { if_modified_since: since(10_000), ..none.clone() }, Ok(NotModified)),
            ("unmodified since", Preconditions { if_unmodified_since: since(10_000), ..none.clone() }, Ok(Send)),
            (
                "not unmodified since",
                Preconditions { if_unmodified_since: since(9_000), ..none.clone() },
                Err(Failed::ChangedSince),
            ),
            ("a match", Preconditions { if_match: named(r#"W/"7.31-gz""#), ..none.clone() }, Ok(Send)),
            ("no match", Preconditions { if_match: named(r#""7.30""#), ..none.clone() }, Err(Failed::Changed)),
            (
                "a match outweighs its date",
                Preconditions { if_match: named("*"), if_unmodified_since: since(0), ..none.clone() },
                Ok(Send),
            ),
            (
                "a match and no news",
                Preconditions { if_match: named("*"), if_none_match: named(r#""7.31""#), ..none },
                Ok(NotModified),
            ),
        ] {
            assert_eq!(check_read(&preconditions, &current(), ""), want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(lines in proptest::collection::vec("[\"W/*, a\u{e9}]{0,12}", 0..3)) {
            if let Ok(Some(list)) = TagList::parse(&lines) {
                let preconditions = Preconditions { if_none_match: Some(list), ..Preconditions::NONE };
                prop_assert!(check_read(&preconditions, &current(), "").is_ok());
            }
        }

        #[test]
        fn if_match_never_passes_on_what_is_absent(
            list in any_list(), if_none_match in proptest::option::of(any_list()), strict in any::<bool>(),
        ) {
            let preconditions = Preconditions { if_match: Some(list), if_none_match, ..Preconditions::NONE };
            let strictness = if strict { Strictness::WholeTag } else { Strictness::DesiredState };
            prop_assert_eq!(check(&preconditions, None, strictness), Err(Failed::Absent));
        }

        #[test]
        fn of_two_writers_with_one_tag_the_second_fails(changed in 1u64..100, progress in 0u64..100, later in 1u64..100) {
            let seen = ETag { changed: Revision::from_number(changed), revision: Revision::from_number(changed + progress) };
            let revision = Revision::from_number(changed + progress + later);
            let now = Current { etag: ETag { changed: revision, revision }, changed_at: at(0) };
            let preconditions = Preconditions { if_match: Some(tags(&seen.to_string())), ..Preconditions::NONE };
            prop_assert_eq!(check(&preconditions, Some(&now), Strictness::DesiredState), Err(Failed::Changed));
        }
    }
}
