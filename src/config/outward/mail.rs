//! `[mail]` and `[operations.NAME.mail]`.

use serde_json::Value;

use super::super::error::Report;
use super::super::section::{Field, Keys, Section};
use super::super::templates::{Exposure, Templates};
use crate::domain::expression::{Scope, Template};
use crate::domain::outward::{Credentials, Host, MailSpec, Mailbox, Relay, RelayTls};
use crate::domain::secret::{Secrets, Surroundings};

const RELAY: Keys = Keys { known: &["relay", "from", "user", "password", "tls"], later: &[] };
const MAIL: Keys = Keys { known: &["to", "cc", "bcc", "reply_to", "subject", "text", "html"], later: &[] };
const ADDRESS: &str = "an address such as \"heeler@example.com\" or \"Heeler <heeler@example.com>\"";

/// The most recipients of one kind: what most relays take at once.
const RECIPIENTS_MAX: usize = 50;

pub(in crate::config) fn mail_spec(
    section: &Section<'_>,
    templates: &Templates,
    report: &mut Report<'_>,
) -> Option<MailSpec> {
    section.check_keys(MAIL, report);
    let to = section.needed("to", "an address, or an array of them", report);
    let to = to.and_then(|field| recipients(&field, templates, report));
    let mut others = |name| section.get(name).map_or(Some(Vec::new()), |field| recipients(&field, templates, report));
    let (cc, bcc) = (others("cc"), others("bcc"));
    let reply_to = section.get("reply_to").map(|field| recipient(&field, templates, report));
    let subject = section.needed("subject", "one line", report).and_then(|field| subject(&field, templates, report));
    let text = section.needed("text", "what the letter says", report);
    let text = text.and_then(|field| templates.read(&field, Exposure::Work, report));
    let html = section.get("html").map(|field| templates.read(&field, Exposure::Work, report));
    Some(MailSpec {
        to: to?,
        cc: cc?,
        bcc: bcc?,
        reply_to: reply_to.map_or(Some(None), |template| template.map(Some))?,
        subject: subject?,
        text: text?,
        html: html.map_or(Some(None), |template| template.map(Some))?,
    })
}

/// One or more of them. What an expression gives is one.
fn recipients(field: &Field<'_>, templates: &Templates, report: &mut Report<'_>) -> Option<Vec<Template>> {
    if field.is_text() {
        return recipient(field, templates, report).map(|template| vec![template]);
    }
    let items = field.elements("an address, or an array of them", report)?;
    if !(1..=RECIPIENTS_MAX).contains(&items.len()) {
        return field.refuse(format!("expected 1 to {RECIPIENTS_MAX} addresses, found {}", items.len()), report);
    }
    let read: Vec<_> = items.iter().map(|item| recipient(item, templates, report)).collect();
    read.into_iter().collect()
}

fn recipient(field: &Field<'_>, templates: &Templates, report: &mut Report<'_>) -> Option<Template> {
    let template = templates.read(field, Exposure::Work, report)?;
    if let Some(text) = template.as_literal() {
        mailbox(field, text, report)?;
    }
    Some(template)
}

fn mailbox(field: &Field<'_>, text: &str, report: &mut Report<'_>) -> Option<Mailbox> {
    text.parse().map_or_else(|_| field.refuse(format!("expected {ADDRESS}, found `{text}`"), report), Some)
}

fn subject(field: &Field<'_>, templates: &Templates, report: &mut Report<'_>) -> Option<Template> {
    if field.as_text().is_some_and(|text| text.contains(['\r', '\n'])) {
        return field.refuse("a subject is one line", report);
    }
    templates.read(field, Exposure::Work, report)
}

/// Where letters are handed over, if anywhere.
pub(in crate::config) fn relay(
    root: &Section<'_>,
    templates: &Templates,
    surroundings: &Surroundings,
    report: &mut Report<'_>,
) -> Option<Relay> {
    let section = root.table("mail", report)?;
    section.check_keys(RELAY, report);
    const URL: &str = "`smtp://HOST:25`, `smtp+starttls://HOST:587` or `smtps://HOST:465`";
    let url = section.needed("relay", URL, report).and_then(|field| {
        let text = field.text(URL, report)?;
        at(text).or_else(|| field.refuse(format!("`{text}` is no relay: expected {URL}"), report))
    });
    let from = section.needed("from", ADDRESS, report);
    let from = from.and_then(|field| field.text(ADDRESS, report).and_then(|text| mailbox(&field, text, report)));
    let tls = section.get("tls").and_then(|field| {
        let words = [("offered", RelayTls::Offered), ("required", RelayTls::Required), ("none", RelayTls::None)];
        let word = field.word(&words, report)?;
        match url.as_ref().map(|(_, _, tls)| *tls) {
            Some(RelayTls::Implicit | RelayTls::Required) => {
                field.refuse("the scheme of `relay` says that already", report)
            }
            Some(RelayTls::Offered | RelayTls::None) | None => Some(word),
        }
    });
    let credentials = credentials(&section, templates, surroundings, report);
    let (host, port, by_scheme) = url?;
    let tls = tls.unwrap_or(by_scheme);
    if let Some(field) = section.get("password").filter(|_| tls == RelayTls::None) {
        return field.refuse("a password is sent over TLS alone, and `tls` is \"none\"", report);
    }
    Some(Relay { host, port, tls, from: from?, credentials: credentials? })
}

/// Host, port and what the scheme says of TLS.
fn at(text: &str) -> Option<(String, u16, RelayTls)> {
    let (scheme, rest) = text.split_once("://")?;
    let (port, tls) = match scheme {
        "smtp" => (25, RelayTls::Offered),
        "smtp+starttls" => (587, RelayTls::Required),
        "smtps" => (465, RelayTls::Implicit),
        _ => return None,
    };
    let (host, given) = Host::with_port(rest.strip_suffix('/').unwrap_or(rest))?;
    let host = match host {
        Host::Name(name) => name,
        Host::Address(address) => address.to_string(),
    };
    Some((host, given.unwrap_or(port), tls))
}

/// User and password, or neither; `None` if they are wrong.
fn credentials(
    section: &Section<'_>,
    templates: &Templates,
    surroundings: &Surroundings,
    report: &mut Report<'_>,
) -> Option<Option<Credentials>> {
    match (section.get("user"), section.get("password")) {
        (None, None) => Some(None),
        (Some(user), Some(password)) => {
            let template = templates.read(&password, Exposure::Work, report);
            if template.as_ref().is_some_and(|template| template.as_literal().is_some()) {
                return password.refuse("a password does not stand in this file: expected \"${secret.NAME}\"", report);
            }
            let user = templates.read(&user, Exposure::Work, report).map(|template| (template, user));
            let (template, (name, field)) = (template?, user?);
            let user = fixed(&field, &name, surroundings, report)?;
            Some(Some(Credentials { user, password: fixed(&password, &template, surroundings, report)? }))
        }
        (Some(field), None) | (None, Some(field)) => {
            field.refuse("`user` and `password` belong together: expected both or neither", report)
        }
    }
}

/// What a template gives that is about no job.
fn fixed(
    field: &Field<'_>,
    template: &Template,
    surroundings: &Surroundings,
    report: &mut Report<'_>,
) -> Option<String> {
    let Surroundings { secrets, env }: &Surroundings = surroundings;
    let (null, secrets, env): (_, &Secrets, &Secrets) = (&Value::Null, secrets, env);
    let scope = Scope { input: null, resource: null, job: null, secret: secrets, env };
    match template.render(&scope) {
        Ok(text) => Some(text),
        Err(error) => field.refuse(format!("{error}: the relay is the same for every job"), report),
    }
}
