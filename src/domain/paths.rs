//! Paths of URLs as operators write them: where collections are mounted, and
//! what is to be found under further paths.
//!
//! # Guarantees
//! What passes these rules leaves no path with two meanings, so that nothing
//! depends on an order in which paths are tried.
//! # Not here
//! What a path of a request names: that is the route table of HTTP, which a
//! test holds against [`OWN`].

use super::catalog::{Alias, AliasSegment, Catalog, Collection};
use super::document::{ID, LINKS};
use super::id::{CollectionName, JobId, ResourceId};

/// The most segments of a mount or an alias. Requests are compared with them,
/// and nobody finds their way about in a deeper hierarchy.
pub const SEGMENTS_MAX: usize = 16;

/// Everything that the service has a path for by itself; `{}` is any segment.
pub const OWN: [&str; 13] = [
    "/",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/schemas/{}",
    "/problems/{}",
    "/v1/jobs",
    "/v1/jobs/{}",
    "/v1/jobs/{}/log",
    "/v1/jobs/{}/queue",
    "/v1/operations",
    "/v1/operations/{}",
    "/v1/operations/{}/leases",
];

/// Paths at and below which nothing of an operator's can be: what the service
/// has there now, and what it keeps for itself.
const RESERVED: [&str; 9] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/schemas",
    "/problems",
    "/v1/jobs",
    "/v1/operations",
    "/v1/admin",
];

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start at the root.
    #[error("a path starts with `/`")]
    Relative,
    /// It ends in a slash.
    #[error("leave out the slash at the end: with and without it is the same path")]
    TrailingSlash,
    /// There is nothing between two slashes.
    #[error("there is nothing between two slashes")]
    EmptySegment,
    /// A segment is `.` or `..`, which clients take away.
    #[error("`{0}` is no segment: clients take it away before they ask")]
    Dots(String),
    /// A character that a path cannot hold as it is.
    #[error("`{0}` cannot stand in it: expected letters, digits and any of `-._~!$&'()*+,;=:@`")]
    Character(char),
    /// A brace that does not enclose the name of a variable.
    #[error("`{0}` is no segment: a variable is a whole one, such as `{{id}}`")]
    Variable(String),
    /// It has more segments than [`SEGMENTS_MAX`].
    #[error("it has more than {SEGMENTS_MAX} segments")]
    TooLong,
}

/// The segments of a path that may have variables.
///
/// # Errors
/// The text is no path.
pub fn parse(text: &str) -> Result<Vec<AliasSegment>, PathError> {
    let rest = text.strip_prefix('/').ok_or(PathError::Relative)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    if rest.ends_with('/') {
        return Err(PathError::TrailingSlash);
    }
    let segments: Vec<_> = rest.split('/').map(segment).collect::<Result<_, _>>()?;
    if segments.len() > SEGMENTS_MAX { Err(PathError::TooLong) } else { Ok(segments) }
}

fn segment(text: &str) -> Result<AliasSegment, PathError> {
    let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    if let Some(name) =
        name.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    {
        return Ok(AliasSegment::Variable(name.to_owned()));
    }
    match text {
        "" => Err(PathError::EmptySegment),
        "." | ".." => Err(PathError::Dots(text.to_owned())),
        _ if text.contains(['{', '}']) => Err(PathError::Variable(text.to_owned())),
        _ => match text.chars().find(|c| !stands_as_it_is(*c)) {
            Some(other) => Err(PathError::Character(other)),
            None => Ok(AliasSegment::Literal(text.to_owned())),
        },
    }
}

/// Whether a character may stand in a segment without being encoded (RFC 3986,
/// 3.3), so that a path has one spelling and means itself.
fn stands_as_it_is(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c)
}

/// Why a collection cannot be mounted at this path, whatever else there is.
#[must_use]
pub fn not_a_mount(path: &str) -> Option<String> {
    match parse(path) {
        Err(error) => return Some(error.to_string()),
        Ok(segments) if segments.is_empty() => return Some("`/` is the service's own".to_owned()),
        Ok(segments) if segments.iter().any(|segment| matches!(segment, AliasSegment::Variable(_))) => {
            return Some("a collection is mounted at one path, without variables".to_owned());
        }
        Ok(_) => {}
    }
    RESERVED.iter().find_map(|own| {
        let place = placed(path, own)?;
        Some(format!("that is {place}, which is the service's own"))
    })
}

