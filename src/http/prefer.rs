//! `Prefer` and `Preference-Applied` (RFC 7240).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The request header.
pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The response header.
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest that an answer waits, whatever the client prefers: proxies
/// give up on a silent server at about this time.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a client would like, of what this service can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Prefer {
    /// `return`
    pub(super) answer: Option<Answer>,
    /// `wait`, at most [`WAIT_MAX`].
    pub(super) wait: Option<Duration>,
    /// `handling=strict`
    pub(super) handling: Option<Handling>,
    /// `respond-async`, where that can be honoured.
    pub(super) respond: Option<Respond>,
}

/// When to answer about work that takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Respond {
    /// Before it is done.
    Async,
}

/// How much a successful answer should say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// That it was done.
    Minimal,
    /// What it led to.
    Representation,
}

/// How literally to take the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    /// To the letter.
    Strict,
    /// As usual.
    Lenient,
}

impl Prefer {
    /// Reads the preferences of a request.
    ///
    /// What is unknown or malformed is ignored, and of a preference that is
    /// stated twice the first one counts (RFC 7240, 2).
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let mut seen = Vec::new();
        for value in headers.get_all(PREFER) {
            for preference in value.to_str().unwrap_or_default().split(',') {
                let stated = preference.split(';').next().unwrap_or_default();
                let (name, value) = stated.split_once('=').unwrap_or((stated, ""));
                let name = name.trim().to_ascii_lowercase();
                if !seen.contains(&name) {
                    prefer.state(&name, value.trim().trim_matches('"'));
                    seen.push(name);
                }
            }
        }
        prefer
    }

    fn state(&mut self, name: &str, value: &str) {
        match (name, value) {
            ("return", "minimal") => self.answer = Some(Answer::Minimal),
            ("return", "representation") => self.answer = Some(Answer::Representation),
            ("handling", "strict") => self.handling = Some(Handling::Strict),
            ("handling", "lenient") => self.handling = Some(Handling::Lenient),
            ("respond-async", "") => self.respond = Some(Respond::Async),
            ("wait", seconds) => {
                let digits = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
                // So many digits that they overflow are still only a wish for more than there is.
                let wish = || Duration::from_secs(seconds.parse().unwrap_or(u64::MAX));
                self.wait = digits.then(|| wish().min(WAIT_MAX));
            }
            _ => {}
        }
    }

    /// These preferences, as the header of an answer that honours them.
    pub(super) fn applied(&self) -> Option<HeaderValue> {
        let mut words = Vec::new();
        match self.respond {
            Some(Respond::Async) => words.push("respond-async".to_owned()),
            None => {}
        }
        match self.answer {
            Some(Answer::Minimal) => words.push("return=minimal".to_owned()),
            Some(Answer::Representation) => words.push("return=representation".to_owned()),
            None => {}
        }
        if let Some(wait) = self.wait {
            words.push(format!("wait={}", wait.as_secs()));
        }
        match self.handling {
            Some(Handling::Strict) => words.push("handling=strict".to_owned()),
            Some(Handling::Lenient) => words.push("handling=lenient".to_owned()),
            None => {}
        }
        if words.is_empty() { None } else { HeaderValue::try_from(words.join(", ")).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(values: &[&str]) -> String {
        let headers: HeaderMap =
            values.iter().map(|value| (PREFER, HeaderValue::from_str(value).expect("a value"))).collect();
        Prefer::from_headers(&headers)
            .applied()
            .map(|value| value.to_str().expect("ascii").to_owned())
            .unwrap_or_default()
    }

    #[test]
    fn preferences_are_read_as_rfc_7240_writes_them() {
        for (values, want) in [
            (&[][..], ""),
            (&["return=minimal"], "return=minimal"),
            (&["return=\"minimal\""], "return=minimal"),
            (&["RETURN = representation ; foo=bar"], "return=representation"),
            (&["handling=strict, wait=20", "return=minimal"], "return=minimal, wait=20, handling=strict"),
            (&["handling=lenient"], "handling=lenient"),
            // The first one counts, known value or not.
            (&["return=minimal, return=representation"], "return=minimal"),
            (&["wait=5", "wait=6"], "wait=5"),
            (&["return=nothing, return=minimal"], ""),
            // A wait has a bound, and is in whole seconds.
            (&["wait=61"], "wait=60"),
            (&["wait=99999999999999999999999"], "wait=60"),
            (&["wait=0"], "wait=0"),
            (&["wait=-1"], ""),
            (&["wait=1.5"], ""),
            (&["wait"], ""),
            (&["respond-async, foo; bar=\"a\", ,;"], "respond-async"),
            (&["wait=5, respond-async=yes"], "wait=5"),
        ] {
            assert_eq!(applied(values), want, "{values:?}");
        }
    }
}
