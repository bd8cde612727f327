//! What an answer means for its attempt.
//!
//! # Guarantees
//! A function of the answer and the instant. What it repeats of an answer is
//! bounded, printable, and without the secrets of this service.

use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use serde_json::{Value, json};

use super::exchange::Answer;
use super::{Said, failed, going_on};
use crate::domain::job::{AttemptOutcome, Ending, RESULT_BYTES_MAX, clip};
use crate::domain::json;
use crate::domain::outward::Target;
use crate::domain::secret::Secrets;
use crate::domain::time::Timestamp;

/// How much of the answer of a failed request is repeated, in bytes: a line.
const SNIPPET_BYTES_MAX: usize = 256;

/// How deep a result can be nested: as deep as what a program gives.
const RESULT_DEPTH_MAX: usize = 64;

/// What an answer means that came to a request to `target`; who goes on is
/// given up at `until`.
pub(super) fn judge(answer: &Answer, target: &Target, secrets: &Secrets, now: Timestamp, until: Timestamp) -> Said {
    if answer.status == 202 {
        return Said::Accepted(going_on(location(&answer.fields, target), until));
    }
    Said::Ended(ending(answer, secrets, now))
}

fn ending(answer: &Answer, secrets: &Secrets, now: Timestamp) -> Ending {
    let status = answer.status;
    let ending = match status {
        200..=299 => {
            let (result, detail) = result(answer, secrets);
            Ending { result, detail, ..Ending::new(AttemptOutcome::Succeeded) }
        }
        300..=399 => {
            let message = format!(
                "the service answered {status}, which leads elsewhere, and redirects are not followed: the operation \
                 must name where the service is"
            );
            Ending { fatal: true, ..failed("Redirected", message) }
        }
        408 | 425 | 429 => failed("Unavailable", words(answer, secrets)),
        400..=499 => Ending { fatal: true, ..failed("Rejected", words(answer, secrets)) },
        _ => failed("ServiceFailed", words(answer, secrets)),
    };
    let retry_after = if matches!(status, 429 | 503) { retry_after(&answer.fields, now) } else { None };
    let exit_code = if ending.outcome == AttemptOutcome::Succeeded { None } else { Some(i32::from(status)) };
    Ending { exit_code, retry_after, ..ending }
}

/// What the service answered, in one line.
fn words(answer: &Answer, secrets: &Secrets) -> String {
    let status = answer.status;
    let text =
        if is_encoded(&answer.fields) { String::new() } else { String::from_utf8_lossy(&answer.body).into_owned() };
    let text = secrets.scrub(&text);
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(char::is_control, "");
    if plain.is_empty() {
        return format!("the service answered {status}");
    }
    format!("the service answered {status}: {}", clip(&plain, SNIPPET_BYTES_MAX))
}

/// What the service gave, or why that is not kept.
fn result(answer: &Answer, secrets: &Secrets) -> (Option<Value>, Option<String>) {
    let dropped = |why: &str| (None, Some(format!("its result was dropped: {why}")));
    if is_encoded(&answer.fields) {
        return dropped("it is compressed, which was not asked for");
    }
    if answer.body.is_empty() {
        return (None, None);
    }
    let media = media(&answer.fields);
    if is_json(&media) {
        if answer.is_cut {
            return dropped("it is too large; give a URL of it instead");
        }
        let Ok(text) = std::str::from_utf8(&answer.body) else { return dropped("it is not UTF-8") };
        let Ok(value) = serde_json::from_str::<Value>(&secrets.scrub(text)) else {
            return dropped("it says that it is JSON, and is not");
        };
        if json::depth(&value) > RESULT_DEPTH_MAX {
            return dropped("it is nested too deep");
        }
        return if json::encoded_len(&value) > RESULT_BYTES_MAX {
            dropped("it is too large")
        } else {
            (Some(value), None)
        };
    }
    let Some(text) = text(answer) else {
        return dropped("it is neither JSON nor text in UTF-8");
    };
    let text = secrets.scrub(text);
    // In JSON a text can be longer than it is.
    let mut kept = text.len();
    loop {
        let value = json!({ "contentType": media, "text": clip(&text, kept) });
        if json::encoded_len(&value) <= RESULT_BYTES_MAX {
            let is_cut = answer.is_cut || kept < text.len();
            return (Some(value), is_cut.then(|| "its result was cut: it is too large".to_owned()));
        }
        kept = kept * 3 / 4;
    }
}

/// The text of an answer; one that was cut may end within a character.
fn text(answer: &Answer) -> Option<&str> {
    match std::str::from_utf8(&answer.body) {
        Ok(text) => Some(text),
        Err(error) if answer.is_cut && error.error_len().is_none() => {
            std::str::from_utf8(&answer.body[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

fn is_encoded(fields: &HeaderMap) -> bool {
    fields.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The media type without its parameters, in lower case.
fn media(fields: &HeaderMap) -> String {
    let media = fields.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    clip(&media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(), SNIPPET_BYTES_MAX)
}

fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json")
}

/// Where the work can be asked to stop, if that can be understood.
fn location(fields: &HeaderMap, target: &Target) -> Option<String> {
    let text = fields.get(LOCATION)?.to_str().ok()?;
    target.join(text).ok().map(|location| location.to_string())
}

/// How long the service wants to be left alone: seconds, or until an instant.
fn retry_after(fields: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = fields.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More than can be counted is as much as can be.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    Timestamp::from_http_date(text).map(|at| if at <= now { Duration::ZERO } else { at.since(now) })
}