/// Why two collections cannot be mounted at these paths: a resource of one
/// would be at the path of the other.
#[must_use]
pub fn not_beside(path: &str, other: &str, name: &CollectionName) -> Option<String> {
    let place = placed(path, other)?;
    Some(format!("that is {place}, where the collection `{name}` is"))
}

/// How a path lies to another, if they touch.
fn placed(path: &str, other: &str) -> Option<String> {
    if path == other {
        Some(format!("`{other}`"))
    } else if is_below(path, other) {
        Some(format!("below `{other}`"))
    } else if is_below(other, path) {
        Some(format!("above `{other}`"))
    } else {
        None
    }
}

fn is_below(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether something is at a path, whatever its variables stand for. They may
/// stand where ids and names do, and for nothing else.
#[must_use]
pub fn leads_somewhere(target: &[AliasSegment], catalog: &Catalog) -> bool {
    OWN.iter().any(|own| is_pattern(target, own))
        || catalog.collections.values().any(|collection| leads_into(target, collection))
}

fn is_pattern(target: &[AliasSegment], own: &str) -> bool {
    let own = segments(own);
    target.len() == own.clone().count()
        && target.iter().zip(own).all(|(segment, own)| own == "{}" || is_literal(segment, own))
}

fn leads_into(target: &[AliasSegment], collection: &Collection) -> bool {
    let Some(below) = below(target, &collection.path, is_literal) else { return false };
    let [id, below @ ..] = below else { return true };
    if matches!(id, AliasSegment::Literal(id) if id.parse::<ResourceId>().is_err()) {
        return false;
    }
    match below {
        [AliasSegment::Literal(member), below @ ..] if collection.activity(member).is_some() => match below {
            [] => true,
            [AliasSegment::Literal(word)] => {
                matches!(word.as_str(), "last" | "form" | "ticks") || word.parse::<JobId>().is_ok()
            }
            [AliasSegment::Variable(_)] => true,
            _ => false,
        },
        _ => true,
    }
}

/// What would be hidden, in words, if there were something else at this path.
#[must_use]
pub fn hides(path: &[AliasSegment], catalog: &Catalog) -> Option<String> {
    if path.is_empty() {
        return Some("`/` is the service's own".to_owned());
    }
    if let Some(own) = RESERVED.iter().find(|own| below(path, own, may_be).is_some()) {
        return Some(format!("`{own}` and what is below it is the service's own"));
    }
    let hidden = |collection: &&std::sync::Arc<Collection>| hides_of(path, collection);
    catalog.collections.values().find(hidden).map(|collection| {
        let Collection { name, path, .. } = &**collection;
        format!("the collection `{name}` has `{path}`, and below each resource its activities and `{ID}`, `{LINKS}` and its status")
    })
}

fn hides_of(path: &[AliasSegment], collection: &Collection) -> bool {
    let Some(below) = below(path, &collection.path, may_be) else { return false };
    let exactly = self::below(path, &collection.path, is_literal).is_some();
    match below {
        // A member of a document that is the client's gives way.
        [_, AliasSegment::Literal(member), ..] if exactly => {
            let own = member == ID || member == LINKS || *member == collection.observed_as;
            own || collection.activity(member).is_some()
        }
        _ => true,
    }
}

/// Whether some path is both.
#[must_use]
pub fn overlap(one: &[AliasSegment], other: &[AliasSegment]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|pair| match pair {
            (AliasSegment::Literal(one), AliasSegment::Literal(other)) => one == other,
            (AliasSegment::Variable(_), _) | (_, AliasSegment::Variable(_)) => true,
        })
}

