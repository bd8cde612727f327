//! From an operation and a job to the letter that is sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as LettreMailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, Message};
use serde_json::Value;

use crate::domain::expression::{Scope, Template};
use crate::domain::operation::RunnerSpec;
use crate::domain::outward::{MailSpec, Mailbox, Relay};
use crate::domain::time::Timestamp;
use crate::runner::Launch;

/// The longest subject, in bytes: it is for one line of a list.
const SUBJECT_BYTES_MAX: usize = 998;

/// The longest text, in bytes: a letter that says more has a link in it.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// A letter, ready to be sent.
pub(super) struct Letter {
    pub(super) envelope: Envelope,
    pub(super) message: Vec<u8>,
    /// With its angle brackets.
    pub(super) id: String,
}

/// The letter of a launch.
///
/// # Errors
/// A template has no text for this job, or none that can be sent: which, for
/// people, and without what it gave.
pub(super) fn letter(launch: &Launch, relay: &Relay, now: Timestamp) -> Result<Letter, String> {
    let RunnerSpec::Mail(spec) = &launch.operation.runner else {
        return Err(format!("the operation `{}` is no longer a letter", launch.operation.name));
    };
    let surroundings = &launch.means.surroundings;
    let scope = Scope {
        input: launch.job.get("input").unwrap_or(&Value::Null),
        resource: &launch.resource,
        job: &launch.job,
        secret: &surroundings.secrets,
        env: &surroundings.env,
    };
    let id = format!("<{}@{}>", launch.attempt.job, relay.from.domain);
    let builder = Message::builder()
        .from(mailbox(&relay.from)?)
        .date(instant(now))
        .message_id(Some(id.clone()))
        .subject(subject(&spec.subject, &scope)?)
        // Nobody's out-of-office answers it (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    let builder = addressed(builder, spec, &scope)?;
    let text = text("text", &spec.text, &scope)?;
    let message = match &spec.html {
        None => builder.singlepart(SinglePart::plain(text)),
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, self::text("html", html, &scope)?)),
    };
    let message = message.map_err(|error| format!("there is no such letter: {error}"))?;
    Ok(Letter { envelope: message.envelope().clone(), message: message.formatted(), id })
}

fn addressed(builder: MessageBuilder, spec: &MailSpec, scope: &Scope<'_>) -> Result<MessageBuilder, String> {
    let read = |name: &str, template: &Template| {
        let text = template.render(scope).map_err(|error| format!("`{name}`: {error}"))?;
        let address: Mailbox = text.parse().map_err(|error| format!("`{name}`: {error}"))?;
        mailbox(&address)
    };
    let mut builder = builder;
    for template in &spec.to {
        builder = builder.to(read("to", template)?);
    }
    for template in &spec.cc {
        builder = builder.cc(read("cc", template)?);
    }
    for template in &spec.bcc {
        builder = builder.bcc(read("bcc", template)?);
    }
    match &spec.reply_to {
        Some(template) => Ok(builder.reply_to(read("reply_to", template)?)),
        None => Ok(builder),
    }
}

fn mailbox(mailbox: &Mailbox) -> Result<LettreMailbox, String> {
    let address = Address::new(&mailbox.local, &mailbox.domain).map_err(|error| error.to_string())?;
    Ok(LettreMailbox::new(mailbox.name.clone(), address))
}

fn subject(template: &Template, scope: &Scope<'_>) -> Result<String, String> {
    let subject = template.render(scope).map_err(|error| format!("`subject`: {error}"))?;
    // The two that are no control characters and end lines all the same.
    if subject.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err("`subject` has a line end or another control character: it is one line".to_owned());
    }
    if subject.len() > SUBJECT_BYTES_MAX {
        return Err(format!("`subject` is longer than {SUBJECT_BYTES_MAX} bytes"));
    }
    Ok(subject)
}

fn text(name: &str, template: &Template, scope: &Scope<'_>) -> Result<String, String> {
    let text = template.render(scope).map_err(|error| format!("`{name}`: {error}"))?;
    // A line ends in one way. What some take for an end and others do not could end the letter for one of them.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("`{name}` is longer than {} KiB", TEXT_BYTES_MAX / 1024));
    }
    Ok(text)
}

fn instant(now: Timestamp) -> SystemTime {
    let millis = u64::try_from(now.as_millis()).unwrap_or_default();
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}
