//! Paths of requests, taken apart.

use std::borrow::Cow;

use super::NoRoute;
use crate::domain::catalog::{Alias, AliasSegment};
use crate::domain::json::NESTING_MAX;
use crate::domain::paths;
use crate::http::percent;

/// The most segments of a path that can name anything: below a mount and an id
/// come names of members, and no document is deeper than this.
pub(super) const SEGMENTS_MAX: usize = paths::SEGMENTS_MAX + 1 + NESTING_MAX;

/// How many segments nearly every path has at most. So many cost no memory
/// but the stack.
const FEW: usize = 8;

/// Decodes the segments of a path, without the empty one after a trailing
/// slash, and has them looked at.
pub(super) fn segments<T>(path: &str, name: impl FnOnce(&[&str]) -> Result<T, NoRoute>) -> Result<T, NoRoute> {
    let bare = path.strip_prefix('/').ok_or(NoRoute::Unknown)?;
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    if bare.is_empty() {
        // `//` has an inner empty segment, `/` has none.
        return if path == "/" { name(&[]) } else { Err(NoRoute::Unknown) };
    }
    let count = bare.split('/').count();
    if count <= FEW {
        let mut decoded = [const { Cow::Borrowed("") }; FEW];
        decode(bare, &mut decoded[..count])?;
        let mut names = [""; FEW];
        for (name, segment) in names.iter_mut().zip(&decoded) {
            *name = segment;
        }
        return name(&names[..count]);
    }
    // As many as there can be are decoded, and all are looked at: a segment
    // further on may be malformed, which is the worse fault.
    let mut decoded = vec![Cow::Borrowed(""); count.min(SEGMENTS_MAX)];
    decode(bare, &mut decoded)?;
    if count > SEGMENTS_MAX {
        return Err(NoRoute::Unknown);
    }
    name(&decoded.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// Decodes each segment, once and after the split.
fn decode<'p>(bare: &'p str, decoded: &mut [Cow<'p, str>]) -> Result<(), NoRoute> {
    let mut empty = false;
    for (at, segment) in bare.split('/').enumerate() {
        let segment = percent::decode(segment).ok_or(NoRoute::Malformed)?;
        empty |= segment.is_empty();
        if let Some(place) = decoded.get_mut(at) {
            *place = segment;
        }
    }
    if empty { Err(NoRoute::Unknown) } else { Ok(()) }
}

/// The path that the first alias that fits these segments stands for.
pub(super) fn aliased<'n>(names: &[&'n str], aliases: &'n [Alias]) -> Option<Vec<&'n str>> {
    let alias = aliases.iter().find(|alias| fits(names, &alias.path))?;
    let meant = alias.target.iter().map(|segment| match segment {
        AliasSegment::Literal(word) => Some(word.as_str()),
        AliasSegment::Variable(_) => {
            let at = alias.path.iter().position(|variable| variable == segment)?;
            names.get(at).copied()
        }
    });
    meant.collect()
}

fn fits(names: &[&str], path: &[AliasSegment]) -> bool {
    names.len() == path.len()
        && names.iter().zip(path).all(|(name, segment)| match segment {
            AliasSegment::Literal(word) => name == word,
            AliasSegment::Variable(_) => true,
        })
}

/// The segments below a mount, if the path is at it or below.
pub(super) fn below<'s, 'n>(names: &'s [&'n str], mount: &str) -> Option<&'s [&'n str]> {
    let mut rest = names;
    for segment in paths::segments(mount) {
        let (first, below) = rest.split_first()?;
        if *first != segment {
            return None;
        }
        rest = below;
    }
    Some(rest)
}