/// Why an alias cannot be one by itself: its variables.
#[must_use]
pub fn unbound(alias: &Alias) -> Option<String> {
    let names = |segments: &'_ [AliasSegment]| -> Vec<String> {
        let name = |segment: &AliasSegment| match segment {
            AliasSegment::Variable(name) => Some(name.clone()),
            AliasSegment::Literal(_) => None,
        };
        segments.iter().filter_map(name).collect()
    };
    let (path, target) = (names(&alias.path), names(&alias.target));
    let twice = path.iter().enumerate().find(|(at, name)| path[..*at].contains(name));
    if let Some((_, name)) = twice {
        return Some(format!("`{{{name}}}` occurs twice in the path"));
    }
    if let Some(name) = target.iter().find(|name| !path.contains(name)) {
        return Some(format!("`{{{name}}}` is not in the path, so that nobody can say what it stands for"));
    }
    let unused = path.iter().find(|name| !target.contains(name))?;
    Some(format!("`{{{unused}}}` is not in the target, so that many paths would be one thing"))
}

/// What is left of a path below another, if each segment of that one is as it is to be.
fn below<'p>(path: &'p [AliasSegment], above: &str, is: fn(&AliasSegment, &str) -> bool) -> Option<&'p [AliasSegment]> {
    let above = segments(above);
    let (head, rest) = path.split_at_checked(above.clone().count())?;
    head.iter().zip(above).all(|(segment, word)| is(segment, word)).then_some(rest)
}

fn is_literal(segment: &AliasSegment, word: &str) -> bool {
    matches!(segment, AliasSegment::Literal(literal) if literal == word)
}

fn may_be(segment: &AliasSegment, word: &str) -> bool {
    matches!(segment, AliasSegment::Variable(_)) || is_literal(segment, word)
}

