//! `Range` with one range of bytes (RFC 9110, 14).

use http::header::{IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue};

/// Which part of something is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: nothing else is asked for, or nothing that we serve.
    Whole,
    /// From the first to the last byte, both within.
    Bytes {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// Nothing of it lies in the range.
    Unsatisfiable,
}

/// Which part of something that has so many bytes is wanted.
///
/// Several ranges, other units and what is malformed get the whole, as
/// RFC 9110, 14.2 permits. So does an `If-Range` that does not name the tag of
/// what there is (RFC 9110, 13.1.5): there is no date that could match.
pub(super) fn wanted(headers: &HeaderMap, length: u64, tag: &HeaderValue) -> Part {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Part::Whole };
    let mut conditions = headers.get_all(IF_RANGE).iter();
    if !conditions.all(|condition| condition == tag) {
        return Part::Whole;
    }
    value.to_str().ok().and_then(|text| parse(text, length)).unwrap_or(Part::Whole)
}

fn parse(text: &str, length: u64) -> Option<Part> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let end = length.checked_sub(1);
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(match end {
            Some(end) if suffix > 0 => Part::Bytes { first: length.saturating_sub(suffix), last: end },
            Some(_) | None => Part::Unsatisfiable,
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some(match end {
        Some(end) if first <= end => Part::Bytes { first, last: last.min(end) },
        Some(_) | None => Part::Unsatisfiable,
    })
}

/// A number of digits alone; one too large to hold is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: HeaderValue = HeaderValue::from_static("\"1.10\"");

    fn of(range: &str, length: u64) -> Part {
        let headers: HeaderMap = [(RANGE, HeaderValue::from_str(range).expect("a value"))].into_iter().collect();
        wanted(&headers, length, &TAG)
    }

    #[test]
    fn one_range_is_served_and_everything_else_is_the_whole() {
        use Part::{Bytes, Unsatisfiable, Whole};
        for (range, length, want) in [
            ("bytes=0-3", 10, Bytes { first: 0, last: 3 }),
            ("Bytes=2-2", 10, Bytes { first: 2, last: 2 }),
            ("bytes=4-", 10, Bytes { first: 4, last: 9 }),
            ("bytes=4-99", 10, Bytes { first: 4, last: 9 }),
            ("bytes=4-99999999999999999999999", 10, Bytes { first: 4, last: 9 }),
            ("bytes=-3", 10, Bytes { first: 7, last: 9 }),
            ("bytes=-30", 10, Bytes { first: 0, last: 9 }),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Unsatisfiable),
            ("bytes=3-2", 10, Whole),
            ("bytes=0-1,3-4", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("lines=0-1", 10, Whole),
            ("bytes", 10, Whole),
        ] {
            assert_eq!(of(range, length), want, "{range} of {length}");
        }
    }

    #[test]
    fn a_range_under_a_condition_that_does_not_hold_gets_the_whole() {
        let part = Part::Bytes { first: 0, last: 1 };
        for (condition, want) in [
            ("\"1.10\"", part),
            ("\"1.9\"", Part::Whole),
            ("W/\"1.10\"", Part::Whole),
            ("Sat, 21 Nov 2026 10:00:00 GMT", Part::Whole),
            ("", Part::Whole),
        ] {
            let headers: HeaderMap =
                [(RANGE, HeaderValue::from_static("bytes=0-1")), (IF_RANGE, HeaderValue::from_static(condition))]
                    .into_iter()
                    .collect();
            assert_eq!(wanted(&headers, 10, &TAG), want, "{condition}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_whole(range in "(bytes=)?[0-9]{0,21}-?[0-9]{0,21}", length: u64) {
            if let Part::Bytes { first, last } = of(&range, length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}
