//! Instants and durations, in milliseconds, as the wire shows them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored.
///
/// Shown as RFC 3339 in UTC with milliseconds and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Timestamp(i64);

/// The last instant: 9999-12-30T22:00:00.999Z.
///
/// The calendar that we print with ends there, so that no offset leads out of
/// the years of four digits.
const MILLIS_MAX: i64 = 253_402_207_200_999;
/// The first one: 0000-01-01T00:00:00.000Z.
const MILLIS_MIN: i64 = -62_167_219_200_000;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The instant that many milliseconds after the epoch, brought between the
    /// first and the last that can be written with a four-digit year.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis > MILLIS_MAX {
            Self(MILLIS_MAX)
        } else if millis < MILLIS_MIN {
            Self(MILLIS_MIN)
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant and a duration more, at most the last instant there is.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This instant and a duration less, at least the first instant there is.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// The next instant that can be told from this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::from_millis(self.0.saturating_add(1))
    }

    /// The last instant that can be told from this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self::from_millis(self.0.saturating_sub(1))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The second that this instant falls into, since the epoch.
    #[must_use]
    pub const fn second(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant as an HTTP date (RFC 9110, 5.6.7), cut to the second.
    #[must_use]
    pub fn http_date(self) -> String {
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&self.to_jiff()).unwrap_or_default()
    }

    /// Reads an HTTP date: the preferred form (IMF-fixdate) or one of the two
    /// obsolete ones, of which RFC 850's has years from 1969 to 2068.
    ///
    /// `None` for anything else: RFC 9110 13.1.3 and 13.1.4 have an invalid
    /// date ignored.
    #[must_use]
    pub fn from_http_date(text: &str) -> Option<Self> {
        const FORMS: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
        let parsed = FORMS.iter().find_map(|form| jiff::civil::DateTime::strptime(form, text).ok())?;
        let instant = parsed.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self::from_millis(instant.timestamp().as_millisecond()))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an instant: expected RFC 3339, such as 2026-11-21T10:00:00Z")]
pub struct ParseTimestampError(String);

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(input: &str) -> Result<Self, ParseTimestampError> {
        let parsed: jiff::Timestamp = input.parse().map_err(|_| ParseTimestampError(input.to_owned()))?;
        Ok(Self::from_millis(parsed.as_millisecond()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = ParseTimestampError;

    fn try_from(input: String) -> Result<Self, ParseTimestampError> {
        input.parse()
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "description": "RFC 3339, UTC, in milliseconds" })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: expected a length of time such as 10s, 1h 30m or PT10M")]
pub struct ParseDurationError(String);

/// Reads a duration: ISO 8601 (`PT10M`) or friendly (`10m`, `1h 30m`, `7d`).
///
/// A day is 24 hours. Years and months have no fixed length and are refused,
/// and so is anything negative.
///
/// # Errors
/// The text is not such a duration.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let refuse = || ParseDurationError(text.to_owned());
    let span: jiff::Span = text.parse().map_err(|_| refuse())?;
    let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| refuse())?;
    Duration::try_from(span).map_err(|_| refuse())
}

/// Writes a duration as people do, so that [`parse_duration`] reads it back: `1h 30m`.
///
/// Less than a millisecond is left out.
#[must_use]
pub fn friendly(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut parts = Vec::new();
    for (unit, millis) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if rest >= millis {
            parts.push(format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_795_255_200_000).to_string(), "2026-11-21T10:00:00.000Z");
        assert_eq!(Timestamp::from_millis(1_795_255_200_007).to_string(), "2026-11-21T10:00:00.007Z");
        assert_eq!("2026-11-21T11:00:00.5+01:00".parse::<Timestamp>().map(Timestamp::as_millis), Ok(1_795_255_200_500));
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn an_http_date_goes_there_and_back_without_its_milliseconds() {
        let instant = Timestamp::from_millis(1_795_255_200_999);
        assert_eq!(instant.http_date(), "Sat, 21 Nov 2026 10:00:00 GMT");
        assert_eq!(Timestamp::from_http_date(&instant.http_date()), Some(Timestamp::from_millis(1_795_255_200_000)));
    }

    #[test]
    fn an_http_date_has_three_forms_and_no_other() {
        let instant = Timestamp::from_millis(784_111_777_000);
        for form in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(Timestamp::from_http_date(form), Some(instant), "{form}");
        }
        for form in [
            "",
            "2026-11-21",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT and more",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "0",
        ] {
            assert_eq!(Timestamp::from_http_date(form), None, "{form}");
        }
    }

    #[test]
    fn a_duration_is_friendly_or_iso_and_never_negative() {
        for (text, seconds) in
            [("10s", 10), ("10m", 600), ("1h 30m", 5400), ("PT10M", 600), ("7d", 604_800), ("P1D", 86_400), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "10", "ten minutes", "-10s", "1mo", "P1Y", "10 s m"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_stays_within_the_years_that_can_be_written() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.after(Duration::from_secs(u64::MAX)), end);
        assert_eq!(end.to_string(), "9999-12-30T22:00:00.999Z");
        assert_eq!(end.to_string().parse(), Ok(end));
        let start = Timestamp::from_millis(i64::MIN);
        assert_eq!(start.to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(start.to_string().parse(), Ok(start));
        assert_eq!(Timestamp::EPOCH.since(end), Duration::ZERO);
        assert_eq!((start.before(Duration::MAX), start.previous()), (start, start));
        assert_eq!(end.previous().next(), end);
    }

    #[test]
    fn a_duration_is_written_so_that_it_reads_back() {
        for (millis, text) in
            [(0, "0s"), (10_000, "10s"), (5_400_000, "1h 30m"), (90_061_001, "1d 1h 1m 1s 1ms"), (250, "250ms")]
        {
            let duration = Duration::from_millis(millis);
            assert_eq!(friendly(duration), text);
            assert_eq!(parse_duration(text), Ok(duration));
        }
    }
}