/// The segments of a path of ours.
pub fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    path.split('/').skip(1).filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::catalog::ActivitySpec;

    fn catalog() -> Catalog {
        let collection = |name: &str, path: &str| {
            let name: CollectionName = name.parse().expect("a name");
            let activities = vec![ActivitySpec::new("barks".parse().expect("a name"))];
            (name.clone(), Arc::new(Collection { path: path.to_owned(), activities, ..Collection::new(name) }))
        };
        let collections = [collection("dogs", "/v1/dogs"), collection("users", "/api/v1/users")];
        Catalog { collections: collections.into(), ..Catalog::default() }
    }

    fn path(text: &str) -> Vec<AliasSegment> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_path_is_absolute_and_has_one_spelling() {
        for (text, error) in [
            ("", PathError::Relative),
            ("users", PathError::Relative),
            ("http://x/users", PathError::Relative),
            ("/users/", PathError::TrailingSlash),
            ("//", PathError::TrailingSlash),
            ("/a//b", PathError::EmptySegment),
            ("/a/./b", PathError::Dots(".".to_owned())),
            ("/..", PathError::Dots("..".to_owned())),
            ("/a?b=c", PathError::Character('?')),
            ("/a#b", PathError::Character('#')),
            ("/a%20b", PathError::Character('%')),
            ("/a b", PathError::Character(' ')),
            ("/käse", PathError::Character('ä')),
            ("/a/{}", PathError::Variable("{}".to_owned())),
            ("/a/x{id}", PathError::Variable("x{id}".to_owned())),
            ("/a/{a-b}", PathError::Variable("{a-b}".to_owned())),
            ("/a{", PathError::Variable("a{".to_owned())),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert_eq!(parse(&"/a".repeat(SEGMENTS_MAX + 1)), Err(PathError::TooLong));
        assert_eq!(path(&"/a".repeat(SEGMENTS_MAX)).len(), SEGMENTS_MAX);
        assert_eq!(path("/"), []);
        let (literal, variable) =
            (AliasSegment::Literal("a.b~c:@".to_owned()), AliasSegment::Variable("id".to_owned()));
        assert_eq!(path("/a.b~c:@/{id}"), [literal, variable]);
    }

    #[test]
    fn a_mount_touches_nothing_of_the_service() {
        for taken in [
            "/",
            "/v1",
            "/v1/jobs",
            "/v1/jobs/x",
            "/v1/operations",
            "/v1/admin",
            "/healthz",
            "/healthz/x",
            "/metrics",
            "/problems",
            "/schemas/x",
            "/openapi.json",
            "/x/{id}",
        ] {
            assert!(not_a_mount(taken).is_some(), "{taken}");
        }
        for free in ["/order", "/v1/job", "/v1/jobsearch", "/v1x", "/api/v1/users", "/v2", "/v1/a/b"] {
            assert_eq!(not_a_mount(free), None, "{free}");
        }
    }

    #[test]
    fn no_mount_is_above_another() {
        let name = "dogs".parse().expect("a name");
        for (one, other, touch) in [
            ("/v1/dogs", "/v1/dogs", true),
            ("/v1/dogs/x", "/v1/dogs", true),
            ("/v1", "/v1/dogs", true),
            ("/v1/dog", "/v1/dogs", false),
            ("/order", "/orders", false),
        ] {
            assert_eq!(not_beside(one, other, &name).is_some(), touch, "{one} {other}");
            assert_eq!(not_beside(other, one, &name).is_some(), touch, "{other} {one}");
        }
    }

    #[test]
    fn a_target_is_something_that_has_a_path() {
        for (text, leads) in [
            ("/", true),
            ("/healthz", true),
            ("/v1/jobs", true),
            ("/v1/jobs/{job}", true),
            ("/v1/jobs/{job}/log", true),
            ("/v1/jobs/{job}/x", false),
            ("/v1/{word}", false),
            ("/v1", false),
            ("/v1/cats", false),
            ("/v1/users", false),
            ("/v1/dogs", true),
            ("/api/v1/users/{id}", true),
            ("/api/{v}/users/{id}", false),
            ("/v1/dogs/7", true),
            ("/v1/dogs/.7", false),
            ("/v1/dogs/{id}/barks", true),
            ("/v1/dogs/{id}/barks/last", true),
            ("/v1/dogs/{id}/barks/form", true),
            ("/v1/dogs/{id}/barks/ticks", true),
            ("/v1/dogs/{id}/barks/{job}", true),
            ("/v1/dogs/{id}/barks/first", false),
            ("/v1/dogs/{id}/barks/last/x", false),
            ("/v1/dogs/{id}/name", true),
            ("/v1/dogs/{id}/names/{n}/first", true),
        ] {
            assert_eq!(leads_somewhere(&path(text), &catalog()), leads, "{text}");
        }
    }

    #[test]
    fn an_alias_hides_nothing_but_a_member_of_a_document() {
        for (text, hidden) in [
            ("/", true),
            ("/healthz", true),
            ("/{word}", true),
            ("/v1/jobs/latest", true),
            ("/{version}/jobs", true),
            ("/metrics", true),
            ("/v1/dogs", true),
            ("/v1/dogs/rex", true),
            ("/v1/dogs/{id}", true),
            ("/v1/dogs/{id}/barks", true),
            ("/v1/dogs/{id}/barks/newest", true),
            ("/v1/dogs/{id}/status", true),
            ("/v1/dogs/{id}/id", true),
            ("/v1/dogs/{id}/{member}", true),
            ("/{version}/dogs/7/bark", true),
            ("/v1/dogs/{id}/bark", false),
            ("/v1/dogs/{id}/bark/now", false),
            ("/mostRecentTasks", false),
            ("/v1", false),
            ("/users/{id}/form", false),
        ] {
            assert_eq!(hides(&path(text), &catalog()).is_some(), hidden, "{text}");
        }
    }

    #[test]
    fn two_aliases_never_fit_one_path() {
        for (one, other, both) in [
            ("/a/{x}", "/a/{y}", true),
            ("/a/{x}", "/a/b", true),
            ("/a/{x}", "/{y}/b", true),
            ("/a/b", "/a/c", false),
            ("/a", "/a/{x}", false),
        ] {
            assert_eq!(overlap(&path(one), &path(other)), both, "{one} {other}");
        }
    }

    #[test]
    fn variables_are_named_once_and_used() {
        for (from, to, fine) in [
            ("/u/{id}", "/v1/dogs/{id}", true),
            ("/u/{a}/{b}", "/v1/dogs/{b}/x/{a}", true),
            ("/u", "/v1/dogs", true),
            ("/u/{a}/{a}", "/v1/dogs/{a}", false),
            ("/u/{a}", "/v1/dogs", false),
            ("/u", "/v1/dogs/{a}", false),
        ] {
            assert_eq!(unbound(&Alias { path: path(from), target: path(to) }).is_none(), fine, "{from} {to}");
        }
    }
}
